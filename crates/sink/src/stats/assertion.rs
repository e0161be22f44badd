//! Reads what must hold of a recording. In: `tls>=1.2; expires>30d; hosts in FILE; status<500`. Out: [`Assertions`], or what is
//! wrong and where. Spec: docs/filters.md, "Assertions".

use std::fmt;
use std::io;
use std::str::FromStr;

use sidelight_model::filter::{Expr, Field, Filter, FilterError, Leaf, Numbers, Test};
use sidelight_model::finding::Cause;
use sidelight_model::policy::Pattern;

/// Largest list of hosts, in bytes.
const MOST_LIST: usize = 4 << 20;

/// What must hold of a recording.
#[derive(Clone, Debug)]
pub struct Assertions {
    pub(super) all: Vec<Assertion>,
}

/// One thing that must hold, with the text of it.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub(super) text: String,
    pub(super) what: What,
}

/// What must hold.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Every connection is TLS.
    Tls,
    /// The version of TLS.
    TlsVersion(Expr),
    /// The time until certificates expire, in microseconds, or when they do.
    Expires(Expr),
    /// The status of exchanges.
    Status(Expr),
    /// A percentile of a latency in microseconds.
    Latency { percent: u8, is_first_byte: bool, numbers: Expr },
    /// How many there are.
    Count(Counted, Expr),
    /// Hosts are in a list.
    Hosts { file: String, patterns: Vec<Pattern> },
    /// No findings but these.
    Causes(Vec<Cause>),
    /// Every certificate was verified.
    Verified,
    /// Nothing is missing from the recording.
    Losses,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Flows,
    Connections,
    Exchanges,
}

/// Whether `number` is among those that a comparison means.
pub(super) fn holds(expr: &Expr, number: i64) -> bool {
    holds_of(expr, &|_| number)
}

/// Whether the numbers that fields have are among those that a comparison means.
pub(super) fn holds_of(expr: &Expr, number: &dyn Fn(Field) -> i64) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| holds_of(part, number)),
        Expr::Any(parts) => parts.iter().any(|part| holds_of(part, number)),
        Expr::Not(part) => !holds_of(part, number),
        Expr::Leaf(Leaf { test: Test::Number(numbers), field }) => Numbers::contains(*numbers, number(*field)),
        Expr::Leaf(_) => false,
    }
}

/// Why assertions cannot be read.
#[derive(Debug)]
pub struct AssertionError {
    column: usize,
    what: String,
    hint: Option<String>,
}

impl AssertionError {
    /// The column, counted in characters from 1.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for AssertionError {}

impl Assertions {
    /// Reads assertions divided by `;`. `open` reads the files that they name.
    ///
    /// # Errors
    /// When one cannot be read: the column, and what was expected; of a file its name and line.
    pub fn parse(text: &str, open: &mut dyn FnMut(&str) -> io::Result<String>) -> Result<Self, AssertionError> {
        let mut all = Vec::new();
        let mut at = 0;
        for part in text.split(';') {
            let start = at + part.len() - part.trim_start().len();
            if !part.trim().is_empty() {
                let reader = Reader { text, start, part: part.trim() };
                let what = reader.read(open)?;
                all.push(Assertion { text: part.trim().to_owned(), what });
            }
            at += part.len() + 1;
        }
        if all.is_empty() {
            let hint = Some("for example `tls>=1.2; expires>30d; status<500; verified`".to_owned());
            return Err(AssertionError { column: 1, what: "nothing is asserted".to_owned(), hint });
        }
        Ok(Self { all })
    }
}

/// One assertion and its place.
struct Reader<'t> {
    text: &'t str,
    start: usize,
    part: &'t str,
}

