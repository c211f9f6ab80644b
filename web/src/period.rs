//! Which stretch of time a picture shows, and when it next changes.
//!
//! A stretch ends at the last complete row of the data as long as data arrives, so that a picture depends on nothing but
//! that row: it is drawn once a row, and a browser may keep it until the next one is due.

use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;

/// The stretches that every graph has: Munin's four, as long as his or nearly so, and an hour for what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Period {
    /// An hour and a bit.
    Hour,
    /// A day and a bit.
    Day,
    /// A week and a day.
    Week,
    /// A month and a bit.
    Month,
    /// A year and a month.
    Year,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Period {
    pub(crate) const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// What a graph's own page shows. In the first hours of a graph a day is nearly empty: it shows the hour too.
    pub(crate) fn of_graph(is_young: bool) -> &'static [Self] {
        if is_young {
            &Self::ALL
        } else {
            &Self::ALL[1..]
        }
    }

    /// The two that stand side by side on the page of a host.
    pub(crate) const fn of_panel(is_young: bool) -> [Self; 2] {
        if is_young {
            [Self::Hour, Self::Day]
        } else {
            [Self::Day, Self::Week]
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Behind a title.
    pub(crate) const fn by(self) -> &'static str {
        match self {
            Self::Hour => "by hour",
            Self::Day => "by day",
            Self::Week => "by week",
            Self::Month => "by month",
            Self::Year => "by year",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == text)
    }

    pub(crate) const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 75 * MINUTE,
            Self::Day => 33 * HOUR,
            Self::Week => 8 * DAY - HOUR,
            Self::Month => 34 * DAY,
            Self::Year => 400 * DAY,
        })
    }
}

/// A stretch of time cut into rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where it begins, on a row.
    pub(crate) start: Timestamp,
    /// Where it ends, on a row.
    pub(crate) end: Timestamp,
    /// Between rows.
    pub(crate) resolution: Duration,
    /// The newest complete row of the data, when there is any; a picture is the same as long as this is.
    pub(crate) last_row: Option<Timestamp>,
    /// How long that will be.
    pub(crate) fresh: Duration,
}

/// Rows that a picture is made of at most; the finest that keeps to it is taken.
const ROWS_MAX: u64 = 2500;

/// The distances between rows that archives commonly have, in seconds.
const LADDER: [u64; 6] = [60, 300, 1800, 7200, 6 * HOUR, DAY];

/// The distance between rows for `span`: `step`, or the first of the ladder that is coarse enough.
pub(crate) fn resolution(span: Duration, step: Duration) -> Duration {
    let step = step.as_secs().max(1);
    let enough = |rows: u64| span.as_secs() / rows <= ROWS_MAX;
    let seconds = if enough(step) {
        step
    } else {
        LADDER
            .into_iter()
            .filter(|rows| *rows > step)
            .find(|rows| enough(*rows))
            .unwrap_or(span.as_secs() / ROWS_MAX)
    };
    Duration::from_secs(seconds.max(1))
}

impl Stretch {
    /// The stretch of a named period that ends now, for data with rows at `step`, last changed at `last_update`.
    pub(crate) fn of_period(
        period: Period,
        step: Duration,
        last_update: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let resolution = resolution(period.span(), step);
        let last_row = last_update.map(|time| time.floor_to(resolution));
        let alive = last_update.is_some_and(|time| now.since(time) < 2 * resolution.max(step));
        let end = match last_row {
            Some(row) if alive => row,
            Some(_) | None => now.floor_to(resolution),
        };
        Self {
            start: (end - period.span()).floor_to(resolution),
            end,
            resolution,
            last_row,
            fresh: fresh(resolution, step, last_update.filter(|_| alive), now),
        }
    }

    /// A stretch of one's own choice.
    pub(crate) fn of_times(
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        last_update: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let resolution = resolution(end.since(start), step);
        let last_row = last_update.map(|time| time.floor_to(resolution));
        let complete = last_row.is_some_and(|row| row >= end);
        Self {
            start: start.floor_to(resolution),
            end,
            resolution,
            // Rows after the end change nothing.
            last_row: last_row.map(|row| row.min(end)),
            fresh: if complete {
                Duration::from_secs(HOUR)
            } else {
                fresh(resolution, step, last_update, now)
            },
        }
    }
}

/// How long until the next row: samples come every `step`, and the first at or after the row's end completes it.
fn fresh(
    resolution: Duration,
    step: Duration,
    last_update: Option<Timestamp>,
    now: Timestamp,
) -> Duration {
    let due = match last_update {
        None => now.floor_to(resolution) + resolution,
        Some(last) => {
            let row_end = last.floor_to(resolution) + resolution;
            let step_micros = step.as_micros().max(1);
            let steps = row_end.since(last).as_micros().div_ceil(step_micros).max(1);
            last + step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
        }
    };
    // A second for the sample's way here; late samples are asked for every second, not faster.
    (due.since(now) + Duration::from_secs(1))
        .clamp(Duration::from_secs(1), resolution + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(super::MINUTE);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn rows_are_the_finest_that_a_picture_has_room_for() {
        let check = |period: Period, step: u64, expect: u64| {
            let found = resolution(period.span(), Duration::from_secs(step)).as_secs();
            assert_eq!(found, expect, "{period:?} {step}");
        };
        check(Period::Day, 60, 60);
        check(Period::Day, 10, 60);
        check(Period::Week, 60, 300);
        check(Period::Month, 60, 1800);
        check(Period::Year, 60, 21600);
        check(Period::Day, 300, 300);
        check(Period::Year, 86400, 86400);
        check(Period::Day, 0, 60);
    }

    #[test]
    fn a_picture_is_kept_until_the_next_row_is_due() {
        // Samples arrive 7 s after the minute; it is 20 s after the minute.
        let stretch = Stretch::of_period(Period::Day, MINUTE, Some(at(60_007)), at(60_020));
        assert_eq!(stretch.end, at(60_000));
        assert_eq!(stretch.fresh, Duration::from_secs(48));
        let week = Stretch::of_period(Period::Week, MINUTE, Some(at(60_007)), at(60_020));
        assert_eq!(
            (week.end, week.fresh),
            (at(60_000), Duration::from_secs(288))
        );
    }

    #[test]
    fn a_silent_graph_goes_on_to_the_present() {
        let stretch = Stretch::of_period(Period::Day, MINUTE, Some(at(60_007)), at(70_000));
        assert_eq!(stretch.end, at(69_960));
        assert_eq!(stretch.fresh, Duration::from_secs(21));
        let new = Stretch::of_period(Period::Day, MINUTE, None, at(70_000));
        assert_eq!((new.end, new.last_row), (at(69_960), None));
    }

    #[test]
    fn the_past_is_kept_long() {
        let past = Stretch::of_times(at(1000), at(2000), MINUTE, Some(at(60_007)), at(60_020));
        assert_eq!(past.fresh, Duration::from_secs(HOUR));
        assert_eq!(past.last_row, Some(at(2000)));
    }
}
