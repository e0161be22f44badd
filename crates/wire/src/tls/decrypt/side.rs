//! The records of one direction. In: its bytes and gaps. Out: whole records, and their content once there are keys.
//! Spec: RFC 8446 §5, RFC 5246 §6.2.
//!
//! After a gap neither the place of the next record nor its number is known. Both are found by trying: a record that opens
//! is genuine.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use sidelight_model::time::Timestamp;

use super::keys::{Opener, Sealed, Suite};

pub(super) const HEAD: usize = 5;
/// Longest body of a record: what TLS 1.2 allows.
const MOST_BODY: usize = (1 << 14) + 2048;
/// Record numbers that are tried after a gap.
const MOST_NUMBERS: u64 = 4_096;
/// Openings that are tried in vain before a direction is given up.
const MOST_TRIES: u64 = 20_000;
/// Records in a row that nothing opens before a direction is given up.
const MOST_FAILURES: u32 = 64;
/// Bytes in which the beginning of a record is looked for after a gap.
const MOST_SEARCHED: u64 = 1 << 20;

/// A record as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) head: [u8; HEAD],
    pub(super) body: BytesMut,
}

/// What comes next in a direction.
#[derive(Debug)]
pub(super) enum Framed {
    Record(Record),
    /// The bytes are no records; in words.
    Broken(String),
}

/// A record that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) kind: u8,
    pub(super) content: Vec<u8>,
    pub(super) part: Part,
    /// What a gap before it took from the content.
    pub(super) lost: u64,
}

/// Which part of a connection an epoch protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Early,
    Handshake,
    Application,
}

/// Keys and the number of the next record.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) part: Part,
    opener: Opener,
    number: u64,
    /// Of TLS 1.3: the suite and secret, for the keys after an update.
    grown_from: Option<(Suite, Vec<u8>)>,
}

impl Epoch {
    pub(super) fn tls13(part: Part, suite: Suite, secret: &[u8]) -> Option<Self> {
        let opener = suite.tls13(secret)?;
        Some(Self { part, opener, number: 0, grown_from: Some((suite, secret.to_vec())) })
    }

    pub(super) const fn tls12(opener: Opener) -> Self {
        Self { part: Part::Application, opener, number: 0, grown_from: None }
    }

