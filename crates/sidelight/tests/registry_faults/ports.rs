//! Ports that no other server of these tests can get. In: nothing. Out: ports.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// A port at which nobody listens, nor will.
pub(crate) fn unheard() -> u16 {
    let (socket, port) = bound();
    std::mem::forget(socket);
    port
}

/// A socket at a port of loopback, which does not listen.
pub(crate) fn bound() -> (OwnedFd, u16) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = SocketAddr::try_from(getsockname(&socket).expect("an address")).expect("an address of IP");
    (socket, address.port())
}
