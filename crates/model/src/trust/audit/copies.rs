//! T10, the copies of the public roots that packages bring along. In: bundles of packages, Mozilla's list. Out: one issue for all of them:
//! they age together, and whoever installed the packages brings them up to date, not the distribution.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{Ground, is_root};
use super::issue::{Check, Issue, Place, Severity};
use super::mozilla::WHOLE_LIST;
use super::role::{Role, copy_of};
use super::words::{count, listed};
use crate::trust::reference::Root;
use crate::trust::{CertId, File, Store};

/// What one copy has and lacks.
struct Copy<'a> {
    file: &'a File,
    package: &'static str,
    roots: usize,
    /// The year of the youngest root in it: the list is at least as young.
    year: Option<String>,
    lacking: Vec<&'a str>,
    removed: Vec<(CertId, &'a str)>,
    expired: Vec<CertId>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let copies: Vec<Copy<'_>> = ground
        .stores()
        .filter(|(_, _, role)| *role == Role::Vendored)
        .filter_map(|(file, store, _)| Some(read(ground, file, store, copy_of(&file.path)?)))
        .filter(|copy| !(copy.lacking.is_empty() && copy.removed.is_empty() && copy.expired.is_empty()))
        .collect();
    Vec::from_iter(tell(ground, &copies))
}

fn read<'a>(ground: &Ground<'a>, file: &'a File, store: &Store, package: &'static str) -> Copy<'a> {
    let (pool, reference) = (&ground.question.survey.pool, ground.question.reference);
    let ids: BTreeSet<CertId> = store.entries.iter().filter(|entry| is_root(entry)).map(|entry| entry.cert).collect();
    let hashes: BTreeSet<String> = ids.iter().map(|id| pool.get(*id).sha256()).collect();
    let known = ids.iter().filter_map(|id| Some((*id, reference.root(&pool.get(*id).sha256())?)));
    let (current, removed): (Vec<(CertId, &Root)>, Vec<_>) = known.partition(|(_, root)| root.is_current());
    let whole = current.len() >= WHOLE_LIST;
    let lacking = reference.current().filter(|root| whole && !hashes.contains(&root.sha256));
    Copy {
        file,
        package,
        roots: ids.len(),
        year: current.iter().chain(&removed).filter_map(|(_, root)| root.since.get(..4)).max().map(str::to_owned),
        lacking: lacking.map(|root| root.name.as_str()).collect(),
        removed: removed.into_iter().map(|(id, root)| (id, root.name.as_str())).collect(),
        expired: ids.into_iter().filter(|id| pool.get(*id).not_after < ground.question.now).collect(),
    }
}

fn tell(ground: &Ground<'_>, copies: &[Copy<'_>]) -> Option<Issue> {
    if copies.is_empty() {
        return None;
    }
    let stale = copies.iter().any(|copy| !copy.lacking.is_empty() || !copy.removed.is_empty());
    let severity = if stale { Severity::Warn } else { Severity::Info };
    let mut issue = Issue::new(Check::T10, severity, "copies", summary(copies));
    for copy in copies {
        let certs: BTreeSet<CertId> = copy.removed.iter().map(|(id, _)| *id).chain(copy.expired.clone()).collect();
        let new: Vec<CertId> = certs.into_iter().filter(|id| !issue.certs.contains(id)).collect();
        issue = issue.with_certs(new).with_places([Place::file(&copy.file.path, copy.file.layer)]).with_evidence(
            copy.package,
            &copy.file.path,
            value(ground, copy),
        );
    }
    let running = ground.is_running();
    let update =
        if running { "python3 -m pip install --upgrade pip certifi" } else { "RUN pip install --upgrade pip certifi" };
    Some(issue.with_fix("Upgrade the packages that brought them", update))
}

fn summary(copies: &[Copy<'_>]) -> String {
    let mut packages: BTreeMap<&str, usize> = BTreeMap::new();
    for copy in copies {
        *packages.entry(copy.package).or_default() += 1;
    }
    let mut packages: Vec<(&str, usize)> = packages.into_iter().collect();
    packages.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let names: Vec<String> = packages.iter().map(|(name, _)| (*name).to_owned()).collect();
    let years: BTreeSet<&str> = copies.iter().filter_map(|copy| copy.year.as_deref()).collect();
    let from = match (years.first(), years.last()) {
        (Some(first), Some(last)) if first == last => format!(", the youngest roots in them of {first},"),
        (Some(first), Some(last)) => format!(", the youngest roots in them of {first} to {last},"),
        _ => String::new(),
    };
    let most = |of: fn(&Copy<'_>) -> usize| copies.iter().map(of).max().unwrap_or(0);
    let (lacking, removed, expired) =
        (most(|it| it.lacking.len()), most(|it| it.removed.len()), most(|it| it.expired.len()));
    let up_to = if copies.len() == 1 { "" } else { "up to " };
    let verb = |one: &'static str, many: &'static str| if copies.len() == 1 { one } else { many };
    let mut faults = Vec::new();
    if lacking > 0 {
        faults.push(format!("{} {up_to}{} that Mozilla trusts by now", verb("lacks", "lack"), count(lacking, "root")));
    }
    if removed > 0 {
        faults.push(format!("{} {up_to}{removed} that Mozilla removed", verb("holds", "hold")));
    }
    if expired > 0 {
        faults.push(format!("{} {up_to}{expired} that have expired", verb("holds", "hold")));
    }
    let copies = if copies.len() == 1 { "1 copy".to_owned() } else { format!("{} copies", copies.len()) };
    format!("{copies} of the public roots inside packages ({}){from} {}", listed(&names), listed(&faults))
}

fn value(ground: &Ground<'_>, copy: &Copy<'_>) -> String {
    let mut parts = vec![count(copy.roots, "root")];
    parts.extend(copy.year.as_ref().map(|year| format!("the youngest of {year}")));
    let add = |what: &str, names: Vec<String>| {
        (!names.is_empty()).then(|| format!("{what} {}: {}", names.len(), names.join(", ")))
    };
    parts.extend(add("lacks", copy.lacking.iter().map(|name| (*name).to_owned()).collect()));
    parts.extend(add("removed by Mozilla:", copy.removed.iter().map(|(_, name)| (*name).to_owned()).collect()));
    let expired = copy.expired.iter().map(|id| super::words::name(ground.question.survey.pool.get(*id)));
    parts.extend(add("expired:", expired.collect()));
    parts.join("; ")
}
