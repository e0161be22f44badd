//! What follows an operator: expressions, numbers, words. In: text. Out: [`Expr`], or what is wrong with it and where.

use super::catalogue::Operator;
use super::error::{FilterError, nearest};
use super::expr::{Expr, Numbers, Pattern, Test};
use super::field::Field;
use super::parse::Parser;
use super::scan::{Span, place_in_quoted};
use super::unit::{DAY, Literal, Unit, grpc_names};

/// Bytes that one compiled expression may take, ordinarily and at the most.
const SMALL: usize = 128 << 10;
const LARGE: usize = 2 << 20;

/// Bytes that all compiled expressions of a filter may take.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(32 << 20)
    }
}

/// A number's place and text.
struct Token {
    text: String,
    span: Span,
}

impl Parser<'_> {
    /// The expression that comes next, for `field`.
    pub(super) fn regex(&mut self, field: Field) -> Result<Expr, FilterError> {
        let (text, span, is_quoted) = self.text_argument()?;
        self.compile(field, &text, span, is_quoted)
    }

    pub(super) fn regex_of(&mut self, operator: &Operator, name: Span) -> Result<Expr, FilterError> {
        self.scanner.skip_blanks();
        let (text, span, is_quoted) = self.text_argument()?;
        if text.is_empty() && !is_quoted {
            return Err(self.missing(operator, name, "a regular expression"));
        }
        self.compile(operator.field, &text, span, is_quoted)
    }

    /// A quoted string or a word; an empty word when neither comes next.
    fn text_argument(&mut self) -> Result<(String, Span, bool), FilterError> {
        let start = self.scanner.at;
        if matches!(self.scanner.peek(), Some('"' | '\'')) {
            let Some((text, span)) = self.scanner.quoted() else {
                return Err(self.error(start..start + 1, "this quote is not closed", None));
            };
            return Ok((text, span, true));
        }
        let word = self.scanner.word();
        if !word.is_empty() && self.scanner.peek() == Some('(') {
            let hint = "put an expression that holds parentheses in quotes";
            let what = format!("`{word}` is followed by `(` without a blank");
            return Err(self.error(start..self.scanner.at, what, Some(hint.to_owned())));
        }
        Ok((word.to_owned(), start..self.scanner.at, false))
    }

    fn compile(&mut self, field: Field, source: &str, span: Span, is_quoted: bool) -> Result<Expr, FilterError> {
        let sensitive = self.options.case_sensitive;
        let attempt = |limit| Pattern::new(source, field.style(), sensitive, limit);
        let (pattern, cost) = match attempt(SMALL) {
            Err(regex::Error::CompiledTooBig(_)) => (attempt(LARGE), LARGE),
            other => (other, SMALL),
        };
        match pattern {
            Ok(pattern) if self.budget.0 >= cost => {
                self.budget.0 -= cost;
                Ok(Expr::leaf(field, Test::Matches(pattern)))
            }
            Ok(_) => Err(self.error(span, "this filter's regular expressions are too many or too large", None)),
            Err(error) => Err(self.bad_regex(source, span, is_quoted, &error)),
        }
    }

    fn bad_regex(&self, source: &str, span: Span, is_quoted: bool, error: &regex::Error) -> FilterError {
        use regex_syntax::ast::{ErrorKind, parse::Parser as Syntax};
        let Err(fault) = Syntax::new().parse(source) else {
            let what = match error {
                regex::Error::CompiledTooBig(_) => "this regular expression is too large".to_owned(),
                other => {
                    let words = other.to_string();
                    let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    format!("this regular expression cannot be used: {last}")
                }
            };
            return self.error(span, what, None);
        };
        let place = |at: usize| {
            let raw = self.scanner.text.get(span.clone()).unwrap_or_default();
            span.start + if is_quoted { place_in_quoted(raw, at) } else { at }
        };
        let (start, end) = (place(fault.span().start.offset), place(fault.span().end.offset));
        let hint = match fault.kind() {
            ErrorKind::UnsupportedLookAround => Some("use `!` and a second term instead: `~d a & !~d b`".to_owned()),
            ErrorKind::GroupUnclosed | ErrorKind::GroupUnopened if !is_quoted => {
                Some("put an expression that holds parentheses in quotes".to_owned())
            }
            _ => None,
        };
        self.error(start..end, format!("in this regular expression: {}", fault.kind()), hint)
    }

    fn missing(&self, operator: &Operator, name: Span, what: &str) -> FilterError {
        let hint = format!("for example `{}`", operator.example);
        self.error(name, format!("~{} needs {what} after it", operator.name), Some(hint))
    }

    /// Whether a number, or a comparison with one, comes next. A bare word that is none belongs to the next term.
    pub(super) fn number_comes(&mut self, field: Field) -> bool {
        let start = self.scanner.at;
        self.scanner.skip_blanks();
        let comes = match self.scanner.peek() {
            Some('<' | '>' | '=') => true,
            Some('!') => self.scanner.rest().starts_with("!="),
            _ => {
                let word = self.scanner.take_while(is_of_number);
                let first = word.split("..").find(|part| !part.is_empty()).unwrap_or_default();
                field.unit().is_some_and(|unit| unit.read(field, first, 0).is_some())
                    || first.starts_with(|c: char| c.is_ascii_digit())
            }
        };
        self.scanner.at = start;
        comes
    }

    /// Whether one of `words`, or something very near to one, comes next.
    pub(super) fn word_comes(&mut self, words: &[&str]) -> bool {
        let start = self.scanner.at;
        self.scanner.skip_blanks();
        let word = self.scanner.word();
        self.scanner.at = start;
        nearest(word, words.iter().copied()).is_some()
    }

    pub(super) fn word_of(
        &mut self,
        operator: &Operator,
        name: Span,
        words: &[&'static str],
    ) -> Result<Expr, FilterError> {
        self.scanner.skip_blanks();
        let (word, span, is_quoted) = self.text_argument()?;
        if word.is_empty() && !is_quoted {
            return Err(self.missing(operator, name, operator.argument));
        }
        let word = word.to_ascii_lowercase();
        let spelled = word.replace('-', "_");
        if words.is_empty() {
            return Ok(Expr::leaf(operator.field, Test::Is(word)));
        }
        match words.iter().find(|known| **known == spelled) {
            Some(&"any") => Ok(Expr::leaf(operator.field, Test::Present)),
            Some(known) => Ok(Expr::leaf(operator.field, Test::Is((*known).to_owned()))),
            None => {
                let hint = nearest(&spelled, words.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
                let hint = hint.or_else(|| (words.len() <= 12).then(|| format!("one of {}", words.join(", "))));
                let hint =
                    hint.or_else(|| (operator.name == "cause").then(|| "docs/causes.md has them all".to_owned()));
                Err(self.error(span, format!("~{} knows no `{word}`", operator.name), hint))
            }
        }
    }

    pub(super) fn hex_of(&mut self, operator: &Operator, name: Span) -> Result<Expr, FilterError> {
        self.scanner.skip_blanks();
        let (word, span, is_quoted) = self.text_argument()?;
        if word.is_empty() && !is_quoted {
            return Err(self.missing(operator, name, "a hexadecimal number, or its beginning,"));
        }
        let digits: String = word.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
        let bare = digits.strip_prefix("sha256").unwrap_or(&digits);
        if bare.is_empty() || bare.len() > 64 || !bare.bytes().all(|b| b.is_ascii_hexdigit()) {
            let what = format!("`{word}` is no hexadecimal number of at most 64 digits");
            return Err(self.error(span, what, None));
        }
        Ok(Expr::leaf(operator.field, Test::Begins(bare.to_owned())))
    }

    pub(super) fn number_of(&mut self, operator: &Operator, name: Span) -> Result<Expr, FilterError> {
        let Some(unit) = operator.field.unit() else { return Err(self.missing(operator, name, operator.argument)) };
        self.scanner.skip_blanks();
        let comparison = self.comparison();
        self.scanner.skip_blanks();
        let first = self.token()?;
        let is_range = comparison.is_none() && self.range_comes();
        if !is_range {
            if first.text.is_empty() {
                return Err(self.missing(operator, name, unit.expected()));
            }
            let literal = self.literal(operator, unit, &first)?;
            return Ok(compared(comparison.unwrap_or("="), literal));
        }
        let second = self.range_end()?;
        let bounds = self.bounds(operator, unit, &first, &second)?;
        let whole = first.span.start..second.span.end;
        match bounds {
            (None, None) => Err(self.error(whole, "a range needs at least one end", None)),
            (Some(from), Some(to)) if from.field != to.field => {
                Err(self.error(whole, "the two ends of this range are of different kinds", None))
            }
            (Some(from), Some(to)) if from.from > to.last() && from.field != Field::TimeOfDay => {
                Err(self.error(whole, "this range ends before it begins", Some("swap its ends".into())))
            }
            (from, to) => Ok(between(from, to)),
        }
    }

    fn comparison(&mut self) -> Option<&'static str> {
        let found =
            ["<=", ">=", "!=", "==", "<", ">", "="].into_iter().find(|it| self.scanner.rest().starts_with(it))?;
        self.scanner.at += found.len();
        Some(if found == "==" { "=" } else { found })
    }

    /// A number up to the next blank or `..`, or a quoted one.
    fn token(&mut self) -> Result<Token, FilterError> {
        if matches!(self.scanner.peek(), Some('"' | '\'')) {
            let (text, span, _) = self.text_argument()?;
            return Ok(Token { text, span });
        }
        let start = self.scanner.at;
        let word = self.scanner.take_while(is_of_number);
        let word = word.find("..").map_or(word, |end| &word[..end]);
        self.scanner.at = start + word.len();
        Ok(Token { text: word.to_owned(), span: start..self.scanner.at })
    }

    /// Reads `..`, with blanks before it or not.
    fn range_comes(&mut self) -> bool {
        let start = self.scanner.at;
        self.scanner.skip_blanks();
        let comes = self.scanner.rest().starts_with("..");
        self.scanner.at = if comes { self.scanner.at } else { start };
        comes
    }

    /// The end of a range: after blanks only where there are blanks before the dots as well.
    fn range_end(&mut self) -> Result<Token, FilterError> {
        let has_room = self.scanner.text[..self.scanner.at].ends_with(super::scan::is_blank);
        self.scanner.at += 2;
        if has_room {
            self.scanner.skip_blanks();
        }
        self.token()
    }

    fn literal(&self, operator: &Operator, unit: Unit, token: &Token) -> Result<Literal, FilterError> {
        unit.read(operator.field, &token.text, self.options.utc_offset).ok_or_else(|| {
            let bare = token.text.bytes().all(|b| b.is_ascii_digit()) && !token.text.is_empty();
            let hint = match unit {
                Unit::Duration if bare => Some(format!("write `{}ms` or `{}s`", token.text, token.text)),
                Unit::GrpcStatus => {
                    nearest(&token.text, grpc_names().iter().copied()).map(|name| format!("did you mean `{name}`?"))
                }
                _ => None,
            };
            let what = format!("`{}` is not {}", token.text, unit.expected());
            self.error(token.span.clone(), what, hint)
        })
    }

    fn bounds(
        &self,
        operator: &Operator,
        unit: Unit,
        first: &Token,
        second: &Token,
    ) -> Result<(Option<Literal>, Option<Literal>), FilterError> {
        let read = |token: &Token| {
            if token.text.is_empty() { Ok(None) } else { self.literal(operator, unit, token).map(Some) }
        };
        let (from, mut to) = (read(first)?, read(second)?);
        // `2026-11-22T12:00..12:05`: the end is of the same day.
        if let (Some(Literal { field: Field::At, .. }), Some(Literal { field: Field::TimeOfDay, .. })) = (from, to)
            && let Some(date) = first.text.get(..11)
        {
            let text = format!("{date}{}", second.text);
            to = Some(self.literal(operator, unit, &Token { text, span: second.span.clone() })?);
        }
        Ok((from, to))
    }
}

