//! Where views write. In: lines. Out: text of so many lines and bytes at most, and whether anything did not fit.

/// Longest text that is written of one line, unless all lines are wanted: terminals, and people, give up on longer ones.
const LONGEST_LINE: usize = 16 * 1024;

/// Deepest indentation: beyond it, deeper levels look alike.
const MOST_INDENT: usize = 32;

/// Text that grows line by line up to its limits. What comes after them is dropped, and counted as far as anybody counts.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    indent: usize,
    lines_left: usize,
    bytes_left: usize,
    longest: usize,
    clipped: bool,
    full: bool,
}

impl Page {
    pub(super) const fn new(lines: usize, bytes: usize) -> Self {
        let longest = if lines == usize::MAX { usize::MAX } else { LONGEST_LINE };
        Self {
            text: String::new(),
            indent: 0,
            lines_left: lines,
            bytes_left: bytes,
            longest,
            clipped: false,
            full: false,
        }
    }

    /// Adds a line; without effect when the page is full.
    pub(super) fn line(&mut self, line: &str) {
        if self.full || self.lines_left == 0 {
            self.full = true;
            return;
        }
        let indent = if line.is_empty() { 0 } else { self.indent.min(MOST_INDENT) * 2 };
        let room = self.bytes_left.saturating_sub(indent + 1);
        let whole = line.len() <= room.min(self.longest);
        let shown = if whole { line } else { prefix(line, room.min(self.longest)) };
        if shown.is_empty() && !whole {
            self.full = true;
            return;
        }
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(shown);
        if !whole {
            self.text.push('…');
            self.clipped |= room > self.longest;
            self.full |= room <= self.longest;
        }
        self.text.push('\n');
        self.lines_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(indent + shown.len() + 1);
    }

    /// Adds each line of `text`.
    pub(super) fn lines(&mut self, text: &str) {
        for line in text.lines() {
            if self.is_full() {
                return;
            }
            self.line(line);
        }
    }

    /// What `write` adds stands two columns further to the right.
    pub(super) fn indented<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.indent += 1;
        let result = write(self);
        self.indent -= 1;
        result
    }

    /// Moves the lines that follow `levels` levels to the right, until it is called again.
    pub(super) const fn set_indent(&mut self, levels: usize) -> usize {
        std::mem::replace(&mut self.indent, levels)
    }

    /// The level at which lines stand now.
    pub(super) const fn indent(&self) -> usize {
        self.indent
    }

    /// Whether something was dropped: writing more is of no use.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// The text, and what was left out of it.
    pub(super) fn finish(self) -> (String, Option<String>) {
        let left_out = match (self.full, self.clipped) {
            (true, _) => {
                let lines = self.text.lines().count();
                Some(format!("only the first {lines} lines of it are shown"))
            }
            (false, true) => Some(format!("lines longer than {LONGEST_LINE} bytes are shown in part")),
            (false, false) => None,
        };
        (self.text, left_out)
    }
}

/// The first bytes of `text`, `most` at the most, that end between two characters.
pub(super) fn prefix(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bytes_are_bounded_and_what_is_missing_is_told() {
        let mut page = Page::new(2, 100);
        page.lines("a\nb");
        assert_eq!(page.finish(), ("a\nb\n".to_owned(), None));
        let mut page = Page::new(2, 100);
        page.lines("a\nb\nc");
        assert!(page.is_full());
        assert_eq!(page.finish(), ("a\nb\n".to_owned(), Some("only the first 2 lines of it are shown".to_owned())));
        let mut page = Page::new(9, 12);
        page.indented(|page| page.line("äöü and more"));
        page.line("more");
        let (text, left_out) = page.finish();
        assert_eq!((text.as_str(), left_out.is_some()), ("  äöü an…\n", true));
        let mut page = Page::new(9, 1 << 20);
        page.line(&"x".repeat(LONGEST_LINE + 1));
        page.line("y");
        let (text, left_out) = page.finish();
        assert!(text.ends_with("x…\ny\n") && left_out.is_some_and(|words| words.contains("in part")));
    }
}
