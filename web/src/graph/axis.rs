//! Where the ticks stand: round values up the side, round local times along the bottom.

use chrono::{
    DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone,
    Utc,
};
use chrono_tz::Tz;

use super::number::{Base, axis_label};

/// A tick of the value axis.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueTick {
    /// Where, in the coordinate of the axis (the decimal logarithm on a logarithmic one).
    pub at: f64,
    /// Empty for a minor tick.
    pub label: String,
}

/// A tick of the time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeTick {
    /// UTC seconds.
    pub at: i64,
    /// Local time or date; empty for a minor tick.
    pub label: String,
    /// Whether a greater unit begins here: a day among hours, a month among days, a year among months.
    pub bold: bool,
}

/// How far apart ticks are: the first that shows at least three, or else the last.
const PIXELS_BETWEEN: [f32; 3] = [34.0, 24.0, 15.0];

/// The round distance of value ticks that are about `between` pixels apart or more.
fn spaced_step(span: f64, pixels: f32, between: f32, base: Base) -> f64 {
    let rough = span / f64::from((pixels / between).max(1.5));
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    match base {
        Base::Binary if rough > 8.0 => binary_step(rough),
        Base::Binary | Base::Thousand => decimal_step(rough),
    }
}

fn decimal_step(rough: f64) -> f64 {
    let magnitude = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps
        .into_iter()
        .find(|step| step * magnitude >= rough * 0.999);
    step.unwrap_or(10.0) * magnitude
}

/// A power of two, or below a thousand of each prefix what is also round to the eye.
fn binary_step(rough: f64) -> f64 {
    let magnitude = 1024_f64.powf((rough.ln() / 1024_f64.ln()).floor());
    let steps = [
        1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
    ];
    let step = steps
        .into_iter()
        .find(|step| step * magnitude >= rough * 0.999);
    step.unwrap_or(1024.0) * magnitude
}

/// The step of a linear axis, small enough for a reader to read numbers off it.
fn ticked_step(low: f64, high: f64, pixels: f32, base: Base) -> f64 {
    let steps = PIXELS_BETWEEN.map(|between| spaced_step(high - low, pixels, between, base));
    let shows_three = |step: &f64| (high / step).floor() - (low / step).ceil() >= 2.0;
    steps.into_iter().find(shows_three).unwrap_or(steps[2])
}

/// The ticks of a linear axis from `low` to `high`.
#[must_use]
pub fn value_ticks(low: f64, high: f64, pixels: f32, prefixed: bool, base: Base) -> Vec<ValueTick> {
    const TICKS_MAX: usize = 100;
    let step = ticked_step(low, high, pixels, base);
    let largest = low.abs().max(high.abs());
    let first = (low / step - 1e-6).ceil();
    (0..TICKS_MAX)
        .map(|index| (first + index as f64) * step)
        .take_while(|at| *at <= high + step * 1e-6)
        .filter(|at| at.is_finite())
        .map(|at| ValueTick {
            at,
            label: axis_label(at, step, largest, prefixed, base),
        })
        .collect()
}

/// The ticks of a logarithmic axis from 10^`low` to 10^`high`: decades with labels, and their parts.
#[must_use]
pub fn log_ticks(low: f64, high: f64, pixels: f32, prefixed: bool, base: Base) -> Vec<ValueTick> {
    const PIXELS_BETWEEN: f64 = 24.0;
    let decades = (high - low).max(1e-9);
    let pixels_per_decade = f64::from(pixels) / decades;
    let stride = (PIXELS_BETWEEN / pixels_per_decade).ceil().max(1.0) as i32;
    let parts: &[f64] = match pixels_per_decade {
        wide if wide > 120.0 => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        middle if middle > 40.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let mut ticks = Vec::new();
    for decade in low.floor() as i32..=high.ceil() as i32 {
        for part in parts {
            let at = f64::from(decade) + part.log10();
            if !(low - 1e-9..=high + 1e-9).contains(&at)
                || (stride > 1 && decade.rem_euclid(stride) != 0)
            {
                continue;
            }
            let value = part * 10_f64.powi(decade);
            let labelled =
                *part == 1.0 || (pixels_per_decade > 120.0 && matches!(*part as i32, 2 | 5));
            let label = if labelled {
                axis_label(value, value, value, prefixed, base)
            } else {
                String::new()
            };
            ticks.push(ValueTick { at, label });
        }
    }
    ticks
}

/// What lies between two ticks of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Minutes(i64),
    Days(u64),
    /// Each Monday.
    Weeks,
    Months(u32),
    Years(i32),
}

