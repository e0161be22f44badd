//! Many clients at once. In: a proxy, how many, from which loopback addresses. Out: open TLS connections that idle, or the end of a flood of bytes.
//! All clients share one small runtime; source addresses vary, so that ports do not run out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// Connections are opened this many at a time.
const AT_A_TIME: usize = 64;
/// One client may take this long to get its answer, or to be turned away.
const PATIENCE: Duration = Duration::from_secs(60);

/// Open connections; dropped, they close.
#[derive(Debug)]
pub struct Idle {
    streams: Vec<Stream>,
    _runtime: Runtime,
}

impl Idle {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

/// Lets this process, and those that it starts afterwards, open as many descriptors as the machine allows.
pub fn many_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where this fails, the connections that cannot be opened tell.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// 127.0.0.2 and up: each gives another 28,000 ports.
async fn from_loopback(number: usize, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(2 + number % 16).unwrap_or(2);
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0))?;
    socket.connect(to).await
}

/// Opens `count` TLS connections through an HTTP proxy, asks one question on each, and leaves them idle.
///
/// # Panics
/// If one of them is not answered.
pub fn idle(proxy: SocketAddr, target: &str, name: &str, config: &Arc<rustls::ClientConfig>, count: usize) -> Idle {
    let runtime = runtime();
    let gate = Arc::new(Semaphore::new(AT_A_TIME));
    let streams = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let (gate, connector) = (Arc::clone(&gate), TlsConnector::from(Arc::clone(config)));
            let (target, name) = (target.to_owned(), ServerName::try_from(name.to_owned()).expect("a server name"));
            tasks.spawn(async move {
                let _turn = gate.acquire().await.expect("an open gate");
                let asked = ask(number, proxy, &target, name, connector);
                tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time")
            });
        }
        let mut streams = Vec::with_capacity(count);
        while let Some(done) = tasks.join_next().await {
            streams.push(done.expect("no panic").unwrap_or_else(|e| panic!("connection {}: {e}", streams.len())));
        }
        streams
    });
    Idle { streams, _runtime: runtime }
}

async fn ask(
    number: usize,
    proxy: SocketAddr,
    target: &str,
    name: ServerName<'static>,
    connector: TlsConnector,
) -> std::io::Result<Stream> {
    let mut tcp = from_loopback(number, proxy).await?;
    tcp.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes()).await?;
    expect_head(&mut tcp, "HTTP/1.1 200").await?;
    let mut stream = connector.connect(name, tcp).await?;
    stream.write_all(b"GET /status/204 HTTP/1.1\r\nHost: crowd.test\r\n\r\n").await?;
    expect_head(&mut stream, "HTTP/1.1 204").await?;
    Ok(stream)
}

async fn expect_head(stream: &mut (impl tokio::io::AsyncRead + Unpin), start: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(start.as_bytes()) {
        return Ok(());
    }
    Err(std::io::Error::other(format!("not {start}: {}", String::from_utf8_lossy(&head))))
}

/// Opens `count` connections, sends each one message made from its number, and closes it; whatever the server does is fine.
pub fn flood(to: &[SocketAddr], count: usize, first: usize, message: impl Fn(usize) -> Vec<u8>) {
    let gate = Arc::new(Semaphore::new(AT_A_TIME));
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for number in first..first + count {
            let turn = Arc::clone(&gate).acquire_owned().await.expect("an open gate");
            let (to, bytes) = (to[number % to.len()], message(number));
            tasks.spawn(async move {
                let _turn = turn;
                // An answer, a reset or silence: only that the server goes on matters.
                let _ = tokio::time::timeout(PATIENCE, throw(number, to, &bytes)).await;
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    });
}

async fn throw(number: usize, to: SocketAddr, bytes: &[u8]) -> std::io::Result<()> {
    let mut tcp = from_loopback(number, to).await?;
    tcp.write_all(bytes).await?;
    // Some leave at once, some close their direction and wait for what comes.
    if number.is_multiple_of(3) {
        return Ok(());
    }
    tcp.shutdown().await?;
    let mut answer = [0; 512];
    while tcp.read(&mut answer).await? > 0 {}
    Ok(())
}
