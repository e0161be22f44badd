//! T08, T10: trust beside Mozilla's list. In: certificates that are trusted, the list. Out: issues with dates.

use std::collections::BTreeSet;

use super::ground::{Ground, Held};
use super::issue::{Check, Issue, Severity};
use super::known::{Standing, is_verdict};
use super::role::{Role, copy_of};
use super::update_command;
use super::words::{count, listed};
use crate::trust::reference::Root;

/// A store of that many public roots means to hold all of them.
pub(super) const WHOLE_LIST: usize = 50;

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let removed: Vec<(&Held<'_>, &Root)> = ground
        .held_for(Check::T08)
        .filter_map(|held| match &held.standing {
            Standing::Removed(root) => Some((held, *root)),
            _ => None,
        })
        .collect();
    let (verdicts, retired): (Vec<_>, Vec<_>) = removed.into_iter().partition(|(_, root)| is_verdict(root));
    let verdict = "that Mozilla removed because it no longer trusts who runs them";
    issues.extend(group(ground, "distrusted", Severity::Error, verdict, &verdicts));
    issues.extend(group(ground, "removed", Severity::Warn, "that Mozilla no longer trusts", &retired));
    let current = ground.held_for(Check::T08).filter_map(|held| match &held.standing {
        Standing::Current(root) => Some((held, *root)),
        _ => None,
    });
    let (dated, rest): (Vec<(&Held<'_>, &Root)>, Vec<_>) = current.partition(|(_, root)| root.distrust_after.is_some());
    let named: Vec<(&Held<'_>, &Root)> =
        rest.into_iter().filter(|(_, root)| root.note.starts_with("limited")).collect();
    let dated = group(ground, "dated", Severity::Warn, "that Mozilla trusts for older certificates only", &dated);
    issues.extend(dated.map(|issue| issue.with_evidence("rule", "PEM, JKS, PKCS#12", NO_DATES)));
    let named = group(ground, "limited", Severity::Info, "that Mozilla trusts for some names only", &named);
    issues.extend(named.map(|issue| {
        issue.with_evidence(
            "rule",
            "PEM, JKS, PKCS#12",
            "a file cannot carry such a limit: its readers trust the root for every name",
        )
    }));
    issues.extend(missing(ground));
    issues
}

fn removal(root: &Root) -> String {
    let mut words = match (&root.removed, root.removed_by) {
        (Some(date), false) => format!("removed on {date}"),
        (Some(date), true) => format!("removed by {date}"),
        (None, _) => String::new(),
    };
    let mut add = |text: &str| {
        words += if words.is_empty() { "" } else { "; " };
        words += text;
    };
    if let Some(date) = root.distrust_after.as_ref().filter(|date| !root.note.contains(date.as_str())) {
        add(&format!("not trusted for certificates issued after {date}"));
    }
    if !root.note.is_empty() {
        add(&root.note);
    }
    words
}

/// Why a date of distrust does not help.
const NO_DATES: &str = "a file cannot carry a date of distrust: its readers trust the root fully until it is removed; only NSS, Go's fallback roots and the JDK's own list know the dates";

fn group(
    ground: &Ground<'_>,
    about: &str,
    severity: Severity,
    what: &str,
    found: &[(&Held<'_>, &Root)],
) -> Option<Issue> {
    if found.is_empty() {
        return None;
    }
    let mut found = found.to_vec();
    // The newest removals first: they are those that a user may still meet.
    found.sort_by(|a, b| b.1.removed.cmp(&a.1.removed).then_with(|| a.1.name.cmp(&b.1.name)));
    let names: Vec<String> = found.iter().map(|(_, root)| root.name.clone()).collect();
    let summary = format!("{} {what}: {}", count(found.len(), "trusted root"), listed(&names));
    let mut issue = Issue::new(Check::T08, severity, about, summary);
    for (held, root) in &found {
        let at = held.spots.first().map_or("", |spot| spot.file.path.as_str());
        issue = issue.with_certs([held.id]).with_evidence(&root.name, at, removal(root));
    }
    let files: BTreeSet<&str> = found.iter().flat_map(|(held, _)| held.set_files()).collect();
    issue.places = ground.places_of(files.iter().copied());
    Some(issue.with_fix("Update the package of roots", update_command(ground)))
}

/// Roots of the list that whole stores do not hold.
fn missing(ground: &Ground<'_>) -> Option<Issue> {
    let wanted: Vec<&Root> = ground.question.reference.current().filter(|root| !ignored(ground, root)).collect();
    let pool = &ground.question.survey.pool;
    let mut issue: Option<Issue> = None;
    let mut paths = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (file, store, role) in ground.stores().filter(|(_, _, role)| role.is_set()) {
        if role == Role::Vendored && copy_of(&file.path).is_some() {
            continue;
        }
        let held: BTreeSet<String> = store.entries.iter().map(|entry| pool.get(entry.cert).sha256()).collect();
        let lacking: Vec<&&Root> = wanted.iter().filter(|root| !held.contains(&root.sha256)).collect();
        let has = wanted.len() - lacking.len();
        // Compiled-in roots are known by their keys alone and partly; a store of a few roots is meant to be small.
        let whole = has >= WHOLE_LIST && role != Role::Compiled;
        if !whole || lacking.is_empty() {
            continue;
        }
        let list: Vec<String> = lacking.iter().map(|root| root.name.clone()).collect();
        names.extend(list.iter().cloned());
        paths.push(file.path.clone());
        let value = format!("lacks {} of {}: {}", list.len(), wanted.len(), list.join(", "));
        let found = issue.take().unwrap_or_else(|| Issue::new(Check::T10, Severity::Warn, "missing", ""));
        issue = Some(
            found.with_places([super::Place::file(&file.path, file.layer)]).with_evidence("store", &file.path, value),
        );
    }
    let mut issue = issue?;
    let names: Vec<String> = names.into_iter().collect();
    let stores = if paths.len() == 1 { paths[0].clone() } else { count(paths.len(), "store") };
    let lacks = if paths.len() == 1 { "lacks" } else { "lack" };
    let roots = count(names.len(), "root");
    issue.summary = format!("{stores} {lacks} {roots} that Mozilla trusts by now: {}", listed(&names));
    Some(issue.with_fix("Update the package of roots", update_command(ground)))
}

fn ignored(ground: &Ground<'_>, root: &Root) -> bool {
    ground
        .question
        .ignore
        .iter()
        .any(|it| it.check == Check::T10 && it.only.as_deref().is_none_or(|only| only == root.sha256))
}
