//! Exchanges as HTTP/1 messages. In: an exchange. Out: heads in the order and case of the wire, bodies framed as their heads say.
//! Spec: RFC 9112 §2 (messages), §6, §7.1 (chunked).

use bytes::Bytes;
use sidelight_model::flow::{Body, Direction, Exchange, Header, HttpVersion, Outcome, Request, Response};

use super::{Piece, Pieces, Turn};
use crate::http1::list_members;

/// The request as an HTTP/1 message; empty when it was not seen. HTTP/2 is written in the same form, with its version in the first
/// line, and `host` where only `:authority` was.
pub fn request(exchange: &Exchange) -> Vec<Piece> {
    let Some(request) = &exchange.request else { return Vec::new() };
    let mut pieces = Pieces::default();
    pieces.push(request_head(exchange, request));
    request_body(&mut pieces, exchange, request);
    pieces.0
}

/// The final response as an HTTP/1 message; empty when there was none.
pub fn response(exchange: &Exchange) -> Vec<Piece> {
    let Some(response) = &exchange.response else { return Vec::new() };
    let mut pieces = Pieces::default();
    pieces.push(response_head(exchange, response));
    response_body(&mut pieces, exchange, response);
    pieces.0
}

/// All that passed for an exchange: head and body of the request, each response.
pub(super) fn turns(exchange: &Exchange) -> Vec<Turn> {
    let mut turns = Vec::new();
    let times = &exchange.timings;
    let mut turn = |at, direction, pieces: Pieces| {
        if !pieces.0.is_empty() {
            turns.push(Turn { at, direction, pieces: pieces.0 });
        }
    };
    if let Some(request) = &exchange.request {
        let mut head = Pieces::default();
        head.push(request_head(exchange, request));
        turn(times.request_start, Direction::ToServer, head);
    }
    for interim in &exchange.interim {
        let mut head = Pieces::default();
        head.push(status_head(exchange.version, interim.status, b"", &interim.headers));
        turn(interim.at, Direction::ToClient, head);
    }
    if let Some(request) = &exchange.request {
        let mut rest = Pieces::default();
        request_body(&mut rest, exchange, request);
        turn(times.request_end.unwrap_or(times.request_start), Direction::ToServer, rest);
    }
    if let Some(response) = &exchange.response {
        let start = times.response_start.unwrap_or(times.request_start);
        let (mut head, mut rest) = (Pieces::default(), Pieces::default());
        head.push(response_head(exchange, response));
        turn(start, Direction::ToClient, head);
        response_body(&mut rest, exchange, response);
        turn(times.end.unwrap_or(start), Direction::ToClient, rest);
    }
    turns
}

fn request_head(exchange: &Exchange, request: &Request) -> Bytes {
    let mut head = Vec::new();
    let text = |head: &mut Vec<u8>, bytes: &[u8]| {
        head.extend(bytes.iter().map(|byte| if *byte < b' ' { b'?' } else { *byte }))
    };
    text(&mut head, &request.method);
    head.push(b' ');
    text(&mut head, &request.target.raw);
    head.push(b' ');
    head.extend_from_slice(exchange.version.name().as_bytes());
    head.extend_from_slice(b"\r\n");
    let has_host = request.headers.iter().any(|header| header.is("host"));
    if let (HttpVersion::Http2 | HttpVersion::Http3, false, Some(authority)) =
        (exchange.version, has_host, &request.target.authority)
    {
        field(&mut head, b"host", authority.as_bytes());
    }
    fields(&mut head, &request.headers);
    head.into()
}

fn response_head(exchange: &Exchange, response: &Response) -> Bytes {
    status_head(exchange.version, response.status, &response.reason, &response.headers)
}

fn status_head(of: HttpVersion, status: u16, reason: &[u8], headers: &[Header]) -> Bytes {
    let mut head = format!("{} {status:03} ", of.name()).into_bytes();
    clean(&mut head, reason);
    head.extend_from_slice(b"\r\n");
    fields(&mut head, headers);
    head.into()
}

/// Field lines, and the empty line after them.
fn fields(out: &mut Vec<u8>, headers: &[Header]) {
    for header in headers {
        field(out, &header.name, &header.value);
    }
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    clean(out, name);
    out.extend_from_slice(b": ");
    clean(out, value);
    out.extend_from_slice(b"\r\n");
}

/// What would end a line cannot be in one: HTTP/2 and other formats can hold it.
fn clean(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }));
}

fn is_chunked(exchange: &Exchange, headers: &[Header]) -> bool {
    let in_http1 = matches!(exchange.version, HttpVersion::Http10 | HttpVersion::Http11);
    let last = list_members(headers, "transfer-encoding").last();
    in_http1 && last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"))
}

fn response_body(pieces: &mut Pieces, exchange: &Exchange, response: &Response) {
    let method = exchange.request.as_ref().map_or(&b""[..], |request| &request.method);
    let without = method == b"HEAD"
        || matches!(response.status, 100..=199 | 204 | 304)
        || (method == b"CONNECT" && (200..300).contains(&response.status));
    if !without {
        let whole = exchange.outcome == Outcome::Complete;
        body(pieces, is_chunked(exchange, &response.headers), whole, &response.body, &response.trailers);
    }
}

fn request_body(pieces: &mut Pieces, exchange: &Exchange, request: &Request) {
    let whole = exchange.timings.request_end.is_some() || exchange.outcome == Outcome::Complete;
    body(pieces, is_chunked(exchange, &request.headers), whole, &request.body, &request.trailers);
}

/// Content as one chunk, or as it is. A chunked body that is not whole has no last chunk.
fn body(pieces: &mut Pieces, chunked: bool, whole: bool, body: &Body, trailers: &[Header]) {
    if !chunked {
        return pieces.body(body);
    }
    if body.length > 0 {
        pieces.push(format!("{:x}\r\n", body.length));
        pieces.body(body);
        pieces.push(&b"\r\n"[..]);
    }
    if whole {
        let mut end = b"0\r\n".to_vec();
        fields(&mut end, trailers);
        pieces.push(end);
    }
}
