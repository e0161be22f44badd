//! From leaf to root. In: the certificates that were sent and fetched, and the roots. Out: the best path, and what is wrong on it.
//! Spec: RFC 5280 §6, as far as it says which thing has to change; the yes or no is an accepted library's.

use std::collections::HashMap;

use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::details::Details;
use super::facts::Facts;
use crate::time::Timestamp;
use crate::x509::{Anchors, Certificate};

/// Certificates of a chain that are looked at; servers send up to ten.
const MOST_CERTIFICATES: usize = 64;
/// Certificates of a path.
const DEEPEST: usize = 12;
/// Signatures that are checked at the most; a hostile chain of many certificates of one name costs no more.
const MOST_CHECKS: usize = 400;

/// How a path ends at its top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Top {
    /// At a root that is trusted.
    Trusted,
    /// The leaf is its own issuer, and no root.
    SelfSigned,
    /// At a self-signed certificate that is no root here.
    UnknownRoot,
    /// A root of the issuer's name is trusted, but with another key.
    Rekeyed,
    /// The issuer is neither there nor trusted.
    NoIssuer,
    /// The issuer is there, but its key did not make the signature.
    BadSignature,
    /// There is no certificate that can be read.
    Nothing,
}

/// A path, leaf first.
#[derive(Clone, Debug)]
pub struct Climbed {
    /// The certificates, up to the root where it was found.
    pub path: Vec<Certificate>,
    /// How it ends.
    pub top: Top,
    /// Whether it ends at a root that is trusted.
    pub anchored: bool,
}

/// The best path of what was seen: a trusted root before none, fewer faults before more, longer before shorter.
pub fn climb(facts: &Facts) -> Climbed {
    let Some(attempt) = facts.certified() else {
        return Climbed { path: Vec::new(), top: Top::Nothing, anchored: false };
    };
    climb_chain(&attempt.chain, &fetched(facts), &facts.roots.anchors, facts.question.at)
}

/// The certificates that were fetched.
pub(super) fn fetched(facts: &Facts) -> Vec<Certificate> {
    let bodies = facts.issuers.iter().filter_map(|fetched| fetched.body.as_ref().ok());
    bodies.filter_map(|der| Certificate::parse(der).ok()).collect()
}

/// The best path from the first certificate of `sent`, with `more` to choose issuers from.
pub fn climb_chain(sent: &[Vec<u8>], more: &[Certificate], anchors: &Anchors, at: Timestamp) -> Climbed {
    let Some(leaf) = sent.first().and_then(|der| Certificate::parse(der).ok()) else {
        return Climbed { path: Vec::new(), top: Top::Nothing, anchored: false };
    };
    let rest = sent.iter().skip(1).take(MOST_CERTIFICATES).filter_map(|der| Certificate::parse(der).ok());
    let pool: Vec<Certificate> = rest.chain(more.iter().cloned()).collect();
    let mut search = Search { pool: &pool, anchors, at, checked: HashMap::new(), checks: 0, best: None };
    search.from(&mut vec![leaf]);
    search.best.map_or(Climbed { path: Vec::new(), top: Top::Nothing, anchored: false }, |(_, climbed)| climbed)
}

/// Greater is better.
type Rank = (bool, std::cmp::Reverse<usize>, usize);

struct Search<'a> {
    pool: &'a [Certificate],
    anchors: &'a Anchors,
    at: Timestamp,
    checked: HashMap<(Vec<u8>, Vec<u8>), bool>,
    checks: usize,
    best: Option<(Rank, Climbed)>,
}

impl Search<'_> {
    fn from(&mut self, path: &mut Vec<Certificate>) {
        let Some(current) = path.last().cloned() else { return };
        if path.len() == 1 && self.anchors.holds(&current) {
            return self.ends(path, Top::Trusted);
        }
        let roots = self.anchors.named(&current.issuer_der).to_vec();
        let mut went_on = false;
        for root in &roots {
            if path.iter().any(|cert| cert.der == root.der) || !self.signed(&current, root) {
                continue;
            }
            went_on = true;
            path.push(root.clone());
            self.ends(path, Top::Trusted);
            path.pop();
        }
        if current.is_self_issued() && self.signed(&current, &current) {
            let top = match (path.len(), roots.is_empty()) {
                (1, _) => Top::SelfSigned,
                (_, true) => Top::UnknownRoot,
                (_, false) => Top::Rekeyed,
            };
            if !went_on {
                self.ends(path, top);
            }
            return;
        }
        let pool = self.pool;
        let named = pool.iter().filter(|cert| {
            cert.subject_der == current.issuer_der
                && !path.iter().any(|it| it.der == cert.der)
                && may_be(&current, cert)
        });
        let named: Vec<&Certificate> = named.collect();
        if path.len() < DEEPEST {
            for issuer in &named {
                if self.signed(&current, issuer) {
                    went_on = true;
                    path.push((*issuer).clone());
                    self.from(path);
                    path.pop();
                }
            }
        }
        if !went_on {
            let same_key = roots.iter().any(|root| names_key_of(&current, root));
            let top = match (named.is_empty(), roots.is_empty()) {
                (false, _) => Top::BadSignature,
                (true, false) if same_key => Top::BadSignature,
                (true, false) => Top::Rekeyed,
                (true, true) => Top::NoIssuer,
            };
            self.ends(path, top);
        }
    }

    fn ends(&mut self, path: &[Certificate], top: Top) {
        let anchored = top == Top::Trusted;
        let faults = path.iter().skip(1).filter(|cert| self.at < cert.not_before || self.at > cert.not_after).count()
            + path.iter().skip(1).filter(|cert| cert.is_ca == Some(false)).count();
        let rank = (
            anchored,
            std::cmp::Reverse(faults),
            if anchored { DEEPEST - path.len().min(DEEPEST) } else { path.len() },
        );
        if self.best.as_ref().is_none_or(|(best, _)| rank > *best) {
            self.best = Some((rank, Climbed { path: path.to_vec(), top, anchored }));
        }
    }

    fn signed(&mut self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let key = (certificate.der.clone(), issuer.public_key.clone());
        if let Some(known) = self.checked.get(&key) {
            return *known;
        }
        self.checks += 1;
        let good = self.checks <= MOST_CHECKS && signed(certificate, issuer);
        self.checked.insert(key, good);
        good
    }
}

/// Whether the issuer's key made the signature. What cannot be checked for the weakness or rarity of its algorithm counts as
/// good where the key identifiers agree: it is told as what it is.
fn signed(certificate: &Certificate, issuer: &Certificate) -> bool {
    if certificate.is_signed_by(&issuer.public_key) {
        return true;
    }
    !checkable(certificate, issuer) && may_be(certificate, issuer)
}

fn checkable(certificate: &Certificate, issuer: &Certificate) -> bool {
    let Ok((_, cert)) = X509Certificate::from_der(&certificate.der) else { return true };
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&issuer.public_key) else { return true };
    let weak = Details::of(issuer).rsa_bits.is_some_and(|bits| bits < 2048);
    !weak && !matches!(cert.verify_signature(Some(&key)), Err(X509Error::SignatureUnsupportedAlgorithm))
}

/// Whether key identifiers allow that `issuer` issued it.
fn may_be(certificate: &Certificate, issuer: &Certificate) -> bool {
    match (&certificate.authority_key_id, &issuer.subject_key_id) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => true,
    }
}

/// Whether it names the key of this very issuer.
fn names_key_of(certificate: &Certificate, issuer: &Certificate) -> bool {
    matches!((&certificate.authority_key_id, &issuer.subject_key_id), (Some(wanted), Some(found)) if wanted == found)
}
