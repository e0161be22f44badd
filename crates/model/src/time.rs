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
    fn since_never_goes_negative() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_micros(4));
    }
}
