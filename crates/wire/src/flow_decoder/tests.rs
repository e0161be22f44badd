//! What a decoder holds on to. The conversations themselves are in `tests/flow_*.rs`.

use proptest::prelude::*;

use super::*;

/// Pieces of conversations that keep something until their end comes, which it does not always.
const PIECES: [(&[u8], Direction); 14] = [
    (
        b"POST /a HTTP/1.1\r\nContent-Type: application/grpc\r\nContent-Length: 30\r\n\r\n\0\0\0\0\x09half",
        Direction::ToServer,
    ),
    (b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", Direction::ToServer),
    (b"0123456789", Direction::ToServer),
    (b"\r\n\r\n", Direction::ToServer),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", Direction::ToClient),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012", Direction::ToClient),
    (
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        Direction::ToClient,
    ),
    (b"34\r\n0\r\n\r\n", Direction::ToClient),
    (b"\x01\x83\0\0\0\0abc", Direction::ToServer),
    (b"\x01\x03abc\x80\x05ab", Direction::ToClient),
    (b"\xc1\x05\xff\xff\xff\xff\xff", Direction::ToClient),
    (b"\0\0\x03\x01\x04\0\0\0\x01\x83\x84\x87\0\0\x04\0\0\0\0\0\x01abcd", Direction::ToServer),
    (b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88\0\0\x04\0\0\0\0\0\x01abcd", Direction::ToClient),
    (b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08", Direction::ToServer),
];

proptest! {
    #[test]
    fn all_that_was_kept_is_given_back(
        h2: bool,
        script in prop::collection::vec((0..PIECES.len(), prop::option::of(1_u64..8)), 0..16),
    ) {
        let limits = Limits { body_kept: 100, ..Limits::default() };
        let mut decoder = FlowDecoder::new(ConnId(1), limits);
        let all = limits.budget().take(usize::MAX);
        let (at, mut out) = (Timestamp(0), Vec::new());
        decoder.agreed(h2.then_some(&b"h2"[..]));
        for (piece, gap) in script {
            let (bytes, direction) = PIECES[piece];
            decoder.data(direction, at, bytes, &mut out);
            if let Some(gap) = gap {
                decoder.lost(direction, at, gap, &mut out);
            }
        }
        decoder.closed(at, &mut out);
        prop_assert_eq!(decoder.budget.take(usize::MAX), all);
    }
}

#[test]
fn an_idle_connection_holds_little() {
    let decoder = FlowDecoder::new(ConnId(1), Limits::default());
    let size = size_of_val(&decoder) + size_of::<http1::Conversation>() + size_of::<http2::Conversation>();
    assert!(size < 2048, "{size} bytes");
}
