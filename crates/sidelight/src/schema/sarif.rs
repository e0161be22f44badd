//! An audit as SARIF, for code scanning. In: a report. Out: a log of one run. Spec: SARIF 2.1.0 (OASIS).
//! Paths are relative to the root of the image; what stands in its configuration is at `config.json`.

use serde_json::{Value, json};
use sidelight_model::trust::audit::{CONFIG, Check, Issue, Place, Report, Severity};
use sidelight_sink::redact::Redactor;

use super::trust_audit::Around;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HELP: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/audit.md");

/// What the paths are relative to.
const ROOT: &str = "IMAGE";

/// Most places of one result.
const MOST_PLACES: usize = 20;

/// The log.
pub(crate) fn log(report: &Report, around: Around<'_>, redactor: Redactor) -> Value {
    let rules: Vec<Value> = Check::ALL.iter().map(|check| rule(*check)).collect();
    let results: Vec<Value> = report.issues.iter().map(|issue| result(issue, around, redactor)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sidelight",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "automationDetails": {"id": format!("trust-audit/{}", around.survey.source)},
            "originalUriBaseIds": {ROOT: {"description": {"text": format!("the root of {}", around.survey.source)}}},
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {
                "source": around.survey.source,
                "image": around.survey.image,
                "at": around.at.rfc3339(),
                "reference": around.reference,
            },
        }],
    })
}

fn rule(check: Check) -> Value {
    json!({
        "id": check.code(),
        "name": check.name(),
        "shortDescription": {"text": check.meaning()},
        "helpUri": format!("{HELP}#{}", check.code().to_ascii_lowercase()),
        "properties": {"tags": ["security", "trust"]},
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::Error => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

fn result(issue: &Issue, around: Around<'_>, redactor: Redactor) -> Value {
    let certificates: Vec<String> = issue.certs.iter().map(|id| around.survey.pool.get(*id).sha256()).collect();
    let affected: Vec<String> = issue.affected.iter().map(|it| format!("{}: {}", it.who, it.effect)).collect();
    let places: Vec<Value> =
        issue.places.iter().take(MOST_PLACES).map(|place| location(place, around, redactor)).collect();
    // Code scanning shows nothing that is nowhere.
    let places = if places.is_empty() { vec![location(&Place::config(), around, redactor)] } else { places };
    let index = Check::ALL.iter().position(|check| *check == issue.check);
    json!({
        "ruleId": issue.check.code(),
        "ruleIndex": index,
        "level": level(issue.severity),
        "message": {"text": message(issue, redactor)},
        "locations": places,
        "partialFingerprints": {"sidelight/v1": issue.fingerprint()},
        "properties": {"severity": issue.severity.name(), "certificates": certificates, "affected": affected},
    })
}

/// The summary, who is affected, and what to do first.
fn message(issue: &Issue, redactor: Redactor) -> String {
    let mut text = redactor.text(&issue.summary);
    for affected in &issue.affected {
        text.push_str(&format!("\n{}: {}", affected.who, affected.effect));
    }
    if let Some(fix) = issue.fixes.first() {
        text.push_str(&format!("\nFix: {}: {}", fix.action, fix.how));
    }
    text
}

fn location(place: &Place, around: Around<'_>, redactor: Redactor) -> Value {
    let path = if place.path == CONFIG { "config.json" } else { place.path.trim_start_matches('/') };
    let mut physical = json!({"artifactLocation": {"uri": uri(path), "uriBaseId": ROOT}});
    if let Some(line) = place.line {
        physical["region"] = json!({"startLine": line});
    }
    let mut location = json!({"physicalLocation": physical});
    if let Some(index) = place.layer {
        let made = around.survey.layers.get(index).and_then(|layer| layer.created_by.as_deref()).unwrap_or_default();
        let deleted = if place.hidden { ", deleted in a later layer" } else { "" };
        let text = format!("layer {}{deleted}: {}", index + 1, redactor.text(made));
        location["message"] = json!({"text": text});
    }
    location
}

/// A path as the path of a URI. Spec: RFC 3986 §3.3.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
