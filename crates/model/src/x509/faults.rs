//! Everything that is wrong with a chain, each fault on its own. In: the chain as sent, the anchors, the name, the time.
//! Out: [`Judged`]. Spec: RFC 5280 §6. The verdict itself is the library's; this says what it is about.

use std::collections::HashMap;

use super::{Certificate, name_matches};
use crate::flow::Host;
use crate::time::Timestamp;

/// The roots that a chain is checked against.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Vec<u8>, Vec<Certificate>>,
    organizations: std::collections::HashSet<String>,
    count: usize,
}

impl Anchors {
    /// Indexes the roots; those that cannot be read are left out (whoever loaded them reports that).
    pub fn new<'a>(roots: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut anchors = Self::default();
        for root in roots.into_iter().filter_map(|der| Certificate::parse(der).ok()) {
            anchors.count += 1;
            anchors.organizations.extend(root.organizations.iter().cloned());
            anchors.by_subject.entry(root.subject_der.clone()).or_default().push(root);
        }
        anchors
    }

    /// Number of roots.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Roots of this subject.
    pub fn named(&self, subject_der: &[u8]) -> &[Certificate] {
        self.by_subject.get(subject_der).map_or(&[], Vec::as_slice)
    }

    /// Whether this very certificate is a root.
    pub fn holds(&self, certificate: &Certificate) -> bool {
        self.named(&certificate.subject_der).iter().any(|root| root.der == certificate.der)
    }

    /// Whether some root belongs to one of these organisations.
    pub fn knows_organization(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.organizations.contains(name))
    }
}

/// How the search for a path to a root ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// At this root.
    Anchored(Box<Certificate>),
    /// The leaf is its own issuer, and no root.
    SelfSigned,
    /// The chain goes up to this root, which is not among the anchors.
    UnknownRoot(Box<Certificate>),
    /// As before, but the anchors hold a root of that name with another key.
    Rekeyed(Box<Certificate>),
    /// The issuer of this certificate was not sent and is no anchor.
    NoIssuer(Box<Certificate>),
    /// A certificate names this issuer, which is there, but its key did not make the signature.
    BadSignature(Box<Certificate>),
}

/// What is wrong with the chain. Each field stands alone: a chain can be expired and for another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// How the path to a root ended.
    pub trust: Trust,
    /// The leaf's validity does not include the time.
    pub leaf_outside_validity: bool,
    /// Issuers between leaf and root (root included) that are outside their validity.
    pub issuers_outside_validity: Vec<Certificate>,
    /// Issuers on the path without basicConstraints CA.
    pub issuers_not_ca: Vec<Certificate>,
    /// No SAN covers the name.
    pub wrong_name: bool,
    /// The leaf's extended key usage excludes serverAuth.
    pub not_for_server: bool,
}

/// A chain, read and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The certificates that could be read, leaf first.
    pub chain: Vec<Certificate>,
    /// The path from leaf to where it ended, leaf first.
    pub path: Vec<Certificate>,
    /// What is wrong.
    pub faults: Faults,
}

/// Issuers followed at the most.
const DEEPEST: usize = 16;

/// Reads a chain and finds every fault. `None` when the leaf cannot be read.
pub fn judge(chain: &[Vec<u8>], anchors: &Anchors, host: &Host, now: Timestamp) -> Option<Judged> {
    let leaf = Certificate::parse(chain.first()?).ok()?;
    let mut parsed = vec![leaf.clone()];
    parsed.extend(chain[1..].iter().take(64).filter_map(|der| Certificate::parse(der).ok()));
    let (path, trust) = climb(&parsed, anchors);
    let outside = |cert: &Certificate| now < cert.not_before || now > cert.not_after;
    let faults = Faults {
        leaf_outside_validity: outside(&leaf),
        issuers_outside_validity: path.iter().skip(1).filter(|cert| outside(cert)).cloned().collect(),
        issuers_not_ca: path
            .iter()
            .skip(1)
            .filter(|cert| cert.is_ca != Some(true) && !anchors.holds(cert))
            .cloned()
            .collect(),
        wrong_name: !name_matches(&leaf.sans, host),
        not_for_server: leaf
            .purposes
            .as_ref()
            .is_some_and(|list| !list.iter().any(|oid| oid == "1.3.6.1.5.5.7.3.1" || oid == "2.5.29.37.0")),
        trust,
    };
    Some(Judged { chain: parsed, path, faults })
}

/// Follows issuers, an anchor before a certificate that was sent, a good signature before a bad one.
fn climb(chain: &[Certificate], anchors: &Anchors) -> (Vec<Certificate>, Trust) {
    let leaf = &chain[0];
    let mut path = vec![leaf.clone()];
    if anchors.holds(leaf) {
        return (path, Trust::Anchored(Box::new(leaf.clone())));
    }
    while path.len() < DEEPEST {
        let Some(current) = path.last().cloned() else { break };
        let roots = anchors.named(&current.issuer_der);
        if let Some(root) = roots.iter().find(|root| current.is_signed_by(&root.public_key)) {
            path.push(root.clone());
            return (path, Trust::Anchored(Box::new(root.clone())));
        }
        if current.is_self_signed() {
            let trust = match (path.len(), roots.is_empty()) {
                (1, _) => Trust::SelfSigned,
                (_, true) => Trust::UnknownRoot(Box::new(current)),
                (_, false) => Trust::Rekeyed(Box::new(current)),
            };
            return (path, trust);
        }
        let named: Vec<_> =
            chain.iter().filter(|cert| cert.subject_der == current.issuer_der && !path.contains(cert)).collect();
        match named.iter().find(|cert| current.is_signed_by(&cert.public_key)) {
            Some(issuer) => path.push((*issuer).clone()),
            None if named.is_empty() && roots.is_empty() => return (path, Trust::NoIssuer(Box::new(current))),
            None if named.is_empty() => return (path, Trust::Rekeyed(Box::new(current))),
            None => return (path, Trust::BadSignature(Box::new(current))),
        }
    }
    let last = path.last().cloned().unwrap_or_else(|| leaf.clone());
    (path, Trust::NoIssuer(Box::new(last)))
}
