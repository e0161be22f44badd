//! TLS to NATS. In: roots, a client certificate, the name of a server. Out: settings for its client, which knows only an address.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sidelight_engine::probe;
use sidelight_engine::tls::{Trusted, provider};
use sidelight_engine::wrapper;
use sidelight_model::flow::Host;
use sidelight_model::x509::Certificate;

use crate::cli::NatsOptions;
use crate::exit::Failure;

/// What all servers have in common.
pub(super) struct Settings {
    roots: Arc<RootCertStore>,
    identity: Option<Arc<CertifiedKey>>,
    /// Whether a server without TLS is refused.
    pub(super) is_demanded: bool,
}

impl Settings {
    /// Reads roots and the client's certificate; nothing where there are no roots and TLS is not asked for.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(options: &NatsOptions, is_demanded: bool) -> Result<Option<Self>, Failure> {
        let trusted = match &options.nats_ca {
            Some(path) => Trusted::from_paths(std::slice::from_ref(path))
                .map_err(|error| Failure::new(format!("--nats-ca: {error}")))?,
            None => Trusted::of_host(),
        };
        let mut roots = RootCertStore::empty();
        // What an earlier start installed for other hosts does not vouch for the record.
        let is_ours = |der: &CertificateDer<'_>| Certificate::parse(der).is_ok_and(|it| wrapper::is_ours(&it));
        roots.add_parsable_certificates(trusted.roots.into_iter().filter(|der| !is_ours(der)));
        if roots.is_empty() && !is_demanded {
            return Ok(None);
        }
        if roots.is_empty() {
            return Err(Failure::new("there are no ordinary roots here to verify the certificate of NATS with")
                .hint("give its CA: --nats-ca FILE"));
        }
        let read = |cert: &std::path::PathBuf| probe::read_identity(cert, options.nats_key.as_deref(), None);
        let identity = options.nats_cert.as_ref().map(read).transpose();
        let identity = match identity.map_err(|why| Failure::new(format!("--nats-cert: {why}")))? {
            Some((_, None)) => {
                return Err(Failure::new("--nats-key: this is not the key of --nats-cert"));
            }
            Some((_, key)) => key,
            None => None,
        };
        Ok(Some(Self { roots: Arc::new(roots), identity, is_demanded }))
    }

    /// Settings for one server.
    ///
    /// # Errors
    /// When its name can stand in no certificate.
    pub(super) fn config(&self, host: &Host) -> Result<ClientConfig, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::new(format!("{host}: {why}"));
        let name = ServerName::try_from(host.to_string()).map_err(|error| wrong(&error))?;
        let ordinary = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider());
        let ordinary = ordinary.build().map_err(|error| wrong(&error))?;
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.map_err(|error| wrong(&error))?;
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(ByName { ordinary, name }));
        Ok(match &self.identity {
            Some(key) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone()))),
            None => config.with_no_client_auth(),
        })
    }
}

/// The ordinary verifier, for the name that the user wrote, whatever address the client connects to.
#[derive(Debug)]
struct ByName {
    ordinary: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.ordinary.verify_server_cert(leaf, chain, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ordinary.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ordinary.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ordinary.supported_verify_schemes()
    }
}
