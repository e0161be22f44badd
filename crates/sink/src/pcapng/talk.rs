//! A TCP conversation as packets. In: what passed in either direction, losses, ends. Out: segments with right numbers, each
//! acknowledged, so that Wireshark finds nothing wrong with them but what was wrong. Spec: RFC 9293.

use std::net::SocketAddr;

use sidelight_model::flow::{ConnId, Direction, Ends, WireEnd};
use sidelight_model::time::Timestamp;
use sidelight_wire::packet::{Flags, Segment};

use super::comment;
use super::file::{File, Interface};

/// Bytes of the longest segment: less than the window, so that it never seems to be full, and four TLS records at most.
const LONGEST: usize = 64_000;
/// The longest jump between two packets of one direction: more than half of all numbers would look like a step back.
const LONGEST_JUMP: u64 = 1 << 30;
/// The window that each side announces; without scaling, as a file may begin in the middle.
const WINDOW: u16 = u16::MAX;

/// One TCP conversation.
#[derive(Debug)]
pub(super) struct Talk {
    interface: Interface,
    ends: Ends,
    /// The number of the next byte of each direction.
    next: [u32; 2],
    ended: [bool; 2],
    reset: bool,
    /// Bytes that were lost of each direction since its last packet.
    gap: [u64; 2],
}

impl Talk {
    /// A conversation that has not begun.
    pub(super) fn new(conn: ConnId, interface: Interface, ends: Ends) -> Self {
        // Any number will do; these differ, and are the same each time.
        let seed = (conn.0.wrapping_mul(4).wrapping_add(interface as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let next = [(seed >> 32) as u32, seed as u32];
        Self { interface, ends, next, ended: [false; 2], reset: false, gap: [0; 2] }
    }

    /// Whether it is between these ends.
    pub(super) fn has_ends(&self, ends: &Ends) -> bool {
        let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        canonical(self.ends.from) == canonical(ends.from) && canonical(self.ends.to) == canonical(ends.to)
    }

    /// The three packets of the beginning.
    pub(super) fn open(&mut self, file: &mut File, at: Timestamp, comment: Option<&str>) {
        self.segment(file, Direction::ToServer, at, Flags::SYN, &[], comment);
        self.advance(Direction::ToServer, 1);
        self.segment(file, Direction::ToClient, at, Flags::SYN.and(Flags::ACK), &[], None);
        self.advance(Direction::ToClient, 1);
        self.segment(file, Direction::ToServer, at, Flags::ACK, &[], None);
    }

    /// Bytes of one direction, and their acknowledgement.
    pub(super) fn data(
        &mut self,
        file: &mut File,
        direction: Direction,
        at: Timestamp,
        bytes: &[u8],
        comment: Option<&str>,
    ) {
        let mut comment = self.leap(file, direction, at, comment);
        for piece in bytes.chunks(LONGEST) {
            self.segment(file, direction, at, Flags::PSH.and(Flags::ACK), piece, comment.take().as_deref());
            self.advance(direction, piece.len() as u64);
            if !self.reset {
                self.segment(file, direction.other(), at, Flags::ACK, &[], None);
            }
        }
    }

    /// Bytes of one direction that nobody saw.
    pub(super) fn lost(&mut self, direction: Direction, bytes: u64) {
        let gap = &mut self.gap[direction.index()];
        *gap = gap.saturating_add(bytes);
    }

    /// Steps over what was lost before the next packet; gives the comment on it.
    fn leap(&mut self, file: &mut File, direction: Direction, at: Timestamp, comment: Option<&str>) -> Option<String> {
        let comment = comment.map(str::to_owned);
        let lost = std::mem::take(&mut self.gap[direction.index()]);
        if lost == 0 {
            return comment;
        }
        let mut left = lost % (1 << 32);
        while left > LONGEST_JUMP {
            self.advance(direction, LONGEST_JUMP);
            self.segment(file, direction, at, Flags::ACK, &[], None);
            self.segment(file, direction.other(), at, Flags::ACK, &[], None);
            left -= LONGEST_JUMP;
        }
        self.advance(direction, left);
        let words = comment::gap(direction, lost);
        Some(comment.map_or(words.clone(), |comment| format!("{comment}\n{words}")))
    }

    /// Says what was learned after the last packet: an acknowledgement that repeats the last one carries it. Nothing follows a reset.
    pub(super) fn add(&mut self, file: &mut File, at: Timestamp, comment: Option<&str>) {
        if comment.is_some() && !self.reset {
            self.segment(file, Direction::ToServer, at, Flags::ACK, &[], comment);
        }
    }

    /// One direction ends.
    pub(super) fn end(
        &mut self,
        file: &mut File,
        direction: Direction,
        at: Timestamp,
        end: WireEnd,
        comment: Option<&str>,
    ) {
        if self.reset || (self.ended[direction.index()] && end == WireEnd::Fin) {
            return;
        }
        let comment = self.leap(file, direction, at, comment);
        let comment = comment.as_deref();
        match end {
            WireEnd::Fin => {
                self.segment(file, direction, at, Flags::FIN.and(Flags::ACK), &[], comment);
                self.ended[direction.index()] = true;
                self.advance(direction, 1);
                self.segment(file, direction.other(), at, Flags::ACK, &[], None);
            }
            WireEnd::Reset => {
                self.segment(file, direction, at, Flags::RST.and(Flags::ACK), &[], comment);
                self.reset = true;
            }
        }
    }

    /// Numbers are of 32 bits, and begin again after the last.
    fn advance(&mut self, direction: Direction, bytes: u64) {
        let next = &mut self.next[direction.index()];
        *next = next.wrapping_add(bytes as u32);
    }

    fn segment(
        &self,
        file: &mut File,
        direction: Direction,
        at: Timestamp,
        flags: Flags,
        payload: &[u8],
        comment: Option<&str>,
    ) {
        let (from, to) = match direction {
            Direction::ToServer => (self.ends.from, self.ends.to),
            Direction::ToClient => (self.ends.to, self.ends.from),
        };
        let (seq, ack) = (self.next[direction.index()], self.next[direction.other().index()]);
        let window = if flags.has(Flags::RST) { 0 } else { WINDOW };
        let segment = Segment { from, to, seq, ack, flags, window, payload, missing: 0 };
        file.packet(self.interface, at, &segment, comment);
    }
}
