//! What Go's encoding/json says of a document that it cannot put into a registry's structures. In: bytes, a structure. Out: the text of the
//! error, which stands in the registry's log. Source: Go's scanner and decoder; of go-jose's copy, the older wording for types.

use std::fmt::Write as _;

use serde_json::Value;

/// A type of Go, by its own name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// string
    Text,
    /// int64
    Integer,
    /// A list of texts; its name in Go.
    Texts,
    /// A text or a list of texts.
    TextOrTexts,
    /// A list of pointers to structures.
    Entries(&'static Structure),
    /// Anything.
    Any,
}

/// A structure of Go's.
#[derive(Debug)]
pub(super) struct Structure {
    /// Its name, without the package.
    name: &'static str,
    /// Its fields, by their names in JSON.
    fields: &'static [(&'static str, Kind)],
    /// Whether errors are worded as in go-jose's older copy: without field, names compared with case.
    is_old: bool,
}

pub(super) static HEADER: Structure = Structure {
    name: "Header",
    fields: &[("typ", Kind::Text), ("alg", Kind::Text), ("kid", Kind::Text), ("x5c", Kind::Texts), ("jwk", Kind::Any)],
    is_old: false,
};

const ACCESS_FIELDS: &[(&str, Kind)] =
    &[("type", Kind::Text), ("class", Kind::Text), ("name", Kind::Text), ("actions", Kind::Texts)];

static ACCESS: Structure = Structure { name: "ResourceActions", fields: ACCESS_FIELDS, is_old: false };

static ACCESS_OF_3: Structure = Structure { name: "ResourceActions", fields: ACCESS_FIELDS, is_old: true };

pub(super) static CLAIMS: Structure = Structure {
    name: "ClaimSet",
    fields: &[
        ("iss", Kind::Text),
        ("sub", Kind::Text),
        ("aud", Kind::Text),
        ("exp", Kind::Integer),
        ("nbf", Kind::Integer),
        ("iat", Kind::Integer),
        ("jti", Kind::Text),
        ("access", Kind::Entries(&ACCESS)),
    ],
    is_old: false,
};

pub(super) static CLAIMS_OF_3: Structure = Structure {
    name: "ClaimSet",
    fields: &[
        ("iss", Kind::Text),
        ("sub", Kind::Text),
        ("aud", Kind::TextOrTexts),
        ("exp", Kind::Integer),
        ("nbf", Kind::Integer),
        ("iat", Kind::Integer),
        ("jti", Kind::Text),
        ("access", Kind::Entries(&ACCESS_OF_3)),
    ],
    is_old: true,
};

/// The error for `bytes` as a `structure`; `None` when they fit.
pub(super) fn problem(bytes: &[u8], structure: &Structure) -> Option<String> {
    if let Some(problem) = syntax(bytes) {
        return Some(problem);
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        // What Go takes and we do not: text that is no UTF-8, lone surrogates, numbers beyond all bounds. Go replaces or takes them.
        let lossy = String::from_utf8_lossy(bytes);
        return serde_json::from_str::<Value>(&lossy).ok().and_then(|value| of_object(&value, structure));
    };
    of_object(&value, structure)
}

fn of_object(value: &Value, structure: &Structure) -> Option<String> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => return None,
        other => {
            let what = name_of(other);
            return Some(format!("json: cannot unmarshal {what} into Go value of type token.{}", structure.name));
        }
    };
    fields.iter().find_map(|(name, value)| {
        let known =
            |(known, _): &&(&str, Kind)| *known == name || (!structure.is_old && known.eq_ignore_ascii_case(name));
        let (name, kind) = structure.fields.iter().find(known)?;
        of_field(value, *kind, structure, name)
    })
}

