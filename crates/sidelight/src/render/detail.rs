//! What `-v` and `-vv` add to an exchange. In: its heads, trailers and bodies. Out: lines with `>` for what the client sent and
//! `<` for what the service sent, as in curl's output.

use sidelight_model::flow::{Direction, Exchange, Header};

use super::exchange::INDENT;
use super::style::{Meaning, of_status};
use super::{Look, body, escape};

/// The lines below an exchange's line; empty without `-v`.
pub(super) fn render(look: &Look, exchange: &Exchange) -> String {
    if look.verbose == 0 {
        return String::new();
    }
    let path = exchange.request.as_ref().map_or_else(Default::default, |it| String::from_utf8_lossy(&it.target.raw));
    let mut text = String::new();
    if let Some(request) = &exchange.request {
        let method = String::from_utf8_lossy(&request.method);
        let target = look.redactor.url(&String::from_utf8_lossy(&request.target.raw));
        let line = escape::line(&format!("{method} {target} {}", exchange.version.name()));
        push_line(look, Direction::ToServer, &look.paint.as_(Meaning::Strong, &line), &mut text);
        push_fields(look, Direction::ToServer, "", &request.headers, &mut text);
        body::push(look, Direction::ToServer, &request.headers, &request.body, &path, &mut text);
        push_fields(look, Direction::ToServer, "(trailer) ", &request.trailers, &mut text);
    }
    for interim in &exchange.interim {
        let line = look.paint.as_(Meaning::Onward, &format!("{} {}", exchange.version.name(), interim.status));
        push_line(look, Direction::ToClient, &line, &mut text);
        push_fields(look, Direction::ToClient, "", &interim.headers, &mut text);
    }
    if let Some(response) = &exchange.response {
        let reason = escape::line(&String::from_utf8_lossy(&response.reason));
        let line = format!("{} {} {reason}", exchange.version.name(), response.status);
        push_line(look, Direction::ToClient, &look.paint.as_(of_status(response.status), line.trim_end()), &mut text);
        push_fields(look, Direction::ToClient, "", &response.headers, &mut text);
        body::push(look, Direction::ToClient, &response.headers, &response.body, &path, &mut text);
        push_fields(look, Direction::ToClient, "(trailer) ", &response.trailers, &mut text);
    }
    text
}

/// `>` for what the client sent, `<` for what the service sent.
pub(super) const fn mark(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => ">",
        Direction::ToClient => "<",
    }
}

fn push_line(look: &Look, direction: Direction, line: &str, text: &mut String) {
    text.push_str(INDENT);
    text.push_str(&look.paint.as_(Meaning::Faint, mark(direction)));
    text.push(' ');
    text.push_str(line);
    text.push('\n');
}

fn push_fields(look: &Look, direction: Direction, label: &str, fields: &[Header], text: &mut String) {
    for field in fields {
        let name = look.paint.as_(Meaning::Name, &escape::line(&String::from_utf8_lossy(&field.name)));
        let value = escape::line(&look.redactor.field(field));
        push_line(look, direction, format!("{label}{name}: {value}").trim_end(), text);
    }
}