/// A distance of ticks: labelled, and the finer unlabelled ones.
struct Scale {
    major: Unit,
    minor: Unit,
    seconds: i64,
    label_px: f32,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const fn scale(major: Unit, minor: Unit, seconds: i64, label_px: f32) -> Scale {
    Scale {
        major,
        minor,
        seconds,
        label_px,
    }
}

const SCALES: [Scale; 20] = [
    scale(Unit::Minutes(1), Unit::Minutes(1), 60, 44.0),
    scale(Unit::Minutes(2), Unit::Minutes(1), 120, 44.0),
    scale(Unit::Minutes(5), Unit::Minutes(1), 300, 44.0),
    scale(Unit::Minutes(10), Unit::Minutes(5), 600, 44.0),
    scale(Unit::Minutes(15), Unit::Minutes(5), 900, 44.0),
    scale(Unit::Minutes(30), Unit::Minutes(10), 1800, 44.0),
    scale(Unit::Minutes(60), Unit::Minutes(15), HOUR, 44.0),
    scale(Unit::Minutes(120), Unit::Minutes(30), 2 * HOUR, 44.0),
    scale(Unit::Minutes(180), Unit::Minutes(60), 3 * HOUR, 44.0),
    scale(Unit::Minutes(240), Unit::Minutes(60), 4 * HOUR, 44.0),
    scale(Unit::Minutes(360), Unit::Minutes(120), 6 * HOUR, 44.0),
    scale(Unit::Minutes(720), Unit::Minutes(180), 12 * HOUR, 46.0),
    scale(Unit::Days(1), Unit::Minutes(360), DAY, 46.0),
    scale(Unit::Days(2), Unit::Days(1), 2 * DAY, 46.0),
    scale(Unit::Weeks, Unit::Days(1), 7 * DAY, 46.0),
    scale(Unit::Months(1), Unit::Weeks, 30 * DAY, 29.0),
    scale(Unit::Months(3), Unit::Months(1), 91 * DAY, 40.0),
    scale(Unit::Months(6), Unit::Months(1), 182 * DAY, 40.0),
    scale(Unit::Years(1), Unit::Months(3), 365 * DAY, 40.0),
    scale(Unit::Years(5), Unit::Years(1), 5 * 365 * DAY, 40.0),
];

/// The ticks of the period from `start` to `end` (UTC seconds) shown on `pixels`, round in the local time of `zone`.
#[must_use]
pub fn time_ticks(start: i64, end: i64, pixels: f32, zone: Tz) -> Vec<TimeTick> {
    let span = end.saturating_sub(start).max(1);
    let room = |scale: &Scale| scale.seconds as f32 / span as f32 * pixels >= scale.label_px;
    let Some(scale) = SCALES.iter().find(|scale| room(scale)).or(SCALES.last()) else {
        return Vec::new();
    };
    let mut ticks: Vec<TimeTick> = moments(scale.major, start, end, zone)
        .map(|(at, local)| TimeTick {
            at,
            label: label(scale.major, local),
            bold: begins_greater(scale.major, local),
        })
        .collect();
    let majors: Vec<i64> = ticks.iter().map(|tick| tick.at).collect();
    let minors = moments(scale.minor, start, end, zone).filter(|(at, _)| !majors.contains(at));
    ticks.extend(minors.map(|(at, _)| TimeTick {
        at,
        label: String::new(),
        bold: false,
    }));
    ticks.sort_by_key(|tick| tick.at);
    ticks
}

/// All multiples of `unit` in local time that lie in the period, each once, with the local time.
fn moments(
    unit: Unit,
    start: i64,
    end: i64,
    zone: Tz,
) -> impl Iterator<Item = (i64, NaiveDateTime)> {
    const MOMENTS_MAX: usize = 2000;
    let first = DateTime::<Utc>::from_timestamp(start, 0)
        .map(|time| time.with_timezone(&zone).date_naive());
    let first = first.and_then(|date| first_day(unit, date));
    let days = std::iter::successors(first, move |date| next_day(unit, *date));
    days.take(MOMENTS_MAX)
        .flat_map(move |date| times_of_day(unit, date))
        .filter_map(move |local| Some((utc_of(local, zone)?, local)))
        .take_while(move |(at, _)| *at <= end)
        .filter(move |(at, _)| *at >= start)
        .take(MOMENTS_MAX)
}

fn first_day(unit: Unit, date: NaiveDate) -> Option<NaiveDate> {
    match unit {
        Unit::Minutes(_) => Some(date),
        // Counted within the month, so that the same days are marked however the period moves.
        Unit::Days(_) => date.with_day0(0),
        Unit::Weeks => {
            date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))
        }
        Unit::Months(count) => date
            .with_day0(0)?
            .with_month0(date.month0() / count * count),
        Unit::Years(count) => NaiveDate::from_ymd_opt(date.year().div_euclid(count) * count, 1, 1),
    }
}

