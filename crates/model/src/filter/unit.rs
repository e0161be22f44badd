//! Numbers with units, as they are written in filters. In: `1.5MB`, `1h30m`, `1.3`, `4xx`, `unavailable`, `12:05`, `2026-11-22`.
//! Out: [`Literal`], the numbers that such a text stands for; and back.

use super::field::Field;
use super::moment::{moment, time};
use crate::time::Timestamp;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// How the numbers of a field are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Bytes,
    Duration,
    TlsVersion,
    Status,
    GrpcStatus,
    Moment,
    TimeOfDay,
}

/// What a number's text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// The field that it is for: `~at` and `~expires` have two.
    pub(super) field: Field,
    /// The least number that is meant.
    pub(super) from: i64,
    /// The greatest.
    pub(super) to: i64,
    /// In comparisons and ranges, only `from` counts: `12:05` is a point there, and a minute by itself.
    pub(super) is_point: bool,
    /// Of a time of the day: when the day begins in its zone, as a time of the day in UTC.
    pub(super) midnight: i64,
}

impl Literal {
    const fn exactly(field: Field, number: i64) -> Self {
        Self { field, from: number, to: number, is_point: false, midnight: 0 }
    }

    /// The last number that belongs to it in comparisons and ranges.
    pub(super) const fn last(self) -> i64 {
        if self.is_point { self.from } else { self.to }
    }
}

/// Byte units, the preferred ones for printing first.
const BYTES: [(&str, i64); 15] = [
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("B", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
];

const DURATIONS: [(&str, i64); 9] = [
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
    ("min", 60_000_000),
    ("µs", 1),
];

const GRPC: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

impl Unit {
    /// What is expected where a number of this unit stands.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Count => "a number, such as 12",
            Self::Bytes => "a size, such as 512, 64KiB or 1.5MB",
            Self::Duration => "a duration with its unit, such as 200ms, 1.5s, 1h30m or 30d",
            Self::TlsVersion => "a TLS version: 1.0, 1.1, 1.2 or 1.3",
            Self::Status => "a status code or class, such as 404 or 4xx",
            Self::GrpcStatus => "a gRPC status, such as 14 or unavailable",
            Self::Moment | Self::TimeOfDay => {
                "a time such as 12:05, 12:05:30Z, 2026-11-22 or 2026-11-22T12:05:00+01:00"
            }
        }
    }

    /// Reads `text`, which is for `field`. Times without a zone are `offset` seconds east of UTC.
    pub(super) fn read(self, field: Field, text: &str, offset: i32) -> Option<Literal> {
        let number = match self {
            Self::Count => text.parse().ok().filter(|n| *n >= 0)?,
            Self::Bytes => quantity(text, &BYTES, Some(1))?,
            Self::Duration => match duration(text) {
                Some(length) => length,
                None if field == Field::ExpiresIn => return moment(Field::ExpiresAt, text, offset),
                None => return None,
            },
            Self::TlsVersion => tls_version(text)?,
            Self::Status => return status(field, text),
            Self::GrpcStatus => grpc_status(text)?,
            Self::Moment | Self::TimeOfDay => return moment(Field::At, text, offset).or_else(|| time(text, offset)),
        };
        Some(Literal::exactly(field, number))
    }

    /// A number as text that reads back to it.
    pub(super) fn shown(self, number: i64) -> String {
        match self {
            Self::Count | Self::Status | Self::GrpcStatus => number.to_string(),
            Self::Bytes => {
                let (name, factor) = BYTES.into_iter().find(|(_, factor)| number % factor == 0).unwrap_or(("B", 1));
                if factor == 1 || number == 0 { number.to_string() } else { format!("{}{name}", number / factor) }
            }
            Self::Duration => duration_text(number),
            Self::TlsVersion => match number {
                0x0300 => "ssl3".to_owned(),
                0x0301..=0x0304 => format!("1.{}", number - 0x0301),
                other => format!("0x{other:04x}"),
            },
            Self::Moment => Timestamp(number).rfc3339(),
            Self::TimeOfDay => {
                let (seconds, micros) = (number / 1_000_000, number % 1_000_000);
                format!("{:02}:{:02}:{:02}.{micros:06}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
            }
        }
    }
}

/// A decimal number and what follows it: its value is `mantissa / 10^decimals`.
fn decimal(text: &str) -> Option<(i128, u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = !whole.is_empty() && whole.len() <= 19 && part.len() <= 9 && !part.contains('.');
    if !digits || number.ends_with('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{part}").parse().ok()?;
    Some((mantissa, u32::try_from(part.len()).ok()?, rest))
}

/// One number with a unit of `units`; without a unit it is multiplied by `bare`, if that is allowed.
fn quantity(text: &str, units: &[(&str, i64)], bare: Option<i64>) -> Option<i64> {
    let (mantissa, decimals, unit) = decimal(text)?;
    let unit = unit.trim();
    let factor = match unit {
        "" => bare?,
        _ => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    i64::try_from(mantissa.checked_mul(i128::from(factor))? / 10_i128.pow(decimals)).ok()
}

/// Numbers with units one after another, `1h30m`; `0` needs none.
fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let letters = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let length = rest[letters..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - letters);
        let (part, after) = rest.split_at(letters + length);
        total = total.checked_add(quantity(part, &DURATIONS, None)?)?;
        rest = after.trim_start();
    }
    Some(sign * total)
}

