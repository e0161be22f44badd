//! The table of causes. In: the files of the folder `causes` (TOML; docs/registry-check.md says what an entry holds). Out: [`Table`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use toml::Value;

use super::pasted::dense;
use crate::finding::Cause;

/// The files, nearest the wire first.
const FILES: [(&str, &str); 5] = [
    ("network.toml", include_str!("causes/network.toml")),
    ("tls.toml", include_str!("causes/tls.toml")),
    ("login.toml", include_str!("causes/login.toml")),
    ("content.toml", include_str!("causes/content.toml")),
    ("push.toml", include_str!("causes/push.toml")),
];

/// Stands for any words in a pattern.
const ANYTHING: char = '…';

/// So many bytes these words may have, blanks not counted.
const FARTHEST: usize = 400;

/// What is known of a cause.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The cause.
    pub cause: Cause,
    /// What is wrong, in one sentence with placeholders.
    pub means: String,
    /// What is seen in the traffic, and tells it from its neighbours.
    pub seen: String,
    /// What to do, and the exact command or setting.
    pub fixes: Vec<(String, String)>,
    /// The next command, where it is another than asking the registry.
    pub next: Option<String>,
    /// Messages that speak of it.
    pub patterns: Vec<Pattern>,
    /// What a client prints for it (`docker`, `containerd`, `podman`), with placeholders.
    pub prints: BTreeMap<String, String>,
    /// Messages of which it is the likeliest cause.
    pub samples: Vec<String>,
    /// Messages that it is one cause of among others.
    pub among: Vec<String>,
}

/// A message that speaks of a cause.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it is written; `…` stands for any words.
    pub text: String,
    /// How likely the cause is where this is read, up to 100; below 10 it only wraps what another says.
    pub weight: u8,
    /// Who prints it.
    pub by: String,
    parts: Vec<String>,
}

impl Pattern {
    /// Where the pattern is in a dense text, from a byte on.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let (first, others) = self.parts.split_first()?;
        let mut from = from;
        loop {
            let start = from + text.get(from..)?.find(first.as_str())?;
            if let Some(end) = follow(text, start + first.len(), others) {
                return Some(start..end);
            }
            from = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
    }
}

/// Where the parts end that follow one another, each not too far from the one before.
fn follow(text: &str, begin: usize, parts: &[String]) -> Option<usize> {
    let mut end = begin;
    for part in parts {
        let mut limit = (end + FARTHEST + part.len()).min(text.len());
        while !text.is_char_boundary(limit) {
            limit -= 1;
        }
        end += text.get(end..limit)?.find(part.as_str())? + part.len();
    }
    Some(end)
}

/// All that is known.
#[derive(Clone, Debug)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// The table that this program was built with.
    pub fn builtin() -> &'static Self {
        // A test reads every file; what could not be read would be missing here, and nothing else.
        static TABLE: LazyLock<Table> = LazyLock::new(|| {
            let read = FILES.iter().filter_map(|(name, text)| parse(name, text).ok());
            Table { entries: read.flatten().collect() }
        });
        &TABLE
    }

    /// Every entry, nearest the wire first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is known of a cause.
    pub fn of(&self, cause: Cause) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.cause == cause)
    }
}

/// Reads one file.
fn parse(name: &str, text: &str) -> Result<Vec<Entry>, String> {
    let file: toml::Table = text.parse().map_err(|error| format!("{name}: {error}"))?;
    let entries = file.get("cause").and_then(Value::as_array).ok_or_else(|| format!("{name}: no [[cause]]"))?;
    entries.iter().map(|value| entry(value).map_err(|why| format!("{name}: {why}"))).collect()
}

fn entry(value: &Value) -> Result<Entry, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").ok_or("an entry without a code")?;
    let needed = |key: &str| text(key).ok_or_else(|| format!("{code} has no `{key}`"));
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let texts = |key: &str| -> Vec<String> { list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect() };
    let cause = Cause::ALL.iter().find(|cause| cause.code() == code).ok_or_else(|| format!("no cause is `{code}`"))?;
    let fix = |pair: &Value| {
        let at = |index: usize| Some(pair.get(index)?.as_str()?.to_owned());
        at(0).zip(at(1)).ok_or_else(|| format!("{code}: a fix is no pair of texts"))
    };
    let prints = value.get("prints").and_then(Value::as_table).into_iter().flatten();
    Ok(Entry {
        cause: *cause,
        means: needed("means")?,
        seen: needed("seen")?,
        fixes: list("fix").iter().map(fix).collect::<Result<_, _>>()?,
        next: text("next"),
        patterns: list("patterns").iter().map(|it| pattern(it, &code)).collect::<Result<_, _>>()?,
        prints: prints.filter_map(|(who, words)| Some((who.clone(), words.as_str()?.to_owned()))).collect(),
        samples: texts("samples"),
        among: texts("among"),
    })
}

fn pattern(value: &Value, code: &str) -> Result<Pattern, String> {
    let wrong = || format!("{code}: a pattern is no [text, weight, who]");
    let text = value.get(0).and_then(Value::as_str).ok_or_else(wrong)?;
    let weight = value.get(1).and_then(Value::as_integer).and_then(|it| u8::try_from(it).ok()).ok_or_else(wrong)?;
    let by = value.get(2).and_then(Value::as_str).ok_or_else(wrong)?;
    let parts: Vec<String> = text.split(ANYTHING).map(dense).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || weight > 100 {
        return Err(wrong());
    }
    Ok(Pattern { text: text.to_owned(), weight, by: by.to_owned(), parts })
}

#[cfg(test)]
pub(super) fn problems() -> Vec<String> {
    FILES.iter().filter_map(|(name, text)| parse(name, text).err()).collect()
}
