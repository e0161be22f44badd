//! What is computed for a client before its service has answered is never said unless the service's answer asks for it. In: a service that
//! answers otherwise than before. Out: what its clients get.

mod rig;

use std::sync::{Arc, Mutex};

use rig::{Pki, Rig};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use sidelight_engine::{Mode, Settings};
use sidelight_model::flow::EventKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Answer = Arc<Mutex<Option<Arc<ServerConfig>>>>;

/// A service that answers as it is told to at the moment; with nothing, it hangs up on a hello.
async fn fickle(answer: Answer) -> std::net::SocketAddr {
    rig::service(move |mut socket| {
        let config = answer.lock().unwrap().clone();
        async move {
            let Some(config) = config else {
                let _ = socket.read(&mut [0; 4096]).await;
                return;
            };
            let Ok(mut stream) = TlsAcceptor::from(config).accept(socket).await else { return };
            let _ = stream.read_u8().await;
            let _ = stream.write_all(b"heard").await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn with_alpn(pki: &Pki, version: &'static SupportedProtocolVersion, alpn: &[u8]) -> Arc<ServerConfig> {
    let mut config = pki.server(&[version]);
    Arc::make_mut(&mut config).alpn_protocols = vec![alpn.to_vec()];
    config
}

async fn changes(version: &'static SupportedProtocolVersion) {
    let pki = Pki::new();
    let (one, two) = (with_alpn(&pki, version, b"http/1.1"), with_alpn(&pki, version, b"h2"));
    let stranger = with_alpn(&Pki::new(), version, b"http/1.1");
    let answer = Answer::default();
    let at = fickle(answer.clone()).await;
    let mut rig = Rig::new(Mode::Forward(at.into()), Settings::default(), pki).await;
    let say = |config: Option<&Arc<ServerConfig>>| *answer.lock().unwrap() = config.cloned();
    let mut client = rig.client(&[version]);
    Arc::make_mut(&mut client).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::make_mut(&mut client).resumption = rustls::client::Resumption::disabled();
    for (config, alpn) in [(&one, "http/1.1"), (&one, "http/1.1"), (&two, "h2"), (&two, "h2"), (&one, "http/1.1")] {
        say(Some(config));
        let mut stream = rig.connect(&client).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()), "{:?}", version.version);
        stream.write_all(b"?").await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "heard");
    }
    rig.events(5).await;
    // One that cannot be trusted any more: its client is not shown the good copy that was prepared.
    say(Some(&stranger));
    let name = ServerName::try_from(rig::NAME).unwrap();
    let socket = TcpStream::connect(rig.at).await.unwrap();
    let refused = TlsConnector::from(client.clone()).connect(name, socket).await.unwrap_err();
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    let told = rig.events(1).await;
    let verified = told.iter().find_map(|event| match &event.kind {
        EventKind::ServerTls(side) => side.verified.clone(),
        _ => None,
    });
    assert!(matches!(verified, Some(Err(_))), "{verified:?}");
    // One that does not answer at all: its client gets not a byte.
    say(None);
    let mut hello = Vec::new();
    let name = ServerName::try_from(rig::NAME).unwrap();
    rustls::ClientConnection::new(client, name).unwrap().write_tls(&mut hello).unwrap();
    let mut socket = TcpStream::connect(rig.at).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    let mut heard = Vec::new();
    let _ = socket.read_to_end(&mut heard).await;
    assert_eq!(heard, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_comes_first_in_tls_1_3() {
    changes(&TLS13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_comes_first_in_tls_1_2() {
    changes(&TLS12).await;
}
