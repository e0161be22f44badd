//! Two sources' difference in trust as text. In: a difference. Out: the answer, then what differs by root, by store and by program.

use std::sync::Arc;

use sidelight_model::time::Timestamp;
use sidelight_model::trust::audit::certificate_name;
use sidelight_model::trust::diff::{Changed, Delta, Difference, ReaderDelta, Shares, StoreDelta};
use sidelight_model::x509::Certificate;

use super::super::style::Meaning;
use super::super::{Look, escape};

/// Roots of one kind that are told; `--all` and `--json` have all of them.
const MOST: usize = 20;
/// Roots that are told of one store or program.
const FEW: usize = 6;
/// Columns of a root's name.
const NAME: usize = 56;

/// What is compared, and how much is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// Names of both sources.
    pub(crate) names: [&'a str; 2],
    /// The time.
    pub(crate) now: Timestamp,
    /// Every root.
    pub(crate) all: bool,
}

/// Everything.
pub(crate) fn render(look: &Look, found: &Difference, shown: Shown<'_>) -> String {
    let mut text = head(look, found, shown);
    let most = if shown.all { usize::MAX } else { MOST };
    push_delta(look, &found.roots, most, "  ", &mut text);
    if !found.stores.is_empty() {
        text.push_str(&format!("\n{}\n", look.paint.as_(Meaning::Strong, "By store")));
        found.stores.iter().for_each(|store| push_store(look, store, (found, shown), &mut text));
    }
    if found.same_stores > 0 {
        let words = format!("  {} the same in both", super::super::count(found.same_stores as u64, "store"));
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &words)));
    }
    if !found.readers.is_empty() {
        text.push_str(&format!("\n{}\n", look.paint.as_(Meaning::Strong, "By program")));
        found.readers.iter().for_each(|reader| push_reader(look, reader, (found, shown), &mut text));
    }
    push_expiring(look, found, shown, most, &mut text);
    text
}

fn head(look: &Look, found: &Difference, shown: Shown<'_>) -> String {
    let [before, after] = shown.names.map(|name| look.peer(name));
    if found.is_empty() {
        let roots = super::super::count(found.roots.after as u64, "root");
        return format!(
            "{}\n",
            look.paint.as_(Meaning::Good, &format!("{before} and {after} trust the same: {roots}"))
        );
    }
    let counts = counts(&found.roots);
    let words = if found.roots.is_empty() {
        let roots = super::super::count(found.roots.after as u64, "root");
        format!("{before} and {after} hold the same {roots}, but not in the same places")
    } else {
        format!("{before} → {after}: {counts} ({} → {} roots)", found.roots.before, found.roots.after)
    };
    format!("{}\n", look.paint.as_(Meaning::Strong, &words))
}

/// `2 added, 1 removed, 1 changed`.
fn counts(delta: &Delta) -> String {
    let parts = [(delta.added.len(), "added"), (delta.removed.len(), "removed"), (delta.changed.len(), "changed")];
    let told: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if told.is_empty() { "the same".to_owned() } else { told.join(", ") }
}

fn push_delta(look: &Look, delta: &Delta, most: usize, indent: &str, text: &mut String) {
    push_roots(look, ("+", Meaning::Good), &delta.added, most, indent, text);
    push_roots(look, ("-", Meaning::Bad), &delta.removed, most, indent, text);
    for changed in delta.changed.iter().take(most) {
        push_changed(look, changed, indent, text);
    }
    push_more(look, delta.changed.len(), most, indent, text);
}

fn push_roots(
    look: &Look,
    sign: (&str, Meaning),
    roots: &[Arc<Certificate>],
    most: usize,
    indent: &str,
    text: &mut String,
) {
    for cert in roots.iter().take(most) {
        let name = escape::pad(&escape::fit(&look.peer(&certificate_name(cert)), NAME), NAME.min(longest(look, roots)));
        let about = format!("until {}  {}", cert.not_after.date(), &cert.sha256()[..16]);
        text.push_str(&format!(
            "{indent}{} {name}  {}\n",
            look.paint.as_(sign.1, sign.0),
            look.paint.as_(Meaning::Faint, &about)
        ));
    }
    push_more(look, roots.len(), most, indent, text);
}

