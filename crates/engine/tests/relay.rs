//! The relay changes nothing: random bytes in random pieces, with random half-closes, arrive identical in both directions,
//! through plain pipes and through TLS on both sides.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use sidelight_engine::relay::{Break, End, Flow, Observer, finish, relay};
use sidelight_engine::transport::{Conn, Decrypted, Transport as _};
use sidelight_model::flow::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Keeps what passed.
#[derive(Default)]
struct Keeper([Vec<u8>; 2]);

impl Observer for Keeper {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.0[direction.index()].extend_from_slice(bytes);
        Flow::On
    }

    fn half_closed(&mut self, _: Direction) {}
}

/// What one party says: pieces, and whether it waits for the other's end before its own.
#[derive(Clone, Debug)]
struct Script {
    pieces: Vec<Vec<u8>>,
    closes_last: bool,
    reads: usize,
}

fn script() -> impl Strategy<Value = Script> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), 1..200_000usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    (proptest::collection::vec(piece, 0..12), any::<bool>(), 1..70_000usize)
        .prop_map(|(pieces, closes_last, reads)| Script { pieces, closes_last, reads })
}

/// Plays a script on one end; gives back all that it heard.
async fn play(stream: Conn, script: Script, patient: bool) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let ended = Arc::new(tokio::sync::Notify::new());
    let heard_end = ended.clone();
    let listen = async move {
        let mut heard = Vec::new();
        let mut buffer = vec![0; script.reads];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
            }
        }
        heard_end.notify_one();
        heard
    };
    let speak = async move {
        for piece in script.pieces {
            writer.write_all(&piece).await.unwrap();
            writer.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        if script.closes_last && patient {
            ended.notified().await;
        }
        writer.shutdown().await.unwrap();
    };
    tokio::join!(listen, speak).0
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    sidelight_engine::tls::provider()
}

/// Wraps both ends of a pipe in TLS.
async fn tls_pair(client: Conn, server: Conn) -> (Conn, Conn) {
    let certified = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).unwrap();
    let der = CertificateDer::from(certified.cert.der().to_vec());
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let mut server_config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key.into())
        .unwrap();
    server_config.enable_secret_extraction = true;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    let mut client_config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client_config.enable_secret_extraction = true;
    let name = ServerName::try_from("relay.test").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config));
    let (client, server) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
    let client = tokio_rustls::TlsStream::Client(client.unwrap());
    let server = tokio_rustls::TlsStream::Server(server.unwrap());
    (Box::new(Decrypted::from(client)), Box::new(Decrypted::from(server)))
}

async fn wires(pipe: usize, tls: bool) -> ((Conn, Conn), (Conn, Conn)) {
    let (client, our_client) = duplex(pipe);
    let (our_server, server) = duplex(pipe);
    let (client, our_client): (Conn, Conn) = (Box::new(client), Box::new(our_client));
    let (our_server, server): (Conn, Conn) = (Box::new(our_server), Box::new(server));
    if tls {
        let (client, our_client) = tls_pair(client, our_client).await;
        let (our_server, server) = tls_pair(our_server, server).await;
        ((client, our_client), (our_server, server))
    } else {
        ((client, our_client), (our_server, server))
    }
}

