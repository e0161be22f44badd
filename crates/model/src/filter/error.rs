//! Why a filter cannot be read, and where. In: what the parser met. Out: [`FilterError`], which shows the place with a caret.

use std::fmt;

use super::scan::Span;

/// Columns of a long filter that are shown around the place of an error.
const WINDOW: usize = 36;

/// Why a filter cannot be read.
///
/// Printed, it is one line with the column; [`FilterError::excerpt`] has the two lines that show the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    column: usize,
    length: usize,
    what: String,
    hint: Option<String>,
    line: String,
    caret: usize,
}

impl FilterError {
    pub(super) fn new(text: &str, span: Span, what: impl Into<String>, hint: Option<String>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let column = text[..start].chars().count();
        let length = text[start..end].chars().count().max(1);
        // Tabs and line ends would move the caret away from its place.
        let shown: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = column.saturating_sub(WINDOW);
        let to = shown.len().min(column + WINDOW);
        let before = if from > 0 { "…" } else { "" };
        let after = if to < shown.len() { "…" } else { "" };
        let line = format!("{before}{}{after}", shown.get(from..to).unwrap_or_default().iter().collect::<String>());
        let caret = column - from + usize::from(from > 0);
        Self { column: column + 1, length, what: what.into(), hint, line, caret }
    }

    /// The column, counted in characters from 1, at which it goes wrong; one past the end where something is missing.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// How many characters it is about, at least 1.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// What is wrong and what was expected, without the column.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The filter, or the part of it that counts, and below it carets under the place.
    pub fn excerpt(&self) -> String {
        let room = self.line.chars().count().saturating_sub(self.caret).max(1);
        format!("{}\n{}{}", self.line, " ".repeat(self.caret), "^".repeat(self.length.min(room)))
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for FilterError {}

/// The nearest place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|it| text.is_char_boundary(*it)).unwrap_or(0)
}

/// The one of `known` that was probably meant by `given`, if one is near enough.
pub(super) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase();
    let most = match given.len() {
        0 => return None,
        1..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    let begins =
        |name: &str| name.len() > 2 && given.len() > 2 && (name.starts_with(&given) || given.starts_with(name));
    let rated = known.into_iter().map(|name| {
        let distance = strsim::osa_distance(&given, name);
        // A name that is the beginning of what was written, or the other way round, is as good as one letter away.
        (if begins(name) { distance.min(1) } else { distance }, name)
    });
    rated.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
