//! A filter as a tree of tests. In: what the parser read. Out: values that [`super::Filter`] evaluates, that a store may turn into
//! SQL, and that print as text which reads back to the same tree.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use super::field::Field;

/// A filter: tests, and how they are joined.
///
/// Trees that come of the parser or of [`Expr::all`], [`Expr::any`] and `!` are canonical: an `All` holds at least two
/// parts and no `All` directly, likewise `Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Every part holds (`&`, or one after another).
    All(Vec<Self>),
    /// At least one part holds (`|`).
    Any(Vec<Self>),
    /// It does not hold (`!`).
    Not(Box<Self>),
    /// One test.
    Leaf(Leaf),
}

impl Expr {
    /// Every one of `parts`; one part is itself, and no part at all is `~all`.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 {
            Self::All(flat)
        } else {
            flat.pop().unwrap_or_else(|| Self::leaf(Field::All, Test::Present))
        }
    }

    /// At least one of `parts`; one part is itself, and no part at all is `!~all`.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        let nothing = || !Self::leaf(Field::All, Test::Present);
        if flat.len() > 1 { Self::Any(flat) } else { flat.pop().unwrap_or_else(nothing) }
    }

    /// One test of one field.
    pub const fn leaf(field: Field, test: Test) -> Self {
        Self::Leaf(Leaf { field, test })
    }

    /// Calls `each` with every test in the tree, from left to right.
    pub fn leaves<'e>(&'e self, each: &mut dyn FnMut(&'e Leaf)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.leaves(each)),
            Self::Not(part) => part.leaves(each),
            Self::Leaf(leaf) => each(leaf),
        }
    }
}

impl std::ops::Not for Expr {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// One test: what is looked at, and what must hold of it. A field may have several values (each header block, both sides of TLS,
/// every finding …): the test holds when it holds of one of them. Where a field has no value, no test of it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// What is looked at.
    pub field: Field,
    /// What must hold.
    pub test: Test,
}

/// What must hold of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is there.
    Present,
    /// The expression is found somewhere in it.
    Matches(Pattern),
    /// It is this text, whatever the case of its ASCII letters. In lower case here.
    Is(String),
    /// It begins with this text. In lower case here, as are the values of such fields.
    Begins(String),
    /// It is a number among these.
    Number(Numbers),
}

/// A set of numbers. What they count depends on the field: bytes, microseconds, microseconds since the epoch, codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// `< n`
    Less(i64),
    /// `<= n`
    AtMost(i64),
    /// `> n`
    More(i64),
    /// `>= n`
    AtLeast(i64),
    /// `= n`
    Is(i64),
    /// `!= n`
    IsNot(i64),
    /// `n..m`, both included; without an end it is open there.
    Between(Option<i64>, Option<i64>),
}

impl Numbers {
    /// Whether `number` is among them.
    pub const fn contains(self, number: i64) -> bool {
        match self {
            Self::IsNot(it) => number != it,
            _ => match self.bounds() {
                Some((from, to)) => from <= number && number <= to,
                None => false,
            },
        }
    }

    /// The least and the greatest of them, both included; `None` when there are none, or when they are all but one
    /// ([`Numbers::IsNot`]).
    pub const fn bounds(self) -> Option<(i64, i64)> {
        match self {
            Self::Less(i64::MIN) | Self::More(i64::MAX) | Self::IsNot(_) => None,
            Self::Less(n) => Some((i64::MIN, n - 1)),
            Self::AtMost(n) => Some((i64::MIN, n)),
            Self::More(n) => Some((n + 1, i64::MAX)),
            Self::AtLeast(n) => Some((n, i64::MAX)),
            Self::Is(n) => Some((n, n)),
            Self::Between(from, to) => {
                let from = match from {
                    Some(from) => from,
                    None => i64::MIN,
                };
                let to = match to {
                    Some(to) => to,
                    None => i64::MAX,
                };
                if from <= to { Some((from, to)) } else { None }
            }
        }
    }
}

/// How a regular expression is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// To one text.
    Text,
    /// To bytes that may be text; case is that of ASCII.
    Bytes,
    /// To the lines of a head: `^` and `$` match at each of them.
    Lines,
    /// To content: `.` matches line ends as well.
    Content,
}

