//! Endpoints that misbehave. In: how. Out: an address on loopback that serves any number of connections until the test ends.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello as Offered, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sidelight_testkit::Running;
use sidelight_testkit::pki::provider;
use sidelight_testkit::process::free_port;
use sidelight_wire::tls::{ClientHello, Scan, scan};

const PATIENCE: Duration = Duration::from_secs(20);

/// Serves every connection on a thread of its own.
pub(crate) fn serve(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), each)
}

/// The same at an address of choice.
pub(crate) fn serve_on(listener: TcpListener, each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let each = Arc::new(each);
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || {
                let _ = tcp.set_read_timeout(Some(PATIENCE));
                each(tcp);
            });
        }
    });
    address
}

/// The ClientHello, left in the socket, with the bytes that hold it.
pub(crate) fn peek_hello(tcp: &TcpStream) -> Option<(ClientHello, usize)> {
    let mut buffer = vec![0; 20_000];
    let mut before = 0;
    loop {
        let count = tcp.peek(&mut buffer).ok()?;
        match scan(&buffer[..count]) {
            Scan::Hello(hello) => {
                let size = hello.wire_length;
                return Some((*hello, size));
            }
            Scan::Partial if count > before => before = count,
            Scan::Partial => thread::sleep(Duration::from_millis(2)),
            _ => return None,
        }
        if count == 0 {
            return None;
        }
    }
}

/// Takes the hello out of the socket.
pub(crate) fn take_hello(tcp: &mut TcpStream) -> Option<ClientHello> {
    let (hello, size) = peek_hello(tcp)?;
    let mut bytes = vec![0; size];
    tcp.read_exact(&mut bytes).ok()?;
    Some(hello)
}

pub(crate) fn reset(tcp: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
}

/// Keeps the connection, silently.
pub(crate) fn hold(mut tcp: TcpStream) {
    let _ = tcp.read_to_end(&mut Vec::new());
}

/// Sends a fatal alert in answer to every hello.
pub(crate) fn alert(number: u8) -> SocketAddr {
    serve(move |mut tcp| {
        if take_hello(&mut tcp).is_some() {
            let _ = tcp.write_all(&[21, 3, 3, 0, 2, 2, number]);
            let _ = tcp.shutdown(Shutdown::Write);
            hold(tcp);
        }
    })
}

/// Says the same to everybody, at once or after the first bytes.
pub(crate) fn says(at_once: bool, words: &'static str) -> SocketAddr {
    serve(move |mut tcp| {
        let mut buffer = [0; 4096];
        if !at_once && tcp.read(&mut buffer).unwrap_or(0) == 0 {
            return;
        }
        let _ = tcp.write_all(words.as_bytes());
        let _ = tcp.shutdown(Shutdown::Write);
        hold(tcp);
    })
}

/// A server's settings that show any chain with any key, right or wrong.
#[derive(Debug)]
struct Shows {
    with_name: Arc<CertifiedKey>,
    without: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, hello: Offered<'_>) -> Option<Arc<CertifiedKey>> {
        Some(if hello.server_name().is_some() { self.with_name.clone() } else { self.without.clone() })
    }
}

/// What a server shows.
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) ocsp: Option<Vec<u8>>,
}

impl Shown {
    pub(crate) fn new(chain: &[&CertificateDer<'static>], key: PrivateKeyDer<'static>) -> Self {
        Self { chain: chain.iter().map(|der| (*der).clone()).collect(), key, ocsp: None }
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        let key = provider().key_provider.load_private_key(self.key.clone_key()).unwrap();
        let mut certified = CertifiedKey::new(self.chain.clone(), key);
        certified.ocsp = self.ocsp.clone();
        Arc::new(certified)
    }
}

/// Settings that show `shown`, and `without` to clients that send no server name.
pub(crate) fn config(shown: &Shown, without: Option<&Shown>, protocols: &[&str]) -> ServerConfig {
    let with_name = shown.certified();
    let without = without.map_or_else(|| with_name.clone(), Shown::certified);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows { with_name, without }));
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Settings that demand a client certificate of this authority.
pub(crate) fn mutual(shown: &Shown, authority: &CertificateDer<'static>) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Shows { with_name: shown.certified(), without: shown.certified() }))
}

/// Speaks TLS with a client to its end: answers requests in HTTP.
pub(crate) fn speak(config: &Arc<ServerConfig>, tcp: TcpStream) {
    let Ok(connection) = ServerConnection::new(config.clone()) else { return };
    let mut stream = StreamOwned::new(connection, tcp);
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
    let _ = stream.flush();
}

/// Serves TLS.
pub(crate) fn tls(config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |tcp| speak(&config, tcp))
}

/// Serves TLS to hellos that pass; `otherwise` gets the others.
pub(crate) fn tls_if(
    config: ServerConfig,
    passes: impl Fn(&ClientHello, usize) -> bool + Send + Sync + 'static,
    otherwise: impl Fn(TcpStream) + Send + Sync + 'static,
) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |tcp| match peek_hello(&tcp) {
        Some((hello, size)) if passes(&hello, size) => speak(&config, tcp),
        Some(_) => otherwise(tcp),
        None => {}
    })
}

/// An address whose queue of connections is full: nobody answers there any more.
pub(crate) fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let waiting: Vec<TcpStream> = std::iter::from_fn(|| connect().ok()).take(16).collect();
    (address, listener, waiting)
}

/// openssl(1) as a server with these options.
pub(crate) fn openssl(folder: &Path, chain: &Path, key: &Path, options: &[&str]) -> (SocketAddr, Running) {
    let port = free_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
        .arg(chain)
        .arg("-key")
        .arg(key);
    command.args(options);
    // Some limits are looked at before the options that lift them.
    let lenient = folder.join("openssl.cnf");
    std::fs::write(
        &lenient,
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCipherString = ALL:@SECLEVEL=0\n",
    )
    .unwrap();
    command.env("OPENSSL_CONF", &lenient);
    let mut running = Running::start(&mut command, &folder.join(format!("openssl-{port}.log")));
    running.until("accepting connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (SocketAddr::from(([127, 0, 0, 1], port)), running)
}

/// Serves one body to every HTTP request.
pub(crate) fn http(body: Vec<u8>) -> SocketAddr {
    http_with(move || body.clone())
}

/// Serves what is made for each HTTP request.
pub(crate) fn http_with(body: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    serve(move |mut tcp| {
        let mut buffer = [0; 4096];
        if tcp.read(&mut buffer).unwrap_or(0) > 0 {
            let body = body();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = tcp.write_all(head.as_bytes());
            let _ = tcp.write_all(&body);
        }
    })
}
