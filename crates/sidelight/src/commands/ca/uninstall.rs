//! `sidelight ca uninstall`. In: the journal, places by name (all without). Out: the places as they were.

use serde_json::{Value, json};
use sidelight_host::journal::{Entry, Journal, Undone};
use sidelight_host::trust_store::{TrustStoreError, uninstall};

use super::install::places;
use super::{SHAPE, journal, journal_folder, print};
use crate::cli::CaInstall;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// What became of one installation.
struct Outcome {
    entry: Entry,
    /// None in a rehearsal.
    result: Option<Result<Undone, TrustStoreError>>,
}

pub(super) fn run(options: &CaInstall, json: bool, ui: Ui) -> Result<Exit, Failure> {
    let wanted: Vec<String> = named(&options.into)?;
    let is_wanted = |entry: &Entry| wanted.is_empty() || wanted.contains(&entry.deed.place);
    let known = Journal::look(&journal_folder()?).map_err(Failure::new)?;
    let mut outcomes = Vec::new();
    if options.dry_run || !known.iter().any(is_wanted) {
        let rehearsed = known.into_iter().rev().filter(is_wanted).map(|entry| Outcome { entry, result: None });
        outcomes.extend(rehearsed);
    } else {
        let mut journal = journal(ui)?;
        // The latest first: two places may have changed the same file.
        let entries: Vec<Entry> = journal.entries().iter().rev().filter(|entry| is_wanted(entry)).cloned().collect();
        for entry in entries {
            let result = Some(uninstall(&mut journal, &entry, &options.storepass));
            outcomes.push(Outcome { entry, result });
        }
    }
    report(&outcomes, options.dry_run, json, ui)?;
    Ok(exit(&outcomes))
}

/// The names of places as the journal has them; a folder that is gone is taken as it was written.
fn named(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match places(std::slice::from_ref(name)) {
            Ok(places) => found.extend(places.iter().map(ToString::to_string)),
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(_) => found.push(name.clone()),
        }
    }
    Ok(found)
}

fn exit(outcomes: &[Outcome]) -> Exit {
    let results = || outcomes.iter().filter_map(|outcome| outcome.result.as_ref());
    if results().any(Result::is_err) {
        Exit::Unanswered
    } else if results().flatten().any(|undone| !undone.unclear.is_empty()) {
        Exit::No
    } else {
        Exit::Done
    }
}

fn report(outcomes: &[Outcome], dry_run: bool, json: bool, ui: Ui) -> Result<(), Failure> {
    for outcome in outcomes {
        tell_trouble(outcome, ui);
    }
    if json {
        let places: Vec<Value> = outcomes.iter().map(as_json).collect();
        return print(&format!("{:#}\n", json!({ "v": SHAPE, "dry_run": dry_run, "places": places })));
    }
    if outcomes.is_empty() {
        ui.note("nothing is installed by this user");
    }
    let mut text = String::new();
    for Outcome { entry, result } in outcomes {
        let place = &entry.deed.place;
        match result {
            None => {
                text += &format!("{place}: would put back, as far as they were changed\n");
                entry.paths().for_each(|path| text += &format!("  {}\n", path.display()));
            }
            Some(Ok(undone)) if undone.unclear.is_empty() => {
                text += &format!("{place}: as it was\n");
                undone.merged.iter().for_each(|path| {
                    text += &format!("  {}: changed by others since, only the CA was taken out\n", path.display());
                });
            }
            Some(_) => {}
        }
    }
    print(&text)
}

fn tell_trouble(outcome: &Outcome, ui: Ui) {
    let place = &outcome.entry.deed.place;
    match &outcome.result {
        Some(Err(error)) => {
            let mut failure = Failure::new(format_args!("{place}: {error}"));
            if error.is_denied() {
                failure = failure.hint(format_args!("run it as root: sudo sidelight ca uninstall --into {place}"));
            }
            ui.failure(&failure);
        }
        Some(Ok(undone)) => {
            for (path, why) in &undone.unclear {
                let sha256 = &outcome.entry.deed.sha256;
                let left = Failure::new(format_args!("{place}: {}: {why}", path.display()));
                let hint = format!(
                    "take the certificate with SHA-256 {sha256} out of it, then run `sidelight ca uninstall` again"
                );
                ui.failure(&left.hint(hint));
            }
        }
        None => {}
    }
}

fn as_json(Outcome { entry, result }: &Outcome) -> Value {
    let Entry { at, deed, .. } = entry;
    let mut shown = json!({ "place": deed.place, "sha256": deed.sha256, "since": at });
    match result {
        None => {
            shown["result"] = json!("planned");
            shown["paths"] = json!(entry.paths().collect::<Vec<_>>());
        }
        Some(Err(error)) => {
            shown["result"] = json!("failed");
            shown["error"] = json!(error.to_string());
        }
        Some(Ok(undone)) => {
            shown["result"] = json!(if undone.unclear.is_empty() { "restored" } else { "unclear" });
            shown["restored"] = json!(undone.restored);
            shown["merged"] = json!(undone.merged);
            let unclear: Vec<Value> =
                undone.unclear.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect();
            shown["unclear"] = json!(unclear);
        }
    }
    shown
}
