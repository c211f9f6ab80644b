//! Periods: named parts of time, by which people are told and checks are judged. Pure.
//!
//! A period is a week of days with their times, in a time zone; days that differ (holidays, the last Friday of a month, a
//! range of dates) are its exceptions, and what lies in a period that it excludes is not in it. The first exception that is
//! about a day decides on that day alone.
//!
//! Times are what the clock on the wall shows ([`crate::wall`]): an hour that it shows twice is in the period twice, an hour
//! that it skips never. Times that go past midnight belong to the day on which they begin.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate, Weekday};
use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::wall::{self, DAY_MINUTES};

/// How far ahead a change is looked for: two years and a day.
const AHEAD_DAYS: i64 = 731;

/// Boundaries that are looked at to find a change, at most.
const BOUNDARIES_MAX: usize = 20_000;

/// A part of time. See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its name, as the configuration says it.
    pub name: String,
    /// By whose clocks.
    pub zone: Tz,
    /// When; those of one day add up. None at all is always.
    pub times: Vec<DayTimes>,
    /// Days that differ, the first that is about a day wins.
    pub except: Vec<DayTimes>,
    /// What is not in it.
    pub exclude: Vec<Arc<Period>>,
}

/// Some days, and the times of such a day: `mon-fri 08:00-12:00,13:00-17:00`, `2026-12-24..2027-01-02 never`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayTimes {
    days: Days,
    spans: Vec<Span>,
}

/// Minutes of a day from the first until before the last, which may lie on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u32,
    to: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    /// These days of the week, Monday first.
    Week([bool; 7]),
    /// From a date to a date, both included.
    Dates(NaiveDate, NaiveDate),
    /// The same in each year: (month, day).
    Yearly((u32, u32), (u32, u32)),
    /// Days of each month, counted from 1, or from the end from -1.
    Monthly(i64, i64),
    /// A day of the week in each month, the first or the last one and so on.
    Nth(Weekday, i64),
}

impl Period {
    /// Whether the moment is in the period.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        let shown = wall::shown(self.zone, now);
        let (date, minute) = (shown.date(), wall::minute_of_day(shown));
        let today = self.spans_of(date);
        let own = today.iter().any(|span| span.holds(minute)) || {
            let yesterday = self.spans_of(wall::days_from(date, -1));
            let late = minute + DAY_MINUTES;
            yesterday.iter().any(|span| span.holds(late))
        };
        own && !self.exclude.iter().any(|other| other.contains(now))
    }

    /// The first moment after `now` at which [`Self::contains`] says something else; nothing when there is none within two
    /// years.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let inside = self.contains(now);
        let mut at = now;
        for _ in 0..BOUNDARIES_MAX {
            at = self.next_boundary(at, now)?;
            if self.contains(at) != inside {
                return Some(at);
            }
        }
        None
    }

    /// The next moment after `after` at which anything may change.
    fn next_boundary(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let others = self.exclude.iter();
        let others = others.filter_map(|other| other.next_boundary(after, now));
        self.own_boundary(after, now)
            .into_iter()
            .chain(others)
            .min()
    }

    fn own_boundary(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let first = wall::days_from(wall::shown(self.zone, after).date(), -1);
        let last = wall::days_from(wall::shown(self.zone, now).date(), AHEAD_DAYS);
        let mut found: Option<Timestamp> = None;
        for day in 0..=AHEAD_DAYS {
            let date = wall::days_from(first, day);
            if date > last {
                break;
            }
            let had = found.is_some();
            let boundaries = self.boundaries_of(date).into_iter();
            let next = boundaries.filter(|at| *at > after).min();
            found = found.into_iter().chain(next).min();
            // The day after may begin before what of this day goes past midnight.
            if had {
                break;
            }
        }
        found
    }

    /// When something may change on a day, also by a jump of the clock.
    fn boundaries_of(&self, date: NaiveDate) -> Vec<Timestamp> {
        let spans = self.spans_of(date);
        let mut moments: Vec<Timestamp> = spans
            .iter()
            .flat_map(|span| [span.from, span.to])
            .flat_map(|minute| wall::moments(self.zone, date, minute))
            .collect();
        let start = wall::first_moment(self.zone, date, 0);
        let end = wall::first_moment(self.zone, date, DAY_MINUTES);
        moments.extend(wall::jump(self.zone, start, end));
        moments
    }

    fn spans_of(&self, date: NaiveDate) -> Vec<Span> {
        let about = |line: &&DayTimes| line.days.hold(date);
        if let Some(exception) = self.except.iter().find(about) {
            return exception.spans.clone();
        }
        if self.times.is_empty() {
            return vec![Span::WHOLE_DAY];
        }
        let lines = self.times.iter().filter(about);
        lines.flat_map(|line| line.spans.iter().copied()).collect()
    }
}