fn duration_text(number: i64) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    let mut rest = number.unsigned_abs();
    for (unit, factor) in &DURATIONS[1..7] {
        let factor = factor.unsigned_abs();
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    text
}

fn tls_version(text: &str) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().filter(|n| (0..=0xffff).contains(n));
    }
    let bare = text.strip_prefix("tls").map_or(text.as_str(), |rest| rest.trim_start_matches(['v', ' ']));
    match bare {
        "ssl3" | "ssl3.0" | "sslv3" => Some(0x0300),
        "1.0" | "1" => Some(0x0301),
        "1.1" => Some(0x0302),
        "1.2" => Some(0x0303),
        "1.3" => Some(0x0304),
        _ => None,
    }
}

fn status(field: Field, text: &str) -> Option<Literal> {
    let bytes = text.as_bytes();
    if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = bytes {
        let from = i64::from(class - b'0') * 100;
        return Some(Literal { field, from, to: from + 99, is_point: false, midnight: 0 });
    }
    text.parse().ok().filter(|n| (0..=65_535).contains(n)).map(|n| Literal::exactly(field, n))
}

fn grpc_status(text: &str) -> Option<i64> {
    let known = || GRPC.iter().position(|name| name.eq_ignore_ascii_case(&text.replace('-', "_")));
    match text.parse::<u32>() {
        Ok(number) => Some(i64::from(number)),
        Err(_) => known().and_then(|at| i64::try_from(at).ok()),
    }
}

/// The words that may stand for a gRPC status.
pub(super) const fn grpc_names() -> &'static [&'static str] {
    &GRPC
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(unit: Unit, field: Field, text: &str) -> Option<(i64, i64)> {
        unit.read(field, text, 3_600).map(|it| (it.from, it.to))
    }

    #[test]
    fn quantities_with_units() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("1.5MB", 1_500_000), ("64KiB", 65_536), ("1g", 1_000_000_000), ("7b", 7)]
        {
            assert_eq!(read(Unit::Bytes, Field::Size, text), Some((bytes, bytes)), "{text}");
        }
        for text in ["", "MB", "-1", "1.", ".5k", "1..2", "99999999999999999999", "9999999999TB", "1 parsec"] {
            assert_eq!(read(Unit::Bytes, Field::Size, text), None, "{text}");
        }
        for (text, micros) in
            [("200ms", 200_000), ("1.5s", 1_500_000), ("1h30m", 5_400_000_000), ("-2d", -2 * DAY), ("0", 0), ("3us", 3)]
        {
            assert_eq!(read(Unit::Duration, Field::Total, text), Some((micros, micros)), "{text}");
        }
        for text in ["", "-", "5", "1x", "h", "99999999w"] {
            assert_eq!(read(Unit::Duration, Field::Total, text), None, "{text}");
        }
    }

    #[test]
    fn codes_and_versions() {
        assert_eq!(read(Unit::Status, Field::Status, "4XX"), Some((400, 499)));
        assert_eq!(read(Unit::Status, Field::Status, "4x"), None);
        assert_eq!(read(Unit::TlsVersion, Field::Tls, "TLSv1.2"), Some((0x0303, 0x0303)));
        assert_eq!(read(Unit::TlsVersion, Field::Tls, "1.4"), None);
        assert_eq!(read(Unit::GrpcStatus, Field::Grpc, "Deadline-Exceeded"), Some((4, 4)));
        assert_eq!(read(Unit::GrpcStatus, Field::Grpc, "99"), Some((99, 99)));
    }

    #[test]
    fn times_stand_for_spans() {
        let noon = 1_795_348_800_000_000; // 2026-11-22T12:00:00Z
        let at = |text| read(Unit::Moment, Field::At, text);
        assert_eq!(at("2026-11-22T12:00Z"), Some((noon, noon + 59_999_999)));
        assert_eq!(at("2026-11-22T13:00:00"), Some((noon, noon + 999_999)));
        assert_eq!(at("2026-11-22 13:00:00.25+01:00"), Some((noon + 250_000, noon + 259_999)));
        assert_eq!(at("2026-11-22"), Some((noon - 13 * 3_600_000_000, noon + 11 * 3_600_000_000 - 1)));
        assert_eq!(at("12:05Z"), Some((43_500_000_000, 43_559_999_999)));
        assert_eq!(at("00:30"), Some((DAY - 1_800_000_000, DAY - 1_740_000_001)));
        for text in
            ["24:00", "12", "1:00", "12:60", "2026-13-01", "2026-02-30", "2026-1-1", "12:00+25:00", "é026-01-01"]
        {
            assert_eq!(at(text), None, "{text}");
        }
        let expiry = Unit::Duration.read(Field::ExpiresIn, "2026-12-01", 0).unwrap();
        assert_eq!(expiry.field, Field::ExpiresAt);
    }

    #[test]
    fn what_is_shown_reads_back() {
        for number in [0, 1, 999, 1_000, 65_536, 1_500_000, i64::MAX, 3 << 30] {
            assert_eq!(Unit::Bytes.read(Field::Size, &Unit::Bytes.shown(number), 0).unwrap().from, number);
            for number in [number, -number] {
                assert_eq!(duration(&duration_text(number)), Some(number), "{}", duration_text(number));
            }
        }
    }
}
