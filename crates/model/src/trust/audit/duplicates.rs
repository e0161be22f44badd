//! T07: the same certificate twice in one store, one name with several keys, one key in several certificates. Information only.

use std::collections::BTreeMap;

use super::ground::{Ground, Held};
use super::issue::{Check, Issue, Place, Severity};
use super::words::{count, listed};
use crate::trust::{CertId, Format};

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let mut issues = Vec::from_iter(twice(ground));
    issues.extend(shared(ground, "same-name", "share a name but not a key", |held| held.cert.subject_der.clone()));
    issues.extend(shared(
        ground,
        "same-key",
        "are the same key in other certificates (cross-signed or renewed)",
        |held| held.cert.public_key.clone(),
    ));
    issues
}

/// Within one file.
fn twice(ground: &Ground<'_>) -> Option<Issue> {
    let mut issue: Option<Issue> = None;
    let mut total = 0;
    for (file, store, role) in ground.stores() {
        if !role.is_set() || store.format == Format::CompiledIn {
            continue;
        }
        let mut lines: BTreeMap<CertId, Vec<Option<usize>>> = BTreeMap::new();
        for entry in &store.entries {
            lines.entry(entry.cert).or_default().push(entry.line);
        }
        for (id, lines) in lines.into_iter().filter(|(_, lines)| lines.len() > 1) {
            let cert = ground.question.survey.pool.get(id);
            if ground.is_ignored(Check::T07, cert) {
                continue;
            }
            total += lines.len() - 1;
            let at: Vec<String> = lines.iter().flatten().map(ToString::to_string).collect();
            let value = if at.is_empty() { count(lines.len(), "time") } else { format!("lines {}", at.join(", ")) };
            let found = issue.take().unwrap_or_else(|| Issue::new(Check::T07, Severity::Info, "twice", ""));
            issue = Some(
                found
                    .with_certs([id])
                    .with_places([Place::file(&file.path, file.layer).at(lines.last().copied().flatten())])
                    .with_evidence(super::words::name(cert), &file.path, value),
            );
        }
    }
    let mut issue = issue?;
    issue.summary = format!(
        "{} there more than once in one file; harmless",
        if total == 1 { "1 certificate is".to_owned() } else { format!("{total} certificates are") }
    );
    Some(issue)
}

/// Among all that is trusted: groups by `by` in which there is more than one, and more than one of the other kind.
fn shared(ground: &Ground<'_>, about: &str, what: &str, by: fn(&Held<'_>) -> Vec<u8>) -> Option<Issue> {
    let mut groups: BTreeMap<Vec<u8>, Vec<&Held<'_>>> = BTreeMap::new();
    for held in ground.held_for(Check::T07) {
        groups.entry(by(held)).or_default().push(held);
    }
    let differ = |group: &&Vec<&Held<'_>>| {
        let keys = group.iter().map(|held| &held.cert.public_key).collect::<std::collections::BTreeSet<_>>();
        if about == "same-name" { keys.len() > 1 } else { group.len() > 1 }
    };
    let groups: Vec<&Vec<&Held<'_>>> = groups.values().filter(differ).collect();
    if groups.is_empty() {
        return None;
    }
    let names: Vec<String> = groups.iter().map(|group| group[0].name()).collect();
    let number: usize = groups.iter().map(|group| group.len()).sum();
    let summary = format!("{} {what}: {}", count(number, "trusted certificate"), listed(&names));
    let mut issue = Issue::new(Check::T07, Severity::Info, about, summary);
    for held in groups.into_iter().flatten() {
        let at = held.spots.first().map_or("", |spot| spot.file.path.as_str());
        let value = format!("sha256 {}, valid until {}", &held.cert.sha256()[..16], held.cert.not_after.date());
        issue = issue.with_certs([held.id]).with_evidence(held.name(), at, value);
    }
    Some(issue)
}
