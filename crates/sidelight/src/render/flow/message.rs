//! Request and response. In: an exchange. Out: heads as they were on the wire, bodies laid out, what of them was cut, trailers.

use sidelight_model::flow::{Body, ConnectionRecord, Decoded, Direction, Exchange, Header};
use sidelight_sink::views::{BodyView, token_summary, view_body};

use super::super::escape;
use super::super::quantity::bytes;
use super::super::style::{Meaning, of_status};
use super::FlowShow;
use super::sheet::Sheet;

/// Adds the request, the interim responses, and the response.
pub(super) fn show(
    conn: &ConnectionRecord,
    exchange: &Exchange,
    messages: &[Decoded],
    options: &FlowShow,
    sheet: &mut Sheet<'_>,
) {
    let path = exchange.request.as_ref().map_or_else(Default::default, |it| String::from_utf8_lossy(&it.target.raw));
    let version = exchange.version.name();
    // What is told message by message need not be told as a body, too.
    let is_told =
        |direction| messages.iter().any(|it| matches!(it, Decoded::Grpc(message) if message.direction == direction));
    if let Some(request) = &exchange.request {
        let method = String::from_utf8_lossy(&request.method);
        let target = options.look.redactor.url(&path);
        let line = escape::line(&format!("{method} {target} {version}"));
        let client = super::super::client_name(conn);
        sheet.heading(&format!("→ {line}"), Meaning::Strong, &format!("from {client}"));
        show_fields("", &request.headers, options, sheet);
        if !is_told(Direction::ToServer) {
            show_body(Direction::ToServer, &request.headers, &request.body, &path, options, sheet);
        }
        show_fields("(trailer) ", &request.trailers, options, sheet);
    }
    for interim in &exchange.interim {
        sheet.heading(&format!("← {version} {}", interim.status), Meaning::Onward, "");
        show_fields("", &interim.headers, options, sheet);
    }
    if let Some(response) = &exchange.response {
        let reason = escape::line(&String::from_utf8_lossy(&response.reason));
        let line = format!("← {version} {} {reason}", response.status);
        let service = format!("from {}", escape::line(&conn.service()));
        sheet.heading(line.trim_end(), of_status(response.status), &service);
        show_fields("", &response.headers, options, sheet);
        let is_events = messages.iter().any(|it| matches!(it, Decoded::ServerSent(_)));
        if !is_told(Direction::ToClient) && !is_events {
            show_body(Direction::ToClient, &response.headers, &response.body, &path, options, sheet);
        }
        show_fields("(trailer) ", &response.trailers, options, sheet);
    }
}

fn show_fields(label: &str, fields: &[Header], options: &FlowShow, sheet: &mut Sheet<'_>) {
    for field in fields {
        let name = escape::line(&String::from_utf8_lossy(&field.name));
        sheet.field(label, &name, &escape::line(&options.look.redactor.field(field)));
        let value = std::str::from_utf8(&field.value).unwrap_or_default();
        if let Some(words) = token_summary(value, options.look.redactor) {
            sheet.line(Meaning::Faint, &format!("  (token: {})", escape::line(&words)));
        }
    }
}

fn show_body(
    direction: Direction,
    fields: &[Header],
    body: &Body,
    path: &str,
    options: &FlowShow,
    sheet: &mut Sheet<'_>,
) {
    if body.length == 0 {
        return;
    }
    let shown = view_body(direction, fields, body, path, &options.view);
    sheet.raw("\n");
    sheet.line(Meaning::Faint, &description(body, &shown));
    if body.kept.is_empty() {
        sheet.line(Meaning::Faint, "… none of it was kept; --body-limit keeps more");
        return;
    }
    if let Some(problem) = &shown.view.problem {
        sheet.line(Meaning::Caution, &format!("! {}", sheet.look().peer(problem)));
    }
    show_text(&shown.view.text, sheet);
    show_omissions(shown.view.left_out.as_deref(), body, sheet);
}

/// Lines of a view, safe for terminals.
pub(super) fn show_text(text: &str, sheet: &mut Sheet<'_>) {
    for line in escape::block(text).lines() {
        sheet.line(Meaning::Plain, line);
    }
}

fn show_omissions(left_out: Option<&str>, body: &Body, sheet: &mut Sheet<'_>) {
    if let Some(words) = left_out {
        sheet.line(Meaning::Faint, &format!("… {words}; --lines 0 shows all"));
    }
    let kept = body.kept.len() as u64;
    if kept < body.length {
        let words = format!("… {} of {} were kept; --body-limit keeps more", bytes(kept), bytes(body.length));
        sheet.line(Meaning::Caution, &words);
    }
}

/// `application/json, 12 kB, gzip, as json`.
fn description(body: &Body, shown: &BodyView) -> String {
    let media_type = if shown.media_type.is_empty() { "no media type" } else { &shown.media_type };
    let mut words = vec![media_type.to_owned(), bytes(body.length)];
    words.extend(shown.codings.iter().cloned());
    if !body.kept.is_empty() {
        words.push(format!("shown as {}", shown.view.name));
    }
    if let Some(digest) = &body.sha256 {
        words.push(format!("sha256 {}", data_encoding::HEXLOWER.encode(digest)));
    }
    escape::line(&format!("[{}]", words.join(", ")))
}
