//! The known-roots file: what trust on first use records, for people and for version control. In: text. Out: records and the lines as
//! they stand, so that comments and order survive a change; and the way back. Spec: docs/tofu.md.
//!
//! One record a line, words between blanks, values in double quotes where they hold blanks:
//!
//! ```text
//! # sidelight known roots 1
//! genesis 2026-11-30T06:00:00Z by="Kim"
//! api.test:443 sha256//… next=sha256//… subject="CN=Scanner" scope=api.test first=2026-11-30T06:00:00Z by=tofu
//! revoked sha256//… why="key lost"
//! ```
//!
//! A line that cannot be read is an error that names it: a broken file never becomes one without records.

use std::fmt::Write as _;

use sidelight_model::flow::Authority;
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{Endpoint, Genesis, KeyPin, KnownRoots, Record};

/// Most bytes of a file.
pub const LARGEST: usize = 1 << 20;

/// The first line of files that are written anew.
pub const HEAD: &str = "# sidelight known roots 1";

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Wrong {
    /// From 1.
    pub line: usize,
    /// In plain words, with the word that is meant.
    pub what: String,
}

/// A file with its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    lines: Vec<String>,
    /// What they say.
    pub known: KnownRoots,
    /// The line of each record, from 0.
    places: Vec<usize>,
}

impl Default for Document {
    fn default() -> Self {
        Self { lines: vec![HEAD.to_owned()], known: KnownRoots::default(), places: Vec::new() }
    }
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// At the first line that cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        if bytes.len() > LARGEST {
            return Err(Wrong { line: 1, what: format!("the file is larger than {LARGEST} bytes") });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Wrong { line, what: "this is not UTF-8".to_owned() }
        })?;
        let mut it = Self { lines: Vec::new(), known: KnownRoots::default(), places: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            it.lines.push(line.to_owned());
            it.line(index, line).map_err(|what| Wrong { line: index + 1, what })?;
        }
        Ok(it)
    }

    fn line(&mut self, index: usize, line: &str) -> Result<(), String> {
        let words = words(line)?;
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        match first.as_str() {
            "genesis" => {
                if self.known.genesis.is_some() {
                    return Err("a second `genesis`; one is enough".to_owned());
                }
                let at = rest.first().ok_or("after `genesis` the time is missing (2026-11-30T06:00:00Z)")?;
                let mut genesis = Genesis { at: moment("genesis", at)?, by: None };
                for word in &rest[1..] {
                    match word.split_once('=') {
                        Some(("by", by)) => genesis.by = Some(by.to_owned()),
                        _ => return Err(format!("`{word}` means nothing after `genesis`; `by=` may stand there")),
                    }
                }
                self.known.genesis = Some(genesis);
            }
            "revoked" => {
                let key = rest.first().ok_or("after `revoked` the key is missing (sha256//…)")?;
                let why = match rest.get(1).map(|word| (word, word.split_once('='))) {
                    None => None,
                    Some((_, Some(("why", why)))) => Some(why.to_owned()),
                    Some((word, _)) => {
                        return Err(format!("`{word}` means nothing after a key; `why=` may stand there"));
                    }
                };
                self.known.revoked.push((key.parse::<KeyPin>().map_err(|wrong| wrong.to_string())?, why));
            }
            endpoint => {
                self.known.records.push(record(endpoint, rest)?);
                self.places.push(index);
            }
        }
        Ok(())
    }

    /// Says that the record is begun.
    pub fn begin(&mut self, genesis: Genesis) {
        let mut line = format!("genesis {}", genesis.at.rfc3339_seconds());
        if let Some(by) = &genesis.by {
            let _ = write!(line, " by={}", quoted(by));
        }
        let at = self.lines.iter().position(|line| !line.starts_with('#')).unwrap_or(self.lines.len());
        self.insert(at, line);
        self.known.genesis = Some(genesis);
    }

    /// Puts a record in: in the place of the one for the same endpoint, or among the others by its endpoint.
    pub fn put(&mut self, record: Record) {
        let line = write_record(&record);
        if let Some(place) = self.known.records.iter().position(|known| known.endpoint == record.endpoint) {
            self.lines[self.places[place]] = line;
            self.known.records[place] = record;
            return;
        }
        let next = self.known.records.iter().position(|known| known.endpoint > record.endpoint);
        match next {
            Some(place) => {
                let at = self.places[place];
                self.insert(at, line);
                self.known.records.insert(place, record);
                self.places.insert(place, at);
            }
            None => {
                let at = self.places.last().map_or(self.lines.len(), |last| last + 1);
                self.insert(at, line);
                self.known.records.push(record);
                self.places.push(at);
            }
        }
    }

    /// Takes out the records of an endpoint; gives how many there were.
    pub fn forget(&mut self, endpoint: &Endpoint) -> usize {
        let mut gone = 0;
        while let Some(place) = self.known.records.iter().position(|known| known.endpoint == *endpoint) {
            let at = self.places.remove(place);
            self.known.records.remove(place);
            self.lines.remove(at);
            for other in &mut self.places {
                *other -= usize::from(*other > at);
            }
            gone += 1;
        }
        gone
    }

    /// Forbids a key for ever.
    pub fn revoke(&mut self, key: KeyPin, why: Option<String>) {
        let mut line = format!("revoked {key}");
        if let Some(why) = &why {
            let _ = write!(line, " why={}", quoted(why));
        }
        self.lines.push(line);
        self.known.revoked.push((key, why));
    }

    fn insert(&mut self, at: usize, line: String) {
        self.lines.insert(at, line);
        for other in &mut self.places {
            *other += usize::from(*other >= at);
        }
    }

    /// The text of the file.
    pub fn write(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// The words of a line; quotes may stand around a value and hide blanks, `\"` and `\\` stand for themselves.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut is_word, mut is_quoted) = (Vec::new(), String::new(), false, false);
    let mut rest = line.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => (is_quoted, is_word) = (!is_quoted, true),
            '\\' if is_quoted => match rest.next() {
                Some(escaped @ ('"' | '\\')) => word.push(escaped),
                _ => return Err("a backslash in quotes stands before a quote or a backslash alone".to_owned()),
            },
            '#' if !is_word && !is_quoted => break,
            blank if blank.is_whitespace() && !is_quoted => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            control if control.is_control() => return Err(format!("a control character (U+{:04X})", control as u32)),
            other => {
                word.push(other);
                is_word = true;
            }
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    if is_word {
        words.push(word);
    }
    Ok(words)
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '#');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let inside: String = value
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            control if control.is_control() => "\u{fffd}".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("\"{inside}\"")
}

