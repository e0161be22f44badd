//! What passed beside exchanges or inside of them: messages of WebSocket, gRPC and event streams; conversations that no decoder
//! knows. In: what decoders found, in order. Out: a line each, with its content beneath.

use sidelight_model::flow::{Decoded, Direction, Exchange, Header, OpaqueData, WebSocketKind, WebSocketMessage};
use sidelight_model::time::Timestamp;
use sidelight_sink::views::{Call, View, ViewOptions, view, view_grpc_message};

use super::super::escape;
use super::super::exchange::anomaly_words;
use super::super::quantity::{bytes, fine_time_of_day};
use super::super::style::Meaning;
use super::message::show_text;
use super::sheet::Sheet;
use super::{Flow, FlowShow};

/// Longest content that stands on the line of its message.
const SHORT: usize = 60;

/// Adds the messages; nothing where there are none.
pub(super) fn show(flow: Flow<'_>, options: &FlowShow, sheet: &mut Sheet<'_>) {
    let mut shown = 0;
    for decoded in flow.messages {
        if matches!(decoded, Decoded::Exchange(_)) {
            continue;
        }
        if shown == 0 {
            sheet.blank();
        }
        if shown == options.limit_messages {
            let more = flow.messages.len() - shown;
            sheet.line(Meaning::Faint, &format!("… and {more} more; --lines 0 shows all"));
            return;
        }
        shown += 1;
        show_one(decoded, flow.exchange, options, sheet);
    }
}

fn show_one(decoded: &Decoded, exchange: Option<&Exchange>, options: &FlowShow, sheet: &mut Sheet<'_>) {
    match decoded {
        Decoded::Exchange(_) => {}
        Decoded::WebSocket(message) => show_web_socket(message, options, sheet),
        Decoded::Grpc(message) => {
            let words = format!(
                "gRPC message, {}{}",
                bytes(message.length),
                if message.compressed { ", compressed" } else { "" }
            );
            let options = grpc_options(exchange, message.direction, options);
            let content_type = exchange.map_or("", |it| content_type(it, message.direction));
            let view = view_grpc_message(content_type, message, &options);
            passing(message.at, message.direction, &words, Some(view), sheet);
            show_kept(message.kept.len(), message.length, sheet);
        }
        Decoded::ServerSent(event) => {
            let name = if event.event.is_empty() { "message" } else { &event.event };
            let id = if event.id.is_empty() { String::new() } else { format!(", id {}", sheet.look().peer(&event.id)) };
            let words = format!("event {}{id}", sheet.look().peer(name));
            let view = view("text/plain", "", event.data.as_bytes(), &options.view);
            passing(event.at, Direction::ToClient, &words, Some(view), sheet);
        }
        Decoded::Opaque(data) => show_opaque(data, options, sheet),
        Decoded::Stopped(direction, why) => {
            let side = if *direction == Direction::ToServer { "client" } else { "service" };
            let words = format!("! what the {side} says is not decoded further: {}", sheet.look().peer(why));
            sheet.line(Meaning::Caution, &words);
        }
        Decoded::Anomaly(direction, anomaly) => {
            let words = format!("{} {}", arrow(*direction), anomaly_words(sheet.look(), anomaly));
            sheet.line(Meaning::Caution, &words);
        }
    }
}

fn show_web_socket(message: &WebSocketMessage, options: &FlowShow, sheet: &mut Sheet<'_>) {
    let size = bytes(message.length);
    let mut words = match &message.kind {
        WebSocketKind::Text => format!("text, {size}"),
        WebSocketKind::Binary => format!("binary, {size}"),
        WebSocketKind::Ping => "ping".to_owned(),
        WebSocketKind::Pong => "pong".to_owned(),
        WebSocketKind::Close(code, reason) => {
            let code = code.map_or_else(String::new, |code| format!(" {code}"));
            format!("close{code} {}", sheet.look().peer(reason)).trim_end().to_owned()
        }
    };
    if message.frames > 1 {
        words += &format!(", in {} frames", message.frames);
    }
    if message.compressed {
        words += ", deflated";
    }
    let is_content = matches!(message.kind, WebSocketKind::Text | WebSocketKind::Binary);
    let content_type = if message.kind == WebSocketKind::Text { "text/plain" } else { "" };
    let cut = (message.kept.len() as u64) < message.length;
    let view = (is_content && !message.kept.is_empty())
        .then(|| view(content_type, "", &message.kept, &ViewOptions { cut, ..options.view.clone() }));
    passing(message.at, message.direction, &words, view, sheet);
    if is_content {
        show_kept(message.kept.len(), message.length, sheet);
    }
}