fn longest(look: &Look, roots: &[Arc<Certificate>]) -> usize {
    roots.iter().map(|cert| escape::columns(&look.peer(&certificate_name(cert)))).max().unwrap_or_default()
}

fn push_more(look: &Look, number: usize, most: usize, indent: &str, text: &mut String) {
    if number > most {
        let words = format!("{indent}  … and {} more; --all shows them", number - most);
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &words)));
    }
}

fn push_changed(look: &Look, changed: &Changed, indent: &str, text: &mut String) {
    let name = escape::fit(&look.peer(&certificate_name(&changed.after)), NAME);
    let how = match changed.shares {
        Shares::Name => "same name, another key",
        Shares::Key => "same key, another certificate",
    };
    let side = |cert: &Certificate| format!("{} until {}", &cert.sha256()[..16], cert.not_after.date());
    let about = format!("{how}: {} → {}", side(&changed.before), side(&changed.after));
    text.push_str(&format!(
        "{indent}{} {name}  {}\n",
        look.paint.as_(Meaning::Caution, "~"),
        look.paint.as_(Meaning::Faint, &about)
    ));
}

fn push_store(look: &Look, store: &StoreDelta, (found, shown): (&Difference, Shown<'_>), text: &mut String) {
    let path = look.peer(&store.path);
    let [before, after] = shown.names.map(|name| look.peer(name));
    let words = match (store.in_before, store.in_after) {
        (true, false) => format!("  {path}: only in {before} ({} roots)", store.delta.before),
        (false, true) => format!("  {path}: only in {after} ({} roots)", store.delta.after),
        _ => format!("  {path}: {} ({} → {})", counts(&store.delta), store.delta.before, store.delta.after),
    };
    text.push_str(&format!("{words}\n"));
    if store.in_before && store.in_after && !is_told(found, &store.delta, text) {
        push_delta(look, &store.delta, if shown.all { usize::MAX } else { FEW }, "      ", text);
    }
}

fn push_reader(look: &Look, reader: &ReaderDelta, (found, shown): (&Difference, Shown<'_>), text: &mut String) {
    let [before, after] = shown.names.map(|name| look.peer(name));
    let words = match (&reader.before, &reader.after) {
        (Some(old), Some(new)) => {
            let name = if old == new { look.peer(new) } else { format!("{} → {}", look.peer(old), look.peer(new)) };
            format!("  {name}: {} ({} → {} roots)", counts(&reader.delta), reader.delta.before, reader.delta.after)
        }
        (Some(old), None) => format!("  {}: only in {before} ({} roots)", look.peer(old), reader.delta.before),
        (None, Some(new)) => format!("  {}: only in {after} ({} roots)", look.peer(new), reader.delta.after),
        (None, None) => return,
    };
    text.push_str(&format!("{words}\n"));
    if !is_told(found, &reader.delta, text) {
        push_delta(look, &reader.delta, if shown.all { usize::MAX } else { FEW }, "      ", text);
    }
}

/// Whether it is what differs over all stores; then that is said instead of telling it again.
fn is_told(found: &Difference, delta: &Delta, text: &mut String) -> bool {
    let same = !delta.is_empty()
        && (&delta.added, &delta.removed, &delta.changed)
            == (&found.roots.added, &found.roots.removed, &found.roots.changed);
    if same {
        text.truncate(text.trim_end().len());
        text.push_str(", as above\n");
    }
    same
}

fn push_expiring(look: &Look, found: &Difference, shown: Shown<'_>, most: usize, text: &mut String) {
    if found.expiring.is_empty() {
        return;
    }
    let title = format!("\nExpired or about to in {}", look.peer(shown.names[1]));
    text.push_str(&format!("{}\n", look.paint.as_(Meaning::Strong, &title)));
    for cert in found.expiring.iter().take(most) {
        let verb = if cert.not_after < shown.now { "expired on" } else { "expires on" };
        let name = escape::fit(&look.peer(&certificate_name(cert)), NAME);
        text.push_str(&format!(
            "  {} {name}: {verb} {}\n",
            look.paint.as_(Meaning::Caution, "!"),
            cert.not_after.date()
        ));
    }
    push_more(look, found.expiring.len(), most, "  ", text);
}
