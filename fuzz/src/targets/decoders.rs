//! The decoders beside the traffic. In: conversations, plain or built around the bytes. Out: broken promises.
//!
//! What each target promises: decoding the bytes one by one gives what decoding them in one piece gives, also where some of them
//! were not seen, nothing keeps more than its limit, and a conversation that ends leaves nothing behind.

use sidelight_model::flow::{Body, ConnId, Decoded, Direction, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use sidelight_wire::{content_coding, opaque};

use super::{Turn, turns};

/// Small, so that reaching it takes few bytes.
const KEPT: usize = 512;

/// Any conversation, with its turns as the input has them.
pub fn flow_decoder(data: &[u8]) {
    let turns = turns(data);
    same_however_cut(None, &turns);
    if let Some((_, first)) = turns.first() {
        let name = opaque::looks_like(first, turns.get(1).map_or(&[], |(_, second)| second));
        assert_eq!(name, opaque::looks_like(first, turns.get(1).map_or(&[], |(_, second)| second)));
    }
}

/// HTTP/1: everything from the client, then everything from the server.
pub fn http1(data: &[u8]) {
    let (client, server) = halves(data);
    same_however_cut(Some(b"http/1.1"), &[(false, client), (true, server)]);
}

/// HTTP/2 with the client's preface and empty settings on both sides before the input.
pub fn http2(data: &[u8]) {
    let (client, server) = halves(data);
    let client = [PREFACE, SETTINGS, client].concat();
    let server = [SETTINGS, server].concat();
    same_however_cut(Some(b"h2"), &[(false, &client), (true, &server)]);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// WebSocket frames after an upgrade; the first byte of the input chooses how deflating was agreed.
pub fn websocket(data: &[u8]) {
    let (choice, rest) = data.split_first().unwrap_or((&0, &[]));
    let extension = match choice % 4 {
        0 => "",
        1 => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        2 => "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
        _ => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9; server_max_window_bits=9\r\n",
    };
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\n{upgrade}{extension}Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\n{upgrade}{extension}\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let (client, server) = halves(rest);
    same_however_cut(
        Some(b"http/1.1"),
        &[(false, request.as_bytes()), (true, response.as_bytes()), (false, client), (true, server)],
    );
}

/// gRPC: the input is the message stream of both sides, carried in DATA frames of a sound call.
pub fn grpc(data: &[u8]) {
    let (choice, rest) = data.split_first().unwrap_or((&0, &[]));
    let frame = usize::from(choice % 64) + 1;
    let (client, server) = halves(rest);
    // Static table entries and literals without indexing: POST, https, /s/m, content-type application/grpc.
    let request = [&[0x83, 0x87][..], &literal(4, b"/s/m"), &literal(31, b"application/grpc")].concat();
    let response = [&[0x88][..], &literal(31, b"application/grpc")].concat();
    let trailers = [&[0x00][..], &string(b"grpc-status"), &string(b"0")].concat();
    let client =
        [PREFACE, SETTINGS, &h2_frame(1, 4, &request), &data_frames(client, frame), &h2_frame(0, 1, b"")].concat();
    let answer =
        [SETTINGS, &h2_frame(1, 4, &response), &data_frames(server, frame), &h2_frame(1, 5, &trailers)].concat();
    same_however_cut(Some(b"h2"), &[(false, &client), (true, &answer)]);
}

/// Splits `data` in two: its first two bytes say how many of the following belong to the first half.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data {
        [high, low, rest @ ..] => rest.split_at((usize::from(*high) << 8 | usize::from(*low)).min(rest.len())),
        _ => (data, &[]),
    }
}

fn string(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text].concat()
}

/// A literal header field without indexing, whose name is in the static table at `index` (RFC 7541 §6.2.2).
fn literal(index: u8, value: &[u8]) -> Vec<u8> {
    let name: &[u8] = if index < 15 { &[index] } else { &[15, index - 15] };
    [name, &string(value)].concat()
}

/// A frame on stream 1.
fn h2_frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

fn data_frames(content: &[u8], size: usize) -> Vec<u8> {
    content.chunks(size).flat_map(|piece| h2_frame(0, 0, piece)).collect()
}

