//! Bytes as they are. In: any bytes. Out: lines of 16 with offset, hexadecimal and ASCII, as `hexdump -C` prints them; runs of
//! characters in which there are secrets are masked.

use std::ops::Range;

use super::Scene;
use super::page::Page;

/// Bytes of a line.
const ROW: usize = 16;

/// Shortest run of characters that is looked at for secrets.
const SHORTEST_RUN: usize = 6;

/// Lays out `bytes`.
pub(super) fn show(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) {
    // No more is looked at than can be shown: a line of the dump takes more than 64 bytes.
    let most = scene.options.limit_lines.min(scene.options.limit_bytes / 64 + 1).saturating_add(1).saturating_mul(ROW);
    let bytes = &bytes[..bytes.len().min(most)];
    let masked = secrets(bytes, scene);
    let mut masked = masked.iter().peekable();
    for (row, chunk) in bytes.chunks(ROW).enumerate() {
        let start = row * ROW;
        let mut hidden = [false; ROW];
        while let Some(range) = masked.peek() {
            for at in range.start.max(start)..range.end.min(start + ROW) {
                hidden[at - start] = true;
            }
            if range.end > start + ROW {
                break;
            }
            masked.next();
        }
        page.line(&line(start, chunk, hidden));
        if page.is_full() {
            return;
        }
    }
}

fn line(offset: usize, chunk: &[u8], hidden: [bool; ROW]) -> String {
    let mut line = format!("{offset:08x} ");
    for (at, hide) in hidden.iter().enumerate() {
        if at == ROW / 2 {
            line.push(' ');
        }
        match chunk.get(at) {
            Some(_) if *hide => line.push_str(" **"),
            Some(byte) => line.push_str(&format!(" {byte:02x}")),
            None => line.push_str("   "),
        }
    }
    line.push_str("  |");
    line.extend(chunk.iter().zip(hidden).map(|(byte, hide)| match byte {
        _ if hide => '*',
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    }));
    line + "|"
}

/// What is masked: runs of printable ASCII that the redactor would change, and all of a text with a private key in it.
fn secrets(bytes: &[u8], scene: &Scene<'_>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    if contains(bytes, b"PRIVATE KEY-----") {
        found.push(0..bytes.len());
        return found;
    }
    for run in bytes.chunk_by(|a, b| is_printable(*a) == is_printable(*b)) {
        let start = at;
        at += run.len();
        if run.len() < SHORTEST_RUN || !is_printable(run[0]) || scene.redactor().reveals() {
            continue;
        }
        let text = String::from_utf8_lossy(run);
        if scene.redactor().text(&text) != text {
            found.push(start..at);
        }
    }
    found
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use crate::redact::Redactor;
    use crate::views::{Force, ViewOptions, view};

    #[test]
    fn as_hexdump_prints_it() {
        let options = ViewOptions { force: Some(Force::Hex), ..ViewOptions::default() };
        let bytes = b"Hello, world!\n\0\xff and more";
        let expected = "00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 00 ff  |Hello, world!...|\n00000010  20 61 6e 64 20 6d 6f 72  65                       | and more|\n";
        assert_eq!(view("text/plain", "", bytes, &options).text, expected);
    }

    #[test]
    fn secrets_are_masked_across_lines_and_the_rest_is_not() {
        let bytes = b"\0\x01\x02token=0123456789abcdef01234567\0after";
        let options = ViewOptions::default();
        let shown = view("application/octet-stream", "", bytes, &options).text;
        assert!(!shown.contains("0123456789") && !shown.contains(" 30 31 32"), "{shown}");
        assert!(shown.contains("|...*************|") && shown.contains("|*.after|"), "{shown}");
        let reveal = ViewOptions { redactor: Redactor::new(true), ..options };
        assert!(view("", "", bytes, &reveal).text.contains("token=0123456"));
    }

    #[test]
    fn private_keys_are_masked_whatever_is_revealed() {
        let key = b"\0\x01-----BEGIN EC PRIVATE KEY-----\nbXkga2V5\n-----END EC PRIVATE KEY-----\n";
        let reveal = ViewOptions { redactor: Redactor::new(true), ..ViewOptions::default() };
        let shown = view("", "", key, &reveal).text;
        assert!(shown.contains("|****************|") && !shown.contains("bXkga2V5"), "{shown}");
    }

    #[test]
    fn the_limit_of_lines_holds() {
        let options = ViewOptions { limit_lines: 3, ..ViewOptions::default() };
        let shown = view("", "", &[0; 1000], &options);
        assert_eq!((shown.text.lines().count(), shown.left_out.is_some()), (3, true));
        let whole = view("", "", &[0; 48], &options);
        assert_eq!((whole.text.lines().count(), whole.left_out), (3, None));
    }
}
