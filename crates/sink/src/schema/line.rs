//! One JSON value as one line that can be shown anywhere. In: a value. Out: JSON in which characters that control terminals, or
//! reorder and hide what stands around them, are written as `\uXXXX`: the same value for every reader. Spec: RFC 8259 §7.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

/// `value` as one line, with its end.
///
/// # Errors
/// When `value` cannot be written as JSON.
pub fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(512);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Visible(CompactFormatter)))?;
    line.push(b'\n');
    Ok(line)
}

/// Compact JSON without characters that cannot be seen.
struct Visible(CompactFormatter);

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_invisible(*c)) {
            self.0.write_string_fragment(writer, &fragment[from..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            from = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[from..])
    }
}

/// DEL and C1 controls; zero-width characters, separators, and those that turn the direction of writing. All are in the Basic
/// Multilingual Plane; C0 controls never come here, as JSON itself demands that they are escaped.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped_and_stays_the_same() {
        let hostile: String =
            (0..=0x2100).filter_map(char::from_u32).chain("\u{feff}\u{fffb}é漢😀\"\\".chars()).collect();
        let value = serde_json::json!({ hostile.clone(): [hostile.clone()] });
        let line = line(&value).unwrap();
        let text = std::str::from_utf8(&line).unwrap();
        assert!(!text.trim_end_matches('\n').chars().any(|c| c.is_control() || is_invisible(c)));
        assert!(text.contains("é漢😀") && text.contains("\\u202e") && text.contains("\\u009b"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), value);
    }
}
