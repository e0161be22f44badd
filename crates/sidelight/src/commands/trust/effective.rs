//! What runtimes have, for the commands that ask with `--as`. In: a survey, a runtime. Out: roots, text, JSON.

use std::time::SystemTime;

use sidelight_model::trust::effective::{Effective, Situation, effective, effective_auto};
use sidelight_model::trust::{CertId, Runtime, Survey};
use sidelight_sink::redact::Redactor;

use crate::cli::{AsRuntime, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::trust::runtimes;
use crate::render::{Look, Stream};
use crate::schema::trust_effective::{Has, Runtimes};
use crate::ui::Ui;

fn situation() -> Situation {
    Situation { now: Some(SystemTime::now().into()), ..Situation::default() }
}

fn asked(survey: &Survey, asked: AsRuntime) -> Vec<Effective> {
    match asked {
        AsRuntime::Auto => effective_auto(survey, &situation()),
        AsRuntime::One(runtime) => effective(survey, runtime, &situation()),
    }
}

/// The answers of runtimes to one question.
#[derive(Debug, Default)]
pub(super) struct WhoHas {
    all: Vec<Effective>,
    certs: Vec<CertId>,
    /// Whether the runtimes were named by the user.
    is_asked: bool,
}

/// Which runtimes have one of the certificates; without a runtime, those that are found in the image. When reading stopped at the
/// first store, nothing can be said of any.
pub(super) fn who_has(survey: &Survey, certs: &[CertId], runtime: Option<AsRuntime>, first: bool) -> WhoHas {
    if first {
        return WhoHas::default();
    }
    let all = asked(survey, runtime.unwrap_or(AsRuntime::Auto));
    WhoHas { all, certs: certs.to_vec(), is_asked: matches!(runtime, Some(AsRuntime::One(_))) }
}

impl WhoHas {
    /// For people.
    pub(super) fn text(&self, look: &Look) -> String {
        runtimes::who_has(look, &self.all, &self.certs)
    }

    /// For programs.
    pub(super) fn json<'s>(&'s self, survey: &'s Survey) -> Vec<Has<'s>> {
        self.all.iter().map(|one| Has::new(survey, one, &self.certs)).collect()
    }

    /// The answer when one runtime was asked: that of its main variant.
    pub(super) fn verdict(&self) -> Option<bool> {
        let main = self.all.first().filter(|_| self.is_asked)?;
        Some(main.fails.is_none() && self.certs.iter().any(|cert| main.accepts(*cert)))
    }
}

/// `trust list --as`.
pub(super) fn list(
    survey: &Survey,
    runtime: AsRuntime,
    wide: bool,
    global: &GlobalOptions,
    ui: Ui,
) -> Result<Exit, Failure> {
    let all = asked(survey, runtime);
    let stream = if global.json { Stream::Error } else { Stream::Output };
    let look = Look::of(stream, global, Redactor::new(true));
    let texts: Vec<String> = all.iter().map(|one| runtimes::list(&look, survey, one, wide)).collect();
    let text = match texts.len() {
        0 => "no program with roots of its own or of the system was found; name a runtime to see what it would have\n"
            .to_owned(),
        _ => texts.join("\n"),
    };
    super::print(&text, || serde_json::to_value(Runtimes::new(survey, &all)), global)?;
    super::notes(survey, ui);
    Ok(Exit::Done)
}

/// The roots that one runtime accepts; of several variants, those of the main one.
pub(super) fn roots(survey: &Survey, runtime: Runtime) -> Result<Vec<CertId>, Failure> {
    let all = effective(survey, runtime, &situation());
    let Some(main) = all.first() else { return Ok(Vec::new()) };
    match &main.fails {
        Some(why) => Err(Failure::new(format_args!("{} in {}: {why}", main.label, survey.source)).exit(Exit::No)),
        None => Ok(main.accepted().collect()),
    }
}