fn next_day(unit: Unit, date: NaiveDate) -> Option<NaiveDate> {
    match unit {
        Unit::Minutes(_) => date.succ_opt(),
        Unit::Days(count) => {
            let next = date.checked_add_days(Days::new(count))?;
            let new_month = next.month() != date.month();
            if new_month || (count > 1 && next.day() > 30) {
                next.with_day0(0)?
                    .checked_add_months(Months::new(u32::from(!new_month)))
            } else {
                Some(next)
            }
        }
        Unit::Weeks => date.checked_add_days(Days::new(7)),
        Unit::Months(count) => date.checked_add_months(Months::new(count)),
        Unit::Years(count) => NaiveDate::from_ymd_opt(date.year() + count, 1, 1),
    }
}

fn times_of_day(unit: Unit, date: NaiveDate) -> impl Iterator<Item = NaiveDateTime> {
    let (step, count) = match unit {
        Unit::Minutes(step) => (step, 24 * 60 / step),
        Unit::Days(_) | Unit::Weeks | Unit::Months(_) | Unit::Years(_) => (0, 1),
    };
    let midnight = date.and_time(chrono::NaiveTime::MIN);
    (0..count)
        .filter_map(move |index| midnight.checked_add_signed(TimeDelta::minutes(index * step)))
}

/// When a clock in `zone` showed `local`: the first time of two when it was set back; where it was set forward across
/// `local`, nothing, but for a midnight that does not exist the first moment of that day.
fn utc_of(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.timestamp()),
        LocalResult::None if local.time() == chrono::NaiveTime::MIN => {
            (1..=4).find_map(|quarters| {
                let later = local.checked_add_signed(TimeDelta::minutes(30 * quarters))?;
                zone.from_local_datetime(&later)
                    .earliest()
                    .map(|time| time.timestamp())
            })
        }
        LocalResult::None => None,
    }
}

fn begins_greater(unit: Unit, local: NaiveDateTime) -> bool {
    match unit {
        Unit::Minutes(_) => local.time() == chrono::NaiveTime::MIN,
        Unit::Days(_) => local.day() == 1,
        Unit::Weeks => local.day() <= 7,
        Unit::Months(_) => local.month() == 1,
        Unit::Years(_) => false,
    }
}

