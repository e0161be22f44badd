//! What is made of captured packets: streams of TCP, and decrypted TLS. In: segments, and records. Out: broken promises.

use bytes::Bytes;
use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;
use sidelight_wire::key_log;
use sidelight_wire::tcp::{Connection, Limits, Piece, Segment};
use sidelight_wire::tls::decrypt::{Secrets, Seen, Session};

use super::turns;

/// Segments of eight bytes: flags and side, number, acknowledgement, length, bytes cut off, time.
/// No more bytes come out than went in, memory stays within the limits, each side ends once, and the end leaves nothing behind.
pub fn tcp(data: &[u8]) {
    let limits = Limits { held: 2_000, segments: 20, compared: 500 };
    let mut connection = Connection::new(limits);
    let (mut out, mut sent, mut now) = (Vec::new(), 0, 0);
    for op in data.as_chunks::<8>().0 {
        let [flags, high, low, ack_high, ack_low, length, missing, time] = *op;
        let direction = if flags & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        // Numbers near the end of their range come round.
        let number = |high: u8, low: u8| u32::from(high) << 8 | u32::from(low);
        let segment = Segment {
            seq: number(high, low).wrapping_sub(0x8000),
            ack: (flags & 2 != 0).then_some(number(ack_high, ack_low).wrapping_sub(0x8000)),
            syn: flags & 0x1c == 4,
            fin: flags & 0x1c == 8,
            rst: flags & 0x1c == 12,
            payload: Bytes::from(vec![low; usize::from(length)]),
            missing: usize::from(missing & 0x3f),
        };
        now += i64::from(time) * 10_000;
        sent += usize::from(length);
        connection.segment(direction, Timestamp(now), &segment, &mut out);
        assert!(connection.held() <= 2 * (limits.held + 255), "{} bytes wait", connection.held());
    }
    connection.flush(&mut out);
    assert_eq!(connection.held(), 0);
    let bytes: usize = out.iter().map(|piece| if let Piece::Data(_, bytes) = piece { bytes.len() } else { 0 }).sum();
    assert!(bytes <= sent, "{bytes} bytes of {sent}");
    for direction in [Direction::ToServer, Direction::ToClient] {
        assert!(out.iter().filter(|piece| **piece == Piece::Fin(direction)).count() <= 1);
        assert!(out.iter().all(|piece| !matches!(piece, Piece::Lost(_, 0))));
    }
}

/// A length, a key log, and a conversation. What is seen does not depend on the pieces in which it comes; with gaps, too, it ends.
pub fn tls_decrypt(data: &[u8]) {
    let [high, low, rest @ ..] = data else { return };
    let (keys, conversation) = rest.split_at((usize::from(*high) << 8 | usize::from(*low)).min(rest.len()));
    let mut secrets = Secrets::new();
    key_log::read(keys).filter_map(|(_, line)| line.ok()).for_each(|line| secrets.add(&line));
    let whole = seen(conversation, &secrets, usize::MAX, false);
    assert_eq!(seen(conversation, &secrets, 7, false), whole, "in small pieces");
    seen(conversation, &secrets, 100, true);
    let content: usize = whole.iter().map(|(_, it)| if let Seen::Data(_, bytes) = it { bytes.len() } else { 0 }).sum();
    assert!(content <= conversation.len(), "more content than records");
}

/// What is seen of a conversation in pieces of at most this size; `gaps`: every ninth piece is missing.
fn seen(conversation: &[u8], secrets: &Secrets, size: usize, gaps: bool) -> Vec<(Timestamp, Seen)> {
    let (mut session, mut out, mut count) = (Session::new(), Vec::new(), 0);
    for (index, (from_server, bytes)) in turns(conversation).into_iter().enumerate() {
        let direction = if from_server { Direction::ToClient } else { Direction::ToServer };
        for piece in bytes.chunks(size) {
            count += 1;
            if gaps && count % 9 == 0 {
                session.lost(direction, piece.len() as u64);
            } else {
                session.data(direction, Timestamp(index as i64), piece, secrets, &mut out);
            }
        }
    }
    session.closed(secrets, &mut out);
    out
}
