//! What `trust verify --json` and `--batch` print. In: an exploration and what each client would say. Out: serialisable values.

use serde::Serialize;
use sidelight_model::x509::Certificate as Parsed;
use sidelight_model::x509::path::{Check, End, Exploration, Origin, Path as Candidate};
use sidelight_sink::schema::Finding;

use crate::render::certificate_fault;

/// A verdict of `--batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The chain is trusted.
    Accept,
    /// It is not.
    Reject,
    /// The question cannot be answered.
    Unsupported,
}

/// An answer of `--batch`.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// As in the question.
    pub(crate) id: serde_json::Value,
    /// The verdict.
    pub(crate) result: Verdict,
    /// Why, in a line.
    pub(crate) reason: String,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    result: Verdict,
    reason: &'a str,
    #[serde(flatten)]
    finding: Finding,
    profile: &'static str,
    at: String,
    name: Option<String>,
    /// Index of the path by which the chain is trusted.
    trusted_by: Option<usize>,
    certificates: Vec<Certificate>,
    paths: Vec<Path>,
    clients: &'a [Client],
    cut_short: bool,
    unreadable: Vec<Unreadable>,
}

/// What a client would say.
#[derive(Debug, Serialize)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) client: &'static str,
    /// The verdict.
    pub(crate) result: Verdict,
    /// Why, in a line.
    pub(crate) reason: String,
    /// Whether its rules were measured with the program itself.
    pub(crate) measured: bool,
}

#[derive(Debug, Serialize)]
struct Certificate {
    subject: String,
    issuer: String,
    sha256: String,
    not_before: String,
    not_after: String,
    key: String,
    /// `leaf`, `sent` or `root`.
    origin: &'static str,
    is_root: bool,
}

#[derive(Debug, Serialize)]
struct Path {
    /// Indexes into `certificates`, the leaf first.
    certificates: Vec<usize>,
    trusted: bool,
    end: &'static str,
    /// One verdict per check and certificate.
    checks: Vec<Checked>,
}

#[derive(Debug, Serialize)]
struct Checked {
    /// Index into `certificates`.
    certificate: usize,
    passed: Vec<&'static str>,
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Failed {
    check: &'static str,
    code: &'static str,
    /// The code of docs/causes.md that it would be for a connection.
    cause: &'static str,
    words: String,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    origin: &'static str,
    index: usize,
    why: String,
}

/// What is said beside the exploration.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) reason: &'a str,
    pub(crate) finding: Finding,
    pub(crate) profile: &'static str,
    pub(crate) at: String,
    pub(crate) name: Option<String>,
    pub(crate) clients: &'a [Client],
}

/// The document.
pub(crate) fn document<'a>(exploration: &Exploration, about: About<'a>) -> Document<'a> {
    let trusted = exploration.good_path().is_some();
    Document {
        v: 1,
        kind: "trust-verify",
        result: if trusted { Verdict::Accept } else { Verdict::Reject },
        reason: about.reason,
        finding: about.finding,
        profile: about.profile,
        at: about.at,
        name: about.name,
        trusted_by: trusted.then_some(0),
        certificates: (0..exploration.certificates.len()).map(|number| certificate(exploration, number)).collect(),
        paths: exploration.paths.iter().map(path).collect(),
        clients: about.clients,
        cut_short: exploration.cut_short,
        unreadable: exploration.unreadable.iter().map(unreadable).collect(),
    }
}

const fn origin(origin: Origin) -> (&'static str, usize) {
    match origin {
        Origin::Leaf => ("leaf", 0),
        Origin::Sent(index) => ("sent", index),
        Origin::Anchor(index) => ("root", index),
    }
}

fn unreadable((from, what): &(Origin, sidelight_model::x509::strict::Malformed)) -> Unreadable {
    let (origin, index) = origin(*from);
    Unreadable { origin, index, why: what.to_string() }
}

fn certificate(exploration: &Exploration, number: usize) -> Certificate {
    let known = &exploration.certificates[number];
    let certificate = &known.certificate;
    let parsed = Parsed::parse(&certificate.der).ok();
    Certificate {
        subject: parsed.as_ref().map(|parsed| parsed.subject.clone()).unwrap_or_default(),
        issuer: parsed.map(|parsed| parsed.issuer).unwrap_or_default(),
        sha256: certificate.fingerprint(),
        not_before: certificate.not_before.at.rfc3339_seconds(),
        not_after: certificate.not_after.at.rfc3339_seconds(),
        key: certificate.key.kind.to_string(),
        origin: origin(known.origin).0,
        is_root: known.is_anchor,
    }
}

fn path(candidate: &Candidate) -> Path {
    Path {
        certificates: candidate.certificates.clone(),
        trusted: candidate.is_good(),
        end: end(&candidate.end),
        checks: (0..candidate.certificates.len()).map(|position| checked(candidate, position)).collect(),
    }
}

fn checked(candidate: &Candidate, position: usize) -> Checked {
    let is_anchor = candidate.end == End::Anchor && position + 1 == candidate.certificates.len();
    let fails = |check: &Check| candidate.verdict(position, *check).next().is_some();
    let failed = candidate.faults.iter().filter(|found| found.position == position).map(|found| Failed {
        check: found.fault.check().name(),
        code: found.fault.code(),
        cause: found.fault.cause(position, is_anchor).code(),
        words: certificate_fault::words(&found.fault),
    });
    Checked {
        certificate: candidate.certificates[position],
        passed: Check::ALL.iter().filter(|check| !fails(check)).map(|check| check.name()).collect(),
        failed: failed.collect(),
    }
}

/// Why a path ended.
pub(crate) const fn end(end: &End) -> &'static str {
    match end {
        End::Anchor => "anchor",
        End::AnchorNotRoot => "anchor_not_root",
        End::WrongKey { .. } => "bad_signature",
        End::SelfSigned => "self_signed",
        End::NoIssuer => "no_issuer",
        End::Loop => "loop",
        End::TooLong => "too_much_work",
    }
}
