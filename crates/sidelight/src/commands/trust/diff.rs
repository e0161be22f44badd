//! `sidelight trust diff`. In: two sources. Out: what they trust differently, as text or JSON; 1 when they differ.

use std::time::SystemTime;

use sidelight_model::trust::diff::{MOZILLA, Side, diff};
use sidelight_model::trust::reference::Reference;
use sidelight_sink::redact::Redactor;

use super::audit::read_reference;
use super::readers::readers;
use crate::cli::{GlobalOptions, ImageOptions, TrustDiff};
use crate::commands::survey::{mozilla, survey};
use crate::exit::{Exit, Failure};
use crate::render::trust::diff::{Shown, render};
use crate::render::{Look, Stream};
use crate::schema::trust_diff::Document;
use crate::ui::Ui;

pub(super) fn run(options: &TrustDiff, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let named = options.reference.as_deref().map(read_reference).transpose()?;
    let reference = named.as_ref().unwrap_or_else(|| Reference::builtin());
    let now = options.at.unwrap_or_else(|| SystemTime::now().into());
    let read = |source: &str| {
        let image = ImageOptions { platform: options.platform.clone(), ..ImageOptions::default() };
        if source == MOZILLA { Ok(mozilla(reference)) } else { survey(source, &image, ui) }
    };
    let surveys = [read(&options.before)?, read(&options.after)?];
    let readers =
        [0, 1].map(|side| if surveys[side].source == MOZILLA { Vec::new() } else { readers(&surveys[side], now) });
    let [before, after] = [0, 1].map(|side| Side { survey: &surveys[side], readers: &readers[side] });
    if let Some(runtime) = options.runtime {
        let has =
            |side: &Side<'_>| side.survey.source == MOZILLA || side.readers.iter().any(|it| it.runtime == runtime);
        if let Some(lacks) = [before, after].iter().find(|side| !has(side)) {
            ui.warning(&format!("{} has no program that is known to be {runtime}", lacks.survey.source));
        }
    }
    let found = diff(before, after, options.runtime, now, options.days);
    let names = [options.before.as_str(), options.after.as_str()];
    let text = if global.json {
        super::json(&Document::new(&found, names, options.runtime, now))?
    } else {
        render(&Look::of(Stream::Output, global, Redactor::default()), &found, Shown { names, now, all: options.all })
    };
    super::show(text.as_bytes())?;
    Ok(if found.is_empty() { Exit::Done } else { Exit::No })
}
