//! An audit as text. In: a report and the survey it is of. Out: the answer in its first line, then each issue, worst first, with where,
//! who is affected, evidence and fix. Remarks are told in one line each, unless all is asked for.

use std::collections::BTreeSet;

use sidelight_model::trust::Survey;
use sidelight_model::trust::audit::{CONFIG, Issue, Place, Report, Severity};

use super::super::style::Meaning;
use super::super::{Look, escape};
use crate::schema::trust_audit::Around;

/// Lines of evidence, places and programs of one issue; `--all` and `--json` have all of them.
const MOST: usize = 6;
/// The same of a warning.
const MOST_OF_A_WARNING: usize = 3;
/// Columns of one fact; `--all` and `--json` have all of it.
const LONGEST: usize = 160;
/// Columns of the first two columns of evidence.
const WIDEST: usize = 40;

/// Everything.
pub(crate) fn render(look: &Look, report: &Report, around: Around<'_>, all: bool) -> String {
    let mut text = head(look, report, around);
    let mut told = BTreeSet::new();
    for issue in report.issues.iter().filter(|issue| all || issue.severity != Severity::Info) {
        text.push('\n');
        push_issue(look, issue, around.survey, all, &mut text);
        push_fixes(look, issue, &mut told, &mut text);
    }
    let remarks: Vec<&Issue> = report.issues.iter().filter(|issue| issue.severity == Severity::Info).collect();
    if !all && !remarks.is_empty() {
        text.push('\n');
        for issue in remarks {
            push_words(
                look,
                Meaning::Plain,
                ("·", Meaning::Faint),
                &label(look, issue),
                &look.peer(&issue.summary),
                &mut text,
            );
        }
    }
    push_foot(look, report, around, all, &mut text);
    text
}

/// The answer.
fn head(look: &Look, report: &Report, around: Around<'_>) -> String {
    let source = look.peer(&around.survey.source);
    let counts: Vec<String> = [
        (Severity::Critical, "critical issue"),
        (Severity::Error, "error"),
        (Severity::Warn, "warning"),
        (Severity::Info, "remark"),
    ]
    .iter()
    .map(|(severity, word)| (report.count(*severity), *severity, word))
    .filter(|(number, ..)| *number > 0)
    .map(|(number, severity, word)| {
        format!("{}{}", super::super::count(number as u64, word), headings(report, severity))
    })
    .collect();
    let (meaning, words) = match report.worst() {
        None => (Meaning::Good, format!("{source}: nothing is wrong with its trust")),
        Some(Severity::Info) => {
            (Meaning::Good, format!("{source}: nothing is wrong with its trust; {}", counts.join(", ")))
        }
        Some(Severity::Warn) => (Meaning::Caution, format!("{source}: {}", counts.join(", "))),
        Some(_) => (Meaning::Bad, format!("{source}: {}", counts.join(", "))),
    };
    let lines = escape::wrap(&words, look.width);
    lines.iter().map(|line| format!("{}\n", look.paint.as_(meaning, line))).collect()
}

/// What the issues of a severity are about: ` (private keys, expired roots)`. Remarks are not worth it.
fn headings(report: &Report, severity: Severity) -> String {
    if severity == Severity::Info {
        return String::new();
    }
    let mut words: Vec<&str> = Vec::new();
    for issue in report.issues.iter().filter(|issue| issue.severity == severity) {
        if !words.contains(&issue.check.heading()) {
            words.push(issue.check.heading());
        }
    }
    format!(" ({})", words.join(", "))
}

const fn mark(severity: Severity) -> (&'static str, Meaning) {
    match severity {
        Severity::Critical | Severity::Error => ("✗", Meaning::Bad),
        Severity::Warn => ("!", Meaning::Caution),
        Severity::Info => ("·", Meaning::Faint),
    }
}

/// `T13 critical`, at the start of an issue.
fn label(look: &Look, issue: &Issue) -> String {
    let words = match issue.severity {
        Severity::Critical => format!("{} critical", issue.check.code()),
        _ => issue.check.code().to_owned(),
    };
    look.paint.as_(Meaning::Faint, &words)
}

