//! The sheet that a flow is written on. In: sections with labels, lines, blocks. Out: text in two columns.

use super::super::style::Meaning;
use super::super::{Look, escape};

/// Columns of labels.
const LABEL: usize = 10;

/// Text that grows.
pub(super) struct Sheet<'l> {
    look: &'l Look,
    text: String,
}

impl<'l> Sheet<'l> {
    pub(super) const fn new(look: &'l Look) -> Self {
        Self { look, text: String::new() }
    }

    pub(super) const fn look(&self) -> &'l Look {
        self.look
    }

    /// Text with its line ends, as it is.
    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// An empty line, unless there is one.
    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A label and words after it; further lines begin under the first word. The words are safe for terminals already.
    pub(super) fn entry(&mut self, label: &str, meaning: Meaning, words: &str) {
        let width = self.look.width.map(|width| width.saturating_sub(LABEL + 1));
        for (n, line) in escape::wrap(words, width).iter().enumerate() {
            let start = escape::pad(if n == 0 { label } else { "" }, LABEL);
            let start = self.look.paint.as_(Meaning::Name, &start);
            let line = format!("{start}{}", self.look.paint.as_(meaning, line));
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// Further words under those of the entry before.
    pub(super) fn more(&mut self, meaning: Meaning, words: &str) {
        self.entry("", meaning, words);
    }

    /// Further words about those before, two columns further to the right.
    pub(super) fn detail(&mut self, meaning: Meaning, words: &str) {
        let width = self.look.width.map(|width| width.saturating_sub(LABEL + 3));
        for line in escape::wrap(words, width) {
            let line = format!("{}{}", " ".repeat(LABEL + 2), self.look.paint.as_(meaning, &line));
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// The heading of a part that is as wide as the sheet.
    pub(super) fn heading(&mut self, words: &str, meaning: Meaning, after: &str) {
        self.blank();
        let words = self.look.paint.as_(meaning, words);
        let after = self.look.paint.as_(Meaning::Faint, after);
        self.text.push_str(format!("{words}  {after}").trim_end());
        self.text.push('\n');
    }

    /// A line of such a part.
    pub(super) fn line(&mut self, meaning: Meaning, words: &str) {
        let line = format!("  {}", self.look.paint.as_(meaning, words));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A line whose name stands out.
    pub(super) fn field(&mut self, label: &str, name: &str, value: &str) {
        let name = self.look.paint.as_(Meaning::Name, name);
        self.line(Meaning::Plain, format!("{label}{name}: {value}").trim_end());
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
