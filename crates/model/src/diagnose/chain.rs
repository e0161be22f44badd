//! From leaf to root. In: the certificates that were sent and fetched, the roots, whose rules. Out: the path that comes nearest,
//! how it ends, and what is wrong on it. The search and the rules are `x509::path`'s.

use super::facts::Facts;
use crate::time::Timestamp;
use crate::x509::path::{AnchorSet, End, Found, Profile, Purpose, Question, explore};
use crate::x509::strict::Strict;
use crate::x509::{Anchors, Certificate};

/// Certificates of a chain that are looked at; servers send up to ten.
const MOST_CERTIFICATES: usize = 64;

/// How a path ends at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// At a trusted certificate that is no root, which these rules do not take.
    NotRoot,
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
    /// What is wrong, by the position in the path.
    pub faults: Vec<Found>,
}

impl Climbed {
    const NOTHING: Self = Self { path: Vec::new(), top: Top::Nothing, anchored: false, faults: Vec::new() };

    /// The root at the end of the path, where it was seen and is not trusted.
    pub fn unknown_root(&self) -> Option<&Certificate> {
        let seen = matches!(self.top, Top::UnknownRoot | Top::SelfSigned | Top::Rekeyed);
        self.path.last().filter(|top| seen && top.is_self_issued())
    }
}

/// The path of what was seen that comes nearest.
pub fn climb(facts: &Facts) -> Climbed {
    let Some(attempt) = facts.certified() else { return Climbed::NOTHING };
    let mut chain: Vec<Vec<u8>> = attempt.chain.iter().take(MOST_CERTIFICATES).cloned().collect();
    chain.extend(fetched(facts).into_iter().map(|cert| cert.der));
    climb_chain(&chain, &facts.roots.set, &facts.roots.anchors, facts.question.at, facts.question.rules)
}

/// The certificates that were fetched.
pub(super) fn fetched(facts: &Facts) -> Vec<Certificate> {
    let bodies = facts.issuers.iter().filter_map(|fetched| fetched.body.as_ref().ok());
    bodies.filter_map(|der| Certificate::parse(der).ok()).collect()
}

/// Whether a client with these rules would take the chain; if not, what it would stumble over first.
pub(super) fn refused_by(facts: &Facts, rules: Profile) -> Option<String> {
    let attempt = facts.certified()?;
    let chain: Vec<Vec<u8>> = attempt.chain.iter().take(MOST_CERTIFICATES).cloned().collect();
    let climbed = climb_chain(&chain, &facts.roots.set, &facts.roots.anchors, facts.question.at, rules);
    match climbed.faults.first() {
        _ if climbed.top == Top::NotRoot => Some("trusted certificate is no root".to_owned()),
        Some(found) => Some(found.fault.code().replace('_', " ")),
        None => None,
    }
}

fn climb_chain(chain: &[Vec<u8>], set: &AnchorSet, anchors: &Anchors, at: Timestamp, rules: Profile) -> Climbed {
    let explored = explore(&Question {
        chain,
        anchors: set,
        crls: &[],
        name: None,
        purpose: Purpose::Server,
        now: at,
        max_depth: None,
        profile: rules,
        every_path: false,
    });
    let read = |number: usize| explored.certificates.get(number).map(|known| &*known.certificate);
    let Some(best) = explored.best() else {
        // What the strict reader refuses is judged as a single certificate.
        let leaf = chain.first().and_then(|der| Certificate::parse(der).ok());
        return leaf.map_or(Climbed::NOTHING, |leaf| Climbed {
            path: vec![leaf],
            top: Top::NoIssuer,
            ..Climbed::NOTHING
        });
    };
    let path: Vec<Certificate> =
        best.certificates.iter().filter_map(|number| Certificate::parse(&read(*number)?.der).ok()).collect();
    let last = path.last();
    let named = last.is_some_and(|last| !anchors.named(&last.issuer_der).is_empty());
    let top = match &best.end {
        End::Anchor => Top::Trusted,
        End::AnchorNotRoot => Top::NotRoot,
        End::SelfSigned if path.len() == 1 => Top::SelfSigned,
        End::SelfSigned if named => Top::Rekeyed,
        End::SelfSigned => Top::UnknownRoot,
        End::WrongKey { tried } => {
            let tried: Vec<&Strict> = tried.iter().filter_map(|number| read(*number)).collect();
            wrong_key(last, &tried, anchors)
        }
        End::NoIssuer | End::Loop | End::TooLong => Top::NoIssuer,
    };
    Climbed { anchored: top == Top::Trusted, faults: best.faults.clone(), top, path }
}

/// Certificates of the issuer's name are there, but none made the signature: is it damaged, or is the right issuer another one?
fn wrong_key(last: Option<&Certificate>, tried: &[&Strict], anchors: &Anchors) -> Top {
    let Some(last) = last else { return Top::NoIssuer };
    let Some(wanted) = &last.authority_key_id else {
        let held = tried.iter().any(|it| !anchors.named(&it.subject.der).is_empty());
        return if held && !last.is_self_issued() { Top::Rekeyed } else { Top::BadSignature };
    };
    let same = |it: &&Strict| it.subject_key_id.as_ref().is_none_or(|found| found == wanted);
    if tried.iter().any(same) {
        Top::BadSignature
    } else if !anchors.named(&last.issuer_der).is_empty() {
        Top::Rekeyed
    } else {
        Top::NoIssuer
    }
}
