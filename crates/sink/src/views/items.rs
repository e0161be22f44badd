//! Binary formats with JSON's data model, laid out as JSON would be. In: items one by one, from MessagePack or CBOR. Out: a line
//! an element; byte strings as `h'…'`, as in the diagnostic notation of RFC 8949 §8. Read without recursion, bounded in depth.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sidelight_model::redact::{fingerprint, is_secret_member};

use super::page::Page;
use super::{Attempt, Scene, quoted};

/// Deepest nesting that is followed.
const MOST_DEPTH: usize = 128;

/// Bytes of a byte string that are shown.
const MOST_BYTES: usize = 64;

/// One thing in a stream of items.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'b> {
    /// Null, booleans, numbers and other words, as they are written.
    Word(String),
    /// Text.
    Text(Cow<'b, str>),
    /// A byte string; what stands before it names its type, if it has one.
    Bytes(String, Cow<'b, [u8]>),
    /// A tag of the item that follows.
    Tag(u64),
    /// A list begins; with its number of elements, when it is known.
    List(Option<u64>),
    /// A map begins; with its number of pairs, when it is known.
    Map(Option<u64>),
    /// The end of a list or map of unknown length.
    Break,
}

/// Why there is no further item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The bytes end inside of an item.
    Cut,
    /// This byte begins no item.
    Bad(usize),
}

/// Something that reads items.
pub(super) trait Items<'b> {
    /// The next item; `None` at the end of the bytes.
    fn next(&mut self) -> Result<Option<Item<'b>>, Flaw>;
}

/// Lays out all items; several may follow each other.
pub(super) fn show<'b>(items: &mut dyn Items<'b>, scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let base = page.indent();
    let mut layout = Layout { scene, page, base, line: String::new(), open: Vec::new(), pending: false };
    let mut seen = 0_u64;
    let problem = loop {
        if layout.page.is_full() {
            break None;
        }
        match items.next() {
            Ok(Some(item)) => {
                seen += 1;
                if !layout.put(item) {
                    break Some(format!("it is nested deeper than {MOST_DEPTH} levels; the rest is not shown"));
                }
            }
            Ok(None) if layout.open.is_empty() || scene.cut => break None,
            Ok(None) => break Some("it ends before its last value does".to_owned()),
            Err(Flaw::Cut) if scene.cut => break None,
            Err(Flaw::Cut) => break Some("it ends inside of a value".to_owned()),
            // A first byte that is wrong already: it is something else.
            Err(Flaw::Bad(at)) if seen == 0 => {
                layout.page.set_indent(base);
                return Err(format!("byte {at} begins no value"));
            }
            Err(Flaw::Bad(at)) => break Some(format!("byte {at} begins no value; what follows is not shown")),
        }
    };
    layout.end_line();
    page.set_indent(base);
    Ok(problem)
}

struct Open {
    is_map: bool,
    /// Items until its end: elements, or keys and values; `None` until a break.
    left: Option<u64>,
    /// Whether the next item of a map is a key.
    at_key: bool,
    /// What is in it is a secret.
    hide: bool,
    /// The value of the key that came last is.
    hide_value: bool,
}

struct Layout<'s, 'p> {
    scene: &'s Scene<'s>,
    page: &'p mut Page,
    base: usize,
    line: String,
    open: Vec<Open>,
    /// A comma follows, unless what is of unknown length ends.
    pending: bool,
}

impl Layout<'_, '_> {
    /// Adds an item; `false` when it is too deep.
    fn put(&mut self, item: Item<'_>) -> bool {
        if std::mem::take(&mut self.pending) && item != Item::Break {
            self.line.push(',');
            self.end_line();
        }
        match item {
            Item::Tag(tag) => self.line.push_str(&format!("tag {tag} ")),
            Item::List(count) => return self.begin("[", "]", false, count),
            Item::Map(count) => return self.begin("{", "}", true, count.map(|pairs| pairs.saturating_mul(2))),
            Item::Break => self.close(),
            Item::Word(word) => self.scalar(word.as_bytes(), word.clone()),
            Item::Text(text) => {
                let shown = quoted(&self.scene.redactor().text(&text));
                if let Some(map) = self.open.last_mut().filter(|open| open.is_map && open.at_key) {
                    map.hide_value = is_secret_member(&text);
                }
                self.scalar(text.as_bytes(), shown);
            }
            Item::Bytes(kind, bytes) => {
                let shown = format!("{kind}{}", byte_string(&bytes, self.scene));
                self.scalar(&bytes, shown);
            }
        }
        true
    }

    fn scalar(&mut self, value: &[u8], shown: String) {
        let is_value = self.open.last().is_some_and(|open| !(open.is_map && open.at_key));
        if is_value && self.hides() && !matches!(value, b"null" | b"true" | b"false" | b"") {
            self.line.push_str(&fingerprint(value));
        } else {
            self.line.push_str(&shown);
        }
        self.complete();
    }

    fn hides(&self) -> bool {
        !self.scene.redactor().reveals()
            && self.open.last().is_some_and(|open| open.hide || open.is_map && open.hide_value)
    }

    fn begin(&mut self, start: &str, end: &str, is_map: bool, left: Option<u64>) -> bool {
        self.line.push_str(start);
        if left == Some(0) {
            self.line.push_str(end);
            self.complete();
            return true;
        }
        if self.open.len() >= MOST_DEPTH {
            return false;
        }
        self.end_line();
        // As in JSON, a list under a secret name holds secrets; an object names its members itself.
        let hide = !is_map && self.hides();
        self.open.push(Open { is_map, left, at_key: true, hide, hide_value: false });
        true
    }

    /// A value is complete: what it is in may be, too.
    fn complete(&mut self) {
        loop {
            let Some(open) = self.open.last_mut() else { return self.end_line() };
            open.left = open.left.map(|left| left.saturating_sub(1));
            if open.is_map && open.at_key {
                open.at_key = false;
                self.line.push_str(": ");
                return;
            }
            open.at_key = true;
            match open.left {
                Some(0) => {}
                Some(_) => {
                    self.line.push(',');
                    return self.end_line();
                }
                None => {
                    self.pending = true;
                    return;
                }
            }
            self.end_line();
            let end = if open_is_map(self.open.pop()) { "}" } else { "]" };
            self.line.push_str(end);
        }
    }

    fn close(&mut self) {
        self.end_line();
        if let Some(open) = self.open.pop() {
            self.line.push_str(if open.is_map { "}" } else { "]" });
            self.complete();
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.page.set_indent(self.base + self.open.len());
            self.page.line(self.line.trim_end());
            self.line.clear();
        }
    }
}

fn open_is_map(open: Option<Open>) -> bool {
    open.is_some_and(|open| open.is_map)
}

/// `h'0102…' (300 bytes)`; bytes that are text stand as text.
pub(super) fn byte_string(bytes: &[u8], scene: &Scene<'_>) -> String {
    if let Some(text) = super::text::plain(bytes, false) {
        return format!("b{}", quoted(&scene.redactor().text(text)));
    }
    match bytes.get(..MOST_BYTES) {
        Some(first) if bytes.len() > MOST_BYTES => format!("h'{}…' ({} bytes)", HEXLOWER.encode(first), bytes.len()),
        _ => format!("h'{}'", HEXLOWER.encode(bytes)),
    }
}
