//! Constrained adoption: a CA that may speak for a few names only, without its private key. In: a CA's certificate, a scope, a moment.
//! Out: two certificates to trust in its place. Spec: RFC 5280 §4.2.1.10 and §6; docs/tofu.md has who enforces it.
//!
//! The first is a root whose key is thrown away at once. The second has the CA's own subject, key and key identifier, is issued by
//! that root, and carries name constraints. Clients that build a path to the CA's name find the second and with it the constraints;
//! those that want a self-signed end go on to the first. Both are known again by a comment in them.

use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{KeyPin, Scope};
use sidelight_model::x509::{Certificate, fingerprint};
use sidelight_wire::certificate::{Extension, ToBeSigned, name};

use crate::ca::{CaError, KeyKind, SigningPair, random_serial};

/// What the comments of certificates made here begin with; by it they are known again. Clients pass over comments.
pub const MARK: &str = "sidelight first use";

/// Clocks of containers may be behind.
const EARLIER: i64 = 24 * 3600;

/// What is trusted in place of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The root, in DER.
    pub root: Vec<u8>,
    /// The CA's key and name with the constraints, in DER.
    pub cross: Vec<u8>,
}

/// How the two look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The root has a name of its own.
    OwnName,
    /// The second certificate has the CA's own issuer and serial number, so the root is named as the CA's issuer: for certificates whose
    /// authority key identifier names their issuer's certificate by these two. OpenSSL and what rests on it compare them.
    AsIssued,
}

impl Shape {
    /// The shape that certificates below a CA need. Without need it is not [`Self::AsIssued`]: where root and CA have one name, a
    /// certificate without any authority key identifier would not tell one from the other.
    pub fn needed<'a>(ca: &Certificate, below: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let names_it = |der: &[u8]| {
            let read = Certificate::parse(der).ok();
            read.is_some_and(|it| it.names_issuer_certificate && it.issuer_der == ca.subject_der && it.der != ca.der)
        };
        if below.into_iter().any(names_it) { Self::AsIssued } else { Self::OwnName }
    }
}

/// Makes both; `Scope::Any` makes a pair without constraints.
///
/// # Errors
/// When the library refuses to make a key or a signature.
pub fn wrap(ca: &Certificate, scope: &Scope, shape: Shape, now: Timestamp) -> Result<Wrapped, CaError> {
    let (pair, _) = SigningPair::generate(KeyKind::EcdsaP256)?;
    let serial = random_serial()?;
    let label = label(ca, scope, shape);
    let (issuer, cross_serial, authority) = match shape {
        Shape::OwnName => {
            let issuer = name(&[(&[2, 5, 4, 10], MARK), (&[2, 5, 4, 3], &label)]);
            (issuer, random_serial()?.to_vec(), Extension::authority_key_id(&pair.key_id))
        }
        // A CA that is its own issuer gives both one name; whose issuer is whose must not rest on it.
        Shape::AsIssued => {
            let authority = Extension::authority_certificate(&pair.key_id, &ca.issuer_der, &serial);
            (ca.issuer_der.clone(), ca.serial.clone(), authority)
        }
    };
    let not_before = ca.not_before.max(Timestamp::from_secs(now.as_secs() - EARLIER)).min(now);
    let root = pair.sign(&ToBeSigned {
        serial: &serial,
        issuer: &issuer,
        subject: &issuer,
        not_before,
        not_after: ca.not_after,
        public_key: &pair.public_key,
        extensions: vec![
            Extension::basic_constraints(true, None),
            Extension::key_usage(&[5, 6]),
            Extension::subject_key_id(&pair.key_id),
            Extension::comment(&label),
        ],
    })?;
    let mut extensions = vec![
        Extension::basic_constraints(true, None),
        Extension::key_usage(&[5, 6]),
        authority,
        Extension::comment(&label),
    ];
    if let Some(id) = &ca.subject_key_id {
        extensions.push(Extension::subject_key_id(id));
    }
    if let Scope::Names { names, addresses } = scope {
        let ranges: Vec<_> =
            addresses.iter().map(|address| (*address, if address.is_ipv4() { 32 } else { 128 })).collect();
        extensions.push(Extension::permitted_names(names, &ranges));
    }
    let cross = pair.sign(&ToBeSigned {
        serial: &cross_serial,
        issuer: &issuer,
        subject: &ca.subject_der,
        not_before,
        not_after: ca.not_after,
        public_key: &ca.public_key,
        extensions,
    })?;
    Ok(Wrapped { root, cross })
}

