//! Our face towards the client. In: its connection with the ClientHello still in it, a minted leaf, the protocol that the
//! service chose. Out: TLS with what was agreed, or how the client refused.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::server::{ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SupportedCipherSuite};
use sidelight_model::flow::{TlsSide, TlsVersion};
use sidelight_wire::tls::client_hello::ClientHello;
use tokio_rustls::TlsAcceptor;

use super::foreseen::{Foreseen, Prepared, Question};
use super::service::agreed;
use crate::ca::KeyKind;
use crate::capture::SecretTap;
use crate::transport::{Conn, hold};

const TLS12: u16 = 0x0303;

/// Makes handshakes with clients.
#[derive(Debug)]
pub struct Face {
    tickets: Option<Arc<dyn ProducesTickets>>,
    configs: Mutex<HashMap<ConfigKey, Arc<ServerConfig>>>,
    foreseen: Foreseen,
    limit: Duration,
}

/// What the library's configuration depends on: the leaf, by its address, which the configuration itself keeps alive; and ALPN.
type ConfigKey = (usize, Option<Vec<u8>>);

/// Configurations kept at the most, some hundred bytes each; when there are more, all are forgotten.
const MOST: usize = 4_096;

/// Why there is no TLS with the client.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// It sent a fatal alert.
    #[error("alert {0}")]
    Alert(u8),
    /// It closed the connection without a word.
    #[error("it closed the connection without an alert")]
    Closed,
    /// It took too long.
    #[error("nothing came from it for {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The library could not agree with it.
    #[error("{0}")]
    Tls(rustls::Error),
    /// The connection broke.
    #[error("{0}")]
    Io(io::Error),
}

/// `ecdsa_secp256r1_sha256`, the only scheme of an ECDSA P-256 key.
const ECDSA: &[u16] = &[0x0403];

/// RSASSA-PSS with an ordinary RSA key; RSASSA-PKCS1 besides, in TLS 1.2.
const RSA_PSS: &[u16] = &[0x0804, 0x0805, 0x0806];
const RSA_PKCS1: &[u16] = &[0x0401, 0x0501, 0x0601];

