//! The clock on the wall of a zone: what it shows at a moment, and when it shows something. Pure.
//!
//! Twice a year such a clock jumps. What it skips is taken for the first moment after the jump; what it shows twice is
//! both moments.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono::{Timelike, Weekday};
pub use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

/// Minutes of a day without a jump.
pub const DAY_MINUTES: u32 = 1440;

/// 9999-12-31: no clock goes further.
const LAST_SECOND: i64 = 253_402_300_799;

/// The longest jump ahead of a clock, in minutes: a day, as on Samoa in 2011.
const JUMP_MINUTES_MAX: u32 = DAY_MINUTES;

/// What the clock shows.
#[must_use]
pub fn shown(zone: Tz, at: Timestamp) -> NaiveDateTime {
    let seconds = at.seconds().clamp(0, LAST_SECOND);
    let utc = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    utc.with_timezone(&zone).naive_local()
}

/// The minute of the day that the clock shows.
#[must_use]
pub fn minute_of_day(shown: NaiveDateTime) -> u32 {
    shown.hour() * 60 + shown.minute()
}

/// So many days after `date`, or before it.
#[must_use]
pub fn days_from(date: NaiveDate, days: i64) -> NaiveDate {
    let by = Days::new(days.unsigned_abs());
    let moved = if days < 0 {
        date.checked_sub_days(by)
    } else {
        date.checked_add_days(by)
    };
    moved.unwrap_or(date)
}

/// When the clock shows `minute` of `date`, earliest first; a minute beyond the day is one of the next day.
#[must_use]
pub fn moments(zone: Tz, date: NaiveDate, minute: u32) -> Vec<Timestamp> {
    let date = days_from(date, i64::from(minute / DAY_MINUTES));
    let time = NaiveTime::from_num_seconds_from_midnight_opt(minute % DAY_MINUTES * 60, 0);
    let wanted = date.and_time(time.unwrap_or_default());
    let stamp = |at: DateTime<Tz>| Timestamp::from_seconds(at.timestamp());
    for skipped in 0..=JUMP_MINUTES_MAX {
        let later = wanted + chrono::TimeDelta::minutes(i64::from(skipped));
        match zone.from_local_datetime(&later) {
            LocalResult::Single(at) => return vec![stamp(at)],
            LocalResult::Ambiguous(first, second) => return vec![stamp(first), stamp(second)],
            LocalResult::None => {}
        }
    }
    Vec::new()
}

/// The first moment of [`moments`].
#[must_use]
pub fn first_moment(zone: Tz, date: NaiveDate, minute: u32) -> Timestamp {
    let moments = moments(zone, date, minute);
    moments.first().copied().unwrap_or_default()
}

/// When the clock jumps between two moments that are about a day apart, where it does.
#[must_use]
pub fn jump(zone: Tz, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
    let offset = |seconds: i64| {
        let utc = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        zone.offset_from_utc_datetime(&utc.naive_utc())
            .fix()
            .local_minus_utc()
    };
    let (mut before, mut after) = (from.seconds(), to.seconds());
    if offset(before) == offset(after) {
        return None;
    }
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if offset(middle) == offset(before) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(Timestamp::from_seconds(after))
}

/// `08:30` as a minute of the day; `24:00` is its end.
///
/// # Errors
/// When the text is anything else.
pub fn parse_minute(text: &str) -> Result<u32, String> {
    let wrong = || format!("expected a time such as 08:30, found {text:?}");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
    let number = |part: &str| {
        let digits = part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| digits)
    };
    match (number(hour), number(minute)) {
        (Some(hour), Some(minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
        (Some(24), Some(0)) => Ok(DAY_MINUTES),
        _ => Err(wrong()),
    }
}

/// `2026-12-24` as a date.
///
/// # Errors
/// When the text is anything else.
pub fn parse_date(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
        .map_err(|_| format!("expected a date such as 2026-12-24, found {text:?}"))
}

/// `mon` or `monday` as a day of the week, in any case.
///
/// # Errors
/// When the text is anything else.
pub fn parse_weekday(text: &str) -> Result<Weekday, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("expected a day of the week such as mon or monday, found {text:?}"))
}

/// `Europe/Berlin` as a zone.
///
/// # Errors
/// When no zone is called that.
pub fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| format!("expected a time zone such as \"Europe/Berlin\", found {text:?}"))
}
