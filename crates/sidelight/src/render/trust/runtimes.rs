//! What runtimes have, as text. In: effective trust. Out: for `trust list --as`: where each reads, what it loses, its roots; for
//! `trust find`: who has what was looked for.

use std::collections::BTreeMap;

use sidelight_model::trust::effective::{Effective, Lost, SourceState};
use sidelight_model::trust::{CertId, Survey};

use super::super::Look;
use super::super::escape::{columns, pad};
use super::super::style::Meaning;
use super::shelf::{number, root_name};

/// Most losses of one runtime that are told one by one; `--json` has all.
const MOST: usize = 12;

/// A runtime with its version, and where it was found.
fn title(look: &Look, one: &Effective) -> String {
    let label = look.peer(&one.label);
    match &one.version {
        Some(version) if !label.contains(version.as_str()) => format!("{label} {}", look.peer(version)),
        _ => label,
    }
}

/// Everything about one runtime.
pub(crate) fn list(look: &Look, survey: &Survey, one: &Effective, wide: bool) -> String {
    let count = one.accepted().count();
    let at = one.program.as_ref().map(|path| format!(" ({})", look.peer(path)));
    let at = at.unwrap_or_else(|| " (not found in the image: what it would have)".to_owned());
    let title = look.paint.as_(Meaning::Strong, &title(look, one));
    let mut text = match &one.fails {
        Some(why) => {
            let why = look.paint.as_(Meaning::Bad, &format!("✗ no connection can succeed: {}", look.peer(why)));
            format!("{title}{at}\n  {why}\n")
        }
        None => format!("{title} has {}{at}\n", number(count, "root")),
    };
    for source in &one.sources {
        text.push_str(&self::source(look, source));
    }
    for note in &one.notes {
        text.push_str(&format!("    ! {}\n", look.paint.as_(Meaning::Caution, &look.peer(note))));
    }
    losses(look, survey, &one.lost, &mut text);
    roots(look, survey, one, wide, &mut text);
    text
}

fn source(look: &Look, source: &sidelight_model::trust::effective::Source) -> String {
    let leads = source.leads_to.as_ref().map(|to| format!(" -> {}", look.peer(to))).unwrap_or_default();
    let (mark, meaning, what) = match &source.state {
        SourceState::Gives(count) => ("✓", Meaning::Good, number(*count, "root")),
        SourceState::Missing => ("·", Meaning::Faint, "not there".to_owned()),
        SourceState::Refused(error) => ("✗", Meaning::Bad, format!("refused: {}", look.peer(error))),
    };
    let why = look.paint.as_(Meaning::Faint, &format!("({})", look.peer(&source.why)));
    let mark = look.paint.as_(meaning, mark);
    format!("  {mark} {}{leads}  {}  {why}\n", look.peer(&source.path), look.paint.as_(meaning, &what))
}

/// What is lost, those with the same reason and file together.
fn losses(look: &Look, survey: &Survey, lost: &[Lost], text: &mut String) {
    let mut groups: BTreeMap<(&str, &str), Vec<&Lost>> = BTreeMap::new();
    for one in lost {
        groups.entry((one.file.as_str(), one.why.as_str())).or_default().push(one);
    }
    if groups.is_empty() {
        return;
    }
    text.push_str(&format!("  {}\n", look.paint.as_(Meaning::Strong, "It does not get")));
    let all = groups.len();
    for ((file, why), group) in groups.into_iter().take(MOST) {
        let names: Vec<&str> =
            group.iter().filter_map(|one| one.cert).take(2).map(|cert| root_name(survey.pool.get(cert))).collect();
        let what = match (names.as_slice(), group.len()) {
            ([name], 1) => look.peer(name),
            ([], _) => "what stands there".to_owned(),
            (names, count) => format!(
                "{} ({}{})",
                number(count, "root"),
                look.peer(&names.join(", ")),
                if count > 2 { ", …" } else { "" }
            ),
        };
        let line = group.iter().find_map(|one| one.line).map(|line| format!(":{line}")).unwrap_or_default();
        let silently = if group.iter().any(|one| one.silent) { ", and says nothing about it" } else { "" };
        let words = format!("✗ {what}: {}{line}: {}{silently}", look.peer(file), look.peer(why));
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Caution, &words)));
        if let Some(fix) = group.iter().find_map(|one| one.fix.as_ref()) {
            text.push_str(&format!("      {} {}\n", look.paint.as_(Meaning::Good, "fix:"), look.peer(fix)));
        }
    }
    if let Some(more) = all.checked_sub(MOST).filter(|more| *more > 0) {
        text.push_str(&format!("    and {more} more (--json has all)\n"));
    }
}

