//! T14, files of certificates that no program found here reads as roots. In: certificates that lie about. Out: private roots among them,
//! which may have been meant to be trusted, and one remark for all the other files.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{Ground, Held};
use super::issue::{Check, Issue, Place, Severity};
use super::role::Role;
use super::words::{count, listed};
use super::{fixture, words};
use crate::trust::{Content, File};

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let meant: Vec<&Held<'_>> = ground.loose.iter().filter(|held| is_meant(ground, held)).collect();
    let mut issues = Vec::from_iter(private_roots(ground, &meant));
    issues.extend(further(ground, &meant));
    issues
}

/// Whether it may have been meant to be trusted: a private root, and not one of tests, packages or programs.
fn is_meant(ground: &Ground<'_>, held: &Held<'_>) -> bool {
    let is_program = |file: &File| matches!(file.content, Content::Program(..));
    let elsewhere = |file: &File| fixture::is(&file.path) || fixture::is_packaged(&file.path) || is_program(file);
    held.cert.is_ca == Some(true)
        && held.cert.is_self_issued()
        && !held.is_public()
        && held.spots.iter().any(|spot| !elsewhere(spot.file))
        && !ground.is_ignored(Check::T14, held.cert)
}

fn private_roots(ground: &Ground<'_>, found: &[&Held<'_>]) -> Option<Issue> {
    if found.is_empty() {
        return None;
    }
    let dropped = found.iter().any(|held| held.spots.iter().any(|spot| spot.role == Role::Material));
    let severity = if dropped { Severity::Warn } else { Severity::Info };
    let names: Vec<String> = found.iter().map(|held| format!("{} ({})", held.name(), held.first_path())).collect();
    let (are, them) = if found.len() == 1 { ("is", "it") } else { ("are", "them") };
    let roots = count(found.len(), "private root");
    let summary = format!("{roots} {are} there, but no program is known to read {them}: {}", listed(&names));
    let mut issue = Issue::new(Check::T14, severity, "loose", summary);
    for held in found {
        issue = issue.with_certs([held.id]).with_places(held.everywhere()).with_evidence(
            "root",
            held.first_path(),
            format!("{} is in no trust store", held.name()),
        );
    }
    Some(issue.with_fix("If programs should trust it", ground.add_command("ROOT.pem")))
}

/// Every other file of certificates that are nobody's roots: they are left out of all checks of certificates, and this says so.
fn further(ground: &Ground<'_>, told: &[&Held<'_>]) -> Option<Issue> {
    let told: BTreeSet<&str> = told.iter().flat_map(|held| &held.spots).map(|spot| spot.file.path.as_str()).collect();
    let files: Vec<(&File, usize)> = ground
        .stores()
        .filter(|(file, store, role)| {
            *role == Role::Loose && !store.entries.is_empty() && !told.contains(file.path.as_str())
        })
        .filter(|(file, ..)| !ground.is_ignored_path(Check::T14, &file.path))
        .map(|(file, store, _)| (file, store.entries.len()))
        .collect();
    if files.is_empty() {
        return None;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, _) in &files {
        *kinds.entry(kind(file)).or_default() += 1;
    }
    let mut kinds: Vec<(&str, usize)> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let listed_kinds: Vec<String> = kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let paths: Vec<String> = files.iter().map(|(file, _)| file.path.clone()).collect();
    let which = if files.len() <= FEW { listed(&paths) } else { listed(&listed_kinds) };
    let holds = if files.len() == 1 { "holds" } else { "hold" };
    let summary = format!(
        "{} {holds} certificates that no program found here reads as roots: {which}",
        count(files.len(), "further file")
    );
    let mut issue = Issue::new(Check::T14, Severity::Info, "unread", summary);
    for (file, number) in files {
        issue = issue.with_places([Place::file(&file.path, file.layer)]).with_evidence(
            "certificates",
            &file.path,
            value(ground, file, number),
        );
    }
    Some(issue)
}

/// So many files are named; of more it is told where they are.
const FEW: usize = 3;

/// Where a file is, as far as it says why nobody reads it.
fn kind(file: &File) -> &'static str {
    let path = file.path.as_str();
    if fixture::is_packed(path) {
        "in packages that are not installed"
    } else if matches!(file.content, Content::Program(..)) {
        "in programs"
    } else if fixture::is(path) {
        "in tests, source code and documentation"
    } else if fixture::is_packaged(path) {
        "in packages"
    } else {
        "elsewhere"
    }
}

/// `3 certificates, 1 of them expired: A, B and C`.
fn value(ground: &Ground<'_>, file: &File, number: usize) -> String {
    let pool = &ground.question.survey.pool;
    let store = super::store_of(file);
    let certs = || store.iter().flat_map(|store| &store.entries).map(|entry| pool.get(entry.cert));
    let expired = certs().filter(|cert| cert.not_after < ground.question.now).count();
    let expired = if expired > 0 { format!(", {expired} expired") } else { String::new() };
    let names: Vec<String> = certs().map(|cert| words::name(cert)).collect();
    format!("{}{expired}: {}", count(number, "certificate"), listed(&names))
}
