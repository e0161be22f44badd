//! `sidelight trust add` and `sidelight trust remove`. In: certificates and a source. Out: the source changed in place, an image with
//! one layer more, or the same as a Dockerfile, a folder of changed files or a manifest.

mod in_place;
mod input;
mod place;

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use sidelight_host::trust_store::Anchor;
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit::StoreKind;

use crate::cli::{EditKind, GlobalOptions, TrustAdd, TrustEdit, TrustRemove};
use crate::exit::{Exit, Failure};
use crate::render::{self, escape};
use crate::schema::trust_edit::{Outcome, document};
use crate::ui::Ui;
use in_place::Job;
use place::Place;

/// `trust add`.
pub(super) fn add(options: &TrustAdd, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let now: Timestamp = SystemTime::now().into();
    let wanted = input::read(&options.certificates, options.force_leaf, now, ui)?;
    let only = kinds(&options.edit);
    match place::find(&options.into)? {
        Place::InPlace(root) => {
            let job = Job { root: &root, options: &options.edit, only: only.as_deref(), now, ui };
            let outcomes = job.add(wanted)?;
            report("trust-add", &root.name, &options.edit, None, &outcomes, global.json, ui)?;
            Ok(exit(&outcomes))
        }
        Place::Copied(source) => Err(Failure::new(format_args!("{source}: images cannot be changed yet"))),
    }
}

/// `trust remove`.
pub(super) fn remove(options: &TrustRemove, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let now: Timestamp = SystemTime::now().into();
    let only = kinds(&options.edit);
    match place::find(&options.from)? {
        Place::InPlace(root) => {
            let job = Job { root: &root, options: &options.edit, only: only.as_deref(), now, ui };
            let Some(query) = &options.query else { return undo(&job, global.json) };
            let anchors = asked(query, &root.path, ui)?;
            let outcomes = job.remove(anchors)?;
            report("trust-remove", &root.name, &options.edit, None, &outcomes, global.json, ui)?;
            Ok(exit(&outcomes))
        }
        Place::Copied(source) => Err(Failure::new(format_args!("{source}: images cannot be changed yet"))),
    }
}

/// The certificates that a query means.
fn asked(query: &str, _root: &Path, ui: Ui) -> Result<Vec<Anchor>, Failure> {
    input::one_file(Path::new(query), ui)
}

fn undo(job: &Job<'_>, json: bool) -> Result<Exit, Failure> {
    let entries = job.undo()?;
    let place = escape::line(&job.root.name);
    let dry_run = job.options.dry_run;
    if json {
        let undone: Vec<serde_json::Value> = entries
            .iter()
            .map(|entry| serde_json::json!({ "sha256": entry.deed.sha256, "since": entry.at, "complete": entry.complete }))
            .collect();
        let whole = serde_json::json!({
            "v": 1, "type": "trust-undo", "source": job.root.name, "dry_run": dry_run, "undone": undone,
        });
        return print(&format!("{whole:#}\n")).map(|()| Exit::Done);
    }
    if entries.is_empty() {
        return print(&format!("nothing was changed in {place} by this user\n")).map(|()| Exit::Done);
    }
    let mut text = String::new();
    for entry in &entries {
        let (word, day) = (if dry_run { "would be taken back" } else { "taken back" }, &entry.at);
        text += &format!("{word}: what was done to {place} at {day}, certificate {}…\n", &entry.deed.sha256.get(..16).unwrap_or_default());
    }
    print(&text)?;
    Ok(Exit::Done)
}

fn kinds(options: &TrustEdit) -> Option<Vec<StoreKind>> {
    let kind = |kind: &EditKind| match kind {
        EditKind::Anchors => StoreKind::Anchors,
        EditKind::Bundle => StoreKind::Bundle,
        EditKind::Hashed => StoreKind::Hashed,
        EditKind::Java => StoreKind::Java,
        EditKind::Vendored => StoreKind::Vendored,
        EditKind::Nss => StoreKind::Nss,
        EditKind::Edk2 => StoreKind::Edk2,
        EditKind::Env => StoreKind::Env,
    };
    (!options.only.is_empty()).then(|| options.only.iter().map(kind).collect())
}

fn report(
    r#type: &'static str,
    place: &str,
    options: &TrustEdit,
    output: Option<&str>,
    outcomes: &[Outcome],
    json: bool,
    ui: Ui,
) -> Result<(), Failure> {
    for warning in outcomes.iter().flat_map(|outcome| &outcome.warnings) {
        ui.warning(&escape::line(warning));
    }
    if json {
        let document = document(r#type, place, options.dry_run, output, outcomes);
        let text = serde_json::to_string_pretty(&document).map_err(Failure::new)?;
        return print(&format!("{text}\n"));
    }
    let texts: Vec<String> = outcomes.iter().map(|outcome| render::edited(place, outcome, options.dry_run)).collect();
    print(&texts.join("\n"))
}

/// A store that had to be left is a finding.
fn exit(outcomes: &[Outcome]) -> Exit {
    let partly = outcomes.iter().any(|outcome| !outcome.plan.left.is_empty() || outcome.result == "absent");
    if partly { Exit::No } else { Exit::Done }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
