//! The real readers. In: a file and three servers. Out: which of the three each client trusts with that file, each client as a row of `1` and `0`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sidelight_model::trust::Reader;
use sidelight_testkit::process::run_within;
use sidelight_testkit::{hosts, peers};

const PATIENCE: Duration = Duration::from_secs(300);

/// A way in which a real program is given a file.
pub(crate) struct Client {
    /// Its name.
    pub(crate) name: String,
    /// The emulation that foretells it.
    pub(crate) reader: Reader,
    how: How,
}

enum How {
    /// A script that takes all files at once: the command, and the way.
    Script(Vec<PathBuf>, &'static str),
    /// A program that is started for each file with these variables; `FILE` stands for it.
    Each(Vec<PathBuf>, Vec<(&'static str, String)>),
    /// A program that is started for each file and server; `FILE`, `HASHED` and `PORT` stand for them.
    Single(&'static str, &'static [(&'static str, &'static str)]),
}

/// Every client that is here.
pub(crate) fn all(folder: &Path) -> Vec<Client> {
    let client = |name: &str, reader, how| Client { name: name.into(), reader, how };
    let mut clients = singles();
    for (program, name) in pythons() {
        for (way, reader) in [("file", Reader::OpenSslFile), ("default", Reader::OpenSslDefault)] {
            let script = vec![program.clone(), peers::script("trust.py")];
            clients.push(client(&format!("{name} {way}"), reader, How::Script(script, way)));
        }
    }
    let node = vec!["node".into(), peers::script("trust.mjs")];
    clients.push(client("Node ca:", Reader::NodeCa, How::Script(node.clone(), "ca")));
    let variable = vec![("NODE_EXTRA_CA_CERTS", "FILE".into())];
    clients.push(client("Node NODE_EXTRA_CA_CERTS", Reader::NodeExtra, How::Each(node, variable)));
    let java = vec!["java".into(), peers::script("Trust.java")];
    for (way, reader) in [("factory", Reader::JavaFactory), ("store", Reader::JavaKeyStore)] {
        clients.push(client(&format!("Java {way}"), reader, How::Script(java.clone(), way)));
    }
    let go = vec![peers::go_client("trust.go")];
    clients.push(client("Go AppendCertsFromPEM", Reader::Go, How::Script(go.clone(), "pool")));
    let nowhere = folder.join("no-such-folder").to_string_lossy().into_owned();
    let only = vec![("SSL_CERT_FILE", "FILE".into()), ("SSL_CERT_DIR", nowhere)];
    clients.push(client("Go SSL_CERT_FILE", Reader::Go, How::Each(go, only)));
    let rustls = vec![env!("CARGO_BIN_EXE_trust_rustls").into()];
    let only_file = vec![("SSL_CERT_FILE", "FILE".into())];
    clients.push(client("rustls-native-certs", Reader::Rustls, How::Each(rustls, only_file)));
    clients
}

/// Programs that are started for each file and server.
fn singles() -> Vec<Client> {
    let one =
        |name: &str, reader, line, variables| Client { name: name.into(), reader, how: How::Single(line, variables) };
    vec![
        one(
            "openssl -CAfile",
            Reader::OpenSslFile,
            "openssl s_client -connect localhost:PORT -verify_return_error -no-CApath -no-CAstore -CAfile FILE",
            &[],
        ),
        one(
            "openssl, SSL_CERT_FILE",
            Reader::OpenSslDefault,
            "openssl s_client -connect localhost:PORT -verify_return_error",
            &[("SSL_CERT_FILE", "FILE"), ("SSL_CERT_DIR", "/nonexistent")],
        ),
        one(
            "openssl -CApath",
            Reader::OpenSslHashed,
            "openssl s_client -connect localhost:PORT -verify_return_error -no-CAfile -no-CAstore -CApath HASHED",
            &[],
        ),
        one(
            "curl --cacert",
            Reader::OpenSslFile,
            "curl --silent --output /dev/null --capath /nonexistent --cacert FILE https://localhost:PORT/",
            &[],
        ),
        one("gnutls-cli", Reader::GnuTls, "gnutls-cli --port PORT --x509cafile FILE localhost", &[]),
        one(
            "wget",
            Reader::GnuTls,
            "wget --quiet --output-document /dev/null --tries 1 --ca-certificate FILE https://localhost:PORT/",
            &[],
        ),
        one("git", Reader::GnuTls, "git -c http.sslCAInfo=FILE ls-remote https://localhost:PORT/", &[]),
    ]
}

/// Pythons of the default verification flags before and since 3.13.
fn pythons() -> Vec<(PathBuf, String)> {
    let mut found = vec![(peers::python(), String::new())];
    if std::path::Path::new("/usr/bin/python3").exists() {
        found.push(("/usr/bin/python3".into(), String::new()));
    }
    for entry in std::fs::read_dir(std::env::home_dir().unwrap_or_default().join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("3.12.") {
            found.push((entry.path().join("bin/python3"), String::new()));
        }
    }
    for (python, version) in &mut found {
        let said = run_within(Command::new(&*python).arg("--version"), PATIENCE).success();
        *version = said.text().trim().to_owned();
    }
    found
}

impl Client {
    /// What it trusts of the three servers, with each file: a row of `1` and `0` for each.
    pub(crate) fn ask(&self, servers: &[SocketAddr], files: &[(PathBuf, PathBuf)]) -> Vec<String> {
        let ports: Vec<String> = servers.iter().map(|server| server.port().to_string()).collect();
        match &self.how {
            How::Script(words, way) => {
                let mut command = command(words);
                command.arg(ports.join(","));
                command.args(files.iter().map(|(file, _)| format!("{way}={}", file.display())));
                let done = run_within(&mut command, PATIENCE).success();
                let rows: Vec<String> = done.text().lines().map(str::to_owned).collect();
                assert_eq!(rows.len(), files.len(), "{done}");
                rows
            }
            How::Each(words, variables) => files
                .iter()
                .map(|(file, _)| {
                    let mut command = command(words);
                    command.arg(ports.join(","));
                    command.arg("default=");
                    let value = |text: &str| text.replace("FILE", &file.to_string_lossy());
                    command.envs(variables.iter().map(|(name, text)| (name, value(text))));
                    run_within(&mut command, PATIENCE).success().text().trim().to_owned()
                })
                .collect(),
            How::Single(line, variables) => {
                let row = |(file, hashed): &(PathBuf, PathBuf)| {
                    ports
                        .iter()
                        .map(|port| if single(line, variables, file, hashed, port) { '1' } else { '0' })
                        .collect()
                };
                files.iter().map(row).collect()
            }
        }
    }
}

fn command(words: &[PathBuf]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    hosts::clean(&mut command);
    command.env_remove("SSL_CERT_DIR");
    command
}

fn single(line: &str, variables: &[(&str, &str)], file: &Path, hashed: &Path, port: &str) -> bool {
    let put = |word: &str| {
        word.replace("FILE", &file.to_string_lossy()).replace("HASHED", &hashed.to_string_lossy()).replace("PORT", port)
    };
    let words: Vec<PathBuf> = line.split(' ').map(|word| put(word).into()).collect();
    let mut command = command(&words);
    command.envs(variables.iter().map(|(name, text)| (name, put(text))));
    let done = run_within(&mut command, PATIENCE);
    if words[0].as_os_str() == "git" {
        // The server is no repository: git that trusts it says so.
        return !done.errors().contains("certificate") && done.errors().contains("not found");
    }
    done.status.success()
}
