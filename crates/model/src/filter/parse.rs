//! Reads the filter language. In: text. Out: [`Expr`], or what is wrong with it and where.
//!
//! ```text
//! filter = or { or }                 one after another means `&`, and binds least
//! or     = and { "|" and }
//! and    = not { "&" not }
//! not    = "!" not | "(" filter ")" | "~" NAME [ argument ] | STRING | WORD
//! ```
//! Spec: mitmproxy's `flowfilter`, whose precedence this is, and docs/filters.md.

use super::Options;
use super::argument::Budget;
use super::catalogue::{Argument, OPERATORS, Operator};
use super::error::{FilterError, nearest};
use super::expr::{Expr, Test};
use super::field::Field;
use super::scan::{Scanner, Span, ends_word};

/// The longest filter, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// The deepest nesting of parentheses and `!`.
const MOST_DEPTH: usize = 64;

/// Other tools' names, and words that people try first.
const ALIASES: [(&str, &str); 23] = [
    ("header", "h"),
    ("headers", "h"),
    ("hdr", "h"),
    ("body", "b"),
    ("method", "m"),
    ("domain", "d"),
    ("host", "d"),
    ("hostname", "d"),
    ("url", "u"),
    ("path", "u"),
    ("code", "c"),
    ("status", "c"),
    ("type", "t"),
    ("error", "e"),
    ("source", "src"),
    ("dest", "dst"),
    ("client", "src"),
    ("server", "dst"),
    ("latency", "ttfb"),
    ("duration", "time"),
    ("since", "at"),
    ("ws", "websocket"),
    ("port", "dst"),
];

pub(super) fn parse(text: &str, options: Options) -> Result<Expr, FilterError> {
    let parser = &mut Parser { scanner: Scanner { text, at: 0 }, options, budget: Budget::default() };
    if text.len() > MOST_BYTES {
        let what = format!("a filter of {} bytes is too long; at most {MOST_BYTES} are read", text.len());
        return Err(parser.error(MOST_BYTES..MOST_BYTES, what, None));
    }
    parser.scanner.skip_blanks();
    if parser.scanner.rest().is_empty() {
        return Err(parser.error(0..0, "the filter is empty", Some("`~all` selects everything".into())));
    }
    let expr = parser.sequence(0)?;
    if parser.scanner.peek() == Some(')') {
        let at = parser.scanner.at;
        let hint = "put a `)` that belongs to an expression in quotes";
        return Err(parser.error(at..at + 1, "this `)` closes nothing", Some(hint.into())));
    }
    Ok(expr)
}

pub(super) struct Parser<'t> {
    pub(super) scanner: Scanner<'t>,
    pub(super) options: Options,
    pub(super) budget: Budget,
}

