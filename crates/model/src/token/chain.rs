//! The certificate chain that a token brings along, judged as registries do, with their words. In: certificates in base64, the bundle, a
//! time. Out: the leaf, or the text of the error. Source: Go's crypto/x509 with any extended key usage; name constraints are not looked
//! at, as no signer of tokens is named.

use super::checks::Root;
use super::go::{self, Alphabet};
use crate::time::Timestamp;
use crate::x509::Certificate;
use crate::x509::path::signatures;
use crate::x509::strict::{Curve, Digest, KeyKind, SignatureAlgorithm, Strict, usage};

/// The longest chain that is followed, and the most certificates of one.
const MOST: usize = 16;

/// Signatures that are checked for one chain, as in Go.
const MOST_SIGNATURES: usize = 100;

/// Why a chain is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChainFault {
    /// It cannot be read; registry 2 says this.
    Unread(String),
    /// It does not lead to the bundle.
    Untrusted(String),
    /// One of its certificates, or of the bundle's, is out of its time.
    Dates(String),
}

impl ChainFault {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Unread(text) | Self::Untrusted(text) | Self::Dates(text) => text,
        }
    }
}

/// The leaf of `x5c`, once it leads to one of `roots`.
pub(super) fn verify(x5c: &[String], roots: &[Root], now: Timestamp) -> Result<Strict, ChainFault> {
    let mut read = Vec::new();
    for (number, text) in x5c.iter().take(MOST).enumerate() {
        read.push(certificate(text, if number == 0 { "leaf" } else { "intermediate" })?);
    }
    let mut rest = read.into_iter();
    let leaf = rest.next().ok_or_else(|| ChainFault::Unread("empty x509 certificate chain".to_owned()))?;
    let intermediates: Vec<Strict> = rest.collect();
    let roots: Vec<Strict> = roots.iter().filter_map(|root| Strict::read(&root.der).ok()).collect();
    dates(&leaf, now)?;
    if roots.iter().any(|root| root.der == leaf.der) {
        return Ok(leaf);
    }
    let mut search = Search { roots: &roots, intermediates: &intermediates, now, budget: MOST_SIGNATURES };
    search.build(&leaf, &mut vec![&leaf])?;
    Ok(leaf)
}

fn certificate(text: &str, which: &str) -> Result<Strict, ChainFault> {
    let der = go::base64(text.as_bytes(), Alphabet::Standard, true).map_err(|at| {
        ChainFault::Unread(format!("unable to decode {which} certificate: illegal base64 data at input byte {at}"))
    })?;
    Strict::read(&der)
        .map_err(|_| ChainFault::Unread(format!("unable to parse {which} certificate: x509: malformed certificate")))
}

fn dates(certificate: &Strict, now: Timestamp) -> Result<(), ChainFault> {
    let at = now.rfc3339_seconds();
    let say = |how: &str, bound: Timestamp| {
        let bound = bound.rfc3339_seconds();
        Err(ChainFault::Dates(format!(
            "x509: certificate has expired or is not yet valid: current time {at} is {how} {bound}"
        )))
    };
    if now < certificate.not_before.at {
        return say("before", certificate.not_before.at);
    }
    if now > certificate.not_after.at {
        return say("after", certificate.not_after.at);
    }
    if certificate.extensions.iter().any(|extension| extension.critical && !is_known(&extension.oid)) {
        return Err(ChainFault::Untrusted("x509: unhandled critical extension".to_owned()));
    }
    Ok(())
}

/// Extensions that Go knows: keyUsage, subjectAltName, basicConstraints, nameConstraints, CRL points, policies, key IDs, extKeyUsage.
fn is_known(oid: &[u8]) -> bool {
    matches!(oid, [0x55, 0x1d, 0x0f | 0x11 | 0x13 | 0x1e | 0x1f | 0x20 | 0x23 | 0x25 | 0x0e])
}

struct Search<'a> {
    roots: &'a [Strict],
    intermediates: &'a [Strict],
    now: Timestamp,
    budget: usize,
}

