//! Is the certificate for the name that was asked for? In: facts and the leaf. Out: a finding when it is not. Spec: RFC 9525 §6.3.

use super::super::facts::Facts;
use crate::finding::{Cause, Finding};
use crate::flow::Host;
use crate::x509::{Certificate, San, name_matches};

/// Judges the names.
pub(super) fn judge(facts: &Facts, leaf: &Certificate) -> Option<Finding> {
    let asked = &facts.question.name;
    let target = &facts.question.target;
    if name_matches(&leaf.sans, asked) {
        return None;
    }
    let kind = if matches!(asked, Host::Ip(_)) { "IP" } else { "DNS" };
    let issue = format!("subjectAltName = {kind}:{asked}");
    if leaf.sans.is_empty() && leaf.common_name.as_deref().is_some_and(|name| in_common_name(name, asked)) {
        let text = format!(
            "{target}: the certificate has no subject alternative name; `{asked}` stands only in its common name, which clients no longer read"
        );
        return Some(
            Finding::new(Cause::NoSan, text, "subject", target.to_string(), leaf.subject.clone())
                .with_fix("Issue the certificate with the name as a subject alternative name", issue),
        );
    }
    let listed: Vec<_> = leaf
        .sans
        .iter()
        .map(|san| match san {
            San::Dns(name) => name.clone(),
            San::Ip(address) => address.to_string(),
            San::Other(other) => other.clone(),
        })
        .collect();
    let shown = if listed.is_empty() { "no name at all".to_owned() } else { shortened(&listed) };
    let text = format!("{target}: the certificate is for {shown}, not for `{asked}`");
    let finding = Finding::new(Cause::HostnameMismatch, text, "subjectAltName", target.to_string(), shortened(&listed));
    let finding = match listed.iter().find(|name| !name.contains('*')) {
        Some(name) => finding.with_fix(
            "Call the service by a name that its certificate holds",
            format!("sidelight diagnose {name}:{}{}", target.port, facts.question.trust_options),
        ),
        None => finding,
    };
    Some(finding.with_fix("Or issue the certificate with this name", issue))
}

/// The first names of a long list.
fn shortened(names: &[String]) -> String {
    match names.len() {
        0..=6 => names.join(", "),
        count => format!("{} and {} more", names[..5].join(", "), count - 5),
    }
}

fn in_common_name(common_name: &str, asked: &Host) -> bool {
    match asked {
        Host::Name(_) => name_matches(&[San::Dns(common_name.to_owned())], asked),
        Host::Ip(address) => common_name.parse() == Ok(*address),
    }
}
