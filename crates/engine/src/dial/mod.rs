//! Reaching the other side. In: who the connection is for. Out: a connection to it, directly or through a further proxy.

mod error;
mod own;
mod through;

pub use error::DialError;
pub use own::{OutboundGuard, OwnAddresses};
pub use through::{NoProxy, Proxy, ProxyKind};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sidelight_model::flow::{Authority, Ends, Leg};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::capture::Tee;
use crate::resolve::Resolver;
use crate::tls::Wish;
use crate::transport::Conn;

/// Between two attempts at different addresses of one name (RFC 8305 §5 recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Connects inside the network namespace that a client lives in, for services that only exist there.
pub trait Inside: Send + Sync {
    /// Whether a connection to this address may be meant for a service that only exists there.
    fn is_own(&self, address: SocketAddr) -> bool;

    /// Whether there is no other way: what cannot be reached there is not tried from here.
    fn is_only_way(&self) -> bool {
        false
    }

    /// A connection made there.
    ///
    /// # Errors
    /// What connect(2) said there.
    fn connect(&self, address: SocketAddr) -> std::io::Result<std::net::TcpStream>;
}

/// Reaches services.
pub struct Dialer {
    resolver: Resolver,
    own: Arc<OwnAddresses>,
    limit: Duration,
    no_proxy: NoProxy,
    proxy_tls: Arc<crate::tls::Service>,
}

/// A reached service.
pub struct Dialed {
    /// The connection.
    pub conn: Conn,
    /// Its address; the further proxy's where there is one.
    pub address: SocketAddr,
    /// Keeps the connection's own address on the list by which loops are recognised.
    pub guard: OutboundGuard,
}

/// How a listener's connections go out.
#[derive(Clone, Default)]
pub struct Way {
    /// Through this proxy, except for hosts that the exceptions name.
    pub proxy: Option<Arc<Proxy>>,
    /// Addresses that exist in the client's own namespace are tried there first.
    pub inside: Option<Arc<dyn Inside>>,
}

impl Dialer {
    /// A dialer that gives each attempt `limit`, and goes around a further proxy for the hosts of `no_proxy`.
    /// `proxy_tls` shakes hands with further proxies that speak TLS.
    pub fn new(
        resolver: Resolver,
        own: Arc<OwnAddresses>,
        limit: Duration,
        no_proxy: NoProxy,
        proxy_tls: Arc<crate::tls::Service>,
    ) -> Self {
        Self { resolver, own, limit, no_proxy, proxy_tls }
    }

