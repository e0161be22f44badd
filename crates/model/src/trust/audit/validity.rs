//! T01, T02, T03: roots outside of their validity, or soon. In: certificates that are trusted, the time. Out: issues.
//! Measured: Java and rustls take an expired root; all others refuse it.

use super::ground::{Ground, Held, Reads, about};
use super::issue::{Check, Issue, Severity};
use super::words::{count, days, listed};
use crate::trust::Runtime;

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let now = ground.question.now;
    let until = now.plus(std::time::Duration::from_secs(u64::from(ground.question.days) * 86_400));
    let expired = |held: &Held<'_>| held.cert.not_after < now;
    let future = |held: &Held<'_>| held.cert.not_before > now;
    let soon = |held: &Held<'_>| held.cert.not_after >= now && held.cert.not_after <= until;
    let mut issues = Vec::new();
    for (check, fits) in
        [(Check::T01, &expired as &dyn Fn(&Held<'_>) -> bool), (Check::T02, &future), (Check::T03, &soon)]
    {
        let found: Vec<&Held<'_>> = ground.held_for(check).filter(|held| fits(held)).collect();
        let (public, private): (Vec<&Held<'_>>, Vec<&Held<'_>>) = found.into_iter().partition(|held| held.is_public());
        issues.extend(anchors(ground, check, &private));
        issues.extend(group(ground, check, "public", &public));
    }
    issues
}

/// What a program does with a root outside of its validity.
fn outside(reader: &Reads) -> Option<&'static str> {
    Some(match reader.runtime {
        Runtime::Java | Runtime::RustNative | Runtime::RustWebpki => "still accepts it",
        _ => "refuses what it issued",
    })
}

/// When, in words.
fn when(ground: &Ground<'_>, check: Check, held: &Held<'_>) -> String {
    let now = ground.question.now;
    let cert = held.cert;
    match check {
        Check::T01 => format!("expired on {}", cert.not_after.date()),
        Check::T02 => format!("is not valid before {}", cert.not_before.date()),
        _ => match days(now, cert.not_after) {
            0 => format!("expires today, {}", cert.not_after.date()),
            left => {
                format!("expires on {}, in {}", cert.not_after.date(), count(usize::try_from(left).unwrap_or(0), "day"))
            }
        },
    }
}

/// Private anchors: one issue for all that are outside of their validity in the same way.
fn anchors<'a>(ground: &Ground<'a>, check: Check, found: &[&Held<'a>]) -> Option<Issue> {
    let first = found.first()?;
    let severity = if check == Check::T03 { Severity::Warn } else { Severity::Error };
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let summary = match (found.len(), check) {
        (1, _) => format!("{} {}", first.name(), when(ground, check, first)),
        (number, Check::T01) => format!("{number} private roots have expired: {}", listed(&names)),
        (number, Check::T02) => format!("{number} private roots are not valid yet: {}", listed(&names)),
        (number, _) => format!("{number} private roots are about to expire: {}", listed(&names)),
    };
    let mut issue = Issue::new(check, severity, about(found), summary);
    for held in found {
        let value =
            if found.len() == 1 { validity(held) } else { format!("{} {}", held.name(), when(ground, check, held)) };
        issue =
            issue.with_certs([held.id]).with_places(held.places()).with_evidence("validity", held.first_path(), value);
    }
    if check != Check::T03 {
        issue = issue.with_affected(ground.affected_by(found, outside)).with_evidence(
            "rule",
            "measured",
            "Java and rustls accept a root outside of its validity; OpenSSL, curl, GnuTLS, Go, Node and Python refuse it",
        );
    }
    let mut issue = issue.with_fix("Put the new root of the same authority in", ground.add_command("NEW_ROOT.pem"));
    for held in found.iter().take(REMOVED) {
        let action = if found.len() == 1 { "Remove the old one".to_owned() } else { format!("Remove {}", held.name()) };
        issue = issue.with_fix(action, ground.remove_command(&held.cert.sha256()));
    }
    Some(issue)
}

/// Commands to remove old roots that one issue tells at the most.
const REMOVED: usize = 3;

fn validity(held: &Held<'_>) -> String {
    format!("{} to {}", held.cert.not_before.date(), held.cert.not_after.date())
}

/// Public roots come and go with the distribution's package: one issue for all of them.
fn group(ground: &Ground<'_>, check: Check, about: &str, found: &[&Held<'_>]) -> Option<Issue> {
    if found.is_empty() {
        return None;
    }
    let names: Vec<String> = found.iter().map(|held| held.name()).collect();
    let (severity, verb) = match check {
        Check::T01 => (Severity::Warn, "expired"),
        Check::T02 => (Severity::Warn, "not valid yet"),
        _ => (Severity::Info, "about to expire"),
    };
    let is = if found.len() == 1 { "is" } else { "are" };
    let verb = if check == Check::T01 {
        format!("{} {verb}", if found.len() == 1 { "has" } else { "have" })
    } else {
        format!("{is} {verb}")
    };
    let summary = format!("{} {verb}: {}", count(found.len(), "public root"), listed(&names));
    let mut issue = Issue::new(check, severity, about, summary);
    for held in found {
        let value = format!("{} {}", held.name(), when(ground, check, held));
        issue = issue.with_certs([held.id]).with_evidence("root", held.first_path(), value);
    }
    let files: std::collections::BTreeSet<&str> = found.iter().flat_map(|held| held.set_files()).collect();
    issue.places = ground.places_of(files);
    if check == Check::T01 {
        let still =
            found.iter().flat_map(|held| ground.affected(held.id, outside)).filter(|it| it.effect.starts_with("still"));
        let mut still: Vec<_> = still.collect();
        still.sort();
        still.dedup();
        issue = issue.with_affected(still);
    }
    Some(issue.with_fix("Update the package of roots", super::update_command(ground)))
}
