//! `sidelight diagnose`. In: endpoints, and whose trust counts. Out: for each whether TLS works, and if not why and what to do.

mod many;
mod outcome;
mod prepare;
mod roots;
mod save;
mod watch;

use sidelight_engine::probe::probe;
use sidelight_model::diagnose::{Diagnosis, Facts, judge};

use self::outcome::Outcome;
use self::prepare::Prepared;
use crate::cli::{DiagnoseCommand, Endpoint, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does what is asked.
pub(super) fn run(command: &DiagnoseCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let prepared = Prepared::of(command, ui)?;
    let outcome = Outcome::new(command, global, ui);
    match (&command.target, &command.file) {
        (Some(target), _) => match command.effort.watch {
            Some(period) => watch::run(&prepared, target, period.0, &outcome),
            None => one(&prepared, target, &outcome),
        },
        (None, Some(list)) => many::run(&prepared, list, &outcome),
        (None, None) => Err(Failure::usage("there is nothing to diagnose").hint("name HOST[:PORT], or --file LIST")),
    }
}

fn one(prepared: &Prepared, target: &Endpoint, outcome: &Outcome<'_>) -> Result<Exit, Failure> {
    let progress = outcome.progress();
    let (facts, diagnosis) = prepared.enter(|| async { diagnose(prepared, target, progress.clone()).await })??;
    outcome.end_progress();
    outcome.show(&facts, &diagnosis)?;
    outcome.save(&diagnosis)?;
    Ok(Outcome::exit(&diagnosis))
}

/// Gathers and judges.
async fn diagnose(
    prepared: &Prepared,
    target: &Endpoint,
    progress: Option<sidelight_engine::probe::Progress>,
) -> Result<(Facts, Diagnosis), Failure> {
    let (question, ways) = prepared.question(target, progress)?;
    let facts = probe(question, prepared.roots(), prepared.others(), ways).await;
    let diagnosis = judge(&facts);
    Ok((facts, diagnosis))
}