impl Span {
    const WHOLE_DAY: Self = Self {
        from: 0,
        to: DAY_MINUTES,
    };

    fn holds(self, minute: u32) -> bool {
        self.from <= minute && minute < self.to
    }
}

impl Days {
    fn hold(&self, date: NaiveDate) -> bool {
        let within = |from, to, it| from <= it && it <= to;
        match *self {
            Self::Week(days) => days[date.weekday().num_days_from_monday() as usize],
            Self::Dates(from, to) => within(from, to, date),
            Self::Yearly(from, to) => {
                let day = (date.month(), date.day());
                if from <= to {
                    from <= day && day <= to
                } else {
                    day >= from || day <= to
                }
            }
            Self::Monthly(from, to) => {
                let length = month_length(date);
                let of = |day: i64| if day < 0 { length + 1 + day } else { day };
                let day = i64::from(date.day());
                of(from) <= day && day <= of(to)
            }
            Self::Nth(weekday, nth) => {
                let day = i64::from(date.day());
                let from_start = (day - 1) / 7 + 1;
                let from_end = -((month_length(date) - day) / 7 + 1);
                date.weekday() == weekday && (nth == from_start || nth == from_end)
            }
        }
    }
}

fn month_length(date: NaiveDate) -> i64 {
    i64::from(date.num_days_in_month())
}

/// What a line of a period may look like.
const LINE: &str = "expected days and times such as \"mon-fri 08:00-18:00\", \"sat,sun\", \"2026-12-24..2027-01-02 never\", \
                    \"12-25\", \"day -1\" or \"last fri 20:00-24:00\"";

impl FromStr for DayTimes {
    type Err = String;

    /// The days, then the times; no times are the whole day, `never` is none of it.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{LINE}, found {text:?}: {why}");
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words[..] {
            [] => return Err(format!("{LINE}, found {text:?}")),
            ["day", days, ref times @ ..] => (parse_month_days(days), times),
            [nth, weekday, ref times @ ..] if parse_nth(nth).is_some() => {
                let nth = parse_nth(nth).unwrap_or(1);
                let days = wall::parse_weekday(weekday).map(|day| Days::Nth(day, nth));
                (days, times)
            }
            [days, ref times @ ..] => (parse_days(days), times),
        };
        Ok(Self {
            days: days.map_err(wrong)?,
            spans: parse_spans(&times.concat()).map_err(wrong)?,
        })
    }
}

fn parse_nth(text: &str) -> Option<i64> {
    match text {
        "1st" | "first" => Some(1),
        "2nd" | "second" => Some(2),
        "3rd" | "third" => Some(3),
        "4th" | "fourth" => Some(4),
        "last" => Some(-1),
        _ => None,
    }
}

fn parse_days(text: &str) -> Result<Days, String> {
    if text == "daily" {
        return Ok(Days::Week([true; 7]));
    }
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let digits = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    match from.matches('-').count() {
        2 if digits(from) => {
            let (from, to) = (wall::parse_date(from)?, wall::parse_date(to)?);
            if from > to {
                return Err(format!("{from} is after {to}"));
            }
            Ok(Days::Dates(from, to))
        }
        1 if digits(from) => Ok(Days::Yearly(parse_yearly(from)?, parse_yearly(to)?)),
        _ => parse_week(text),
    }
}

/// `12-25`, whether or not this year has such a day.
fn parse_yearly(text: &str) -> Result<(u32, u32), String> {
    let leap = wall::parse_date(&format!("2000-{text}"));
    leap.map(|date| (date.month(), date.day()))
        .map_err(|_| format!("expected a day of the year such as 12-25, found {text:?}"))
}