fn roots(look: &Look, survey: &Survey, one: &Effective, wide: bool, text: &mut String) {
    let mut rows: Vec<_> = one.roots.iter().map(|root| (survey.pool.get(root.cert), root)).collect();
    rows.sort_by_key(|(certificate, _)| root_name(certificate).to_lowercase());
    if !rows.is_empty() {
        text.push_str(&format!("  {}\n", look.paint.as_(Meaning::Strong, "Roots")));
    }
    for (certificate, root) in rows {
        let (mark, meaning) = if root.refused.is_some() { ("✗", Meaning::Bad) } else { (" ", Meaning::Plain) };
        let refused =
            root.refused.as_ref().map(|why| format!("  never accepted: {}", look.peer(why))).unwrap_or_default();
        let name = pad(&look.peer(root_name(certificate)), 48);
        let line = format!("  {mark} {name}  until {}{refused}", certificate.not_after.date());
        text.push_str(&format!("{}\n", look.paint.as_(meaning, &line)));
        if wide {
            let wide = format!("      sha256 {}  {}", certificate.sha256(), look.peer(&root.files.join(", ")));
            text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &wide)));
        }
    }
}

/// Which runtimes have any of the certificates.
pub(crate) fn who_has(look: &Look, all: &[Effective], certs: &[CertId]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let titles: Vec<String> = all.iter().map(|one| title(look, one)).collect();
    let width = titles.iter().map(|title| columns(title)).max().unwrap_or_default().min(32);
    let mut text = look.paint.as_(Meaning::Strong, "Programs") + "\n";
    for (one, title) in all.iter().zip(titles) {
        let (mark, meaning, words) = verdict(look, one, certs);
        text.push_str(&format!("    {} {}  {words}\n", look.paint.as_(meaning, mark), pad(&title, width)));
    }
    text
}

fn verdict(look: &Look, one: &Effective, certs: &[CertId]) -> (&'static str, Meaning, String) {
    if let Some(why) = &one.fails {
        return ("✗", Meaning::Bad, format!("trusts nobody: {}", look.peer(why)));
    }
    let root = certs.iter().filter_map(|cert| one.root(*cert)).min_by_key(|root| root.refused.is_some());
    if let Some(root) = root {
        let files = look.peer(&root.files.join(", "));
        return match &root.refused {
            None => ("✓", Meaning::Good, format!("has it from {files}")),
            Some(why) => ("✗", Meaning::Bad, format!("has it from {files} but never accepts it: {}", look.peer(why))),
        };
    }
    if let Some(lost) = certs.iter().find_map(|cert| one.loss(*cert)) {
        let line = lost.line.map(|line| format!(":{line}")).unwrap_or_default();
        let silently = if lost.silent { ", silently" } else { "" };
        let words = format!("loses it{silently}: {}{line}: {}", look.peer(&lost.file), look.peer(&lost.why));
        return ("✗", Meaning::Bad, words);
    }
    let read: Vec<String> = one
        .sources
        .iter()
        .filter(|source| matches!(source.state, SourceState::Gives(count) if count > 0))
        .map(|source| look.peer(&source.path))
        .collect();
    match read.len() {
        0 => ("✗", Meaning::Bad, "has no roots at all".to_owned()),
        _ => {
            let count = number(one.accepted().count(), "root");
            ("✗", Meaning::Bad, format!("has not: it reads {} ({count})", read.join(", ")))
        }
    }
}
