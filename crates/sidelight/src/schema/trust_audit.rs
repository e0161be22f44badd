//! `sidelight trust audit`. In: a report and the survey it is of. Out: the document of `--json`, type `trust-audit`.

use serde::Serialize;
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Survey;
use sidelight_model::trust::audit::{Issue, Place, Reads, Report, Severity};
use sidelight_sink::redact::Redactor;

/// What is told beside the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// What was audited.
    pub(crate) survey: &'a Survey,
    /// Its programs.
    pub(crate) readers: &'a [Reads],
    /// The day of Mozilla's list.
    pub(crate) reference: &'a str,
    /// The time of validity.
    pub(crate) at: Timestamp,
    /// The severity from which on the answer is no.
    pub(crate) fail_on: Option<Severity>,
}

/// The whole document.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    v: u32,
    r#type: &'static str,
    source: String,
    image: Option<String>,
    at: String,
    /// The day of Mozilla's list.
    reference: String,
    fail_on: &'static str,
    failed: bool,
    counts: Counts,
    programs: Vec<Program>,
    issues: Vec<Item>,
    /// Issues left out by `--ignore`.
    ignored: usize,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Counts {
    critical: usize,
    error: usize,
    warn: usize,
    info: usize,
}

#[derive(Debug, Serialize)]
struct Program {
    name: String,
    runtime: &'static str,
    version: Option<String>,
    roots: usize,
}

/// One issue.
#[derive(Debug, Serialize)]
struct Item {
    check: &'static str,
    name: &'static str,
    severity: &'static str,
    /// Stays the same from one audit to the next.
    fingerprint: String,
    about: String,
    summary: String,
    certificates: Vec<Cert>,
    places: Vec<Spot>,
    affected: Vec<Affected>,
    evidence: Vec<Fact>,
    fix: Vec<Fix>,
}

#[derive(Debug, Serialize)]
struct Cert {
    subject: String,
    sha256: String,
    not_before: String,
    not_after: String,
}

#[derive(Debug, Serialize)]
struct Spot {
    path: String,
    line: Option<usize>,
    layer: Option<LayerOf>,
    /// Whether a later layer deleted or replaced it.
    deleted: bool,
}

#[derive(Debug, Serialize)]
struct LayerOf {
    index: usize,
    digest: Option<String>,
    created_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Affected {
    who: String,
    effect: String,
}

#[derive(Debug, Serialize)]
struct Fact {
    what: String,
    r#where: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Fix {
    r#do: String,
    how: String,
}

impl Document {
    /// The document of a report.
    pub(crate) fn new(report: &Report, around: Around<'_>, redactor: Redactor) -> Self {
        let programs = around.readers.iter().map(|reader| Program {
            name: reader.name.clone(),
            runtime: reader.runtime.name(),
            version: reader.version.clone(),
            roots: reader.roots.len(),
        });
        Self {
            v: 1,
            r#type: "trust-audit",
            source: around.survey.source.clone(),
            image: around.survey.image.clone(),
            at: around.at.rfc3339(),
            reference: around.reference.to_owned(),
            fail_on: around.fail_on.map_or("never", Severity::name),
            failed: report.worst() >= around.fail_on && around.fail_on.is_some() && report.worst().is_some(),
            counts: Counts {
                critical: report.count(Severity::Critical),
                error: report.count(Severity::Error),
                warn: report.count(Severity::Warn),
                info: report.count(Severity::Info),
            },
            programs: programs.collect(),
            issues: report.issues.iter().map(|issue| item(issue, around.survey, redactor)).collect(),
            ignored: report.ignored,
            notes: around.survey.notes.clone(),
        }
    }
}

fn item(issue: &Issue, survey: &Survey, redactor: Redactor) -> Item {
    let certs = issue.certs.iter().map(|id| survey.pool.get(*id)).map(|cert| Cert {
        subject: cert.subject.clone(),
        sha256: cert.sha256(),
        not_before: cert.not_before.rfc3339(),
        not_after: cert.not_after.rfc3339(),
    });
    let affected = issue.affected.iter().map(|it| Affected { who: it.who.clone(), effect: it.effect.clone() });
    let evidence = issue.evidence.iter().map(|it| Fact {
        what: it.what.clone(),
        r#where: it.place.clone(),
        value: redactor.text(&it.value),
    });
    Item {
        check: issue.check.code(),
        name: issue.check.name(),
        severity: issue.severity.name(),
        fingerprint: issue.fingerprint(),
        about: issue.about.clone(),
        summary: redactor.text(&issue.summary),
        certificates: certs.collect(),
        places: issue.places.iter().map(|place| spot(place, survey, redactor)).collect(),
        affected: affected.collect(),
        evidence: evidence.collect(),
        fix: issue.fixes.iter().map(|fix| Fix { r#do: fix.action.clone(), how: fix.how.clone() }).collect(),
    }
}

fn spot(place: &Place, survey: &Survey, redactor: Redactor) -> Spot {
    let layer = place.layer.map(|index| {
        let layer = survey.layers.get(index);
        LayerOf {
            index,
            digest: layer.and_then(|layer| layer.digest.clone().or_else(|| layer.diff_id.clone())),
            created_by: layer.and_then(|layer| layer.created_by.as_ref()).map(|line| redactor.text(line)),
        }
    });
    Spot { path: place.path.clone(), line: place.line, layer, deleted: place.hidden }
}
