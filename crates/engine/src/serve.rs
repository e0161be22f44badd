//! Listening. In: addresses and modes. Out: one task for each connection; a panic in one ends that one alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::conn::drive;
use crate::engine::{Engine, Listener, Mode};

/// Why it cannot be listened there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is taken.
    #[error("cannot listen on {0}: another program does. Stop it (`ss -ltnp 'sport = :{port}'` names it), or choose another port with --mode …@PORT", port = .0.port())]
    Taken(SocketAddr),
    /// Ports under 1024 and transparent sockets need a permission.
    #[error("cannot listen on {address}: {what} needs {permission}; run as root or choose another")]
    Permission {
        /// The address.
        address: SocketAddr,
        /// What was wanted.
        what: &'static str,
        /// The permission that is missing.
        permission: &'static str,
    },
    /// The address belongs to no interface of this machine.
    #[error("cannot listen on {0}: no interface of this machine has that address")]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {error}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// Opens a listening socket for this mode.
///
/// # Errors
/// [`ListenError`], which says what to do.
pub fn listen(mode: &Mode, address: SocketAddr) -> Result<TcpListener, ListenError> {
    let transparent = matches!(mode, Mode::Tproxy);
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        if transparent {
            match address {
                SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
                SocketAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
            }
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress(address),
        io::ErrorKind::PermissionDenied if transparent => {
            ListenError::Permission { address, what: "tproxy", permission: "CAP_NET_ADMIN" }
        }
        io::ErrorKind::PermissionDenied => {
            ListenError::Permission { address, what: "a port under 1024", permission: "CAP_NET_BIND_SERVICE" }
        }
        _ => ListenError::Other { address, error },
    })
}

/// How long to wait before accepting again when the process has no file descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// Accepts connections until the returned future is dropped; those under way end with it.
pub async fn serve(engine: Arc<Engine>, listener: Arc<Listener>, socket: TcpListener) {
    if !listener.foreign
        && let Ok(address) = socket.local_addr()
    {
        engine.own.listen(address);
    }
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    tasks.spawn(drive(engine.clone(), listener.clone(), stream, peer));
                }
                // A client that is gone already, or no descriptors left: others must still be served.
                Err(error) => {
                    if matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE)) {
                        engine.out_of_descriptors(&error);
                    }
                    tokio::time::sleep(BREATHER).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}
