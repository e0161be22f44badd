//! When the parts of a flow passed. In: timings of the exchange, else of the connection. Out: the moment it began, and a bar a part.

use std::time::Duration;

use sidelight_model::time::Timestamp;

use super::super::escape;
use super::super::quantity::{fine_duration, moment};
use super::super::style::Meaning;
use super::Flow;
use super::sheet::Sheet;

/// Columns of a bar that is as long as the whole.
const BAR: usize = 40;

/// Adds the times.
pub(super) fn show(flow: Flow<'_>, sheet: &mut Sheet<'_>) {
    let Some(exchange) = flow.exchange else {
        sheet.entry("time", Meaning::Plain, &moment(flow.conn.since, &sheet.look().zone));
        return;
    };
    let timings = &exchange.timings;
    let start = timings.request_start;
    sheet.entry("time", Meaning::Plain, &moment(start, &sheet.look().zone));
    let mut parts: Vec<(&str, Timestamp, Timestamp)> = Vec::new();
    if flow.conn.since < start && exchange.stream == 1 {
        parts.push(("connecting", flow.conn.since, start));
    }
    let asked = timings.request_end.or(timings.end).unwrap_or(start);
    parts.push(("request", start, asked));
    match (timings.response_start, timings.end) {
        (Some(first), Some(end)) => {
            if first > asked {
                parts.push(("waiting", asked, first));
            }
            parts.push(("response", first, end));
        }
        (None, Some(end)) if end > asked => parts.push(("waiting", asked, end)),
        _ => {}
    }
    let begin = parts.iter().map(|(_, from, _)| *from).min().unwrap_or(start);
    let whole = parts.iter().map(|(_, _, to)| *to).max().unwrap_or(start).since(begin);
    let bars = sheet.look().width.is_none_or(|width| width >= 80);
    for (name, from, to) in parts {
        let length = escape::pad_left(&fine_duration(to.since(from)), 10);
        let bar = if bars { bar(from.since(begin), to.since(begin), whole) } else { String::new() };
        sheet.more(Meaning::Plain, format!("{} {length}  {bar}", escape::pad(name, 10)).trim_end());
    }
}

/// Blanks up to `from`, and a bar up to `to`; at least one column of it.
fn bar(from: Duration, to: Duration, whole: Duration) -> String {
    let column = |at: Duration| {
        if whole.is_zero() { 0 } else { (at.as_secs_f64() / whole.as_secs_f64() * BAR as f64).round() as usize }
    };
    let start = column(from).min(BAR - 1);
    let end = column(to).clamp(start + 1, BAR);
    format!("{}{}", " ".repeat(start), "▇".repeat(end - start))
}
