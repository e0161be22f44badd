//! The way of one running daemon's connections to us, in whatever network namespace it lives. In: its process. Out: listeners there,
//! the redirection to them, a finder of the programs there, and connections from there that are not redirected.
//! Spec: network_namespaces(7), nft(8).
//!
//! Nothing of this outlives this process: the kernel takes the rules away with the netlink socket that made them.

mod daemon;

pub use daemon::{Daemon, DaemonError, find_by_name, find_by_socket};

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::netlink::SOCK_DIAG;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};

use crate::netlink::Netlink;
use crate::nft::EXEMPT_MARK;
use crate::nft::watch::{Rules, Table};
use crate::process::Finder;

pub use crate::nft::watch::ControlGroup;

/// A service that is so slow to accept is not there.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A network namespace in which a daemon lives.
#[derive(Debug)]
pub struct Network {
    /// `None`: our own.
    namespace: Option<OwnedFd>,
}

impl Network {
    /// The network of a process.
    ///
    /// # Errors
    /// When it is gone, or its namespace may not be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        let theirs = format!("/proc/{pid}/ns/net");
        let same = std::fs::read_link(&theirs)? == std::fs::read_link("/proc/self/ns/net")?;
        let namespace = if same { None } else { Some(OwnedFd::from(File::open(theirs)?)) };
        Ok(Self { namespace })
    }

    /// Whether it is another one than ours.
    pub const fn is_elsewhere(&self) -> bool {
        self.namespace.is_some()
    }

    /// Does something there.
    fn within<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let Some(namespace) = &self.namespace else { return work() };
        std::thread::scope(|scope| {
            // A thread of its own, which ends there: no other may find itself in a strange network.
            let inside = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            });
            inside.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the daemon's network ended")))
        })
    }

    /// Listens there on the loopback addresses: IPv4, and IPv6 where there is IPv6; non-blocking.
    ///
    /// # Errors
    /// When it cannot be listened there.
    pub fn listen(&self) -> io::Result<Vec<TcpListener>> {
        self.within(|| {
            let open = |address: IpAddr| -> io::Result<TcpListener> {
                let listener = TcpListener::bind(SocketAddr::new(address, 0))?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            };
            let first = open(Ipv4Addr::LOCALHOST.into())?;
            Ok(std::iter::once(first).chain(open(Ipv6Addr::LOCALHOST.into()).ok()).collect())
        })
    }

    /// Finds the programs there.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn finder(&self) -> io::Result<Finder> {
        match &self.namespace {
            None => Ok(Finder::new()),
            Some(_) => Ok(Finder::with_diagnosis_socket(self.within(|| Netlink::open(Some(SOCK_DIAG)))?.into())),
        }
    }

    /// Connects from there, around the redirection. Blocks until the service answers, ten seconds at the most.
    ///
    /// # Errors
    /// What connect(2) said; `EPERM` without CAP_NET_ADMIN there.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let socket = self.within(|| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_mark(EXEMPT_MARK)?;
            Ok(socket)
        })?;
        socket.connect_timeout(&address.into(), CONNECT_PATIENCE)?;
        Ok(socket.into())
    }

    /// Redirects what goes to these ports to our listeners there.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN, or when another sidelight watches there; otherwise what the kernel lacks.
    pub fn redirect(
        &self,
        ports: &[u16],
        listeners: &[SocketAddr],
        group: Option<ControlGroup>,
    ) -> io::Result<Redirection> {
        let port = |of: fn(&SocketAddr) -> bool| listeners.iter().find(|it| of(it)).map(SocketAddr::port);
        let ipv4 = port(SocketAddr::is_ipv4).ok_or(io::ErrorKind::InvalidInput)?;
        let rules = Rules { ports: ports.to_vec(), listeners: (ipv4, port(SocketAddr::is_ipv6)), group };
        let table = self.within(|| Table::install(rules))?;
        Ok(Redirection(Mutex::new(table)))
    }
}

/// A redirection; it ends with this value, and at the latest with this process.
pub struct Redirection(Mutex<Table>);

impl Redirection {
    /// The name of the table that holds it, as `nft list tables` shows it.
    pub const TABLE: &'static str = crate::nft::watch::TABLE;

    /// Whether the kernel tells the daemon's connections from those of others.
    pub fn by_group(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_group()
    }

    /// Redirects a further port.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn add_port(&self, port: u16) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add_port(port)
    }
}

impl std::fmt::Debug for Redirection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redirection")
    }
}
