//! CBOR. In: bytes. Out: items. Spec: RFC 8949.

use std::borrow::Cow;

use super::items::{Flaw, Item, Items};

/// Reads CBOR.
pub(super) struct Cbor<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// Additional information that says that the length is not known (§3.2).
const INDEFINITE: u8 = 31;

impl<'b> Cbor<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u64) -> Result<&'b [u8], Flaw> {
        let count = usize::try_from(count).map_err(|_| Flaw::Cut)?;
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or(Flaw::Cut)?;
        self.at += count;
        Ok(taken)
    }

    /// The argument of a head; `None` when it is indefinite.
    fn argument(&mut self, info: u8, start: usize) -> Result<Option<u64>, Flaw> {
        Ok(match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.take(1 << (info - 24))?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            INDEFINITE => None,
            _ => return Err(Flaw::Bad(start)),
        })
    }

    /// A string in one piece, or in several of the same type until a break (§3.2.3).
    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Cow<'b, [u8]>, Flaw> {
        if let Some(length) = length {
            return self.take(length).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        loop {
            let start = self.at;
            let head = self.take(1)?[0];
            if head == 0xff {
                return Ok(Cow::Owned(whole));
            }
            let length = self.argument(head & 0x1f, start)?.filter(|_| head >> 5 == major).ok_or(Flaw::Bad(start))?;
            whole.extend_from_slice(self.take(length)?);
        }
    }

    fn simple(&mut self, info: u8, start: usize) -> Result<Item<'b>, Flaw> {
        let bits = match info {
            INDEFINITE => return Ok(Item::Break),
            _ => self.argument(info, start)?.unwrap_or_default(),
        };
        Ok(Item::Word(match info {
            20 => "false".to_owned(),
            21 => "true".to_owned(),
            22 => "null".to_owned(),
            23 => "undefined".to_owned(),
            25 => format!("{:?}", half(bits as u16)),
            26 => format!("{:?}", f32::from_bits(bits as u32)),
            27 => format!("{:?}", f64::from_bits(bits)),
            _ => format!("simple({bits})"),
        }))
    }
}

/// A float of 16 bits (§ appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

impl<'b> Items<'b> for Cbor<'b> {
    fn next(&mut self) -> Result<Option<Item<'b>>, Flaw> {
        let start = self.at;
        let Some(head) = self.bytes.get(start).copied() else { return Ok(None) };
        self.at += 1;
        let (major, info) = (head >> 5, head & 0x1f);
        if major == 7 {
            return self.simple(info, start).map(Some);
        }
        let argument = self.argument(info, start)?;
        Ok(Some(match major {
            0 => Item::Word(argument.ok_or(Flaw::Bad(start))?.to_string()),
            1 => Item::Word((-1 - i128::from(argument.ok_or(Flaw::Bad(start))?)).to_string()),
            2 => Item::Bytes(String::new(), self.string(major, argument)?),
            3 => match self.string(major, argument)? {
                Cow::Borrowed(bytes) => Item::Text(String::from_utf8_lossy(bytes)),
                Cow::Owned(bytes) => Item::Text(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
            },
            4 => Item::List(argument),
            5 => Item::Map(argument),
            _ => Item::Tag(argument.ok_or(Flaw::Bad(start))?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::views::{ViewOptions, view};

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn the_examples_of_the_specification() {
        for (hex, text) in [
            ("1818", "24"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("3903e7", "-1000"),
            ("f90001", "5.960464477539063e-8"),
            ("f97bff", "65504.0"),
            ("f9c400", "-4.0"),
            ("fa47c35000", "100000.0"),
            ("fbc010666666666666", "-4.1"),
            ("f97e00", "NaN"),
            ("f7", "undefined"),
            ("f8ff", "simple(255)"),
            ("c11a514b67b0", "tag 1 1363896240"),
            ("4401020304", "h'01020304'"),
            ("62225c", "\"\\\"\\\\\""),
            ("5f42010243030405ff", "h'0102030405'"),
            ("7f657374726561646d696e67ff", "\"streaming\""),
            ("80", "[]"),
            ("8301820203820405", "[\n  1,\n  [\n    2,\n    3\n  ],\n  [\n    4,\n    5\n  ]\n]"),
            ("a26161016162820203", "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ]\n}"),
            ("9f01ff", "[\n  1\n]"),
            ("bf6346756ef563416d7421ff", "{\n  \"Fun\": true,\n  \"Amt\": -2\n}"),
        ] {
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            let view = view("application/cbor", "", &bytes, &ViewOptions::default());
            assert_eq!((view.name, view.text.trim_end(), view.problem), ("cbor", text, None), "{hex}");
        }
    }
}
