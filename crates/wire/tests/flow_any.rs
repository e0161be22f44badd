//! Whatever passes: the pieces do not matter, no bytes make the decoder panic, and every exchange that began is handed out once.

mod script;

use proptest::prelude::*;
use script::h2::{END_STREAM, PREFACE, answer, data, get, headers, post, reset, settings};
use script::{Step, client, exchanges, lines, play_cut, server};
use sidelight_model::flow::{Decoded, Direction};
use sidelight_wire::flow_decoder::Limits;

/// Conversations that the properties cut and spoil.
fn conversations() -> Vec<Vec<Step>> {
    let get1 = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n9;e=1\r\ndata: x\n\n\r\n0\r\nT: v\r\n\r\n";
    let grpc = [("content-type", "application/grpc")];
    vec![
        vec![
            client([get1, get1].concat()),
            server([chunked, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"].concat()),
            client(
                "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            ),
            server("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            Step::Half(Direction::ToClient),
        ],
        vec![
            client("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
            server(
                "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n\u{1}\u{3}abc",
            ),
            client(b"\xc1\x87\x01\x02\x03\x04\xf3\x4a\xce\xcd\xc8\x05\x03\x88\x80\x01\x02\x03\x04"),
            server(b"\x80\x01d\x89\x00\x88\x02\x03\xe8"),
        ],
        vec![
            client(
                [PREFACE, &settings(), &get(1, "/a"), &post(3, "/p.S/M", &grpc), &data(3, 0, "\0\0\0\0\x02hi")]
                    .concat(),
            ),
            server([settings(), headers(3, 0, &[(":status", "200"), grpc[0]]), answer(1, "200", "one")].concat()),
            client([data(3, END_STREAM, "\0\0\0\0\0"), get(5, "/c"), reset(5, 8)].concat()),
            server([data(3, 0, "\0\0\0\0\x01x"), headers(3, END_STREAM, &[("grpc-status", "0")])].concat()),
        ],
        vec![
            client("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\n\r\n"),
            client([PREFACE, &settings(), &get(1, "/a")].concat()),
            server([settings(), answer(1, "200", "one")].concat()),
        ],
        vec![server("220 mail ESMTP\r\n"), client("EHLO a\r\n"), server("250 ok\r\n"), client("QUIT\r\n")],
    ]
}

fn whole(steps: &[Step]) -> Vec<Decoded> {
    play_cut(steps, Limits { body_kept: 8, head: 4096, hash_bodies: true }, &|bytes| vec![bytes.to_vec()])
}

fn single(steps: &[Step]) -> Vec<Decoded> {
    play_cut(steps, Limits { body_kept: 8, head: 4096, hash_bodies: true }, &|bytes| {
        bytes.chunks(1).map(<[u8]>::to_vec).collect()
    })
}

/// Puts one byte in the place of another, somewhere in the conversation.
fn spoil(steps: &mut [Step], place: prop::sample::Index, spot: prop::sample::Index, byte: u8) {
    let place = place.index(steps.len());
    if let Step::Client(bytes) | Step::Server(bytes) = &mut steps[place]
        && !bytes.is_empty()
    {
        let at = spot.index(bytes.len());
        bytes[at] = byte;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_pieces_do_not_matter(
        which in 0_usize..5,
        sizes in prop::collection::vec(1_usize..40, 1..20),
        spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..4),
        gap in prop::option::of((any::<prop::sample::Index>(), any::<bool>(), 1_u64..20)),
    ) {
        let mut steps = conversations().swap_remove(which);
        for (place, spot, byte) in spoiled {
            spoil(&mut steps, place, spot, byte);
        }
        if let Some((place, client, bytes)) = gap {
            let direction = if client { Direction::ToServer } else { Direction::ToClient };
            steps.insert(place.index(steps.len()), Step::Lost(direction, bytes));
        }
        steps.push(Step::Closed);
        let expected = whole(&steps);
        prop_assert_eq!(&single(&steps), &expected);
        let pieces = |bytes: &[u8]| {
            let (mut rest, mut all) = (bytes, Vec::new());
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(rest.len().min(*size));
                all.push(piece.to_vec());
                rest = after;
            }
            all
        };
        let cut = play_cut(&steps, Limits { body_kept: 8, head: 4096, hash_bodies: true }, &pieces);
        prop_assert_eq!(cut, expected);
    }

    #[test]
    fn any_bytes_in_any_order(
        alpn in 0_usize..3,
        pieces in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            Just(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
            Just(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            Just(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n".to_vec()),
            Just(PREFACE.to_vec()),
            Just(settings()),
            Just(get(1, "/")),
            Just(answer(1, "200", "x")),
            Just(vec![0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82]),
        ]), 0..20),
    ) {
        let mut steps = vec![Step::Agreed([None, Some(&b"h2"[..]), Some(b"http/1.1")][alpn])];
        for (from_client, bytes) in pieces {
            steps.push(if from_client { Step::Client(bytes) } else { Step::Server(bytes) });
        }
        steps.push(Step::Closed);
        let found = whole(&steps);
        prop_assert_eq!(&single(&steps), &found);
        let mut numbers: Vec<_> = exchanges(&found).iter().map(|exchange| (exchange.version, exchange.stream)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), count, "an exchange is handed out once");
    }
}

#[test]
fn the_conversations_are_read() {
    let found: Vec<_> = conversations().iter().flat_map(|steps| lines(&whole(steps))).collect();
    let expected = [
        "sse #1 ||x",
        "#1 GET h/a 0 -> 200 9 `data: x\\n`",
        "#2 GET h/a 0 -> 100 200 2 `ok`",
        "#3 POST h/b 2 -> 200 13 `until th` !LengthAndChunked",
        "#1 GET h/ws 0 -> 101 0 `` => websocket",
        "ws #1 > text 5/1 deflated `Hello`",
        "ws #1 > close 0  0/1 ``",
        "ws #1 < text 4/2 `abcd`",
        "ws #1 < ping 0/1 ``",
        "ws #1 < close 1000  2/1 `\\x03\\xe8`",
        "grpc #3 > 2 `hi`",
        "#1 GET h/a 0 -> 200 3 `one`",
        "grpc #3 > 0 ``",
        "#5 GET h/c 0 -> - CUT client reset the stream (CANCEL)",
        "grpc #3 < 1 `x`",
        "#3 POST h/p.S/M 12 -> 200 6 `\\x00\\x00\\x00\\x00\\x01x`",
        "#1 CONNECT b:1b:1 0 -> 200 0 `` => connect",
        "#1 GET h/a 0 -> 200 3 `one`",
        "opaque smtp 8/16",
    ];
    assert_eq!(found, expected);
}
