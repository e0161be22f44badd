//! Sizes and times for people. In: bytes, durations, moments. Out: at most seven columns of text.

use std::time::Duration;

use jiff::tz::TimeZone;
use sidelight_model::time::Timestamp;

/// Bytes with a decimal unit, as in `12 B`, `1.2 kB`, `345 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // What would round up to 1000 goes to the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A length of time, as in `<1 ms`, `34 ms`, `1.2 s`, `3m05s`, `2h03m`.
pub(crate) fn duration(length: Duration) -> String {
    let millis = length.as_millis();
    let seconds = length.as_secs();
    match millis {
        0 => "<1 ms".to_owned(),
        1..=999 => format!("{millis} ms"),
        1_000..=9_949 => format!("{:.1} s", length.as_secs_f64()),
        _ if seconds < 60 => format!("{:.0} s", length.as_secs_f64()),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A length of time with microseconds where they matter, as in `345 µs`, `1.234 ms`, `34.5 ms`, `12.345 s`.
pub(crate) fn fine_duration(length: Duration) -> String {
    match length.as_micros() {
        micros @ 0..=999 => format!("{micros} µs"),
        micros @ 1_000..=9_999 => format!("{:.3} ms", micros as f64 / 1_000.0),
        micros @ 10_000..=999_999 => format!("{:.1} ms", micros as f64 / 1_000.0),
        _ if length.as_secs() < 60 => format!("{:.3} s", length.as_secs_f64()),
        _ => duration(length),
    }
}

/// A moment in `zone` with its date and its distance from UTC, as in `2026-11-22 19:40:33.000001 +01:00`.
pub(crate) fn moment(moment: Timestamp, zone: &TimeZone) -> String {
    formatted(moment, zone, "%Y-%m-%d %H:%M:%S%.6f %:z").unwrap_or_else(|| moment.rfc3339())
}

/// The time of day in `zone` with microseconds, as in `19:40:33.000001`.
pub(crate) fn fine_time_of_day(moment: Timestamp, zone: &TimeZone) -> String {
    formatted(moment, zone, "%H:%M:%S%.6f").unwrap_or_else(|| "--:--:--.------".to_owned())
}

fn formatted(moment: Timestamp, zone: &TimeZone, format: &str) -> Option<String> {
    let moment = jiff::Timestamp::from_microsecond(moment.0).ok()?;
    Some(moment.to_zoned(zone.clone()).strftime(format).to_string())
}

/// The time of day in `zone`, as in `19:40:33`.
pub(crate) fn time_of_day(moment: Timestamp, zone: &TimeZone) -> String {
    formatted(moment, zone, "%H:%M:%S").unwrap_or_else(|| "--:--:--".to_owned())
}

/// The day in `zone`, as in `2026-11-22`.
pub(crate) fn day(moment: Timestamp, zone: &TimeZone) -> String {
    jiff::Timestamp::from_microsecond(moment.0).map_or_else(
        |_| "----------".to_owned(),
        |moment| moment.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string(),
    )
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_narrow() {
        for (count, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (1 << 30, "1.1 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }

    #[test]
    fn durations_stay_narrow() {
        for (micros, shown) in [
            (999, "<1 ms"),
            (34_000, "34 ms"),
            (1_234_000, "1.2 s"),
            (9_960_000, "10 s"),
            (59_000_000, "59 s"),
            (185_000_000, "3m05s"),
            (7_380_000_000, "2h03m"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), shown);
        }
    }

    #[test]
    fn fine_durations_have_three_digits_that_matter() {
        for (micros, shown) in [
            (0, "0 µs"),
            (345, "345 µs"),
            (1_234, "1.234 ms"),
            (34_510, "34.5 ms"),
            (999_940, "999.9 ms"),
            (12_345_000, "12.345 s"),
            (185_000_000, "3m05s"),
        ] {
            assert_eq!(fine_duration(Duration::from_micros(micros)), shown);
        }
    }

    #[test]
    fn the_zone_counts() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(time_of_day(Timestamp::from_secs(0), &zone), "02:00:00");
        assert_eq!(time_of_day(Timestamp(i64::MAX), &zone), "--:--:--");
        assert_eq!(moment(Timestamp(1), &zone), "1970-01-01 02:00:00.000001 +02:00");
        assert_eq!(fine_time_of_day(Timestamp(1), &zone), "02:00:00.000001");
        assert_eq!(moment(Timestamp(i64::MAX), &zone), "@9223372036854775807us");
    }
}
