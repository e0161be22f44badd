//! Text from peers made safe for terminals. In: any text. Out: text without control characters, so
//! that no peer can move the cursor, recolour the screen, or turn the reading order around (Unicode TR 36 §3.1).

use std::fmt::Write as _;

#[cfg(feature = "full")]
pub(crate) use super::columns::{clip, columns, fit, pad, pad_left, wrap};

/// One line: control characters, line ends among them, become visible escapes.
pub(crate) fn line(text: &str) -> String {
    escape(text, |_| false)
}

/// Several lines: line feeds and tabs stay.
pub(crate) fn block(text: &str) -> String {
    escape(&text.replace("\r\n", "\n"), |c| matches!(c, '\n' | '\t'))
}

fn escape(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if stays(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || is_deceptive(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder or hide what stands around them.
const fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_survives() {
        let hostile: String = (0..=0x2100).filter_map(char::from_u32).chain(['\u{feff}', '\u{fffb}']).collect();
        assert!(!line(&hostile).chars().any(|c| c.is_control() || is_deceptive(c)));
        assert!(!block(&hostile).chars().any(|c| (c.is_control() && !"\n\t".contains(c)) || is_deceptive(c)));
        assert_eq!(line("\x1b]0;x\x07\r\n\u{9b}\u{202e}é"), "\\x1b]0;x\\x07\\r\\n\\u{9b}\\u{202e}é");
        assert_eq!(block("a\r\nb\tc\rd"), "a\nb\tc\\rd");
    }
}
