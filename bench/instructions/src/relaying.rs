//! The relay over pipes in memory, plain and between two TLS connections: 64 MiB a turn, from the service to the client.

use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use sidelight_engine::relay::{Flow, Observer, finish, relay};
use sidelight_engine::transport::{Conn, Decrypted};
use sidelight_model::flow::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const TURN: usize = 64 << 20;
const PIPE: usize = 256 << 10;

struct Nobody;

impl Observer for Nobody {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn seen(&mut self, _: Direction, _: &[u8]) -> Flow {
        Flow::On
    }

    fn half_closed(&mut self, _: Direction) {}
}

/// Plain pipes.
pub(crate) fn plain(count: u32) {
    run(count, false);
}

/// TLS on both sides, the peers' own included.
pub(crate) fn tls(count: u32) {
    run(count, true);
}

fn run(count: u32, protected: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop");
    runtime.block_on(async {
        let (client, our_client) = wire(protected).await;
        let (our_server, server) = wire(protected).await;
        let relaying = tokio::spawn(async move {
            let (client, server, end) = relay(our_client, our_server, &mut Nobody, None).await;
            finish(client, server, &end).await;
        });
        let total = TURN * count as usize;
        let sending = tokio::spawn(send(server, total));
        assert_eq!(receive(client).await, total, "something is missing");
        sending.await.expect("it is sent");
        relaying.await.expect("it is relayed");
    });
}

async fn send(mut server: Conn, total: usize) {
    let piece = vec![7; 64 << 10];
    for _ in 0..total / piece.len() {
        server.write_all(&piece).await.expect("the relay reads");
    }
    server.shutdown().await.expect("an end in order");
}

async fn receive(mut client: Conn) -> usize {
    let (mut buffer, mut got) = (vec![0; 64 << 10], 0);
    loop {
        match client.read(&mut buffer).await.expect("the relay writes") {
            0 => break,
            count => got += count,
        }
    }
    let _ = client.shutdown().await;
    got
}

/// A pipe, and TLS on it: the peer's end and ours.
async fn wire(protected: bool) -> (Conn, Conn) {
    let (one, two) = duplex(PIPE);
    let (one, two): (Conn, Conn) = (Box::new(one), Box::new(two));
    if !protected {
        return (one, two);
    }
    let certified = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).expect("a certificate");
    let der = CertificateDer::from(certified.cert.der().to_vec());
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = sidelight_engine::tls::provider;
    let server = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key.into())
        .expect("a server");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).expect("a root");
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("relay.test").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let (client, server) = tokio::join!(connector.connect(name, one), acceptor.accept(two));
    let client = tokio_rustls::TlsStream::Client(client.expect("a handshake"));
    let server = tokio_rustls::TlsStream::Server(server.expect("a handshake"));
    (Box::new(Decrypted::from(client)), Box::new(Decrypted::from(server)))
}
