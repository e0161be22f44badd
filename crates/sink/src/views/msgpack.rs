//! MessagePack. In: bytes. Out: items. Spec: github.com/msgpack/msgpack, spec.md.

use std::borrow::Cow;

use sidelight_model::time::Timestamp;

use super::items::{Flaw, Item, Items};

/// The extension type of timestamps.
const TIMESTAMP: i8 = -1;

/// Reads MessagePack.
pub(super) struct MessagePack<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> MessagePack<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Flaw> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or(Flaw::Cut)?;
        self.at += count;
        Ok(taken)
    }

    /// A big-endian number of `width` bytes.
    fn number(&mut self, width: usize) -> Result<u64, Flaw> {
        Ok(self.take(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Flaw> {
        usize::try_from(self.number(width)?).map_err(|_| Flaw::Cut)
    }

    fn text(&mut self, length: usize) -> Result<Item<'b>, Flaw> {
        let bytes = self.take(length)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Item::Text(Cow::Borrowed(text)),
            Err(_) => Item::Bytes(String::new(), Cow::Borrowed(bytes)),
        })
    }

    fn extension(&mut self, length: usize) -> Result<Item<'b>, Flaw> {
        let kind = self.take(1)?[0].cast_signed();
        let bytes = self.take(length)?;
        if kind == TIMESTAMP
            && let Some(moment) = timestamp(bytes)
        {
            return Ok(Item::Word(moment.rfc3339()));
        }
        Ok(Item::Bytes(format!("ext({kind}) "), Cow::Borrowed(bytes)))
    }
}

fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    let (seconds, nanos) = match bytes.len() {
        4 => (i64::from(u32::from_be_bytes(bytes.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, both >> 34)
        }
        12 => {
            let nanos = u32::from_be_bytes(bytes[..4].try_into().ok()?);
            (i64::from_be_bytes(bytes[4..].try_into().ok()?), u64::from(nanos))
        }
        _ => return None,
    };
    let micros = i64::try_from(nanos / 1000).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros).map(Timestamp)
}

