//! Days and hours in China: which day it is there, which days people work, and when prices are at their peak.
//!
//! China has one time zone and no summer time, so that a day is plain arithmetic. Which days are holidays is decided
//! anew for each year; the lists are data of the configuration, and a year without a list has only its weekends.

use std::collections::BTreeSet;
use std::str::FromStr;

use kernel::Timestamp;
use thiserror::Error;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MINUTES: u16 = 24 * 60;

/// A day in China, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

/// A text that is no day, span of days, or span of hours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a day (2026-10-01), days (2026-10-01..2026-10-07) or hours (09:00-12:00)")]
pub struct InvalidSpan(String);

impl Day {
    /// The day on which the moment falls in China.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis().saturating_add(OFFSET_MS).div_euclid(DAY_MS))
    }

    /// The day of this number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// When it is over, which is when the next one begins.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(1).saturating_mul(DAY_MS).saturating_sub(OFFSET_MS))
    }

    /// Whether it is a Saturday or a Sunday.
    pub const fn is_weekend(self) -> bool {
        // The first day was a Thursday.
        matches!(self.0.rem_euclid(7), 2 | 3)
    }

    /// Its date, as `2026-10-01`.
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.0);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.to_owned());
        let mut parts = text.splitn(3, '-').map(str::parse::<i64>);
        let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(invalid());
        }
        let number = Self(days_from_civil(year, month, day));
        // A day that the month does not have comes back as another.
        if number.date() == text { Ok(number) } else { Err(invalid()) }
    }
}

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant, `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day (Howard Hinnant, `civil_from_days`).
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let part = (5 * of_year + 2) / 153;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let day = of_year - (153 * part + 2) / 5 + 1;
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

/// Hours of a day, from and until, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    until: u16,
}

impl FromStr for Hours {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let parsed = text.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
        match parsed {
            Some((from, until)) if from < until => Ok(Self { from, until }),
            Some(_) | None => Err(InvalidSpan(text.to_owned())),
        }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && of_day <= DAY_MINUTES).then_some(of_day)
}

/// Which tier a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// At any time for which the other two say nothing.
    Always,
    /// Outside the peak hours of working days.
    OffPeak,
    /// In the peak hours of working days.
    Peak,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Always, Self::OffPeak, Self::Peak];

    /// Its name, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OffPeak => "off_peak",
            Self::Peak => "peak",
        }
    }
}

/// Working days and peak hours.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    holidays: BTreeSet<Day>,
    workdays: BTreeSet<Day>,
    peak: Vec<Hours>,
}

impl Calendar {
    /// From texts: holidays and weekend days that are worked, each a day or a span, and peak hours.
    ///
    /// `holidays` are days off besides the weekends, `workdays` weekend days on which the peak hours count too.
    pub fn new(holidays: &[String], workdays: &[String], peak: &[String]) -> Result<Self, InvalidSpan> {
        Ok(Self {
            holidays: days(holidays)?,
            workdays: days(workdays)?,
            peak: peak.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        })
    }

    /// Whether people work on this day.
    pub fn is_working_day(&self, day: Day) -> bool {
        self.workdays.contains(&day) || !(day.is_weekend() || self.holidays.contains(&day))
    }

    /// Which tier the moment is in: peak, or off-peak.
    pub fn tier(&self, at: Timestamp) -> Tier {
        let of_day = at.as_millis().saturating_add(OFFSET_MS).rem_euclid(DAY_MS) / MINUTE_MS;
        let in_hours =
            self.peak.iter().any(|hours| (i64::from(hours.from)..i64::from(hours.until)).contains(&of_day));
        if in_hours && self.is_working_day(Day::of(at)) { Tier::Peak } else { Tier::OffPeak }
    }
}

/// Longest span that a list may name, so that a slip of the pen makes no endless one.
const SPAN_DAYS_MAX: i64 = 60;

fn days(texts: &[String]) -> Result<BTreeSet<Day>, InvalidSpan> {
    let mut all = BTreeSet::new();
    for text in texts {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last): (Day, Day) = (first.parse()?, last.parse()?);
        if last < first || last.0 - first.0 > SPAN_DAYS_MAX {
            return Err(InvalidSpan(text.clone()));
        }
        all.extend((first.0..=last.0).map(Day));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn china(text: &str, hour: i64, minute: i64) -> Timestamp {
        let day: Day = text.parse().unwrap();
        Timestamp::from_millis(day.end().as_millis() - DAY_MS + (hour * 60 + minute) * MINUTE_MS)
    }

    fn calendar() -> Calendar {
        let holidays = texts(&["2026-10-01..2026-10-07", "2026-01-01"]);
        Calendar::new(&holidays, &texts(&["2026-10-10"]), &texts(&["09:00-12:00", "14:00-18:00"])).unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_in_shanghai() {
        // 2026-11-26 16:00:00 UTC is midnight there.
        let midnight = Timestamp::from_millis(1_795_708_800_000);
        assert_eq!(Day::of(midnight).date(), "2026-11-27");
        assert_eq!(Day::of(midnight.plus_millis(-1)).date(), "2026-11-26");
        assert_eq!(Day::of(midnight).end(), midnight.plus_millis(DAY_MS));
        assert_eq!(Day::of(Timestamp::from_millis(-OFFSET_MS)).date(), "1970-01-01");
    }

    #[test]
    fn dates_survive_text_and_those_that_are_none_are_refused() {
        for date in ["1970-01-01", "2000-02-29", "2026-12-31", "2100-03-01"] {
            assert_eq!(date.parse::<Day>().unwrap().date(), date);
        }
        for text in ["", "2026-02-29", "2026-1-1", "2026-13-01", "26-01-01", "2026-01-01-01"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        for text in ["9-12", "12:00-09:00", "09:60-10:00", "23:00-24:01", "09:00"] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
        assert!("00:00-24:00".parse::<Hours>().is_ok());
    }

    #[test]
    fn the_peak_is_in_the_hours_of_working_days() {
        let calendar = calendar();
        let tier = |date, hour, minute| calendar.tier(china(date, hour, minute));
        assert_eq!(tier("2026-11-27", 9, 0), Tier::Peak);
        assert_eq!(tier("2026-11-27", 8, 59), Tier::OffPeak);
        assert_eq!(tier("2026-11-27", 12, 0), Tier::OffPeak);
        assert_eq!(tier("2026-11-27", 17, 59), Tier::Peak);
        assert_eq!(tier("2026-11-28", 10, 0), Tier::OffPeak, "a Saturday");
        assert_eq!(tier("2026-10-01", 10, 0), Tier::OffPeak, "a holiday on a Thursday");
        assert_eq!(tier("2026-10-10", 10, 0), Tier::Peak, "a Saturday that is worked");
        assert_eq!(Calendar::default().tier(china("2026-11-27", 9, 0)), Tier::OffPeak);
    }

    #[test]
    fn an_endless_or_backward_span_is_refused() {
        for text in ["2026-10-07..2026-10-01", "2026-01-01..2027-01-01"] {
            assert!(Calendar::new(&texts(&[text]), &[], &[]).is_err(), "{text}");
        }
    }
}
