//! Where trust stores are by convention. In: a root. Out: the true paths of those that are there, and who reads them.
//! Source: the update commands of the distributions, Go's `crypto/x509` list and openssl-probe's; the packages that bring their own.

use super::root::{Root, file_at, walk};

/// Every path at which some runtime looks for a bundle of roots for servers. The order is that of preference: what Go and most others
/// take first comes first.
pub const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-bundle.crt",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/ssl/cert.pem",
    "/usr/local/etc/openssl/cert.pem",
    "/etc/openssl/certs/ca-certificates.crt",
    "/usr/share/ssl/certs/ca-bundle.crt",
    "/opt/etc/ssl/certs/ca-certificates.crt",
    "/kaniko/ssl/certs/ca-certificates.crt",
];

/// Bundles that single products read, beside those of [`BUNDLES`].
pub(super) const PRODUCT_BUNDLES: &[(&str, &str)] =
    &[("/var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem", "Amazon ECS exec")];

/// Java's stores that do not belong to one Java installation.
pub const JAVA_STORES: &[&str] = &[
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/var/lib/ca-certificates/java-cacerts",
    "/etc/ca-certificates/extracted/java-cacerts.jks",
    "/etc/ssl/certs/adoptium/cacerts",
];

/// Below a Java home, the stores in the order in which Java looks for them.
pub const IN_JAVA_HOME: &[&str] =
    &["lib/security/jssecacerts", "lib/security/cacerts", "jre/lib/security/jssecacerts", "jre/lib/security/cacerts"];

/// Bundles that packages bring, by the end of their path, and who reads them. Longer ends come before shorter.
const VENDORED: &[(&str, &str)] = &[
    ("/pip/_vendor/certifi/cacert.pem", "pip"),
    ("/certifi/cacert.pem", "Python requests, httpx and others on certifi"),
    ("/botocore/cacert.pem", "the AWS SDK for Python and the AWS CLI"),
    ("/boto/cacerts/cacerts.txt", "boto"),
    ("/grpc/_cython/_credentials/roots.pem", "gRPC for Python"),
    ("/httplib2/cacerts.txt", "Python httplib2"),
    ("/httplib2/python3/cacerts.txt", "Python httplib2"),
    ("/requests/cacert.pem", "Python requests"),
    ("/tornado/ca-certificates.crt", "Python tornado"),
    ("/stripe/data/ca-certificates.crt", "the Stripe SDK"),
    ("/composer/ca-bundle/res/cacert.pem", "PHP Composer and others on ca-bundle"),
    ("/Mozilla/CA/cacert.pem", "Perl LWP (Mozilla::CA)"),
    ("/grpc/etc/roots.pem", "gRPC for Ruby and Node"),
    ("/@grpc/grpc-js/deps/roots.pem", "gRPC for Node"),
    ("/share/grpc/roots.pem", "gRPC"),
];

/// What a walk found beyond the places of the distribution.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Vendored bundles and who reads them.
    pub bundles: Vec<(String, &'static str)>,
    /// Java stores of Java installations.
    pub java: Vec<String>,
    /// The folders of NSS databases.
    pub nss: Vec<String>,
    /// Programs called `node`.
    pub node: Vec<String>,
    /// Programs called `deno`, `bun` and others whose roots are compiled in.
    pub others: Vec<String>,
    /// Libraries of OpenSSL.
    pub crypto: Vec<String>,
    /// Whether the walk stopped early.
    pub cut_short: bool,
}

/// Whether a file's path is one that [`carried`] looks for: for readers of images, which keep nothing else.
pub fn is_carried(path: &str) -> bool {
    vendored(path).is_some()
        || is_java(path)
        || path.ends_with("/cert9.db")
        || is_crypto(path)
        || matches!(super::root::name(path), "node" | "nodejs" | "deno" | "bun")
}

/// A library in which OpenSSL's own folder is compiled.
fn is_crypto(path: &str) -> bool {
    super::root::name(path).starts_with("libcrypto.so")
}