    fn updated(&self) -> Option<Self> {
        let (suite, secret) = self.grown_from.as_ref()?;
        Self::tls13(self.part, *suite, &suite.updated(secret))
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Side {
    buffer: BytesMut,
    /// Bytes of a record, hit by a gap, that are still to come.
    skip: u64,
    /// The beginning of the next record is not known; so many bytes were passed over.
    searching: Option<u64>,
    /// Bytes from the first that a gap took to the next record that is found, and records among them as far as known.
    gap: u64,
    /// Records that may be missing before the next one.
    uncertain: u64,
    /// Keys at present, then those that come later.
    pub(super) epochs: VecDeque<Epoch>,
    /// The first record after a change of keys has not been opened yet.
    opened: bool,
    tries: u64,
    /// Records, one after the other, that nothing opened.
    failures: u32,
}

impl Side {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        self.gap += skipped;
        self.buffer.extend_from_slice(bytes.get(skipped as usize..).unwrap_or_default());
    }

    /// Bytes are missing.
    pub(super) fn lost(&mut self, bytes: u64) {
        if self.searching.is_some() {
            self.gap += bytes + self.buffer.len() as u64;
            self.buffer.clear();
            self.uncertain = records_in(self.gap);
            return;
        }
        let head: Option<[u8; HEAD]> = self.head();
        let there = self.buffer.len() as u64;
        let rest = if self.skip > 0 {
            self.skip
        } else {
            head.map_or(0, |head| (HEAD as u64 + body_length(head) as u64).saturating_sub(there))
        };
        self.gap += there + bytes;
        self.buffer.clear();
        if rest > 0 && bytes <= rest {
            // The gap lies within one record.
            self.uncertain = self.uncertain.max(1);
            self.skip = rest - bytes;
        } else {
            self.skip = 0;
            self.uncertain = records_in(self.gap);
            self.searching = Some(0);
        }
    }

    fn head(&self) -> Option<[u8; HEAD]> {
        self.buffer.first_chunk().copied()
    }

    /// Whether a gap came before what is read now.
    pub(super) const fn after_gap(&self) -> bool {
        self.gap > 0
    }

    /// The next whole record.
    pub(super) fn next(&mut self, at: Timestamp) -> Option<Framed> {
        loop {
            let head = self.head()?;
            let length = body_length(head);
            let is_plausible = matches!(head, [20..=23, 3, 0..=4, ..]) && (1..=MOST_BODY).contains(&length);
            if !is_plausible && self.searching.is_none() {
                // An empty record is allowed, and means nothing.
                if matches!(head, [20..=23, 3, 0..=4, 0, 0]) {
                    self.buffer.advance(HEAD);
                    continue;
                }
                return Some(Framed::Broken(format!("{:02x?} is no head of a TLS record", head)));
            }
            if is_plausible {
                if self.buffer.len() < HEAD + length {
                    return None;
                }
                if self.searching.is_none() || self.would_open(head, length) {
                    let body = self.buffer.split_to(HEAD + length).split_off(HEAD);
                    self.searching = None;
                    return Some(Framed::Record(Record { at, head, body }));
                }
            }
            self.buffer.advance(1);
            self.gap += 1;
            let searched = self.searching.get_or_insert(0);
            *searched += 1;
            if *searched > MOST_SEARCHED {
                return Some(Framed::Broken("no record was found after a gap".into()));
            }
        }
    }

    /// Whether what looks like a record after a gap is one: some key opens it. Without keys it has to be believed.
    fn would_open(&mut self, head: [u8; HEAD], length: usize) -> bool {
        let body = self.buffer.get(HEAD..HEAD + length).unwrap_or_default().to_vec();
        self.epochs.is_empty() || self.find(Sealed { head, body: &body }).is_some()
    }

    /// Opens a record: its type and content, and what a gap before it took from the content.
    pub(super) fn open(&mut self, record: &Record) -> Option<Opened> {
        let sealed = Sealed { head: record.head, body: &record.body };
        let Some((index, number, kind, content)) = self.find(sealed) else {
            self.uncertain += 1;
            self.failures += 1;
            return None;
        };
        self.epochs.drain(..index);
        let epoch = self.epochs.front_mut()?;
        let skipped = if index == 0 { number - epoch.number } else { number };
        let lost = self.gap.saturating_sub(skipped.saturating_mul(epoch.opener.overhead()));
        epoch.number = number + 1;
        (self.gap, self.uncertain, self.tries, self.failures, self.opened) = (0, 0, 0, 0, true);
        Some(Opened { kind, content, part: epoch.part, lost })
    }

    /// Which epoch and number open it.
    fn find(&mut self, sealed: Sealed<'_>) -> Option<(usize, u64, u8, Vec<u8>)> {
        let reach = self.uncertain.min(MOST_NUMBERS);
        if reach > 0
            && let Some(next) = self.epochs.front().and_then(Epoch::updated)
            && self.epochs.len() == 1
        {
            // The gap may have taken the message that the keys change.
            if let Some((number, (kind, content))) = self.search(&next, 0, reach, sealed) {
                self.epochs.push_back(next);
                return Some((1, number, kind, content));
            }
        }
        for index in 0..self.epochs.len() {
            let epoch = self.epochs.remove(index)?;
            let found = self.search(&epoch, epoch.number, epoch.number + reach, sealed);
            self.epochs.insert(index, epoch);
            if let Some((number, (kind, content))) = found {
                return Some((index, number, kind, content));
            }
        }
        None
    }

    fn search(&mut self, epoch: &Epoch, from: u64, to: u64, sealed: Sealed<'_>) -> Option<(u64, (u8, Vec<u8>))> {
        for number in from..=to {
            if self.tries > MOST_TRIES {
                return None;
            }
            self.tries += 1;
            if let Some(opened) = epoch.opener.open(number, sealed) {
                return Some((number, opened));
            }
        }
        None
    }

    /// Whether it has been tried in vain for too long.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.tries > MOST_TRIES || self.failures > MOST_FAILURES
    }

    /// Whether any record was opened.
    pub(super) const fn has_opened(&self) -> bool {
        self.opened
    }

    /// Goes on to the first epoch of this part, or a later one.
    pub(super) fn advance(&mut self, part: Part) {
        while let Some(front) = self.epochs.front()
            && (front.part as u8) < part as u8
        {
            self.epochs.pop_front();
        }
    }

    /// The keys change by a KeyUpdate.
    pub(super) fn update(&mut self) {
        if let Some(next) = self.epochs.front().and_then(Epoch::updated) {
            self.epochs.pop_front();
            self.epochs.push_front(next);
        }
    }
}

const fn body_length(head: [u8; HEAD]) -> usize {
    u16::from_be_bytes([head[3], head[4]]) as usize
}

/// At most so many records lie in a gap: small ones of interactive protocols have some 30 bytes.
const fn records_in(gap: u64) -> u64 {
    gap / 24 + 1
}
