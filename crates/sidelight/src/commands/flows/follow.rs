//! `sidelight flows follow`. In: a recording that grows. Out: its flows as they end, until interrupted or nobody reads.

use std::time::Duration;

use sidelight_sink::store::Query;

use super::super::proxy::{nobody_reads, told_to_stop};
use super::list::Printer;
use super::{read_filter, source};
use crate::cli::{FlowsFollow, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// How often it is looked whether there is more.
const PERIOD: Duration = Duration::from_millis(200);

pub(super) fn run(follow: &FlowsFollow, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let filter = follow.filter.as_deref().map(read_filter).transpose()?;
    let recording = source::open(&source::path(follow.store.as_deref(), ui)?)?;
    let mut printer = Printer::new(global, follow.show_secrets);
    let query = Query { filter, ..Query::default() };
    // What changes from now on is seen by the next look.
    recording.changed();
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
                let news = Query { after: printer.last(), ..query.clone() };
                printer.print(&recording, news, None)?;
                printer.flush()?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}
