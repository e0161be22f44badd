//! T09, T16: roots of no public program, whose they are, and whether anything limits them. In: certificates that are trusted. Out: issues.

use super::ground::{Ground, Held, about};
use super::issue::{Check, Issue, Severity};
use super::known::Standing;
use super::words::{count, listed};
use crate::trust::reference::{IntruderKind, intruder};

/// So many private roots are told one by one; more are told together.
const ONE_BY_ONE: usize = 4;

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let accepted = |held: &Held<'_>| ground.question.policy.is_some_and(|policy| policy.accepts(held.cert));
    let strangers: Vec<&Held<'_>> = ground
        .held_for(Check::T09)
        .filter(|held| held.standing == Standing::Unknown && !accepted(held) && is_authority(held))
        .collect();
    let (named, nameless): (Vec<&Held<'_>>, Vec<&Held<'_>>) =
        strangers.into_iter().partition(|held| intruder(held.cert).is_some());
    let mut issues = Vec::new();
    for severity in Severity::ALL {
        let alike: Vec<&Held<'_>> = named.iter().copied().filter(|held| severity_of(held) == *severity).collect();
        issues.extend(told(ground, *severity, "look like authorities that open TLS", &alike));
    }
    issues.extend(told(ground, Severity::Warn, "belong to no public program", &nameless));
    issues.extend(unlimited(ground));
    issues
}

fn severity_of(held: &Held<'_>) -> Severity {
    intruder(held.cert).map_or(Severity::Warn, |found| meaning(found.kind).0)
}

fn told(ground: &Ground<'_>, severity: Severity, what: &str, found: &[&Held<'_>]) -> Vec<Issue> {
    if found.len() > ONE_BY_ONE {
        return vec![together(ground, severity, what, found)];
    }
    found.iter().map(|held| one(ground, held)).collect()
}

/// What is no authority is told by T04.
fn is_authority(held: &Held<'_>) -> bool {
    held.cert.is_ca == Some(true)
        || held.cert.is_ca.is_none() && held.cert.is_self_issued() && held.cert.sans.is_empty()
}

fn one(ground: &Ground<'_>, held: &Held<'_>) -> Issue {
    let hash = held.cert.sha256();
    let name = held.name();
    let (severity, summary) = match intruder(held.cert) {
        Some(found) => {
            let (severity, means) = meaning(found.kind);
            let means = means.replace("{it}", ground.thing());
            (severity, format!("{name} is trusted and looks like {}: {means}", found.who))
        }
        None => (Severity::Warn, format!("{name} is trusted and belongs to no public program: a private authority")),
    };
    Issue::new(Check::T09, severity, &hash, summary)
        .with_certs([held.id])
        .with_places(held.places())
        .with_affected(ground.affected(held.id, |_| Some("trusts it")))
        .with_evidence("subject", "sha256", format!("{}  {hash}", held.cert.subject))
        .with_evidence(
            "validity",
            "certificate",
            format!("{} to {}", held.cert.not_before.date(), held.cert.not_after.date()),
        )
        .with_fix("If it is not yours, remove it", ground.remove_command(&hash))
        .with_fix("If it is, say so", format!("sidelight trust audit {} --ignore T09:{hash}", ground.source()))
}

/// What a kind of private authority means; `{it}` is the image, the host.
const fn meaning(kind: IntruderKind) -> (Severity, &'static str) {
    match kind {
        IntruderKind::Compromised => (Severity::Critical, "anyone can impersonate every service to this {it}"),
        IntruderKind::State => (Severity::Error, "it is meant to open the traffic of a country"),
        IntruderKind::Inspection => (Severity::Warn, "it can open all TLS of this {it}, wherever that is"),
        IntruderKind::Developer => (
            Severity::Error,
            "whoever holds its key on a developer's machine can impersonate every service to this {it}",
        ),
        IntruderKind::Internal => {
            (Severity::Warn, "it belongs inside its own network, and is trusted for every name on the internet")
        }
    }
}

fn together(ground: &Ground<'_>, severity: Severity, what: &str, found: &[&Held<'_>]) -> Issue {
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let summary = format!("{} {what}: {}", count(found.len(), "trusted root"), listed(&names));
    let mut issue = Issue::new(Check::T09, severity, about(found), summary)
        .with_affected(ground.affected_by(found, |_| Some("trusts some of them")));
    for held in found {
        let looks = intruder(held.cert).map_or_else(String::new, |found| format!(", looks like {}", found.who));
        let value = format!("{}  {}{looks}", held.name(), held.cert.sha256());
        issue = issue.with_certs([held.id]).with_places(held.places()).with_evidence("root", held.first_path(), value);
    }
    issue.with_fix(
        "Name those that are yours in a policy",
        format!("sidelight trust audit {} --policy .paranoia.yaml", ground.source()),
    )
}

/// Name constraints would keep a private root to its own domains.
fn unlimited(ground: &Ground<'_>) -> Option<Issue> {
    let fits = |held: &&Held<'_>| held.standing == Standing::Unknown && is_authority(held) && !held.facts.constrained;
    let found: Vec<&Held<'_>> = ground.held_for(Check::T16).filter(fits).collect();
    if found.is_empty() {
        return None;
    }
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let verb = if found.len() == 1 { "may issue" } else { "may each issue" };
    let summary =
        format!("{} {verb} for every name on the internet: {}", count(found.len(), "private root"), listed(&names));
    let mut issue = Issue::new(Check::T16, Severity::Info, "unlimited", summary);
    for held in &found {
        issue = issue.with_certs([held.id]).with_places(held.places().into_iter().take(1)).with_evidence(
            "root",
            held.spots.first().map_or("", |spot| spot.file.path.as_str()),
            format!("{} has no name constraints", held.name()),
        );
    }
    Some(issue.with_fix(
        "When you make the next one, limit it to your own domains (Java does not enforce it, all others do)",
        "nameConstraints=critical,permitted;DNS:.example.internal",
    ))
}
