//! Ways in: how a client says whom it wants. In: a fresh connection. Out: the destination, and the answer that the client waits for.

pub(crate) mod explicit;
mod forward_http;
mod one_exchange;
pub(crate) mod reverse;
pub(crate) mod sni;
pub(crate) mod socks;

use std::io;
use std::net::SocketAddr;

use sidelight_model::finding::{Cause, Finding};
use tokio::net::TcpStream;

/// A client gets so long to say whom it wants.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Where the kernel's redirection took this connection from.
pub(crate) fn original_dst(stream: &TcpStream, local: SocketAddr) -> io::Result<SocketAddr> {
    use rustix::net::sockopt;
    let found = match local {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_none() => {
            sockopt::ipv6_original_dst(stream).map(SocketAddr::V6)
        }
        _ => sockopt::ip_original_dst(stream).map(SocketAddr::V4),
    }?;
    // Not redirected: the kernel then gives our own address back.
    let same = found.port() == local.port() && found.ip().to_canonical() == local.ip().to_canonical();
    if same { Err(io::Error::other("the connection was made to this port itself")) } else { Ok(found) }
}

/// The connection did not come by a redirection.
pub(crate) fn no_original_dst(local: SocketAddr, error: &io::Error) -> Finding {
    let text = format!("a connection to {local} (transparent) was not redirected there, so its destination is unknown");
    Finding::new(Cause::ProxyDenied, text, "SO_ORIGINAL_DST", local.to_string(), error.to_string()).with_fix(
        "Let the firewall redirect connections to this port; do not connect to it",
        format!("nft add rule ip nat output tcp dport 443 redirect to :{}", local.port()),
    )
}
