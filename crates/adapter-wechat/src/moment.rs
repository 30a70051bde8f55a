//! Times as WeChat Pay writes them: RFC 3339, always with a zone.

use billing::Day;
use kernel::Timestamp;

const DAY_MS: i64 = 86_400_000;
const SECOND_MS: i64 = 1_000;
/// China's clocks are eight hours ahead, all year.
const CHINA_MS: i64 = 8 * 3_600_000;

/// As `2026-11-27T10:00:00+08:00`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let seconds = at.plus_millis(CHINA_MS).as_millis().rem_euclid(DAY_MS) / SECOND_MS;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}+08:00", Day::of(at).date())
}

/// Reads a time with a zone; fractions of a second are left out.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let day: Day = text.get(..10)?.parse().ok()?;
    let (hour, minute, second) = (pair(text, 11, 23)?, pair(text, 14, 59)?, pair(text, 17, 60)?);
    let signs = (text.get(10..11)?, text.get(13..14)?, text.get(16..17)?);
    if !matches!(signs, ("T" | "t", ":", ":")) {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|sign: char| sign.is_ascii_digit()),
        None => rest,
    };
    let millis = (hour * 3_600 + minute * 60 + second) * SECOND_MS - offset_ms(zone)?;
    Some(Timestamp::from_millis(day.number().checked_mul(DAY_MS)?.checked_add(millis)?))
}

fn offset_ms(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let is_whole = zone.len() == 6 && zone.get(3..4) == Some(":");
    let millis = (pair(zone, 1, 23)? * 60 + pair(zone, 4, 59)?) * 60 * SECOND_MS;
    is_whole.then_some(sign * millis)
}

/// Two digits at a place, at most `max`.
fn pair(text: &str, at: usize, max: i64) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_text() {
        let at = Timestamp::from_millis(1_528_425_296_000);
        assert_eq!(rfc3339(at), "2018-06-08T10:34:56+08:00");
        assert_eq!(parse("2018-06-08T10:34:56+08:00"), Some(at));
        assert_eq!(parse("2018-06-08T02:34:56Z"), Some(at));
        assert_eq!(parse("2018-06-08T10:34:56.123+08:00"), Some(at));
        assert_eq!(parse("2018-06-07T21:34:56-05:00"), Some(at));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "2018-06-08", "2018-06-08T10:34:56", "2018-06-08T24:00:00Z", "2018-02-30T10:34:56Z", "学"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for zone in ["+8", "+0800", "+08:60", "08:00", "+08:00x"] {
            assert_eq!(parse(&format!("2018-06-08T10:34:56{zone}")), None, "{zone}");
        }
    }
}
