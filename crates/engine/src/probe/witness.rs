//! Sees what a server shows in its handshake, and lets everything pass. In: what the TLS library hands to its verifiers.
//! Out: [`Seen`]. Nothing secret is ever sent over such a connection.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sidelight_model::diagnose::{ClientRequest, Details};
use sidelight_model::x509::Certificate;
use sidelight_wire::tls::names;
use x509_parser::prelude::FromDer as _;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) stapled: Vec<u8>,
    pub(super) key_proved: Option<bool>,
    pub(super) request: Option<ClientRequest>,
    pub(super) presented: bool,
}

/// Watches one handshake.
#[derive(Debug, Default)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
    identity: Option<Arc<CertifiedKey>>,
}

impl Witness {
    /// One that shows this identity when it is asked for one.
    pub(super) fn new(identity: Option<Arc<CertifiedKey>>) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), identity })
    }

    /// What was seen so far.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes whether the certificate's key made the signature. Keys that the library refuses for their size prove nothing.
    fn signature(&self, cert: &CertificateDer<'_>, outcome: &Result<HandshakeSignatureValid, Error>) {
        let proved = match outcome {
            Ok(_) => Some(true),
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => {
                let details = Certificate::parse(cert).map(|cert| Details::of(&cert)).ok();
                let weak = details.is_none_or(|details| details.rsa_bits.is_some_and(|bits| bits < 2048));
                (!weak).then_some(false)
            }
            Err(Error::PeerIncompatible(_) | Error::PeerMisbehaved(_) | Error::InvalidCertificate(_)) | Err(_) => None,
        };
        self.note(|seen| seen.key_proved = proved);
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.note(|seen| {
            seen.chain = std::iter::once(leaf).chain(rest).map(|der| der.to_vec()).collect();
            seen.stapled = ocsp.to_vec();
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &crate::tls::provider().signature_verification_algorithms;
        self.signature(cert, &rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &crate::tls::provider().signature_verification_algorithms;
        self.signature(cert, &rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crate::tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Shows the identity of a [`Witness`], and notes what the server asked for.
#[derive(Debug)]
pub(super) struct Presenter(pub(super) Arc<Witness>);

impl ResolvesClientCert for Presenter {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let identity = self.0.identity.as_ref().filter(fits).cloned();
        self.0.note(|seen| {
            seen.request = Some(ClientRequest {
                authorities: authorities.iter().map(|name| name.to_vec()).collect(),
                authority_names: authorities.iter().map(|name| for_people(name)).collect(),
                schemes: schemes.iter().map(|scheme| names::signature_scheme(u16::from(*scheme))).collect(),
            });
            seen.presented = identity.is_some();
        });
        identity
    }

    fn has_certs(&self) -> bool {
        // Always: otherwise the library does not ask, and nobody could tell that a certificate is wanted.
        true
    }
}

fn for_people(name: &[u8]) -> String {
    x509_parser::x509::X509Name::from_der(name)
        .map_or_else(|_| format!("a name of {} bytes that cannot be read", name.len()), |(_, name)| name.to_string())
}
