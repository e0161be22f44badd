//! One TLS connection, as every measure begins. In: addresses, names, ALPN. Out: a stream after its handshake.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Failure;

/// Where to connect.
#[derive(Args, Clone)]
pub(crate) struct Session {
    /// The address of the proxy, or of the origin itself
    #[arg(long)]
    pub(crate) at: SocketAddr,
    /// Ask for the origin by CONNECT, with this port
    #[arg(long)]
    pub(crate) connect: Option<u16>,
    /// The origin's name
    #[arg(long, default_value = "h0.bench.test")]
    pub(crate) name: String,
    /// Speak HTTP/2
    #[arg(long)]
    pub(crate) h2: bool,
    /// Resume sessions
    #[arg(long)]
    pub(crate) resume: bool,
}

impl Session {
    /// What all connections of a measure share.
    pub(crate) fn config(&self) -> Result<TlsConnector, Failure> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trusting = Arc::new(Trusting(provider.clone()));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(trusting)
            .with_no_client_auth();
        config.alpn_protocols = vec![if self.h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.resumption = if self.resume { Resumption::in_memory_sessions(64) } else { Resumption::disabled() };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// TCP, CONNECT where asked for, TLS. `from`: the last byte of a loopback address to come from.
    pub(crate) async fn open(
        &self,
        config: &TlsConnector,
        name: &str,
        from: Option<u8>,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let socket = TcpSocket::new_v4()?;
        if let Some(last) = from {
            socket.bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
        }
        let mut stream = socket.connect(self.at).await?;
        stream.set_nodelay(true)?;
        if let Some(port) = self.connect {
            let ask = format!("CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
            stream.write_all(ask.as_bytes()).await?;
            connected(&mut stream).await?;
        }
        let name = ServerName::try_from(name.to_owned())?;
        Ok(config.connect(name, stream).await?)
    }
}

/// Reads the answer to CONNECT, byte by byte: what follows belongs to TLS.
async fn connected(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut head = Vec::with_capacity(128);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 {
            return Err("the answer to CONNECT does not end".into());
        }
        head.push(stream.read_u8().await?);
    }
    if head.get(9..12) == Some(b"200") {
        return Ok(());
    }
    Err(format!("CONNECT is refused: {}", String::from_utf8_lossy(&head)).into())
}

/// Takes every certificate.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
