//! Where a test's programs run: with names of their own, perhaps in a network of their own. In: names, addresses, a namespace. Out: commands.
//! Each command gets a mount namespace of its own (unshare(1)) in which the file is bound over /etc/hosts; nothing outside changes.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::netns::Namespace;

/// A hosts file, and the network namespace in which it counts (none: the machine's own).
#[derive(Clone, Debug)]
pub struct Hosts {
    file: PathBuf,
    namespace: Option<String>,
}

impl Hosts {
    /// Writes the file into `folder`.
    pub fn new(folder: &Path, names: &[(&str, IpAddr)]) -> Self {
        let file = folder.join("hosts");
        let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
        for (name, address) in names {
            text.push_str(&format!("{address} {name}\n"));
        }
        std::fs::write(&file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        Self { file, namespace: None }
    }

    /// The same names inside a network namespace.
    #[must_use]
    pub fn inside(&self, namespace: &Namespace) -> Self {
        Self { file: self.file.clone(), namespace: Some(namespace.name().to_owned()) }
    }

    /// Whether something accepts connections at this address, seen from here.
    pub fn reaches(&self, address: SocketAddr) -> bool {
        let connect = move || TcpStream::connect(address).is_ok();
        match &self.namespace {
            Some(name) => crate::netns::within(name, connect),
            None => connect(),
        }
    }

    /// A command that runs with these names. The shell in between replaces itself, so the process id is the program's own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.namespace {
            Some(name) => {
                let mut command = crate::netns::enter(name);
                command.arg("unshare");
                command
            }
            None => Command::new("unshare"),
        };
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c"]);
        command.arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"");
        command.arg(&self.file).arg(program);
        clean(&mut command);
        // What a program keeps stays in the test's own folder.
        command.env("XDG_STATE_HOME", self.file.with_file_name("state"));
        command
    }
}

/// Takes everything out of a command's environment that decides about proxies and trust.
pub fn clean(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    for name in [
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "JAVA_TOOL_OPTIONS",
        "PIP_CERT",
    ] {
        command.env_remove(name);
    }
}