/// The kind of key with which a client that says this hello can be served.
///
/// # Errors
/// In words, when it offers nothing that the library speaks: such a client can only be relayed.
pub(crate) fn key_for(hello: &ClientHello) -> Result<KeyKind, String> {
    let newest = hello.highest_version();
    if newest < TLS12 {
        return Err(format!("the client speaks {} at the most, which sidelight does not", TlsVersion(newest).name()));
    }
    let provider = super::provider();
    let agrees = provider.kx_groups.iter().any(|group| hello.groups.contains(&u16::from(group.name())));
    let offers = |suite: &SupportedCipherSuite| hello.ciphers.contains(&u16::from(suite.suite()));
    let signs = |schemes: &[u16]| schemes.iter().any(|scheme| hello.signature_schemes.contains(scheme));
    let serves = |ecdsa: bool| {
        if newest > TLS12 {
            let suite = provider.cipher_suites.iter().any(|suite| suite.tls13().is_some() && offers(suite));
            return suite && signs(if ecdsa { ECDSA } else { RSA_PSS });
        }
        let with_key = |suite: &SupportedCipherSuite| {
            // In TLS 1.2 the suite names the kind of key as well (RFC 8422 §2).
            let SupportedCipherSuite::Tls12(suite) = suite else { return false };
            let schemes = if ecdsa { ECDSA } else { RSA_PSS };
            suite.sign.iter().any(|scheme| schemes.contains(&u16::from(*scheme)))
        };
        let suite = provider.cipher_suites.iter().any(|suite| with_key(suite) && offers(suite));
        suite && if ecdsa { signs(ECDSA) } else { signs(RSA_PSS) || signs(RSA_PKCS1) }
    };
    match (agrees, serves(true), serves(false)) {
        (true, true, _) => Ok(KeyKind::EcdsaP256),
        (true, false, true) => Ok(KeyKind::Rsa2048),
        _ => Err("the client offers no cipher suite, group and signature that sidelight speaks".to_owned()),
    }
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Face {
    /// Handshakes are given up after `limit`. Clients may resume sessions for as long as this lives.
    pub fn new(limit: Duration) -> Self {
        Self {
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().ok(),
            configs: Mutex::default(),
            foreseen: Foreseen::default(),
            limit,
        }
    }

    fn config(&self, leaf: Arc<CertifiedKey>, alpn: Option<Vec<u8>>) -> Arc<ServerConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if configs.len() >= MOST {
            configs.clear();
        }
        let make = |alpn: &Option<Vec<u8>>| {
            let mut config =
                super::server_builder().with_no_client_auth().with_cert_resolver(Arc::new(One(leaf.clone())));
            config.alpn_protocols = alpn.iter().cloned().collect();
            config.enable_secret_extraction = true;
            if let Some(tickets) = &self.tickets {
                config.ticketer = tickets.clone();
                // Sessions are in the tickets; room for them here would be 20 KiB for each leaf.
                config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            }
            Arc::new(config)
        };
        let key = (Arc::as_ptr(&leaf) as usize, alpn);
        configs.entry(key).or_insert_with_key(|(_, alpn)| make(alpn)).clone()
    }

    /// Computes the answer to a hello, as it will most likely be. `None` where nothing is foreseen, or there is no answer but an alert.
    pub(crate) fn prepare(&self, question: &Question, hello: &[u8]) -> Option<Prepared> {
        let (leaf, alpn) = self.foreseen.answer(question)?;
        Prepared::answer(self.config(leaf.clone(), alpn.clone()), (leaf, alpn), hello)
    }

    /// Notes what was shown to a client, for the next that asks the same.
    pub(crate) fn foresee(&self, question: Question, leaf: &Arc<CertifiedKey>, alpn: Option<&[u8]>) {
        self.foreseen.note(question, (leaf.clone(), alpn.map(<[u8]>::to_vec)));
    }

    /// Shakes hands, showing `leaf` and choosing `alpn`; the secrets go to `secrets`.
    ///
    /// # Errors
    /// [`FaceError`]; the connection is then gone.
    pub async fn shake(
        &self,
        conn: Conn,
        leaf: Arc<CertifiedKey>,
        alpn: Option<Vec<u8>>,
        secrets: Option<SecretTap>,
    ) -> Result<(tokio_rustls::TlsStream<Conn>, TlsSide), FaceError> {
        self.go_on(conn, leaf, alpn, secrets, None).await
    }

    /// As [`Face::shake`]. With what was prepared for this very leaf and protocol, `conn` begins behind the hello.
    pub(crate) async fn go_on(
        &self,
        conn: Conn,
        leaf: Arc<CertifiedKey>,
        alpn: Option<Vec<u8>>,
        secrets: Option<SecretTap>,
        prepared: Option<Prepared>,
    ) -> Result<(tokio_rustls::TlsStream<Conn>, TlsSide), FaceError> {
        let chain = leaf.cert.iter().map(|cert| cert.to_vec()).collect();
        let mut config = self.config(leaf, alpn);
        let going_on = secrets.as_ref().map(SecretTap::handshake);
        if let Some(secrets) = &secrets {
            Arc::make_mut(&mut config).key_log = secrets.key_log();
        }
        let begin = |connection: &mut ServerConnection| {
            if let Some(prepared) = prepared {
                *connection = prepared.into_connection();
            }
        };
        let (conn, handshaking) = hold(conn);
        let accept = TlsAcceptor::from(config).accept_with(conn, begin);
        let stream = tokio::time::timeout(self.limit, accept).await.map_err(|_| FaceError::TimedOut(self.limit))?;
        drop(going_on);
        let stream = stream.map_err(refusal)?;
        handshaking.store(false, Ordering::Relaxed);
        let connection = stream.get_ref().1;
        let side = TlsSide { sni: connection.server_name().map(str::to_owned), chain, ..agreed(connection) };
        Ok((tokio_rustls::TlsStream::Server(stream), side))
    }
}

fn refusal(error: io::Error) -> FaceError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => FaceError::Alert(u8::from(*alert)),
        Some(other) => FaceError::Tls(other.clone()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => FaceError::Closed,
        None => FaceError::Io(error),
    }
}
