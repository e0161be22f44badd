//! Which program of this machine is behind a connection.
//!
//! In: the two addresses of a TCP connection, as its client sees them. Out: [`Process`], or nothing when the client is not
//! on this machine, is gone already, or belongs to somebody whose files we may not read.
//!
//! The kernel tells the inode of the client's socket (`sock_diag(7)`, or `/proc/net/tcp` where a sandbox forbids that), and
//! `/proc/PID/fd` tells who has a socket of that inode. Looking through every process is slow on a busy machine, so the
//! programs that were found lately and the descendants of hinted ones are looked at first.

mod inode;
mod procfs;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use sidelight_model::flow::Process;

use inode::Inodes;

/// Processes found lately that are looked at first.
const RECENT: usize = 32;
/// Hints that are kept; older ones go first.
const HINTS: usize = 16;

/// Finds the programs behind connections; made once and used for all of them, from any thread.
///
/// Calls read files of `/proc` and block for as long as that takes (microseconds to a few milliseconds): call from a
/// thread that may block.
#[derive(Debug)]
pub struct Finder {
    inodes: Inodes,
    first: Mutex<First>,
}

/// Where to look first.
#[derive(Debug, Default)]
struct First {
    hints: VecDeque<u32>,
    recent: VecDeque<u32>,
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
        Self { inodes, first: Mutex::default() }
    }

    /// Says that connections will come from this process and its descendants; they are then found quickly.
    pub fn hint(&self, pid: u32) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.hints.retain(|known| *known != pid);
        first.hints.push_front(pid);
        first.hints.truncate(HINTS);
    }

    /// The program whose socket has the address `client` and is connected to `server`.
    ///
    /// `server` is what the client connected to: for a redirected connection that is the original destination, not the
    /// address of the listener. Several programs can hold one socket (after fork); one of them is given.
    pub fn find(&self, client: SocketAddr, server: SocketAddr) -> Option<Process> {
        let inode = self.inodes.of(client, server)?;
        let pid = self.owner(inode)?;
        procfs::describe(pid)
    }

    /// The process that has a socket of this inode open.
    fn owner(&self, inode: u32) -> Option<u32> {
        let (recent, hints) = {
            let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            (first.recent.clone(), first.hints.clone())
        };
        let holds = |pid: &u32| procfs::has_socket(*pid, inode);
        let pid = recent
            .into_iter()
            .find(holds)
            .or_else(|| hints.into_iter().flat_map(procfs::family).find(holds))
            .or_else(|| procfs::all().find(holds))?;
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.recent.retain(|known| *known != pid);
        first.recent.push_front(pid);
        first.recent.truncate(RECENT);
        Some(pid)
    }
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
    fn a_child_is_found_with_and_without_hint() {
        for hinted in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; read -r line <&3", address.port());
            let mut child = Command::new("bash").arg("-c").arg(script).stdin(Stdio::null()).spawn().unwrap();
            let (mut stream, from) = listener.accept().unwrap();
            let finder = Finder::new();
            if hinted {
                finder.hint(std::process::id());
                assert!(procfs::family(std::process::id()).contains(&child.id()));
            }
            let found = finder.find(from, address).unwrap();
            assert_eq!((found.pid, found.name.as_str()), (child.id(), "bash"));
            assert_eq!(found.container, None);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read(&mut [0; 8]);
            child.wait().unwrap();
            assert_eq!(finder.find(from, address), None, "gone with its process");
        }
    }
}
