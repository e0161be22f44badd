//! Many endpoints. In: a list, one a line. Out: one line each as they are done, then the details of those that failed; with
//! `--json` a document each.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use sidelight_model::diagnose::{Diagnosis, Facts};
use sidelight_model::finding::Cause;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::diagnose;
use super::outcome::Outcome;
use super::prepare::Prepared;
use crate::cli::Endpoint;
use crate::exit::{Exit, Failure};

/// Bytes of a list.
const LARGEST: u64 = 16 << 20;
/// Endpoints of a list.
const MOST: usize = 100_000;
/// Endpoints that are asked at the same time.
const AT_ONCE: usize = 16;
/// Failures that are told in detail at the end.
const MOST_DETAILS: usize = 200;

/// Diagnoses all of a list.
pub(super) fn run(prepared: &Prepared, list: &Path, outcome: &Outcome<'_>) -> Result<Exit, Failure> {
    let targets = read(list)?;
    let total = targets.len();
    let progress = outcome.progress();
    let (mut failed, mut unanswered) = (Vec::new(), 0usize);
    let mut done = 0;
    prepared.enter(|| async {
        let (sender, mut results) = tokio::sync::mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let local = LocalSet::new();
        let work = async {
            while done < total {
                let Some((target, result)) = results.recv().await else { break };
                done += 1;
                outcome.end_progress();
                keep(outcome, &target, result, &mut failed, &mut unanswered)?;
                if let Some(progress) = &progress {
                    progress(&format!("{done} of {total}"));
                }
            }
            Ok::<(), Failure>(())
        };
        let asked = async {
            let asks = targets.iter().map(|target| {
                let (gate, sender) = (gate.clone(), sender.clone());
                async move {
                    let _turn = gate.acquire().await;
                    let _ = sender.send((target.clone(), diagnose(prepared, target, None).await));
                }
            });
            join_all(asks.collect()).await;
        };
        local.run_until(async { tokio::join!(work, asked).0 }).await
    })??;
    outcome.end_progress();
    let count = failed.len();
    for (facts, diagnosis) in failed.iter().take(MOST_DETAILS) {
        outcome.details(facts, diagnosis)?;
    }
    outcome.print(&format!(
        "\n{} of {total} work; {count} do not; {unanswered} could not be asked\n",
        total - count - unanswered
    ))?;
    Ok(match (count, unanswered) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Unanswered,
        _ => Exit::No,
    })
}

/// Polls all of them until each has ended.
async fn join_all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn keep(
    outcome: &Outcome<'_>,
    target: &Endpoint,
    result: Result<(Facts, Diagnosis), Failure>,
    failed: &mut Vec<(Facts, Diagnosis)>,
    unanswered: &mut usize,
) -> Result<(), Failure> {
    match result {
        Ok((facts, diagnosis)) => {
            outcome.document(&facts, &diagnosis)?;
            outcome.line(&diagnosis)?;
            if diagnosis.finding.cause != Cause::Ok {
                failed.push((facts, diagnosis));
            }
        }
        Err(failure) => {
            *unanswered += 1;
            outcome.print(&format!("? {target}: {failure}\n"))?;
        }
    }
    Ok(())
}

/// The endpoints of a list. A line that names none is an error: nobody wants a service left out silently.
fn read(list: &Path) -> Result<Vec<Endpoint>, Failure> {
    let name = list.display();
    let text = if list == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().take(LARGEST).read_to_string(&mut text)?;
        text
    } else {
        let bytes = sidelight_host::files::read_bounded(list, LARGEST)
            .map_err(|error| Failure::new(format!("--file: {error}")))?;
        String::from_utf8(bytes).map_err(|_| Failure::new(format!("--file {name}: it is not UTF-8")))?
    };
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.split('#').next().unwrap_or_default().trim()));
    let mut targets = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let target = line.parse::<Endpoint>().map_err(|why| Failure::usage(format!("{name}:{number}: {why}")))?;
        targets.push(target);
    }
    match targets.len() {
        0 => Err(Failure::usage(format!("--file {name}: it names no service"))),
        count if count > MOST => {
            Err(Failure::usage(format!("--file {name}: {count} services are too many (limit {MOST})")))
        }
        _ => Ok(targets),
    }
}
