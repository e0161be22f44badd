//! Lengths of time. In: `90s`, `1h30m`. Out: [`Period`].

use std::str::FromStr;
use std::time::Duration;

/// A length of time: numbers with `ms`, `s`, `m`, `h`, `d` or `w`, one after another, as in `1h30m`; `0` is none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a duration; write a number with a unit: 500ms, 90s, 10m, 1h30m, 30d");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut total = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let (digits, after) = split_number(rest);
            let number: u64 = digits.parse().map_err(|_| wrong())?;
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let millis = match &after[..letters] {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 604_800_000,
                _ => return Err(wrong()),
            };
            let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = after[letters..].trim_start();
            parts += 1;
        }
        if parts == 0 { Err(wrong()) } else { Ok(Self(total)) }
    }
}

/// The digits that `text` begins with, and the rest.
pub(super) fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        for (text, seconds) in
            [("0", 0), ("90s", 90), ("10m", 600), ("1h30m", 5_400), ("30d", 2_592_000), ("1h 1s", 3_601)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "10", "m", "1x", "10m5", "99999999999999999999s", "999999999999999999w"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
