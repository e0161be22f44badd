//! TCP connections put together again from captured segments. In: segments of one connection, in the order of the capture, with
//! all that happens to them: repeated, out of order, overlapping, missing. Out: [`Piece`]s: bytes in order, gaps, ends.
//! Spec: RFC 9293 (TCP), RFC 7413 (data in a SYN).
//!
//! Of bytes that come twice, the first win, as with most receivers; when the second differ, it is told. A gap is given up
//! when the receiver has long acknowledged what is missing, when too much waits behind it, or when the connection ends.

mod half;

use bytes::Bytes;
use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;

use self::half::Half;

/// How much a connection keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one direction that wait behind a gap.
    pub held: usize,
    /// Segments of one direction that wait behind a gap.
    pub segments: usize,
    /// Bytes of one direction, already handed out, that repetitions are compared with.
    pub compared: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { held: 4 << 20, segments: 8_192, compared: 32 * 1024 }
    }
}

/// One segment, as captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, when the flag is set.
    pub ack: Option<u32>,
    /// SYN.
    pub syn: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// The bytes it carries, as far as they were captured.
    pub payload: Bytes,
    /// Bytes that it carried besides, which the capture cut off.
    pub missing: usize,
}

/// What became of the segments: one thing of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes.
    Data(Direction, Bytes),
    /// So many bytes passed that are not in the capture.
    Lost(Direction, u64),
    /// This end has nothing more to send (FIN).
    Fin(Direction),
    /// The sender of this direction cut the connection (RST).
    Reset(Direction),
    /// Bytes came a second time and differ from the first: from this byte of the direction on. The first are kept.
    Differs(Direction, u64),
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The client asked; nothing came back yet.
    Asked,
    /// Both ends were seen, or it was under way when the capture began.
    Open,
    /// A reset came, or both ends have nothing more to send.
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    halves: [Half; 2],
    limits: Limits,
    state: State,
    /// Whether its SYN was seen.
    from_start: bool,
}

impl Connection {
    /// A connection of which no segment came yet.
    pub fn new(limits: Limits) -> Self {
        Self { halves: [Half::default(), Half::default()], limits, state: State::Asked, from_start: false }
    }

    /// How far it has come.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether it was seen from its first segment on.
    pub const fn is_from_start(&self) -> bool {
        self.from_start
    }

    /// Bytes that wait behind gaps.
    pub fn held(&self) -> usize {
        self.halves.iter().map(Half::held).sum()
    }

    /// Whether a SYN with this number, from this side, begins another connection between the same ports.
    pub fn is_reused_by(&self, direction: Direction, segment: &Segment) -> bool {
        let half = &self.halves[direction.index()];
        segment.syn && !segment.rst && half.begun() && !half.began_at(segment.seq.wrapping_add(1))
    }

    /// Takes the next captured segment of the side that sends in `direction`.
    pub fn segment(&mut self, direction: Direction, at: Timestamp, segment: &Segment, out: &mut Vec<Piece>) {
        if segment.syn && direction == Direction::ToServer && segment.ack.is_none() {
            self.from_start = true;
        }
        let [to_server, to_client] = &mut self.halves;
        let (own, other) = match direction {
            Direction::ToServer => (to_server, to_client),
            Direction::ToClient => (to_client, to_server),
        };
        if let Some(ack) = segment.ack.filter(|_| !segment.rst) {
            other.acknowledged(ack);
        }
        if segment.rst {
            return self.reset(direction, out);
        }
        own.take(direction, segment, &self.limits, out);
        let opens = direction == Direction::ToClient || !segment.syn && segment.ack.is_some();
        if self.state == State::Asked && opens {
            self.state = State::Open;
        }
        self.give_up_gaps(at, out);
        if self.halves.iter().all(Half::ended) {
            self.state = State::Over;
        }
    }

    /// Gives up all gaps: the capture is over, or memory is short.
    pub fn flush(&mut self, out: &mut Vec<Piece>) {
        for (half, direction) in self.halves.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            half.flush(direction, out);
        }
    }

    fn reset(&mut self, direction: Direction, out: &mut Vec<Piece>) {
        if self.state == State::Over {
            return;
        }
        self.flush(out);
        out.push(Piece::Reset(direction));
        self.state = State::Over;
    }

    fn give_up_gaps(&mut self, at: Timestamp, out: &mut Vec<Piece>) {
        for (half, direction) in self.halves.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            half.give_up(direction, at, &self.limits, out);
        }
    }
}

#[cfg(test)]
mod tests;
