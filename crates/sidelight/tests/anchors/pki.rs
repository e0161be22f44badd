//! Roots with one defect each, and sound leaves below them. In: a folder. Out: for each case the anchors, the chain as sent, its key.
//! Made by openssl(1), because no library of ours makes MD5 signatures, RSA keys of 1,024 bits, or version 1; those with odd dates by rcgen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The extensions of a sound root.
pub(crate) const ROOT: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

/// The extensions of a sound leaf.
pub(crate) const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n\
    subjectKeyIdentifier=hash\nsubjectAltName=DNS:localhost\n";

/// What stands behind a leaf's own extensions, so that it names its issuer's key.
pub(crate) const AKI: &str = "authorityKeyIdentifier=keyid\n";

/// A server and what its client trusts.
#[derive(Debug)]
pub(crate) struct Case {
    /// The defect.
    pub name: String,
    /// The only certificate that is trusted.
    pub roots: PathBuf,
    /// What the server sends.
    pub chain: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

/// Makes certificates by openssl(1) in a folder.
pub(crate) struct Workshop<'a> {
    pub(crate) folder: &'a Path,
}

/// A root with a defect: how its key is made, how it is signed, its extensions.
pub(crate) struct Root {
    pub(crate) key: &'static [&'static str],
    pub(crate) digest: &'static str,
    pub(crate) extensions: String,
}

pub(crate) const EC: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const RSA_1024: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];

/// Every case.
pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let shop = Workshop { folder };
    let root = |extensions: &str| Root { key: EC, digest: "-sha256", extensions: extensions.to_owned() };
    let with = |more: &str| root(&format!("{ROOT}{more}"));
    let mut cases = vec![
        shop.below("sound", &root(ROOT), AKI),
        shop.below("rsa-1024", &Root { key: RSA_1024, ..root(ROOT) }, AKI),
        shop.below("sha1-self-signature", &Root { digest: "-sha1", ..root(ROOT) }, AKI),
        shop.below("md5-self-signature", &Root { key: RSA, digest: "-md5", ..root(ROOT) }, AKI),
        shop.below("version-1", &root(""), ""),
        shop.below("no-key-usage", &root("basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"), AKI),
        shop.below("basic-constraints-not-critical", &root(&ROOT.replace("critical,CA", "CA")), AKI),
        shop.below("leaf-without-aki", &root(ROOT), "authorityKeyIdentifier=none\n"),
        shop.below("ca-false", &root(&ROOT.replace("CA:TRUE", "CA:FALSE").replace("keyCertSign,", "")), AKI),
        shop.below("no-key-cert-sign", &root(&ROOT.replace("keyCertSign,", "")), AKI),
        shop.below("eku-email-only", &with("extendedKeyUsage=emailProtection\n"), AKI),
        shop.below("name-constraints-other", &with("nameConstraints=critical,permitted;DNS:other.example\n"), AKI),
        shop.below("no-basic-constraints", &root(&ROOT.replace("basicConstraints=critical,CA:TRUE\n", "")), AKI),
        shop.below("unknown-critical", &with("1.3.6.1.4.1.99999.1=critical,ASN1:NULL\n"), AKI),
        shop.below("eku-any", &with("extendedKeyUsage=anyExtendedKeyUsage\n"), AKI),
        shop.too_long("path-length-exceeded"),
        shop.below("path-length-0", &root(&ROOT.replace("CA:TRUE", "CA:TRUE,pathlen:0")), AKI),
        shop.dated("expired", SystemTime::now() - 30 * DAY, SystemTime::now() - DAY),
        shop.dated("not-yet-valid", SystemTime::now() + DAY, SystemTime::now() + 30 * DAY),
        shop.self_signed("self-signed-leaf", LEAF),
        shop.self_signed(
            "self-signed-leaf-ca-true",
            &LEAF.replace("CA:FALSE", "CA:TRUE").replace("digital", "keyCertSign,digital"),
        ),
    ];
    cases.extend(shop.anchors_below_the_root());
    cases.extend(shop.renewed_root());
    cases.extend(shop.odd_leaves());
    cases.extend(shop.odd_intermediates());
    cases
}

