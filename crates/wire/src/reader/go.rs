//! Go's `CertPool.AppendCertsFromPEM` on `pem.Decode`. In: a file. Out: what it gets; whatever it cannot use it passes over in silence.
//!
//! It looks for an END line first, then back for the last BEGIN before it: a block without END costs only itself.

use memchr::memmem;

use super::element;
use super::outcome::Outcome;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const TAIL: &[u8] = b"-----";

pub(super) fn read(bytes: &[u8], known: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome { quiet: true, ..Outcome::default() };
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memmem::find(rest, END)) {
        let end = at + found;
        // END's own newline may be that of an empty block's BEGIN line.
        let after = end + END.len();
        if let Some(begin) = memmem::rfind(&bytes[at..end], BEGIN).map(|begin| at + begin) {
            match block(bytes, at, begin, end, known) {
                Ok(der) => outcome.got.push((begin, der.to_vec())),
                Err(why) => outcome.skip(begin..after, why),
            }
            at = skip_before(&mut outcome, bytes, at..begin, after);
        } else {
            at = after;
        }
    }
    if let Some(rest) = bytes.get(at..).filter(|rest| memmem::find(rest, BEGIN).is_some()) {
        let begin = at + memmem::find(rest, BEGIN).unwrap_or_default();
        outcome.skip(begin..bytes.len(), "the block has no END line of its own");
    }
    if outcome.got.is_empty() {
        let why = outcome.lost.first().map_or("Go finds no certificate in it", |lost| lost.why.as_str());
        let at = outcome.lost.first().map_or(0, |lost| lost.at);
        outcome.fails = Some((at, why.to_owned()));
    }
    outcome
}

/// Notes a BEGIN before the one that was used: its block has no END. Gives back where to go on.
fn skip_before(outcome: &mut Outcome, bytes: &[u8], before: std::ops::Range<usize>, after: usize) -> usize {
    if let Some(begin) = memmem::find(&bytes[before.clone()], BEGIN) {
        outcome.skip(before.start + begin..before.end, "the block has no END line of its own");
    }
    after
}

/// The certificate between a BEGIN and the END that follows.
fn block(bytes: &[u8], from: usize, begin: usize, end: usize, known: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
    if begin > from && bytes.get(begin.wrapping_sub(1)) != Some(&b'\n') {
        return Err("BEGIN does not stand at the start of its line (a byte order mark counts)");
    }
    let (line, mut position) = line(bytes, begin + BEGIN.len());
    let label = line.strip_suffix(TAIL).ok_or("text stands behind the BEGIN line's dashes")?;
    let headers = position;
    while let (text, next) = self::line(bytes, position)
        && text.contains(&b':')
    {
        position = next;
    }
    let has_headers = position > headers;
    if has_headers && position > end {
        return Err("the block has header lines");
    }
    let trailer = &bytes[end + END.len()..];
    let rest = trailer.strip_prefix(label).and_then(|rest| rest.strip_prefix(TAIL));
    let rest = rest.ok_or("the END line does not fit the BEGIN line")?;
    if !self::line(rest, 0).0.is_empty() {
        return Err("text stands behind the END line's dashes");
    }
    if label != b"CERTIFICATE" {
        return Err("Go reads blocks labelled CERTIFICATE alone");
    }
    if has_headers {
        return Err("the block has header lines");
    }
    let text: Vec<u8> = bytes.get(position..end).unwrap_or_default().iter().copied().filter(is_kept).collect();
    let data = element::base64(&text).ok_or("the block is not base64")?;
    match element::certificate(&data, known) {
        Some((der, [])) => Ok(der.to_vec()),
        Some(_) => Err("bytes stand behind the certificate in its block"),
        None => Err("the block is no certificate"),
    }
}

const fn is_kept(byte: &u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The line at `position` without white space at its end, and where the next one begins.
fn line(bytes: &[u8], position: usize) -> (&[u8], usize) {
    let rest = bytes.get(position..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    let text = &rest[..end];
    let kept = text.iter().rposition(|byte| !b" \t\r\n".contains(byte)).map_or(0, |at| at + 1);
    (&text[..kept], position + end)
}
