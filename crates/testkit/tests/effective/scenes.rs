//! Images, each with something to get right or wrong. In: three roots. Out: files, links, and the image's configuration.

use std::path::Path;
use std::process::Command;

use sidelight_model::trust::Config;
use sidelight_testkit::Issuer;
use sidelight_testkit::process::run;
use sidelight_wire::pkcs12;

use crate::root::Root;

/// A scene: its name, how it is laid out, and what the image sets.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) lay_out: fn(&Root, &Roots),
    pub(crate) env: &'static [(&'static str, &'static str)],
}

/// Three roots as PEM, as key stores, and OpenSSL's hash of each.
pub(crate) struct Roots {
    pub(crate) issuers: [Issuer; 3],
    pub(crate) hashes: Vec<String>,
    jks: Vec<Vec<u8>>,
    encrypted: Vec<u8>,
}

impl Roots {
    pub(crate) fn new(folder: &Path) -> Self {
        let issuers = ["Scene A", "Scene B", "Scene C"].map(Issuer::root);
        let mut hashes = Vec::new();
        let mut jks = Vec::new();
        for (index, issuer) in issuers.iter().enumerate() {
            let file = issuer.write_to(&folder.join(format!("{index}.pem")));
            let mut openssl = Command::new("openssl");
            let hash = run(openssl.args(["x509", "-noout", "-hash", "-in"]).arg(&file)).success();
            hashes.push(hash.text().trim().to_owned());
            let store = folder.join(format!("{index}.jks"));
            let mut keytool = Command::new("keytool");
            keytool.args(["-importcert", "-noprompt", "-storetype", "JKS", "-storepass", "changeit", "-alias", "x"]);
            run(keytool.arg("-keystore").arg(&store).arg("-file").arg(&file)).success();
            jks.push(std::fs::read(store).expect("a key store"));
        }
        let encrypted = pkcs12::write_trust_store(&[("b", issuers[1].der())], Some("changeit")).expect("PKCS#12");
        Self { issuers, hashes, jks, encrypted }
    }