/// A message: its line, and its content beneath, or on the line when it is short.
fn passing(at: Timestamp, direction: Direction, words: &str, view: Option<View>, sheet: &mut Sheet<'_>) {
    let time = fine_time_of_day(at, &sheet.look().zone);
    let line = format!("{time} {} {words}", arrow(direction));
    let Some(view) = view.filter(|view| !view.text.is_empty()) else { return sheet.line(Meaning::Plain, &line) };
    let short = view.text.strip_suffix('\n').filter(|text| !text.contains('\n') && text.len() <= SHORT);
    match short {
        Some(text) if view.problem.is_none() => sheet.line(Meaning::Plain, &format!("{line}: {}", escape::line(text))),
        _ => {
            sheet.line(Meaning::Plain, &line);
            let indented: String = view.text.lines().map(|line| format!("  {line}\n")).collect();
            if let Some(problem) = &view.problem {
                sheet.line(Meaning::Caution, &format!("  ! {}", sheet.look().peer(problem)));
            }
            show_text(&indented, sheet);
            if let Some(words) = &view.left_out {
                sheet.line(Meaning::Faint, &format!("  … {words}; --lines 0 shows all"));
            }
        }
    }
}

fn show_kept(kept: usize, length: u64, sheet: &mut Sheet<'_>) {
    if (kept as u64) < length {
        let words = format!("  … {} of {} were kept; --body-limit keeps more", bytes(kept as u64), bytes(length));
        sheet.line(Meaning::Caution, &words);
    }
}

const fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "→",
        Direction::ToClient => "←",
    }
}

/// The declared type of what goes this way.
fn content_type(exchange: &Exchange, direction: Direction) -> &str {
    Header::find(fields(exchange, direction), "content-type").unwrap_or_default()
}

fn fields(exchange: &Exchange, direction: Direction) -> &[Header] {
    match direction {
        Direction::ToServer => exchange.request.as_ref().map_or(&[], |request| &request.headers),
        Direction::ToClient => exchange.response.as_ref().map_or(&[], |response| &response.headers),
    }
}

/// The options with the method that messages of this direction belong to.
fn grpc_options(exchange: Option<&Exchange>, direction: Direction, options: &FlowShow) -> ViewOptions {
    let call = exchange.and_then(|it| {
        let path = String::from_utf8_lossy(&it.request.as_ref()?.target.raw).into_owned();
        Call::of(&path, direction == Direction::ToServer, fields(it, direction))
    });
    ViewOptions { call, ..options.view.clone() }
}

/// Both directions of a conversation, as far as they were kept.
fn show_opaque(data: &OpaqueData, options: &FlowShow, sheet: &mut Sheet<'_>) {
    let looks = data
        .looks_like
        .as_deref()
        .map_or_else(|| "no protocol that is decoded".to_owned(), |name| format!("looks like {name}"));
    sheet.line(Meaning::Plain, &escape::line(&looks));
    for (direction, from, kept, length) in [
        (Direction::ToServer, "client", &data.first_to_server, data.to_server),
        (Direction::ToClient, "service", &data.first_to_client, data.to_client),
    ] {
        if length == 0 {
            continue;
        }
        sheet.heading(&format!("{} from the {from}", arrow(direction)), Meaning::Strong, &bytes(length));
        let cut = (kept.len() as u64) < length;
        let shown = view("", "", kept, &ViewOptions { cut, ..options.view.clone() });
        show_text(&shown.text, sheet);
        if let Some(words) = &shown.left_out {
            sheet.line(Meaning::Faint, &format!("… {words}; --lines 0 shows all"));
        }
        show_kept(kept.len(), length, sheet);
    }
}
