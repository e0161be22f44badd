//! How Go prints and decodes, as registries are written in it. In: values. Out: the texts that stand in their logs, and base64 read with
//! their tolerance. Source: Go's packages strconv, time and encoding/base64.

use std::fmt::Write as _;

use crate::time::Timestamp;

/// `%q`: in double quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' || control == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            odd if odd.is_control()
                || matches!(odd, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(odd));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// A moment in UTC, as `time.Unix(seconds, 0)` prints it; years beyond 9999 as well.
pub fn moment(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to civil date, by counting from 1 March of year 0 in eras of 400 years.
    let shifted = i128::from(days) + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

/// Now, as Go prints it, without the reading of its monotonic clock.
pub fn now(at: Timestamp) -> String {
    let seconds = at.as_secs();
    let text = moment(seconds);
    let micros = at.0.rem_euclid(1_000_000);
    if micros == 0 {
        return text;
    }
    let fraction = format!("{micros:06}");
    text.replacen(" +0000", &format!(".{} +0000", fraction.trim_end_matches('0')), 1)
}

/// Alphabets of base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `+` and `/`.
    Standard,
    /// `-` and `_`.
    Url,
}

/// base64 as Go decodes it: line ends are passed over, superfluous bits at the end do not matter.
///
/// # Errors
/// The byte that Go names in `illegal base64 data at input byte N`.
pub fn base64(text: &[u8], alphabet: Alphabet, padded: bool) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut quantum = Vec::with_capacity(4);
    let mut at = 0;
    let skip = |mut at: usize| {
        while text.get(at).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            at += 1;
        }
        at
    };
    loop {
        at = skip(at);
        let Some(byte) = text.get(at) else {
            return match quantum.len() {
                0 => Ok(out),
                1 => Err(at - 1),
                so_far if padded => Err(at - so_far),
                _ => {
                    flush(&quantum, &mut out);
                    Ok(out)
                }
            };
        };
        at += 1;
        if let Some(value) = value(*byte, alphabet) {
            quantum.push(value);
            if quantum.len() == 4 {
                flush(&quantum, &mut out);
                quantum.clear();
            }
            continue;
        }
        if *byte != b'=' || !padded || quantum.len() < 2 {
            return Err(at - 1);
        }
        if quantum.len() == 2 {
            at = skip(at);
            match text.get(at) {
                None => return Err(text.len()),
                Some(b'=') => at += 1,
                Some(_) => return Err(at - 1),
            }
        }
        flush(&quantum, &mut out);
        at = skip(at);
        return if at < text.len() { Err(at) } else { Ok(out) };
    }
}

fn flush(quantum: &[u8], out: &mut Vec<u8>) {
    let bits = quantum.iter().fold(0u32, |bits, value| (bits << 6) | u32::from(*value)) << (6 * (4 - quantum.len()));
    let bytes = bits.to_be_bytes();
    out.extend_from_slice(bytes.get(1..quantum.len()).unwrap_or_default());
}

fn value(byte: u8, alphabet: Alphabet) -> Option<u8> {
    Some(match (byte, alphabet) {
        (b'A'..=b'Z', _) => byte - b'A',
        (b'a'..=b'z', _) => byte - b'a' + 26,
        (b'0'..=b'9', _) => byte - b'0' + 52,
        (b'+', Alphabet::Standard) | (b'-', Alphabet::Url) => 62,
        (b'/', Alphabet::Standard) | (b'_', Alphabet::Url) => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_prints_them() {
        assert_eq!(moment(1_703_456_060), "2023-12-24 22:14:20 +0000 UTC");
        assert_eq!(moment(60), "1970-01-01 00:01:00 +0000 UTC");
        assert_eq!(moment(4_070_908_800_000), "130971-12-19 00:00:00 +0000 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00 +0000 UTC");
        assert_eq!(now(Timestamp(1_500_000)), "1970-01-01 00:00:01.5 +0000 UTC");
    }

    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        assert_eq!(quoted("a\"b\\c\n\u{1}é\u{202e}"), r#""a\"b\\c\n\x01é\u202e""#);
    }

    #[test]
    fn base64_is_read_as_go_reads_it() {
        let standard = |text: &str| base64(text.as_bytes(), Alphabet::Standard, true);
        assert_eq!(standard("aGk=").unwrap(), b"hi");
        assert_eq!(standard("aG\nk=\n").unwrap(), b"hi");
        assert_eq!(standard("-GkA"), Err(0));
        assert_eq!(standard("aGk"), Err(0));
        assert_eq!(standard("aGkAaGk"), Err(4));
        assert_eq!(standard("aGk=aGk="), Err(4));
        assert_eq!(standard("aA="), Err(3));
        assert_eq!(base64(b"aGk", Alphabet::Url, false).unwrap(), b"hi");
        assert_eq!(base64(b"aGl", Alphabet::Url, false).unwrap(), b"hi");
        assert_eq!(base64(b"aGkAa", Alphabet::Url, false), Err(4));
        assert_eq!(base64(b"aGk=", Alphabet::Url, false), Err(3));
    }
}
