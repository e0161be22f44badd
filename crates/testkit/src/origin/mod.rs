//! A TLS origin that speaks HTTP/1.1 and HTTP/2. In: an identity, an address and protocols. Out: a server on threads of its own, ended when dropped.
//! Its paths are in [`routes`]; what it has seen can be asked at any time.

mod routes;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub use routes::{SIZE_OF_BLOCK, body, pattern};

/// What the origin has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    requests: Mutex<Vec<String>>,
    connections: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    sent: AtomicU64,
    acknowledged: Option<watch::Sender<u64>>,
}

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

impl Origin {
    /// Serves HTTPS at `address` (port 0 for any), offering these protocols by ALPN.
    ///
    /// # Panics
    /// If the address cannot be listened on.
    pub fn https(address: &str, identity: &crate::Identity, protocols: &[&str]) -> Self {
        Self::start(address, Some(TlsAcceptor::from(identity.server_config(protocols))))
    }

    /// Serves HTTPS with settings of the test's own (client certificates, versions).
    ///
    /// # Panics
    /// If the address cannot be listened on.
    pub fn with_config(address: &str, config: Arc<rustls::ServerConfig>) -> Self {
        Self::start(address, Some(TlsAcceptor::from(config)))
    }

    /// Serves plain HTTP/1.1, and HTTP/2 by prior knowledge.
    ///
    /// # Panics
    /// If the address cannot be listened on.
    pub fn plain(address: &str) -> Self {
        Self::start(address, None)
    }

    /// Serves HTTPS on a listener that the test made, in a namespace for instance.
    ///
    /// # Panics
    /// If the listener is of no use.
    pub fn on(listener: std::net::TcpListener, identity: &crate::Identity, protocols: &[&str]) -> Self {
        Self::serve_on(listener, Some(TlsAcceptor::from(identity.server_config(protocols))))
    }

    fn start(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind(address)
            .unwrap_or_else(|e| panic!("the origin cannot listen on {address}: {e}"));
        Self::serve_on(listener, tls)
    }

    fn serve_on(listener: std::net::TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("origin")
            .enable_all()
            .build()
            .expect("a runtime");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).expect("a listener")
        };
        let bound = listener.local_addr().expect("the address that was bound");
        let seen = Arc::new(Seen { acknowledged: Some(watch::Sender::new(0)), ..Seen::default() });
        runtime.spawn(accept(listener, tls, Arc::clone(&seen)));
        Self { address: bound, seen, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, each as `GET /path HTTP/1.1`, in the order in which their heads came.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().expect("no panic while it was held").clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many TLS handshakes failed.
    pub fn refused(&self) -> u64 {
        self.seen.refused.load(Ordering::SeqCst)
    }

    /// How many endless answers ended because the client went away.
    pub fn cut(&self) -> u64 {
        self.seen.cut.load(Ordering::SeqCst)
    }
}

impl Origin {
    /// How many bytes of `/bytes/…` have been handed to connections.
    pub fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, seen: Arc<Seen>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            match tls {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => serve(stream, seen).await,
                    Err(_) => {
                        seen.refused.fetch_add(1, Ordering::SeqCst);
                    }
                },
                None => serve(stream, seen).await,
            }
        });
    }
}

async fn serve(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static, seen: Arc<Seen>) {
    let service = hyper::service::service_fn(move |request| routes::answer(request, Arc::clone(&seen)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().keep_alive(true).half_close(true);
    builder.http2().max_concurrent_streams(200);
    // How a connection ends is the client's to judge.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}
