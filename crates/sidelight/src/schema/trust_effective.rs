//! What `trust list --as --json` prints, and what `trust find` says of runtimes. In: what runtimes have. Out: serialisable values.

use serde::Serialize;
use sidelight_model::trust::effective::{Effective, Lost, SourceState};
use sidelight_model::trust::{CertId, Survey};

/// The document of `trust list --as --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Runtimes<'s> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    source: &'s str,
    runtimes: Vec<Runtime<'s>>,
    notes: &'s [String],
}

#[derive(Debug, Serialize)]
struct Runtime<'s> {
    runtime: &'static str,
    label: &'s str,
    version: Option<&'s str>,
    program: Option<&'s str>,
    sources: Vec<Source<'s>>,
    count: usize,
    roots: Vec<Root<'s>>,
    lost: Vec<Loss<'s>>,
    fails: Option<&'s str>,
    notes: &'s [String],
}

#[derive(Debug, Serialize)]
struct Source<'s> {
    path: &'s str,
    leads_to: Option<&'s str>,
    kind: &'static str,
    why: &'s str,
    /// `read`, `missing`, `refused`.
    state: &'static str,
    count: usize,
    error: Option<&'s str>,
}

#[derive(Debug, Serialize)]
struct Root<'s> {
    sha256: String,
    subject: &'s str,
    not_after: String,
    files: &'s [String],
    refused: Option<&'s str>,
}

#[derive(Debug, Serialize)]
struct Loss<'s> {
    sha256: Option<String>,
    subject: Option<&'s str>,
    file: &'s str,
    line: Option<usize>,
    why: &'s str,
    silent: bool,
    fix: Option<&'s str>,
}

/// Whether a runtime has what was looked for.
#[derive(Debug, Serialize)]
pub(crate) struct Has<'s> {
    runtime: &'static str,
    label: &'s str,
    version: Option<&'s str>,
    program: Option<&'s str>,
    has: bool,
    files: Vec<&'s str>,
    refused: Option<&'s str>,
    lost: Option<Loss<'s>>,
    count: usize,
}

impl<'s> Runtimes<'s> {
    /// The document.
    pub(crate) fn new(survey: &'s Survey, all: &'s [Effective]) -> Self {
        Self {
            v: 1,
            kind: "trust-effective",
            source: &survey.source,
            runtimes: all.iter().map(|one| Runtime::new(survey, one)).collect(),
            notes: &survey.notes,
        }
    }
}

impl<'s> Runtime<'s> {
    fn new(survey: &'s Survey, one: &'s Effective) -> Self {
        let root = |root: &'s sidelight_model::trust::effective::Root| {
            let certificate = survey.pool.get(root.cert);
            Root {
                sha256: certificate.sha256(),
                subject: &certificate.subject,
                not_after: certificate.not_after.rfc3339(),
                files: &root.files,
                refused: root.refused.as_deref(),
            }
        };
        Self {
            runtime: one.runtime.name(),
            label: &one.label,
            version: one.version.as_deref(),
            program: one.program.as_deref(),
            sources: one.sources.iter().map(Source::new).collect(),
            count: one.accepted().count(),
            roots: one.roots.iter().map(root).collect(),
            lost: one.lost.iter().map(|lost| Loss::new(survey, lost)).collect(),
            fails: one.fails.as_deref(),
            notes: &one.notes,
        }
    }
}

impl<'s> Source<'s> {
    fn new(source: &'s sidelight_model::trust::effective::Source) -> Self {
        let (state, count, error) = match &source.state {
            SourceState::Gives(count) => ("read", *count, None),
            SourceState::Missing => ("missing", 0, None),
            SourceState::Refused(error) => ("refused", 0, Some(error.as_str())),
        };
        let leads_to = source.leads_to.as_deref();
        Self { path: &source.path, leads_to, kind: source.kind.name(), why: &source.why, state, count, error }
    }
}

impl<'s> Loss<'s> {
    fn new(survey: &'s Survey, lost: &'s Lost) -> Self {
        let certificate = lost.cert.map(|cert| survey.pool.get(cert));
        Self {
            sha256: certificate.map(|certificate| certificate.sha256()),
            subject: certificate.map(|certificate| certificate.subject.as_str()),
            file: &lost.file,
            line: lost.line,
            why: &lost.why,
            silent: lost.silent,
            fix: lost.fix.as_deref(),
        }
    }
}

impl<'s> Has<'s> {
    /// What `one` says to any of `certs`.
    pub(crate) fn new(survey: &'s Survey, one: &'s Effective, certs: &[CertId]) -> Self {
        let root = certs.iter().filter_map(|cert| one.root(*cert)).min_by_key(|root| root.refused.is_some());
        Self {
            runtime: one.runtime.name(),
            label: &one.label,
            version: one.version.as_deref(),
            program: one.program.as_deref(),
            has: certs.iter().any(|cert| one.accepts(*cert)),
            files: root.map(|root| root.files.iter().map(String::as_str).collect()).unwrap_or_default(),
            refused: root.and_then(|root| root.refused.as_deref()),
            lost: certs.iter().find_map(|cert| one.loss(*cert)).map(|lost| Loss::new(survey, lost)),
            count: one.accepted().count(),
        }
    }
}
