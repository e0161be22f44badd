//! The text of a filter, character by character. In: text. Out: words, quoted strings, names, numbers, with their places.

use std::ops::Range;

/// Whether `c` cannot be in a word outside of quotes. As in mitmproxy.
pub(super) const fn ends_word(c: char) -> bool {
    matches!(c, '(' | ')' | '~' | '\'' | '"') || is_blank(c)
}

/// White space between terms.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// A place in the text of a filter, in bytes.
pub(super) type Span = Range<usize>;

/// Reads a filter from left to right.
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Scanner<'t> {
    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Passes over white space.
    pub(super) fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
    }

    /// Reads `c` if it comes next.
    pub(super) fn take(&mut self, c: char) -> bool {
        let is_next = self.peek() == Some(c);
        if is_next {
            self.at += c.len_utf8();
        }
        is_next
    }

    /// Reads the operator `&` or `|`; twice the same is taken for one.
    pub(super) fn take_operator(&mut self, c: char) -> bool {
        let is_next = self.take(c);
        if is_next {
            self.take(c);
        }
        is_next
    }

    /// Reads characters for as long as `belongs`.
    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Reads a word. `&` and `|` at its end are operators, not its part.
    pub(super) fn word(&mut self) -> &'t str {
        let start = self.at;
        let word = self.take_while(|c| !ends_word(c)).trim_end_matches(['&', '|']);
        self.at = start + word.len();
        word
    }

    /// Reads a quoted string whose quote comes next. `None` when it does not end; then nothing has been read.
    pub(super) fn quoted(&mut self) -> Option<(String, Span)> {
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''))?;
        let inside = self.at + 1;
        let mut text = String::new();
        let mut chars = self.text.get(inside..)?.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.at = inside + at + 1;
                    return Some((text, inside..inside + at));
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\'' | '\\'))) => text.push(escaped),
                    // The rest are escapes of regular expressions, and stay what they are.
                    Some((_, other)) => text.extend(['\\', other]),
                    None => return None,
                },
                _ => text.push(c),
            }
        }
        None
    }
}

/// Where the byte `nth` of a string stands in what it was read from: `raw`, which is what was between the quotes.
pub(super) fn place_in_quoted(raw: &str, nth: usize) -> usize {
    let mut produced = 0;
    let mut chars = raw.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if produced >= nth {
            return at;
        }
        match chars.peek() {
            Some((_, '"' | '\'' | '\\')) if c == '\\' => {
                chars.next();
                produced += 1;
            }
            // `\d` stays two characters, of which the second is looked at like any other.
            _ => produced += c.len_utf8(),
        }
    }
    raw.len()
}
