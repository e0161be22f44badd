//! What a check found, in words. In: a report. Out: the answer, the steps, what the client would print, what was odd.

use super::style::Meaning;
use super::{Look, escape, finding};
use crate::commands::registry_check::{Report, State, Step, Way};

/// The whole answer.
pub(crate) fn render(look: &Look, report: &Report) -> String {
    let mut text = String::new();
    if let Some(way) = report.decisive() {
        if way.is_good() {
            let words = format!("✓ {}", look.peer(&way.finding.summary));
            text.push_str(&format!("{}\n", look.paint.as_(Meaning::Good, &words)));
        } else {
            text.push_str(&finding::render(look, &way.finding, true));
        }
        if let Some(prints) = report.prints() {
            labelled(look, (&format!("    {} prints such as:", report.client), Meaning::Faint), prints, &mut text);
        }
    }
    for way in &report.ways {
        steps(look, way, report.ways.len() > 1, &mut text);
    }
    for note in &report.notes {
        labelled(look, ("    note:", Meaning::Caution), note, &mut text);
    }
    let mut read = report.read.clone();
    read.extend(report.environment_of.clone());
    if !read.is_empty() {
        labelled(look, ("    settings:", Meaning::Faint), &read.join(", "), &mut text);
    }
    text
}

fn steps(look: &Look, way: &Way, names: bool, text: &mut String) {
    if names {
        let what = if way.is_mirror { "mirror" } else { "registry" };
        text.push_str(&format!("  {what} {}\n", look.paint.as_(Meaning::Strong, &look.peer(&way.place))));
    }
    if let Some(why) = &way.insecure {
        let words = format!("certificates of {} are not verified: {why}", way.place);
        labelled(look, ("    note:", Meaning::Caution), &words, text);
    }
    let head = |step: &Step| format!("{} {}", step.name, look.peer(&step.at));
    let width = way.steps.iter().map(|step| escape::columns(&head(step))).max().unwrap_or_default().min(48);
    for step in &way.steps {
        let (mark, meaning) = match step.state {
            State::Good => ("✓", Meaning::Good),
            State::Odd => ("!", Meaning::Caution),
            State::Bad => ("✗", Meaning::Bad),
        };
        let party = if step.party == "registry" { String::new() } else { format!("{}: ", step.party) };
        let start = format!("    {} {}  ", look.paint.as_(meaning, mark), escape::pad(&head(step), width));
        let indent = 8 + width;
        let room = look.width.map(|width| width.saturating_sub(indent + 1));
        for (n, line) in escape::wrap(&look.peer(&format!("{party}{}", step.words)), room).iter().enumerate() {
            let start = if n == 0 { start.clone() } else { " ".repeat(indent) };
            text.push_str(format!("{start}{line}").trim_end());
            text.push('\n');
        }
    }
}

fn labelled(look: &Look, label: (&str, Meaning), words: &str, text: &mut String) {
    let indent = escape::columns(label.0) + 1;
    let room = look.width.map(|width| width.saturating_sub(indent + 1));
    for (n, line) in escape::wrap(&look.peer(words), room).iter().enumerate() {
        let start = if n == 0 { look.paint.as_(label.1, label.0) + " " } else { " ".repeat(indent) };
        text.push_str(&format!("{start}{line}\n"));
    }
}
