//! Scripts. In: a file that begins with `#!`. Out: a program with its interpreter, and its text when it speaks of trust.

use sidelight_model::trust::{Program, ProgramKind};

/// Words for which a script's text is kept.
const WORDS: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NODE_OPTIONS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PYTHONHTTPSVERIFY",
    "GIT_SSL_NO_VERIFY",
    "GIT_SSL_CAINFO",
    "http.sslVerify",
    "JAVA_TOOL_OPTIONS",
    "trustStore",
    "keytool",
    "update-ca-certificates",
    "update-ca-trust",
    "USE_SYSTEM_CA_CERTS",
    "curl -k",
    "--insecure",
    "--no-check-certificate",
    "strict-ssl",
    "verify=False",
    "ca-certificates",
];

/// Parts of the names of scripts that start a container.
const STARTERS: &[&str] = &["entrypoint", "entry-point", "start", "run.sh", "init", "bootstrap"];

/// Interpreters that are runtimes of their own.
const RUNTIMES: &[&str] = &["python", "node", "ruby", "perl", "php", "deno", "bun"];

/// Folders whose scripts come with the distribution.
const OF_THE_SYSTEM: &[&str] =
    &["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/share/", "/usr/lib/", "/etc/", "/lib/"];

/// Longest text that is kept.
const MAX_TEXT: usize = 64 << 10;

/// Folders of libraries, whose scripts nobody starts by themselves.
const LIBRARIES: &[&str] = &["/site-packages/", "/dist-packages/", "/node_modules/", "/libexec/"];

/// `None` when it tells nothing of trust. `mode` are the permission bits.
pub(super) fn read(path: &str, mode: u32, bytes: &[u8]) -> Option<Program> {
    let text = String::from_utf8_lossy(bytes);
    let interpreter = text.lines().next()?.strip_prefix("#!")?.trim().to_owned();
    let markers: Vec<&'static str> = WORDS.iter().copied().filter(|word| text.contains(word)).collect();
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_own = !OF_THE_SYSTEM.iter().any(|folder| path.starts_with(folder));
    let starts = is_own && STARTERS.iter().any(|part| name.contains(part));
    let is_started = mode & 0o111 != 0 && !LIBRARIES.iter().any(|folder| path.contains(folder));
    let runs = is_own && is_started && RUNTIMES.iter().any(|runtime| interpreter.contains(runtime));
    if markers.is_empty() && !starts && !runs {
        return None;
    }
    let mut values = vec![("interpreter", interpreter)];
    if (!markers.is_empty() || starts) && bytes.len() <= MAX_TEXT {
        values.push(("text", text.into_owned()));
    }
    Some(Program { kind: ProgramKind::Script, markers, values, go_modules: Vec::new(), known_keys: Vec::new() })
}
