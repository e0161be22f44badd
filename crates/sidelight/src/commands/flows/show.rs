//! `sidelight flows show`. In: numbers of flows. Out: each whole, for people or as JSON, or as a request to make again.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::SystemTime;

use sidelight_sink::redact::{Redactor, exchange as redacted};
use sidelight_sink::schema::{self, Tagged, View};
use sidelight_sink::snippet::{Tool, snippet};
use sidelight_sink::store::{FlowId, FlowRow, Query, StoredFlow};
use sidelight_sink::views::{Force, Protos, ViewOptions};
use sidelight_wire::encode::{self, Piece};

use super::output::{Output, Reader};
use super::source::{Source, failed};
use crate::cli::{BodyView, FlowsShow, GlobalOptions, Snippet};
use crate::exit::{Exit, Failure};
use crate::render::flow::{self, Flow, FlowShow};
use crate::render::{Look, Stream, escape};
use crate::ui::Ui;

pub(super) fn run(command: &FlowsShow, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let wanted = command.ids.iter().map(|text| Wanted::read(text)).collect::<Result<Vec<_>, _>>()?;
    if global.json && command.format.is_some() {
        return Err(Failure::usage("--json and --format: only one of them can be printed"));
    }
    let mut shower = Shower::new(command, global, ui)?;
    let source = Source::open(&command.source, ui)?;
    for wanted in wanted {
        for id in wanted.find(&source)? {
            let Some(flow) = source.recording.flow(id).map_err(failed)? else { return Err(no_such(id, &source)) };
            if shower.show(&flow)? == Reader::Gone {
                return Ok(Exit::Done);
            }
        }
    }
    shower.out.flush()?;
    Ok(Exit::Done)
}

/// Which flows are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    One(u64),
    /// From one to another, both of them included.
    Range(u64, u64),
    Last,
}

impl Wanted {
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format_args!("`{text}` is no number of a flow"))
                .hint("write a number that `sidelight flows list` gives, a range such as 3..7 or 12.., or `last`")
        };
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(wrong);
        if text == "last" {
            return Ok(Self::Last);
        }
        let Some((from, to)) = text.split_once("..") else { return number(text).map(Self::One) };
        let from = if from.is_empty() { 1 } else { number(from)? };
        let to = if to.is_empty() { u64::MAX } else { number(to)? };
        if from > to || text == ".." { Err(wrong()) } else { Ok(Self::Range(from, to)) }
    }

    /// The numbers, of a range those that are there and match.
    fn find(self, source: &Source) -> Result<Vec<FlowId>, Failure> {
        let query = match self {
            Self::One(id) => return Ok(vec![FlowId(id)]),
            Self::Last => Query { limit: Some(1), newest_first: true, ..source.query() },
            Self::Range(from, _) => Query { after: Some(FlowId(from - 1)), ..source.query() },
        };
        let mut found = Vec::new();
        let each = &mut |row: FlowRow| {
            let is_beyond = matches!(self, Self::Range(_, to) if row.id.0 > to);
            if !is_beyond {
                found.push(row.id);
            }
            !is_beyond
        };
        source.recording.rows(&query, each).map_err(failed)?;
        if found.is_empty() {
            return Err(match self {
                Self::Last if source.filter.is_some() => Failure::new("no flow matches --filter"),
                Self::Last => Failure::new("the recording holds no flow"),
                Self::One(id) | Self::Range(id, _) => no_such(FlowId(id), source),
            });
        }
        Ok(found)
    }
}

fn no_such(id: FlowId, source: &Source) -> Failure {
    let mut last = None;
    let query = Query { limit: Some(1), newest_first: true, ..Query::default() };
    let read = source.recording.rows(&query, &mut |row| {
        last = Some(row.id);
        false
    });
    let failure = Failure::new(format_args!("the recording holds no flow {id}"));
    match (read, last) {
        (Ok(()), Some(last)) => {
            failure.hint(format_args!("its last flow is {last}; `sidelight flows list` lists them"))
        }
        _ => failure,
    }
}

/// Lines of each body that a terminal gets, unless the person says otherwise.
const LINES_ON_A_TERMINAL: usize = 100;

struct Shower<'c> {
    command: &'c FlowsShow,
    out: Output,
    options: FlowShow,
    view: View,
    json: bool,
    shown: u64,
    ui: Ui,
}

