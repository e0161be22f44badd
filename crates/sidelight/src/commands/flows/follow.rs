//! `sidelight flows follow`. In: a recording that grows. Out: its flows as they end, until interrupted or nobody reads.

use std::time::Duration;

use sidelight_sink::store::{Query, Recording};

use super::super::proxy::{nobody_reads, told_to_stop};
use super::list::Printer;
use super::read_filter;
use super::source::{self, failed};
use crate::cli::{FlowsFollow, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// How often it is looked whether there is more.
const PERIOD: Duration = Duration::from_millis(200);

pub(super) fn run(follow: &FlowsFollow, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let filter = follow.filter.as_deref().map(read_filter).transpose()?;
    let mut recording = source::open(&source::path(follow.store.as_deref(), ui)?, ui)?;
    let mut printer = Printer::new(global, follow.show_secrets);
    let query = Query { filter, ..Query::default() };
    printer.print(&recording, query.clone(), Some(follow.last))?;
    printer.flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stopped = std::pin::pin!(async {
            tokio::select! {
                stopped = told_to_stop() => stopped,
                () = nobody_reads() => Ok(()),
            }
        });
        while printer.is_read() {
            tokio::select! {
                ended = &mut stopped => return ended,
                () = tokio::time::sleep(PERIOD) => {}
            }
            if recording.changed() {
                recording = print_news(recording, &mut printer, &query, ui)?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Prints what has come; gives the file in which the recording goes on, where it was rotated.
fn print_news(mut recording: Recording, printer: &mut Printer, query: &Query, ui: Ui) -> Result<Recording, Failure> {
    loop {
        // Asked first: what is written before the end of a file is there when its follower is named.
        let next = recording.continued_in().map_err(failed)?;
        let news = Query { after: printer.last(), ..query.clone() };
        printer.print(&recording, news, None)?;
        printer.flush()?;
        let Some(next) = next else { return Ok(recording) };
        // Named as the writer saw it; moved together, the files still stand side by side.
        let beside = recording.path().with_file_name(next.file_name().unwrap_or_default());
        recording = source::open(if beside.exists() { &beside } else { &next }, ui)?;
    }
}
