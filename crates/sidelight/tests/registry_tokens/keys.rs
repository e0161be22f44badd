//! Keys and certificates, made by openssl. In: a folder, a kind of key. Out: files.

use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::process::run;

/// Kinds of keys, and openssl's words for them.
pub(crate) const KINDS: &[(&str, &[&str])] = &[
    ("rsa2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa4096", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
];

/// A key, its certificate by itself, and its certificate with an intermediate below [`Keys::root`].
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) key: PathBuf,
    pub(crate) own: PathBuf,
    pub(crate) chain: PathBuf,
}

/// All keys, and the root of their chains.
pub(crate) struct Keys {
    pub(crate) root: PathBuf,
    pub(crate) all: Vec<Key>,
}

pub(crate) fn openssl(arguments: &[&str]) {
    run(Command::new("openssl").args(arguments)).success();
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A key, and a certificate by which it speaks for itself.
pub(crate) fn own(folder: &Path, name: &str, kind: &[&str]) -> (PathBuf, PathBuf) {
    let (key, own) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
    openssl(&[&["genpkey", "-out", text(&key)], kind].concat());
    openssl(&["req", "-x509", "-key", text(&key), "-subj", &format!("/CN={name}"), "-days", "30", "-out", text(&own)]);
    (key, own)
}

impl Keys {
    pub(crate) fn make(folder: &Path) -> Self {
        let (root_key, root) = own(folder, "root", KINDS[2].1);
        let below = |name: &str, key: &Path, issuer: (&Path, &Path), is_ca: bool| {
            let [request, settings, made] =
                ["csr", "ext", "crt"].map(|ending| folder.join(format!("{name}-below.{ending}")));
            let lines = if is_ca {
                "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
            } else {
                "basicConstraints=CA:FALSE\n"
            };
            std::fs::write(&settings, lines).expect("a file");
            openssl(&["req", "-new", "-key", text(key), "-subj", &format!("/CN={name} below"), "-out", text(&request)]);
            openssl(&[
                "x509",
                "-req",
                "-in",
                text(&request),
                "-CA",
                text(issuer.0),
                "-CAkey",
                text(issuer.1),
                "-CAcreateserial",
                "-days",
                "20",
                "-extfile",
                text(&settings),
                "-out",
                text(&made),
            ]);
            std::fs::read_to_string(&made).expect("a certificate")
        };
        let (middle_key, _) = own(folder, "middle", KINDS[2].1);
        let middle = below("middle", &middle_key, (&root, &root_key), true);
        let middle_file = folder.join("middle-below.crt");
        let all = KINDS
            .iter()
            .map(|(name, kind)| {
                let (key, own) = own(folder, name, kind);
                let leaf = below(name, &key, (&middle_file, &middle_key), false);
                let chain = folder.join(format!("{name}-chain.pem"));
                std::fs::write(&chain, leaf + &middle).expect("a file");
                Key { name, key, own, chain }
            })
            .collect();
        Self { root, all }
    }

    /// A bundle with every key's own certificate and the root.
    pub(crate) fn bundle(&self, file: &Path) {
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a certificate");
        let text: String = self.all.iter().map(|key| read(&key.own)).chain([read(&self.root)]).collect();
        std::fs::write(file, text).expect("a bundle");
    }
}