impl<'c> Shower<'c> {
    fn new(command: &'c FlowsShow, global: &GlobalOptions, ui: Ui) -> Result<Self, Failure> {
        let redactor = Redactor::new(command.show_secrets);
        let look = Look::of(Stream::Output, global, redactor);
        let default = if look.width.is_some() { LINES_ON_A_TERMINAL } else { 0 };
        let lines = match command.lines.unwrap_or(default) {
            0 => usize::MAX,
            lines => lines,
        };
        let options =
            FlowShow { look, view: views(command, lines)?, limit_messages: lines, now: SystemTime::now().into() };
        let view = View { redactor, bodies: Some(usize::MAX) };
        Ok(Self { command, out: Output::new(), options, view, json: global.json, shown: 0, ui })
    }

    fn show(&mut self, flow: &StoredFlow) -> Result<Reader, Failure> {
        let is_text = !self.json && self.command.format != Some(Snippet::Raw);
        let gap = if self.shown > 0 && is_text { "\n" } else { "" };
        self.shown += 1;
        if self.json {
            return self.out.line(&Tagged::new("flow", schema::Flow::whole(flow, self.view)));
        }
        let tool = match self.command.format {
            None => {
                self.out.print(gap)?;
                let options = &self.options;
                return self.out.with(|mut out| flow::show(Flow::from(flow), options, &mut out));
            }
            Some(Snippet::Curl) => Tool::Curl,
            Some(Snippet::Httpie) => Tool::Httpie,
            Some(Snippet::Python) => Tool::Python,
            Some(Snippet::Raw) => return self.raw(flow),
        };
        let Some(exchange) = &flow.exchange else {
            return self.out.print(&format!("{gap}# flow {} is a connection without any request\n", flow.id));
        };
        let text = snippet(tool, &flow.conn, &redacted::exchange(self.view.redactor, exchange));
        self.out.print(&format!("{gap}{text}"))
    }
}

/// How bodies are laid out, as the person asks.
fn views(command: &FlowsShow, lines: usize) -> Result<ViewOptions, Failure> {
    let protos = match command.proto.as_slice() {
        [] => None,
        files => Some(Arc::new(Protos::load(files, &command.include).map_err(|error| {
            Failure::new(format_args!("--proto {error}"))
                .hint("--include DIR names a folder in which imports are looked for")
        })?)),
    };
    let force = match command.view {
        BodyView::Pretty => None,
        BodyView::Raw => Some(Force::Raw),
        BodyView::Hex => Some(Force::Hex),
    };
    Ok(ViewOptions { limit_lines: lines, limit_bytes: usize::MAX, force, protos, ..ViewOptions::default() })
}

impl Shower<'_> {
    /// Request and response as HTTP/1 messages; on a terminal without control characters.
    fn raw(&mut self, flow: &StoredFlow) -> Result<Reader, Failure> {
        let Some(exchange) = &flow.exchange else {
            return Err(Failure::new(format_args!("flow {} is a connection without any exchange", flow.id))
                .hint("`sidelight flows export --format raw -o DIR` writes what passed on it"));
        };
        let exchange = redacted::exchange(self.view.redactor, exchange);
        let mut bytes = Vec::new();
        let mut unseen = 0;
        for piece in encode::request(&exchange).into_iter().chain(encode::response(&exchange)) {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(&piece),
                Piece::Unseen(length) => unseen += length,
            }
        }
        if unseen > 0 {
            self.ui.warning(&format!("{unseen} bytes of the bodies were not kept (--body-limit keeps more)"));
        }
        if std::io::stdout().is_terminal() {
            return self.out.print(&(escape::block(&String::from_utf8_lossy(&bytes)) + "\n"));
        }
        self.out.with(|out| out.write_all(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_flows() {
        for (text, wanted) in [
            ("7", Wanted::One(7)),
            ("3..7", Wanted::Range(3, 7)),
            ("12..", Wanted::Range(12, u64::MAX)),
            ("..4", Wanted::Range(1, 4)),
            ("last", Wanted::Last),
        ] {
            assert_eq!(Wanted::read(text), Ok(wanted), "{text}");
        }
        for text in ["", "0", "-1", "x", "..", "7..3", "1..x", "1.5", "Last"] {
            let failure = Wanted::read(text).unwrap_err();
            assert_eq!((failure.exit, failure.hints.len()), (Exit::Usage, 1), "{text}");
        }
    }
}
