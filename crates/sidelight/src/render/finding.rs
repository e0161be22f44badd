//! Findings as text. In: a finding. Out: the answer in its first line, then the evidence, then what to do, with exact commands.

use sidelight_model::finding::{Cause, Finding, Party};

use super::style::Meaning;
use super::{Look, escape};

/// Columns that a value needs beside its labels.
const LEAST_ROOM: usize = 30;

/// A finding; `grave` when something did not work because of it.
pub(crate) fn render(look: &Look, finding: &Finding, grave: bool) -> String {
    let (mark, meaning) = if grave { ("✗", Meaning::Bad) } else { ("!", Meaning::Caution) };
    let mut text = String::new();
    push_words(look, meaning, (mark, meaning), &look.peer(&finding.summary), &mut text);
    push_evidence(look, finding, &mut text);
    for warning in &finding.warnings {
        push_words(look, Meaning::Plain, ("    note:", Meaning::Caution), &look.peer(warning), &mut text);
    }
    for fix in &finding.fixes {
        push_words(look, Meaning::Plain, ("    fix:", Meaning::Good), &look.peer(&fix.action), &mut text);
        for line in fix.how.lines() {
            text.push_str(&format!("         {}\n", look.paint.as_(Meaning::Strong, &look.peer(line))));
        }
    }
    // Where nothing is wrong with TLS, there is no cause to name.
    if finding.cause != Cause::Ok {
        let code = format!("cause: {} (to change: {})", finding.cause.code(), party(finding.cause, finding.fault));
        text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Faint, &code)));
    }
    text
}

/// A label and words after it; further lines begin under the first word. Commands are not broken this way: they are copied.
fn push_words(look: &Look, meaning: Meaning, label: (&str, Meaning), words: &str, text: &mut String) {
    let indent = escape::columns(label.0) + 1;
    for (n, line) in escape::wrap(words, look.width.map(|width| width.saturating_sub(indent + 1))).iter().enumerate() {
        let start = if n == 0 { look.paint.as_(label.1, label.0) + " " } else { " ".repeat(indent) };
        text.push_str(&format!("{start}{}\n", look.paint.as_(meaning, line)));
    }
}

/// The evidence in columns. One of several lines goes on under its first.
fn push_evidence(look: &Look, finding: &Finding, text: &mut String) {
    let rows: Vec<[String; 2]> =
        finding.evidence().iter().map(|it| [look.peer(&it.what), look.peer(&it.place)]).collect();
    let width = |column: usize| rows.iter().map(|row| escape::columns(&row[column])).max().unwrap_or_default().min(32);
    let (what, place) = (width(0), width(1));
    for (row, evidence) in rows.iter().zip(finding.evidence()) {
        let mut start = format!("    {}  {}  ", escape::pad(&row[0], what), escape::pad(&row[1], place));
        let mut indent = " ".repeat(escape::columns(&start));
        // Where columns leave no room for the value, it goes below them.
        if look.width.is_some_and(|width| width < indent.len() + LEAST_ROOM) {
            let both = format!("{}  {}", row[0], row[1]);
            for line in escape::wrap(&both, look.width.map(|width| width.saturating_sub(5))) {
                text.push_str(&format!("    {}\n", look.paint.as_(Meaning::Faint, line.trim_end())));
            }
            indent = " ".repeat(8);
            start.clone_from(&indent);
        }
        let value = look.redactor.text(&evidence.value);
        let room = look.width.map(|width| width.saturating_sub(indent.len() + 1));
        let lines = value.lines().flat_map(|line| escape::wrap(&escape::line(line), room));
        for (n, line) in lines.enumerate() {
            let start = if n == 0 { look.paint.as_(Meaning::Faint, &start) } else { indent.clone() };
            text.push_str(format!("{start}{line}").trim_end());
            text.push('\n');
        }
    }
}

/// Who has to change something, in words.
pub(super) fn party(cause: Cause, fault: Party) -> &'static str {
    match fault {
        Party::Server if cause == Cause::RegistryKeysUnusable => "the registry",
        Party::Server if cause.code().starts_with("token_") => "the token server, or what the registry was told",
        Party::Server => "the service",
        Party::Client => "the client",
        Party::Network => "the network",
        Party::TrustStore => "the trust store",
        Party::Proxy => "the proxy",
        Party::None => "nothing",
    }
}
