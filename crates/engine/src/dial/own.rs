//! Loops. In: where we listen and from where we connect. Out: whether a destination or a client is ourselves.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Our own ends of connections.
#[derive(Debug, Default)]
pub struct OwnAddresses {
    listening: Mutex<Vec<SocketAddr>>,
    /// Both ends: the kernel gives one local port to several connections, as long as they go to different places.
    outbound: Mutex<HashSet<(SocketAddr, SocketAddr)>>,
}

impl OwnAddresses {
    /// Notes a listener.
    pub fn listen(&self, address: SocketAddr) {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    /// Notes the ends of a connection of ours, for as long as the guard lives.
    pub fn outbound(self: &Arc<Self>, local: SocketAddr, remote: SocketAddr) -> OutboundGuard {
        let ends = (canonical(local), canonical(remote));
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner).insert(ends);
        OutboundGuard { own: self.clone(), ends }
    }

    /// Whether a connection to `address` would come back to one of our listeners, by whatever address of this machine.
    pub fn is_ours(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        listening.iter().filter(|ours| ours.port() == address.port()).any(|ours| {
            let bound = ours.ip().to_canonical();
            bound == ip || ip.is_unspecified() || (bound.is_unspecified() && is_local(ip))
        })
    }

    /// Whether a client at this address, which wanted to go to `wanted`, is one of our own outgoing connections, redirected back to us.
    pub fn is_our_connection(&self, client: SocketAddr, wanted: SocketAddr) -> bool {
        let ends = (canonical(client), canonical(wanted));
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner).contains(&ends)
    }
}

/// One form for each address, whichever family of sockets it was seen on.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether an address belongs to this machine: only such addresses can be bound.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Forgets an outgoing connection's ends when it is dropped.
#[derive(Debug)]
pub struct OutboundGuard {
    own: Arc<OwnAddresses>,
    ends: (SocketAddr, SocketAddr),
}

impl Drop for OutboundGuard {
    fn drop(&mut self) {
        self.own.outbound.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_seen_by_any_address_of_the_machine() {
        let own = Arc::new(OwnAddresses::default());
        own.listen("127.0.0.1:8080".parse().unwrap());
        own.listen("[::]:9090".parse().unwrap());
        let ours = |text: &str| own.is_ours(text.parse().unwrap());
        assert!(ours("127.0.0.1:8080") && ours("[::ffff:127.0.0.1]:8080") && ours("0.0.0.0:8080"));
        assert!(ours("127.0.0.7:9090") && ours("[::1]:9090"));
        assert!(!ours("127.0.0.1:8081") && !ours("192.0.2.1:9090") && !ours("127.0.0.2:8080"));
    }

    #[test]
    fn outgoing_ends_are_forgotten_when_they_close() {
        let own = Arc::new(OwnAddresses::default());
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (end, far) = (address("127.0.0.1:40000"), address("192.0.2.1:443"));
        let guard = own.outbound(end, far);
        assert!(own.is_our_connection(address("[::ffff:127.0.0.1]:40000"), far));
        assert!(!own.is_our_connection(end, address("192.0.2.2:443")), "another's connection from the same port");
        drop(guard);
        assert!(!own.is_our_connection(end, far));
        let guard = own.outbound(address("[::ffff:127.0.0.1]:40000"), far);
        assert!(own.is_our_connection(end, far), "dialled by a mapped address, redirected as IPv4");
        drop(guard);
        assert!(!own.is_our_connection(end, far));
    }
}
