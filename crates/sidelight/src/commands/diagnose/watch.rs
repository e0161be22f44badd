//! Looking again and again. In: one endpoint and for how long. Out: the first diagnosis, then each change, with its time.

use std::time::{Duration, Instant};

use sidelight_engine::probe;
use sidelight_model::diagnose::{Diagnosis, Facts};
use sidelight_model::finding::Cause;

use super::diagnose;
use super::outcome::Outcome;
use super::prepare::Prepared;
use crate::cli::Endpoint;
use crate::exit::{Exit, Failure};

/// Between the end of one look and the beginning of the next.
const PAUSE: Duration = Duration::from_secs(5);

/// What a change is seen by.
type Seen = (Cause, Option<String>, Option<std::net::SocketAddr>);

/// Watches until the time is over, or Ctrl-C; the last look decides the exit status.
pub(super) fn run(
    prepared: &Prepared,
    target: &Endpoint,
    period: Duration,
    outcome: &Outcome<'_>,
) -> Result<Exit, Failure> {
    let until = Instant::now() + period;
    prepared.enter(|| async {
        let mut before: Option<Seen> = None;
        let mut looks = 0usize;
        let mut changes = 0usize;
        let exit = loop {
            let (facts, diagnosis) = diagnose(prepared, target, None).await?;
            looks += 1;
            let seen = seen(&facts, &diagnosis);
            if before.as_ref() != Some(&seen) {
                changes += usize::from(before.is_some());
                outcome.document(&facts, &diagnosis)?;
                let time = probe::now().rfc3339();
                outcome.print(&format!("{}  ", time.get(..19).unwrap_or(&time)))?;
                if before.is_none() {
                    outcome.print("\n")?
                };
                if before.is_none() || diagnosis.finding.cause != Cause::Ok {
                    outcome.details(&facts, &diagnosis)?;
                } else {
                    outcome.line(&diagnosis)?;
                }
            }
            before = Some(seen);
            let left = until.saturating_duration_since(Instant::now());
            let stopped = left.is_zero() || interrupted(PAUSE.min(left)).await;
            if stopped || Instant::now() >= until {
                break Outcome::exit(&diagnosis);
            }
        };
        outcome.print(&format!("looked {looks} times, {changes} changes\n"))?;
        Ok(exit)
    })?
}

/// Waits; whether Ctrl-C came meanwhile.
async fn interrupted(pause: Duration) -> bool {
    tokio::time::timeout(pause, tokio::signal::ctrl_c()).await.is_ok()
}

fn seen(facts: &Facts, diagnosis: &Diagnosis) -> Seen {
    let leaf = diagnosis.chain.first().map(sidelight_model::x509::Certificate::sha256);
    (diagnosis.finding.cause, leaf, facts.main().and_then(|main| main.peer))
}