fn push_issue(look: &Look, issue: &Issue, survey: &Survey, all: bool, text: &mut String) {
    let (sign, meaning) = mark(issue.severity);
    push_words(look, meaning, (sign, meaning), &label(look, issue), &look.peer(&issue.summary), text);
    let most = match issue.severity {
        _ if all => usize::MAX,
        Severity::Critical | Severity::Error => MOST,
        _ => MOST_OF_A_WARNING,
    };
    let mut rows: Vec<[String; 3]> = Vec::new();
    // A place that a fact names is told with the fact, unless the place says more.
    let mut factual: Vec<&Place> = issue.places.iter().filter(|place| !is_told(issue, place)).collect();
    if !all {
        let mut seen = BTreeSet::new();
        factual.retain(|place| seen.insert((&place.path, place.layer)));
    }
    for place in factual.iter().take(most) {
        rows.push(["where".to_owned(), at(look, place), layer(look, place, survey)]);
    }
    push_more(&mut rows, factual.len(), most, "place");
    push_affected(look, issue, all, &mut rows);
    for evidence in issue.evidence.iter().take(most) {
        let told = matches!(&issue.places[..], [one] if one.path == evidence.place);
        let place = if told { String::new() } else { look.peer(&evidence.place) };
        let value = look.peer(&evidence.value);
        let value = if all { value } else { escape::clip(&value, LONGEST) };
        rows.push([look.peer(&evidence.what), place, value]);
    }
    push_more(&mut rows, issue.evidence.len(), most, "fact");
    push_rows(look, &rows, text);
}

/// What to do, each command once: one that mends several issues is only named again.
fn push_fixes<'r>(look: &Look, issue: &'r Issue, told: &mut BTreeSet<(&'r str, &'r str)>, text: &mut String) {
    for fix in &issue.fixes {
        let is_new = told.insert((&fix.action, &fix.how));
        let words = look.peer(&fix.action) + if is_new { "" } else { ", as above" };
        let words = escape::wrap(&words, look.width.map(|width| width.saturating_sub(10)));
        for (n, line) in words.iter().enumerate() {
            let start =
                if n == 0 { format!("    {}", look.paint.as_(Meaning::Good, "fix:")) } else { "        ".to_owned() };
            text.push_str(&format!("{start} {line}\n"));
        }
        for line in fix.how.lines().filter(|_| is_new) {
            text.push_str(&format!("         {}\n", look.paint.as_(Meaning::Strong, &look.peer(line))));
        }
    }
}

/// Whether a fact says where already: of several places, where no layer or line has to be told.
fn is_told(issue: &Issue, place: &Place) -> bool {
    let plain = place.layer.is_none() && !place.hidden;
    plain && issue.places.len() > 1 && issue.evidence.iter().any(|evidence| evidence.place == place.path)
}

/// One row for each effect, with all whom it has it on.
fn push_affected(look: &Look, issue: &Issue, all: bool, rows: &mut Vec<[String; 3]>) {
    let mut effects: Vec<(&str, Vec<String>)> = Vec::new();
    for affected in &issue.affected {
        match effects.iter_mut().find(|(effect, _)| *effect == affected.effect) {
            Some((_, who)) => who.push(look.peer(&affected.who)),
            None => effects.push((&affected.effect, vec![look.peer(&affected.who)])),
        }
    }
    for (effect, who) in effects {
        match &who[..] {
            [one] => rows.push(["affects".to_owned(), one.clone(), look.peer(effect)]),
            _ => {
                rows.push(["affects".to_owned(), String::new(), format!("{}: {}", look.peer(effect), some(&who, all))])
            }
        }
    }
}

/// Names, the first ones alone unless all are asked for.
fn some(names: &[String], all: bool) -> String {
    let most = if all { usize::MAX } else { MOST };
    let rest = names.len().saturating_sub(most);
    let told = names.iter().take(most).cloned().collect::<Vec<String>>().join(", ");
    if rest == 0 { told } else { format!("{told} and {rest} more") }
}

fn push_more(rows: &mut Vec<[String; 3]>, number: usize, most: usize, what: &str) {
    if number > most {
        let more = super::super::count((number - most) as u64, &format!("more {what}"));
        rows.push([String::new(), format!("… and {more}; --all shows all"), String::new()]);
    }
}

