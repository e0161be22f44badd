//! Variables and settings that send a runtime to another store, or give it one more. In: the environment, a root. Out: files and folders
//! that count as stores, passwords, and the variables that would have to be set.

use super::Plan;
use super::root::{Root, file_at};

/// A variable that makes a runtime read one more file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value that it needs.
    pub value: String,
    /// Who reads it, and why nothing else helps: one clause.
    pub serves: String,
    /// Whether it has that value already.
    pub is_set: bool,
}

/// Variables that name a file of roots in PEM, and who reads them.
const FILES: &[(&str, &str)] = &[
    ("SSL_CERT_FILE", "OpenSSL, Go, curl, Python ssl, Rust (native roots)"),
    ("CURL_CA_BUNDLE", "curl, Python requests"),
    ("REQUESTS_CA_BUNDLE", "Python requests"),
    ("PIP_CERT", "pip"),
    ("AWS_CA_BUNDLE", "the AWS CLI and SDKs"),
    ("GIT_SSL_CAINFO", "git"),
    ("NODE_EXTRA_CA_CERTS", "Node.js, Bun"),
    ("DENO_CERT", "Deno"),
    ("NIX_SSL_CERT_FILE", "programs of Nix"),
    ("CARGO_HTTP_CAINFO", "cargo"),
    ("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "gcloud"),
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "gRPC"),
    ("COMPOSER_CAFILE", "PHP Composer"),
    ("PERL_LWP_SSL_CA_FILE", "Perl LWP"),
    ("BUNDLE_SSL_CA_CERT", "Ruby bundler"),
    ("HTTPLIB2_CA_CERTS", "Python httplib2"),
];

/// Files that variables name: the variable, the path, who reads it.
pub(super) fn files(env: &[(String, String)]) -> Vec<(&'static str, String, &'static str)> {
    let absolute = |value: &str| value.starts_with('/').then(|| value.to_owned());
    FILES.iter().filter_map(|(name, serves)| Some((*name, absolute(value(env, name)?)?, *serves))).collect()
}

/// Folders that `SSL_CERT_DIR` names.
pub(super) fn folders(env: &[(String, String)]) -> Vec<String> {
    let named = value(env, "SSL_CERT_DIR").unwrap_or_default();
    named.split(':').filter(|folder| folder.starts_with('/')).map(str::to_owned).collect()
}

/// The value of a variable, the last that was set.
pub(super) fn value<'e>(env: &'e [(String, String)], name: &str) -> Option<&'e str> {
    env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The store and the password that Java is sent to by its options.
pub(super) fn java_store(env: &[(String, String)]) -> (Option<String>, Option<String>) {
    let mut found = (None, None);
    for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "CATALINA_OPTS"] {
        for word in value(env, variable).unwrap_or_default().split_ascii_whitespace() {
            if let Some(path) = word.strip_prefix("-Djavax.net.ssl.trustStore=").filter(|path| path.starts_with('/')) {
                found.0 = Some(path.to_owned());
            } else if let Some(password) = word.strip_prefix("-Djavax.net.ssl.trustStorePassword=") {
                found.1 = Some(password.to_owned());
            }
        }
    }
    found
}

/// What Debian's `/etc/default/cacerts` says of Java's store: whether it is kept, and its password.
pub(super) fn debian_java(root: &dyn Root) -> (bool, Option<String>) {
    let Some(bytes) = file_at(root, "/etc/default/cacerts").and_then(|path| root.read(&path).ok()) else {
        return (true, None);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let setting = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim().trim_matches(['\'', '"']).to_owned())
    };
    (setting("cacerts_updates").is_none_or(|value| value == "yes"), setting("storepass"))
}

/// `NODE_EXTRA_CA_CERTS` for a root with Node.js in it: its own roots are compiled in, and it reads one more file when told.
pub(super) fn for_node(plan: &mut Plan, env: &[(String, String)], file: &str) {
    let name = "NODE_EXTRA_CA_CERTS";
    if value(env, name).is_some() {
        // The file that it names is a store of its own.
        return;
    }
    let options = value(env, "NODE_OPTIONS").unwrap_or_default();
    let by_option = options.split_ascii_whitespace().any(|word| matches!(word, "--use-openssl-ca" | "--use-system-ca"));
    if by_option || value(env, "NODE_USE_SYSTEM_CA") == Some("1") {
        return;
    }
    let serves = "Node.js, whose own roots are compiled in".to_owned();
    plan.variables.push(Variable { name, value: file.to_owned(), serves, is_set: false });
}