impl Parser<'_> {
    pub(super) fn error(&self, span: Span, what: impl Into<String>, hint: Option<String>) -> FilterError {
        FilterError::new(self.scanner.text, span, what, hint)
    }

    /// Terms up to the end or a `)`.
    fn sequence(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.or(depth)?];
        loop {
            self.scanner.skip_blanks();
            match self.scanner.peek() {
                None | Some(')') => return Ok(Expr::all(parts)),
                Some(_) => parts.push(self.or(depth)?),
            }
        }
    }

    fn or(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.and(depth)?];
        loop {
            self.scanner.skip_blanks();
            if !self.scanner.take_operator('|') {
                return Ok(Expr::any(parts));
            }
            parts.push(self.and(depth)?);
        }
    }

    fn and(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.not(depth)?];
        loop {
            self.scanner.skip_blanks();
            if !self.scanner.take_operator('&') {
                return Ok(Expr::all(parts));
            }
            parts.push(self.not(depth)?);
        }
    }

    fn not(&mut self, depth: usize) -> Result<Expr, FilterError> {
        self.scanner.skip_blanks();
        let start = self.scanner.at;
        if depth > MOST_DEPTH {
            return Err(self.error(start..start + 1, format!("nested more than {MOST_DEPTH} deep"), None));
        }
        match self.scanner.peek() {
            Some('!') => {
                self.scanner.take('!');
                Ok(!self.not(depth + 1)?)
            }
            Some('(') => {
                self.scanner.take('(');
                let inner = self.sequence(depth + 1)?;
                if self.scanner.take(')') {
                    return Ok(inner);
                }
                Err(self.error(start..start + 1, "this `(` is not closed", Some("a `)` is missing after it".into())))
            }
            Some('~') => self.operator(),
            Some('"' | '\'') => self.regex(Field::Url),
            Some(c @ ('&' | '|')) => {
                let what = format!("a term is missing before `{c}`");
                Err(self.error(start..start + 1, what, Some(format!("put text that holds `{c}` alone in quotes"))))
            }
            Some(')') => Err(self.error(start..start + 1, "a term is missing before `)`", None)),
            None => Err(self.missing_term()),
            Some(_) => self.regex(Field::Url),
        }
    }

    fn missing_term(&self) -> FilterError {
        let end = self.scanner.text.len();
        let last = self.scanner.text.trim_end().chars().next_back().unwrap_or('&');
        let hint = format!("put text that ends in `{last}` in quotes");
        self.error(end..end, format!("a term is missing after `{last}`"), Some(hint))
    }

    /// `~name` and its argument.
    fn operator(&mut self) -> Result<Expr, FilterError> {
        let start = self.scanner.at;
        self.scanner.take('~');
        let name = self.scanner.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let Some(operator) = OPERATORS.iter().find(|it| it.name == name) else {
            return Err(self.unknown(start, name));
        };
        let end = self.scanner.at;
        let is_apart = match self.scanner.peek() {
            None | Some('(' | ')' | '&' | '|' | '"' | '\'' | '!' | '~') => true,
            Some('<' | '>' | '=') => operator.field.unit().is_some(),
            Some(c) => ends_word(c),
        };
        if !is_apart {
            let what = format!("~{name} must be followed by a blank");
            return Err(self.error(start..end + 1, what, Some(format!("write `~{name} …`"))));
        }
        self.argument_of(operator, start..end)
    }

    fn argument_of(&mut self, operator: &Operator, name: Span) -> Result<Expr, FilterError> {
        let field = operator.field;
        let present = Expr::leaf(field, Test::Present);
        match operator.takes {
            Argument::None => Ok(present),
            Argument::Regex => self.regex_of(operator, name),
            Argument::Number => self.number_of(operator, name),
            Argument::OptionalNumber if self.number_comes(field) => self.number_of(operator, name),
            Argument::OptionalNumber => Ok(present),
            Argument::Hex => self.hex_of(operator, name),
            Argument::Word(words) => self.word_of(operator, name, &words()),
            Argument::AnyWord => self.word_of(operator, name, &[]),
            Argument::OptionalWord(words) => {
                let words = words();
                if self.word_comes(&words) { self.word_of(operator, name, &words) } else { Ok(present) }
            }
        }
    }

    fn unknown(&self, start: usize, name: &str) -> FilterError {
        let span = start..start + 1 + name.len();
        let text = self.scanner.text;
        let follows_text = text[..start].chars().next_back().is_some_and(|c| !ends_word(c) && !"!&|".contains(c));
        if follows_text {
            let hint = "put text that holds `~` in quotes".to_owned();
            return self.error(span, format!("there is no operator ~{name}"), Some(hint));
        }
        if name.is_empty() {
            return self.error(span, "the name of an operator is missing after `~`", Some(LIST.into()));
        }
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, meant)| *meant);
        let meant = alias.or_else(|| nearest(name, OPERATORS.iter().map(|it| it.name)));
        let hint = meant.map_or_else(|| LIST.to_owned(), |meant| format!("did you mean ~{meant}?"));
        self.error(span, format!("there is no operator ~{name}"), Some(hint))
    }
}

const LIST: &str = "`sidelight flows filters` lists them";
