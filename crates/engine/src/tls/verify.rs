//! Is the service who the client asked for? In: its chain, the name, the time. Out: [`Verdict`], with a finding when it is not.
//!
//! The verdict is rustls-webpki's. The handshake itself goes on with any chain whose key signs it: what is wrong is then shown
//! to the client as itself, or refused, by policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::{Anchors, Certificate, Judged, explain, judge, revoked_at};

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
    trusted: Mutex<HashMap<Question, Answer>>,
}

/// What a verdict hangs on besides the time, as SHA-256: who is asked for, the chain, the stapled response. Chains themselves may be of any size.
type Question = [u8; 32];

fn question(name: &Host, chain: &[CertificateDer<'_>], stapled: &[u8]) -> Question {
    let name = name.to_string();
    let parts = [name.as_bytes(), stapled].into_iter().chain(chain.iter().map(AsRef::as_ref));
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// From when until when what was trusted is trusted without being looked at again.
#[derive(Debug)]
struct Answer {
    from: Timestamp,
    until: Timestamp,
}

/// Checking two signatures costs more than all else about a connection; chains are judged anew after this, or when one of their certificates ends.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// Answers kept at the most; when there are more, all are forgotten.
const MOST_TRUSTED: usize = 4_096;

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
        Ok(Self { library, anchors, source: trusted.source.clone(), trusted: Mutex::default() })
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
        let question = question(name, chain, stapled);
        let trusted = || self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        if trusted().get(&question).is_some_and(|answer| answer.from <= now && now < answer.until) {
            return Verdict::Trusted;
        }
        let said = self.ask_library(chain, name, now);
        // With nothing to explain, and no response whose signer has to be found, the library's word is all that is needed.
        let verdict = match said {
            Ok(()) if stapled.is_empty() => Verdict::Trusted,
            said => self.verdict_of(said, chain, (name, stapled), target, now),
        };
        if matches!(verdict, Verdict::Trusted) {
            let ends = chain.iter().map(|cert| Certificate::parse(cert).map_or(now, |cert| cert.not_after));
            let until = ends.min().unwrap_or(now).min(now.plus(GOOD_FOR));
            let mut trusted = trusted();
            if trusted.len() >= MOST_TRUSTED {
                trusted.clear();
            }
            trusted.insert(question, Answer { from: now, until });
        }
        verdict
    }

    fn verdict_of(
        &self,
        said: Result<(), String>,
        chain: &[CertificateDer<'_>],
        (name, stapled): (&Host, &[u8]),
        target: &Authority,
        now: Timestamp,
    ) -> Verdict {
        let der: Vec<Vec<u8>> = chain.iter().map(|cert| cert.to_vec()).collect();
        let judged = judge(&der, &self.anchors, name, now);
        let asked = Authority { host: name.clone(), port: target.port };
        let error = match said {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{Authority as Ca, CaOptions, KeyKind};
    use crate::forge::Forge;
    use sidelight_model::forge::{LeafPlan, Signer};

    #[test]
    fn what_was_trusted_is_judged_anew_when_it_ends_and_for_another_name() {
        let now = Timestamp::from_secs(1_795_372_833);
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        let ca = Arc::new(Ca::ephemeral(&CaOptions::default(), now).unwrap());
        let plan = LeafPlan {
            subject: sidelight_wire::certificate::name(&[(&[2, 5, 4, 3], "a.test")]),
            names: vec![sidelight_wire::certificate::dns_name("a.test")],
            added_name: None,
            purposes: vec!["1.3.6.1.5.5.7.3.1".into()],
            not_before: now,
            not_after: later(100),
            is_ca: false,
            signer: Signer::Ours,
        };
        let leaf = Forge::new(ca.clone()).unwrap().leaf(&plan, KeyKind::EcdsaP256).unwrap();
        let roots = vec![CertificateDer::from(ca.certificate().der.clone())];
        let trusted = Trusted { roots, revoked: Vec::new(), source: "test".to_owned(), warnings: Vec::new() };
        let verifier = Verifier::new(&trusted).unwrap();
        let verdict = |name: &str, at| {
            let host = Host::parse(name).unwrap();
            let target = Authority { host: host.clone(), port: 443 };
            match verifier.verdict(&leaf.cert, &host, &target, &[], at) {
                Verdict::Trusted => "trusted",
                Verdict::Untrusted { finding, .. } => finding.cause.code(),
            }
        };
        assert_eq!(verdict("a.test", now), "trusted");
        assert_eq!(verdict("a.test", later(50)), "trusted");
        assert_eq!(verdict("b.test", later(50)), "hostname_mismatch");
        assert_eq!(verdict("a.test", later(200)), "cert_expired");
        assert_eq!(verdict("a.test", Timestamp::from_secs(now.as_secs() - 86_400)), "cert_not_yet_valid");
    }
}
