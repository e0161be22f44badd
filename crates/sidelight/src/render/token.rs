//! Tokens and verdicts about them as text. In: a decoded token; what each generation says. Out: the answer of each generation in the first
//! lines, then the finding of each that refuses, with every check.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use sidelight_model::time::Timestamp;
use sidelight_model::token::{ALSO_REFUSED, Presented, State, go, kid};
use sidelight_sink::redact::Redactor;

use super::style::Meaning;
use super::{Look, Paint, escape, finding};
use crate::schema::token::{Judged, shown};

/// Verdicts.
pub(crate) fn verdicts(paint: Paint, all: &[Judged]) -> String {
    let mut text = String::new();
    if all.len() > 1 {
        for judged in all {
            summary(paint, judged, &mut text);
        }
        text.push('\n');
    }
    let look = Look {
        paint,
        width: None,
        zone: TimeZone::UTC,
        redactor: Redactor::default(),
        verbose: 0,
        quiet: false,
        body_limit: 0,
    };
    for (number, judged) in all.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        if judged.verdict.is_accepted() {
            let line = escape::line(&judged.finding.summary);
            let _ = writeln!(text, "{} {}", paint.as_(Meaning::Good, "✓"), paint.as_(Meaning::Good, &line));
            for warning in &judged.finding.warnings {
                let _ = writeln!(text, "    {} {}", paint.as_(Meaning::Caution, "note:"), escape::line(warning));
            }
        } else {
            // What else fails stands among the checks below.
            let mut finding = judged.finding.clone();
            finding.warnings.retain(|warning| !warning.starts_with(ALSO_REFUSED));
            text.push_str(&finding::render(&look, &finding, true));
        }
        checks(paint, judged, &mut text);
    }
    text
}

fn summary(paint: Paint, judged: &Judged, text: &mut String) {
    let verdict = &judged.verdict;
    let title = format!("registry {:<6}", verdict.generation.title());
    let Some(check) = verdict.decisive() else {
        let _ = writeln!(text, "{} {title} 200", paint.as_(Meaning::Good, "✓"));
        return;
    };
    let answer = match (verdict.status(), verdict.error()) {
        (None, _) => "does not start".to_owned(),
        (Some(status), Some(error)) => format!("{status} {error}"),
        (Some(status), None) => format!("{status} without error="),
    };
    let words = escape::line(&check.words);
    let _ = writeln!(text, "{} {title} {answer}: {words}", paint.as_(Meaning::Bad, "✗"));
}

fn checks(paint: Paint, judged: &Judged, text: &mut String) {
    let _ = writeln!(text, "    checks, in the registry's order:");
    let decisive = judged.verdict.decisive().map(|check| check.name);
    for check in &judged.verdict.checks {
        let (mark, meaning) = match check.state {
            State::Passed => ("✓", Meaning::Good),
            State::Failed => ("✗", Meaning::Bad),
            State::Open => ("?", Meaning::Caution),
        };
        let stop = if Some(check.name) == decisive { " (here it stops)" } else { "" };
        let words = escape::line(&check.words);
        let _ = writeln!(text, "      {} {:<11} {words}{stop}", paint.as_(meaning, mark), check.name.name());
    }
}

/// A token decoded; `now` is for how long ago it expired.
pub(crate) fn decoded(paint: Paint, token: &Presented, now: Timestamp) -> String {
    let mut text = String::new();
    let mut part = |name: &str, json: Option<&str>| {
        let _ = writeln!(text, "{}", paint.as_(Meaning::Strong, name));
        let Some(json) = json else {
            let _ = writeln!(text, "  cannot be read");
            return;
        };
        for line in format!("{:#}", shown(json)).lines() {
            let _ = writeln!(text, "  {}", escape::line(line));
        }
    };
    part("header", token.header_json.as_deref());
    part("claims", token.claims_json.as_deref());
    let claims = &token.claims;
    for (name, seconds) in [("issued", claims.issued_at), ("good from", claims.not_before), ("expires", claims.expires)]
    {
        if seconds != 0 {
            let over = if name == "expires" && seconds < now.as_secs() { "  (over)" } else { "" };
            let _ = writeln!(text, "{name} {}{over}", go::moment(seconds).replace(" +0000", ""));
        }
    }
    for access in claims.access.iter().take(64) {
        let _ = writeln!(text, "allows {}", escape::line(&access.to_string()));
    }
    if claims.access.is_empty() && token.claims_json.is_some() {
        let _ = writeln!(text, "allows nothing: `access` is empty or missing");
    }
    if !token.header.kid.is_empty() {
        for told in kid::shape(&token.header.kid) {
            let _ = writeln!(text, "kid: {}", escape::line(&told));
        }
    }
    let bytes = token.signature.reveal().len();
    let _ = writeln!(
        text,
        "{}",
        if bytes == 0 { "no signature".to_owned() } else { format!("signature of {bytes} bytes, not shown") }
    );
    let unread_by_3 = token.unread_by_3.as_ref().or(token.claims_unread_by_3.as_ref());
    for (registry, problem) in [("2.x", token.unread_by_2.as_ref()), ("3.x", unread_by_3)] {
        if let Some(problem) = problem {
            let why = if problem.is_empty() { "it has not three parts" } else { problem.as_str() };
            let mark = paint.as_(Meaning::Bad, "✗");
            let _ = writeln!(text, "{mark} registry {registry} does not read it: {}", escape::line(why));
        }
    }
    if token.header.jwk.as_ref().is_some_and(|jwk| jwk.is_private) {
        let mark = paint.as_(Meaning::Bad, "✗");
        let _ = writeln!(text, "{mark} its `jwk` is a private key: whoever saw the token can sign as the token server");
    }
    text
}
