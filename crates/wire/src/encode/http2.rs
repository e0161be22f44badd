//! Exchanges as HTTP/2 frames. In: an exchange and its stream. Out: HEADERS, DATA, PUSH_PROMISE; fields as literals that need no
//! table. Spec: RFC 9113 §3.4, §6, §8; RFC 7541 §6.2.2; RFC 8441 §4.

use bytes::Bytes;
use sidelight_model::flow::{Body, Direction, Exchange, Header, Outcome, Request, Response};
use sidelight_model::time::Timestamp;

use super::{Piece, Pieces, Turn};
use crate::http2::{PREFACE, error_name};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The longest frame of bytes that were kept.
const FRAME: usize = 16_384;
/// The longest frame at all, and what both sides' settings allow: frames of bytes that were not kept.
const LARGEST: u64 = (1 << 24) - 1;

/// What both sides send first.
pub(super) fn beginning(at: Timestamp) -> [Turn; 2] {
    let mut settings = Vec::new();
    // SETTINGS_MAX_FRAME_SIZE.
    let [_, a, b, c] = (LARGEST as u32).to_be_bytes();
    frame(&mut settings, SETTINGS, 0, 0, &[0, 5, 0, a, b, c]);
    let client = [PREFACE.as_slice(), &settings].concat();
    let turn = |direction, bytes: Vec<u8>| Turn { at, direction, pieces: vec![Piece::Bytes(bytes.into())] };
    [turn(Direction::ToServer, client), turn(Direction::ToClient, settings)]
}

/// All frames of an exchange on the stream `id`; a pushed one is promised on `parent`.
pub(super) fn turns(exchange: &Exchange, id: u32, parent: u32, answered_only: bool) -> Vec<Turn> {
    let mut turns = Vec::new();
    let times = &exchange.timings;
    let mut latest = times.request_start;
    let mut turn = |at: Timestamp, direction, bytes: Pieces| {
        // Within a stream nothing overtakes anything.
        latest = latest.max(at);
        if !bytes.0.is_empty() {
            turns.push(Turn {
                at: if direction == Direction::ToServer { at.max(times.request_start) } else { latest },
                direction,
                pieces: bytes.0,
            });
        }
    };
    let tunnel = matches!(exchange.outcome, Outcome::Upgraded(_));
    let asked = exchange.request.as_ref().filter(|_| !answered_only);
    let ended = times.request_end.is_some();
    if let (Some(request), true) = (asked, exchange.pushed) {
        let mut pieces = Pieces::default();
        pieces.push(promise(exchange, request, id, parent));
        turn(times.request_start, Direction::ToClient, pieces);
    } else if let Some(request) = asked {
        let ends = ended && !tunnel && request.body.length == 0 && request.trailers.is_empty();
        let (mut head, mut rest) = (Pieces::default(), Pieces::default());
        head.push(headers(id, ends, &request_block(exchange, request)));
        turn(times.request_start, Direction::ToServer, head);
        if !ends {
            body(&mut rest, id, ended && !tunnel, &request.body, &request.trailers);
        }
        turn(times.request_end.unwrap_or(times.request_start), Direction::ToServer, rest);
    }
    for interim in &exchange.interim {
        let mut pieces = Pieces::default();
        pieces.push(headers(id, false, &response_block(interim.status, &interim.headers)));
        turn(interim.at, Direction::ToClient, pieces);
    }
    if let Some(response) = &exchange.response {
        let start = times.response_start.unwrap_or(times.request_start);
        let complete = exchange.outcome == Outcome::Complete;
        answer(id, response, complete, (start, times.end.unwrap_or(start)), &mut turn);
    }
    if let Some((direction, code)) = reset(&exchange.outcome) {
        let (mut bytes, mut pieces) = (Vec::new(), Pieces::default());
        frame(&mut bytes, RST_STREAM, 0, id, &code.to_be_bytes());
        pieces.push(bytes);
        turn(times.end.unwrap_or(times.request_start), direction, pieces);
    }
    turns
}

/// Who reset the stream, and with which code, as the decoder has it in words.
fn reset(outcome: &Outcome) -> Option<(Direction, u32)> {
    let Outcome::Cut(why) = outcome else { return None };
    let (who, code) = why.split_once(" reset the stream (")?;
    let code = code.strip_suffix(')')?;
    let number = (0..32).find(|number| error_name(*number) == code);
    let hex = code.strip_prefix("error 0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let direction = if who == "client" { Direction::ToServer } else { Direction::ToClient };
    Some((direction, number.or(hex)?))
}

fn answer(
    id: u32,
    response: &Response,
    complete: bool,
    (start, end): (Timestamp, Timestamp),
    turn: &mut impl FnMut(Timestamp, Direction, Pieces),
) {
    let ends = complete && response.body.length == 0 && response.trailers.is_empty();
    let (mut head, mut rest) = (Pieces::default(), Pieces::default());
    head.push(headers(id, ends, &response_block(response.status, &response.headers)));
    turn(start, Direction::ToClient, head);
    if !ends {
        body(&mut rest, id, complete, &response.body, &response.trailers);
    }
    turn(end, Direction::ToClient, rest);
}

/// What passes in a tunnel, as content of its stream.
pub(super) fn wrapped(id: u32, pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out = Pieces::default();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => kept(&mut out, id, &bytes),
            Piece::Unseen(bytes) => unseen(&mut out, id, bytes),
        }
    }
    out.0
}

