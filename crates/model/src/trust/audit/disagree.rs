//! T12: what one program of the image trusts and another does not. In: what each program reads, or the stores. Out: issues.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{Ground, Held, about};
use super::issue::{Affected, Check, Issue, Severity};
use super::words::{count, listed};
use crate::trust::CertId;

/// A set of roots and who has it.
struct Set {
    names: Vec<String>,
    roots: BTreeSet<CertId>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let sets = sets_of(ground);
    if sets.len() < 2 {
        return Vec::new();
    }
    // Roots that the same programs have and lack are one issue.
    let mut patterns: BTreeMap<Vec<bool>, Vec<&Held<'_>>> = BTreeMap::new();
    let is_sample = |held: &Held<'_>| held.spots.iter().all(|spot| super::fixture::is(&spot.file.path));
    for held in ground.held_for(Check::T12).filter(|held| !held.is_public() && !is_sample(held)) {
        patterns.entry(sets.iter().map(|set| set.roots.contains(&held.id)).collect()).or_default().push(held);
    }
    let mut issues: Vec<Issue> = patterns.values().filter_map(|found| private_roots(ground, found, &sets)).collect();
    if issues.len() > MOST {
        issues = vec![merged(issues)];
    }
    issues.extend(public_roots(ground, &sets));
    issues
}

/// What programs have; where that is not known, what stores have. Equal sets are one, under all their names.
fn sets_of(ground: &Ground<'_>) -> Vec<Set> {
    let mut by_roots: BTreeMap<BTreeSet<CertId>, Vec<String>> = BTreeMap::new();
    if ground.question.readers.is_empty() {
        for (file, store, _) in ground.stores().filter(|(_, _, role)| role.is_set()) {
            let roots = store.entries.iter().filter(|entry| entry.is_anchor).map(|entry| entry.cert).collect();
            by_roots.entry(roots).or_default().push(file.path.clone());
        }
    } else {
        for reader in ground.question.readers {
            by_roots.entry(reader.roots.keys().copied().collect()).or_default().push(reader.name.clone());
        }
    }
    let mut sets: Vec<Set> = by_roots
        .into_iter()
        .filter(|(roots, _)| !roots.is_empty())
        .map(|(roots, mut names)| {
            names.sort();
            names.dedup();
            Set { names, roots }
        })
        .collect();
    sets.sort_by(|a, b| b.roots.len().cmp(&a.roots.len()).then_with(|| a.names.cmp(&b.names)));
    sets
}

/// Private roots that only some have: the usual reason for "works with curl, not with the service".
fn private_roots(ground: &Ground<'_>, found: &[&Held<'_>], sets: &[Set]) -> Option<Issue> {
    let first = found.first()?;
    let (with, without): (Vec<&Set>, Vec<&Set>) = sets.iter().partition(|set| set.roots.contains(&first.id));
    if with.is_empty() || without.is_empty() {
        return None;
    }
    let names = |sets: &[&Set]| listed(&names_of(sets));
    let roots: Vec<String> = found.iter().map(|held| held.name()).collect();
    let is = if found.len() == 1 { "is" } else { "are" };
    let summary = format!("{} {is} trusted by {}, but not by {}", listed(&roots), names(&with), names(&without));
    let effect = |effect: &str, sets: &[&Set]| -> Vec<Affected> {
        names_of(sets).into_iter().map(|who| Affected { who, effect: effect.to_owned() }).collect()
    };
    let mut issue = Issue::new(Check::T12, Severity::Warn, about(found), summary)
        .with_affected(effect("trusts it", &with))
        .with_affected(effect("does not have it", &without));
    for held in found {
        let value = format!("{}  sha256 {}", held.name(), held.cert.sha256());
        issue = issue.with_certs([held.id]).with_places(held.places()).with_evidence("root", held.first_path(), value);
    }
    Some(issue.with_fix("Add it to every store that the programs read", ground.add_command("ROOT.pem")))
}

fn names_of(sets: &[&Set]) -> Vec<String> {
    let mut names: Vec<String> = sets.iter().flat_map(|set| set.names.iter().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

/// So many different patterns of who has which root are told one by one; more are told together.
const MOST: usize = 4;

fn merged(issues: Vec<Issue>) -> Issue {
    let number: usize = issues.iter().map(|issue| issue.certs.len()).sum();
    let summary = format!("{} are trusted by some programs and not by others", count(number, "private root"));
    let mut all = Issue::new(Check::T12, Severity::Warn, "private", summary);
    for issue in issues {
        all = all.with_evidence("roots", "programs", &issue.summary);
        all.certs.extend(issue.certs);
        all.places.extend(issue.places);
        all.fixes = issue.fixes;
    }
    all
}

/// Public roots differ by the age of each list.
fn public_roots(ground: &Ground<'_>, sets: &[Set]) -> Option<Issue> {
    let public: BTreeSet<CertId> =
        ground.held_for(Check::T12).filter(|held| held.is_public()).map(|held| held.id).collect();
    let sets: Vec<(String, BTreeSet<CertId>)> = sets
        .iter()
        .map(|set| (listed(&set.names), set.roots.intersection(&public).copied().collect::<BTreeSet<_>>()))
        .filter(|(_, roots)| !roots.is_empty())
        .collect();
    let everywhere =
        sets.iter().skip(1).fold(sets.first()?.1.clone(), |all, (_, roots)| all.intersection(roots).copied().collect());
    let anywhere: BTreeSet<CertId> = sets.iter().flat_map(|(_, roots)| roots.iter().copied()).collect();
    let differ = anywhere.len() - everywhere.len();
    if sets.len() < 2 || differ == 0 {
        return None;
    }
    let summary = format!(
        "The programs of the {} have {} different sets of public roots: {} in all of them, {} in only some",
        ground.thing(),
        sets.len(),
        everywhere.len(),
        differ
    );
    let mut issue = Issue::new(Check::T12, Severity::Info, "public", summary);
    for (name, roots) in &sets {
        let lacks: Vec<String> =
            anywhere.difference(roots).map(|id| super::words::name(ground.question.survey.pool.get(*id))).collect();
        let lacks = if lacks.is_empty() { String::new() } else { format!("; lacks {}", listed(&lacks)) };
        issue = issue.with_evidence("roots", name, format!("{}{lacks}", count(roots.len(), "public root")));
    }
    Some(
        issue.with_fix(
            "See which program has which root",
            format!("sidelight trust list {} --as auto", ground.source()),
        ),
    )
}