/// `mon-fri,sun`.
fn parse_week(text: &str) -> Result<Days, String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (wall::parse_weekday(from)?, wall::parse_weekday(to)?);
        days[day.num_days_from_monday() as usize] = true;
        while day != last {
            day = day.succ();
            days[day.num_days_from_monday() as usize] = true;
        }
    }
    Ok(Days::Week(days))
}

/// `1`, `-1`, `1..15`.
fn parse_month_days(text: &str) -> Result<Days, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let day = |part: &str| {
        let day = part.parse::<i64>().ok();
        day.filter(|day| (1..=31).contains(&day.abs()))
            .ok_or_else(|| format!("expected a day of the month such as 1 or -1, found {part:?}"))
    };
    Ok(Days::Monthly(day(from)?, day(to)?))
}

fn parse_spans(text: &str) -> Result<Vec<Span>, String> {
    match text {
        "" => return Ok(vec![Span::WHOLE_DAY]),
        "never" => return Ok(Vec::new()),
        _ => {}
    }
    let span = |part: &str| {
        let (from, to) = part
            .split_once('-')
            .ok_or_else(|| format!("expected times such as 08:00-18:00, found {part:?}"))?;
        let (from, to) = (wall::parse_minute(from)?, wall::parse_minute(to)?);
        let past_midnight = to <= from && from < DAY_MINUTES;
        let to = if past_midnight { to + DAY_MINUTES } else { to };
        Ok(Span { from, to })
    };
    text.split(',').map(span).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn period(zone: &str, times: &[&str], except: &[&str]) -> Period {
        let lines = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Period {
            name: String::from("p"),
            zone: wall::parse_zone(zone).unwrap(),
            times: lines(times),
            except: lines(except),
            exclude: Vec::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        let at = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        Timestamp::from_seconds(at.and_utc().timestamp())
    }

    /// The changes of a period from a moment (UTC) on, as UTC.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test reads as lines of data"
    )]
    fn check(period: &Period, from: &str, changes: usize, expect: Expect) {
        let mut now = at(from);
        let mut found = String::new();
        for _ in 0..changes {
            let state = if period.contains(now) { "in " } else { "out" };
            let Some(next) = period.next_change(now) else {
                writeln!(found, "{state} for ever").unwrap();
                break;
            };
            let time = chrono::DateTime::from_timestamp(next.seconds(), 0).unwrap();
            writeln!(found, "{state} until {}", time.format("%a %Y-%m-%d %H:%M")).unwrap();
            assert_ne!(period.contains(now), period.contains(next));
            let before = next - std::time::Duration::from_secs(1);
            assert_eq!(period.contains(now), period.contains(before));
            now = next;
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn a_week_has_its_days_and_times_where_the_people_are() {
        let work = period(
            "Europe/Berlin",
            &["mon-fri 08:00-18:00", "sat 10:00-12:00"],
            &[],
        );
        check(
            &work,
            "2026-01-02 06:00",
            5,
            expect![[r#"
                out until Fri 2026-01-02 07:00
                in  until Fri 2026-01-02 17:00
                out until Sat 2026-01-03 09:00
                in  until Sat 2026-01-03 11:00
                out until Mon 2026-01-05 07:00
            "#]],
        );
    }

    #[test]
    fn exceptions_decide_on_their_days_alone_and_the_first_one_wins() {
        let work = period(
            "UTC",
            &["mon-fri 08:00-18:00"],
            &[
                "2026-12-24 08:00-12:00",
                "12-24..12-26 never",
                "last thu 10:00-11:00",
            ],
        );
        check(
            &work,
            "2026-12-23 19:00",
            4,
            expect![[r#"
                out until Thu 2026-12-24 08:00
                in  until Thu 2026-12-24 12:00
                out until Mon 2026-12-28 08:00
                in  until Mon 2026-12-28 18:00
            "#]],
        );
        check(
            &work,
            "2026-12-31 00:00",
            2,
            expect![[r#"
                out until Thu 2026-12-31 10:00
                in  until Thu 2026-12-31 11:00
            "#]],
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = period("UTC", &["fri 22:00-06:00"], &[]);
        check(
            &night,
            "2026-01-02 12:00",
            3,
            expect![[r#"
                out until Fri 2026-01-02 22:00
                in  until Sat 2026-01-03 06:00
                out until Fri 2026-01-09 22:00
            "#]],
        );
    }

    #[test]
    fn an_hour_that_the_clock_shows_twice_is_in_twice_and_one_it_skips_never() {
        // On 2026-10-25 at 01:00 UTC the clock goes from 03:00 back to 02:00.
        let small_hours = period("Europe/Berlin", &["sun 01:30-02:30"], &[]);
        check(
            &small_hours,
            "2026-10-24 00:00",
            5,
            expect![[r#"
                out until Sat 2026-10-24 23:30
                in  until Sun 2026-10-25 00:30
                out until Sun 2026-10-25 01:00
                in  until Sun 2026-10-25 01:30
                out until Sun 2026-11-01 00:30
            "#]],
        );
        // On 2026-03-29 at 01:00 UTC it goes from 02:00 on to 03:00.
        let skipped = period("Europe/Berlin", &["sun 02:30-03:30"], &[]);
        check(
            &skipped,
            "2026-03-28 12:00",
            3,
            expect![[r#"
                out until Sun 2026-03-29 01:00
                in  until Sun 2026-03-29 01:30
                out until Sun 2026-04-05 00:30
            "#]],
        );
    }

    #[test]
    fn what_it_excludes_is_not_in_it() {
        let mut always = period("UTC", &[], &[]);
        assert_eq!(always.next_change(at("2026-01-01 00:00")), None);
        let backup = period("America/New_York", &["day 1 02:00-03:00"], &[]);
        always.exclude.push(Arc::new(backup));
        check(
            &always,
            "2026-01-01 00:00",
            3,
            expect![[r#"
                in  until Thu 2026-01-01 07:00
                out until Thu 2026-01-01 08:00
                in  until Sun 2026-02-01 07:00
            "#]],
        );
    }

    #[test]
    fn days_are_of_a_week_a_month_a_year_or_one_alone() {
        let days = |line: &str| {
            let line: DayTimes = line.parse().unwrap();
            let year = NaiveDate::from_ymd_opt(2028, 1, 1).unwrap();
            let days = year
                .iter_days()
                .take(366)
                .filter(|day| line.days.hold(*day));
            let days: Vec<String> = days.map(|day| day.format("%m-%d").to_string()).collect();
            format!("{} {}", days.len(), days[..days.len().min(3)].join(" "))
        };
        for (line, expect) in [
            ("daily", "366 01-01 01-02 01-03"),
            ("sat-mon", "158 01-01 01-02 01-03"),
            ("Monday,wed", "104 01-03 01-05 01-10"),
            ("2028-02-28..2028-03-01", "3 02-28 02-29 03-01"),
            ("12-31..01-01", "2 01-01 12-31"),
            ("02-29", "1 02-29"),
            ("day -1", "12 01-31 02-29 03-31"),
            ("day 1..2", "24 01-01 01-02 02-01"),
            ("day -2..-1", "24 01-30 01-31 02-28"),
            ("2nd tue", "12 01-11 02-08 03-14"),
            ("last fri", "12 01-28 02-25 03-31"),
        ] {
            assert_eq!(days(line), expect, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_says_what_is_expected() {
        for (line, why) in [
            ("", ""),
            ("mon-fry", "found \"fry\""),
            ("mon 8-18", "expected a time such as 08:30, found \"8\""),
            (
                "mon 08:00",
                "expected times such as 08:00-18:00, found \"08:00\"",
            ),
            ("mon 08:00-25:00", "found \"25:00\""),
            ("2026-13-01", "found \"2026-13-01\""),
            ("2026-02-02..2026-02-01", "2026-02-02 is after 2026-02-01"),
            ("day 32", "found \"32\""),
            ("first", "first"),
        ] {
            let error = line.parse::<DayTimes>().unwrap_err();
            assert!(error.starts_with("expected days and times"), "{error}");
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
