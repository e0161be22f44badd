//! `trust list` as text. In: a survey. Out: its stores with their layer and faults, private keys, then each root once.

use std::collections::{BTreeMap, BTreeSet};

use sidelight_model::time::Timestamp;
use sidelight_model::trust::catalog::{Shelf, shelves};
use sidelight_model::trust::query::key_sha256;
use sidelight_model::trust::reference::{Reference, intruder};
use sidelight_model::trust::{CertId, Content, Survey};
use sidelight_model::x509::Certificate;

use super::super::Look;
use super::super::escape::{clip, columns, pad, pad_left};
use super::super::style::Meaning;
use super::shelf::{self, number};

/// Most faults of a store that are told here; `--json` has all.
const MOST_FAULTS: usize = 3;

/// Folders with fewer loose certificates are told file by file.
const FEW: usize = 4;

/// Columns of a root's name.
const NAME: usize = 52;

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'r> {
    /// Fingerprints too.
    pub(crate) wide: bool,
    /// The day on which roots are judged to have expired.
    pub(crate) now: Timestamp,
    /// Mozilla's list.
    pub(crate) reference: &'r Reference,
}

/// Everything.
pub(crate) fn render(look: &Look, survey: &Survey, shown: Shown<'_>) -> String {
    let all = shelves(survey);
    let (bundles, others): (Vec<_>, Vec<_>) = all.iter().filter(|it| !it.hidden).partition(|it| it.is_bundle());
    let mut text = format!("{}\n", head(look, survey, &bundles, &others));
    let mut sections = vec![
        stores(look, survey, &bundles),
        loose(look, survey, &others),
        hidden(look, survey, &all),
        keys(look, survey, &all),
        roots(look, survey, &bundles, &others, shown),
    ];
    sections.retain(|section| !section.is_empty());
    for section in sections {
        text.push('\n');
        text.push_str(&section);
    }
    text
}

