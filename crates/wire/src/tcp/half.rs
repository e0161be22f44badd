//! One direction of a TCP connection. In: its segments, and the acknowledgements of the other side. Out: its bytes in order.
//!
//! Places are sequence numbers made unique: counted on beyond 32 bits, so that they never wrap.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;

use super::{Limits, Piece, Segment};

/// Room before the first place, so that what lies before it has a place as well.
const ROOM: u64 = 1 << 32;

/// Farther from what is expected no window reaches (RFC 7323 §2.3): such a segment belongs to something else.
const REACH: u64 = 1 << 30;

/// How long a gap stays open although the receiver has acknowledged it: captures may hold an acknowledgement before the
/// segment that it acknowledges.
const PATIENCE: Duration = Duration::from_millis(500);

/// The same in segments.
const PATIENCE_SEGMENTS: u32 = 64;

/// Bytes at some place, or the knowledge that they were cut off in the capture.
#[derive(Clone, Debug)]
enum Run {
    Bytes(Bytes),
    Hole(u64),
}

impl Run {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Hole(length) => *length,
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// The place of the next byte that is expected.
    next: Option<u64>,
    /// The place of the first byte.
    first: u64,
    /// What came too early, by place; the runs do not overlap.
    held: BTreeMap<u64, Run>,
    held_bytes: usize,
    /// What was handed out last, to compare repetitions with.
    recent: VecDeque<(u64, Bytes)>,
    recent_bytes: usize,
    /// The place behind the last byte, once FIN came.
    end: Option<u64>,
    ended: bool,
    /// The highest place that the receiver expects.
    acknowledged: Option<u64>,
    /// Since when, and for how many segments, the receiver has had what is missing here.
    doubt: Option<(Timestamp, u32)>,
    differs: bool,
}

