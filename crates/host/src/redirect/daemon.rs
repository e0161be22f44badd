//! Which process a daemon is, and what of its surroundings counts. In: its socket, or its name. Out: [`Daemon`]: process, root,
//! arguments, environment, control group. Spec: unix(7) (`SO_PEERCRED`), proc(5), cgroups(7).

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::ControlGroup;
use crate::files::read_bounded;

/// Bytes of arguments, environments and tables that are read.
const LARGEST: u64 = 16 << 20;

/// The inode of the first control group namespace: only there do we see depths as the kernel counts them.
const FIRST_CGROUP_NAMESPACE: &str = "cgroup:[4026531835]";

/// Why a daemon was not found.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nobody listens at its socket.
    #[error("{}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What connect(2) said.
        source: io::Error,
    },
    /// No such process.
    #[error("no {0} runs here")]
    None(String),
    /// Who listens there is no such daemon, or cannot be seen from here.
    #[error("{} is not {wanted}'s: {found} listens there", path.display())]
    Another {
        /// The socket.
        path: PathBuf,
        /// Who was looked for.
        wanted: String,
        /// Who is there.
        found: String,
    },
}

/// A running daemon.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// The daemon of this name that listens at a unix socket.
///
/// # Errors
/// [`DaemonError`], which says who is there instead.
pub fn find_by_socket(path: &Path, name: &str) -> Result<Daemon, DaemonError> {
    let stream = UnixStream::connect(path).map_err(|source| DaemonError::Socket { path: path.to_owned(), source })?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok();
    let pid = peer.and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok());
    let of = pid.map(comm);
    if let (Some(pid), Some(Some(found))) = (pid, &of)
        && is_named(found, name)
    {
        return Ok(Daemon { pid, name: found.clone() });
    }
    // A socket that an init program opened for it: the daemon has it open too.
    let activated = pid == Some(1) || of.as_ref().is_some_and(|it| it.as_deref() == Some("systemd"));
    let candidates: Vec<Daemon> = if activated { all_named(name) } else { Vec::new() };
    let holds = |it: &&Daemon| listens_at(it.pid, path);
    if let Some(found) = candidates.iter().find(holds) {
        return Ok(found.clone());
    }
    let found = match (pid, of.flatten()) {
        (Some(pid), Some(found)) => format!("{found} (process {pid})"),
        _ => "a process that cannot be seen from here".to_owned(),
    };
    Err(DaemonError::Another { path: path.to_owned(), wanted: name.to_owned(), found })
}

/// The first running process of this name.
///
/// # Errors
/// [`DaemonError::None`].
pub fn find_by_name(name: &str) -> Result<Daemon, DaemonError> {
    all_named(name).into_iter().next().ok_or_else(|| DaemonError::None(name.to_owned()))
}

fn all_named(name: &str) -> Vec<Daemon> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = pids.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let named = |pid: u32| comm(pid).filter(|it| is_named(it, name)).map(|name| Daemon { pid, name });
    pids.into_iter().filter_map(named).collect()
}

/// Names of processes are cut after 15 bytes; `dockerd-rootless` and the like wrap the daemon, and are none.
fn is_named(found: &str, wanted: &str) -> bool {
    found == wanted.get(..wanted.len().min(15)).unwrap_or(wanted)
}

fn comm(pid: u32) -> Option<String> {
    let bytes = read_bounded(Path::new(&format!("/proc/{pid}/comm")), 64).ok()?;
    Some(String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned())
}

/// Whether a process has the listening socket of this path open.
fn listens_at(pid: u32, path: &Path) -> bool {
    let Ok(table) = read_bounded(Path::new(&format!("/proc/{pid}/net/unix")), LARGEST) else { return false };
    let table = String::from_utf8_lossy(&table).into_owned();
    let inodes: Vec<String> = table
        .lines()
        .filter(|line| line.split_ascii_whitespace().nth(7).is_some_and(|it| same_socket(Path::new(it), path)))
        .filter_map(|line| Some(format!("socket:[{}]", line.split_ascii_whitespace().nth(6)?)))
        .collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

/// `/var/run` is `/run`.
fn same_socket(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || whole(one) == whole(other)
}

impl Daemon {
    /// Its root as we see it: `/` where it sees the same files as we do.
    pub fn root(&self) -> PathBuf {
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let root = std::fs::read_link(format!("/proc/{}/root", self.pid)).ok();
        let same =
            namespace(&self.pid.to_string()) == namespace("self") && root == std::fs::read_link("/proc/self/root").ok();
        if same { PathBuf::from("/") } else { PathBuf::from(format!("/proc/{}/root", self.pid)) }
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<String> {
        self.list("cmdline")
    }

    /// The value of one of its options, written `--NAME VALUE` or `--NAME=VALUE`.
    pub fn option(&self, names: &[&str]) -> Option<String> {
        let arguments = self.arguments();
        let at = |(n, word): (usize, &String)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value.to_owned()),
            _ if names.contains(&word.as_str()) => arguments.get(n + 1).cloned(),
            _ => None,
        };
        arguments.iter().enumerate().find_map(at)
    }

    /// A variable of the environment that it was started with.
    pub fn variable(&self, name: &str) -> Option<String> {
        let start = format!("{name}=");
        self.list("environ").into_iter().find_map(|it| it.strip_prefix(&start).map(str::to_owned))
    }

    fn list(&self, what: &str) -> Vec<String> {
        let bytes = read_bounded(Path::new(&format!("/proc/{}/{what}", self.pid)), LARGEST).unwrap_or_default();
        let parts = bytes.split(|byte| *byte == 0).filter(|it| !it.is_empty());
        parts.map(|it| String::from_utf8_lossy(it).into_owned()).collect()
    }

    /// Its control group (version 2), where nobody else is in it and its depth can be told.
    pub fn control_group(&self) -> Option<ControlGroup> {
        let ours = std::fs::read_link("/proc/self/ns/cgroup").ok()?;
        if ours.as_os_str() != FIRST_CGROUP_NAMESPACE {
            return None;
        }
        let text = read_bounded(Path::new(&format!("/proc/{}/cgroup", self.pid)), LARGEST).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_matches('/').to_owned();
        if path.is_empty() {
            return None;
        }
        let level = u32::try_from(path.split('/').count()).ok()?;
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let folder = mounts.into_iter().find(|it| it.join("cgroup.controllers").exists())?.join(&path);
        let inside = read_bounded(&folder.join("cgroup.procs"), LARGEST).ok()?;
        let inside = String::from_utf8_lossy(&inside).into_owned();
        let is_its = |pid: &str| pid.parse().ok().and_then(comm).is_none_or(|it| is_its_own(&it, &self.name));
        let alone = inside.lines().all(is_its);
        alone.then(|| std::fs::metadata(&folder).ok().map(|meta| ControlGroup { id: meta.ino(), level })).flatten()
    }
}

/// Programs that a daemon starts beside itself.
fn is_its_own(found: &str, name: &str) -> bool {
    is_named(found, name) || ["docker-proxy", "containerd", "docker-containe"].contains(&found)
}
