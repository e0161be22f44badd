//! `sidelight flows list`. In: a recording. Out: a line a flow, the newest last; with `--json`, an object a line.

use std::io::IsTerminal as _;

use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::{self, Tagged, View};
use sidelight_sink::store::{FlowId, FlowRow, Query, Recording};

use super::output::{Output, Reader};
use super::source::{self, Source, failed};
use crate::cli::{FlowsList, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::{Look, Rows, Stream};
use crate::ui::Ui;

pub(super) fn run(list: &FlowsList, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let source = Source::open(&list.source, ui)?;
    let mut printer = Printer::new(global, list.show_secrets);
    let count = printer.print(&source.recording, source.query(), list.last)?;
    printer.flush()?;
    source::tell_losses(&source.recording, ui)?;
    if count == 0 && std::io::stderr().is_terminal() {
        ui.note(if source.filter.is_some() { "no flow matches" } else { "no flow is recorded" });
    }
    Ok(Exit::Done)
}

/// Prints flows as lines for people, or as JSON.
pub(super) struct Printer {
    out: Output,
    rows: Rows,
    view: View,
    json: bool,
    reader: Reader,
    last: Option<FlowId>,
}

impl Printer {
    pub(super) fn new(global: &GlobalOptions, show_secrets: bool) -> Self {
        let redactor = Redactor::new(show_secrets);
        let look = Look::of(Stream::Output, global, redactor);
        let view = View { redactor, bodies: None };
        Self { out: Output::new(), rows: Rows::new(look), view, json: global.json, reader: Reader::There, last: None }
    }

    /// The last flow that was printed.
    pub(super) const fn last(&self) -> Option<FlowId> {
        self.last
    }

    /// Whether somebody reads.
    pub(super) fn is_read(&self) -> bool {
        self.reader == Reader::There
    }

    /// Prints the flows that `query` gives, or the `newest` of them; gives their number.
    ///
    /// # Errors
    /// When the recording cannot be read, or standard output cannot be written.
    pub(super) fn print(&mut self, recording: &Recording, query: Query, newest: Option<usize>) -> Result<u64, Failure> {
        if let Some(newest) = newest {
            return self.print_newest(recording, Query { limit: Some(newest), newest_first: true, ..query });
        }
        let (mut count, mut problem) = (0, None);
        let each = &mut |row: FlowRow| {
            count += 1;
            match self.row(recording, &row) {
                Ok(reader) => reader == Reader::There,
                Err(failure) => {
                    problem = Some(failure);
                    false
                }
            }
        };
        recording.rows(&query, each).map_err(failed)?;
        problem.map_or(Ok(count), Err)
    }

    fn print_newest(&mut self, recording: &Recording, query: Query) -> Result<u64, Failure> {
        let mut rows = Vec::new();
        let keep = &mut |row: FlowRow| {
            rows.push(row);
            true
        };
        recording.rows(&query, keep).map_err(failed)?;
        for row in rows.iter().rev() {
            if self.row(recording, row)? == Reader::Gone {
                break;
            }
        }
        Ok(rows.len() as u64)
    }

    fn row(&mut self, recording: &Recording, row: &FlowRow) -> Result<Reader, Failure> {
        self.last = Some(row.id);
        self.reader = if self.json {
            // It may have been taken out of a ring just now.
            let Some(flow) = recording.flow(row.id).map_err(failed)? else { return Ok(self.reader) };
            self.out.line(&Tagged::new("flow", schema::Flow::brief(&flow, self.view)))?
        } else {
            self.out.print(&self.rows.line(row))?
        };
        Ok(self.reader)
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.reader = self.out.flush()?;
        Ok(())
    }
}
