//! What runtimes have, for the commands that ask with `--as`. In: a survey, a runtime. Out: roots, text, JSON.

use std::time::SystemTime;

use sidelight_model::trust::effective::{Effective, effective, effective_auto};
use sidelight_model::trust::{CertId, Runtime, Survey};
use sidelight_sink::redact::Redactor;

use crate::cli::{AsRuntime, GlobalOptions, SetVariable};
use crate::exit::{Exit, Failure};
use crate::render::trust::effective as render;
use crate::render::{Look, Stream};
use crate::schema::trust_effective::{Answer, Document};
use crate::ui::Ui;

/// The answers of runtimes to one question.
#[derive(Debug, Default)]
pub(super) struct WhoHas {
    found: Vec<Effective>,
    certs: Vec<CertId>,
    one_was_asked: bool,
}

impl WhoHas {
    /// For people.
    pub(super) fn text(&self, look: &Look) -> String {
        render::who_has(look, &self.found, &self.certs)
    }

    /// For programs.
    pub(super) fn json(&self) -> Vec<serde_json::Value> {
        self.found.iter().filter_map(|one| serde_json::to_value(Answer::new(one, &self.certs)).ok()).collect()
    }

    /// The answer when one runtime was asked: whether every variant of it trusts one of the certificates.
    pub(super) fn verdict(&self) -> Option<bool> {
        let trusts = |one: &Effective| one.fails.is_none() && self.certs.iter().any(|cert| one.accepts(*cert));
        self.one_was_asked.then(|| self.found.iter().all(trusts))
    }
}

/// Which runtimes have one of the certificates. Without a whole survey (`first`) nothing is known of runtimes.
pub(super) fn who_has(
    survey: &Survey,
    certs: &[CertId],
    asked: Option<AsRuntime>,
    env: &[SetVariable],
    first: bool,
) -> WhoHas {
    if first || certs.is_empty() && asked.is_none() {
        return WhoHas::default();
    }
    let found = of(survey, asked.unwrap_or(AsRuntime::Auto), env);
    WhoHas { found, certs: certs.to_vec(), one_was_asked: matches!(asked, Some(AsRuntime::One(_))) }
}

/// What is foretold, for today.
pub(super) fn of(survey: &Survey, asked: AsRuntime, env: &[SetVariable]) -> Vec<Effective> {
    let situation = SetVariable::situation(env, Some(SystemTime::now().into()));
    match asked {
        AsRuntime::Auto => effective_auto(survey, &situation),
        AsRuntime::One(runtime) => effective(survey, runtime, &situation),
    }
}

/// `trust list --as`.
pub(super) fn list(
    survey: &Survey,
    asked: (AsRuntime, &[SetVariable]),
    wide: bool,
    global: &GlobalOptions,
    ui: Ui,
) -> Result<Exit, Failure> {
    let (asked, env) = asked;
    let found = of(survey, asked, env);
    let stream = if global.json { Stream::Error } else { Stream::Output };
    let look = Look::of(stream, global, Redactor::new(true));
    let with_roots = wide || matches!(asked, AsRuntime::One(_)) && found.len() == 1;
    let text = render::render(&look, survey, &found, with_roots);
    super::print(&text, || serde_json::to_value(Document::new(survey, &found)), global)?;
    super::notes(survey, ui);
    Ok(Exit::Done)
}

/// The roots that one runtime accepts: of its first variant, which is the one that the image starts.
pub(super) fn roots(survey: &Survey, runtime: Runtime, env: &[SetVariable]) -> Result<Vec<CertId>, Failure> {
    let found = of(survey, AsRuntime::One(runtime), env);
    let Some(one) = found.first() else { return Ok(Vec::new()) };
    if let Some(why) = &one.fails {
        return Err(Failure::new(format_args!("{} in {} can verify nobody: {why}", one.label, survey.source)));
    }
    Ok(one.accepted().collect())
}