    /// The proxy through which `target` is reached, if any.
    pub fn proxy_for<'w>(&self, target: &Authority, way: &'w Way) -> Option<&'w Arc<Proxy>> {
        way.proxy.as_ref().filter(|_| !self.no_proxy.covers(target))
    }

    /// Reaches `target`.
    ///
    /// # Errors
    /// [`DialError`], with the name or address that failed.
    pub(crate) async fn dial(&self, target: &Authority, way: &Way, tee: &Tee) -> Result<Dialed, DialError> {
        match self.proxy_for(target, way) {
            Some(proxy) => {
                let mut dialed = self.reach_proxy(proxy, tee).await?;
                dialed.conn = tokio::time::timeout(self.limit, proxy.tunnel(dialed.conn, target))
                    .await
                    .map_err(|_| DialError::ProxySilent { proxy: proxy.at.clone(), limit: self.limit })??;
                Ok(dialed)
            }
            None => self.direct(target, way, tee).await,
        }
    }

    /// A connection to the proxy itself, for requests that it forwards.
    ///
    /// # Errors
    /// When the proxy cannot be reached.
    pub(crate) async fn reach_proxy(&self, proxy: &Proxy, tee: &Tee) -> Result<Dialed, DialError> {
        let unreachable =
            |error: DialError| DialError::ProxyUnreachable { proxy: proxy.at.clone(), why: Box::new(error) };
        let mut dialed = self.direct(&proxy.at, &Way::default(), tee).await.map_err(unreachable)?;
        if proxy.kind == ProxyKind::Https {
            let wish = Wish {
                target: &proxy.at,
                name: &proxy.at.host,
                with_sni: true,
                alpn: &[b"http/1.1".to_vec()],
                stop_when_asked: false,
                secrets: tee.secrets(Leg::Server),
            };
            let shaken = self.proxy_tls.shake(dialed.conn, wish).await;
            let shaken =
                shaken.map_err(|error| DialError::ProxyTls { proxy: proxy.at.clone(), why: error.to_string() })?;
            if let crate::tls::Verdict::Untrusted { finding, .. } = shaken.verdict {
                return Err(DialError::ProxyTls { proxy: proxy.at.clone(), why: finding.summary });
            }
            dialed.conn = Box::new(crate::transport::Decrypted::from(shaken.stream));
        }
        Ok(dialed)
    }

    async fn direct(&self, target: &Authority, way: &Way, tee: &Tee) -> Result<Dialed, DialError> {
        let found = self.resolver.addresses(&target.host).await;
        let found = found.map_err(|why| DialError::Dns { host: target.host.to_string(), why })?;
        let mut addresses: Vec<SocketAddr> =
            interleave(found).into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect();
        addresses.truncate(MOST_ADDRESSES);
        match inside(way, &addresses).await {
            Some(Ok(stream)) => return self.dialed(stream, tee),
            Some(Err(error)) => return Err(error),
            None => {}
        }
        if let Some(address) = addresses.iter().find(|address| self.own.is_ours(**address)) {
            return Err(DialError::Loop { target: target.clone(), address: *address });
        }
        let stream = self.race(target, addresses).await?;
        self.dialed(stream, tee)
    }

    /// Tries the addresses one after the other, a new one each [`STAGGER`]; the first that answers wins.
    async fn race(&self, target: &Authority, addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
        let limit = self.limit;
        // One address, as most names have: no task of its own, which another thread might take up.
        if let [address] = addresses[..] {
            return attempt(address, limit).await;
        }
        let mut attempts = JoinSet::new();
        let mut rest = addresses.into_iter();
        let mut failure = None;
        loop {
            if let Some(address) = rest.next() {
                attempts.spawn(attempt(address, limit));
            } else if attempts.is_empty() {
                let nothing =
                    || DialError::Dns { host: target.host.to_string(), why: "no address is left to try".into() };
                return Err(failure.unwrap_or_else(nothing));
            }
            let finished = if rest.len() > 0 {
                tokio::time::timeout(STAGGER, attempts.join_next()).await.unwrap_or(None)
            } else {
                attempts.join_next().await
            };
            match finished {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => failure = failure.or(Some(error)),
                Some(Err(_)) | None => {}
            }
        }
    }

    fn dialed(&self, stream: TcpStream, tee: &Tee) -> Result<Dialed, DialError> {
        let failed = |error| DialError::Connect { address: SocketAddr::from(([0, 0, 0, 0], 0)), error };
        let address = stream.peer_addr().map_err(failed)?;
        let local = stream.local_addr().map_err(|error| DialError::Connect { address, error })?;
        // One-byte writes must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let conn = tee.attach(Leg::Server, stream, Ends { from: local, to: address });
        Ok(Dialed { conn, address, guard: self.own.outbound(local, address) })
    }
}

/// Connects to one address.
async fn attempt(address: SocketAddr, limit: Duration) -> Result<TcpStream, DialError> {
    let connected = tokio::time::timeout(limit, TcpStream::connect(address)).await;
    connected
        .map_err(|_| DialError::TimedOut { address, limit })
        .and_then(|result| result.map_err(|error| DialError::Connect { address, error }))
}

/// Tries addresses that exist inside the client's namespace there; an error only where there is no other way.
async fn inside(way: &Way, addresses: &[SocketAddr]) -> Option<Result<TcpStream, DialError>> {
    let there = way.inside.clone()?;
    let is_only_way = there.is_only_way();
    let address = *addresses.iter().find(|address| there.is_own(**address))?;
    let connected = tokio::task::spawn_blocking(move || there.connect(address)).await.ok()?;
    let stream = connected.and_then(|stream| {
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    });
    match stream {
        Ok(stream) => Some(Ok(stream)),
        Err(error) => is_only_way.then_some(Err(DialError::Connect { address, error })),
    }
}

/// IPv6 and IPv4 in turn, beginning with the family of the first (RFC 8305 §4).
pub(crate) fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let longest = same.len().max(other.len());
    (0..longest).flat_map(|index| [same.get(index).copied(), other.get(index).copied()]).flatten().collect()
}

/// Whether connections from here are served without being asked to: loopback, private, link-local, carrier-grade NAT.
pub fn is_nearby(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