impl<'b> Items<'b> for MessagePack<'b> {
    fn next(&mut self) -> Result<Option<Item<'b>>, Flaw> {
        let start = self.at;
        let Some(first) = self.bytes.get(start).copied() else { return Ok(None) };
        self.at += 1;
        let low = |mask: u8| u64::from(first & mask);
        Ok(Some(match first {
            0x00..=0x7f => Item::Word(first.to_string()),
            0x80..=0x8f => Item::Map(Some(low(0x0f))),
            0x90..=0x9f => Item::List(Some(low(0x0f))),
            0xa0..=0xbf => self.text(usize::from(first & 0x1f))?,
            0xc0 => Item::Word("null".to_owned()),
            0xc1 => return Err(Flaw::Bad(start)),
            0xc2 => Item::Word("false".to_owned()),
            0xc3 => Item::Word("true".to_owned()),
            0xc4..=0xc6 => {
                let length = self.length(1 << (first - 0xc4))?;
                Item::Bytes(String::new(), Cow::Borrowed(self.take(length)?))
            }
            0xc7..=0xc9 => {
                let length = self.length(1 << (first - 0xc7))?;
                self.extension(length)?
            }
            0xca => Item::Word(format!("{:?}", f32::from_bits(self.number(4)? as u32))),
            0xcb => Item::Word(format!("{:?}", f64::from_bits(self.number(8)?))),
            0xcc..=0xcf => Item::Word(self.number(1 << (first - 0xcc))?.to_string()),
            0xd0 => Item::Word((self.number(1)? as u8).cast_signed().to_string()),
            0xd1 => Item::Word((self.number(2)? as u16).cast_signed().to_string()),
            0xd2 => Item::Word((self.number(4)? as u32).cast_signed().to_string()),
            0xd3 => Item::Word(self.number(8)?.cast_signed().to_string()),
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(1 << (first - 0xd9))?;
                self.text(length)?
            }
            0xdc => Item::List(Some(self.number(2)?)),
            0xdd => Item::List(Some(self.number(4)?)),
            0xde => Item::Map(Some(self.number(2)?)),
            0xdf => Item::Map(Some(self.number(4)?)),
            0xe0..=0xff => Item::Word(first.cast_signed().to_string()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rmpv::Value;

    use crate::redact::Redactor;
    use crate::views::{View, ViewOptions, view};

    fn shown(bytes: &[u8], cut: bool) -> View {
        view("application/msgpack", "", bytes, &ViewOptions { cut, ..ViewOptions::default() })
    }

    /// What `msgpack.packb({"id": 7, "tags": ["a", b"\x00\xff"], "pi": 3.5, "none": None, "neg": -300, "e": {}, "token": "s3cret",
    /// "when": msgpack.Timestamp(1795372833, 1000)})` of Python's msgpack makes.
    const PYTHON: &str = "88a2696407a47461677392a161c40200ffa27069cb400c000000000000a46e6f6e65c0a36e6567d1fed4a16580a5746f6b656ea6733363726574a47768656ed7ff00000fa06b033721";

    #[test]
    fn what_python_packs_reads_like_json() {
        let bytes = data_encoding::HEXLOWER.decode(PYTHON.as_bytes()).unwrap();
        let view = shown(&bytes, false);
        let lines: Vec<&str> = view.text.lines().collect();
        assert_eq!((view.name, view.problem), ("msgpack", None));
        assert_eq!(
            lines[..9],
            [
                "{",
                "  \"id\": 7,",
                "  \"tags\": [",
                "    \"a\",",
                "    h'00ff'",
                "  ],",
                "  \"pi\": 3.5,",
                "  \"none\": null,",
                "  \"neg\": -300,"
            ]
        );
        assert_eq!(lines[9], "  \"e\": {},");
        assert!(lines[10].starts_with("  \"token\": ‹redacted sha256:") && lines[10].ends_with("›,"), "{}", lines[10]);
        assert_eq!(lines[11..], ["  \"when\": 2026-11-22T18:40:33.000001Z", "}"]);
    }

    #[test]
    fn faults_cuts_and_depth() {
        assert_eq!(shown(&[0x92, 1], true).problem, None);
        assert!(shown(&[0x92, 1], false).problem.unwrap().contains("ends before"));
        assert!(shown(&[0x91, 0xc1], false).problem.unwrap().contains("byte 1"));
        assert_eq!(shown(&[0xc1], false).name, "hex");
        assert!(shown(&[0x91; 5000], false).problem.unwrap().contains("deeper than"));
        assert!(shown(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1], true).text.starts_with("[\n  1,\n"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[a-z\\\\\"é\n]{0,40}".prop_map(Value::from),
        ];
        scalar.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
                proptest::collection::vec(("[a-z]{1,3}".prop_map(Value::from), inner), 0..20).prop_map(Value::Map),
            ]
        })
    }

    fn json(value: &Value) -> serde_json::Value {
        match value {
            Value::Nil => serde_json::Value::Null,
            Value::Boolean(it) => (*it).into(),
            Value::Integer(it) => it.as_i64().map_or_else(|| it.as_u64().into(), Into::into),
            Value::String(it) => it.as_str().unwrap().into(),
            Value::Array(all) => all.iter().map(json).collect(),
            Value::Map(all) => all.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json(value))).collect(),
            other => panic!("{other}"),
        }
    }

    proptest! {
        #[test]
        fn what_another_library_writes_is_the_same_json(value in value()) {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &value).unwrap();
            let options = ViewOptions { redactor: Redactor::new(true), limit_lines: 1 << 20, ..ViewOptions::default() };
            let view = view("application/x-msgpack", "", &bytes, &options);
            prop_assert_eq!(view.problem, None);
            let read: serde_json::Value = serde_json::from_str(&view.text).map_err(|e| TestCaseError::fail(format!("{e}: {}", view.text)))?;
            prop_assert_eq!(read, json(&value));
        }
    }
}