impl Workshop<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.folder).args(arguments).output().expect("openssl starts");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).expect("a file is written");
    }

    fn key(&self, name: &str, kind: &[&str]) {
        let file = format!("{name}.key");
        self.openssl(&[&["genpkey", "-out", &file], kind].concat());
    }

    /// A certificate that signed itself.
    pub(crate) fn root(&self, name: &str, root: &Root) {
        self.key(name, root.key);
        self.write(&format!("{name}.ext"), &root.extensions);
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        self.openssl(&["req", "-new", "-key", &key, "-subj", &format!("/CN={name}"), "-out", &csr]);
        let (pem, extensions) = (format!("{name}.pem"), format!("{name}.ext"));
        let mut sign = vec!["x509", "-req", "-in", &csr, "-signkey", &key, "-days", "90", root.digest, "-out", &pem];
        if !root.extensions.is_empty() {
            sign.extend(["-extfile", &extensions]);
        }
        self.openssl(&sign);
    }

    /// A certificate that `issuer` signed.
    pub(crate) fn issued(&self, name: &str, issuer: &str, extensions: &str, digest: &str) {
        self.key(name, EC);
        self.write(&format!("{name}.ext"), extensions);
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        self.openssl(&["req", "-new", "-key", &key, "-subj", &format!("/O=test/CN={name}"), "-out", &csr]);
        let (ca, ca_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let (pem, extensions) = (format!("{name}.pem"), format!("{name}.ext"));
        let sign =
            ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "60", digest];
        self.openssl(&[&sign[..], &["-extfile", &extensions, "-out", &pem]].concat());
    }

    pub(crate) fn case(&self, name: &str, roots: &str, chain: &[&str]) -> Case {
        let read = |part: &&str| std::fs::read_to_string(self.file(&format!("{part}.pem"))).expect("a certificate");
        self.write(&format!("{name}.chain.pem"), &chain.iter().map(read).collect::<String>());
        Case {
            name: name.to_owned(),
            roots: self.file(&format!("{roots}.pem")),
            chain: self.file(&format!("{name}.chain.pem")),
            key: self.file(&format!("{}.key", chain[0])),
        }
    }

    fn below(&self, name: &str, root: &Root, leaf: &str) -> Case {
        self.root(name, root);
        let below = format!("{name}-leaf");
        self.issued(&below, name, &format!("{LEAF}{leaf}"), "-sha256");
        self.case(name, name, &[&below])
    }

    /// An intermediate below a root that allows none.
    fn too_long(&self, name: &str) -> Case {
        let extensions = ROOT.replace("CA:TRUE", "CA:TRUE,pathlen:0");
        self.root(name, &Root { key: EC, digest: "-sha256", extensions });
        let (middle, below) = (format!("{name}-ca"), format!("{name}-leaf"));
        self.issued(&middle, name, &format!("{ROOT}{AKI}"), "-sha256");
        self.issued(&below, &middle, &format!("{LEAF}{AKI}"), "-sha256");
        self.case(name, name, &[&below, &middle])
    }

    fn self_signed(&self, name: &str, extensions: &str) -> Case {
        self.root(name, &Root { key: EC, digest: "-sha256", extensions: extensions.to_owned() });
        self.case(name, name, &[name])
    }

    /// A root that is valid only then; its leaf is valid now.
    fn dated(&self, name: &str, from: SystemTime, until: SystemTime) -> Case {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = (from.into(), until.into());
        self.write(&format!("{name}.pem"), &params.self_signed(&key).expect("a root").pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        let below = format!("{name}-leaf");
        self.issued(&below, name, &format!("{LEAF}{AKI}"), "-sha256");
        self.case(name, name, &[&below])
    }

    /// Leaf and intermediate are sent; what is trusted is the root, the intermediate, or the leaf.
    fn anchors_below_the_root(&self) -> Vec<Case> {
        self.root("top", &Root { key: EC, digest: "-sha256", extensions: ROOT.to_owned() });
        self.issued("middle", "top", &format!("{ROOT}{AKI}"), "-sha256");
        self.issued("bottom", "middle", &format!("{LEAF}{AKI}"), "-sha256");
        let anchors = [("anchor-root", "top"), ("anchor-intermediate", "middle"), ("anchor-leaf", "bottom")];
        anchors.map(|(name, anchor)| self.case(name, anchor, &["bottom", "middle"])).into()
    }

    /// A root that was renewed with the same key: the leaf names the earlier certificate by its serial number.
    fn renewed_root(&self) -> Vec<Case> {
        self.root("renewed", &Root { key: EC, digest: "-sha256", extensions: ROOT.to_owned() });
        let chains = [("aki-keyid-and-serial", "keyid,issuer:always"), ("aki-serial-alone", "issuer:always")];
        for (name, aki) in chains {
            self.issued(name, "renewed", &format!("{LEAF}authorityKeyIdentifier={aki}\n"), "-sha256");
        }
        let mut cases: Vec<Case> = chains.map(|(name, _)| self.case(name, "renewed", &[name])).into();
        std::fs::copy(self.file("renewed.pem"), self.file("earlier.pem")).expect("a copy");
        let (key, csr, extensions) = ("renewed.key", "renewed.csr", "renewed.ext");
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            csr,
            "-signkey",
            key,
            "-days",
            "90",
            "-extfile",
            extensions,
            "-out",
            "later.pem",
        ]);
        cases.extend(chains.map(|(name, _)| self.case(&format!("{name}-of-another"), "later", &[name])));
        for (case, (name, _)) in cases[2..].iter_mut().zip(chains) {
            case.key = self.file(&format!("{name}.key"));
        }
        cases
    }

    /// Below the sound root `top`: leaves with one oddity each.
    fn odd_leaves(&self) -> Vec<Case> {
        let san = "subjectAltName=DNS:localhost\n";
        let eku = "extendedKeyUsage=serverAuth\n";
        let usage = "keyUsage=critical,digitalSignature\n";
        let odd = |from: &str, to: &str| LEAF.replace(from, to);
        let unknown = "1.3.6.1.4.1.99999.1=critical,ASN1:NULL\n";
        let leaves = [
            ("leaf-sha1", LEAF.to_owned(), "-sha1"),
            ("leaf-no-eku", odd(eku, ""), "-sha256"),
            ("leaf-any-eku", odd("serverAuth", "anyExtendedKeyUsage"), "-sha256"),
            ("leaf-client-eku", odd("serverAuth", "clientAuth"), "-sha256"),
            ("leaf-no-key-usage", odd(usage, ""), "-sha256"),
            ("leaf-crl-sign-only", odd("digitalSignature", "cRLSign"), "-sha256"),
            ("leaf-ca-true", odd("CA:FALSE", "CA:TRUE"), "-sha256"),
            ("leaf-unknown-critical", format!("{LEAF}{unknown}"), "-sha256"),
            ("leaf-critical-policies", format!("{LEAF}certificatePolicies=critical,1.2.3.4\n"), "-sha256"),
            ("leaf-other-name", odd("localhost", "other.example"), "-sha256"),
            ("localhost", odd(san, ""), "-sha256"),
            ("leaf-mail-san", odd("DNS:localhost", "email:a@example.com"), "-sha256"),
        ];
        let build = |(name, extensions, digest): (&str, String, &str)| {
            self.issued(name, "top", &format!("{extensions}{AKI}"), digest);
            self.case(name, "top", &[name])
        };
        leaves.into_iter().map(build).collect()
    }

    /// Between the sound root and a sound leaf: intermediates with one oddity each.
    fn odd_intermediates(&self) -> Vec<Case> {
        let odd = |from: &str, to: &str| ROOT.replace(from, to);
        let middles = [
            ("ca-sha1", ROOT.to_owned(), "-sha1"),
            ("ca-no-basic-constraints", odd("basicConstraints=critical,CA:TRUE\n", ""), "-sha256"),
            ("ca-false-intermediate", odd("CA:TRUE", "CA:FALSE").replace("keyCertSign,", ""), "-sha256"),
            ("ca-no-cert-sign", odd("keyCertSign,", ""), "-sha256"),
            ("ca-no-key-usage-intermediate", odd("keyUsage=critical,keyCertSign,cRLSign\n", ""), "-sha256"),
            ("ca-eku-email", format!("{ROOT}extendedKeyUsage=emailProtection\n"), "-sha256"),
            ("ca-eku-any", format!("{ROOT}extendedKeyUsage=anyExtendedKeyUsage\n"), "-sha256"),
            ("ca-unknown-critical", format!("{ROOT}1.3.6.1.4.1.99999.1=critical,ASN1:NULL\n"), "-sha256"),
            ("ca-excludes-localhost", format!("{ROOT}nameConstraints=critical,excluded;DNS:localhost\n"), "-sha256"),
            (
                "ca-permits-mail-only",
                format!("{ROOT}nameConstraints=critical,permitted;email:example.com\n"),
                "-sha256",
            ),
        ];
        let build = |(name, extensions, digest): (&str, String, &str)| {
            self.issued(name, "top", &format!("{extensions}{AKI}"), digest);
            let below = format!("{name}-leaf");
            self.issued(&below, name, &format!("{LEAF}{AKI}"), "-sha256");
            self.case(name, "top", &[&below, name])
        };
        middles.into_iter().map(build).collect()
    }
}