/// The error for one field; `path` is its name with those above it.
fn of_field(value: &Value, kind: Kind, structure: &Structure, path: &str) -> Option<String> {
    let wrong = |value: &Value, wanted: &str, is_number: bool| {
        let what = match value {
            Value::Number(number) if is_number => format!("number {number}"),
            other => name_of(other).to_owned(),
        };
        Some(if structure.is_old {
            format!("json: cannot unmarshal {what} into Go value of type {wanted}")
        } else {
            format!("json: cannot unmarshal {what} into Go struct field {}.{path} of type {wanted}", structure.name)
        })
    };
    match (kind, value) {
        (Kind::Any, _) | (_, Value::Null) | (Kind::Text | Kind::TextOrTexts, Value::String(_)) => None,
        (Kind::Integer, Value::Number(number)) if number.is_i64() => None,
        (Kind::Integer, other) => wrong(other, "int64", true),
        (Kind::Text, other) => wrong(other, "string", false),
        (Kind::Texts | Kind::TextOrTexts, Value::Array(all)) => {
            all.iter().find(|it| !it.is_string() && !it.is_null()).and_then(|it| wrong(it, "string", false))
        }
        (Kind::Texts, other) => wrong(other, "[]string", false),
        (Kind::TextOrTexts, other) => wrong(other, "[]string", false),
        (Kind::Entries(inner), Value::Array(all)) => all.iter().find_map(|entry| match entry {
            Value::Object(fields) => fields.iter().find_map(|(name, value)| {
                let (name, kind) = inner.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
                of_field(value, *kind, inner, &format!("{path}.{name}"))
            }),
            Value::Null => None,
            other => wrong(other, "token.ResourceActions", false),
        }),
        (Kind::Entries(_), other) => wrong(other, "[]*token.ResourceActions", false),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Levels of a document that are followed; Go stops at 10,000.
const DEEPEST: usize = 500;

/// The error of syntax of `bytes`, as Go's scanner words it.
pub(super) fn syntax(bytes: &[u8]) -> Option<String> {
    let mut scan = Scan { bytes, at: 0 };
    scan.value(0, "looking for beginning of value").and_then(|()| scan.end()).err()
}

struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
}

type Scanned = Result<(), String>;

impl Scan<'_> {
    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, String> {
        self.bytes.get(self.at).copied().ok_or_else(|| "unexpected end of JSON input".to_owned())
    }

    fn wrong<T>(&self, context: &str) -> Result<T, String> {
        let byte = self.peek()?;
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            b'\n' => r"'\n'".to_owned(),
            b'\r' => r"'\r'".to_owned(),
            b'\t' => r"'\t'".to_owned(),
            b'\\' => r"'\\'".to_owned(),
            7 => r"'\a'".to_owned(),
            8 => r"'\b'".to_owned(),
            11 => r"'\v'".to_owned(),
            12 => r"'\f'".to_owned(),
            0..=31 | 127 => format!(r"'\x{byte:02x}'"),
            128..=160 | 173 => format!(r"'\u00{byte:02x}'"),
            other => format!("'{}'", char::from(other)),
        };
        let mut text = String::new();
        let _ = write!(text, "invalid character {shown} {context}");
        Err(text)
    }

    fn end(&mut self) -> Scanned {
        self.blank();
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("after top-level value") }
    }

    fn value(&mut self, depth: usize, context: &str) -> Scanned {
        if depth > DEEPEST {
            return Err("exceeded max depth".to_owned());
        }
        self.blank();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.wrong(context),
        }
    }

    fn object(&mut self, depth: usize) -> Scanned {
        self.at += 1;
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            if self.peek()? != b'"' {
                return self.wrong("looking for beginning of object key string");
            }
            self.string()?;
            self.blank();
            if self.peek()? != b':' {
                return self.wrong("after object key");
            }
            self.at += 1;
            self.value(depth + 1, "looking for beginning of value")?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong("after object key:value pair"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Scanned {
        self.at += 1;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1, "looking for beginning of value")?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong("after array element"),
            }
        }
    }

    fn string(&mut self) -> Scanned {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..=31 => return self.wrong("in string literal"),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Scanned {
        match self.peek()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return self.wrong("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.wrong("in string escape code"),
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Scanned {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return self.wrong("in numeric literal"),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.peek()?.is_ascii_digit() {
                return self.wrong("after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            if !self.peek()?.is_ascii_digit() {
                return self.wrong("in exponent of numeric literal");
            }
            self.digits();
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Scanned {
        self.at += 1;
        for wanted in word.bytes().skip(1) {
            if self.peek()? != wanted {
                return self.wrong(&format!("in literal {word} (expecting '{}')", char::from(wanted)));
            }
            self.at += 1;
        }
        Ok(())
    }
}
