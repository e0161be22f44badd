//! `sidelight ca show`. In: the CA's folder and the journal. Out: what the CA is, how long it lives, where it is installed.

use std::path::Path;

use serde_json::json;
use sidelight_host::journal::{Entry, Journal};
use sidelight_host::trust_store::Anchor;

use super::{SHAPE, certificate, folder, journal_folder, no_ca, now, print};
use crate::cli::CaShow;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Days before the end from which renewal is told.
const SOON: i64 = 7;

pub(super) fn run(show: &CaShow, json: bool, ui: Ui) -> Result<Exit, Failure> {
    print_one(&folder(&show.folder)?, json, ui)
}

/// Prints the CA in `folder`. The exit status says no when it can issue nothing any more.
pub(super) fn print_one(folder: &Path, json: bool, ui: Ui) -> Result<Exit, Failure> {
    let Some(anchor) = certificate(folder)? else { return Err(no_ca(folder)) };
    let installed = Journal::look(&journal_folder()?).map_err(Failure::new)?;
    // A day that has begun counts, so that a CA just made has as many as were asked for; none are left of one that has expired.
    let days_left = (anchor.certificate.not_after.as_secs() - now().as_secs() + 86_399).div_euclid(86_400);
    let warnings = warnings(&anchor, days_left, &installed);
    if json {
        print(&as_json(&anchor, folder, days_left, &installed, &warnings))?;
    } else {
        print(&as_text(&anchor, folder, days_left, &installed))?;
        warnings.iter().for_each(|warning| ui.warning(warning));
    }
    Ok(if days_left <= 0 { Exit::No } else { Exit::Done })
}

fn warnings(anchor: &Anchor, days_left: i64, installed: &[Entry]) -> Vec<String> {
    let until = anchor.certificate.not_after.date();
    let renew = "`sidelight ca create --replace` makes a new one";
    let mut warnings = Vec::new();
    if days_left <= 0 {
        warnings.push(format!("the CA expired on {until}; {renew}"));
    } else if days_left <= SOON {
        warnings.push(format!("the CA expires on {until}, in {days_left} days; {renew}"));
    }
    for entry in installed {
        let place = &entry.deed.place;
        if !entry.complete {
            warnings.push(format!(
                "installing into {place} was cut short; `sidelight ca uninstall --into {place}` takes it back"
            ));
        } else if entry.deed.sha256 != anchor.sha256 {
            warnings.push(format!("{place} trusts another CA of sidelight's; `sidelight ca install --into {place}` puts this one in its place"));
        }
    }
    warnings
}

fn as_text(anchor: &Anchor, folder: &Path, days_left: i64, installed: &[Entry]) -> String {
    let certificate = &anchor.certificate;
    let mut rows = vec![
        ("subject", certificate.subject.clone()),
        ("key", anchor.key()),
        ("valid from", certificate.not_before.date()),
        ("valid until", format!("{} ({days_left} days left)", certificate.not_after.date())),
        ("SHA-256", anchor.sha256.clone()),
        ("file", folder.join("ca.pem").display().to_string()),
    ];
    for entry in installed.iter().filter(|entry| entry.deed.sha256 == anchor.sha256 && entry.complete) {
        let day: String = entry.at.chars().take(10).collect();
        rows.push(("installed", format!("{} (since {day})", entry.deed.place)));
    }
    if !rows.iter().any(|(name, _)| *name == "installed") {
        rows.push(("installed", "nowhere by this user; `sidelight run` needs no installation".to_owned()));
    }
    rows.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

fn as_json(anchor: &Anchor, folder: &Path, days_left: i64, installed: &[Entry], warnings: &[String]) -> String {
    let certificate = &anchor.certificate;
    let installed: Vec<_> = installed
        .iter()
        .map(|entry| {
            let Entry { at, complete, deed, .. } = entry;
            json!({ "place": deed.place, "since": at, "complete": complete, "sha256": deed.sha256 })
        })
        .collect();
    let shown = json!({
        "v": SHAPE,
        "subject": certificate.subject,
        "key": anchor.key(),
        "not_before": certificate.not_before.rfc3339(),
        "not_after": certificate.not_after.rfc3339(),
        "days_left": days_left,
        "sha256": anchor.sha256,
        "pem": anchor.pem(),
        "file": folder.join("ca.pem"),
        "installed": installed,
        "warnings": warnings,
    });
    format!("{shown:#}\n")
}
