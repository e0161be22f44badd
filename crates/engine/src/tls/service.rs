//! The handshake with the service. In: a connection, the client's offers. Out: TLS with what was agreed and the verdict.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, KeyLog, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sidelight_model::flow::{Authority, Hello, Host, TlsSide, TlsVersion};
use sidelight_model::policy::{Pattern, Subject};
use sidelight_model::time::Timestamp;
use sidelight_wire::tls::{Scan, fingerprint, names, scan};
use tokio_rustls::TlsConnector;

use super::sessions::Sessions;
use super::verify::{AnyChain, SEEN, Seen, Verdict, Verifier, server_name};
use crate::capture::SecretTap;
use crate::transport::{Conn, FirstBytes};

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads a chain (PEM, leaf first) and its private key (PEM).
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate or key, or the two do not belong together; the words name the file.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, String> {
        let at = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let pem = std::fs::read(chain).map_err(|error| at(chain, &error))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        if certificates.is_empty() {
            return Err(at(chain, &"no PEM certificate in it"));
        }
        let pem = std::fs::read(key).map_err(|error| at(key, &error))?;
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| at(key, &"no PEM private key in it"))?;
        let identity =
            CertifiedKey::from_der(certificates, private, &super::provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    format!("{}: not the key of the certificate in {}", key.display(), chain.display())
                }
                other => at(key, &other),
            })?;
        Ok(Self(Arc::new(identity)))
    }
}

/// Which client certificate goes to which service.
#[derive(Clone, Debug, Default)]
pub struct Identities(Vec<(Option<Pattern>, Option<Identity>)>);

impl Identities {
    /// Adds a choice for the hosts of `pattern`, or for all; `None` goes on without a certificate though the service asks for one.
    pub fn add(&mut self, pattern: Option<Pattern>, identity: Option<Identity>) {
        self.0.push((pattern, identity));
    }

    /// Index of the first choice for this service; those with a pattern come before those without.
    fn choose(&self, target: &Authority) -> Option<usize> {
        let name = target.host.to_string();
        let subject = Subject { names: &[&name], address: target.host.ip(), port: target.port };
        let named =
            self.0.iter().position(|(pattern, _)| pattern.as_ref().is_some_and(|pattern| pattern.matches(&subject)));
        named.or_else(|| self.0.iter().position(|(pattern, _)| pattern.is_none()))
    }
}

/// Presents one identity, or none, and notes that it was asked.
#[derive(Debug)]
struct Presenter {
    identity: Option<Identity>,
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = SEEN.try_with(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner).certificate_asked = true);
        self.identity.as_ref().map(|identity| identity.0.clone())
    }

    fn has_certs(&self) -> bool {
        // Always true: otherwise the library does not ask us, and we could not tell that a certificate is wanted.
        true
    }
}

/// Finds the connection that a handshake belongs to, as its configuration serves many.
#[derive(Debug)]
struct KeyLogOfTask;

impl KeyLogOfTask {
    fn secrets() -> Option<SecretTap> {
        SEEN.try_with(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner).secrets.clone()).ok().flatten()
    }
}

impl KeyLog for KeyLogOfTask {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Some(secrets) = Self::secrets() {
            secrets.tell(label, client_random, secret);
        }
    }

    fn will_log(&self, _: &str) -> bool {
        Self::secrets().is_some()
    }
}

/// What is wanted of a handshake with a service.
#[derive(Debug)]
pub struct Wish<'w> {
    /// The service.
    pub target: &'w Authority,
    /// What its certificate must be for.
    pub name: &'w Host,
    /// Whether the name goes out as SNI.
    pub with_sni: bool,
    /// Application protocols to offer.
    pub alpn: &'w [Vec<u8>],
    /// Stop when the service asks for a client certificate and none is configured for it; else it gets none.
    pub stop_when_asked: bool,
    /// Where the secrets go.
    pub secrets: Option<SecretTap>,
}

/// Makes handshakes with services.
#[derive(Debug)]
pub struct Service {
    verifier: Verifier,
    identities: Identities,
    presenters: Vec<Arc<Presenter>>,
    nobody: Arc<Presenter>,
    any_chain: Arc<AnyChain>,
    configs: Mutex<HashMap<ConfigKey, Arc<ClientConfig>>>,
    /// What services stapled, by the leaf that it is about: a resumed session brings no certificates and so no response.
    stapled: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    limit: Duration,
}

/// What the library's configuration depends on: the ALPN offer, whether SNI is sent, and the identity.
type ConfigKey = (Vec<Vec<u8>>, bool, Option<usize>);

/// Configurations kept at the most; each keeps the sessions that can be resumed.
const MOST: usize = 64;

/// Stapled responses kept at the most, some 500 bytes each.
const MOST_STAPLED: usize = 1024;

/// A finished handshake.
pub struct Shaken {
    /// The decrypted stream.
    pub stream: tokio_rustls::TlsStream<Conn>,
    /// What was agreed.
    pub side: TlsSide,
    /// Whether the service can be trusted.
    pub verdict: Verdict,
}

/// Why there is no TLS with the service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The library ended the handshake, or the service did so by an alert.
    #[error("{0}")]
    Tls(rustls::Error),
    /// The service answered with bytes that are not TLS; the first of them.
    #[error("not TLS: `{}`", .0.escape_ascii())]
    NotTls(Vec<u8>),
    /// The connection ended.
    #[error("{0}")]
    Io(io::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The service asks for a client certificate and none is configured for it.
    #[error("the service asks for a client certificate")]
    CertificateWanted,
    /// The name cannot be put into a handshake.
    #[error("`{0}` cannot be used as a server name")]
    Name(String),
}

