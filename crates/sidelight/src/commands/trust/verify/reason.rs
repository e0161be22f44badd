//! The one reason of a verdict, in a line. In: an exploration. Out: `CODE: words`, made of facts of the certificates asked about.

use sidelight_model::x509::Certificate;
use sidelight_model::x509::path::{End, Exploration, Origin, Path};

use crate::render::certificate_fault;

/// Why the chain is trusted, or the first thing that must change.
pub(super) fn short(exploration: &Exploration) -> String {
    let Some(best) = exploration.best() else { return unreadable(exploration) };
    if best.is_good() {
        let names = best.certificates.iter().rev().map(|number| subject(exploration, *number));
        return names.collect::<Vec<_>>().join(" → ");
    }
    let end = ending(exploration, best);
    match best.first_fault() {
        _ if best.end != End::Anchor => end,
        Some(found) => {
            let number = best.certificates.get(found.position).copied().unwrap_or_default();
            let whose = subject(exploration, number);
            format!("{}: {whose}: {}", found.fault.code(), certificate_fault::words(&found.fault))
        }
        None => end,
    }
}

/// Why a path is not good, in words: where it ended, else its first fault.
pub(super) fn of_path(exploration: &Exploration, path: &Path) -> String {
    match path.first_fault().filter(|_| path.end == End::Anchor) {
        Some(found) => {
            let number = path.certificates.get(found.position).copied().unwrap_or_default();
            format!("{}: {}", subject(exploration, number), certificate_fault::words(&found.fault))
        }
        None => words(&ending(exploration, path)),
    }
}

/// What stands behind the code.
pub(super) fn words(reason: &str) -> String {
    reason.split_once(": ").map_or(reason, |(_, words)| words).to_owned()
}

fn unreadable(exploration: &Exploration) -> String {
    match exploration.unreadable.iter().find(|(origin, _)| *origin == Origin::Leaf) {
        Some((_, what)) => format!("unreadable: the leaf is no certificate: {what}"),
        None => "unreadable: there is no leaf".to_owned(),
    }
}

/// Where a path that reaches no anchor ended.
pub(super) fn ending(exploration: &Exploration, path: &Path) -> String {
    let last = path.certificates.last().copied().unwrap_or_default();
    let name = subject(exploration, last);
    let issuer = issuer(exploration, last);
    match &path.end {
        End::Anchor => format!("anchor: {name} is trusted"),
        End::AnchorNotRoot => {
            format!(
                "anchor_not_root: {name} is among the roots but no root itself, and this client follows it no further"
            )
        }
        End::WrongKey { tried } => format!(
            "bad_signature: the signature on {name} was made by none of the {} certificates named {issuer}",
            tried.len()
        ),
        End::SelfSigned => format!("self_signed: {name} signed itself and is not among the roots"),
        End::NoIssuer => format!("no_issuer: {issuer}, who issued {name}, is neither among the roots nor was it sent"),
        End::Loop => format!("loop: whoever issued {name} stands in the path already"),
        End::TooLong => "too_much_work: the search was given up at its limits".to_owned(),
    }
}

/// A certificate's subject for people, quoted.
pub(super) fn subject(exploration: &Exploration, number: usize) -> String {
    let parsed = Certificate::parse(&exploration.certificate(number).der);
    parsed.map_or_else(|_| "‹unreadable name›".to_owned(), |parsed| quoted(parsed.short_name()))
}

fn issuer(exploration: &Exploration, number: usize) -> String {
    let parsed = Certificate::parse(&exploration.certificate(number).der);
    parsed.map_or_else(|_| "‹unreadable name›".to_owned(), |parsed| quoted(&parsed.issuer))
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "(a certificate without name)".to_owned() } else { format!("`{name}`") }
}
