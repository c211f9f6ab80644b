//! Local time: what the clocks of a zone show at a moment, and the moment at which they show something, as C's
//! `localtime` and `mktime` have it. Pure: the zone is an argument.

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{OffsetComponents as _, OffsetName as _, Tz};

use crate::civil::{DAY, Date};

/// What a clock with a calendar shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) date: Date,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Whether it is summer time.
    pub(crate) summer: bool,
    /// Seconds that the clock is ahead of UTC.
    pub(crate) east: i64,
}

/// Fields for [`moment`]: each may be outside its range and then counts on, as 32 January is 1 February.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) year: i64,
    /// Counts from 1.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Whether the fields are meant in summer time; `None` leaves it to the zone.
    pub(crate) summer: Option<bool>,
}

impl Local {
    /// What the clocks show at `time`, UTC seconds. Zones are known until 2100, as if they did not change from then on.
    pub(crate) fn at(time: i64, zone: Tz) -> Self {
        let (east, summer) = offset(time, zone);
        let local = time.saturating_add(east);
        let seconds = local.rem_euclid(DAY);
        Self {
            date: Date::of_day(local.div_euclid(DAY)),
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            summer,
            east,
        }
    }

    /// The same as fields, of which some may then be changed.
    pub(crate) fn fields(self) -> Fields {
        Fields {
            year: self.date.year,
            month: self.date.month,
            day: self.date.day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            summer: Some(self.summer),
        }
    }
}

/// Seconds east of UTC at `time`, and whether that is summer time.
fn offset(time: i64, zone: Tz) -> (i64, bool) {
    DateTime::from_timestamp(time, 0).map_or((0, false), |time| {
        let offset = zone.offset_from_utc_datetime(&time.naive_utc());
        let east = i64::from(offset.fix().local_minus_utc());
        (east, !offset.dst_offset().is_zero())
    })
}

/// The zone's name at `time`, such as `CEST`, or its distance from UTC where it has none.
pub(crate) fn zone_name(time: i64, zone: Tz) -> String {
    let offset = DateTime::from_timestamp(time, 0)
        .map(|time| zone.offset_from_utc_datetime(&time.naive_utc()));
    let named = offset.and_then(|offset| offset.abbreviation().map(str::to_owned));
    named.unwrap_or_else(|| match self::offset(time, zone).0 {
        0 => "UTC".to_owned(),
        east if east % 3600 == 0 => format!("{:+03}", east / 3600),
        east => format!("{:+05}", east / 3600 * 100 + east % 3600 / 60),
    })
}

/// How far apart C's `mktime` looks for a moment with the kind of time that was asked for, and how far it goes.
const STRIDE: i64 = 601_200;
const REACH: i64 = 536_454_000 / 2 + STRIDE;
/// Years that a moment may be in.
const YEAR_MAX: i64 = 200_000;

/// The moment, UTC seconds, at which the clocks show `fields`. Of two such moments the one in the time that is asked for,
/// else the first. What no clock shows, because they are put forward, is counted from before. When `fields` ask for summer
/// time in winter or the other way, they are counted in the offset that the nearest such time has.
pub(crate) fn moment(fields: Fields, zone: Tz) -> Option<i64> {
    let months = fields.year.checked_mul(12)?.checked_add(fields.month - 1)?;
    let first = Date {
        year: months.div_euclid(12),
        month: months.rem_euclid(12) + 1,
        day: 1,
    };
    if first.year.abs() > YEAR_MAX || fields.day.abs() > YEAR_MAX * 366 {
        return None;
    }
    let day = first.number() + fields.day - 1;
    let shown = day * DAY + fields.hour * 3600 + fields.minute * 60 + fields.second;
    let around = [shown - DAY, shown + DAY].map(|time| shown - offset(time, zone).0);
    let valid = |time: &i64| time + offset(*time, zone).0 == shown;
    let asked = |time: &i64| {
        fields
            .summer
            .is_none_or(|summer| offset(*time, zone).1 == summer)
    };
    let found = around.into_iter().filter(valid).find(asked);
    let Some(summer) = fields.summer else {
        return Some(
            found
                .or_else(|| around.into_iter().find(valid))
                .unwrap_or(around[0]),
        );
    };
    let nearest = || {
        let strides = (1..REACH / STRIDE).flat_map(|stride| [-stride * STRIDE, stride * STRIDE]);
        let others = strides.map(|stride| offset(around[0] + stride, zone));
        others
            .filter(|(_, kind)| *kind == summer)
            .map(|(east, _)| shown - east)
            .next()
    };
    Some(found.or_else(nearest).unwrap_or(around[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment and what Zürich's clocks show then.
    #[track_caller]
    fn check(time: i64, shown: (i64, i64, i64, i64, i64), summer: bool) {
        let local = Local::at(time, Tz::Europe__Zurich);
        let Date { year, month, day } = local.date;
        assert_eq!((year, month, day, local.hour, local.minute), shown);
        assert_eq!(local.summer, summer);
        assert_eq!(moment(local.fields(), Tz::Europe__Zurich), Some(time));
    }

    #[test]
    fn moments_and_clocks_are_each_others_inverse() {
        check(0, (1970, 1, 1, 1, 0), false);
        check(1_784_900_000, (2026, 7, 24, 15, 33), true);
        // The hour that comes twice.
        check(1_792_888_200, (2026, 10, 25, 2, 30), true);
        check(1_792_891_800, (2026, 10, 25, 2, 30), false);
    }

    #[test]
    fn the_other_kind_of_time_is_an_hour_away() {
        let summer = Local::at(1_784_900_000, Tz::Europe__Zurich).fields();
        let winter = Fields { month: 1, ..summer };
        let shown = Fields {
            summer: None,
            ..winter
        };
        let apart = moment(shown, Tz::Europe__Zurich).unwrap()
            - moment(winter, Tz::Europe__Zurich).unwrap();
        assert_eq!(apart, 3600);
    }

    #[test]
    fn zones_have_names() {
        for (zone, name) in [
            (Tz::Europe__Zurich, "CEST"),
            (Tz::UTC, "UTC"),
            (Tz::Asia__Kathmandu, "+0545"),
        ] {
            assert_eq!(zone_name(1_784_900_000, zone), name);
        }
    }
}
