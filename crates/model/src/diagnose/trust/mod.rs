//! Causes in the chain: trust, validity, names, usage. In: facts and the path that comes nearest. Out: a finding, when one of them
//! is the cause. Order: as docs/causes.md has it.

mod name;
mod untrusted;
mod usage;

use super::chain::Climbed;
use super::facts::Facts;
use crate::finding::Finding;
use crate::x509::Certificate;

/// Judges the chain.
pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let leaf = climbed.path.first()?;
    let finding = untrusted::judge(facts, climbed)
        .or_else(|| usage::outdated(facts, climbed))
        .or_else(|| name::judge(facts, leaf))
        .or_else(|| usage::judge(facts, climbed))?;
    Some(with_chain(finding, facts, climbed))
}

/// Every certificate that was sent, and the roots.
fn with_chain(finding: Finding, facts: &Facts, climbed: &Climbed) -> Finding {
    let target = &facts.question.target;
    let sent = facts.certified().map_or(&[][..], |attempt| attempt.chain.as_slice());
    let sent = sent.iter().take(16).filter_map(|der| Certificate::parse(der).ok());
    let finding = sent.enumerate().fold(finding, |finding, (index, cert)| {
        finding.with_evidence("certificate", format!("{target} chain[{index}]"), one_line(&cert))
    });
    let fetched = super::chain::fetched(facts);
    let finding = climbed
        .path
        .iter()
        .filter(|cert| fetched.iter().any(|it| it.der == cert.der))
        .fold(finding, |finding, cert| finding.with_evidence("fetched (AIA)", url_of(facts, cert), one_line(cert)));
    finding.with_evidence("roots", facts.roots.source.clone(), super::roots(facts.roots.anchors.len()))
}

fn url_of(facts: &Facts, cert: &Certificate) -> String {
    let holds = |body: &Result<Vec<u8>, String>| body.as_ref().is_ok_and(|der| *der == cert.der);
    facts.issuers.iter().find(|it| holds(&it.body)).map_or_else(String::new, |it| it.url.clone())
}

pub(super) fn one_line(cert: &Certificate) -> String {
    format!(
        "{} issued by {}, {} to {}, sha256 {}",
        cert.subject,
        cert.issuer,
        cert.not_before.date(),
        cert.not_after.date(),
        cert.sha256()
    )
}