/// The comment of what is made for a key, a scope and a shape: by it a later start knows whether what is there is what it wants.
pub fn label(ca: &Certificate, scope: &Scope, shape: Shape) -> String {
    let mut what = format!("{} {scope}", KeyPin::of(&ca.public_key)).into_bytes();
    if shape == Shape::AsIssued {
        what.extend([&ca.issuer_der[..], &ca.serial].concat());
    }
    format!("{MARK} {}", &fingerprint(&what)[..16])
}

/// Whether a certificate was made by [`wrap`]: the root, or what it signed.
pub fn is_ours(certificate: &Certificate) -> bool {
    certificate.comment.as_ref().is_some_and(|comment| comment.starts_with(MARK))
}

/// The certificate in `der`, if it was made by [`wrap`]. Of the hundred and more roots of a host, none is parsed that does not even hold the mark.
pub fn read_ours(der: &[u8]) -> Option<Certificate> {
    let holds_mark = der.windows(MARK.len()).any(|part| part == MARK.as_bytes());
    if !holds_mark {
        return None;
    }
    Certificate::parse(der).ok().filter(is_ours)
}

#[cfg(test)]
mod tests {
    use sidelight_model::flow::Host;
    use sidelight_model::tofu::scope_holds;

    use super::*;
    use crate::ca::{Authority, CaOptions};
    use crate::forge::Forge;
    use std::sync::Arc;

    fn now() -> Timestamp {
        Timestamp::from_secs(1_795_372_833)
    }

    #[test]
    fn a_wrapped_ca_speaks_for_its_scope_alone() {
        let authority = Arc::new(Authority::ephemeral(&CaOptions::default(), now()).unwrap());
        let forge = Forge::new(authority.clone()).unwrap();
        let chain_of = |host: &Host| -> Vec<Vec<u8>> {
            forge.own_leaf(host, now()).unwrap().cert.iter().map(|der| der.to_vec()).collect()
        };
        let host = |text: &str| Host::parse(text).unwrap();
        let holds = |scope: &str, name: &str| {
            let made = wrap(authority.certificate(), &scope.parse().unwrap(), Shape::OwnName, now()).unwrap();
            // The peer sends its own root, too.
            scope_holds(&chain_of(&host(name)), &[made.root.clone(), made.cross.clone()], &host(name), now()).is_ok()
        };
        assert!(holds("a.test", "a.test") && holds("a.test", "x.a.test"));
        assert!(!holds("a.test", "b.test") && !holds("a.test", "192.0.2.1"));
        assert!(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.2") && !holds("192.0.2.1", "a.test"));
        assert!(holds("any", "b.test"));
        let made = wrap(authority.certificate(), &Scope::Any, Shape::OwnName, now()).unwrap();
        let read = |der: &[u8]| Certificate::parse(der).unwrap();
        assert!(is_ours(&read(&made.root)) && is_ours(&read(&made.cross)) && !is_ours(authority.certificate()));
        assert!(read_ours(&made.root).is_some() && read_ours(&made.cross).is_some());
        assert!(read_ours(&authority.certificate().der).is_none());
        assert_eq!(read(&made.cross).subject_der, authority.certificate().subject_der);
        assert_eq!(read(&made.cross).public_key, authority.certificate().public_key);
    }
}
