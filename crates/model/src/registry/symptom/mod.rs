//! What a message about a failed pull, push or login means. In: text that kubectl, docker, containerd, podman, skopeo or a registry's
//! log printed, as it was pasted. Out: causes in order of likelihood, what tells them apart, what to do. The knowledge is data: the
//! folder `causes`, one entry a cause; [`Table`] reads it, nothing here knows a message.

mod pasted;
mod subject;
mod table;
#[cfg(test)]
mod tests;

pub use subject::{Client, Subject};
pub use table::{Entry, Pattern, Table};

use std::ops::Range;

use pasted::Pasted;

/// The most causes that are named.
const MOST: usize = 12;

/// The most places at which one pattern is looked for in a text.
const MOST_PLACES: usize = 64;

/// From this weight on a pattern is so telling that vague ones within its words say nothing more.
const TELLING: u8 = 90;

/// Up to this weight a pattern is vague.
const VAGUE: u8 = 45;

/// Below this weight a pattern only wraps what another says.
const WRAPPER: u8 = 10;

/// Below this weight a cause is left out when a telling one was found.
const FAINT: u8 = 20;

/// One cause that a text can have.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'t> {
    /// What is known of the cause.
    pub entry: &'t Entry,
    /// The pattern that was found.
    pub pattern: &'t Pattern,
}

/// What a text means.
#[derive(Clone, Debug)]
pub struct Explanation<'t> {
    /// What it speaks of.
    pub subject: Subject,
    /// The causes it can have, the likeliest first; empty: the text is not known.
    pub candidates: Vec<Candidate<'t>>,
    /// Where the text is not known: entries with the most similar messages.
    pub nearest: Vec<Candidate<'t>>,
}

/// A pattern's place in a text.
struct Found<'t> {
    candidate: Candidate<'t>,
    place: Range<usize>,
}

/// Explains a text by the table.
pub fn explain<'t>(table: &'t Table, text: &str) -> Explanation<'t> {
    let pasted = Pasted::new(text);
    let subject = Subject::of(pasted.readable());
    let found: Vec<Found<'t>> = all(table, pasted.dense());
    let mut candidates: Vec<Candidate<'t>> = Vec::new();
    for one in &found {
        if is_said_better(one, &found) {
            continue;
        }
        match candidates.iter_mut().find(|known| known.entry.cause == one.candidate.entry.cause) {
            Some(known) if known.pattern.weight < one.candidate.pattern.weight => *known = one.candidate,
            Some(_) => {}
            None => candidates.push(one.candidate),
        }
    }
    // Of equally likely ones the longer pattern was the more particular.
    candidates.sort_by_key(|it| std::cmp::Reverse((it.pattern.weight, it.pattern.text.len())));
    let top = candidates.first().map_or(0, |first| first.pattern.weight);
    candidates
        .retain(|it| (top < WRAPPER || it.pattern.weight >= WRAPPER) && (top < TELLING || it.pattern.weight >= FAINT));
    candidates.truncate(MOST);
    let nearest = if candidates.is_empty() { nearest(table, pasted.readable()) } else { Vec::new() };
    Explanation { subject, candidates, nearest }
}

fn all<'t>(table: &'t Table, dense: &str) -> Vec<Found<'t>> {
    let mut found = Vec::new();
    for entry in table.entries() {
        for pattern in &entry.patterns {
            let mut from = 0;
            for _ in 0..MOST_PLACES {
                let Some(place) = pattern.find(dense, from) else { break };
                from = place.start + 1;
                // The next look must begin at a letter.
                while !dense.is_char_boundary(from) {
                    from += 1;
                }
                found.push(Found { candidate: Candidate { entry, pattern }, place });
            }
        }
    }
    found
}

/// Whether a telling pattern holds the place of this vague one.
fn is_said_better(one: &Found<'_>, all: &[Found<'_>]) -> bool {
    one.candidate.pattern.weight <= VAGUE
        && all.iter().any(|other| {
            other.candidate.pattern.weight >= TELLING
                && other.place.start <= one.place.start
                && one.place.end <= other.place.end
                && one.place.len() < other.place.len()
        })
}

/// Entries whose messages share the most words with the text.
fn nearest<'t>(table: &'t Table, text: &str) -> Vec<Candidate<'t>> {
    let words = words_of(text);
    let mut scored: Vec<(usize, Candidate<'t>)> = Vec::new();
    for entry in table.entries() {
        let score = |pattern: &Pattern| {
            let wanted = words_of(&pattern.text);
            let hits = wanted.iter().filter(|word| words.contains(word)).count();
            // Two words at least, and most of the pattern.
            if hits < 2 { 0 } else { hits * 100 / wanted.len() }
        };
        let best = entry.patterns.iter().map(|pattern| (score(pattern), pattern)).max_by_key(|(score, _)| *score);
        if let Some((score, pattern)) = best.filter(|(score, _)| *score >= 60) {
            scored.push((score, Candidate { entry, pattern }));
        }
    }
    scored.sort_by_key(|(score, candidate)| std::cmp::Reverse((*score, candidate.pattern.text.len())));
    scored.into_iter().map(|(_, candidate)| candidate).take(3).collect()
}

fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 2)
        .map(str::to_lowercase)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}
