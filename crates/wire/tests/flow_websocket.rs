//! WebSocket conversations, as scripts.

mod script;

use flate2::{Compress, Compression, FlushCompress};
use script::{Step, client, lines, play, play_cut, play_with, server};
use sidelight_model::flow::{Decoded, Direction};
use sidelight_wire::flow_decoder::Limits;

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A frame, masked when there is a key.
fn frame(first: u8, key: Option<[u8; 4]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(mask | length as u8),
        length @ ..65_536 => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&key.unwrap_or_default()[..if key.is_some() { 4 } else { 0 }]);
    let key = key.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

const KEY: Option<[u8; 4]> = Some([0x12, 0x34, 0x56, 0x78]);

/// Steps of a conversation with these extensions, after its handshake.
fn with(extensions: &str, steps: &[Step]) -> Vec<Decoded> {
    let mut all = handshake(extensions);
    all.extend_from_slice(steps);
    let mut found = play(&all);
    assert_eq!(lines(&found[..1]), ["#1 GET h/ws 0 -> 101 0 `` => websocket"]);
    found.remove(0);
    found
}

fn handshake(extensions: &str) -> Vec<Step> {
    let header =
        if extensions.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {extensions}\r\n") };
    vec![client(ASK), server(format!("{AGREE}{header}\r\n"))]
}

#[test]
fn fragments_with_control_frames_between() {
    let found = with(
        "",
        &[
            client([frame(1, KEY, "he"), frame(FIN | 9, KEY, "p"), frame(0, KEY, "ll"), frame(FIN, KEY, "o")].concat()),
            server(
                [frame(FIN | 10, None, "p"), frame(FIN | 2, None, ""), frame(FIN | 1, None, vec![b'a'; 300])].concat(),
            ),
            server(frame(FIN | 8, None, b"\x03\xe9bye")),
            client(frame(FIN | 8, KEY, "")),
        ],
    );
    let long = format!("ws #1 < text 300/1 `{}`", "a".repeat(300));
    let expected = [
        "ws #1 > ping 1/1 `p`",
        "ws #1 > text 5/3 `hello`",
        "ws #1 < pong 1/1 `p`",
        "ws #1 < binary 0/1 ``",
        &long,
        "ws #1 < close 1001 bye 5/1 `\\x03\\xe9bye`",
        "ws #1 > close 0  0/1 ``",
    ];
    assert_eq!(lines(&found), expected);
}

/// Deflates messages one after the other, as a peer does that keeps its window.
fn deflated(messages: &[&[u8]], fresh: bool) -> Vec<Vec<u8>> {
    let mut state = Compress::new(Compression::default(), false);
    let deflate = |message: &&[u8]| {
        if fresh {
            state.reset();
        }
        let mut bytes = Vec::with_capacity(message.len() + 100);
        state.compress_vec(message, &mut bytes, FlushCompress::Sync).unwrap();
        assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
        bytes.truncate(bytes.len() - 4);
        bytes
    };
    messages.iter().map(deflate).collect()
}

#[test]
fn deflated_messages_with_and_without_a_shared_window() {
    let messages: [&[u8]; 3] = [b"hello hello hello", b"hello hello hello", b""];
    for (extensions, fresh) in [
        ("permessage-deflate", false),
        ("x-mine, permessage-deflate; client_no_context_takeover; server_max_window_bits=15", true),
    ] {
        let payloads = deflated(&messages, fresh);
        let (one, other) = payloads[0].split_at(4);
        let found = with(
            extensions,
            &[
                client([frame(RSV1 | 1, KEY, one), frame(FIN, KEY, other)].concat()),
                client(frame(FIN | RSV1 | 1, KEY, &payloads[1])),
                client(frame(FIN | RSV1 | 2, KEY, &payloads[2])),
                client(frame(FIN | 1, KEY, "plain")),
            ],
        );
        let expected = [
            "ws #1 > text 17/2 deflated `hello hello hello`",
            "ws #1 > text 17/1 deflated `hello hello hello`",
            "ws #1 > binary 0/1 deflated ``",
            "ws #1 > text 5/1 `plain`",
        ];
        assert_eq!(lines(&found), expected, "{extensions}");
    }
}

