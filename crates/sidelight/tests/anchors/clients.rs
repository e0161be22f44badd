//! The clients that judge. In: servers and the file that is trusted. Out: for each `ok`, or `no` and the client's own words.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use sidelight_testkit::peers;

use super::pki::Case;
use super::server::Server;

/// A client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// openssl(1).
    OpenSsl,
    /// curl(1).
    Curl,
    /// gnutls-cli(1).
    GnuTls,
    /// The distribution's Python, older than 3.13.
    Python,
    /// Python from 3.13.
    PythonStrict,
    /// Node.
    Node,
    /// Go.
    Go,
    /// Java.
    Java,
    /// rustls in this process.
    Rustls,
}

/// Every client.
pub(crate) fn all() -> [Client; Client::COUNT] {
    use Client::{Curl, GnuTls, Go, Java, Node, OpenSsl, Python, PythonStrict, Rustls};
    [OpenSsl, Curl, GnuTls, Python, PythonStrict, Node, Go, Java, Rustls]
}

impl Client {
    /// How many there are.
    pub(crate) const COUNT: usize = 9;

    /// Its name in `trust verify --json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::Curl => "curl",
            Self::GnuTls => "gnutls",
            Self::Python => "python",
            Self::PythonStrict => "python-strict",
            Self::Node => "node",
            Self::Go => "go",
            Self::Java => "java",
            Self::Rustls => "rust-native",
        }
    }

    /// What it says of each server.
    pub(crate) fn ask(self, folder: &Path, cases: &[Case], servers: &[Server]) -> Vec<String> {
        let pairs = || cases.iter().zip(servers);
        match self {
            Self::OpenSsl => pairs().map(|(case, server)| openssl(&case.roots, server.port)).collect(),
            Self::Curl => pairs().map(|(case, server)| curl(&case.roots, server.port)).collect(),
            Self::GnuTls => pairs().map(|(case, server)| gnutls(&case.roots, server.port)).collect(),
            Self::Rustls => pairs().map(|(case, server)| rustls(&case.roots, server.port)).collect(),
            Self::Python => {
                let mut python = Command::new("/usr/bin/python3");
                assert_version(&mut Command::new("/usr/bin/python3"), |minor| minor < 13);
                probe(python.arg(peers::script("trust_probe.py")), folder, cases, servers)
            }
            Self::PythonStrict => {
                assert_version(&mut Command::new(peers::python()), |minor| minor >= 13);
                probe(Command::new(peers::python()).arg(peers::script("trust_probe.py")), folder, cases, servers)
            }
            Self::Node => probe(Command::new("node").arg(peers::script("trust_probe.js")), folder, cases, servers),
            Self::Go => probe(&mut Command::new(peers::go_client("trust_probe.go")), folder, cases, servers),
            Self::Java => probe(Command::new("java").arg(peers::script("TrustProbe.java")), folder, cases, servers),
        }
    }
}

/// The rules of Python's default context changed with 3.13.
fn assert_version(python: &mut Command, fits: impl Fn(u32) -> bool) {
    let output = python.args(["-c", "import sys; print(sys.version_info.minor)"]).output().expect("python starts");
    let minor = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a version");
    assert!(fits(minor), "this Python is 3.{minor}");
}

/// One process judges all: it is told ports and files, and answers line by line.
fn probe(command: &mut Command, folder: &Path, cases: &[Case], servers: &[Server]) -> Vec<String> {
    // Variables that add roots would spoil the answer.
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS"] {
        command.env_remove(variable);
    }
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("a pipe");
    for (case, server) in cases.iter().zip(servers) {
        writeln!(input, "{} {}", server.port, case.roots.display()).expect("the client reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("an answer");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn answer(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stderr, output.stdout].concat();
    let said: Vec<_> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    let telling = said.iter().find(|line| line.contains("erif") || line.contains("curl:")).cloned();
    if output.status.success() { "ok".to_owned() } else { format!("no {}", telling.unwrap_or_default()) }
}

fn openssl(roots: &Path, port: u16) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost"]);
    command.args(["-no-CApath", "-no-CAstore", "-CAfile"]).arg(roots);
    answer(command.args(["-connect", &format!("127.0.0.1:{port}")]))
}

fn curl(roots: &Path, port: u16) -> String {
    let mut command = Command::new("curl");
    command.env_clear().args(["-sS", "--max-time", "20", "--capath", "/nonexistent", "--cacert"]).arg(roots);
    command.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
    answer(command.arg(format!("https://localhost:{port}/")))
}

fn gnutls(roots: &Path, port: u16) -> String {
    let mut command = Command::new("gnutls-cli");
    command.arg("--x509cafile").arg(roots).args(["--sni-hostname", "localhost", "--verify-hostname", "localhost"]);
    answer(command.args(["-p", &port.to_string(), "127.0.0.1"]))
}

fn rustls(roots: &PathBuf, port: u16) -> String {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots).expect("roots") {
        store.add(root.expect("a root")).expect("an anchor");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let config = Arc::new(builder.with_root_certificates(store).with_no_client_auth());
    let mut tls = ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("a client");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    match tls.complete_io(&mut stream) {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let _ = tls.write_tls(&mut stream);
            format!("no {error}")
        }
    }
}
