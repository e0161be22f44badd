//! From what a reader did to what it got and lost. In: the steps of one reader. Out: a [`Reading`] over the store's entries.

use std::ops::Range;

use sidelight_model::trust::{Entry, Loss, Reader, Reading};

/// What a reader did with a file, in the file's order.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Certificates that it got: where their block begins, and their DER.
    pub(super) got: Vec<(usize, Vec<u8>)>,
    /// Stretches of the file that it did not make use of.
    pub(super) lost: Vec<Lost>,
    /// The error with which it refuses the whole file, with the byte where it stands.
    pub(super) fails: Option<(usize, String)>,
    /// Whether it keeps quiet about errors.
    pub(super) quiet: bool,
}

/// A stretch of the file that a reader did not make use of.
#[derive(Debug)]
pub(super) struct Lost {
    /// Its bytes.
    pub(super) bytes: Range<usize>,
    /// Where the cause stands.
    pub(super) at: usize,
    /// The cause, without its line.
    pub(super) why: String,
    /// Whether the reader reports it.
    pub(super) told: bool,
}

impl Outcome {
    /// Notes that a stretch was passed over without a word.
    pub(super) fn skip(&mut self, bytes: Range<usize>, why: impl Into<String>) {
        let at = bytes.start;
        self.lost.push(Lost { bytes, at, why: why.into(), told: false });
    }
}

/// Lays a reader's steps over the store's entries. `known` is the DER of each entry, without anything behind it.
pub(super) fn reading(
    reader: Reader,
    outcome: Outcome,
    entries: &[(&Entry, &[u8])],
    known: &[&[u8]],
    bytes: &[u8],
) -> Reading {
    let lines = Lines::of(bytes);
    let place = |at: usize, why: &str| format!("line {}: {why}", lines.number(at));
    let told = |outcome: &Outcome| !outcome.quiet;
    if let Some((at, why)) = &outcome.fails {
        let why = if bytes.is_empty() || is_binary(bytes) { why.clone() } else { place(*at, why) };
        let loss =
            |entry| Loss { entry: Some(entry), why: format!("the whole file is lost: {why}"), silent: outcome.quiet };
        let lost = (0..entries.len()).map(loss).collect();
        return Reading { reader, taken: Vec::new(), lost, fails: Some(why) };
    }
    let taken = matches(&outcome, entries, known, bytes);
    let mut lost = Vec::new();
    let mut explained = vec![false; outcome.lost.len()];
    for (index, (entry, _)) in entries.iter().enumerate() {
        if taken.contains(&index) {
            continue;
        }
        let cause = entry.offset.map(|at| begin(bytes, at));
        let cause = cause.and_then(|at| outcome.lost.iter().position(|lost| lost.bytes.contains(&at)));
        let (why, silent) = match cause {
            Some(cause) => {
                explained[cause] = true;
                let lost = &outcome.lost[cause];
                (place(lost.at, &lost.why), !(lost.told && told(&outcome)))
            }
            None => ("it does not see a certificate here".to_owned(), true),
        };
        lost.push(Loss { entry: Some(index), why, silent });
    }
    // What was lost without being an entry: a block that nobody can read, as far as this reader stumbles over it.
    let rest = outcome.lost.iter().zip(explained).filter(|(lost, explained)| !explained && lost.told);
    lost.extend(rest.map(|(lost, _)| Loss { entry: None, why: place(lost.at, &lost.why), silent: outcome.quiet }));
    Reading { reader, taken, lost, fails: None }
}

/// For each certificate that was got, the entry that it is: that of the same block, else the first with the same DER.
fn matches(outcome: &Outcome, entries: &[(&Entry, &[u8])], known: &[&[u8]], bytes: &[u8]) -> Vec<usize> {
    let mut taken = Vec::new();
    let places: Vec<_> = entries.iter().map(|(entry, _)| entry.offset.map(|at| begin(bytes, at))).collect();
    for (offset, der) in &outcome.got {
        let offset = begin(bytes, *offset);
        let same = |index: &usize| known.get(*index) == Some(&der.as_slice()) && !taken.contains(index);
        let here = places.iter().position(|place| *place == Some(offset)).filter(same);
        if let Some(index) = here.or_else(|| (0..entries.len()).find(same)) {
            taken.push(index);
        }
    }
    taken.sort_unstable();
    taken
}

/// Where BEGIN stands in the line at `at`, behind what may stand before it there.
fn begin(bytes: &[u8], at: usize) -> usize {
    let line = bytes.get(at..).unwrap_or_default();
    let line = &line[..memchr::memchr2(b'\n', b'\r', line).unwrap_or(line.len())];
    at.saturating_add(memchr::memmem::find(line, b"-----BEGIN ").unwrap_or(0))
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && bytes.get(1).is_some_and(|byte| *byte >= 0x80)
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(bytes: &[u8]) -> Self {
        let ending = if memchr::memchr(b'\n', bytes).is_some() { b'\n' } else { b'\r' };
        Self(memchr::memchr_iter(ending, bytes).map(|at| at + 1).collect())
    }

    /// The line of a byte, counted from 1.
    fn number(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) + 1
    }
}
