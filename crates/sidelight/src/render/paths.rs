//! Paths to roots as text. In: an exploration, the verdict in words, what each client would say. Out: the answer in the first line, then
//! the best path as a tree from the root down, why other paths ended, and the clients grouped by what they say.

use std::fmt::Write as _;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::x509::Certificate;
use sidelight_model::x509::path::{End, Exploration, Origin, Path};

use super::style::Meaning;
use super::{Paint, certificate_fault, escape};
use crate::schema::trust_verify::{Client, Verdict};

/// Other paths that are shown.
const MOST_OTHERS: usize = 8;

/// What is shown beside the exploration.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The verdict, what to do, what else to know.
    pub(crate) finding: &'a Finding,
    /// Why each path ended, in words, in the order of the paths.
    pub(crate) endings: &'a [String],
    /// What clients would say.
    pub(crate) clients: &'a [Client],
}

/// The whole answer.
pub(crate) fn render(paint: Paint, exploration: &Exploration, answer: &Answer<'_>) -> String {
    let good = exploration.good_path().is_some();
    let (mark, meaning) = if good { ("✓", Meaning::Good) } else { ("✗", Meaning::Bad) };
    let finding = answer.finding;
    let mut text = format!("{} {}\n", paint.as_(meaning, mark), paint.as_(meaning, &escape::line(&finding.summary)));
    for warning in &finding.warnings {
        let _ = writeln!(text, "    {} {}", paint.as_(Meaning::Caution, "note:"), escape::line(warning));
    }
    for fix in &finding.fixes {
        let _ = writeln!(text, "    {} {}", paint.as_(Meaning::Good, "fix:"), escape::line(&fix.action));
        let _ = writeln!(text, "         {}", paint.as_(Meaning::Strong, &escape::line(&fix.how)));
    }
    if finding.cause != Cause::Ok {
        let _ = writeln!(text, "    {}", paint.as_(Meaning::Faint, &format!("cause: {}", finding.cause.code())));
    }
    if let Some(best) = exploration.best() {
        let _ = writeln!(text, "\n{}", if good { "path" } else { "nearest path" });
        tree(paint, exploration, best, answer.endings.first(), &mut text);
    }
    others(paint, exploration, answer.endings, &mut text);
    clients(paint, answer.clients, &mut text);
    text
}

/// From the root down to the leaf, each with what is wrong with it.
fn tree(paint: Paint, exploration: &Exploration, path: &Path, ending: Option<&String>, text: &mut String) {
    if path.end != End::Anchor {
        let _ = writeln!(text, "  {} {}", paint.as_(Meaning::Bad, "✗"), escape::line(ending.map_or("", |it| it)));
    }
    let depth_of_top = usize::from(path.end != End::Anchor);
    for (level, (position, number)) in path.certificates.iter().enumerate().rev().enumerate() {
        let faults: Vec<_> = path.faults.iter().filter(|found| found.position == position).collect();
        let level = level + depth_of_top;
        let branch = if level == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(level - 1)) };
        let (mark, meaning) = if faults.is_empty() { ("✓", Meaning::Good) } else { ("✗", Meaning::Bad) };
        let (name, about) = about(exploration, *number);
        let _ = writeln!(
            text,
            "  {branch}{} {}  {}",
            paint.as_(meaning, mark),
            escape::line(&name),
            paint.as_(Meaning::Faint, &escape::line(&about))
        );
        for found in faults {
            let words = escape::line(&certificate_fault::words(&found.fault));
            let _ = writeln!(text, "  {}     {}", "   ".repeat(level), paint.as_(Meaning::Bad, &words));
        }
    }
}

/// A certificate's name, and where it comes from, how long it is valid and its key.
fn about(exploration: &Exploration, number: usize) -> (String, String) {
    let known = &exploration.certificates[number];
    let strict = &known.certificate;
    let name = Certificate::parse(&strict.der).map(|parsed| parsed.short_name().to_owned()).unwrap_or_default();
    let name = if name.is_empty() { "(no subject)".to_owned() } else { name };
    let origin = match known.origin {
        Origin::Leaf => "leaf".to_owned(),
        Origin::Sent(index) => format!("chain[{index}]"),
        Origin::Anchor(_) => "root".to_owned(),
    };
    let trusted = if known.is_anchor && !matches!(known.origin, Origin::Anchor(_)) { ", trusted" } else { "" };
    let until = strict.not_after.at.date();
    (name, format!("{origin}{trusted}, {}, until {until}, sha256 {}", strict.key.kind, &strict.fingerprint()[..16]))
}

fn others(paint: Paint, exploration: &Exploration, endings: &[String], text: &mut String) {
    let rest: Vec<_> = exploration.paths.iter().zip(endings).skip(1).collect();
    if rest.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nother paths");
    for (path, ending) in rest.iter().take(MOST_OTHERS) {
        let names = path.certificates.iter().map(|number| about(exploration, *number).0);
        let names = names.collect::<Vec<_>>().join(" ← ");
        let (mark, meaning) = if path.is_good() { ("✓", Meaning::Good) } else { ("✗", Meaning::Caution) };
        let _ = writeln!(text, "  {} {}", paint.as_(meaning, mark), escape::line(&names));
        if !path.is_good() {
            let _ = writeln!(text, "      {}", escape::line(ending));
        }
    }
    if rest.len() > MOST_OTHERS {
        let _ = writeln!(text, "  and {} more; --json lists them", rest.len() - MOST_OTHERS);
    }
}

fn clients(paint: Paint, clients: &[Client], text: &mut String) {
    if clients.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nclients with these roots");
    let name = |client: &Client| format!("{}{}", client.client, if client.measured { "" } else { "*" });
    let accepting: Vec<_> = clients.iter().filter(|client| client.result == Verdict::Accept).map(name).collect();
    if !accepting.is_empty() {
        let _ = writeln!(text, "  {} {}", paint.as_(Meaning::Good, "✓"), accepting.join(", "));
    }
    let mut reasons: Vec<&str> = Vec::new();
    for client in clients.iter().filter(|client| client.result != Verdict::Accept) {
        if !reasons.contains(&client.reason.as_str()) {
            reasons.push(&client.reason);
        }
    }
    for reason in reasons {
        let who: Vec<_> = clients.iter().filter(|client| client.reason == reason).map(name).collect();
        let _ = writeln!(text, "  {} {}", paint.as_(Meaning::Bad, "✗"), who.join(", "));
        let _ = writeln!(text, "      {}", escape::line(reason));
    }
    if clients.iter().any(|client| !client.measured) {
        let _ = writeln!(text, "  * by its documentation; the others were measured");
    }
}
