//! WebSocket messages as frames. In: a message. Out: its frames, not compressed; a client's with a mask of zeros, which hides
//! nothing. Spec: RFC 6455 §5.2.

use sidelight_model::flow::{Direction, WebSocketKind, WebSocketMessage};

use super::{Piece, Pieces};

/// Frames that one message is cut into at the most.
const MOST_FRAMES: u64 = 1000;

/// The frames of a message, as many as it had.
pub(super) fn frames(message: &WebSocketMessage) -> Vec<Piece> {
    let opcode = match message.kind {
        WebSocketKind::Text => 1,
        WebSocketKind::Binary => 2,
        WebSocketKind::Close(..) => 8,
        WebSocketKind::Ping => 9,
        WebSocketKind::Pong => 10,
    };
    let control = opcode >= 8;
    let count = if control { 1 } else { u64::from(message.frames).clamp(1, MOST_FRAMES) };
    let (mut pieces, mut at) = (Pieces::default(), 0_u64);
    for n in 0..count {
        let last = n + 1 == count;
        let length = if last { message.length - at } else { message.length / count };
        let first = if n == 0 { opcode } else { 0 } | if last { 0x80 } else { 0 };
        pieces.push(head(first, length, message.direction));
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(message.kept.len());
        let to = usize::try_from(at + length).unwrap_or(usize::MAX).min(message.kept.len());
        pieces.push(message.kept.slice(from..to));
        pieces.skip(length - (to - from) as u64);
        at += length;
    }
    pieces.0
}

fn head(first: u8, length: u64, direction: Direction) -> Vec<u8> {
    let masked = direction == Direction::ToServer;
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => head.push(mask_bit | short),
        (_, Ok(middle)) => {
            head.push(mask_bit | 126);
            head.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            head.push(mask_bit | 127);
            head.extend_from_slice(&length.to_be_bytes());
        }
    }
    if masked {
        head.extend_from_slice(&[0; 4]);
    }
    head
}