/// The answer.
fn head(look: &Look, survey: &Survey, bundles: &[&Shelf<'_>], others: &[&Shelf<'_>]) -> String {
    let counted = if bundles.is_empty() { others } else { bundles };
    let roots: BTreeSet<CertId> = counted.iter().flat_map(|it| it.anchors()).map(|entry| entry.cert).collect();
    let name = look.paint.as_(Meaning::Strong, &look.peer(&survey.source));
    let mut about = Vec::new();
    about.extend(system(survey).map(|system| look.peer(&system)));
    about.extend(Some(look.peer(&survey.config.platform)).filter(|platform| !platform.is_empty()));
    if !survey.layers.is_empty() {
        about.push(number(survey.layers.len(), "layer"));
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    match bundles.len() {
        0 if !roots.is_empty() => {
            format!("{name} has {} in files by themselves, and no bundle of roots{about}", number(roots.len(), "root"))
        }
        0 => format!("{name} has no trust store: programs that bring no roots of their own trust nobody{about}"),
        stores => {
            let (roots, stores) = (number(roots.len(), "root"), number(stores, "store"));
            format!("{name} has {roots} in {stores}{about}")
        }
    }
}

/// `Debian GNU/Linux 12 (bookworm)`.
fn system(survey: &Survey) -> Option<String> {
    let file = survey.file("/etc/os-release").or_else(|| survey.file("/usr/lib/os-release"))?;
    let Content::Text(text) = &file.content else { return None };
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn stores(look: &Look, survey: &Survey, bundles: &[&Shelf<'_>]) -> String {
    if bundles.is_empty() {
        return String::new();
    }
    let rows: Vec<(&str, String)> = bundles.iter().map(|it| (shelf::form(it), shelf::size(it))).collect();
    let form = rows.iter().map(|row| columns(row.0)).max().unwrap_or_default();
    let size = rows.iter().map(|row| columns(&row.1)).max().unwrap_or_default();
    let mut text = look.paint.as_(Meaning::Strong, "Stores") + "\n";
    for (index, (it, row)) in bundles.iter().zip(&rows).enumerate() {
        let meaning = if it.store.faults.is_empty() { Meaning::Plain } else { Meaning::Caution };
        let start = format!("{:>4}  {}  {}", index + 1, pad(row.0, form), pad_left(&row.1, size));
        text.push_str(&format!("{}  {}\n", look.paint.as_(meaning, &start), shelf::name(look, it.file)));
        push_more(look, survey, it, &mut text);
    }
    text
}

/// Where a store comes from, and what is wrong with it.
fn push_more(look: &Look, survey: &Survey, it: &Shelf<'_>, text: &mut String) {
    if let Some(origin) = shelf::origin(look, survey, it.file) {
        text.push_str(&format!("      {}\n", look.paint.as_(Meaning::Faint, &origin)));
    }
    for fault in it.store.faults.iter().take(MOST_FAULTS) {
        let line = fault.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let what = format!("! {line}{}", look.peer(&fault.what));
        text.push_str(&format!("      {}\n", look.paint.as_(Meaning::Caution, &what)));
    }
    if let Some(more) = it.store.faults.len().checked_sub(MOST_FAULTS).filter(|more| *more > 0) {
        text.push_str(&format!("      ! and {more} more (--json has all)\n"));
    }
}

/// Certificates that are no bundle: many in one folder make one line.
fn loose(look: &Look, survey: &Survey, others: &[&Shelf<'_>]) -> String {
    let mut folders: BTreeMap<&str, Vec<&Shelf<'_>>> = BTreeMap::new();
    for it in others
        .iter()
        .filter(|it| !it.store.entries.is_empty() || (it.store.keys.is_empty() && !it.store.faults.is_empty()))
    {
        folders.entry(it.file.path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(it);
    }
    if folders.is_empty() {
        return String::new();
    }
    let mut text = look.paint.as_(Meaning::Strong, "Other certificates") + "\n";
    for (folder, files) in folders {
        let broken = files.iter().filter(|it| !it.store.faults.is_empty()).count();
        if files.len() >= FEW && broken == 0 {
            let certificates: usize = files.iter().map(|it| it.store.entries.len()).sum();
            let what = number(certificates, "certificate");
            let files = number(files.len(), "file");
            text.push_str(&format!("      {what} in {files} in {}/\n", look.peer(folder)));
            continue;
        }
        for it in files {
            let names: Vec<&str> =
                it.store.entries.iter().take(2).map(|entry| shelf::root_name(survey.pool.get(entry.cert))).collect();
            let more = if it.store.entries.len() > names.len() { ", …" } else { "" };
            let path = shelf::name(look, it.file);
            text.push_str(&format!(
                "      {path}  {}{more}\n",
                look.paint.as_(Meaning::Faint, &look.peer(&names.join(", ")))
            ));
            push_more(look, survey, it, &mut text);
        }
    }
    text
}

/// Stores of lower layers that are still in the image.
fn hidden(look: &Look, survey: &Survey, all: &[Shelf<'_>]) -> String {
    let hidden: Vec<_> = all.iter().filter(|it| it.hidden && !it.store.entries.is_empty()).collect();
    if hidden.is_empty() {
        return String::new();
    }
    let mut text = look.paint.as_(Meaning::Strong, "Replaced or removed by upper layers, still in the image") + "\n";
    for it in hidden.iter().take(20) {
        let origin = shelf::origin(look, survey, it.file).map(|origin| format!("  {origin}")).unwrap_or_default();
        let line = format!("{}  {}{origin}", shelf::size(it), look.peer(&it.file.path));
        text.push_str(&format!("      {}\n", look.paint.as_(Meaning::Faint, &line)));
    }
    if hidden.len() > 20 {
        text.push_str(&format!("      and {} more (--json has all)\n", hidden.len() - 20));
    }
    text
}

fn keys(look: &Look, survey: &Survey, all: &[Shelf<'_>]) -> String {
    let mut text = String::new();
    for it in all {
        for key in &it.store.keys {
            let place = match (key.line, &key.alias) {
                (Some(line), _) => format!("{}:{line}", look.peer(&it.file.path)),
                (None, Some(alias)) => format!("{} ({})", look.peer(&it.file.path), look.peer(alias)),
                (None, None) => look.peer(&it.file.path),
            };
            let guard = if key.encrypted { "under a password" } else { "not encrypted" };
            let gone = if it.hidden { ", replaced or removed later, still in the image" } else { "" };
            let origin = shelf::origin(look, survey, it.file).map(|origin| format!("  {origin}")).unwrap_or_default();
            let meaning = if key.encrypted { Meaning::Caution } else { Meaning::Bad };
            let mark = if key.encrypted { "!" } else { "✗" };
            let line = format!("    {mark} {place}  {}, {guard}{gone}", look.peer(&key.form));
            text.push_str(&format!("{}{}\n", look.paint.as_(meaning, &line), look.paint.as_(Meaning::Faint, &origin)));
        }
    }
    if text.is_empty() { text } else { look.paint.as_(Meaning::Strong, "Private keys") + "\n" + &text }
}

/// Each root once, with the numbers of the stores that have it.
fn roots(look: &Look, survey: &Survey, bundles: &[&Shelf<'_>], others: &[&Shelf<'_>], shown: Shown<'_>) -> String {
    let mut places: BTreeMap<CertId, BTreeSet<usize>> = BTreeMap::new();
    for (index, it) in bundles.iter().enumerate() {
        for entry in it.anchors() {
            places.entry(entry.cert).or_default().insert(index + 1);
        }
    }
    if bundles.is_empty() {
        for entry in others.iter().flat_map(|it| it.anchors()) {
            places.entry(entry.cert).or_default();
        }
    }
    if places.is_empty() {
        return String::new();
    }
    let mut rows: Vec<(&Certificate, BTreeSet<usize>)> =
        places.into_iter().map(|(id, numbers)| (survey.pool.get(id).as_ref(), numbers)).collect();
    rows.sort_by_key(|(certificate, _)| (shelf::root_name(certificate).to_lowercase(), certificate.not_after));
    let title = format!("Roots (beside Mozilla's list of {})", shown.reference.as_of);
    let mut text = look.paint.as_(Meaning::Strong, &title) + "\n";
    for (certificate, numbers) in rows {
        text.push_str(&root(look, certificate, &numbers, bundles.len(), shown));
    }
    text
}

fn root(look: &Look, certificate: &Certificate, numbers: &BTreeSet<usize>, stores: usize, shown: Shown<'_>) -> String {
    let name = look.peer(shelf::root_name(certificate));
    let name = if look.width.is_some() { clip(&name, NAME) } else { name };
    let (remark, meaning) = remark(certificate, shown);
    let stores = match numbers.len() {
        0 => String::new(),
        all if all == stores => "  in all".to_owned(),
        _ => format!("  in {}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    };
    let mark = if meaning == Meaning::Plain { " " } else { "!" };
    let line =
        format!("    {} {}  until {}", look.paint.as_(meaning, mark), pad(&name, NAME), certificate.not_after.date());
    let remark = if remark.is_empty() { remark } else { format!("  {}", look.paint.as_(meaning, &look.peer(&remark))) };
    let mut text = format!("{line}{}{remark}\n", look.paint.as_(Meaning::Faint, &stores));
    if shown.wide {
        let wide = format!("        sha256 {}\n        key    {}\n", certificate.sha256(), key_sha256(certificate));
        text.push_str(&look.paint.as_(Meaning::Faint, &wide));
    }
    text
}

/// What is odd about a root.
fn remark(certificate: &Certificate, shown: Shown<'_>) -> (String, Meaning) {
    if let Some(intruder) = intruder(certificate) {
        return (format!("private CA: {}", intruder.who), Meaning::Caution);
    }
    if certificate.not_after < shown.now {
        return ("expired".to_owned(), Meaning::Caution);
    }
    match shown.reference.root(&certificate.sha256()) {
        Some(root) => match (&root.removed, &root.distrust_after) {
            (Some(day), _) if root.removed_by => (format!("Mozilla removed it by {day}"), Meaning::Caution),
            (Some(day), _) => (format!("Mozilla removed it on {day}"), Meaning::Caution),
            (None, Some(day)) => (format!("Mozilla trusts only what it issued up to {day}"), Meaning::Caution),
            (None, None) => (String::new(), Meaning::Plain),
        },
        None if shown.reference.root_by_key(&certificate.public_key).is_some() => {
            ("another certificate of a key that Mozilla has".to_owned(), Meaning::Plain)
        }
        None => ("not in Mozilla's list, now or before".to_owned(), Meaning::Caution),
    }
}
