//! `sidelight trust add` and `sidelight trust remove`. In: certificates and a source. Out: the source changed in place, an image with
//! one layer more, or the same as a Dockerfile, a folder of changed files or a manifest.

mod image;
mod in_place;
mod input;
mod place;
mod shape;
mod verify;

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use sidelight_host::files::FolderRoot;
use sidelight_host::trust_store::Anchor;
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit::{StoreKind, matching};

use crate::cli::{EditKind, GlobalOptions, TrustAdd, TrustEdit, TrustRemove};
use crate::exit::{Exit, Failure};
use crate::render::{self, escape};
use crate::schema::trust_edit::{Outcome, document};
use crate::ui::Ui;
use image::Seen;
use in_place::Job;
use input::Wanted;
use place::Place;

/// `trust add`.
pub(super) fn add(options: &TrustAdd, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let now: Timestamp = SystemTime::now().into();
    let wanted = input::read(&options.certificates, options.force_leaf, now, ui)?;
    let only = kinds(&options.edit);
    let asked = Asked { r#type: "trust-add", source: &options.into, options: &options.edit, now, ui };
    match place::find(&options.into)? {
        Place::InPlace(root) => {
            let shaped = TrustEdit { dry_run: true, ..options.edit.clone() };
            let in_shape = shape::is_asked(&options.edit);
            if !in_shape {
                refuse_output(&root, &options.edit)?;
            }
            let edit = if in_shape { &shaped } else { &options.edit };
            let job = Job { root: &root, options: edit, only: only.as_deref(), now, ui };
            let mut outcomes = job.add(wanted)?;
            if in_shape {
                return asked.shape(&outcomes, "IMAGE");
            }
            // A host is too large to be looked at again as a whole; each store was.
            if !edit.dry_run
                && root.path != Path::new("/")
                && outcomes.iter().any(|outcome| outcome.result != "already")
            {
                verify::look_back(&options.into, &edit.image, &mut outcomes, &[], now, ui)?;
            }
            asked.report(&root.name, None, &outcomes, global.json)?;
            Ok(exit(&outcomes))
        }
        Place::Copied => {
            let seen = image::see(&options.into, &options.edit, ui)?;
            let outcomes = seen.plan(wanted, false, &options.edit, only.as_deref(), now);
            asked.copied(seen, outcomes, "sidelight trust add", global.json)
        }
    }
}

/// `trust remove`.
pub(super) fn remove(options: &TrustRemove, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let now: Timestamp = SystemTime::now().into();
    let only = kinds(&options.edit);
    let asked = Asked { r#type: "trust-remove", source: &options.from, options: &options.edit, now, ui };
    match place::find(&options.from)? {
        Place::InPlace(root) => {
            refuse_output(&root, &options.edit)?;
            let job = Job { root: &root, options: &options.edit, only: only.as_deref(), now, ui };
            let Some(query) = &options.query else { return undo(&job, global.json) };
            let view = FolderRoot::open(&root.path).map_err(Failure::new)?;
            let outcomes = job.remove(meant(query, &|query| matching(&view, query), ui)?)?;
            asked.report(&root.name, None, &outcomes, global.json)?;
            Ok(exit(&outcomes))
        }
        Place::Copied => {
            let Some(query) = &options.query else {
                return Err(Failure::usage(
                    "an image is never changed in place, so there is nothing to take back: use the old one",
                ));
            };
            let seen = image::see(&options.from, &options.edit, ui)?;
            let anchors = meant(query, &|query| seen.matching(query), ui)?;
            let wanted = anchors.into_iter().map(|anchor| Wanted { anchor, warnings: Vec::new() }).collect();
            let outcomes = seen.plan(wanted, true, &options.edit, only.as_deref(), now);
            asked.copied(seen, outcomes, "sidelight trust remove", global.json)
        }
    }
}

/// What is changed where it stands has no output: who names one expects that the source stays as it is.
fn refuse_output(root: &place::Root, options: &TrustEdit) -> Result<(), Failure> {
    let Some(output) = &options.output else { return Ok(()) };
    let (output, name) = (escape::line(output), escape::line(&root.name));
    Err(Failure::usage(format_args!("{name} is changed where it is, so nothing can be written to `-o {output}`"))
        .hint("leave -o away to change it there; `sidelight trust remove --undo` takes that back")
        .hint("or add --as-patch or --as-dockerfile, which write into a folder and leave the source as it is"))
}

/// The certificates that a query means: a file's, or those of the source's stores.
fn meant(query: &str, matching: &dyn Fn(&str) -> Vec<Anchor>, ui: Ui) -> Result<Vec<Anchor>, Failure> {
    let path = Path::new(query);
    if path.is_file() {
        return input::one_file(path, ui);
    }
    if let Some(failure) = super::missing_file(query) {
        return Err(failure);
    }
    let found = matching(query);
    let shown = escape::line(query);
    match &found[..] {
        [] => Err(Failure::new(format_args!("no certificate in its trust stores matches `{shown}`")).exit(Exit::No)),
        [_] => Ok(found),
        several => {
            let failure = Failure::usage(format_args!(
                "`{shown}` matches {} certificates: name one by its SHA-256",
                several.len()
            ));
            let lines = several.iter().take(20).map(|anchor| {
                format!("{} {}", anchor.sha256.get(..16).unwrap_or_default(), escape::line(&anchor.certificate.subject))
            });
            Err(lines.fold(failure, Failure::hint))
        }
    }
}

/// What was asked, beside the certificates.
struct Asked<'a> {
    r#type: &'static str,
    source: &'a str,
    options: &'a TrustEdit,
    now: Timestamp,
    ui: Ui,
}

impl Asked<'_> {
    /// An image: printed in another shape, planned, or written anew.
    fn copied(&self, seen: Seen, mut outcomes: Vec<Outcome>, command: &str, json: bool) -> Result<Exit, Failure> {
        if shape::is_asked(self.options) {
            let image = seen
                .name()
                .map_or_else(|| "IMAGE".to_owned(), |name| name.split('@').next().unwrap_or(name).to_owned());
            return self.shape(&outcomes, &image);
        }
        let nothing = outcomes.iter().all(|outcome| matches!(outcome.result, "already" | "absent"));
        if self.options.dry_run || nothing {
            self.report(self.source, None, &outcomes, json)?;
            return Ok(exit(&outcomes));
        }
        let written = seen.write(&mut outcomes, command, self.source, self.options, self.now, self.ui)?;
        let readable = written.split(" (").next().unwrap_or(&written).to_owned();
        // What was pushed is not fetched again.
        if self.r#type == "trust-add" && !readable.starts_with("docker://") {
            verify::look_back(&readable, &self.options.image, &mut outcomes, &[], self.now, self.ui)?;
        }
        self.report(self.source, Some(&written), &outcomes, json)?;
        Ok(exit(&outcomes))
    }

    fn shape(&self, outcomes: &[Outcome], image: &str) -> Result<Exit, Failure> {
        let text = shape::make(outcomes, image, self.options)?;
        for left in outcomes.iter().flat_map(|outcome| &outcome.plan.left) {
            self.ui.warning(&escape::line(&format!("{} stays as it is: {}", left.path, left.why)));
        }
        for warning in outcomes.iter().flat_map(|outcome| &outcome.warnings) {
            self.ui.warning(&escape::line(warning));
        }
        if text.is_empty() {
            self.ui.note("it is trusted there already: nothing has to be changed");
        }
        print(&text)?;
        Ok(exit(outcomes))
    }

    fn report(&self, place: &str, output: Option<&str>, outcomes: &[Outcome], json: bool) -> Result<(), Failure> {
        for warning in outcomes.iter().flat_map(|outcome| &outcome.warnings) {
            self.ui.warning(&escape::line(warning));
        }
        let shown = output.unwrap_or(place);
        let texts: Vec<String> =
            outcomes.iter().map(|outcome| render::edited(shown, outcome, self.options.dry_run)).collect();
        let told = texts.join("\n");
        if !json {
            return print(&told);
        }
        let document = document(self.r#type, place, self.options.dry_run, output, outcomes);
        let text = serde_json::to_string_pretty(&document).map_err(Failure::new)?;
        print(&format!("{text}\n"))?;
        Ok(std::io::stderr().lock().write_all(told.as_bytes())?)
    }
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
        let sha256 = entry.deed.sha256.get(..16).unwrap_or_default();
        text += &format!("{word}: what was done to {place} at {day}, certificate {sha256}…\n");
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

/// A store that had to be left is a finding.
fn exit(outcomes: &[Outcome]) -> Exit {
    let partly = outcomes.iter().any(|outcome| !outcome.plan.left.is_empty() || outcome.result == "absent");
    if partly { Exit::No } else { Exit::Done }
}

fn print(text: &str) -> Result<(), Failure> {
    super::show(text.as_bytes())
}
