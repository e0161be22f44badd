//! A whole engine between a client and a service on loopback. In: settings, a service. Out: its address, and all events.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use sidelight_engine::ca::{Authority as Ca, CaOptions};
use sidelight_engine::dial::{Dialer, NoProxy, OwnAddresses, Way};
use sidelight_engine::forge::Forge;
use sidelight_engine::resolve::Resolver;
use sidelight_engine::serve::{listen, serve};
use sidelight_engine::tap::{Overload, Received, Tap, TapReceiver, queue};
use sidelight_engine::tls::{Face, Identities, Service, Trusted, Verifier};
use sidelight_engine::{Engine, Listener, Mode, Parts, Settings};
use sidelight_model::flow::{Direction, Event, EventKind, Leg};
use sidelight_model::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const NAME: &str = "origin.test";
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// A root, and a server certificate of it.
pub(crate) struct Pki {
    root: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&leaf_key, &issuer).unwrap();
        Self { root: root.der().clone(), leaf: leaf.der().clone(), key: leaf_key.serialize_der() }
    }

    pub(crate) fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(sidelight_engine::tls::provider());
        let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(self.key.clone()).into();
        let mut config = builder.with_single_cert(vec![self.leaf.clone()], key).unwrap();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        Arc::new(config)
    }
}

/// An engine that listens, and what it tells.
pub(crate) struct Rig {
    pub(crate) at: SocketAddr,
    pub(crate) pki: Pki,
    ca: Arc<Ca>,
    serving: JoinHandle<()>,
    receiver: TapReceiver,
    events: Vec<Event>,
}

impl Rig {
    pub(crate) async fn new(mode: Mode, settings: Settings, pki: Pki) -> Self {
        Self::on(queue(1 << 30, Overload::Drop), mode, settings, pki).await
    }

    pub(crate) async fn on((tap, receiver): (Tap, TapReceiver), mode: Mode, settings: Settings, pki: Pki) -> Self {
        let now = Timestamp::from(std::time::SystemTime::now());
        let options = CaOptions { life: Duration::from_secs(86_400), ..CaOptions::default() };
        let ca = Arc::new(Ca::ephemeral(&options, now).unwrap());
        let trusted = Trusted { roots: vec![pki.root.clone()], ..Trusted::default() };
        let service =
            Arc::new(Service::new(Verifier::new(&trusted).unwrap(), Identities::default(), Duration::from_secs(10)));
        let own = Arc::new(OwnAddresses::default());
        let resolver = Resolver::new(HashMap::from([(NAME.to_owned(), vec!["127.0.0.1".parse().unwrap()])]));
        let dialer = Dialer::new(resolver, own.clone(), LIMIT, NoProxy::default(), service.clone());
        let face = Face::new(Duration::from_secs(10));
        let forge = Forge::new(ca.clone()).unwrap();
        let engine =
            Arc::new(Engine::new(Parts { settings, dialer, own, service, face, forge, tap, warn: Arc::new(|_| {}) }));
        let socket = listen(&mode, "127.0.0.1:0".parse().unwrap()).unwrap();
        let at = socket.local_addr().unwrap();
        let listener = Listener {
            mode,
            name: "test".into(),
            way: Way::default(),
            foreign: false,
            identify: None,
            scope: None,
            edit: None,
        };
        let serving = tokio::spawn(serve(engine, Arc::new(listener), socket));
        Self { at, pki, ca, serving, receiver, events: Vec::new() }
    }

    /// A client's configuration that trusts the engine and the service.
    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.cert_der().to_vec())).unwrap();
        roots.add(self.pki.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(sidelight_engine::tls::provider());
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        Arc::new(builder.with_no_client_auth())
    }

    /// TLS through the engine.
    pub(crate) async fn connect(&self, config: &Arc<ClientConfig>) -> tokio_rustls::client::TlsStream<TcpStream> {
        let socket = TcpStream::connect(self.at).await.unwrap();
        shake(socket, config).await
    }

    /// All events until this many connections have ended.
    pub(crate) async fn events(&mut self, connections: usize) -> Vec<Event> {
        let wait = async {
            while self.closed() < connections {
                match self.receiver.next(Duration::ZERO) {
                    Received::Event(event) => self.events.push(event),
                    Received::Idle => tokio::time::sleep(Duration::from_millis(5)).await,
                    Received::End => panic!("the engine is gone"),
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("every connection ends");
        std::mem::take(&mut self.events)
    }

    fn closed(&self) -> usize {
        self.events.iter().filter(|event| matches!(event.kind, EventKind::Closed(_))).count()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) async fn shake(socket: TcpStream, config: &Arc<ClientConfig>) -> tokio_rustls::client::TlsStream<TcpStream> {
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(config.clone()).connect(name, socket).await.unwrap()
}

/// A service on loopback, one task a connection.
pub(crate) async fn service<F: Future<Output = ()> + Send + 'static>(
    talk: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(talk(socket));
        }
    });
    at
}

/// A service with TLS that says back what it hears, until it hears the end.
pub(crate) async fn tls_echo(config: Arc<ServerConfig>) -> SocketAddr {
    let acceptor = TlsAcceptor::from(config);
    service(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        }
    })
    .await
}

/// Says `bytes` in pieces, hears as many, and parts in order.
pub(crate) async fn exchange<S>(stream: S, bytes: &[u8]) -> Vec<u8>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let say = async {
        for piece in bytes.chunks(50_000) {
            writer.write_all(piece).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(say, reader.read_to_end(&mut heard));
    read.unwrap();
    heard
}

/// What passed on one leg in one direction.
pub(crate) fn wire(events: &[Event], leg: Leg, direction: Direction) -> Vec<u8> {
    let part = |event: &Event| match &event.kind {
        EventKind::Wire(on, way, bytes) if (*on, *way) == (leg, direction) => Some(bytes.clone()),
        _ => None,
    };
    events.iter().filter_map(part).collect::<Vec<_>>().concat()
}

/// Bytes that cannot be mistaken for one another, whatever is cut or repeated.
pub(crate) fn numbered(count: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(count).collect()
}