/// A regular expression that is searched for, in the syntax of the `regex` crate.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    case_sensitive: bool,
    regex: Regex,
}

impl Pattern {
    /// Compiles `source`, whose compiled form may take `limit` bytes.
    pub(super) fn new(source: &str, style: Style, case_sensitive: bool, limit: usize) -> Result<Self, regex::Error> {
        let build = |unicode: bool| {
            RegexBuilder::new(source)
                .unicode(unicode)
                .case_insensitive(!case_sensitive)
                .multi_line(style == Style::Lines)
                .crlf(style == Style::Lines)
                .dot_matches_new_line(style == Style::Content)
                .nest_limit(64)
                .size_limit(limit)
                .dfa_size_limit(256 << 10)
                .build()
        };
        let regex = match style {
            Style::Text => build(true),
            // Expressions with classes beyond ASCII cannot be read byte for byte.
            _ => build(false).or_else(|_| build(true)),
        }?;
        Ok(Self { source: source.to_owned(), case_sensitive, regex })
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether upper and lower case are different.
    pub const fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Whether it is found in `text`.
    pub fn is_match(&self, text: impl AsRef<[u8]>) -> bool {
        self.regex.is_match(text.as_ref())
    }

    /// The text that must be in whatever it matches, in lower case, when the expression is nothing but plain text.
    pub fn literal(&self) -> Option<String> {
        let is_plain = !self.source.is_empty() && regex::escape(&self.source) == self.source && self.source.is_ascii();
        is_plain.then(|| self.source.to_ascii_lowercase())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.case_sensitive) == (&other.source, other.case_sensitive)
    }
}

impl Eq for Pattern {}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], by: &str| {
            for (n, part) in parts.iter().enumerate() {
                let by = if n == 0 { "" } else { by };
                match part {
                    Self::All(_) | Self::Any(_) => write!(f, "{by}({part})")?,
                    _ => write!(f, "{by}{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(parts) => joined(f, parts, " & "),
            Self::Any(parts) => joined(f, parts, " | "),
            Self::Not(part) => match part.as_ref() {
                Self::All(_) | Self::Any(_) => write!(f, "!({part})"),
                _ => write!(f, "!{part}"),
            },
            Self::Leaf(leaf) => leaf.fmt(f),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}", self.field.operator())?;
        match &self.test {
            Test::Present => Ok(()),
            Test::Matches(pattern) => write!(f, " {}", Quoted(pattern.source())),
            Test::Is(text) | Test::Begins(text) => write!(f, " {}", Quoted(text)),
            Test::Number(numbers) => {
                let shown = |n: i64| self.field.unit().map_or_else(|| n.to_string(), |unit| unit.shown(n));
                match *numbers {
                    Numbers::Less(n) => write!(f, " < {}", shown(n)),
                    Numbers::AtMost(n) => write!(f, " <= {}", shown(n)),
                    Numbers::More(n) => write!(f, " > {}", shown(n)),
                    Numbers::AtLeast(n) => write!(f, " >= {}", shown(n)),
                    Numbers::Is(n) => write!(f, " = {}", shown(n)),
                    Numbers::IsNot(n) => write!(f, " != {}", shown(n)),
                    Numbers::Between(from, to) => {
                        write!(f, " {}..{}", from.map(shown).unwrap_or_default(), to.map(shown).unwrap_or_default())
                    }
                }
            }
        }
    }
}

/// Text as an argument: in quotes where it must be.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = !self.0.is_empty()
            && !self.0.ends_with(['&', '|'])
            && !self.0.starts_with(['!', '<', '>', '='])
            && !self.0.chars().any(super::scan::ends_word);
        if is_word {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        let mut rest = self.0;

        while let Some(at) = rest.find(['"', '\\']) {
            f.write_str(&rest[..at])?;
            f.write_str(if rest[at..].starts_with('"') { "\\\"" } else { "\\\\" })?;
            rest = &rest[at + 1..];
        }
        write!(f, "{rest}\"")
    }
}