impl Reader<'_> {
    fn read(&self, open: &mut dyn FnMut(&str) -> io::Result<String>) -> Result<What, AssertionError> {
        let end = self.part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.part.len());
        let (name, rest) = self.part.split_at(end);
        let argument = rest.trim_start();
        let at = self.part.len() - argument.len();
        let alone = |what| {
            if argument.is_empty() {
                Ok(what)
            } else {
                Err(self.error(at, format!("nothing may follow `{name}`"), None))
            }
        };
        match name {
            "tls" if argument.is_empty() => Ok(What::Tls),
            "tls" => self.number(Field::Tls, at).map(What::TlsVersion),
            "expires" => self.number(Field::ExpiresIn, at).map(What::Expires),
            "status" => self.number(Field::Status, at).map(What::Status),
            "flows" => self.number(Field::Id, at).map(|it| What::Count(Counted::Flows, it)),
            "connections" => self.number(Field::Id, at).map(|it| What::Count(Counted::Connections, it)),
            "exchanges" => self.number(Field::Id, at).map(|it| What::Count(Counted::Exchanges, it)),
            "hosts" => self.hosts(at, open),
            "causes" => self.causes(at),
            "verified" => alone(What::Verified),
            "losses" if argument.eq_ignore_ascii_case("none") => Ok(What::Losses),
            "losses" => Err(self.error(at, "`none` must follow `losses`".to_owned(), None)),
            _ => match name.strip_prefix('p').and_then(|digits| digits.parse::<u8>().ok()) {
                Some(percent @ 1..=100) => self.latency(percent, at),
                _ => Err(self.unknown(name)),
            },
        }
    }

    fn error(&self, at: usize, what: String, hint: Option<String>) -> AssertionError {
        let before = self.text.get(..self.start + at).unwrap_or(self.text);
        AssertionError { column: before.chars().count() + 1, what, hint }
    }

    fn unknown(&self, name: &str) -> AssertionError {
        let known = "tls, expires, verified, hosts in FILE, status, causes none, p50, p90, p99, flows, connections, \
                     exchanges, losses none";
        let word = if name.is_empty() { self.part } else { name };
        self.error(0, format!("`{word}` cannot be asserted"), Some(format!("what can is {known}")))
    }

    /// A comparison or a range, as in filters.
    fn number(&self, field: Field, at: usize) -> Result<Expr, AssertionError> {
        let argument = self.part.get(at..).unwrap_or_default();
        let comparison = argument.starts_with(['<', '>', '=', '!']) || argument.contains("..");
        let operator = format!("~{} ", field.operator());
        if !comparison {
            let what = "a comparison is missing: one of <, <=, >, >=, =, != and a value".to_owned();
            return Err(self.error(at, what, None));
        }
        let read = Filter::parse(&format!("{operator}{argument}"));
        let is_one = |expr: &Expr| {
            let mut others = 0;
            expr.leaves(&mut |leaf| others += usize::from(leaf.field.operator() != field.operator()));
            others == 0
        };
        match read {
            Ok(filter) if is_one(filter.expr()) => Ok(filter.expr().clone()),
            Ok(_) => Err(self.error(at, format!("`{argument}` is not one comparison"), None)),
            Err(error) => Err(self.moved(&error, at, operator.len())),
        }
    }

    /// An error of a filter, at its place here.
    fn moved(&self, error: &FilterError, at: usize, operator: usize) -> AssertionError {
        let within = error.column().saturating_sub(operator + 1);
        let mut moved = self.error(at, error.what().to_owned(), error.hint().map(str::to_owned));
        moved.column += within;
        moved
    }

    /// `p99 < 500ms`, `p99 ttfb < 200ms`.
    fn latency(&self, percent: u8, at: usize) -> Result<What, AssertionError> {
        let argument = self.part.get(at..).unwrap_or_default();
        let (is_first_byte, skip) = match argument {
            it if it.starts_with("ttfb") => (true, 4),
            it if it.starts_with("time") => (false, 4),
            _ => (false, 0),
        };
        let rest = argument.get(skip..).unwrap_or_default();
        let at = at + argument.len() - rest.trim_start().len();
        let field = if is_first_byte { Field::FirstByte } else { Field::Total };
        Ok(What::Latency { percent, is_first_byte, numbers: self.number(field, at)? })
    }

    fn causes(&self, at: usize) -> Result<What, AssertionError> {
        let argument = self.part.get(at..).unwrap_or_default();
        let words = || "`causes` needs `none`, or `none but CODE, CODE`".to_owned();
        let Some(rest) = argument.strip_prefix("none") else { return Err(self.error(at, words(), None)) };
        if rest.trim().is_empty() {
            return Ok(What::Causes(Vec::new()));
        }
        let Some(list) = rest.trim_start().strip_prefix("but ") else { return Err(self.error(at, words(), None)) };
        let mut place = self.part.len() - list.len();
        let mut causes = Vec::new();
        for code in list.split(',') {
            let name = code.trim().replace('-', "_");
            let known = Cause::ALL.iter().find(|cause| cause.code() == name);
            let unknown = || {
                let indent = code.len() - code.trim_start().len();
                self.error(
                    place + indent,
                    format!("there is no cause `{name}`"),
                    Some("docs/causes.md has them all".into()),
                )
            };
            causes.push(*known.ok_or_else(unknown)?);
            place += code.len() + 1;
        }
        Ok(What::Causes(causes))
    }

    fn hosts(&self, at: usize, open: &mut dyn FnMut(&str) -> io::Result<String>) -> Result<What, AssertionError> {
        let argument = self.part.get(at..).unwrap_or_default();
        let file = argument.strip_prefix("in").filter(|it| it.starts_with(char::is_whitespace)).map(str::trim);
        let Some(file) = file.filter(|it| !it.is_empty()) else {
            let hint = Some("`hosts in allowed.txt`, one host pattern a line".to_owned());
            return Err(self.error(at, "`hosts` needs `in` and a file".to_owned(), hint));
        };
        let place = self.part.len() - file.len();
        let list = open(file).map_err(|error| {
            let words = error.to_string();
            // Some readers name the file themselves.
            let words = if words.starts_with(file) { words } else { format!("{file}: {words}") };
            self.error(place, words, None)
        })?;
        if list.len() > MOST_LIST {
            return Err(self.error(place, format!("{file}: longer than {MOST_LIST} bytes"), None));
        }
        let mut patterns = Vec::new();
        for (number, line) in list.lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let bad = |error| {
                let hint =
                    Some("a line is a host, a glob (`*.example.com`) or a range (`10.0.0.0/8`), with `:PORT` or not");
                self.error(place, format!("{file}:{}: {error}", number + 1), hint.map(str::to_owned))
            };
            patterns.push(Pattern::from_str(text).map_err(bad)?);
        }
        Ok(What::Hosts { file: file.to_owned(), patterns })
    }
}