fn nothing_changes(client: Script, server: Script, pipe: usize, tls: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let wires = tokio::time::timeout(Duration::from_secs(60), wires(pipe, tls));
        let ((client_end, our_client), (our_server, server_end)) = wires.await.expect("the handshakes hang");
        let said = [client.pieces.concat(), server.pieces.concat()];
        let mut keeper = Keeper::default();
        let relayed = async {
            let (client, server, end) = relay(our_client, our_server, &mut keeper, None).await;
            finish(client, server, &end).await;
            end
        };
        // Only one of the two may wait for the other's end.
        let all = async { tokio::join!(play(client_end, client, true), play(server_end, server, false), relayed) };
        let (client_heard, server_heard, end) =
            tokio::time::timeout(Duration::from_secs(60), all).await.expect("it hangs");
        assert!(matches!(end, End::Clean), "{end:?}");
        assert!(server_heard == said[0], "from the client: {} of {} bytes", server_heard.len(), said[0].len());
        assert!(client_heard == said[1], "from the server: {} of {} bytes", client_heard.len(), said[1].len());
        assert!(keeper.0 == said, "the observer saw something else");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn plain_bytes_arrive_as_they_were_sent(client in script(), server in script(), pipe in 1..100_000usize) {
        nothing_changes(client, server, pipe, false);
    }

    #[test]
    // A pipe that cannot hold the session tickets would stop both ends' handshakes, which nobody relays yet.
    fn decrypted_bytes_arrive_as_they_were_sent(client in script(), server in script(), pipe in 4_096..100_000usize) {
        nothing_changes(client, server, pipe, true);
    }
}

#[tokio::test]
async fn a_slow_reader_stops_the_other_side() {
    let ((client, our_client), (our_server, mut server)) = wires(1 << 16, true).await;
    let written = Arc::new(Mutex::new(0usize));
    let count = written.clone();
    let flood = tokio::spawn(async move {
        let piece = vec![7; 1 << 16];
        loop {
            server.write_all(&piece).await.unwrap();
            *count.lock().unwrap() += piece.len();
        }
    });
    let relaying = tokio::spawn(async move { relay(our_client, our_server, &mut Keeper::default(), None).await.2 });
    let mut before = usize::MAX;
    // Until it stands still: everything between them is full.
    while before != *written.lock().unwrap() {
        before = *written.lock().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 2 << 20, "{before} bytes were taken for a client that reads nothing");
    flood.abort();
    relaying.abort();
    drop(client);
}

#[tokio::test]
async fn truncation_is_passed_on_as_truncation() {
    let ((client, our_client), (our_server, mut server)) = wires(1 << 16, true).await;
    let relaying = tokio::spawn(async move {
        let (client, server, end) = relay(our_client, our_server, &mut Keeper::default(), None).await;
        finish(client, server, &end).await;
    });
    server.write_all(b"half of ").await.unwrap();
    server.flush().await.unwrap();
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut server).poll_truncate(cx)).await.unwrap();
    let mut client = client;
    let mut heard = Vec::new();
    let error = client.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!((heard.as_slice(), error.kind()), (&b"half of "[..], std::io::ErrorKind::UnexpectedEof));
    drop((client, server));
    relaying.await.unwrap();
}

#[tokio::test]
async fn alerts_reach_the_other_side_as_they_were_sent() {
    for alert in [48u8, 116, 80] {
        let ((mut client, our_client), (our_server, mut server)) = wires(1 << 16, true).await;
        let relaying = tokio::spawn(async move {
            let (client, server, end) = relay(our_client, our_server, &mut Keeper::default(), None).await;
            let broken = matches!(end, End::Broken(Direction::ToClient, Break::Alert(got)) if got == alert);
            finish(client, server, &end).await;
            broken
        });
        server.write_all(b"and then ").await.unwrap();
        let ending = tokio::spawn(async move { Box::new(server).fail_with(alert).await });
        let mut heard = Vec::new();
        let error = client.read_to_end(&mut heard).await.unwrap_err();
        let got = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        assert_eq!(heard, b"and then ");
        assert_eq!(got, Some(rustls::Error::AlertReceived(rustls::AlertDescription::from(alert))), "{error}");
        drop(client);
        ending.await.unwrap();
        assert!(relaying.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_limit_ends_a_silent_connection_and_no_other() {
    let ((client, our_client), (our_server, mut server)) = wires(1 << 16, false).await;
    let limit = Some(Duration::from_secs(10));
    let relaying = tokio::spawn(async move { relay(our_client, our_server, &mut Keeper::default(), limit).await.2 });
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        server.write_all(b"x").await.unwrap();
    }
    assert!(!relaying.is_finished(), "bytes passed within every limit");
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert!(matches!(relaying.await.unwrap(), End::Idle));
    drop(client);
}
