//! Times in certificates. In: DER. Out: the moment, and whether it is written as it must be. Spec: RFC 5280 §4.1.2.5.

use super::der::{Element, GENERALIZED_TIME, Malformed, Result, UTC_TIME};
use crate::time::Timestamp;

/// A moment as a certificate states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment.
    pub at: Timestamp,
    /// Whether a year up to 2049 is written as UTCTime, and a later one as GeneralizedTime.
    pub in_right_form: bool,
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`; no other forms are allowed.
pub(super) fn read(element: &Element<'_>) -> Result<Moment> {
    const WRONG: Malformed = Malformed("a time is not written as YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ");
    let text = std::str::from_utf8(element.content).map_err(|_| WRONG)?;
    let digits =
        text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).ok_or(WRONG)?;
    let (year, rest) = match (element.tag, digits.len()) {
        (UTC_TIME, 12) => {
            let short: i16 = digits[..2].parse().map_err(|_| WRONG)?;
            (if short < 50 { 2000 + short } else { 1900 + short }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().map_err(|_| WRONG)?, &digits[4..]),
        _ => return Err(WRONG),
    };
    let part = |index: usize| rest.get(2 * index..2 * index + 2).and_then(|two| two.parse::<i8>().ok()).ok_or(WRONG);
    let moment = jiff::civil::DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0);
    let zoned = moment.and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    let at = zoned.map_err(|_| Malformed("a time does not exist"))?.timestamp().as_second();
    let in_right_form = (element.tag == UTC_TIME) == (1950..2050).contains(&year);
    Ok(Moment { at: Timestamp::from_secs(at), in_right_form })
}
