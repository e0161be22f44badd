//! What runtimes trust, as text. In: what was foretold for each. Out: how many roots and from where, what is lost first, with its fix.

use std::collections::BTreeMap;

use sidelight_model::trust::effective::{Effective, Lost, Source, SourceState};
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{CertId, Survey};

use super::super::Look;
use super::super::escape::{columns, pad};
use super::super::style::Meaning;
use super::shelf::number;

/// Most certificates of one loss that are named; `--json` has all.
const MOST_NAMES: usize = 3;

/// Most roots that are compared by name.
const MOST_COMPARED: usize = 20;

/// All runtimes that were asked for, and where they differ. `with_roots`: each root by name, too.
pub(crate) fn render(look: &Look, survey: &Survey, found: &[Effective], with_roots: bool) -> String {
    if found.is_empty() {
        let name = look.peer(&survey.source);
        return format!(
            "no program that uses TLS was found in {name}; name a runtime to apply its rules (`--as go`)\n"
        );
    }
    let mut text = String::new();
    for one in found {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&runtime(look, survey, one, with_roots));
    }
    let differences = differences(look, survey, found);
    if !differences.is_empty() {
        text.push_str(&format!("\n{differences}"));
    }
    text
}

fn runtime(look: &Look, survey: &Survey, one: &Effective, with_roots: bool) -> String {
    let mut text = format!("{}\n", head(look, one));
    text.push_str(&losses(look, survey, one));
    text.push_str(&refusals(look, survey, one));
    let width = one.sources.iter().map(|source| columns(&look.peer(&source.path))).max().unwrap_or(0);
    for source in &one.sources {
        text.push_str(&line(look, source, width));
    }
    for note in &one.notes {
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Faint, &format!("note: {}", look.peer(note)))));
    }
    if with_roots {
        for root in one.roots.iter().filter(|root| root.refused.is_none()) {
            let files: Vec<String> = root.files.iter().map(|file| look.peer(file)).collect();
            text.push_str(&format!(
                "    {}  {}\n",
                name(look, survey, root.cert),
                look.paint.as_(Meaning::Faint, &files.join(", "))
            ));
        }
    }
    text
}

/// `Go 1.27.3 (/app/server) has 142 roots`.
fn head(look: &Look, one: &Effective) -> String {
    let label = look.peer(&one.label);
    let version = one.version.as_deref().map(|version| look.peer(version.trim_start_matches("go")));
    let version =
        version.filter(|version| !label.contains(version.as_str())).map_or_else(String::new, |v| format!(" {v}"));
    let label = look.paint.as_(Meaning::Strong, &format!("{label}{version}"));
    let program = one.program.as_deref().map_or_else(String::new, |path| format!(" ({})", look.peer(path)));
    let accepted = one.accepted().count();
    match &one.fails {
        Some(why) => {
            let words = format!("✗ can verify nobody: {}", look.peer(why));
            format!("{label}{program} {}", look.paint.as_(Meaning::Bad, &words))
        }
        None if accepted == 0 => {
            format!("{label}{program} {}", look.paint.as_(Meaning::Bad, "✗ has no root, and trusts nobody"))
        }
        None => format!("{label}{program} has {}", number(accepted, "root")),
    }
}

/// What is lost, by file and cause.
fn losses(look: &Look, survey: &Survey, one: &Effective) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Lost>> = BTreeMap::new();
    for lost in &one.lost {
        groups.entry((&lost.file, &lost.why)).or_default().push(lost);
    }
    let mut text = String::new();
    for ((file, why), lost) in groups {
        let certs: Vec<CertId> = lost.iter().filter_map(|lost| lost.cert).collect();
        let what = match certs.as_slice() {
            [] => "something".to_owned(),
            certs => names(look, survey, certs),
        };
        let silently = if lost.iter().all(|lost| lost.silent) { "silently loses" } else { "loses" };
        let words = format!("! {silently} {what}");
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Caution, &words)));
        text.push_str(&format!("        {}: {}\n", look.peer(file), look.peer(why)));
        if let Some(fix) = lost.iter().find_map(|lost| lost.fix.as_ref()) {
            text.push_str(&format!("        fix: {}\n", look.peer(fix)));
        }
    }
    text
}

/// Roots that it has and never accepts.
fn refusals(look: &Look, survey: &Survey, one: &Effective) -> String {
    let refused = one.roots.iter().filter_map(|root| Some((root.cert, root.refused.as_deref()?)));
    let mut text = String::new();
    for (cert, why) in refused {
        let words = format!("! never accepts {}: {}", name(look, survey, cert), look.peer(why));
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Caution, &words)));
    }
    text
}

