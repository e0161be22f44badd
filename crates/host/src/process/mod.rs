//! Which program of this machine is behind a connection.
//!
//! In: the two addresses of a TCP connection, as its client sees them. Out: [`Process`], or nothing when the client is not
//! on this machine, is gone already, or belongs to somebody whose files we may not read.
//!
//! The kernel tells the inode of the client's socket (`sock_diag(7)`, or `/proc/net/tcp` where a sandbox forbids that), and
//! `/proc/PID/fd` tells who has a socket of that inode. Looking through every process is slow on a busy machine, so the
//! programs that were found lately, hinted ones and our own descendants (the command of `run`) are looked at first.

mod inode;
mod procfs;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use sidelight_model::flow::Process;

use inode::Inodes;

/// Processes found lately that are looked at first.
const RECENT: usize = 32;
/// Sockets that are remembered; when there are more, all are forgotten.
const MOST_SEEN: usize = 65_536;
/// Hints that are kept; older ones go first.
const HINTS: usize = 16;

/// Finds the programs behind connections; made once and used for all of them, from any thread.
///
/// Calls read files of `/proc` and block for as long as that takes (microseconds to a few milliseconds): call from a
/// thread that may block.
#[derive(Debug)]
pub struct Finder {
    inodes: Inodes,
    /// Those found lately, the last one first.
    recent: Mutex<VecDeque<Holder>>,
    /// Sockets that were seen on the way to others, by inode.
    seen: Mutex<HashMap<u32, Holder>>,
    /// Those that were named beforehand, the last one first.
    hints: Mutex<VecDeque<u32>>,
}

/// Who holds a socket, and the number that it has there.
#[derive(Clone, Copy, Debug)]
struct Holder {
    pid: u32,
    file: u32,
}

impl Default for Finder {
    fn default() -> Self {
        Self::new()
    }
}

impl Finder {
    /// A finder for connections in our own network namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Inodes::here())
    }

    /// A finder for connections in the network namespace in which this `NETLINK_SOCK_DIAG` socket was opened.
    #[must_use]
    pub fn with_diagnosis_socket(socket: OwnedFd) -> Self {
        Self::with(Inodes::elsewhere(socket))
    }

    fn with(inodes: Inodes) -> Self {
        Self { inodes, recent: Mutex::default(), seen: Mutex::default(), hints: Mutex::default() }
    }

    /// Says that connections will come from this process or its descendants; they are then found quickly. Our own
    /// descendants need no hint.
    pub fn hint(&self, pid: u32) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        hints.retain(|known| *known != pid);
        hints.push_front(pid);
        hints.truncate(HINTS);
    }

    /// The program whose socket has the address `client` and is connected to `server`.
    ///
    /// `server` is what the client connected to: for a redirected connection that is the original destination, not the
    /// address of the listener. Several programs can hold one socket (after fork); one of them is given.
    pub fn find(&self, client: SocketAddr, server: SocketAddr) -> Option<Process> {
        // A process that was made or changed while the others were gone through is found the second time, if the socket is still there then.
        let pid = (0..2).find_map(|_| self.owner(self.inodes.of(client, server)?))?;
        procfs::describe(pid)
    }

    /// The process that has a socket of this inode open.
    fn owner(&self, inode: u32) -> Option<u32> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let near = recent.iter().find_map(|known| holder(known.pid, procfs::socket_near(known.pid, inode, known.file)));
        let holder = near.or_else(|| self.search(&recent, inode))?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|known| known.pid != holder.pid);
        recent.push_front(holder);
        recent.truncate(RECENT);
        Some(holder.pid)
    }

    /// Looks through whole processes, one caller at a time: what one sees on its way answers those who wait.
    fn search(&self, recent: &VecDeque<Holder>, inode: u32) -> Option<Holder> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(&inode).copied();
        if let Some(known) = known.filter(|known| procfs::is_socket(known.pid, known.file, inode)) {
            return Some(known);
        }
        let pids = recent.iter().map(|known| known.pid).chain(self.expected()).chain(procfs::all());
        for pid in pids {
            if seen.len() > MOST_SEEN {
                seen.clear();
            }
            seen.extend(procfs::sockets(pid).map(|(inode, file)| (inode, Holder { pid, file })));
            if let Some(found) = seen.get(&inode).filter(|found| found.pid == pid) {
                return Some(*found);
            }
        }
        None
    }

    /// The processes that are hinted at with their descendants, and our own descendants.
    fn expected(&self) -> impl Iterator<Item = u32> {
        let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hinted = hints.into_iter().flat_map(|pid| std::iter::once(pid).chain(procfs::descendants(pid)));
        hinted.chain(procfs::descendants(std::process::id()))
    }
}

fn holder(pid: u32, file: Option<u32>) -> Option<Holder> {
    file.map(|file| Holder { pid, file })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;

    /// Each end of a connection within this process is found, whichever of its addresses is given first.
    fn finds_itself(listen: &str, connect: &str) {
        let listener = TcpListener::bind(listen).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((connect.parse::<std::net::IpAddr>().unwrap(), port)).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        let finder = Finder::new();
        for (near, far) in
            [(from, accepted.local_addr().unwrap()), (client.local_addr().unwrap(), client.peer_addr().unwrap())]
        {
            let found = finder.find(near, far).unwrap_or_else(|| panic!("{near} -> {far} not found"));
            assert_eq!(found.pid, std::process::id(), "{near} -> {far}");
            assert_eq!(found.exe.as_deref(), std::env::current_exe().unwrap().to_str());
            assert!(!found.name.is_empty() && found.name.len() <= 15);
        }
    }

    #[test]
    fn over_ipv4() {
        finds_itself("127.0.0.1:0", "127.0.0.1");
    }

    #[test]
    fn over_ipv6() {
        finds_itself("[::1]:0", "::1");
    }

    #[test]
    fn over_ipv4_accepted_by_an_ipv6_socket() {
        finds_itself("[::]:0", "127.0.0.1");
    }

    #[test]
    fn nothing_for_strangers_and_the_gone() {
        let finder = Finder::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(finder.find("192.0.2.77:4711".parse().unwrap(), address), None);
        assert_eq!(finder.find(address, address), None, "a listening socket is not a client");
        assert_eq!(finder.find("192.0.2.77:4711".parse().unwrap(), "[::1]:1".parse().unwrap()), None, "mixed families");
    }

    #[test]
    fn a_child_is_found_while_it_lives() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; read -r line <&3", address.port());
        let mut child = Command::new("bash").arg("-c").arg(script).stdin(Stdio::null()).spawn().unwrap();
        let (mut stream, from) = listener.accept().unwrap();
        assert!(procfs::descendants(std::process::id()).contains(&child.id()));
        let finder = Finder::new();
        finder.hint(1);
        let found = finder.find(from, address).unwrap();
        assert_eq!((found.pid, found.name.as_str()), (child.id(), "bash"));
        assert_eq!(found.container, None);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 8]);
        child.wait().unwrap();
        assert_eq!(finder.find(from, address), None, "gone with its process");
    }

    #[test]
    fn each_of_many_connections_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let finder = Finder::new();
        let clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        for client in clients.iter().step_by(30).chain(&clients) {
            let found = finder.find(client.local_addr().unwrap(), address);
            assert_eq!(found.map(|process| process.pid), Some(std::process::id()));
        }
    }
}
