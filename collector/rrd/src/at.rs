//! Times on rrdtool's command line: seconds, `now`, `end-1day`, `start+2h`, `-1w`. Text and `now` in, UTC seconds out.
//!
//! Of rrdtool's AT style this reads the relative forms; dates, clock times and words like `noon`, which need local time,
//! are refused by name. Months and years are those of the calendar, in UTC.

use crate::civil::{self, Date};

/// Smaller plain numbers are not seconds to rrdtool.
const SECONDS_MIN: i64 = 100_000_000;

/// A time that may still hang on another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    from: Base,
    offsets: Vec<Offset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Seconds(i64),
    Now,
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offset {
    Seconds(i64),
    Months(i64),
}

/// Why a time is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not one of the forms above.
    #[error(
        "unparsable time {0:?}: expected seconds, or now, start, end or nothing, with offsets like -1d"
    )]
    Form(String),
    /// Each of start and end is given by the other.
    #[error("the start and end times cannot be specified relative to each other")]
    Circle,
    /// A time hangs on itself.
    #[error("the {0} time cannot be specified relative to itself")]
    Itself(&'static str),
    /// Beyond what can be counted.
    #[error("time out of range")]
    Range,
}

impl Time {
    /// Parses a time.
    ///
    /// # Errors
    /// [`TimeError::Form`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let compact = text
            .split_whitespace()
            .collect::<String>()
            .to_ascii_lowercase();
        read(&compact).ok_or_else(|| TimeError::Form(text.to_owned()))
    }

    /// The time, when it hangs on nothing but `now`.
    ///
    /// # Errors
    /// When it hangs on start or end, and [`TimeError::Range`].
    pub fn alone(&self, now: i64) -> Result<i64, TimeError> {
        match self.from {
            Base::Seconds(seconds) => self.shifted(seconds),
            Base::Now => self.shifted(now),
            Base::Start | Base::End => Err(TimeError::Circle),
        }
    }

    fn shifted(&self, base: i64) -> Result<i64, TimeError> {
        self.offsets
            .iter()
            .try_fold(base, |time, offset| offset.after(time))
            .ok_or(TimeError::Range)
    }
}

/// Start and end, of which one may hang on the other.
///
/// # Errors
/// See [`TimeError`].
pub fn range(start: &Time, end: &Time, now: i64) -> Result<(i64, i64), TimeError> {
    match (start.from, end.from) {
        (Base::Start, _) => Err(TimeError::Itself("start")),
        (_, Base::End) => Err(TimeError::Itself("end")),
        (Base::End, Base::Start) => Err(TimeError::Circle),
        (Base::End, Base::Seconds(_) | Base::Now) => {
            let end = end.alone(now)?;
            Ok((start.shifted(end)?, end))
        }
        (Base::Seconds(_) | Base::Now, Base::Start) => {
            let start = start.alone(now)?;
            Ok((start, end.shifted(start)?))
        }
        (Base::Seconds(_) | Base::Now, Base::Seconds(_) | Base::Now) => {
            Ok((start.alone(now)?, end.alone(now)?))
        }
    }
}

fn read(text: &str) -> Option<Time> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (word, rest) = text.split_at(letters.max(digits));
    let from = match word {
        "" | "now" | "n" => Base::Now,
        "start" | "s" => Base::Start,
        "end" | "e" => Base::End,
        number => Base::Seconds(
            number
                .parse()
                .ok()
                .filter(|seconds| *seconds >= SECONDS_MIN && digits != 8)?,
        ),
    };
    let offsets = offsets(rest)?;
    let complete = !offsets.is_empty()
        || matches!(from, Base::Seconds(_))
        || (from == Base::Now && !word.is_empty());
    complete.then_some(Time { from, offsets })
}

