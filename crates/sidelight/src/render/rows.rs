//! One line a recorded flow. In: rows of a recording. Out: number, time, client, method, status, URL, sizes and time to the end;
//! the day in a line of its own when it changes.

use sidelight_sink::store::{FlowKind, FlowRow};

use super::escape::{columns, fit, line, pad, pad_left};
use super::quantity::{bytes, day, duration, time_of_day};
use super::style::{Meaning, of_status};
use super::{Look, exchange};

/// Columns of a number; larger ones push the rest to the right.
const ID: usize = 5;

/// Makes lines of rows; remembers the day of the last one.
pub(crate) struct Rows {
    look: Look,
    day: Option<String>,
}

impl Rows {
    pub(crate) const fn new(look: Look) -> Self {
        Self { look, day: None }
    }

    /// The line of `row`, with its line end, and before it the day where that is a new one.
    pub(crate) fn line(&mut self, row: &FlowRow) -> String {
        let look = &self.look;
        let today = day(row.started, &look.zone);
        let mut text = String::new();
        // In a pipe each line tells its day, so that it means something by itself.
        if look.width.is_some() && self.day.as_ref() != Some(&today) {
            text = format!("{}\n", look.paint.as_(Meaning::Faint, &format!("── {today}")));
        }
        let time = match look.width {
            Some(_) => time_of_day(row.started, &look.zone),
            None => format!("{today} {}", time_of_day(row.started, &look.zone)),
        };
        self.day = Some(today);
        text + &one_line(look, row, &time)
    }
}

fn one_line(look: &Look, row: &FlowRow, time: &str) -> String {
    let is_wide = look.width.is_none_or(|width| width >= exchange::WIDE);
    let id = pad_left(&row.id.to_string(), ID);
    let client = client(&row.client, if is_wide { 16 } else { 11 });
    let (word, status, meaning) = what(row);
    let left = format!("{id} {time} {client} {word} {status} ");
    let right = right(look, row, is_wide);
    let thing = thing(look, row);
    let thing = match look.width {
        Some(width) => exchange::fit_url(&thing, width.saturating_sub(1 + columns(&left) + columns(&right)).max(12)),
        None => thing,
    };
    let paint = look.paint;
    let left = format!(
        "{} {} {client} {} {} ",
        paint.as_(Meaning::Name, &id),
        paint.as_(Meaning::Faint, time),
        paint.as_(Meaning::Strong, &word),
        paint.as_(meaning, &status)
    );
    format!("{}\n", format!("{left}{thing}{}", paint.as_(Meaning::Faint, &right)).trim_end())
}

/// A program by its name, without its folder; any other client as it is.
fn client(name: &str, width: usize) -> String {
    let name = if name.starts_with('/') { name.rsplit('/').next().unwrap_or(name) } else { name };
    pad(&fit(&line(name), width), width)
}

/// Method and status; of a connection without exchanges what became of it.
fn what(row: &FlowRow) -> (String, String, Meaning) {
    match row.kind {
        FlowKind::Connection => {
            let meaning = if row.outcome == "failed" { Meaning::Bad } else { Meaning::Faint };
            (
                pad(row.outcome, 6),
                "   ".get(row.outcome.len().saturating_sub(6)..).unwrap_or_default().to_owned(),
                meaning,
            )
        }
        FlowKind::Exchange => {
            let method = row.method.as_deref().unwrap_or("?");
            let (status, meaning) = match row.status {
                Some(status) => (format!("{status:03}"), of_status(status)),
                None => ("---".to_owned(), Meaning::Bad),
            };
            (pad(&fit(&line(method), 8), 6), status, meaning)
        }
    }
}

/// The URL, or the service; and why it failed.
fn thing(look: &Look, row: &FlowRow) -> String {
    let cause = row.cause.map_or_else(String::new, |cause| format!("  {}", cause.code()));
    let cut = match row.outcome {
        "cut" | "undecodable" => format!("  ({})", row.outcome),
        _ => String::new(),
    };
    line(&look.redactor.url(&url(row))) + &cut + &cause
}

fn url(row: &FlowRow) -> String {
    let path = row.path.as_deref().unwrap_or_default();
    let is_path = path.starts_with('/') || path == "*";
    if row.kind == FlowKind::Exchange && !is_path && !path.is_empty() {
        return path.to_owned();
    }
    let host = row.host.as_deref().unwrap_or("unknown destination");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let usual = match row.scheme.as_deref() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    let port = row.port.filter(|port| Some(*port) != usual).map_or_else(String::new, |port| format!(":{port}"));
    let scheme = row.scheme.as_deref().map_or_else(String::new, |scheme| format!("{scheme}://"));
    let path = if path == "*" { "/*" } else { path };
    format!("{scheme}{host}{port}{path}")
}

fn right(look: &Look, row: &FlowRow, is_wide: bool) -> String {
    let sizes = [bytes(row.request_size), bytes(row.response_size)];
    let time = |moment: Option<std::time::Duration>| moment.map_or_else(|| "-".to_owned(), duration);
    let (first, total) = (time(row.first_byte), time(row.total));
    match (look.width, is_wide) {
        (None, _) => format!("  {} → {}  {first} / {total}", sizes[0], sizes[1]),
        (_, false) => format!(" {} {}", pad_left(&sizes[1], 6), pad_left(&total, 6)),
        (_, true) => format!(
            "  {} {}  {} {}",
            pad_left(&sizes[0], 6),
            pad_left(&sizes[1], 6),
            pad_left(&first, 6),
            pad_left(&total, 6)
        ),
    }
}
