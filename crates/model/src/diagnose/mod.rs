//! Why does a TLS connection not work? In: [`Facts`] that attempts brought. Out: what to try next ([`plan`]), and in the end
//! a [`Diagnosis`]: one finding, nearest the wire first, or that all is well, with everything odd beside it.
//! Source of the causes and their order: docs/causes.md; how they are told apart: docs/diagnose.md.

mod chain;
mod client;
mod details;
mod facts;
mod handshake;
mod plan;
mod reach;
mod revocation;
mod sound;
mod trust;

#[cfg(test)]
mod tests;

pub use chain::{Climbed, Top, climb};
pub use details::Details;
pub use facts::{
    Adding, AlertSeen, Attempt, ClientIdentity, ClientRequest, End, Facts, Fetched, Late, Plain, PlainWords,
    ProxyFailure, Question, Reach, Resolution, Roots, Spoken, Unreached, Variant,
};
pub use plan::{Ask, ocsp_issuer, plan};
pub use sound::days_left;

use crate::finding::{Cause, Finding};
use crate::x509::Certificate;

/// The answer.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The cause, with evidence and what to do; [`Cause::Ok`] when the connection works.
    pub finding: Finding,
    /// What the server sent, as far as it can be read, leaf first.
    pub chain: Vec<Certificate>,
    /// The path to a trusted root, leaf first; `None`: there is none.
    pub path: Option<Vec<Certificate>>,
    /// What the server should send and does not, without the root.
    pub missing: Vec<Certificate>,
    /// The root that would have to be trusted.
    pub wanted_root: Option<Certificate>,
}

/// Judges what was seen.
pub fn judge(facts: &Facts) -> Diagnosis {
    let climbed = climb(facts);
    let finding = reach::judge(facts)
        .or_else(|| handshake::judge(facts, &climbed))
        .or_else(|| {
            let of_server = trust::judge(facts, &climbed).or_else(|| revocation::judge(facts, &climbed));
            of_server.map(|finding| client::besides(facts, finding))
        })
        .or_else(|| client::judge(facts))
        .or_else(|| handshake::unexplained(facts))
        .unwrap_or_else(|| sound::finding(facts, &climbed));
    let finding = sound::warnings(facts, &climbed, finding.cause).into_iter().fold(finding, Finding::with_warning);
    let chain = sent(facts);
    let missing = climbed
        .path
        .iter()
        .skip(1)
        .filter(|cert| !cert.is_self_issued() && !chain.iter().any(|sent| sent.der == cert.der))
        .filter(|cert| !facts.roots.anchors.holds(cert))
        .cloned()
        .collect();
    Diagnosis {
        path: climbed.anchored.then(|| climbed.path.clone()),
        wanted_root: climbed.unknown_root().filter(|_| finding.cause != Cause::Ok).cloned(),
        missing,
        chain,
        finding,
    }
}

/// The certificates that were sent, as far as they can be read.
fn sent(facts: &Facts) -> Vec<Certificate> {
    let attempt = facts.certified();
    let all = attempt.into_iter().flat_map(|attempt| attempt.chain.iter());
    all.take(64).filter_map(|der| Certificate::parse(der).ok()).collect()
}

/// A moment for people: to the second.
fn moment(at: crate::time::Timestamp) -> String {
    let text = at.rfc3339();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// So many roots.
fn roots(count: usize) -> String {
    if count == 1 { "1 root".to_owned() } else { format!("{count} roots") }
}

/// The command that asks again, as the user would type it.
fn again(facts: &Facts, options: &str) -> String {
    let question = &facts.question;
    format!("sidelight diagnose {}{} {options}", question.target, question.trust_options)
}
