//! What the tests need around them. In: nothing. Out: servers, another network namespace, a folder, and the program under
//! test run as root or as `nobody`. All of it goes away with its values.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// Who runs the program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// With all capabilities.
    Root,
    /// As in a container: root without CAP_SYS_ADMIN.
    ContainedRoot,
    /// An ordinary user.
    Nobody,
}

pub(crate) const USERS: [User; 3] = [User::Root, User::ContainedRoot, User::Nobody];

/// A folder that everybody may use, with a copy of this program in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests make namespaces and change users: run them as root");
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let place = Self { folder };
        fs::copy(std::env::current_exe().unwrap(), place.path("program")).unwrap();
        place.clear_log();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that everybody may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
        self.path(name)
    }

    /// The program under test, about to run a shell script in a sandbox.
    pub(crate) fn sandboxed(&self, user: User, script: &str) -> Command {
        let mut command = self.program(user);
        command.args(["__run", "bash", "-c", script]);
        command
    }

    /// The program under test without arguments.
    pub(crate) fn program(&self, user: User) -> Command {
        let mut command = become_user(user);
        command.arg(self.path("program"));
        command.env("SANDBOX_LOG", self.path("log")).stdin(Stdio::null()).current_dir(self.folder.path());
        command
    }

    /// The log of the last run; the next one starts with an empty one.
    pub(crate) fn take_log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap();
        self.clear_log();
        log
    }

    /// Everybody may write to it.
    fn clear_log(&self) {
        fs::write(self.path("log"), "").unwrap();
        fs::set_permissions(self.path("log"), fs::Permissions::from_mode(0o666)).unwrap();
    }

    /// Runs it to its end and gives what it printed; it must succeed.
    pub(crate) fn output(&self, mut command: Command) -> String {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}\n{log}");
        stdout.into_owned()
    }
}

/// `setpriv` as this user; the program to run comes next.
pub(crate) fn become_user(user: User) -> Command {
    let mut command = Command::new("setpriv");
    match user {
        User::Root => command.args(["--reuid=0", "--keep-groups"]),
        User::ContainedRoot => command.args(["--inh-caps=-sys_admin", "--bounding-set=-sys_admin"]),
        User::Nobody => command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]),
    };
    command
}

/// A server that sends one line to whoever connects, and closes.
pub(crate) fn greeter(address: &str, line: &'static str) -> SocketAddr {
    greet(TcpListener::bind(address).unwrap(), line)
}

fn greet(listener: TcpListener, line: &'static str) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut request = [0; 256];
            let _ = client.read(&mut request);
            let _ = client.write_all(line.as_bytes());
        }
    });
    address
}

/// A name server that answers every question for an A record with 203.0.113.9, and others with nothing.
pub(crate) fn name_server(address: &str) {
    const TYPE_A: [u8; 4] = [0, 1, 0, 1];
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut buffer) {
            let Some(end) = buffer[12..length].iter().position(|byte| *byte == 0).map(|at| 12 + at + 5) else {
                continue;
            };
            let found = buffer[..end].ends_with(&TYPE_A);
            let mut answer = buffer[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
            if found {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 9]);
            }
            let _ = socket.send_to(&answer, asker);
        }
    });
}

/// Another machine: a network namespace on the other end of a cable.
pub(crate) struct Neighbour {
    name: String,
    /// Our end of the cable.
    near: String,
}

/// Addresses of the cable's two ends, from the ranges for benchmarks and for local use.
const NEAR: [&str; 2] = ["198.18.77.1/30", "fd51:de00:77::1/64"];
const FAR: [&str; 2] = ["198.18.77.2/30", "fd51:de00:77::2/64"];

impl Neighbour {
    pub(crate) fn new() -> Self {
        let pid = std::process::id();
        let (name, near, far) = (format!("sltest{pid}"), format!("sn{pid}"), format!("sf{pid}"));
        let neighbour = Self { name, near };
        let (name, near) = (neighbour.name.as_str(), neighbour.near.as_str());
        ip(&["netns", "add", name]);
        ip(&["link", "add", near, "type", "veth", "peer", "name", &far, "netns", name]);
        for (ours, theirs) in NEAR.iter().zip(FAR) {
            ip(&["address", "add", ours, "dev", near, "nodad"]);
            ip(&["-n", name, "address", "add", theirs, "dev", &far, "nodad"]);
        }
        ip(&["link", "set", near, "up"]);
        ip(&["-n", name, "link", "set", &far, "up"]);
        neighbour
    }

    /// Starts a [`greeter`] there, over IPv4 and IPv6.
    pub(crate) fn greeters(&self, line: &'static str) -> Vec<SocketAddr> {
        let namespace = fs::File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let there = thread::spawn(move || {
            use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
            use std::os::fd::AsFd;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            FAR.map(|address| address.split('/').next().unwrap_or_default())
                .map(|address| TcpListener::bind((address, 0)).unwrap())
        });
        there.join().unwrap().into_iter().map(|listener| greet(listener, line)).collect()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.near]).status();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The processes in the network namespace of this inode.
pub(crate) fn inhabitants(namespace: &str) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| namespace_of(*pid).as_deref() == Some(namespace))
        .collect()
}

/// `net:[INODE]` of a process.
pub(crate) fn namespace_of(pid: u32) -> Option<String> {
    Some(fs::read_link(format!("/proc/{pid}/ns/net")).ok()?.to_string_lossy().into_owned())
}

/// Waits, for at most half a minute, until it holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never came: {what}");
}

/// A process that is killed when the test ends, whichever way.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `kill -9`.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
