//! Bundles with one fault each. In: three roots. Out: files that hold the first before the fault, the second at it, the third after it.

use std::path::Path;
use std::process::Command;

use data_encoding::BASE64;
use sidelight_testkit::Issuer;
use sidelight_testkit::process::run;

/// A file with one fault.
pub(crate) struct Case {
    /// Its name, as in docs/runtimes.md.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) bytes: Vec<u8>,
}

/// The three roots, and what openssl(1) makes of the second.
pub(crate) struct Material {
    /// Before, at and after the fault.
    pub(crate) roots: [Issuer; 3],
    folder: std::path::PathBuf,
}

impl Material {
    /// Makes the roots; files that openssl(1) needs go to `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        // Signatures differ in length by chance, but whether base64 ends with padding decides what some faults cost.
        let padded = |name: &str| {
            let made = std::iter::repeat_with(|| Issuer::root(name));
            made.take(1000).find(|root| root.der().len() % 3 == 1).expect("a root of such a length")
        };
        let roots = ["Reader Before", "Reader At", "Reader After"].map(padded);
        for (root, name) in roots.iter().zip(["a.pem", "b.pem", "c.pem"]) {
            root.write_to(&folder.join(name));
        }
        Self { roots, folder: folder.to_path_buf() }
    }

    fn openssl(&self, line: &str) -> Vec<u8> {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(&self.folder).args(line.split(' '));
        run(&mut openssl).success().stdout
    }

    fn pem(&self, index: usize) -> String {
        pem("CERTIFICATE", self.roots[index].der(), 64)
    }

    fn around(&self, at: impl AsRef<[u8]>) -> Vec<u8> {
        [self.pem(0).as_bytes(), at.as_ref(), self.pem(2).as_bytes()].concat()
    }

    /// All files.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = self.blocks();
        cases.extend(self.boundaries());
        cases.extend(self.neighbours());
        cases.extend(self.files());
        cases
    }

    /// Faults within the second block.
    fn blocks(&self) -> Vec<Case> {
        let b = self.pem(1);
        let der = self.roots[1].der().to_vec();
        let at = b.len() / 2;
        let with = |text: &str| format!("{}{text}{}", &b[..at], &b[at..]);
        let mut broken = der.clone();
        broken[4] = 0x31;
        let lines: Vec<&str> = b.lines().collect();
        let half = lines.len() / 2;
        let line = |text: &str| [&lines[..half], &[text], &lines[half..]].concat().join("\n") + "\n";
        let base64 = BASE64.encode(&der);
        let bare = base64.trim_end_matches('=');
        let block = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let wide = pem("CERTIFICATE", &der, 76);
        let wrapped = |text: &str| block(&columns(text, 64));
        // Neither base64 nor DER of the same length: what a reader does next depends on the padding.
        let trailing = |count: usize| pem("CERTIFICATE", &[der.as_slice(), &vec![0; count]].concat(), 64);
        let cases = vec![
            case("a character that is not base64", with("!")),
            case("a dash in the base64", with("-")),
            case("broken DER", pem("CERTIFICATE", &broken, 64)),
            case("bytes behind the certificate", trailing(3)),
            case("blank line in the base64", line("")),
            case("comment line in the base64", line("# a comment")),
            case("spaces in the base64", with(" ")),
            case("NUL in the base64", with("\0")),
            case("header lines in the block", b.replacen("-----\n", "-----\nX-Origin: somewhere\n\n", 1)),
            case("header line without blank line", b.replacen("-----\n", "-----\nX-Origin: somewhere\n", 1)),
            case("blank line after BEGIN", b.replacen("-----\n", "-----\n\n", 1)),
            case("blank line after BEGIN, lines of 76", wide.replacen("-----\n", "-----\n\n", 1)),
            case("blank line before END", b.replace("\n-----END", "\n\n-----END")),
            case("base64 in one line", block(&base64)),
            case("base64 in lines of 72", pem("CERTIFICATE", &der, 72)),
            case("base64 in lines of 76", pem("CERTIFICATE", &der, 76)),
            case("base64 in lines of 300", pem("CERTIFICATE", &der, 300)),
            case("spaces at line ends", b.replace('\n', "  \n")),
            case("base64 lines indented", block(&columns(&base64, 64).replace('\n', "\n  "))),
            case("all lines indented", b.lines().map(|line| format!("  {line}\n")).collect::<String>()),
            case("padding missing", wrapped(bare)),
            case("half the padding missing", wrapped(&format!("{bare}="))),
            case("too much padding", wrapped(&format!("{bare}===="))),
            case("cut off inside", format!("{}\n-----END CERTIFICATE-----\n", &b[..b.len() / 2])),
        ];
        cases.into_iter().map(|case| Case { bytes: self.around(&case.bytes), ..case }).collect()
    }

    /// Faults of the second block's first and last line.
    fn boundaries(&self) -> Vec<Case> {
        let b = self.pem(1);
        let label = |label: &str| b.replace("CERTIFICATE", label);
        let begin = |text: &str| b.replacen("-----BEGIN CERTIFICATE-----", text, 1);
        let end = |text: &str| b.replacen("-----END CERTIFICATE-----", text, 1);
        let trusted = |options: &str| self.openssl(&format!("x509 -in b.pem -trustout {options}"));
        let cases = vec![
            case("END missing", b.replace("-----END CERTIFICATE-----\n", "")),
            case("END missing, base64 without padding", self.unpadded().replace("-----END CERTIFICATE-----\n", "")),
            case("BEGIN missing", begin("").trim_start()),
            case("text behind BEGIN", begin("-----BEGIN CERTIFICATE----- junk")),
            case("text behind END", end("-----END CERTIFICATE----- junk")),
            case("spaces behind BEGIN and END", b.replace("-----\n", "-----  \n")),
            case("text before BEGIN in its line", begin("text -----BEGIN CERTIFICATE-----")),
            case("space before BEGIN", begin(" -----BEGIN CERTIFICATE-----")),
            case("space before END", end(" -----END CERTIFICATE-----")),
            case("six dashes at BEGIN", begin("------BEGIN CERTIFICATE-----")),
            case("four dashes behind BEGIN", begin("-----BEGIN CERTIFICATE----")),
            case("four dashes behind END", end("-----END CERTIFICATE----")),
            case("END on the last base64 line", b.replace("\n-----END", "-----END")),
            case("END of another label", end("-----END X509 CERTIFICATE-----")),
            case("lower-case label", label("certificate")),
            case("lower-case begin and end", b.replace("BEGIN", "begin").replace("END", "end")),
            case("label X509 CERTIFICATE", label("X509 CERTIFICATE")),
            case("label TRUSTED CERTIFICATE without settings", label("TRUSTED CERTIFICATE")),
            case("TRUSTED CERTIFICATE for serverAuth", trusted("-addtrust serverAuth")),
            case("TRUSTED CERTIFICATE for any purpose", trusted("-addtrust anyExtendedKeyUsage")),
            case("TRUSTED CERTIFICATE for emailProtection", trusted("-addtrust emailProtection")),
            case("TRUSTED CERTIFICATE that rejects serverAuth", trusted("-addreject serverAuth")),
            case("TRUSTED CERTIFICATE with an alias only", trusted("-setalias somebody")),
        ];
        cases.into_iter().map(|case| Case { bytes: self.around(&case.bytes), ..case }).collect()
    }

    /// The second root with bytes appended inside its DER's block so that the base64 has no padding; sound but for them.
    fn unpadded(&self) -> String {
        let der = self.roots[1].der();
        let rest = (3 - der.len() % 3) % 3;
        pem("CERTIFICATE", &[der.as_ref(), &vec![0; rest]].concat(), 64)
    }

    /// What stands between sound blocks.
    fn neighbours(&self) -> Vec<Case> {
        let [a, b, c] = [0, 1, 2].map(|index| self.pem(index));
        let between = |text: &str| [a.as_str(), text, &b, &c].concat();
        self.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem -outform PEM");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("PEM");
        let pkcs8 = text(self.openssl("pkey -in key.pem"));
        let rsa = text(self.openssl("pkey -in key.pem -traditional"));
        let locked = text(self.openssl("pkey -in key.pem -traditional -aes128 -passout pass:secret"));
        let locked8 = text(self.openssl("pkcs8 -in key.pem -topk8 -v2 aes-128-cbc -passout pass:secret"));
        let request = text(self.openssl("req -new -key key.pem -subj /CN=request"));
        let broken = "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----\n";
        let other = "-----BEGIN SOMETHING ELSE-----\n????\n-----END SOMETHING ELSE-----\n";
        let comment = format!("# {}\n", "long ".repeat(200));
        vec![
            case("nothing wrong", between("")),
            case("text between", between("# Somebody's Root\nIssuer: CN=x\n\n")),
            case("a very long line between", between(&comment)),
            case("text with dashes between", between("-----\n----- some text -----\n")),
            case("twice the same", between(&b)),
            case("PRIVATE KEY between", between(&pkcs8)),
            case("RSA PRIVATE KEY between", between(&rsa)),
            case("broken RSA PRIVATE KEY between", between(broken)),
            case("encrypted RSA PRIVATE KEY between", between(&locked)),
            case("ENCRYPTED PRIVATE KEY between", between(&locked8)),
            case("CERTIFICATE REQUEST between", between(&request)),
            case("X509 CRL between", between(&self.roots[1].crl(&[7]))),
            case("unknown label, not base64, between", between(other)),
            case("byte order mark between", between("\u{feff}")),
            case("byte order mark after a blank line", between("\n\u{feff}")),
            case("NUL between", between("\0\0\n")),
            case(
                "label X509 CERTIFICATE, the last",
                [&a, &c, &b.replace("CERT", "X509 CERT")].map(String::as_str).concat(),
            ),
            case("joined boundary", [a.trim_end(), &b, &c].concat()),
            case("a certificate in DER between", [a.as_bytes(), self.roots[1].der(), b"\n", c.as_bytes()].concat()),
        ]
    }

    /// Faults of the file as a whole.
    fn files(&self) -> Vec<Case> {
        let [a, b, c] = [0, 1, 2].map(|index| self.pem(index));
        let all = [a.as_str(), &b, &c].concat();
        let der = |index: usize| self.roots[index].der().to_vec();
        let wide = |swap: bool| {
            let units = std::iter::once(0xfeff_u16).chain(all.encode_utf16());
            units.flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect::<Vec<u8>>()
        };
        let pkcs7 = "crl2pkcs7 -nocrl -certfile a.pem -certfile b.pem -certfile c.pem";
        let store = |kind: &str| self.keystore(kind);
        vec![
            case("CR LF", all.replace('\n', "\r\n")),
            case("CR alone", all.replace('\n', "\r")),
            case("no last newline", all.trim_end()),
            case("text behind the last END, no newline", format!("{all}the end")),
            case("byte order mark at the start", format!("\u{feff}{all}")),
            case("the file is cut off", &all[..all.len() - c.len() / 2]),
            case("UTF-16, little-endian", wide(false)),
            case("UTF-16, big-endian", wide(true)),
            case("UTF-16 without mark", &wide(false)[2..]),
            case("empty", ""),
            case("blank lines alone", "\n\n"),
            case("text without PEM", "no certificate\n"),
            case("one certificate in DER", der(1)),
            case("three certificates in DER", [der(0), der(1), der(2)].concat()),
            case("DER with a newline behind", [der(1), b"\n".to_vec()].concat()),
            case("PKCS#7 in PEM", self.openssl(pkcs7)),
            case("PKCS#7 in DER", self.openssl(&format!("{pkcs7} -outform DER"))),
            case("JKS", store("JKS")),
            case("PKCS#12 by keytool", store("PKCS12")),
            case("PKCS#12 by openssl", self.openssl("pkcs12 -export -nokeys -in b.pem -passout pass:changeit")),
        ]
    }

    fn keystore(&self, kind: &str) -> Vec<u8> {
        let file = format!("store.{kind}");
        for name in ["a", "b", "c"] {
            let mut keytool = Command::new("keytool");
            keytool.current_dir(&self.folder);
            keytool.args(["-importcert", "-noprompt", "-storepass", "changeit", "-alias", name, "-keystore", &file]);
            keytool.args(["-storetype", kind, "-file", &format!("{name}.pem")]);
            run(&mut keytool).success();
        }
        std::fs::read(self.folder.join(file)).expect("keytool's store")
    }
}

fn case(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec() }
}

fn pem(label: &str, der: &[u8], width: usize) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", columns(&BASE64.encode(der), width))
}

fn columns(text: &str, width: usize) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect();
    lines.join("\n")
}
