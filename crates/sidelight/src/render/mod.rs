//! Values into words. In: what the bus tells. Out: text for a terminal or a pipe. Nothing is judged here.

mod body;
pub(crate) mod certificate_fault;
mod columns;
mod detail;
pub(crate) mod diagnosis;
pub(crate) mod escape;
mod exchange;
mod finding;
pub(crate) mod flow;
pub(crate) mod key_id;
mod ledger;
mod outlet;
pub(crate) mod paths;
mod quantity;
pub(crate) mod registry_check;
pub(crate) mod registry_explain;
pub(crate) mod registry_timeline;
mod rows;
mod stats;
mod stream;
mod style;
mod text;
pub(crate) mod token;
pub(crate) mod trust;
mod trust_edit;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod token_tests;

use jiff::tz::TimeZone;
use sidelight_sink::record::ConnectionRecord;
use sidelight_sink::redact::Redactor;

pub(crate) use finding::render as finding;
pub(crate) use outlet::{Stream, consumers};
pub(crate) use quantity::{bytes, count};
pub(crate) use rows::Rows;
pub(crate) use stats::render as stats;
pub(crate) use style::Paint;
pub(crate) use text::Text;
pub(crate) use trust_edit::edited;

/// How traffic is shown.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Colours.
    pub(crate) paint: Paint,
    /// Columns of the terminal; `None` when it is none: then nothing is cut.
    pub(crate) width: Option<usize>,
    /// The time zone of times of day.
    pub(crate) zone: TimeZone,
    /// How secrets appear.
    pub(crate) redactor: Redactor,
    /// 0: one line an exchange; 1: and headers; 2: and bodies.
    pub(crate) verbose: u8,
    /// Findings alone.
    pub(crate) quiet: bool,
    /// Bytes of each decoded body that are shown.
    pub(crate) body_limit: usize,
}

impl Look {
    /// Text from a peer, on one line, its secrets redacted.
    pub(crate) fn peer(&self, text: &str) -> String {
        escape::line(&self.redactor.text(text))
    }
}

/// The client for people: `curl[1234]`, with its container, or its address.
fn client_name(record: &ConnectionRecord) -> String {
    match (&record.process, &record.opened) {
        (Some(process), _) => format!("{}[{}]", escape::line(&process.name), process.pid),
        (None, Some(opened)) => opened.client.ip().to_canonical().to_string(),
        (None, None) => "unknown".to_owned(),
    }
}

/// As [`client_name`] in at most `width` columns; of a program's name the beginning, and always its process ID.
fn client_column(record: &ConnectionRecord, width: usize) -> String {
    let name = client_name(record);
    let shown = match (&record.process, name.rsplit_once('[')) {
        (Some(_), Some((program, pid))) if escape::columns(&name) > width => {
            format!("{}[{pid}", escape::clip(program, width.saturating_sub(pid.len() + 1)))
        }
        _ => escape::fit(&name, width),
    };
    escape::pad(&shown, width)
}
