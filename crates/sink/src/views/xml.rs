//! XML and HTML, an element a line. In: text. Out: the same tags, with other white space between them. Nothing is expanded:
//! entities and references stand as they were sent. What is not well-formed is laid out as far as it goes.
//! Spec: XML 1.0; WHATWG HTML §13.1 (void and raw text elements).

use sidelight_model::redact::{fingerprint, is_secret_member};

use super::page::{Page, prefix};
use super::{Scene, text};

/// Longest element that stays on one line with its text.
const LONGEST_LINE: usize = 100;

/// Elements whose names are remembered until they end; hostile documents open more.
const MOST_OPEN: usize = 1000;

/// HTML's elements without content (§13.1.2).
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// HTML's elements whose content is no markup.
const RAW: &[&str] = &["script", "style", "textarea", "title", "pre"];

/// Whether a text that nobody declared is markup; and if so, whether it is HTML.
pub(super) fn looks_like(text: &str) -> Option<bool> {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let lower = prefix(start, 64).to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Some(true);
    }
    let is_tag = lower.strip_prefix('<').and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_ascii_alphabetic());
    (lower.starts_with("<?xml") || lower.starts_with("<!doctype") || is_tag && text.contains('>')).then_some(false)
}

/// Lays out `text`; says what keeps XML from being well-formed.
pub(super) fn show(text: &str, html: bool, scene: &Scene<'_>, page: &mut Page) -> Result<Option<String>, String> {
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Err("it does not begin with a tag".to_owned());
    }
    let base = page.indent();
    let tokens = Tokens { rest: text.trim_start_matches('\u{feff}'), html, raw: None };
    let mut layout = Layout { tokens, scene, page, base, html, open: Vec::new(), deeper: 0, problem: None };
    layout.run();
    let (unclosed, mut problem) = (layout.open.last().map(|name| (*name).to_owned()), layout.problem.take());
    if let Some(name) = unclosed.filter(|_| problem.is_none() && !html && !scene.cut && !page.is_full()) {
        problem = Some(format!("the element {name} is not closed"));
    }
    page.set_indent(base);
    Ok(problem)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    /// `<name …>`.
    Open(&'t str),
    /// `<name …/>`, or a void element of HTML.
    Empty(&'t str),
    /// `</name>`.
    Close(&'t str),
    /// Characters and references.
    Text(&'t str),
    /// Content of a raw text element of HTML.
    Raw(&'t str),
    /// A comment, CDATA section, declaration or processing instruction.
    Other(&'t str),
}

/// Splits markup; every character of it is in exactly one token.
#[derive(Clone, Copy)]
struct Tokens<'t> {
    rest: &'t str,
    html: bool,
    /// The raw text element that was just opened.
    raw: Option<&'t str>,
}

impl<'t> Tokens<'t> {
    fn take(&mut self, end: usize) -> &'t str {
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn end_of(&self, end: &str) -> usize {
        self.rest.find(end).map_or(self.rest.len(), |at| at + end.len())
    }

    /// The end of a tag: a `>` that is in no quoted value.
    fn tag_end(&self) -> usize {
        let mut quote = None;
        for (at, byte) in self.rest.bytes().enumerate() {
            match (quote, byte) {
                (Some(open), byte) if open == byte => quote = None,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'>') => return at + 1,
                _ => {}
            }
        }
        self.rest.len()
    }

    /// The end of `<!DOCTYPE …>`, whose internal subset may hold declarations.
    fn declaration_end(&self) -> usize {
        let mut depth = 0_usize;
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b'>' if depth == 0 => return at + 1,
                _ => {}
            }
        }
        self.rest.len()
    }

    /// Where the content of a raw text element ends.
    fn raw_end(&self, name: &str) -> usize {
        let mut from = 0;
        while let Some(at) = self.rest[from..].find("</").map(|at| from + at) {
            let after = self.rest.as_bytes().get(at + 2..at + 2 + name.len());
            if after.is_some_and(|after| after.eq_ignore_ascii_case(name.as_bytes())) {
                return at;
            }
            from = at + 2;
        }
        self.rest.len()
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(end) = self.raw.take().map(|name| self.raw_end(name)).filter(|end| *end > 0) {
            return Some(Token::Raw(self.take(end)));
        }
        if !self.rest.starts_with('<') {
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            return Some(Token::Text(self.take(end)));
        }
        for (start, end) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
            if self.rest.starts_with(start) {
                return Some(Token::Other(self.take(self.end_of(end))));
            }
        }
        if self.rest.starts_with("<!") {
            return Some(Token::Other(self.take(self.declaration_end())));
        }
        let is_tag =
            self.rest[1..].chars().next().is_some_and(|c| c == '/' || c.is_alphabetic() || matches!(c, '_' | ':'));
        if !is_tag {
            // A lone `<`, which only broken documents have.
            let end = self.rest[1..].find('<').map_or(self.rest.len(), |at| at + 1);
            return Some(Token::Text(self.take(end)));
        }
        let tag = self.take(self.tag_end());
        let name = name(tag);
        let is = |names: &[&str]| self.html && names.iter().any(|it| name.eq_ignore_ascii_case(it));
        Some(match tag.strip_prefix("</") {
            Some(_) => Token::Close(tag),
            None if tag.ends_with("/>") || is(VOID) => Token::Empty(tag),
            None => {
                self.raw = is(RAW).then_some(name);
                Token::Open(tag)
            }
        })
    }
}

