//! Our face towards the client. In: its connection with the ClientHello still in it, a minted leaf, the protocol that the
//! service chose. Out: TLS with what was agreed, or how the client refused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sidelight_model::flow::TlsSide;
use tokio_rustls::TlsAcceptor;

use super::service::agreed;
use crate::transport::Conn;

/// Makes handshakes with clients.
#[derive(Debug)]
pub struct Face {
    tickets: Option<Arc<dyn ProducesTickets>>,
    limit: Duration,
}

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

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Face {
    /// Handshakes are given up after `limit`. Clients may resume sessions for as long as this lives.
    pub fn new(limit: Duration) -> Self {
        Self { tickets: rustls::crypto::aws_lc_rs::Ticketer::new().ok(), limit }
    }

    /// Shakes hands, showing `leaf` and choosing `alpn`.
    ///
    /// # Errors
    /// [`FaceError`]; the connection is then gone.
    pub async fn shake(
        &self,
        conn: Conn,
        leaf: Arc<CertifiedKey>,
        alpn: Option<Vec<u8>>,
    ) -> Result<(tokio_rustls::TlsStream<Conn>, TlsSide), FaceError> {
        let chain = leaf.cert.iter().map(|cert| cert.to_vec()).collect();
        let mut config = super::server_builder().with_no_client_auth().with_cert_resolver(Arc::new(One(leaf)));
        config.alpn_protocols = alpn.into_iter().collect();
        config.enable_secret_extraction = true;
        if let Some(tickets) = &self.tickets {
            config.ticketer = tickets.clone();
        }
        let accept = TlsAcceptor::from(Arc::new(config)).accept(conn);
        let stream = tokio::time::timeout(self.limit, accept).await.map_err(|_| FaceError::TimedOut(self.limit))?;
        let stream = stream.map_err(refusal)?;
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