/// Characters of numbers, units, versions and times.
fn is_of_number(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | ':' | '+' | '-' | '_')
}

fn compared(comparison: &str, it: Literal) -> Expr {
    let number = |numbers| Expr::leaf(it.field, Test::Number(numbers));
    if it.field == Field::TimeOfDay {
        return daily_compared(comparison, it);
    }
    match comparison {
        "<" => number(Numbers::Less(it.from)),
        "<=" => number(Numbers::AtMost(it.last())),
        ">" => number(Numbers::More(it.last())),
        ">=" => number(Numbers::AtLeast(it.from)),
        "!=" if it.from == it.to => number(Numbers::IsNot(it.from)),
        "!=" => Expr::any([number(Numbers::Less(it.from)), number(Numbers::More(it.to))]),
        _ if it.from == it.to => number(Numbers::Is(it.from)),
        _ => number(Numbers::Between(Some(it.from), Some(it.to))),
    }
}

/// Both ends are of one field, and not both are open.
fn between(from: Option<Literal>, to: Option<Literal>) -> Expr {
    let Some(either) = from.or(to) else { return Expr::all([]) };
    if either.field == Field::TimeOfDay {
        let from = from.map_or(either.midnight, |it| it.from);
        return daily(from, to.map_or(either.midnight - 1, |it| it.from));
    }
    let numbers = Numbers::Between(from.map(|it| it.from), to.map(Literal::last));
    Expr::leaf(either.field, Test::Number(numbers))
}

/// A comparison of times of the day: the day begins at the midnight of the literal's zone.
fn daily_compared(comparison: &str, it: Literal) -> Expr {
    let is_midnight = it.from == it.midnight;
    match comparison {
        "<" if is_midnight => Expr::any([]),
        "<" => daily(it.midnight, it.from - 1),
        "<=" => daily(it.midnight, it.from),
        ">" if (it.from + 1).rem_euclid(DAY) == it.midnight => Expr::any([]),
        ">" => daily(it.from + 1, it.midnight - 1),
        ">=" => daily(it.from, it.midnight - 1),
        "!=" => daily(it.to + 1, it.from - 1),
        _ => daily(it.from, it.to),
    }
}

/// The times of the day between two, both included, which may go over midnight.
fn daily(from: i64, to: i64) -> Expr {
    let (from, to) = (from.rem_euclid(DAY), to.rem_euclid(DAY));
    let span = |from, to| Expr::leaf(Field::TimeOfDay, Test::Number(Numbers::Between(Some(from), Some(to))));
    if from <= to { span(from, to) } else { Expr::any([span(from, DAY - 1), span(0, to)]) }
}
