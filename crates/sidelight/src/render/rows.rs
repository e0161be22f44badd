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
    let (url, end) = thing(look, row);
    let thing = match look.width {
        Some(width) => {
            let room = width.saturating_sub(1 + columns(&left) + columns(&right)).max(12);
            let url = if columns(&url) + columns(&end) > room {
                exchange::fit_url(&url, room.saturating_sub(columns(&end)))
            } else {
                url
            };
            pad(&(url + &end), room)
        }
        None => url + &end,
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

/// The URL, or the service; and after it why it failed.
fn thing(look: &Look, row: &FlowRow) -> (String, String) {
    let cause = row.cause.map_or_else(String::new, |cause| format!("  {}", cause.code()));
    let cut = match row.outcome {
        "cut" | "undecodable" => format!("  ({})", row.outcome),
        _ => String::new(),
    };
    (line(&look.redactor.url(&url(row))), cut + &cause)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sidelight_model::finding::Cause;
    use sidelight_sink::store::FlowId;

    use super::super::fixtures::{START, later, look};
    use super::*;

    fn row(id: u64) -> FlowRow {
        FlowRow {
            id: FlowId(id),
            kind: FlowKind::Exchange,
            conn: 1,
            stream: Some(id),
            started: START,
            method: Some("GET".into()),
            scheme: Some("https".into()),
            host: Some("registry.test".into()),
            port: Some(443),
            path: Some("/v2/?token=hunter2".into()),
            status: Some(200),
            request_size: 0,
            response_size: 12_345,
            first_byte: Some(Duration::from_millis(34)),
            total: Some(Duration::from_millis(1_200)),
            media_type: None,
            outcome: "complete",
            client: "/usr/bin/curl".into(),
            cause: None,
        }
    }

    fn rows() -> Vec<FlowRow> {
        vec![
            row(1),
            FlowRow { status: None, outcome: "cut", total: None, first_byte: None, port: Some(8443), ..row(9) },
            FlowRow { path: Some("http://plain.test/absolute".into()), scheme: Some("http".into()), ..row(10) },
            FlowRow { host: Some("2001:db8::1".into()), method: Some("M\u{1b}[2J-SEARCH".into()), ..row(11) },
            FlowRow {
                kind: FlowKind::Connection,
                stream: None,
                method: None,
                scheme: None,
                path: None,
                status: None,
                outcome: "failed",
                started: later(86_400_000),
                cause: Some(Cause::CertExpired),
                ..row(123_456)
            },
            FlowRow {
                kind: FlowKind::Connection,
                path: None,
                scheme: None,
                outcome: "relayed",
                status: None,
                ..row(7)
            },
        ]
    }

    fn shown(width: Option<usize>) -> String {
        let mut lines = Rows::new(look(width, 0));
        rows().iter().map(|row| lines.line(row)).collect()
    }

    #[test]
    fn rows_of_a_recording() {
        insta::assert_snapshot!(format!("{}\n{}\n{}", shown(Some(120)), shown(Some(80)), shown(None)));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [70, 80, 109, 110, 200] {
            for line in shown(Some(width)).lines().filter(|line| !line.contains("123456")) {
                assert!(columns(line) < width, "{width}: {line}");
            }
        }
    }
}
