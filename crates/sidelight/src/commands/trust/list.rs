//! `sidelight trust list`. In: a source. Out: its stores, roots and private keys, as text or JSON.

use std::time::SystemTime;

use sidelight_model::trust::reference::Reference;
use sidelight_sink::redact::Redactor;

use super::audit::read_reference;
use crate::cli::{GlobalOptions, TrustList};
use crate::commands::survey::survey;
use crate::exit::{Exit, Failure};
use crate::render::trust::list::{Shown, render};
use crate::render::{Look, Stream};
use crate::schema::trust_list::List;
use crate::ui::Ui;

pub(super) fn run(options: &TrustList, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let survey = survey(&options.source, &options.image, ui)?;
    if let Some(runtime) = options.runtime {
        return super::effective::list(&survey, (runtime, &options.env), options.wide, global, ui);
    }
    let named = options.reference.as_deref().map(read_reference).transpose()?;
    let reference = named.as_ref().unwrap_or_else(|| Reference::builtin());
    let stream = if global.json { Stream::Error } else { Stream::Output };
    let look = Look::of(stream, global, Redactor::new(true));
    let text = render(&look, &survey, Shown { wide: options.wide, now: SystemTime::now().into(), reference });
    super::print(&text, || serde_json::to_value(List::new(&survey, reference)), global)?;
    super::notes(&survey, ui);
    Ok(Exit::Done)
}