impl Half {
    pub(super) const fn held(&self) -> usize {
        self.held_bytes
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    pub(super) const fn begun(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the first byte had this sequence number.
    pub(super) const fn began_at(&self, seq: u32) -> bool {
        self.first as u32 == seq
    }

    /// The place with this sequence number that is nearest to `near`; `None` when it is out of reach.
    fn place(near: u64, seq: u32) -> Option<u64> {
        let distance = i64::from(seq.wrapping_sub(near as u32).cast_signed());
        (distance.unsigned_abs() <= REACH).then(|| near.saturating_add_signed(distance))
    }

    /// The receiver of this direction expects this next.
    pub(super) fn acknowledged(&mut self, ack: u32) {
        let near = *self.next.get_or_insert_with(|| {
            // Nothing was seen of this side: its next byte is what the other side waits for.
            self.first = ROOM + u64::from(ack);
            self.first
        });
        let highest = self.acknowledged.unwrap_or(near);
        if let Some(place) = Self::place(highest.max(near), ack) {
            self.acknowledged = Some(highest.max(place));
        }
    }

    /// Takes a segment.
    pub(super) fn take(&mut self, direction: Direction, segment: &Segment, limits: &Limits, out: &mut Vec<Piece>) {
        if segment.syn {
            let first = ROOM + u64::from(segment.seq.wrapping_add(1));
            // An acknowledgement may have come before; the SYN knows better as long as nothing was taken.
            if self.next.is_none() || self.next == Some(self.first) && self.held.is_empty() && self.end.is_none() {
                (self.next, self.first, self.acknowledged) = (Some(first), first, None);
            }
        }
        let seq = segment.seq.wrapping_add(u32::from(segment.syn));
        let next = *self.next.get_or_insert_with(|| {
            self.first = ROOM + u64::from(seq);
            self.first
        });
        let Some(start) = Self::place(next, seq) else { return };
        let captured = start + segment.payload.len() as u64;
        let end = captured + segment.missing as u64;
        // A keep-alive repeats one byte, or none, whose value means nothing (RFC 9293 §3.8.4).
        let is_keep_alive = end <= start + 1 && end <= next && !segment.fin;
        if !is_keep_alive && !self.ended {
            self.lay(direction, start, Run::Bytes(segment.payload.clone()), limits, out);
            self.lay(direction, captured, Run::Hole(segment.missing as u64), limits, out);
        }
        if segment.fin && self.end.is_none() {
            self.end = Some(end);
        }
        self.drain(direction, limits, out);
    }

    /// Puts a run where nothing lies yet; compares it where something does.
    fn lay(&mut self, direction: Direction, start: u64, run: Run, limits: &Limits, out: &mut Vec<Piece>) {
        let next = self.next.unwrap_or(start);
        let end = start + run.len();
        if start < next {
            self.compare_recent(direction, start, &run, out);
        }
        let mut at = start.max(next);
        while at < end {
            let below = self.held.range(..=at).next_back().map(|(place, run)| (*place, run.len()));
            if let Some((place, length)) = below
                && place + length > at
            {
                let until = end.min(place + length);
                self.compare_held(direction, place, at, until, (start, &run), out);
                at = until;
                continue;
            }
            let free = self.held.range(at..).next().map_or(end, |(place, _)| (*place).min(end));
            self.hold(at, part(&run, at - start, free - start));
            at = free;
        }
        while self.held_bytes > limits.held || self.held.len() > limits.segments {
            self.skip_gap(direction, limits, out);
        }
    }

    fn hold(&mut self, at: u64, run: Run) {
        if let Run::Bytes(bytes) = &run {
            self.held_bytes += bytes.len();
        }
        self.held.insert(at, run);
    }

    /// Hands out what has become contiguous.
    fn drain(&mut self, direction: Direction, limits: &Limits, out: &mut Vec<Piece>) {
        let Some(mut next) = self.next else { return };
        while let Some(entry) = self.held.first_entry()
            && *entry.key() == next
        {
            let run = entry.remove();
            let place = next;
            next += run.len();
            match run {
                Run::Bytes(bytes) => {
                    self.held_bytes -= bytes.len();
                    self.remember(place, &bytes, limits);
                    out.push(Piece::Data(direction, bytes));
                }
                Run::Hole(length) => lose(direction, length, out),
            }
        }
        if self.next != Some(next) {
            self.doubt = None;
        }
        self.next = Some(next);
        if self.end.is_some_and(|end| next >= end) && !std::mem::replace(&mut self.ended, true) {
            out.push(Piece::Fin(direction));
        }
    }

    /// Gives up the gap before what is held.
    fn skip_gap(&mut self, direction: Direction, limits: &Limits, out: &mut Vec<Piece>) {
        let Some((place, _)) = self.held.first_key_value() else { return };
        let next = self.next.unwrap_or(*place);
        lose(direction, place.saturating_sub(next), out);
        self.next = Some(*place);
        self.drain(direction, limits, out);
    }

    /// Gives up a gap that the receiver has acknowledged for long enough.
    pub(super) fn give_up(&mut self, direction: Direction, at: Timestamp, limits: &Limits, out: &mut Vec<Piece>) {
        let (Some(next), Some(acknowledged)) = (self.next, self.acknowledged) else { return };
        // The acknowledgement of a FIN counts one place more than there are bytes.
        let expected = self.end.map_or(acknowledged, |end| acknowledged.min(end));
        if expected <= next {
            return;
        }
        let (since, segments) = self.doubt.get_or_insert((at, 0));
        *segments += 1;
        if *segments < PATIENCE_SEGMENTS && at.since(*since) < PATIENCE {
            return;
        }
        self.doubt = None;
        let until = self.held.first_key_value().map_or(expected, |(place, _)| (*place).min(expected));
        lose(direction, until - next, out);
        self.next = Some(until);
        self.drain(direction, limits, out);
    }

    /// Gives up all gaps.
    pub(super) fn flush(&mut self, direction: Direction, out: &mut Vec<Piece>) {
        let limits = Limits { compared: 0, ..Limits::default() };
        while !self.held.is_empty() {
            self.skip_gap(direction, &limits, out);
        }
        let known = self.end.or(self.acknowledged).unwrap_or(0);
        if let Some(next) = self.next
            && known > next
            && !self.ended
        {
            lose(direction, known - next, out);
            self.next = Some(known);
        }
        self.drain(direction, &limits, out);
    }

    fn remember(&mut self, place: u64, bytes: &Bytes, limits: &Limits) {
        self.recent.push_back((place, bytes.clone()));
        self.recent_bytes += bytes.len();
        while self.recent_bytes > limits.compared
            && let Some((_, old)) = self.recent.pop_front()
        {
            self.recent_bytes -= old.len();
        }
    }

    fn compare_recent(&mut self, direction: Direction, start: u64, run: &Run, out: &mut Vec<Piece>) {
        let Run::Bytes(bytes) = run else { return };
        if self.differs {
            return;
        }
        let recent = std::mem::take(&mut self.recent);
        let end = start + bytes.len() as u64;
        let first = recent.partition_point(|(place, known)| place + known.len() as u64 <= start);
        for (place, known) in recent.range(first..).take_while(|(place, _)| *place < end) {
            self.compare(direction, (*place, known), (start, bytes), out);
        }
        self.recent = recent;
    }

    /// Compares the part of a new run from `at` to `until` with what is held from `place` on.
    fn compare_held(
        &mut self,
        direction: Direction,
        place: u64,
        at: u64,
        until: u64,
        new: (u64, &Run),
        out: &mut Vec<Piece>,
    ) {
        let new_part = part(new.1, at - new.0, until - new.0);
        let Run::Bytes(new_bytes) = new_part else { return };
        match self.held.get(&place).cloned() {
            Some(Run::Bytes(known)) => self.compare(direction, (place, &known), (at, &new_bytes), out),
            Some(Run::Hole(length)) => {
                // What one copy of a segment lacks, another may have.
                self.held.remove(&place);
                if at > place {
                    self.held.insert(place, Run::Hole(at - place));
                }
                if until < place + length {
                    self.held.insert(until, Run::Hole(place + length - until));
                }
                self.hold(at, Run::Bytes(new_bytes));
            }
            None => {}
        }
    }

    /// Tells once for a direction that bytes came a second time and were others.
    fn compare(&mut self, direction: Direction, known: (u64, &Bytes), new: (u64, &Bytes), out: &mut Vec<Piece>) {
        let start = known.0.max(new.0);
        let end = (known.0 + known.1.len() as u64).min(new.0 + new.1.len() as u64);
        if self.differs || start >= end {
            return;
        }
        let slice = |(place, bytes): (u64, &Bytes)| bytes.slice((start - place) as usize..(end - place) as usize);
        let (known, new) = (slice(known), slice(new));
        if let Some(index) = known.iter().zip(&new).position(|(a, b)| a != b) {
            self.differs = true;
            out.push(Piece::Differs(direction, (start + index as u64).saturating_sub(self.first)));
        }
    }
}

/// The part of a run between two offsets in it.
fn part(run: &Run, from: u64, to: u64) -> Run {
    match run {
        Run::Bytes(bytes) => {
            let (from, to) = (from.min(bytes.len() as u64) as usize, to.min(bytes.len() as u64) as usize);
            Run::Bytes(bytes.slice(from..to.max(from)))
        }
        Run::Hole(_) => Run::Hole(to.saturating_sub(from)),
    }
}

/// Tells a loss; neighbouring ones are one.
fn lose(direction: Direction, bytes: u64, out: &mut Vec<Piece>) {
    if bytes == 0 {
        return;
    }
    if let Some(Piece::Lost(last, so_far)) = out.last_mut()
        && *last == direction
    {
        *so_far += bytes;
    } else {
        out.push(Piece::Lost(direction, bytes));
    }
}