fn at(look: &Look, place: &Place) -> String {
    let path = if place.path == CONFIG { "the image's configuration".to_owned() } else { look.peer(&place.path) };
    place.line.map_or_else(|| path.clone(), |line| format!("{path}:{line}"))
}

/// `layer 2, deleted later: RUN apk add …`.
fn layer(look: &Look, place: &Place, survey: &Survey) -> String {
    let Some(index) = place.layer else { return String::new() };
    let line = survey.layers.get(index).and_then(|layer| layer.created_by.as_deref()).unwrap_or_default();
    let line = line
        .trim()
        .trim_start_matches("/bin/sh -c")
        .trim_start_matches(" #(nop)")
        .trim()
        .trim_end_matches("# buildkit")
        .trim();
    let deleted = if place.hidden { ", deleted later" } else { "" };
    let line = if line.is_empty() { String::new() } else { format!(": {}", escape::clip(&look.peer(line), 100)) };
    format!("layer {}{deleted}{line}", index + 1)
}

/// A sign, a label, and words after them; further lines begin under the first word.
fn push_words(look: &Look, meaning: Meaning, sign: (&str, Meaning), label: &str, words: &str, text: &mut String) {
    let indent = 2;
    let lines = escape::wrap(words, look.width.map(|width| width.saturating_sub(indent + 13)));
    for (n, line) in lines.iter().enumerate() {
        let start =
            if n == 0 { format!("{} {label} ", look.paint.as_(sign.1, sign.0)) } else { " ".repeat(indent + 4) };
        text.push_str(&format!("{start}{}\n", look.paint.as_(meaning, line)));
    }
}

/// Three columns; the last is broken to the width.
fn push_rows(look: &Look, rows: &[[String; 3]], text: &mut String) {
    let column = |index: usize| {
        let whole = rows.iter().filter(|row| !row[2].is_empty() || index == 0);
        whole.map(|row| escape::columns(&row[index])).max().unwrap_or_default().min(WIDEST)
    };
    let (first, second) = (column(0), column(1));
    let mut last = "";
    for row in rows {
        let what = if row[0] == last && matches!(last, "where" | "affects") { "" } else { &row[0] };
        last = &row[0];
        let middle = if second == 0 && row[1].is_empty() {
            String::new()
        } else {
            format!("{}  ", escape::pad(&row[1], second))
        };
        let start = format!("    {}  {middle}", escape::pad(what, first));
        let indent = escape::columns(&start).min(4 + WIDEST);
        let room = look.width.map(|width| width.saturating_sub(indent + 1));
        let beside = look.width.is_none_or(|width| escape::columns(&start) + 20 < width);
        let lines: Vec<String> = row[2].lines().flat_map(|line| escape::wrap(line, room)).collect();
        let painted = look.paint.as_(Meaning::Faint, start.trim_end());
        match lines.split_first() {
            Some((head, tail)) if beside => {
                text.push_str(format!("{}{head}", look.paint.as_(Meaning::Faint, &start)).trim_end());
                text.push('\n');
                tail.iter().for_each(|line| {
                    text.push_str(&format!("{}{line}\n", " ".repeat(escape::columns(&start).min(indent))))
                });
            }
            _ => {
                text.push_str(&format!("{painted}\n"));
                lines.iter().for_each(|line| text.push_str(&format!("        {line}\n")));
            }
        }
    }
}

fn push_foot(look: &Look, report: &Report, around: Around<'_>, all: bool, text: &mut String) {
    let mut words = vec![format!("Mozilla's list of {}", around.reference)];
    if around.readers.is_empty() {
        words.push("no program of the image is known".to_owned());
    } else {
        let names: Vec<String> = around.readers.iter().map(|reader| look.peer(&reader.name)).collect();
        words.push(format!("programs: {}", some(&names, all)));
    }
    if report.ignored > 0 {
        words.push(format!("{} ignored", super::super::count(report.ignored as u64, "issue")));
    }
    if !all && report.count(Severity::Info) > 0 {
        words.push("--all tells more of the remarks".to_owned());
    }
    text.push('\n');
    for line in escape::wrap(&words.join("; "), look.width) {
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Faint, &line)));
    }
    for note in &around.survey.notes {
        text.push_str(&format!("{} {}\n", look.paint.as_(Meaning::Caution, "note:"), look.peer(note)));
    }
}