/// Content and trailers; `ends` when the stream ends with them.
fn body(pieces: &mut Pieces, id: u32, ends: bool, body: &Body, trailers: &[Header]) {
    kept(pieces, id, &body.kept);
    unseen(pieces, id, super::missing(body));
    if !trailers.is_empty() {
        let mut block = Vec::new();
        trailers.iter().for_each(|field| literal(&mut block, &field.name, &field.value));
        pieces.push(headers(id, ends, &block));
    } else if ends {
        let mut last = Vec::new();
        frame(&mut last, DATA, END_STREAM, id, &[]);
        pieces.push(last);
    }
}

fn kept(pieces: &mut Pieces, id: u32, bytes: &Bytes) {
    let mut at = 0;
    while at < bytes.len() {
        let piece = bytes.slice(at..bytes.len().min(at + FRAME));
        let mut head = Vec::new();
        frame_head(&mut head, DATA, 0, id, piece.len() as u64);
        at += piece.len();
        pieces.push(head);
        pieces.push(piece);
    }
}

fn unseen(pieces: &mut Pieces, id: u32, bytes: u64) {
    let mut left = bytes;
    while left > 0 {
        let length = left.min(LARGEST);
        let mut head = Vec::new();
        frame_head(&mut head, DATA, 0, id, length);
        pieces.push(head);
        pieces.skip(length);
        left -= length;
    }
}

fn request_block(exchange: &Exchange, request: &Request) -> Vec<u8> {
    let mut block = Vec::new();
    let target = &request.target;
    literal(&mut block, b":method", &request.method);
    let protocol = match &exchange.outcome {
        Outcome::Upgraded(name) if request.method.as_ref() == b"CONNECT" && name != "connect" => Some(name),
        _ => None,
    };
    if request.method.as_ref() == b"CONNECT" && protocol.is_none() {
        literal(&mut block, b":authority", &target.raw);
    } else {
        if let Some(protocol) = protocol {
            literal(&mut block, b":protocol", protocol.as_bytes());
        }
        if let Some(scheme) = &target.scheme {
            literal(&mut block, b":scheme", scheme.as_bytes());
        }
        if let Some(authority) = &target.authority {
            literal(&mut block, b":authority", authority.as_bytes());
        }
        literal(&mut block, b":path", &target.raw);
    }
    request.headers.iter().for_each(|field| literal(&mut block, &field.name, &field.value));
    block
}

fn response_block(status: u16, fields: &[Header]) -> Vec<u8> {
    let mut block = Vec::new();
    literal(&mut block, b":status", format!("{status:03}").as_bytes());
    fields.iter().for_each(|field| literal(&mut block, &field.name, &field.value));
    block
}

/// A field without indexing, its name a literal, too.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        integer(block, text.len());
        block.extend_from_slice(text);
    }
}

/// An integer with a prefix of seven bits, the eighth being 0.
fn integer(block: &mut Vec<u8>, number: usize) {
    if number < 127 {
        return block.push(number as u8);
    }
    block.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        block.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn headers(id: u32, ends: bool, block: &[u8]) -> Vec<u8> {
    fields(HEADERS, if ends { END_STREAM } else { 0 }, id, &[], block)
}

fn promise(exchange: &Exchange, request: &Request, id: u32, parent: u32) -> Vec<u8> {
    fields(PUSH_PROMISE, 0, parent, &id.to_be_bytes(), &request_block(exchange, request))
}

/// A field block, in as many frames as it needs; the first one has `prefix` before it.
fn fields(kind: u8, flags: u8, id: u32, prefix: &[u8], block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (first, rest) = block.split_at(block.len().min(FRAME - prefix.len()));
    let ends = |rest: &[u8]| if rest.is_empty() { END_HEADERS } else { 0 };
    frame(&mut out, kind, flags | ends(rest), id, &[prefix, first].concat());
    let mut rest = rest;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(FRAME));
        frame(&mut out, CONTINUATION, ends(after), id, piece);
        rest = after;
    }
    out
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    frame_head(out, kind, flags, id, payload.len() as u64);
    out.extend_from_slice(payload);
}

fn frame_head(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, length: u64) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&id.to_be_bytes());
}
