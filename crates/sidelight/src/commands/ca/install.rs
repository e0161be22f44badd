//! `sidelight ca install`. In: trust stores by name. Out: they trust the CA, which is made if there is none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use sidelight_engine::ca::{Authority, CaError, CaOptions};
use sidelight_host::journal::Journal;
use sidelight_host::trust_store::{Anchor, Installed, Machine, Place, TrustStoreError, install, rehearse};

use super::{SHAPE, as_json, certificate, environment, folder, journal, journal_folder, now, print, told};
use crate::cli::CaInstall;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// What became of one place.
struct Outcome {
    place: Place,
    result: Result<Installed, TrustStoreError>,
}

pub(super) fn run(options: &CaInstall, json: bool, ui: Ui) -> Result<Exit, Failure> {
    let places = places(&options.into)?;
    let places = if places.is_empty() { vec![Place::Host] } else { places };
    let folder = folder(&options.folder)?;
    let anchor = anchor(&folder, options.dry_run, ui)?;
    let (home, java_home) = homes();
    let machine =
        Machine { root: Path::new("/"), home: home.as_deref(), java_home, storepass: options.storepass.as_str() };
    let mut outcomes = Vec::new();
    if options.dry_run {
        let known = Journal::look(&journal_folder()?).map_err(Failure::new)?;
        let planned = |place: Place| Outcome { result: rehearse(&known, &machine, &place, &anchor), place };
        outcomes.extend(places.into_iter().map(planned));
    } else {
        let mut journal = journal(ui)?;
        let done = |place: Place| Outcome { result: install(&mut journal, &machine, &place, &anchor), place };
        outcomes.extend(places.into_iter().map(done));
    }
    report(&outcomes, &anchor, options.dry_run, json, ui)?;
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
    for outcome in failed.clone() {
        tell_failure(outcome, &folder, ui);
    }
    Ok(if failed.count() == 0 { Exit::Done } else { Exit::Unanswered })
}

/// The places that were named.
pub(super) fn places(names: &[String]) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for name in names {
        let place = match name.parse::<Place>().map_err(Failure::usage)? {
            // The journal must find it again from any folder.
            Place::Rootfs(folder) => Place::Rootfs(
                std::fs::canonicalize(&folder).with_context(|| format!("--into rootfs:{}", folder.display()))?,
            ),
            place => place,
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// Where the user's databases and Java are.
fn homes() -> (Option<PathBuf>, Option<OsString>) {
    (environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from), environment("JAVA_HOME"))
}

/// The CA's certificate. A rehearsal makes none on the disk.
fn anchor(folder: &Path, dry_run: bool, ui: Ui) -> Result<Anchor, Failure> {
    let options = CaOptions::default();
    let authority = match certificate(folder)? {
        None if dry_run => {
            ui.note("there is no CA yet: installing makes one first, and its files will have another name than here");
            Authority::ephemeral(&options, now())
        }
        _ => Authority::load_or_create(folder, &options, now()),
    };
    let authority = authority.map_err(|error| {
        let expired = matches!(error, CaError::Expired { .. });
        let failure = Failure::new(format_args!("the CA cannot be used: {error}"));
        if expired { failure.hint("`sidelight ca create --replace` makes a new one") } else { failure }
    })?;
    Ok(Anchor::new(authority.cert_der()).context("the CA cannot be used")?)
}

fn report(outcomes: &[Outcome], anchor: &Anchor, dry_run: bool, json: bool, ui: Ui) -> Result<(), Failure> {
    if json {
        let places: Vec<Value> = outcomes.iter().map(|outcome| outcome_json(outcome, dry_run)).collect();
        let whole = json!({ "v": SHAPE, "sha256": anchor.sha256, "dry_run": dry_run, "places": places });
        return print(&format!("{whole:#}\n"));
    }
    let mut text = String::new();
    for Outcome { place, result } in outcomes {
        let Ok(installed) = result else { continue };
        let state = state(installed, dry_run);
        text += &format!("{place}: {}\n", if state == "planned" { "would" } else { state });
        installed.actions.iter().for_each(|action| text += &format!("  {}\n", told(action, dry_run)));
        installed.notes.iter().for_each(|note| ui.warning(&format!("{place}: {note}")));
    }
    print(&text)
}

fn state(installed: &Installed, dry_run: bool) -> &'static str {
    match (dry_run, installed.actions.is_empty()) {
        (_, true) => "installed already",
        (true, false) => "planned",
        (false, false) => "installed",
    }
}

fn outcome_json(outcome: &Outcome, dry_run: bool) -> Value {
    let place = outcome.place.to_string();
    match &outcome.result {
        Err(error) => json!({ "place": place, "result": "failed", "error": error.to_string() }),
        Ok(installed) => {
            let result = match state(installed, dry_run) {
                "installed already" => "already",
                other => other,
            };
            let actions: Vec<Value> = installed.actions.iter().map(as_json).collect();
            json!({ "place": place, "result": result, "actions": actions, "notes": installed.notes })
        }
    }
}

fn tell_failure(outcome: &Outcome, folder: &Path, ui: Ui) {
    let Err(error) = &outcome.result else { return };
    let mut failure = Failure::new(format_args!("{}: {error}", outcome.place));
    if error.is_denied() {
        let (place, folder) = (&outcome.place, folder.display());
        failure = failure.hint(format_args!("run it as root: sudo sidelight ca install --into {place} --ca {folder}"));
    }
    ui.failure(&failure);
}
