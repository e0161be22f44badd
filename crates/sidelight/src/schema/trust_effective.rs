//! What `trust list --as … --json` prints. In: what was foretold for each runtime. Out: serialisable values.

use serde::Serialize;
use sidelight_model::trust::effective::{Effective, SourceState};
use sidelight_model::trust::{CertId, Survey};

/// The document: each runtime that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    source: &'a str,
    image: Option<&'a str>,
    runtimes: Vec<Runtime<'a>>,
}

/// One runtime.
#[derive(Debug, Serialize)]
pub(crate) struct Runtime<'a> {
    runtime: &'static str,
    label: &'a str,
    version: Option<&'a str>,
    program: Option<&'a str>,
    /// Roots by which it accepts chains.
    count: usize,
    fails: Option<&'a str>,
    sources: Vec<Source<'a>>,
    lost: Vec<Lost<'a>>,
    roots: Vec<Root<'a>>,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    path: &'a str,
    leads_to: Option<&'a str>,
    kind: &'static str,
    why: &'a str,
    /// `read`, `missing` or `refused`.
    state: &'static str,
    count: usize,
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Lost<'a> {
    sha256: Option<String>,
    subject: Option<&'a str>,
    file: &'a str,
    line: Option<usize>,
    why: &'a str,
    silent: bool,
    fix: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Root<'a> {
    sha256: String,
    subject: &'a str,
    not_after: String,
    files: &'a [String],
    /// Why no chain to it is accepted.
    refused: Option<&'a str>,
}

/// What a runtime makes of the certificates that `trust find` looked for.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    runtime: &'static str,
    label: &'a str,
    version: Option<&'a str>,
    program: Option<&'a str>,
    trusts: bool,
    files: Vec<&'a str>,
    why: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(survey: &'a Survey, found: &'a [Effective]) -> Self {
        Self {
            v: 1,
            kind: "trust_effective",
            source: &survey.source,
            image: survey.image.as_deref(),
            runtimes: found.iter().map(|one| Runtime::new(survey, one)).collect(),
        }
    }
}

impl<'a> Runtime<'a> {
    fn new(survey: &'a Survey, one: &'a Effective) -> Self {
        let certificate = |cert: CertId| survey.pool.get(cert);
        let lost = |lost: &'a sidelight_model::trust::effective::Lost| Lost {
            sha256: lost.cert.map(|cert| certificate(cert).sha256()),
            subject: lost.cert.map(|cert| certificate(cert).subject.as_str()),
            file: &lost.file,
            line: lost.line,
            why: &lost.why,
            silent: lost.silent,
            fix: lost.fix.as_deref(),
        };
        let root = |root: &'a sidelight_model::trust::effective::Root| Root {
            sha256: certificate(root.cert).sha256(),
            subject: &certificate(root.cert).subject,
            not_after: certificate(root.cert).not_after.rfc3339(),
            files: &root.files,
            refused: root.refused.as_deref(),
        };
        Self {
            runtime: one.runtime.name(),
            label: &one.label,
            version: one.version.as_deref(),
            program: one.program.as_deref(),
            count: one.accepted().count(),
            fails: one.fails.as_deref(),
            sources: one.sources.iter().map(Source::new).collect(),
            lost: one.lost.iter().map(lost).collect(),
            roots: one.roots.iter().map(root).collect(),
            notes: &one.notes,
        }
    }
}

impl<'a> Source<'a> {
    fn new(source: &'a sidelight_model::trust::effective::Source) -> Self {
        let (state, count, error) = match &source.state {
            SourceState::Gives(count) => ("read", *count, None),
            SourceState::Missing => ("missing", 0, None),
            SourceState::Refused(why) => ("refused", 0, Some(why.as_str())),
        };
        let leads_to = source.leads_to.as_deref();
        Self { path: &source.path, leads_to, kind: source.kind.name(), why: &source.why, state, count, error }
    }
}

impl<'a> Answer<'a> {
    pub(crate) fn new(one: &'a Effective, certs: &[CertId]) -> Self {
        let root = certs.iter().find_map(|cert| one.root(*cert));
        let trusts = one.fails.is_none() && certs.iter().any(|cert| one.accepts(*cert));
        let lost = certs.iter().find_map(|cert| one.loss(*cert));
        let why = root.and_then(|root| root.refused.as_deref()).or_else(|| lost.map(|lost| lost.why.as_str()));
        Self {
            runtime: one.runtime.name(),
            label: &one.label,
            version: one.version.as_deref(),
            program: one.program.as_deref(),
            trusts,
            files: root.map(|root| root.files.iter().map(String::as_str).collect()).unwrap_or_default(),
            why: why.or(one.fails.as_deref()).filter(|_| !trusts),
        }
    }
}