impl<'a> Search<'a> {
    /// Whether a way leads from `below` to a root; `way` is what was passed so far.
    fn build(&mut self, below: &Strict, way: &mut Vec<&'a Strict>) -> Result<(), ChainFault>
    where
        Self: 'a,
    {
        let mut hint: Option<(String, &Strict)> = None;
        let mut fault = None;
        let (roots, intermediates) = (self.roots, self.intermediates);
        let candidates = roots.iter().map(|it| (it, true)).chain(intermediates.iter().map(|it| (it, false)));
        for (candidate, is_root) in candidates.filter(|(it, _)| it.subject.is(&below.issuer)) {
            if way.iter().any(|seen| seen.der == candidate.der) || way.len() >= MOST || self.budget == 0 {
                continue;
            }
            self.budget -= 1;
            if let Err(why) = signed_by(below, candidate) {
                hint.get_or_insert((why, candidate));
                continue;
            }
            if let Err(why) = self.may_issue(candidate, is_root, way.len()) {
                fault = Some(why);
                continue;
            }
            if is_root {
                return Ok(());
            }
            way.push(candidate);
            let found = self.build(candidate, way);
            way.pop();
            match found {
                Ok(()) => return Ok(()),
                Err(why) => fault = Some(why),
            }
        }
        Err(fault.unwrap_or_else(|| unknown(hint)))
    }

    fn may_issue(&self, issuer: &Strict, is_root: bool, below: usize) -> Result<(), ChainFault> {
        dates(issuer, self.now)?;
        let constraints = issuer.basic_constraints.as_ref();
        let is_ca = constraints.is_some_and(|it| it.ca);
        if !is_ca && (!is_root || issuer.version == 3) {
            let text = "x509: certificate is not authorized to sign other certificates";
            return Err(ChainFault::Untrusted(text.to_owned()));
        }
        let allowed = constraints.and_then(|it| it.path_length).map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        if allowed.is_some_and(|allowed| below.saturating_sub(1) > allowed) {
            return Err(ChainFault::Untrusted("x509: too many intermediates for path length constraint".to_owned()));
        }
        Ok(())
    }
}

fn unknown(hint: Option<(String, &Strict)>) -> ChainFault {
    let mut text = "x509: certificate signed by unknown authority".to_owned();
    if let Some((why, candidate)) = hint {
        let name = Certificate::parse(&candidate.der).map(|it| it.short_name().to_owned()).unwrap_or_default();
        text.push_str(&format!(
            " (possibly because of {} while trying to verify candidate authority certificate {})",
            go::quoted(&why),
            go::quoted(&name)
        ));
    }
    ChainFault::Untrusted(text)
}

/// Go's `CheckSignatureFrom`.
fn signed_by(child: &Strict, parent: &Strict) -> Result<(), String> {
    let is_ca = parent.basic_constraints.as_ref().is_some_and(|it| it.ca);
    let may_sign = parent.key_usage.is_none_or(|bits| bits & usage::CERT_SIGN != 0);
    if (parent.version == 3 && !is_ca) || !may_sign {
        return Err("x509: invalid signature: parent certificate cannot sign this kind of certificate".to_owned());
    }
    let algorithm = child.signature.algorithm;
    match algorithm.digest() {
        Some(Digest::Md5) => return Err("x509: cannot verify signature: insecure algorithm MD5-RSA".to_owned()),
        Some(Digest::Sha1) => {
            let kind = if matches!(algorithm, SignatureAlgorithm::Ecdsa(_)) { "ECDSA-SHA1" } else { "SHA1-RSA" };
            return Err(format!(
                "x509: cannot verify signature: insecure algorithm {kind} (temporarily override with GODEBUG=x509sha1=1)"
            ));
        }
        _ => {}
    }
    if signatures::verify(child.signed_part(), &child.signature, &parent.key) {
        return Ok(());
    }
    Err(match &parent.key.kind {
        KeyKind::Rsa(_) => "crypto/rsa: verification error",
        KeyKind::Ec(Curve::P224 | Curve::P256 | Curve::P384 | Curve::P521) => "x509: ECDSA verification failure",
        KeyKind::Ed25519 => "x509: Ed25519 verification failure",
        _ => "x509: cannot verify signature: algorithm unimplemented",
    }
    .to_owned())
}