/// `reads /etc/ssl/certs  142  the default of …`.
fn line(look: &Look, source: &Source, width: usize) -> String {
    let path = pad(&look.peer(&source.path), width);
    let leads_to = source.leads_to.as_deref().map_or_else(String::new, |to| format!(" → {}", look.peer(to)));
    let (meaning, state) = match &source.state {
        SourceState::Gives(count) => (Meaning::Plain, count.to_string()),
        SourceState::Missing => (Meaning::Caution, "is not there".to_owned()),
        SourceState::Refused(why) => (Meaning::Bad, format!("refused: {}", look.peer(why))),
    };
    let why = look.paint.as_(Meaning::Faint, &format!("({})", look.peer(&source.why)));
    format!("    reads {path}{leads_to}  {}  {why}\n", look.paint.as_(meaning, &state))
}

/// Roots that some of the runtimes accept and others do not: those that are in no public program by name.
fn differences(look: &Look, survey: &Survey, found: &[Effective]) -> String {
    let mut by_root: BTreeMap<CertId, Vec<&Effective>> = BTreeMap::new();
    for one in found {
        for cert in one.accepted() {
            by_root.entry(cert).or_default().push(one);
        }
    }
    by_root.retain(|_, who| who.len() < found.len());
    let reference = Reference::builtin();
    let (private, public): (Vec<_>, Vec<_>) =
        by_root.into_iter().partition(|(cert, _)| reference.root(&survey.pool.get(*cert).sha256()).is_none());
    if private.is_empty() && public.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", look.paint.as_(Meaning::Strong, "Where they differ"));
    for (cert, who) in private.iter().take(MOST_COMPARED) {
        let with: Vec<String> = who.iter().map(|one| look.peer(&one.label)).collect();
        let without: Vec<String> = found
            .iter()
            .filter(|one| !who.iter().any(|with| std::ptr::eq(*with, *one)))
            .map(|one| look.peer(&one.label))
            .collect();
        text.push_str(&format!("    {}\n", name(look, survey, *cert)));
        text.push_str(&format!("        works with {}\n", with.join(", ")));
        text.push_str(&format!(
            "        {}\n",
            look.paint.as_(Meaning::Caution, &format!("not with {}", without.join(", ")))
        ));
    }
    if private.len() > MOST_COMPARED {
        text.push_str(&format!("    and {} more (--json has all)\n", private.len() - MOST_COMPARED));
    }
    if !public.is_empty() {
        text.push_str(&format!(
            "    {} that Mozilla has or had are not everywhere (--json names them)\n",
            number(public.len(), "root")
        ));
    }
    text
}

fn name(look: &Look, survey: &Survey, cert: CertId) -> String {
    look.peer(survey.pool.get(cert).short_name())
}

/// `ISRG Root X1, ISRG Root X2, GTS Root R1 and 9 more`.
fn names(look: &Look, survey: &Survey, certs: &[CertId]) -> String {
    let named: Vec<String> = certs.iter().take(MOST_NAMES).map(|cert| name(look, survey, *cert)).collect();
    match certs.len().checked_sub(MOST_NAMES) {
        Some(more) if more > 0 => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

/// Which runtimes accept one of the certificates that were looked for: a line for each.
pub(crate) fn who_has(look: &Look, found: &[Effective], certs: &[CertId]) -> String {
    let mut text = String::new();
    for one in found {
        let label = look.peer(&one.label);
        let root = certs.iter().find_map(|cert| one.root(*cert));
        let accepted = certs.iter().any(|cert| one.accepts(*cert)) && one.fails.is_none();
        let (meaning, words) = match (accepted, root) {
            (true, root) => {
                let files =
                    root.map(|root| root.files.iter().map(|file| look.peer(file)).collect::<Vec<_>>().join(", "));
                (Meaning::Good, format!("✓ {label}: yes, from {}", files.unwrap_or_default()))
            }
            (false, Some(root)) => {
                let why = root.refused.as_deref().or(one.fails.as_deref()).unwrap_or_default();
                (Meaning::Bad, format!("✗ {label}: has it, but {}", look.peer(why)))
            }
            (false, None) => (Meaning::Bad, format!("✗ {label}: no{}", reason(look, one, certs))),
        };
        text.push_str(&format!("    {}\n", look.paint.as_(meaning, &words)));
    }
    text
}

fn reason(look: &Look, one: &Effective, certs: &[CertId]) -> String {
    if let Some(lost) = certs.iter().find_map(|cert| one.loss(*cert)) {
        return format!("; {}: {}", look.peer(&lost.file), look.peer(&lost.why));
    }
    match one.fails.as_deref() {
        Some(why) => format!("; {}", look.peer(why)),
        None => {
            let read: Vec<String> = one.sources.iter().map(|source| look.peer(&source.path)).collect();
            if read.is_empty() { String::new() } else { format!("; it reads {}", read.join(", ")) }
        }
    }
}
