//! Typed netstrings. In: bytes such as `5:hello,`. Out: values that borrow from them. Spec: tagged netstrings as mitmproxy writes
//! them: `,` bytes, `;` UTF-8 text, `#` integer, `^` float, `!` boolean, `~` null, `]` list, `}` dictionary.

/// Lists and dictionaries inside each other that are read; mitmproxy's own go five deep.
const MOST_DEPTH: u32 = 32;

/// Digits of a length: mitmproxy itself reads no more.
const MOST_DIGITS: usize = 12;

/// A value, which borrows its bytes from the input.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer; those beyond 64 bits are at the limit.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Bytes, or text as its UTF-8 bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Value<'a>>),
    /// Keys and values in the order of the file.
    Dict(Vec<(Value<'a>, Value<'a>)>),
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Too few bytes to tell.
    Partial,
    /// A value: this many bytes of head, then this many of content, then one of type.
    Value {
        /// Bytes of the length and its colon.
        head: usize,
        /// Bytes of content.
        content: u64,
    },
    /// No netstring begins here.
    Bad,
}

/// Looks at the length before a value.
pub fn head(bytes: &[u8]) -> Head {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > MOST_DIGITS {
        return Head::Bad;
    }
    match bytes.get(digits) {
        None => Head::Partial,
        Some(b':') if digits > 0 => {
            let content = bytes[..digits].iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            Head::Value { head: digits + 1, content }
        }
        Some(_) => Head::Bad,
    }
}

/// Reads one value and gives what follows it.
///
/// # Errors
/// In words, with the byte at which it went wrong, counted from the beginning of `bytes`.
pub fn value(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), String> {
    Reader { whole: bytes.len() }.value(bytes, 0)
}

struct Reader {
    whole: usize,
}

impl Reader {
    fn wrong<T>(&self, at: &[u8], what: &str) -> Result<T, String> {
        Err(format!("byte {}: {what}", self.whole - at.len()))
    }

    fn value<'a>(&self, bytes: &'a [u8], depth: u32) -> Result<(Value<'a>, &'a [u8]), String> {
        let (start, content) = match head(bytes) {
            Head::Partial => return self.wrong(bytes, "a length is cut off"),
            Head::Bad => return self.wrong(bytes, "no length of a netstring"),
            Head::Value { head, content } => (head, content),
        };
        let rest = &bytes[start..];
        let Some((content, [tag, rest @ ..])) =
            usize::try_from(content).ok().and_then(|length| rest.split_at_checked(length))
        else {
            return self.wrong(bytes, "a value is longer than what is left");
        };
        let value = match tag {
            b',' | b';' => Value::Bytes(content),
            b'~' if content.is_empty() => Value::Null,
            b'!' if content == b"true" => Value::Bool(true),
            b'!' if content == b"false" => Value::Bool(false),
            b'#' => match integer(content) {
                Some(number) => Value::Int(number),
                None => return self.wrong(content, "no integer"),
            },
            b'^' => match std::str::from_utf8(content).ok().and_then(|text| text.parse().ok()) {
                Some(number) => Value::Float(number),
                None => return self.wrong(content, "no number"),
            },
            b']' | b'}' if depth == MOST_DEPTH => return self.wrong(content, "lists too deep inside each other"),
            b']' => self.list(content, depth + 1)?,
            b'}' => self.dict(content, depth + 1)?,
            _ => return self.wrong(content, "a value of a kind that is not known"),
        };
        Ok((value, rest))
    }

    fn list<'a>(&self, mut content: &'a [u8], depth: u32) -> Result<Value<'a>, String> {
        let mut items = Vec::new();
        while !content.is_empty() {
            let (item, rest) = self.nested(content, depth)?;
            items.push(item);
            content = rest;
        }
        Ok(Value::List(items))
    }

    fn dict<'a>(&self, mut content: &'a [u8], depth: u32) -> Result<Value<'a>, String> {
        let mut members = Vec::new();
        while !content.is_empty() {
            let (key, rest) = self.nested(content, depth)?;
            let (item, rest) = self.nested(rest, depth)?;
            members.push((key, item));
            content = rest;
        }
        Ok(Value::Dict(members))
    }

    /// A value inside another one; what it says of places counts from there.
    fn nested<'a>(&self, content: &'a [u8], depth: u32) -> Result<(Value<'a>, &'a [u8]), String> {
        Reader { whole: content.len() }.value(content, depth).map_err(|why| format!("inside: {why}"))
    }
}

