//! Is the service who the client asked for? In: its chain, the name, the time. Out: [`Verdict`], with a finding when it is not.
//!
//! The verdict is rustls-webpki's. The handshake itself goes on with any chain whose key signs it: what is wrong is then shown
//! to the client as itself, or refused, by policy.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::{Anchors, Judged, explain, judge, revoked_at};

use super::roots::Trusted;
use crate::capture::SecretTap;

tokio::task_local! {
    /// Filled in by the verifier while a handshake runs in this task.
    pub(super) static SEEN: Arc<Mutex<Seen>>;
}

/// What the service sent in its handshake besides its chain.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The stapled OCSP response, in DER.
    pub(super) ocsp: Vec<u8>,
    /// Whether it asked for a client certificate.
    pub(super) certificate_asked: bool,
    /// Where the secrets of the handshake go.
    pub(super) secrets: Option<SecretTap>,
}

/// Verifies services against a set of roots.
#[derive(Debug)]
pub struct Verifier {
    library: Option<Arc<WebPkiServerVerifier>>,
    anchors: Anchors,
    source: String,
}

/// Whether a service can be trusted.
#[derive(Debug)]
pub enum Verdict {
    /// It can.
    Trusted,
    /// It cannot. Without `judged`, its leaf cannot even be read.
    Untrusted {
        /// The chain and its faults.
        judged: Option<Box<Judged>>,
        /// Why, for people.
        finding: Box<Finding>,
    },
}

impl Verifier {
    /// A verifier for these roots.
    ///
    /// # Errors
    /// When a revocation list cannot be used; the words say why.
    pub fn new(trusted: &Trusted) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(trusted.roots.iter().cloned());
        let library = if store.is_empty() {
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), super::provider());
            let builder = if trusted.revoked.is_empty() {
                builder
            } else {
                // A list given by hand speaks for the CAs that it covers; others stay as they were.
                builder.with_crls(trusted.revoked.iter().cloned()).allow_unknown_revocation_status()
            };
            Some(builder.build().map_err(|error| error.to_string())?)
        };
        let anchors = Anchors::new(trusted.roots.iter().map(AsRef::as_ref));
        Ok(Self { library, anchors, source: trusted.source.clone() })
    }

    /// Judges the chain that the service for `target` sent; `name` is what its certificate must be for.
    pub fn verdict(
        &self,
        chain: &[CertificateDer<'_>],
        name: &Host,
        target: &Authority,
        stapled: &[u8],
        now: Timestamp,
    ) -> Verdict {
        let der: Vec<Vec<u8>> = chain.iter().map(|cert| cert.to_vec()).collect();
        let judged = judge(&der, &self.anchors, name, now);
        let asked = Authority { host: name.clone(), port: target.port };
        let error = match self.ask_library(chain, name, now) {
            Ok(()) => match judged.as_ref().and_then(|judged| revoked(judged, stapled, &asked)) {
                None => return Verdict::Trusted,
                Some(finding) => {
                    return Verdict::Untrusted { judged: judged.map(Box::new), finding: Box::new(finding) };
                }
            },
            Err(error) => error,
        };
        let Some(judged) = judged else {
            let text = format!("{asked}: its certificate cannot be read ({error})");
            let finding = Finding::new(Cause::BadCertificateEncoding, text, "verifier", "sidelight", error);
            return Verdict::Untrusted { judged: None, finding: Box::new(finding) };
        };
        if trusted_itself(&judged, &self.anchors) {
            return Verdict::Trusted;
        }
        let finding = explain(&judged, &self.anchors, &asked, now, &error, &self.source);
        Verdict::Untrusted { judged: Some(Box::new(judged)), finding: Box::new(finding) }
    }

    /// What the library says of a chain; its words when it refuses.
    pub(crate) fn ask_library(&self, chain: &[CertificateDer<'_>], name: &Host, now: Timestamp) -> Result<(), String> {
        let Some(library) = &self.library else { return Err("no roots".into()) };
        let Some((leaf, rest)) = chain.split_first() else { return Err("no certificate was sent".into()) };
        let name = server_name(name).ok_or("the name is not one that certificates can hold")?;
        let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        match library.verify_server_cert(leaf, rest, &name, &[], at) {
            Ok(_) => Ok(()),
            // The name of the error tells its kind, its text tells the rest.
            Err(Error::InvalidCertificate(error)) => Err(kind_and_text(&format!("{error:?}"), &error.to_string())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `UnknownIssuer`; `ExpiredContext: certificate expired: …`.
fn kind_and_text(debug: &str, text: &str) -> String {
    match debug.split_once([' ', '{', '(']) {
        Some((kind, _)) if !text.starts_with(kind) => format!("{kind}: {text}"),
        _ => text.to_owned(),
    }
}

/// The name as the TLS library has it.
pub(crate) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ip(address) => Some(ServerName::from(*address)),
    }
}

/// A self-signed certificate that stands among the roots: OpenSSL, Go and most others take it, rustls-webpki by its design does not.
fn trusted_itself(judged: &Judged, anchors: &Anchors) -> bool {
    let faults = &judged.faults;
    anchors.holds(&judged.chain[0])
        && judged.chain[0].is_self_issued()
        && !faults.leaf_outside_validity
        && !faults.wrong_name
        && !faults.not_for_server
}

/// A stapled response that says "revoked" and is signed by the issuer counts; anything else is as if nothing was stapled.
fn revoked(judged: &Judged, stapled: &[u8], asked: &Authority) -> Option<Finding> {
    let issuer = judged.path.get(1)?;
    let leaf = &judged.chain[0];
    let at = revoked_at(stapled, leaf, issuer)?;
    let text =
        format!("{asked}: its certificate was revoked on {}, says the OCSP response that it sends itself", at.date());
    Some(
        Finding::new(
            Cause::Revoked,
            text,
            "stapled OCSP response",
            asked.to_string(),
            format!("{} revoked {}", leaf.subject, at.rfc3339()),
        )
        .with_fix("Replace the server's certificate", "issue a new one with a new key"),
    )
}

/// Lets any chain through the handshake, provided that its key signs it, and notes what was stapled.
#[derive(Debug)]
pub(super) struct AnyChain;

impl ServerCertVerifier for AnyChain {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = SEEN.try_with(|seen| {
            seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ocsp = ocsp.to_vec();
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            signed,
            &super::provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            signed,
            &super::provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider().signature_verification_algorithms.supported_schemes()
    }
}