    fn pem(&self, indexes: &[usize]) -> String {
        indexes.iter().map(|index| self.issuers[*index].pem()).collect()
    }
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const JAVA: &str = "/etc/ssl/certs/java/cacerts";

/// Debian with the first root everywhere: bundle, hashed folder, Java.
fn debian(root: &Root, roots: &Roots) {
    root.write(BUNDLE, roots.pem(&[0]));
    hashed(root, roots, 0, 0);
    root.write(JAVA, &roots.jks[0]);
}

/// A file of the hashed folder and its link.
fn hashed(root: &Root, roots: &Roots, index: usize, number: usize) {
    root.write(&format!("/etc/ssl/certs/Root_{index}.pem"), roots.pem(&[index]));
    root.link(&format!("/etc/ssl/certs/{}.{number}", roots.hashes[index]), &format!("Root_{index}.pem"));
}

/// Every scene.
pub(crate) const SCENES: &[Scene] = &[
    Scene { name: "Debian as it is", lay_out: debian, env: &[] },
    Scene {
        name: "an anchor that was not taken in",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/usr-local/ca-certificates/b.crt", roots.pem(&[1]));
        },
        env: &[],
    },
    Scene {
        name: "a hash link without the bundle, and a file without a link",
        lay_out: |root, roots| {
            debian(root, roots);
            hashed(root, roots, 1, 0);
            root.write("/etc/ssl/certs/own.crt", roots.pem(&[2]));
        },
        env: &[],
    },
    Scene {
        name: "hash links with a gap and of another name",
        lay_out: |root, roots| {
            debian(root, roots);
            hashed(root, roots, 1, 1);
            root.write("/etc/ssl/certs/Root_2.pem", roots.pem(&[2]));
            root.link("/etc/ssl/certs/00000000.0", "Root_2.pem");
        },
        env: &[],
    },
    Scene {
        name: "distroless: a bundle alone",
        lay_out: |root, roots| root.write(BUNDLE, roots.pem(&[0, 1])),
        env: &[],
    },
    Scene {
        name: "Alpine's cert.pem alone",
        lay_out: |root, roots| root.write("/etc/ssl/cert.pem", roots.pem(&[0, 1])),
        env: &[],
    },
    Scene {
        name: "Red Hat's places",
        lay_out: |root, roots| {
            root.write("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", roots.pem(&[0, 1]));
            root.link("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
            root.link("/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
        },
        env: &[],
    },
    Scene {
        name: "the bundle leads nowhere",
        lay_out: |root, roots| {
            root.link(BUNDLE, "/etc/ssl/gone.pem");
            hashed(root, roots, 1, 0);
        },
        env: &[],
    },
    Scene { name: "an empty bundle", lay_out: |root, _| root.write(BUNDLE, ""), env: &[] },
    Scene {
        name: "a joined boundary in the bundle",
        lay_out: |root, roots| {
            root.write(BUNDLE, format!("{}{}", roots.pem(&[0]).trim_end(), roots.pem(&[1, 2])));
            hashed(root, roots, 2, 0);
        },
        env: &[],
    },
    Scene {
        name: "a byte order mark in the bundle",
        lay_out: |root, roots| root.write(BUNDLE, format!("\u{feff}{}", roots.pem(&[0, 1]))),
        env: &[],
    },
    Scene {
        name: "SSL_CERT_FILE",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", roots.pem(&[1]));
        },
        env: &[("SSL_CERT_FILE", "/app/own.pem")],
    },
    Scene {
        name: "SSL_CERT_FILE and SSL_CERT_DIR",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", roots.pem(&[1]));
        },
        env: &[("SSL_CERT_FILE", "/app/own.pem"), ("SSL_CERT_DIR", "/app/none")],
    },
    Scene {
        name: "SSL_CERT_DIR",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/certs/own.pem", roots.pem(&[1]));
            root.write("/app/more/own.pem", roots.pem(&[2]));
            root.link(&format!("/app/more/{}.0", roots.hashes[2]), "own.pem");
        },
        env: &[("SSL_CERT_DIR", "/app/certs:/app/more")],
    },
    Scene { name: "SSL_CERT_FILE leads nowhere", lay_out: debian, env: &[("SSL_CERT_FILE", "/app/gone.pem")] },
    Scene {
        name: "a damaged SSL_CERT_FILE",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", format!("{}{}", roots.pem(&[1, 2]), "-----BEGIN CERTIFICATE-----\n!\n"));
        },
        env: &[("SSL_CERT_FILE", "/app/own.pem")],
    },
    Scene {
        name: "the variable of each program",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", roots.pem(&[1]));
            root.write("/app/own.jks", &roots.jks[1]);
        },
        env: &[
            ("CURL_CA_BUNDLE", "/app/own.pem"),
            ("REQUESTS_CA_BUNDLE", "/app/own.pem"),
            ("NODE_EXTRA_CA_CERTS", "/app/own.pem"),
            ("GIT_SSL_CAINFO", "/app/own.pem"),
            ("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=/app/own.jks"),
        ],
    },
    Scene {
        name: "the variable of each program leads nowhere",
        lay_out: debian,
        env: &[
            ("CURL_CA_BUNDLE", "/app/gone.pem"),
            ("REQUESTS_CA_BUNDLE", "/app/gone.pem"),
            ("NODE_EXTRA_CA_CERTS", "/app/gone.pem"),
            ("GIT_SSL_CAINFO", "/app/gone.pem"),
            ("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=/app/gone.jks"),
        ],
    },
    Scene {
        name: "settings files",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", roots.pem(&[1]));
            root.write(concat!("/root", "/.curlrc"), "# ours\ncacert = \"/app/own.pem\"\n");
            root.write(concat!("/root", "/.wgetrc"), "ca_certificate = /app/own.pem\n");
            root.write(concat!("/root", "/.gitconfig"), "[http]\n\tsslCAInfo = /app/own.pem\n");
        },
        env: &[("CURL_CA_BUNDLE", "/app/gone.pem")],
    },
    Scene {
        name: "Node on OpenSSL's roots",
        lay_out: |root, roots| {
            debian(root, roots);
            root.write("/app/own.pem", roots.pem(&[1]));
            root.write("/app/extra.pem", roots.pem(&[2]));
        },
        env: &[
            ("NODE_OPTIONS", "--use-openssl-ca"),
            ("SSL_CERT_FILE", "/app/own.pem"),
            ("NODE_EXTRA_CA_CERTS", "/app/extra.pem"),
        ],
    },
    Scene {
        name: "PKCS#12 without its password",
        lay_out: |root, roots| root.write("/app/own.p12", &roots.encrypted),
        env: &[("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=/app/own.p12")],
    },
    Scene {
        name: "PKCS#12 with its password",
        lay_out: |root, roots| root.write("/app/own.p12", &roots.encrypted),
        env: &[(
            "JAVA_TOOL_OPTIONS",
            "-Djavax.net.ssl.trustStore=/app/own.p12 -Djavax.net.ssl.trustStorePassword=changeit",
        )],
    },
    Scene { name: "Java's cacerts is PEM", lay_out: |root, roots| root.write(JAVA, roots.pem(&[0])), env: &[] },
];

impl Scene {
    /// The image's configuration.
    pub(crate) fn config(&self) -> Config {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Config { env: self.env.iter().map(pair).collect(), ..Config::default() }
    }
}
