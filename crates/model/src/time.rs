//! Points in time as values. In: microseconds since the Unix epoch. Out: the same, and RFC 3339 text in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The point in time `seconds` after the epoch.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded towards the past.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// This moment and `by` more.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// RFC 3339 in UTC with microseconds, as in `2026-11-22T18:40:33.000001Z`.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map_or_else(|_| format!("@{}us", self.0), |moment| format!("{moment:.6}"))
    }

    /// RFC 3339 in UTC to the second, as in `2026-11-22T18:40:33Z`: what certificates state is no finer.
    pub fn rfc3339_seconds(self) -> String {
        jiff::Timestamp::from_second(self.as_secs())
            .map_or_else(|_| format!("@{}s", self.as_secs()), |moment| moment.to_string())
    }

    /// Reads RFC 3339 with any offset; what is finer than a microsecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_microsecond()))
    }

    /// The day in UTC, as in `2026-11-22`.
    pub fn date(self) -> String {
        self.rfc3339().chars().take(10).collect()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        match moment.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }
}

/// A length of time as people say it: `90 s`, `12 min`, `5 h`, `40 days`.
pub fn in_words(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        length @ 0..=119 => format!("{length} s"),
        length @ 120..=7_199 => format!("{} min", length / 60),
        length @ 7_200..=172_799 => format!("{} h", length / 3_600),
        length => format!("{} days", length / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_utc_with_microseconds() {
        assert_eq!(Timestamp(1_795_372_833_000_001).rfc3339(), "2026-11-22T18:40:33.000001Z");
        assert_eq!(Timestamp::parse("2026-11-22T19:40:33.000001+01:00"), Some(Timestamp(1_795_372_833_000_001)));
        assert_eq!(Timestamp::parse("2026-11-22"), None);
        assert_eq!(Timestamp(0).date(), "1970-01-01");
        assert_eq!(Timestamp(-1).as_secs(), -1);
    }

    #[test]
    fn lengths_are_told_in_the_largest_unit_that_says_enough() {
        let said = [0, 119, 120, 7_199, 7_200, 172_799, 172_800, i64::MAX].map(in_words);
        let expected = ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days", "106751991167300 days"];
        assert_eq!(said, expected);
    }

    #[test]
    fn since_never_goes_negative() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_micros(4));
    }
}