/// What of a conversation is not seen.
#[derive(Clone, Copy, Debug)]
enum Gaps {
    None,
    /// Every third turn.
    Turns,
    /// A third of each turn, in its middle.
    Middles,
}

fn same_however_cut(alpn: Option<&[u8]>, turns: &[Turn<'_>]) {
    for gaps in [Gaps::None, Gaps::Turns, Gaps::Middles] {
        let whole = decode(alpn, turns, gaps, usize::MAX);
        let single = decode(alpn, turns, gaps, 1);
        assert_eq!(whole, single, "the result depends on how the bytes were cut, with gaps: {gaps:?}");
    }
}

/// Decodes a whole conversation, from the handshake to the end.
fn decode(alpn: Option<&[u8]>, turns: &[Turn<'_>], gaps: Gaps, piece: usize) -> Vec<Decoded> {
    let limits = Limits { body_kept: KEPT, ..Limits::default() };
    let mut decoder = FlowDecoder::new(ConnId(1), limits);
    let mut out = Vec::new();
    let at = Timestamp(0);
    if alpn.is_some() {
        decoder.agreed(alpn);
    }
    for (index, (from_server, bytes)) in turns.iter().enumerate() {
        let direction = if *from_server { Direction::ToClient } else { Direction::ToServer };
        let (from, to) = match gaps {
            Gaps::Turns if index % 3 == 2 => (0, bytes.len()),
            Gaps::Middles => (bytes.len() / 3, bytes.len() * 2 / 3),
            Gaps::None | Gaps::Turns => (0, 0),
        };
        bytes[..from].chunks(piece).for_each(|slice| decoder.data(direction, at, slice, &mut out));
        decoder.lost(direction, at, (to - from) as u64, &mut out);
        bytes[to..].chunks(piece).for_each(|slice| decoder.data(direction, at, slice, &mut out));
    }
    decoder.half_closed(Direction::ToServer, at, &mut out);
    decoder.half_closed(Direction::ToClient, at, &mut out);
    decoder.closed(at, &mut out);
    out.iter().for_each(within_limits);
    let count = out.len();
    decoder.closed(at, &mut out);
    assert_eq!(out.len(), count, "what was handed out comes again");
    out
}

fn within_limits(decoded: &Decoded) {
    let kept = match decoded {
        Decoded::Exchange(exchange) => exchange_kept(exchange),
        Decoded::WebSocket(message) => message.kept.len(),
        Decoded::Grpc(message) => message.kept.len(),
        Decoded::ServerSent(event) => event.data.len() / 4,
        Decoded::Opaque(data) => data.first_to_client.len().max(data.first_to_server.len()) / 16,
        Decoded::Stopped(_, why) => usize::from(why.is_empty()) * usize::MAX,
        Decoded::Anomaly(_, anomaly) => anomaly.detail.len() / 16,
    };
    assert!(kept <= KEPT, "{kept} bytes kept in {decoded:?}");
}

fn exchange_kept(exchange: &Exchange) -> usize {
    let request = exchange.request.as_ref().map_or(0, |request| body_kept(&request.body));
    let response = exchange.response.as_ref().map_or(0, |response| body_kept(&response.body));
    request.max(response)
}

fn body_kept(body: &Body) -> usize {
    assert!(body.kept.len() as u64 <= body.length);
    body.kept.len()
}

/// A body with codings on it; the first byte of the input chooses them. The output keeps to its limit.
pub fn content_coding(data: &[u8]) {
    const CODINGS: [&str; 8] =
        ["gzip", "deflate", "br", "zstd", "gzip, br", "identity, GZIP", "gzip, gzip, gzip, gzip, gzip", "unknown"];
    let (choice, body) = data.split_first().unwrap_or((&0, &[]));
    let codings = CODINGS[usize::from(choice % 8)];
    let (content, odd) = content_coding::decode(codings, body, KEPT);
    assert!(content.len() <= KEPT.max(body.len()) && odd.len() <= 64);
    let (more, _) = content_coding::decode(codings, body, 8 * KEPT);
    assert!(more.starts_with(&content) || !odd.is_empty(), "a smaller limit gave other content");
}
