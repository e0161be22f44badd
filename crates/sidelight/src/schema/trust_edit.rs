//! `sidelight trust add` and `sidelight trust remove`. In: plans. Out: the document of `--json`.

use serde::Serialize;
use sidelight_host::trust_store::Anchor;
use sidelight_model::trust::{Change, ChangeKind};
use sidelight_wire::trust_edit::{Did, Plan, Step};

/// The version of the shape.
const VERSION: u32 = 1;

/// The whole document.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    v: u32,
    r#type: &'static str,
    /// The source that was changed.
    source: &'a str,
    /// The family of its distribution.
    family: Option<&'a str>,
    /// Whether nothing was done.
    dry_run: bool,
    /// Where the result is, if not in place; with its digest where there is one.
    output: Option<&'a str>,
    certificates: Vec<Certificate<'a>>,
}

/// What became of one certificate.
#[derive(Debug, Serialize)]
struct Certificate<'a> {
    subject: &'a str,
    sha256: &'a str,
    /// `added`, `removed`, `restored`, `already`, `partly`, `planned`.
    result: &'a str,
    stores: Vec<Store<'a>>,
    variables: Vec<Variable<'a>>,
    left: Vec<Left<'a>>,
    notes: &'a [String],
    warnings: &'a [String],
}

/// One store.
#[derive(Debug, Serialize)]
struct Store<'a> {
    kind: &'static str,
    path: &'a str,
    did: &'static str,
    serves: &'a str,
    notes: &'a [String],
    changes: Vec<Path<'a>>,
}

/// One path that changed.
#[derive(Debug, Serialize)]
struct Path<'a> {
    path: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
}

/// A variable that has to be set.
#[derive(Debug, Serialize)]
struct Variable<'a> {
    name: &'a str,
    value: &'a str,
    serves: &'a str,
    is_set: bool,
}

/// A store that could not be changed.
#[derive(Debug, Serialize)]
struct Left<'a> {
    kind: &'static str,
    path: &'a str,
    why: &'a str,
    fix: Option<&'a str>,
}

/// One certificate and its plan.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The certificate.
    pub(crate) anchor: Anchor,
    /// What was or would be done.
    pub(crate) plan: Plan,
    /// What became of it, in one word.
    pub(crate) result: &'static str,
    /// What is odd about the certificate itself, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// The document.
pub(crate) fn document<'a>(
    r#type: &'static str,
    source: &'a str,
    dry_run: bool,
    output: Option<&'a str>,
    outcomes: &'a [Outcome],
) -> Document<'a> {
    let family = outcomes.iter().find_map(|outcome| outcome.plan.family);
    let certificates = outcomes.iter().map(certificate).collect();
    Document { v: VERSION, r#type, source, family, dry_run, output, certificates }
}

fn certificate(outcome: &Outcome) -> Certificate<'_> {
    let Outcome { anchor, plan, result, warnings } = outcome;
    let variables = plan.variables.iter().map(|variable| Variable {
        name: variable.name,
        value: &variable.value,
        serves: &variable.serves,
        is_set: variable.is_set,
    });
    let left = plan.left.iter().map(|left| Left {
        kind: left.kind.name(),
        path: &left.path,
        why: &left.why,
        fix: left.fix.as_deref(),
    });
    Certificate {
        subject: &anchor.certificate.subject,
        sha256: &anchor.sha256,
        result,
        stores: plan.steps.iter().map(store).collect(),
        variables: variables.collect(),
        left: left.collect(),
        notes: &plan.notes,
        warnings,
    }
}

fn store(step: &Step) -> Store<'_> {
    let did = match step.did {
        Did::Added => "added",
        Did::Already => "already",
        Did::Created => "created",
        Did::Removed => "removed",
    };
    let changes = step.changes.iter().map(path).collect();
    Store { kind: step.kind.name(), path: &step.path, did, serves: &step.serves, notes: &step.notes, changes }
}

fn path(change: &Change) -> Path<'_> {
    let (kind, target, size) = match &change.kind {
        ChangeKind::File { bytes } => ("file", None, Some(bytes.len())),
        ChangeKind::Symlink { target } => ("link", Some(target.as_str()), None),
        ChangeKind::Dir => ("folder", None, None),
        ChangeKind::Remove => ("removed", None, None),
    };
    let mode = matches!(change.kind, ChangeKind::File { .. } | ChangeKind::Dir).then(|| format!("{:04o}", change.mode));
    Path { path: &change.path, kind, target, size, mode }
}