/// A decimal integer; Python's have no limit, ours stay within 64 bits.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

impl<'a> Value<'a> {
    /// The member `name` of a dictionary, when it is there and not null.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Dict(members) = self else { return None };
        let found = members.iter().find(|(key, _)| key.bytes() == Some(name.as_bytes()));
        found.map(|(_, value)| value).filter(|value| **value != Value::Null)
    }

    /// The first of these members that is there: names changed over the years.
    pub fn any(&self, names: &[&str]) -> Option<&Self> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Bytes, or the bytes of a text.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// An integer; a float is cut off.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            // Saturates, and NaN is 0: nothing to fear.
            Self::Float(number) => Some(*number as i64),
            _ => None,
        }
    }

    /// True or false.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// Seconds since 1970 as microseconds.
    pub fn micros(&self) -> Option<i64> {
        match self {
            // Nearest: 0.1 + 0.2 is not to lose a microsecond.
            Self::Float(seconds) => Some((seconds * 1e6).round() as i64),
            Self::Int(seconds) => Some(seconds.saturating_mul(1_000_000)),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(content: &str, kind: char) -> String {
        format!("{}:{content}{kind}", content.len())
    }

    #[test]
    fn every_kind_is_read() {
        let list = net(&[net("1", '#'), net("-7", '#'), net("", ',')].concat(), ']');
        let members = [
            [net("a", ','), net("true", '!')].concat(),
            [net("b", ';'), net("1.5", '^')].concat(),
            [net("c", ','), net("", '~')].concat(),
            [net("d", ','), list].concat(),
            [net("e", ';'), net("", '}')].concat(),
        ];
        let bytes = net(&members.concat(), '}') + "rest";
        let (value, rest) = value(bytes.as_bytes()).unwrap();
        assert_eq!(rest, b"rest");
        assert_eq!(value.get("a"), Some(&Value::Bool(true)));
        assert_eq!(value.get("b").and_then(Value::micros), Some(1_500_000));
        assert_eq!(value.get("c"), None);
        assert_eq!(value.get("d").unwrap().items(), [Value::Int(1), Value::Int(-7), Value::Bytes(b"")]);
        assert_eq!(value.any(&["nothing", "e"]), Some(&Value::Dict(Vec::new())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (bytes, words) in [
            (&b"5:ab,"[..], "byte 0: a value is longer than what is left"),
            (b"12", "byte 0: a length is cut off"),
            (b"x:", "byte 0: no length"),
            (b"9999999999999:", "no length"),
            (b"1:x?", "kind that is not known"),
            (b"1:x#", "no integer"),
            (b"5:9:ab,]", "inside: byte 0: a value is longer"),
            (b"4:1:a,}", "inside: byte 0: a length is cut off"),
        ] {
            let said = value(bytes).unwrap_err();
            assert!(said.contains(words), "{}: {said}", bytes.escape_ascii());
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = b"0:]".to_vec();
        for _ in 0..10_000 {
            bytes = [bytes.len().to_string().as_bytes(), b":", &bytes, b"]"].concat();
        }
        assert!(value(&bytes).unwrap_err().contains("too deep"));
    }

    #[test]
    fn integers_stay_within_bounds() {
        assert_eq!(integer(b"99999999999999999999"), Some(i64::MAX));
        assert_eq!(integer(b"-99999999999999999999"), Some(i64::MIN));
        assert_eq!(integer(b"1e3"), None);
    }
}