#[test]
fn a_deflated_flood_is_counted_not_kept() {
    let zeros = vec![0; 3 << 20];
    let payload = deflated(&[&zeros], true).remove(0);
    assert!(payload.len() < 10_000);
    let mut steps = handshake("permessage-deflate");
    steps.push(server(frame(FIN | RSV1 | 2, None, payload)));
    let found = play_with(&steps, Limits { body_kept: 2, head: 1000, hash_bodies: false });
    assert_eq!(lines(&found)[1], format!("ws #1 < binary {}/1 deflated `\\x00\\x00`", 3 << 20));
}

#[test]
fn faults_are_named() {
    for (bytes, line) in [
        (frame(FIN | 1, None, "x"), "anomaly > BadWebSocket an unmasked frame from the client"),
        (frame(FIN, KEY, "x"), "anomaly > BadWebSocket a continuation of no message"),
        (frame(FIN | 3, KEY, "x"), "anomaly > BadWebSocket a frame with the reserved opcode 0x3"),
        (frame(FIN | RSV1 | 1, KEY, "x"), "anomaly > BadWebSocket reserved bits that no agreed extension uses"),
        (frame(FIN | 9, KEY, [0; 126]), "anomaly > BadWebSocket a control frame in fragments or of 126 bytes"),
        (frame(FIN | 1, KEY, b"\xff"), "anomaly > BadWebSocket a text message that is not UTF-8: `\\xff`"),
        (frame(FIN | 8, KEY, b"\x03\xed"), "anomaly > BadWebSocket the close code 1005"),
        (frame(FIN | 8, KEY, b"\x03"), "anomaly > BadWebSocket a close frame with half a code"),
        (
            [frame(1, KEY, "x"), frame(FIN | 1, KEY, "y")].concat(),
            "anomaly > BadWebSocket a new message before the end of the one before",
        ),
        (
            vec![FIN | 1, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "stopped > a WebSocket frame of 9223372036854775808 bytes",
        ),
    ] {
        assert_eq!(lines(&with("", &[client(bytes)]))[0], line);
    }
    let found = with(
        "permessage-deflate",
        &[server(frame(FIN | RSV1 | 1, None, [0xff; 9])), server(frame(FIN | 1, None, "x"))],
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(lines(&found)[1].starts_with("stopped < a message that cannot be inflated"), "{found:?}");
    let noise = frame(FIN, KEY, "").repeat(50);
    assert_eq!(lines(&with("", &[client(noise)])).len(), 17);
}

#[test]
fn gaps_and_ends_inside_a_message() {
    let message = frame(FIN | 2, None, "abcdefgh");
    let gap = Step::Lost(Direction::ToClient, 3);
    let found = with("", &[server(&message[..4]), gap.clone(), server(&message[7..]), gap.clone(), server("x")]);
    let expected = [
        "anomaly < Gap 3 bytes of a WebSocket message were not seen",
        "ws #1 < binary 8/1 `ab`",
        "stopped < 3 bytes of the WebSocket conversation were not seen",
    ];
    assert_eq!(lines(&found), expected);
    let found = with("", &[server(&message[..4]), Step::Closed]);
    assert_eq!(lines(&found), ["anomaly < BadWebSocket the connection ended inside a WebSocket message"]);
}

#[test]
fn a_long_message_costs_no_more_than_is_kept() {
    let mut steps = handshake("");
    steps.push(client(frame(FIN | 2, KEY, vec![b'x'; 1 << 20])));
    let limits = Limits { body_kept: 3, head: 1000, hash_bodies: false };
    let found = play_cut(&steps, limits, &|bytes| bytes.chunks(1000).map(<[u8]>::to_vec).collect());
    assert_eq!(lines(&found)[1], "ws #1 > binary 1048576/1 `xxx`");
}