/// `-1d2h+5min`: a sign holds until the next one. `m` means months up to 5 of them, and minutes beyond and behind hours.
fn offsets(mut rest: &str) -> Option<Vec<Offset>> {
    let mut offsets = Vec::new();
    let mut sign = 0;
    let mut after_hours = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('-') {
            (sign, rest) = (-1, after);
        } else if let Some(after) = rest.strip_prefix('+') {
            (sign, rest) = (1, after);
        }
        let (count, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) =
            after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        let count: i64 = count.parse().ok()?;
        let minutes = unit == "m" && (count > 5 || after_hours);
        offsets.push(offset(sign * count, if minutes { "min" } else { unit })?);
        after_hours = unit.starts_with('h');
        rest = after;
        if sign == 0 || offsets.len() > 16 {
            return None;
        }
    }
    Some(offsets)
}

fn offset(count: i64, unit: &str) -> Option<Offset> {
    let seconds = |length: i64| count.checked_mul(length).map(Offset::Seconds);
    match unit {
        "" | "s" | "sec" | "second" | "seconds" => seconds(1),
        "min" | "minute" | "minutes" => seconds(60),
        "h" | "hour" | "hours" => seconds(3600),
        "d" | "day" | "days" => seconds(86_400),
        "w" | "week" | "weeks" => seconds(7 * 86_400),
        "m" | "mon" | "month" | "months" => Some(Offset::Months(count)),
        "y" | "year" | "years" => count.checked_mul(12).map(Offset::Months),
        _ => None,
    }
}

impl Offset {
    fn after(self, time: i64) -> Option<i64> {
        let later = match self {
            Self::Seconds(seconds) => time.checked_add(seconds)?,
            Self::Months(months) if months.abs() > 120_000 => return None,
            Self::Months(months) => {
                let date = Date::of_day(time.div_euclid(civil::DAY));
                let month = date.year * 12 + date.month - 1 + months;
                let first = Date {
                    year: month.div_euclid(12),
                    month: month.rem_euclid(12) + 1,
                    day: 1,
                };
                (first.number() + date.day - 1) * civil::DAY + time.rem_euclid(civil::DAY)
            }
        };
        (later.abs() <= crate::header::TIME_MAX).then_some(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 19:00:00 UTC.
    const NOW: i64 = 1_795_201_200;

    #[track_caller]
    fn check(start: &str, end: &str, expect: &Result<(i64, i64), TimeError>) {
        let both = Time::parse(start).and_then(|start| Ok((start, Time::parse(end)?)));
        assert_eq!(
            both.and_then(|(start, end)| range(&start, &end, NOW)),
            *expect,
            "{start} to {end}"
        );
    }

    #[test]
    fn offsets_count_from_what_they_name() {
        check("end-24h", "now", &Ok((NOW - 86_400, NOW)));
        check("-1d", "N", &Ok((NOW - 86_400, NOW)));
        check("end-1d2h", "now-1h", &Ok((NOW - 27 * 3600, NOW - 3600)));
        check(
            "1000000000",
            "start+10min",
            &Ok((1_000_000_000, 1_000_000_600)),
        );
        check("1000000000", "s+600", &Ok((1_000_000_000, 1_000_000_600)));
        check("now - 1 week", "n", &Ok((NOW - 604_800, NOW)));
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        check("-1month", "now", &Ok((NOW - 31 * 86_400, NOW)));
        check("-1m", "now", &Ok((NOW - 31 * 86_400, NOW)));
        check("-6m", "now", &Ok((NOW - 360, NOW)));
        check("-1h5m", "now", &Ok((NOW - 3900, NOW)));
        check("-1y", "now", &Ok((NOW - 365 * 86_400, NOW)));
    }

    #[test]
    fn circles_are_refused() {
        check("end-1h", "start+1h", &Err(TimeError::Circle));
        check("start-1h", "now", &Err(TimeError::Itself("start")));
        check("now", "end-1h", &Err(TimeError::Itself("end")));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for text in [
            "",
            "noon",
            "20261101",
            "5",
            "end",
            "now-",
            "now-1parsec",
            "-1d-",
            "1000000000.5",
            "now1h",
        ] {
            check(text, "now", &Err(TimeError::Form(text.to_owned())));
        }
        check("-99999999999999999y", "now", &Err(TimeError::Range));
    }
}
