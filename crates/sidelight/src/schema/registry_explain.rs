//! The shape of `registry explain --json`. In: an explanation. Out: a value; docs/json.md describes it.

use serde::Serialize;
use sidelight_model::registry::symptom::{Candidate, Explanation, Subject};

use crate::render::registry_explain::NEXT;

/// `"type":"registry_explanation"`.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    known: bool,
    image: Option<String>,
    host: Option<String>,
    client: Option<&'static str>,
    causes: Vec<Cause>,
    nearest: Vec<Near>,
}

/// One cause, the likeliest first.
#[derive(Debug, Serialize)]
struct Cause {
    cause: &'static str,
    fault: &'static str,
    likelihood: &'static str,
    summary: String,
    matched: String,
    printed_by: String,
    told_by: String,
    fix: Vec<Fix>,
    next: String,
}

#[derive(Debug, Serialize)]
struct Fix {
    #[serde(rename = "do")]
    action: String,
    how: String,
}

#[derive(Debug, Serialize)]
struct Near {
    cause: &'static str,
    message: String,
}

impl Document {
    /// The shape of an explanation.
    pub(crate) fn new(explanation: &Explanation<'_>) -> Self {
        let subject = &explanation.subject;
        let near = |it: &Candidate<'_>| Near { cause: it.entry.cause.code(), message: it.pattern.text.clone() };
        Self {
            v: 1,
            kind: "registry_explanation",
            known: !explanation.candidates.is_empty(),
            image: subject.image.as_ref().map(ToString::to_string),
            host: subject.host.clone(),
            client: subject.client.map(sidelight_model::registry::symptom::Client::name),
            causes: explanation.candidates.iter().map(|it| cause(it, subject)).collect(),
            nearest: explanation.nearest.iter().map(near).collect(),
        }
    }
}

fn cause(candidate: &Candidate<'_>, subject: &Subject) -> Cause {
    let entry = candidate.entry;
    let fix = |(action, how): &(String, String)| Fix { action: subject.sentence(action), how: subject.command(how) };
    Cause {
        cause: entry.cause.code(),
        fault: entry.cause.party().name(),
        likelihood: match candidate.pattern.weight {
            80.. => "likely",
            40..=79 => "possible",
            _ => "unlikely",
        },
        summary: subject.sentence(&entry.means),
        matched: candidate.pattern.text.clone(),
        printed_by: candidate.pattern.by.clone(),
        told_by: subject.sentence(&entry.seen),
        fix: entry.fixes.iter().map(fix).collect(),
        next: subject.command(entry.next.as_deref().unwrap_or(NEXT)),
    }
}
