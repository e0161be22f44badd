//! JSON that was written by anybody. In: text, or members of the wrong type. Out: the nearest value, or none; an entry is not given
//! up for one member. Spec: RFC 8259.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a JSON object. What JSON does not allow but programs write (bytes that are no UTF-8, halves of surrogate pairs, raw
/// control characters in strings) is mended when it does not read otherwise.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let told = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error.to_string(),
    };
    serde_json::from_str(&mended(&String::from_utf8_lossy(json))).map_err(|_| told)
}

/// Halves of surrogate pairs become U+FFFD, and control characters in strings are escaped.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '"' => {
                in_string = !in_string;
                out.push('"');
            }
            '\\' if in_string => {
                let (escape, length) = escape_at(rest);
                out.push_str(&escape);
                taken = length;
            }
            c if in_string && c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The escape at the start of `text`, mended, and its length there.
fn escape_at(text: &str) -> (Cow<'_, str>, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (text.get(..12).unwrap_or_default().into(), 12),
        (Some(0xd800..=0xdfff), _) => ("\\ufffd".into(), 6),
        _ => {
            let length = 1 + text.chars().nth(1).map_or(0, char::len_utf8);
            (text.get(..length).unwrap_or_default().into(), length)
        }
    }
}

/// A string; of another scalar, its text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    optional_text(from).map(Option::unwrap_or_default)
}

/// A string; of another scalar, its text.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A number, or one in quotes; 0 for anything else.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number.filter(|number| number.is_finite()).unwrap_or_default())
}

/// A whole number, or one in quotes; 0 for anything else.
pub(super) fn integer<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(rounded)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse::<f64>().ok().map(rounded))
        }
        _ => None,
    }
    .unwrap_or_default())
}

/// The nearest whole number; `as` ends at the largest there are.
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

/// `true`, also in quotes.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(flag) => flag,
        Value::String(text) => text == "true",
        _ => false,
    })
}

/// The items of an array that can be read.
pub(super) fn items<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Array(items) => items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect(),
        _ => Vec::new(),
    })
}

/// A value that may be absent, null or odd.
pub(super) fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::Entry;

    #[test]
    fn oddities_do_not_cost_an_entry() {
        let entry = Entry::parse(
            br#"{"time":"12.5","request":{"method":"GET","url":"http://a/","headers":[{"name":"a","value":1},7],
            "headersSize":"30","bodySize":null},"response":{"status":"200","content":{"size":3.0,"text":null}},
            "connection":443,"timings":null,"cache":{"x":1},"_unknown":{}}"#,
        )
        .unwrap();
        assert_eq!((entry.time, entry.response.status, entry.response.content.size), (12.5, 200, 3));
        assert_eq!((entry.request.headers_size, entry.request.headers.len()), (30, 1));
        assert_eq!(entry.request.headers[0].value, "1");
        assert_eq!(entry.connection.as_deref(), Some("443"));
        assert_eq!(Entry::parse(b"{}").unwrap(), Entry::default());
    }

    #[test]
    fn what_json_does_not_allow_is_mended() {
        for (json, method) in [
            (&br#"{"request":{"method":"a\ud800b"}}"#[..], "a\u{fffd}b"),
            (br#"{"request":{"method":"\ud83d\ude00\udc00"}}"#, "\u{1f600}\u{fffd}"),
            (b"{\"request\":{\"method\":\"a\nb\\\"\xff\"}}", "a\nb\"\u{fffd}"),
        ] {
            assert_eq!(Entry::parse(json).unwrap().request.method, method);
        }
        for json in [&b"7"[..], b"{", b"\"\\", b"", b"{\"request\":\"\\u12\"}}"] {
            assert!(Entry::parse(json).is_err(), "{json:?}");
        }
    }
}
