//! Words of a shell command. In: any bytes. Out: one word that a shell takes for exactly these bytes.
//! Spec: POSIX.1-2024, shell command language §2.2 (quoting; `$'…'` is §2.2.4, known to bash, zsh and ksh for long).

use std::fmt::Write as _;

/// Bytes of one argument that Linux takes (execve(2), `MAX_ARG_STRLEN`), less than half of it: a word may grow by its quotes.
pub(super) const LONGEST: usize = 48 << 10;

/// Whether a character is text to a terminal and to a shell within single quotes: no control character, and none that turns the
/// reading order or hides.
pub(super) fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'))
}

/// `bytes` as one word: bare, in `'…'`, or in `$'…'` where something in it would not be seen. Bytes 0 cannot be in a word: see
/// [`fits`].
pub(super) fn word(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes);
    match text {
        Ok(text) if !text.is_empty() && text.bytes().all(is_bare) => text.to_owned(),
        Ok(text) if text.chars().all(|c| is_plain(c) || c == '\n' || c == '\t') => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => escaped(bytes),
    }
}

const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b'%' | b'+' | b',')
}

fn escaped(bytes: &[u8]) -> String {
    let mut word = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' | '\'' => word.extend(['\\', c]),
                '\n' => word.push_str("\\n"),
                '\r' => word.push_str("\\r"),
                '\t' => word.push_str("\\t"),
                c if is_plain(c) => word.push(c),
                c => push_octal(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut word),
            }
        }
        push_octal(chunk.invalid(), &mut word);
    }
    word.push('\'');
    word
}

/// Three digits each, so that no digit after them can be taken for a part of them.
fn push_octal(bytes: &[u8], word: &mut String) {
    for byte in bytes {
        let _ = write!(word, "\\{byte:03o}");
    }
}

/// Whether `bytes` can be an argument that a person wants to read.
pub(super) fn fits(bytes: &[u8]) -> bool {
    let is_text = || std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    bytes.len() <= LONGEST && is_text()
}

/// A command that reads `body` from its standard input, as base64 in a here-document.
pub(super) fn fed_with(body: &[u8], command: &str) -> String {
    let mut text = format!("base64 -d <<'BODY' | {command}\n");
    let coded = data_encoding::BASE64.encode(body);
    let mut rest = coded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(76));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "BODY\n"
}

/// Words of a command, one or two a line.
pub(super) fn lines(program: &str, words: &[String]) -> String {
    let mut text = program.to_owned();
    for word in words {
        text.push_str(" \\\n  ");
        text.push_str(word);
    }
    text
}