/// The name in a tag.
fn name(tag: &str) -> &str {
    let start = tag.trim_start_matches(['<', '/']);
    &start[..start.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(start.len())]
}

struct Layout<'t, 's, 'p> {
    tokens: Tokens<'t>,
    scene: &'s Scene<'s>,
    page: &'p mut Page,
    base: usize,
    html: bool,
    /// Names of the elements that are open.
    open: Vec<&'t str>,
    /// How many more are open than have room there.
    deeper: usize,
    problem: Option<String>,
}

impl<'t> Layout<'t, '_, '_> {
    fn run(&mut self) {
        while let Some(token) = self.tokens.next() {
            if self.page.is_full() {
                return;
            }
            match token {
                Token::Open(tag) => self.open(tag),
                Token::Close(tag) => self.close(tag),
                Token::Empty(tag) => self.line(&self.tag(tag)),
                Token::Text(words) => {
                    let words = self.secret_free(words);
                    words.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.line(line));
                }
                Token::Raw(words) => {
                    let words = self.secret_free(words);
                    words.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.line(line.trim_end()));
                }
                Token::Other(words) => {
                    let words = self.secret_free(words);
                    words.lines().for_each(|line| self.line(line.trim_end()));
                }
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.page.set_indent(self.base + self.open.len() + self.deeper);
        self.page.line(line);
    }

    fn open(&mut self, tag: &'t str) {
        let shown = self.tag(tag);
        if let Some(whole) = self.whole(tag, &shown) {
            return self.line(&whole);
        }
        self.line(&shown);
        if self.open.len() < MOST_OPEN {
            self.open.push(name(tag));
        } else {
            self.deeper += 1;
        }
    }

    /// The element on one line, when it is short and there is nothing but text in it.
    fn whole(&mut self, tag: &'t str, shown: &str) -> Option<String> {
        let mut ahead = self.tokens;
        let (words, close) = match ahead.next()? {
            Token::Text(words) | Token::Raw(words) => (words, ahead.next()?),
            close => ("", close),
        };
        let Token::Close(close) = close else { return None };
        let fits = words.len() <= LONGEST_LINE && !words.trim().contains('\n') && name(close) == name(tag);
        if !fits {
            return None;
        }
        let words =
            if !words.trim().is_empty() && is_secret_member(local(name(tag))) && !self.scene.redactor().reveals() {
                fingerprint(words.trim().as_bytes())
            } else {
                self.secret_free(words.trim())
            };
        self.tokens = ahead;
        Some(format!("{shown}{words}{close}"))
    }

    fn close(&mut self, tag: &str) {
        let name = name(tag);
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            let same = |open: &str| open == name || self.html && open.eq_ignore_ascii_case(name);
            match self.open.iter().rposition(|open| same(open)) {
                Some(at) => {
                    if at + 1 < self.open.len() && !self.html {
                        let unclosed = self.open.last().copied().unwrap_or_default();
                        self.problem.get_or_insert_with(|| format!("</{name}> closes where {unclosed} is open"));
                    }
                    self.open.truncate(at);
                }
                None if !self.html => {
                    self.problem.get_or_insert_with(|| format!("</{name}> closes nothing"));
                }
                None => {}
            }
        }
        self.line(tag);
    }

    /// A tag on one line, with the values of secret attributes replaced.
    fn tag(&self, tag: &str) -> String {
        let one_line = if tag.contains(['\n', '\r']) {
            tag.split_whitespace().collect::<Vec<_>>().join(" ")
        } else {
            tag.to_owned()
        };
        if self.scene.redactor().reveals() {
            return one_line;
        }
        let mut out = String::with_capacity(one_line.len());
        let mut rest = one_line.as_str();
        while let Some(at) = rest.find(['"', '\'']) {
            let quote = &rest[at..=at];
            let (before, value) = (&rest[..at], &rest[at + 1..]);
            let end = value.find(quote).unwrap_or(value.len());
            let attribute = before.trim_end().trim_end_matches('=').trim_end().rsplit(char::is_whitespace).next();
            let shown = self.scene.redactor().member(local(attribute.unwrap_or_default()), &value[..end]);
            out.push_str(before);
            out.push_str(quote);
            out.push_str(&shown);
            rest = &value[end..];
            if let Some(after) = rest.strip_prefix(quote) {
                out.push_str(quote);
                rest = after;
            }
        }
        out + rest
    }

    fn secret_free(&self, words: &str) -> String {
        text::redacted(words, "text/plain", self.scene)
    }
}

/// A name without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