fn label(unit: Unit, local: NaiveDateTime) -> String {
    let greater = begins_greater(unit, local);
    let format = match unit {
        Unit::Minutes(_) if greater => "%a %-d",
        Unit::Minutes(_) => "%H:%M",
        Unit::Days(_) if greater => "%-d %b",
        Unit::Days(_) => "%a %-d",
        Unit::Weeks => "%-d %b",
        Unit::Months(_) if greater => "%Y",
        Unit::Months(_) => "%b",
        Unit::Years(_) => "%Y",
    };
    local.format(format).to_string()
}

/// The local time of `at` as `Sun 25 Oct 2026 14:05 CET`.
pub(super) fn written_out(at: i64, zone: Tz) -> String {
    DateTime::<Utc>::from_timestamp(at, 0).map_or_else(String::new, |time| {
        time.with_timezone(&zone)
            .format("%a %-d %b %Y %H:%M %Z")
            .to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
            .unwrap()
            .and_utc()
            .timestamp()
    }

    fn labels(start: &str, hours: i64, pixels: f32, zone: Tz) -> String {
        let start = seconds(start);
        let ticks = time_ticks(start, start + hours * HOUR, pixels, zone);
        let labels = ticks.iter().filter(|tick| !tick.label.is_empty());
        labels
            .map(|tick| format!("{}@{}", tick.label, (tick.at - start) as f64 / HOUR as f64))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn ticks_are_round_in_local_time_across_a_clock_change() {
        // In Berlin clocks go back on 2026-10-25 at 01:00 UTC and forward on 2026-03-29 at 01:00 UTC.
        assert_eq!(
            labels("2026-10-24 22:00", 26, 400.0, chrono_tz::Europe::Berlin),
            "Sun 25@0 03:00@4 06:00@7 09:00@10 12:00@13 15:00@16 18:00@19 21:00@22 Mon 26@25"
        );
        assert_eq!(
            labels("2026-03-28 22:00", 5, 400.0, chrono_tz::Europe::Berlin),
            "23:00@0 Sun 29@1 01:00@2 03:00@3 04:00@4 05:00@5"
        );
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_marked_where_the_day_begins() {
        // In Beirut clocks go forward from 00:00 to 01:00 on 2026-03-29, at 2026-03-28 22:00 UTC.
        let found = labels("2026-03-28 10:00", 24, 400.0, chrono_tz::Asia::Beirut);
        assert!(found.contains("Sun 29@12 "), "{found}");
    }

    #[test]
    fn every_period_has_a_few_ticks() {
        for zone in [
            chrono_tz::UTC,
            chrono_tz::Asia::Kathmandu,
            chrono_tz::America::New_York,
        ] {
            for (hours, pixels) in [
                (1, 400.0),
                (6, 400.0),
                (33, 400.0),
                (200, 400.0),
                (800, 400.0),
                (9600, 400.0),
            ] {
                let found = labels("2026-10-10 10:20", hours, pixels, zone);
                let count = found.split('@').count() - 1;
                assert!((3..=14).contains(&count), "{hours} h in {zone}: {found}");
            }
        }
    }

    #[test]
    fn value_ticks_are_round() {
        let check = |low: f64, high: f64, base: Base, expect: &str| {
            let ticks = value_ticks(low, high, 175.0, true, base);
            let found: Vec<String> = ticks
                .into_iter()
                .map(|tick| tick.label.replace('\u{a0}', ""))
                .collect();
            assert_eq!(found.join(" "), expect);
        };
        check(0.0, 100.0, Base::Thousand, "0 20 40 60 80 100");
        check(0.0, 1.3, Base::Thousand, "0 0.5 1.0");
        check(-3e6, 5e6, Base::Thousand, "−2M 0 2M 4M");
        check(0.0, 4.0 * 1024.0_f64.powi(3), Base::Binary, "0 1G 2G 3G 4G");
        check(0.0, 0.02, Base::Thousand, "0 5m 10m 15m 20m");
        check(-110.0, 460.0, Base::Thousand, "0 200 400");
        check(-0.9, 0.9, Base::Thousand, "−500m 0 500m");
    }
}
