//! Times as they are written in filters. In: `12:05`, `2026-11-22`, `2026-11-22T12:05:30+01:00`. Out: the span that each stands for.
//! Spec: RFC 3339, of which seconds, the time and the zone may be left out.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::field::Field;
use super::unit::{DAY, Literal};

/// Takes a zone off the end of a time: `Z` or `+hh:mm`.
fn zone(text: &str, default: i32) -> Option<(&str, i32)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest, 0));
    }
    let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':')) else { return Some((text, default)) };
    let (rest, shift) = text.split_at(at);
    let (hours, minutes) = shift[1..].split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=23).contains(&hours) || !(0..=59).contains(&minutes) {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Some((rest, if shift.starts_with('-') { -seconds } else { seconds }))
}

/// A time of the day without a zone, and the microseconds that it stands for by itself.
fn clock(text: &str) -> Option<(Time, i64)> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
    let Some(seconds) = parts.next() else { return Some((Time::new(hour, minute, 0, 0).ok()?, 60_000_000)) };
    let (second, part) = seconds.split_once('.').map_or((seconds, None), |(second, part)| (second, Some(part)));
    let second = two(second)?;
    let Some(part) = part else { return Some((Time::new(hour, minute, second, 0).ok()?, 1_000_000)) };
    if part.is_empty() || part.len() > 6 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let step = 10_i64.pow(6 - u32::try_from(part.len()).ok()?);
    let nanos = i32::try_from(part.parse::<i64>().ok()? * step * 1_000).ok()?;
    Some((Time::new(hour, minute, second, nanos).ok()?, step))
}

fn two(text: &str) -> Option<i8> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A time of the day. It is kept in UTC.
pub(super) fn time(text: &str, offset: i32) -> Option<Literal> {
    let (bare, offset) = zone(text, offset)?;
    let (time, span) = clock(bare)?;
    let micros = |seconds: i32| i64::from(seconds) * 1_000_000;
    let of_day = Time::midnight().until(time).ok()?.total(jiff::Unit::Microsecond).ok()?;
    let midnight = micros(-offset).rem_euclid(DAY);
    let from = (of_day as i64 + midnight).rem_euclid(DAY);
    Some(Literal { field: Field::TimeOfDay, from, to: from + span - 1, is_point: true, midnight })
}

/// A date, or a date and a time.
pub(super) fn moment(field: Field, text: &str, offset: i32) -> Option<Literal> {
    let (date, clock_text) = match text.get(10..11) {
        Some("T" | "t" | " ") => (text.get(..10)?, text.get(11..)),
        Some(_) => return None,
        None => (text, None),
    };
    let date = day(date)?;
    let at = |moment: DateTime, offset: i32| {
        let offset = Offset::from_seconds(offset).ok()?;
        Some(offset.to_timestamp(moment).ok()?.as_microsecond())
    };
    let Some(clock_text) = clock_text else {
        let from = at(date.to_datetime(Time::midnight()), offset)?;
        return Some(Literal { field, from, to: from + DAY - 1, is_point: false, midnight: 0 });
    };
    let (bare, offset) = zone(clock_text, offset)?;
    let (time, span) = clock(bare)?;
    let from = at(date.to_datetime(time), offset)?;
    Some(Literal { field, from, to: from + span - 1, is_point: true, midnight: 0 })
}

fn day(text: &str) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = (two(rest.get(1..3)?)?, two(rest.get(4..6)?)?);
    let is_shaped = rest.len() == 6 && rest.get(0..1) == Some("-") && rest.get(3..4) == Some("-");
    let digits = year.bytes().all(|b| b.is_ascii_digit());
    (is_shaped && digits).then(|| Date::new(year.parse().ok()?, month, day).ok())?
}
