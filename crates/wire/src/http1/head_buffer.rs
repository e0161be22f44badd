//! Collects a head that comes in pieces. In: bytes of one direction. Out: parsed heads; those that come whole are parsed in place.

use sidelight_model::time::Timestamp;

use super::fields::line_at;
use super::head::{HeadLimits, Progress, find_head_end, leading_empty_lines};
use super::start_line::LINE_BEGINNING;

/// What came of a piece.
#[derive(Debug)]
pub(super) enum Fed<T> {
    /// The head goes on beyond it.
    More,
    /// The head is whole.
    Head(Head<T>),
    /// It is no head.
    Failed(String),
}

/// A parsed head.
#[derive(Debug)]
pub(super) struct Head<T> {
    pub(super) value: T,
    /// When its first byte passed.
    pub(super) since: Timestamp,
    /// Bytes of it, from the start line on.
    pub(super) length: usize,
    /// Bytes of empty lines before it.
    pub(super) blank: usize,
}

/// The parsers of one kind of head.
pub(super) struct Parser<T> {
    pub(super) parse: fn(&[u8], &HeadLimits) -> Progress<T>,
    pub(super) impossible: fn(&[u8]) -> Option<String>,
}

/// The beginning of a head that is not whole.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    bytes: Vec<u8>,
    scanned: usize,
    blank: usize,
    since: Timestamp,
}

impl HeadBuffer {
    /// Whether no head has begun; empty lines are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of the head so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes bytes up to the end of the head, and says how many.
    pub(super) fn feed<T>(
        &mut self,
        input: &[u8],
        at: Timestamp,
        limits: &HeadLimits,
        parser: &Parser<T>,
    ) -> (usize, Fed<T>) {
        let mut skipped = 0;
        if self.bytes.is_empty() {
            skipped = leading_empty_lines(input);
            self.blank = self.blank.saturating_add(skipped);
            self.since = at;
            if let Some(end) = find_head_end(&input[skipped..], 0) {
                let parsed = (parser.parse)(&input[skipped..skipped + end], limits);
                return (skipped + end, self.parsed(parsed, end));
            }
        }
        let rest = &input[skipped..];
        let before = self.bytes.len();
        let piece = rest.len().min((limits.bytes + 1).saturating_sub(before));
        self.bytes.extend_from_slice(&rest[..piece]);
        if self.bytes.starts_with(b"\r\n") {
            // The CR of an empty line came in the piece before.
            self.bytes.clear();
            self.blank = self.blank.saturating_add(2);
            return (skipped + 2 - before, Fed::More);
        }
        if let Some(end) = find_head_end(&self.bytes, self.scanned) {
            // An idle connection is to hold no buffer.
            let head = std::mem::take(&mut self.bytes);
            let parsed = (parser.parse)(&head[..end], limits);
            self.scanned = 0;
            return (skipped + end - before, self.parsed(parsed, end));
        }
        self.scanned = self.bytes.len();
        (skipped + piece, self.still_possible(before, limits, parser))
    }

    fn parsed<T>(&mut self, progress: Progress<T>, length: usize) -> Fed<T> {
        let blank = std::mem::take(&mut self.blank);
        match progress {
            Progress::Complete(value, _) => Fed::Head(Head { value, since: self.since, length, blank }),
            Progress::NotHttp(why) | Progress::TooLarge(why) => Fed::Failed(why),
            Progress::Partial => Fed::More,
        }
    }

    /// Whether what was added after the first `known` bytes leaves it possible that this is a head.
    fn still_possible<T>(&self, known: usize, limits: &HeadLimits, parser: &Parser<T>) -> Fed<T> {
        let beginning = &self.bytes[..self.bytes.len().min(LINE_BEGINNING)];
        if known < LINE_BEGINNING && beginning != b"\r" {
            let (line, _) = line_at(beginning, 0);
            if let Some(why) = (parser.impossible)(&beginning[line]) {
                return Fed::Failed(why);
            }
        }
        if self.bytes.len() > limits.bytes {
            return Fed::Failed(format!("a head of more than {} bytes", limits.bytes));
        }
        Fed::More
    }
}