/// The folder that an OpenSSL was built with (`OPENSSLDIR: "/usr/lib/ssl"`), from the bytes of its library.
pub fn openssl_dir(library: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"OPENSSLDIR: \"";
    let rest = library.get(memchr::memmem::find(library, MARK)? + MARK.len()..)?;
    let end = memchr::memchr(b'"', rest.get(..1024.min(rest.len()))?)?;
    let folder = std::str::from_utf8(rest.get(..end)?).ok()?;
    folder.starts_with('/').then(|| folder.to_owned())
}

fn is_java(path: &str) -> bool {
    path.ends_with("/lib/security/cacerts") || path.ends_with("/lib/security/jssecacerts")
}

fn vendored(path: &str) -> Option<&'static str> {
    if let Some((_, readers)) = VENDORED.iter().find(|(end, _)| path.ends_with(end)) {
        return Some(readers);
    }
    // An environment of conda: PREFIX/ssl/cert.pem beside PREFIX/conda-meta; the prefix is told from OPENSSLDIR by not being below /etc or /usr.
    let conda = ["/ssl/cert.pem", "/ssl/cacert.pem"].iter().any(|end| path.ends_with(end));
    (conda && (path.contains("conda") || path.contains("mamba") || path.contains("/envs/")))
        .then_some("programs of the conda environment")
}

/// Looks for what packages and installations carry.
pub(super) fn carried(root: &dyn Root) -> Carried {
    let (paths, cut_short) = walk(root, &is_carried);
    let mut found = Carried { cut_short, ..Carried::default() };
    for path in paths {
        if let Some(readers) = vendored(&path) {
            found.bundles.push((path, readers));
        } else if is_java(&path) {
            found.java.push(path);
        } else if let Some(folder) = path.strip_suffix("/cert9.db") {
            found.nss.push(folder.to_owned());
        } else if is_crypto(&path) {
            found.crypto.push(path);
        } else if is_program(root, &path) {
            let node = matches!(super::root::name(&path), "node" | "nodejs");
            if node { found.node.push(path) } else { found.others.push(path) }
        }
    }
    found
}

fn is_program(root: &dyn Root, path: &str) -> bool {
    matches!(root.look(path), Ok(Some(found)) if found.mode & 0o111 != 0)
}

/// The files that these paths lead to, each once and in order.
pub(super) fn existing<'p>(root: &dyn Root, paths: impl Iterator<Item = &'p str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for path in paths {
        if let Some(real) = file_at(root, path)
            && !found.contains(&real)
        {
            found.push(real);
        }
    }
    found
}

/// Who reads the bundle at this place, for people.
pub(super) fn readers(real: &str, root: &dyn Root) -> String {
    // The readers of each name by which it is reached: a bundle with three names serves the readers of all three.
    let known: &[(&str, &str)] = &[
        ("/etc/ssl/certs/ca-certificates.crt", "curl, wget, git, Go, Python ssl, Rust (native roots), .NET"),
        ("/etc/pki/tls/certs/ca-bundle.crt", "curl, wget, git, Go, Python ssl, Rust (native roots), .NET"),
        ("/etc/ssl/ca-bundle.pem", "curl, git, Go, Rust (native roots)"),
        ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "curl, Go"),
        ("/etc/ssl/cert.pem", "OpenSSL and LibreSSL by file, Python ssl, Go"),
        ("/usr/lib/ssl/cert.pem", "OpenSSL by file, Python ssl"),
        ("/kaniko/ssl/certs/ca-certificates.crt", "kaniko"),
        ("/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem", "readers of mail, as the distribution's own command"),
        ("/etc/ca-certificates/extracted/email-ca-bundle.pem", "readers of mail, as the distribution's own command"),
        ("/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem", "checks of code, as the distribution's own command"),
        ("/etc/ca-certificates/extracted/objsign-ca-bundle.pem", "checks of code, as the distribution's own command"),
    ];
    let reached = known.iter().filter(|(path, _)| *path == real || file_at(root, path).as_deref() == Some(real));
    let mut words: Vec<&str> = Vec::new();
    for word in reached.flat_map(|(_, readers)| readers.split(", ")) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { "programs that read this file".to_owned() } else { words.join(", ") }
}
