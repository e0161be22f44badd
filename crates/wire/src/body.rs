//! Keeps of a body what is to be shown. In: its content in pieces. Out: [`Body`]: a counted whole, a kept beginning, a digest.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sidelight_model::flow::Body;

/// Kept bytes that all unfinished messages of one connection may still take.
///
/// A limit for each message alone would let a peer with a thousand open streams take a thousand times as much.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes at most `wanted` bytes out of it.
    pub(crate) fn take(&mut self, wanted: usize) -> usize {
        let taken = wanted.min(self.0);
        self.0 -= taken;
        taken
    }

    /// Gives bytes back that are kept no longer.
    pub(crate) const fn give_back(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
    }
}

/// The beginning of something that is counted whole.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    limit: usize,
}

impl Kept {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(crate) fn push(&mut self, bytes: &[u8], budget: &mut Budget) {
        let wanted = bytes.len().min(self.limit.saturating_sub(self.bytes.len()));
        if wanted > 0 {
            let taken = budget.take(wanted);
            self.bytes.extend_from_slice(&bytes[..taken]);
            if taken < wanted {
                self.stop();
            }
        }
    }

    /// How many more bytes it takes.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// Keeps no more, because what follows would not join on.
    pub(crate) fn stop(&mut self) {
        self.limit = self.bytes.len();
    }

    pub(crate) fn finish(&mut self, budget: &mut Budget) -> Bytes {
        budget.give_back(self.bytes.len());
        std::mem::take(&mut self.bytes).into()
    }
}

/// Records one body as it passes.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    kept: Kept,
    length: u64,
    digest: Option<Box<Sha256>>,
}

impl Recorder {
    pub(crate) fn new(limit: usize, hash: bool) -> Self {
        Self { kept: Kept::new(limit), length: 0, digest: hash.then(Box::default) }
    }

    /// The next bytes of content.
    pub(crate) fn push(&mut self, content: &[u8], budget: &mut Budget) {
        self.length = self.length.saturating_add(content.len() as u64);
        self.kept.push(content, budget);
        if let Some(digest) = &mut self.digest {
            digest.update(content);
        }
    }

    /// Content that passed unseen: it counts, but what was kept before it stays a beginning, and there is no digest.
    pub(crate) fn gap(&mut self, bytes: u64) {
        self.length = self.length.saturating_add(bytes);
        self.kept.stop();
        self.digest = None;
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The body as far as it came; a digest only when it is `whole`.
    pub(crate) fn finish(&mut self, wire_length: u64, whole: bool, budget: &mut Budget) -> Body {
        let sha256 = self.digest.take().filter(|_| whole).map(|digest| digest.finalize().into());
        Body { length: self.length, kept: self.kept.finish(budget), sha256, wire_length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_and_keeps_the_beginning() {
        let mut budget = Budget::new(100);
        let mut recorder = Recorder::new(4, true);
        recorder.push(b"abc", &mut budget);
        recorder.push(b"def", &mut budget);
        let body = recorder.finish(9, true, &mut budget);
        assert_eq!((body.length, &body.kept[..], body.wire_length), (6, &b"abcd"[..], 9));
        assert_eq!(body.sha256, Some(Sha256::digest(b"abcdef").into()));
        assert_eq!(budget.take(1000), 100, "all given back");
    }

    #[test]
    fn a_gap_ends_what_is_kept() {
        let mut budget = Budget::new(100);
        let mut recorder = Recorder::new(10, true);
        recorder.push(b"abc", &mut budget);
        recorder.gap(5);
        recorder.push(b"def", &mut budget);
        let body = recorder.finish(11, true, &mut budget);
        assert_eq!((body.length, &body.kept[..], body.sha256), (11, &b"abc"[..], None));
    }

    #[test]
    fn the_budget_is_shared() {
        let mut budget = Budget::new(5);
        let (mut one, mut other) = (Recorder::new(4, false), Recorder::new(4, false));
        one.push(b"abcd", &mut budget);
        other.push(b"abcd", &mut budget);
        assert_eq!(&one.finish(0, true, &mut budget).kept[..], b"abcd");
        other.push(b"e", &mut budget);
        assert_eq!(&other.finish(0, true, &mut budget).kept[..], b"a", "no holes");
    }
}
