//! Heads of WebSocket frames. In: up to 14 bytes. Out: what the frame is and how long. Spec: RFC 6455 §5.2.

/// Longest head: two bytes, a length of eight, a key of four.
pub(super) const LONGEST_HEAD: usize = 14;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) fin: bool,
    /// RSV1, which permessage-deflate uses.
    pub(super) compressed: bool,
    /// RSV2 or RSV3, which nothing uses.
    pub(super) reserved: bool,
    pub(super) opcode: u8,
    pub(super) key: Option<[u8; 4]>,
    pub(super) length: u64,
}

impl FrameHead {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;

    /// Close, ping, pong and the reserved ones like them.
    pub(super) const fn is_control(self) -> bool {
        self.opcode & 8 != 0
    }

    /// How long the head is that begins so; `None` with less than two bytes.
    pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
        let [_, second, ..] = bytes else { return None };
        let length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        Some(2 + length + if second & 0x80 != 0 { 4 } else { 0 })
    }

    /// Reads a whole head; `None` when bytes are missing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let whole = bytes.get(..Self::head_length(bytes)?)?;
        let [first, second, rest @ ..] = whole else { return None };
        let (length, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, rest) => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*length), rest)
            }
            (short, rest) => (u64::from(short), rest),
        };
        Some(Self {
            fin: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            reserved: first & 0x30 != 0,
            opcode: first & 0x0f,
            key: rest.first_chunk::<4>().copied(),
            length,
        })
    }
}

/// Takes the mask off bytes whose first is number `position` of the payload.
pub(super) fn unmask(bytes: &mut [u8], key: [u8; 4], position: u64) {
    let mut turned = key;
    turned.rotate_left(usize::try_from(position % 4).unwrap_or(0));
    let (words, rest) = bytes.as_chunks_mut::<4>();
    let word = u32::from_ne_bytes(turned);
    for four in words {
        *four = (u32::from_ne_bytes(*four) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_all_lengths() {
        for (bytes, length, key) in [
            (&[0x81, 5][..], 5, None),
            (&[0xc2, 126, 1, 0], 256, None),
            (&[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65536, None),
            (&[0x89, 0x80, 1, 2, 3, 4], 0, Some([1, 2, 3, 4])),
            (&[0x89, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4], 9, Some([1, 2, 3, 4])),
        ] {
            let head = FrameHead::parse(bytes).unwrap();
            assert_eq!((head.length, head.key), (length, key));
            assert_eq!(FrameHead::head_length(bytes), Some(bytes.len()));
            assert_eq!(FrameHead::parse(&bytes[..bytes.len() - 1]), None);
        }
        let head = FrameHead::parse(&[0x71, 0]).unwrap();
        assert_eq!((head.fin, head.compressed, head.reserved, head.opcode), (false, true, true, 1));
    }

    #[test]
    fn masks_turn_with_the_position() {
        let clear: Vec<u8> = (0..50).collect();
        let key = [1, 2, 4, 8];
        for start in 0..9 {
            let mut bytes = clear.clone();
            unmask(&mut bytes, key, start);
            for (at, (masked, byte)) in bytes.iter().zip(&clear).enumerate() {
                assert_eq!(*masked, byte ^ key[(start as usize + at) % 4]);
            }
        }
    }
}
