//! Frames out of the bytes of one direction. In: bytes in any pieces. Out: content in place, other payloads whole, as [`Item`]s.

use sidelight_model::flow::Direction;

use super::frame::{FIRST_MAX_FRAME, FrameHead, HEAD, PREFACE};
use super::hpack;

/// Longest field block, over all its frames.
pub(super) const MOST_BLOCK: usize = 256 * 1024;
/// Bytes kept of the payload of a frame that is neither content nor fields.
const MOST_PAYLOAD: usize = 4096;

/// What the next bytes of a direction are.
#[derive(Debug)]
pub(super) enum Item<'b> {
    /// Nothing yet.
    More,
    /// The direction does not begin with the preface.
    NoPreface,
    /// The head of a frame.
    Head(FrameHead),
    /// Content of a stream.
    Content(u32, &'b [u8]),
    /// A frame has ended; here is its payload, without padding, unless it was content.
    End(FrameHead, Vec<u8>),
    /// The padding is longer than its frame.
    BadPadding(FrameHead),
}

/// A frame that is passing.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) head: FrameHead,
    left: u32,
    /// Bytes of padding at its end; `None` before the octet that says so.
    padding: Option<u32>,
    payload: Vec<u8>,
}

/// A field block of which more frames must come.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) head: FrameHead,
    pub(super) bytes: Vec<u8>,
}

/// The state of one direction.
#[derive(Debug)]
pub(super) struct Side {
    preface: usize,
    expects_preface: bool,
    head: [u8; HEAD],
    have: usize,
    pub(super) frame: Option<Frame>,
    pub(super) block: Option<OpenBlock>,
    pub(super) hpack: hpack::Decoder,
    /// No frame has been seen.
    pub(super) first: bool,
    /// The longest frame that the receiver allows.
    pub(super) max_frame: u32,
    pub(super) offset: u64,
    pub(super) faults: usize,
    pub(super) stopped: Option<String>,
    /// What this side said when it went away: last stream, error.
    pub(super) goaway: Option<(u32, u32)>,
}

impl Side {
    pub(super) fn new(direction: Direction, offset: u64) -> Self {
        Self {
            preface: 0,
            expects_preface: direction == Direction::ToServer,
            head: [0; HEAD],
            have: 0,
            frame: None,
            block: None,
            hpack: hpack::Decoder::default(),
            first: true,
            max_frame: FIRST_MAX_FRAME,
            offset,
            faults: 0,
            stopped: None,
            goaway: None,
        }
    }

    /// Takes bytes up to the end of one item, and says how many. Empty input may still end a frame without payload.
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8]) -> (usize, Item<'b>) {
        if self.expects_preface {
            return self.take_preface(bytes);
        }
        let Some(frame) = &mut self.frame else { return self.take_head(bytes) };
        let (used, item) = frame.next(bytes);
        if matches!(item, Item::End(..)) {
            self.frame = None;
        }
        (used, item)
    }

    /// Compares with the preface. What was compared and is none after all is given to the first frame's head.
    fn take_preface<'b>(&mut self, bytes: &'b [u8]) -> (usize, Item<'b>) {
        let rest = &PREFACE[self.preface..];
        let same = bytes.iter().zip(rest).take_while(|(byte, expected)| byte == expected).count();
        self.preface += same;
        if self.preface == PREFACE.len() {
            self.expects_preface = false;
            return (same, Item::More);
        }
        if same == bytes.len() {
            return (same, Item::More);
        }
        // No frame begins with `PRI`, whose length would be five millions, so at most two bytes are given back in good faith.
        self.expects_preface = false;
        let given_back = self.preface.min(HEAD - 1);
        self.head[..given_back].copy_from_slice(&PREFACE[..given_back]);
        self.have = given_back;
        (same, Item::NoPreface)
    }

    fn take_head<'b>(&mut self, bytes: &'b [u8]) -> (usize, Item<'b>) {
        let piece = bytes.len().min(HEAD - self.have);
        self.head[self.have..self.have + piece].copy_from_slice(&bytes[..piece]);
        self.have += piece;
        if self.have < HEAD {
            return (piece, Item::More);
        }
        self.have = 0;
        let head = FrameHead::parse(self.head);
        let padding = (!head.is_padded()).then_some(0);
        self.frame = Some(Frame { head, left: head.length, padding, payload: Vec::new() });
        (piece, Item::Head(head))
    }

    /// Whether a frame or field block has begun and not ended.
    pub(super) const fn is_inside(&self) -> bool {
        self.have > 0 || self.frame.is_some() || self.block.is_some() || (self.expects_preface && self.preface > 0)
    }

    /// Steps over `bytes` that were not seen; says which stream they were content of, or that they may have been anything.
    pub(super) fn skip_content(&mut self, bytes: u64) -> Option<u32> {
        let frame = self.frame.as_mut().filter(|frame| frame.head.kind == FrameHead::DATA)?;
        let content = frame.left.checked_sub(frame.padding?)?;
        let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes <= content)?;
        frame.left -= bytes;
        Some(frame.head.stream)
    }
}

impl Frame {
    /// Whether all its bytes have been taken, so that it ends without another.
    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    fn next<'b>(&mut self, bytes: &'b [u8]) -> (usize, Item<'b>) {
        if self.left == 0 {
            return (0, Item::End(self.head, std::mem::take(&mut self.payload)));
        }
        let Some(padding) = self.padding else {
            let Some(first) = bytes.first() else { return (0, Item::More) };
            self.left -= 1;
            let padding = u32::from(*first);
            self.padding = Some(padding.min(self.left));
            return (1, if padding > self.left { Item::BadPadding(self.head) } else { Item::More });
        };
        let content = self.left - padding.min(self.left);
        let region = if content > 0 { content } else { self.left };
        let piece = bytes.len().min(usize::try_from(region).unwrap_or(usize::MAX));
        self.left -= u32::try_from(piece).unwrap_or(self.left);
        let taken = &bytes[..piece];
        if content == 0 || piece == 0 {
            return (piece, Item::More);
        }
        if self.head.kind == FrameHead::DATA {
            return (piece, Item::Content(self.head.stream, taken));
        }
        let most = if self.head.has_fields() { MOST_BLOCK } else { MOST_PAYLOAD };
        let room = most.saturating_sub(self.payload.len());
        self.payload.extend_from_slice(&taken[..piece.min(room)]);
        (piece, Item::More)
    }
}