fn moment(name: &str, text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let read = Timestamp::parse(text).or_else(day);
    read.ok_or_else(|| format!("`{name}`: `{text}` is no time; write 2026-11-30T06:00:00Z, or 2026-11-30"))
}

fn record(endpoint: &str, words: &[String]) -> Result<Record, String> {
    let at = match endpoint {
        "*" => None,
        text => {
            let missing = |_| format!("`{text}` is no endpoint; write HOST:PORT, or * for any");
            Some(Authority::parse(text, None).map_err(missing)?.to_string())
        }
    };
    let mut record = Record::new(Endpoint { at, sni: None, via: None }, Vec::new());
    for word in words {
        if word.starts_with("sha256//") {
            record.keys.push(word.parse::<KeyPin>().map_err(|wrong| wrong.to_string())?);
            continue;
        }
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` means nothing; a key is sha256//BASE64, and all else is NAME=VALUE"))?;
        field(&mut record, name, value)?;
    }
    if record.keys.is_empty() {
        return Err(format!("`{endpoint}` has no key (sha256//BASE64)"));
    }
    Ok(record)
}

fn field(record: &mut Record, name: &str, value: &str) -> Result<(), String> {
    let text = || Some(value.to_owned());
    match name {
        "next" => record.next.push(value.parse::<KeyPin>().map_err(|wrong| wrong.to_string())?),
        "sni" => record.endpoint.sni = text(),
        "via" => {
            let at =
                Authority::parse(value, None).map_err(|_| format!("`via={value}` is no proxy; write HOST:PORT"))?;
            record.endpoint.via = Some(at.to_string());
        }
        "ca" => {
            let digits = value.strip_prefix("sha256:").unwrap_or(value).to_ascii_lowercase();
            if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!("`ca={value}` is no SHA-256 (64 hexadecimal digits)"));
            }
            record.ca = Some(digits);
        }
        "subject" => record.subject = text(),
        "scope" => record.scope = Some(value.parse().map_err(|wrong| format!("`scope={value}`: {wrong}"))?),
        "by" => record.by = text(),
        "until" => record.until = Some(moment(name, value)?),
        "first" => record.first = Some(moment(name, value)?),
        "last" => record.last = Some(moment(name, value)?),
        "expires" => record.expires = Some(moment(name, value)?),
        _ => {
            let known = "next, sni, via, ca, subject, until, scope, first, last, by, expires";
            return Err(format!("`{name}` is not known; these are: {known}"));
        }
    }
    Ok(())
}

/// The line of a record.
pub fn write_record(record: &Record) -> String {
    let mut line = record.endpoint.at.clone().unwrap_or_else(|| "*".to_owned());
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(line, " {name}{}{}", if name.is_empty() { "" } else { "=" }, quoted(&value));
        }
    };
    record.keys.iter().for_each(|key| add("", Some(key.to_string())));
    record.next.iter().for_each(|key| add("next", Some(key.to_string())));
    add("sni", record.endpoint.sni.clone());
    add("via", record.endpoint.via.clone());
    add("ca", record.ca.as_ref().map(|digits| format!("sha256:{digits}")));
    add("subject", record.subject.clone());
    add("until", record.until.map(Timestamp::date));
    add("scope", record.scope.as_ref().map(ToString::to_string));
    add("first", record.first.map(Timestamp::rfc3339_seconds));
    add("last", record.last.map(Timestamp::rfc3339_seconds));
    add("by", record.by.clone());
    add("expires", record.expires.map(Timestamp::rfc3339_seconds));
    line
}

#[cfg(test)]
mod tests;
