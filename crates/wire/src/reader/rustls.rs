//! rustls's PEM reader as rustls-native-certs uses it, with webpki's check of each certificate. In: a file. Out: what it gets.
//!
//! A block that does not decode is reported, and reading goes on behind it. A block without END is not ended by the next BEGIN: both are
//! lost together. Programs take what they get, so that an error is seldom seen.

use super::element;
use super::outcome::{Lost, Outcome};

const BEGIN: &[u8] = b"-----BEGIN ";

/// A block that was begun.
struct Open {
    start: usize,
    label: Vec<u8>,
    text: Vec<u8>,
    /// Where a second BEGIN stood before any END.
    swallowed: Option<usize>,
}

pub(super) fn read(bytes: &[u8], known: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut open: Option<Open> = None;
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        let end = start + line.len();
        let text = line.strip_suffix(b"\n").or_else(|| line.strip_suffix(b"\r")).unwrap_or(line);
        if text.starts_with(BEGIN) {
            begin(&mut outcome, &mut open, text, start..end);
        } else if let Some(mut block) = open.take() {
            let marker = [b"-----END ".as_slice(), &block.label, b"-----"].concat();
            if text.starts_with(&marker) {
                close(&mut outcome, &block, end, known);
            } else {
                block.text.extend_from_slice(text.trim_ascii_end());
                open = Some(block);
            }
        }
        start = end;
    }
    if let Some(block) = open {
        let why = "the block has no END line";
        outcome.lost.push(Lost { bytes: block.start..bytes.len(), at: block.start, why: why.into(), told: true });
    }
    if outcome.got.is_empty() {
        let first = outcome.lost.first();
        let why = first.map_or("rustls finds no certificate in it", |lost| lost.why.as_str()).to_owned();
        outcome.fails = Some((first.map_or(0, |lost| lost.at), why));
    } else {
        unseen(&mut outcome, bytes);
    }
    outcome
}

/// A BEGIN line. One inside a block changes the label and leaves what was read so far.
fn begin(outcome: &mut Outcome, open: &mut Option<Open>, text: &[u8], line: std::ops::Range<usize>) {
    let trimmed = text.trim_ascii_end();
    let dashes = trimmed.iter().rev().take_while(|byte| **byte == b'-').count();
    if dashes != 5 {
        *open = None;
        let why = "the BEGIN line does not end with five dashes";
        outcome.lost.push(Lost { bytes: line.clone(), at: line.start, why: why.into(), told: true });
        return;
    }
    let label = trimmed.get(BEGIN.len()..trimmed.len() - 5).unwrap_or_default().to_vec();
    match open {
        Some(block) => {
            block.label = label;
            block.swallowed = Some(line.start);
        }
        None => *open = Some(Open { start: line.start, label, text: Vec::new(), swallowed: None }),
    }
}

fn close(outcome: &mut Outcome, block: &Open, end: usize, known: &[&[u8]]) {
    if block.label != b"CERTIFICATE" {
        outcome.skip(block.start..end, "rustls reads blocks labelled CERTIFICATE alone");
        return;
    }
    let text: Vec<u8> = block.text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut lose = |why: &str, told| {
        let why = if block.swallowed.is_some() {
            "the block here has no END line, so that rustls takes it and the next one for one block, and loses both"
        } else {
            why
        };
        outcome.lost.push(Lost { bytes: block.start..end, at: block.start, why: why.into(), told });
    };
    let Some(data) = element::base64_unpadded(&text) else { return lose("the block is not base64", true) };
    match element::certificate(&data, known) {
        Some((der, [])) => outcome.got.push((block.swallowed.unwrap_or(block.start), der.to_vec())),
        // These come from webpki, whose refusal RootCertStore::add_parsable_certificates passes over.
        Some(_) => lose("bytes stand behind the certificate in its block", false),
        None => lose("the block is no certificate", false),
    }
}

/// Blocks whose BEGIN line is not at the start of its line.
fn unseen(outcome: &mut Outcome, bytes: &[u8]) {
    let seen: Vec<usize> = outcome.got.iter().map(|(start, _)| *start).collect();
    for at in memchr::memmem::find_iter(bytes, BEGIN) {
        let before = bytes[..at].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        if before < at && !seen.contains(&at) {
            outcome.skip(before..at + 1, "BEGIN does not stand at the start of its line (a byte order mark counts)");
        }
    }
}