impl Service {
    /// Handshakes are verified by `verifier`, authenticated by `identities`, and given up after `limit`.
    pub fn new(verifier: Verifier, identities: Identities, limit: Duration) -> Self {
        let presenters =
            identities.0.iter().map(|(_, identity)| Arc::new(Presenter { identity: identity.clone() })).collect();
        Self {
            verifier,
            identities,
            presenters,
            nobody: Arc::new(Presenter { identity: None }),
            any_chain: Arc::new(AnyChain),
            configs: Mutex::default(),
            stapled: Mutex::default(),
            limit,
        }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// [`ServiceError`]; the connection is then gone.
    pub async fn shake(&self, conn: Conn, wish: Wish<'_>) -> Result<Shaken, ServiceError> {
        let Wish { target, name, with_sni, alpn, stop_when_asked, secrets } = wish;
        let choice = self.identities.choose(target);
        let config = self.config(alpn, with_sni, choice);
        let server = server_name(name).ok_or_else(|| ServiceError::Name(name.to_string()))?;
        let going_on = secrets.as_ref().map(SecretTap::handshake);
        let seen = Arc::new(Mutex::new(Seen { secrets, ..Seen::default() }));
        let (conn, first) = FirstBytes::watch(conn);
        let connect = TlsConnector::from(config).connect(server, conn);
        let connect = SEEN.scope(seen.clone(), connect);
        let stream = tokio::time::timeout(self.limit, connect).await.map_err(|_| ServiceError::TimedOut(self.limit))?;
        let first = || std::mem::take(&mut *first.lock().unwrap_or_else(PoisonError::into_inner));
        let stream =
            stream.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls @ rustls::Error::InvalidMessage(_)) => match first().heard {
                    heard if looks_like_tls(&heard) => ServiceError::Tls(tls.clone()),
                    heard => ServiceError::NotTls(heard),
                },
                Some(tls) => ServiceError::Tls(tls.clone()),
                None => ServiceError::Io(error),
            })?;
        drop(going_on);
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        if stop_when_asked && seen.certificate_asked && choice.is_none() {
            // Its session would be resumed without being asked again, as nobody.
            self.configs.lock().unwrap_or_else(PoisonError::into_inner).remove(&(alpn.to_vec(), with_sni, choice));
            return Err(ServiceError::CertificateWanted);
        }
        let connection = stream.get_ref().1;
        let chain = connection.peer_certificates().unwrap_or_default();
        let stapled = self.stapled(chain.first(), seen.ocsp);
        let verdict = self.verifier.verdict(chain, name, target, &stapled, Timestamp::from(SystemTime::now()));
        let side = TlsSide {
            sni: with_sni.then(|| name.to_string()),
            verified: Some(match &verdict {
                Verdict::Trusted => Ok(()),
                Verdict::Untrusted { finding, .. } => Err(finding.summary.clone()),
            }),
            chain: chain.iter().map(|cert| cert.to_vec()).collect(),
            hello: our_hello(&first().said),
            ..agreed(connection)
        };
        Ok(Shaken { stream: tokio_rustls::TlsStream::Client(stream), side, verdict })
    }

    /// The response to judge this leaf by: what came with it, now or when the session began.
    fn stapled(&self, leaf: Option<&CertificateDer<'_>>, now: Vec<u8>) -> Vec<u8> {
        let Some(leaf) = leaf else { return now };
        let mut kept = self.stapled.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_empty() {
            return kept.get(leaf.as_ref()).cloned().unwrap_or_default();
        }
        if kept.len() >= MOST_STAPLED {
            kept.clear();
        }
        kept.insert(leaf.to_vec(), now.clone());
        now
    }

    fn config(&self, alpn: &[Vec<u8>], with_sni: bool, choice: Option<usize>) -> Arc<ClientConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if configs.len() >= MOST {
            configs.clear();
        }
        let make = || {
            let presenter = choice.and_then(|index| self.presenters.get(index)).unwrap_or(&self.nobody);
            let mut config = super::client_builder()
                .dangerous()
                .with_custom_certificate_verifier(self.any_chain.clone())
                .with_client_cert_resolver(presenter.clone());
            config.alpn_protocols = alpn.to_vec();
            config.enable_sni = with_sni;
            config.enable_secret_extraction = true;
            config.resumption = Resumption::store(Arc::new(Sessions::default()));
            config.key_log = Arc::new(KeyLogOfTask);
            Arc::new(config)
        };
        configs.entry((alpn.to_vec(), with_sni, choice)).or_insert_with(make).clone()
    }
}

/// A record of TLS begins with its type and version.
const fn looks_like_tls(heard: &[u8]) -> bool {
    matches!(heard, [20..=24, 3, ..])
}

/// What we offered.
fn our_hello(said: &[u8]) -> Option<Arc<Hello>> {
    match scan(said) {
        Scan::Hello(hello) => Some(Arc::new(fingerprint::hello(&hello))),
        _ => None,
    }
}

/// What a finished handshake agreed on.
pub(super) fn agreed<D>(connection: &rustls::ConnectionCommon<D>) -> TlsSide {
    let suite = connection.negotiated_cipher_suite().map_or(0, |suite| u16::from(suite.suite()));
    TlsSide {
        version: TlsVersion(connection.protocol_version().map_or(0, u16::from)),
        cipher: names::cipher_suite(suite),
        group: connection.negotiated_key_exchange_group().map(|group| names::group(u16::from(group.name()))),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        hello: None,
        sni: None,
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        chain: Vec::new(),
        verified: None,
    }
}
