//! The cast of `sidelight demo`: services on loopback, and clients that call them through a proxy. In: the proxy's address and
//! its CA. Out: real TLS connections that show what sidelight shows. No network, no file, nothing left behind.

mod certificates;
mod clients;
mod origin;
mod registry;
mod replies;
mod sockets;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) use clients::visits;

use certificates::Issuer;

/// A shop with an API: JSON, compressed pages, events, WebSocket, gRPC.
const SHOP: &str = "shop.test";
/// The same service by a name for which its client accepts its true certificate alone.
const PINNED: &str = "pinned.test";
/// A service whose certificate has expired.
const OLD: &str = "old.test";
/// A container registry, and where its tokens come from.
const REGISTRY: &str = "registry.test";
const AUTH: &str = "auth.test";

/// Services that run until their runtime ends.
#[derive(Debug)]
pub(crate) struct Services {
    /// The root certificate of all of them, in DER.
    pub(crate) ca_der: Vec<u8>,
    shop: u16,
    old: u16,
    registry: u16,
}

impl Services {
    /// Starts them on loopback, on ports that the kernel chooses. Needs a runtime of tokio around it.
    ///
    /// # Errors
    /// When no certificate can be made, or nothing can listen on loopback.
    pub(crate) async fn start() -> io::Result<Self> {
        let issuer = Issuer::new("Demonstration root")?;
        let shop = serve(issuer.acceptor(&[SHOP, PINNED], false)?, origin::answer).await?;
        let old = serve(issuer.acceptor(&[OLD], true)?, origin::answer).await?;
        let registry = serve(issuer.acceptor(&[REGISTRY, AUTH], false)?, registry::answer).await?;
        Ok(Self { ca_der: issuer.der(), shop, old, registry })
    }

    /// Their names and addresses, as lines of a hosts file would give them.
    pub(crate) fn hosts(&self) -> HashMap<String, Vec<IpAddr>> {
        let local = |name: &str| (name.to_owned(), vec![IpAddr::from(Ipv4Addr::LOCALHOST)]);
        [SHOP, PINNED, OLD, REGISTRY, AUTH].map(local).into()
    }
}

/// Serves HTTP/1.1 and HTTP/2 over TLS on a free port of loopback; the port comes back.
async fn serve<A, F>(acceptor: TlsAcceptor, answer: A) -> io::Result<u16>
where
    A: Fn(replies::Request) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = replies::Response> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let acceptor = Arc::new(acceptor);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = Arc::clone(&acceptor);
            tokio::spawn(async move {
                // A client that refuses the certificate is part of the play.
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let service =
                    service_fn(|request| async move { Ok::<_, std::convert::Infallible>(answer(request).await) });
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(port)
}

#[cfg(test)]
mod tests;
