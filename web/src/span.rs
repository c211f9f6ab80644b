//! The stretch of time that all graphs of a page show, as its address says it; pure.
//!
//! `start` and `end` are UTC seconds, `-N` for N seconds ago, or a local time as a browser's form writes it
//! (`2026-11-20T18:30`), in the zone that `tz` names. A stretch that is given as "the last N seconds" slides: it ends at
//! the last whole row, so that every graph of the page ends at the same moment and a picture changes once a row.

use chrono::{NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::pages::address::Address;
use crate::parameter::Parameters;
use crate::period;
use crate::refusal::Refusal;
use crate::source::GraphDetail;

/// No picture shows less than this, in seconds.
const LEAST: i64 = 60;
/// Nor more: 20 years.
const MOST: i64 = 20 * 366 * 86_400;

/// A stretch of time, at least a minute and at most 20 years long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// It was asked for as the last so many seconds.
    slides: bool,
}

/// What can be done with a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Half its length back.
    Earlier,
    /// Half its length on.
    Later,
    /// The middle half.
    Closer,
    /// Twice its length around its middle.
    Wider,
}

/// A time as an address has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    At(i64),
    Ago(i64),
}

impl Span {
    /// Takes `start`, `end` and `tz`. An empty `end`, as a form sends it, is now.
    pub(crate) fn take(
        parameters: &mut Parameters,
        now: Timestamp,
        zone: Tz,
    ) -> Result<Option<Self>, Refusal> {
        let expected = "a time zone such as Europe/Berlin";
        let zone = parameters
            .take("tz", expected, |text| text.parse().ok())?
            .unwrap_or(zone);
        let mut said = |name| {
            let expected = "UTC seconds since 1970, -N for N seconds ago, now, or a time such as 2026-11-20T18:30";
            let read = |text: &str| match text {
                "" => Some(None),
                text => read(text, zone).map(Some),
            };
            parameters.take(name, expected, read).map(Option::flatten)
        };
        let (end, start) = (said("end")?, said("start")?);
        match (start, end) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Refusal::parameter("start", "a time beside end", "")),
            (Some(start), end) => Self::of(start, end.unwrap_or(Said::Ago(0)), now).map(Some),
        }
    }

    fn of(start: Said, end: Said, now: Timestamp) -> Result<Self, Refusal> {
        if let (Said::Ago(seconds @ LEAST..=MOST), Said::Ago(0)) = (start, end) {
            return Ok(Self::last(seconds, now));
        }
        let at = |said| match said {
            Said::At(seconds) => Some(seconds),
            Said::Ago(seconds) => now.seconds().checked_sub(seconds),
        };
        match (at(start), at(end)) {
            (Some(start @ 0..), Some(end)) if (LEAST..=MOST).contains(&(end - start)) => Ok(Self {
                start: Timestamp::from_seconds(start),
                end: Timestamp::from_seconds(end),
                slides: false,
            }),
            _ => Err(Refusal::parameter(
                "start",
                "a time from a minute to 20 years before end",
                &format!("{start:?} to {end:?}"),
            )),
        }
    }

    /// From then to then; `None` when that is too short or too long for a picture.
    pub(crate) fn between(start: Timestamp, end: Timestamp) -> Option<Self> {
        let long = (LEAST..=MOST).contains(&(end.seconds() - start.seconds()));
        long.then_some(Self {
            start,
            end,
            slides: false,
        })
    }

    /// The last `seconds`, up to the last whole row.
    fn last(seconds: i64, now: Timestamp) -> Self {
        let length = std::time::Duration::from_secs(seconds.unsigned_abs());
        let row = period::resolution(length, std::time::Duration::from_secs(60));
        let end = now.floor_to(row);
        Self {
            start: end - length,
            end,
            slides: true,
        }
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.end.seconds() - self.start.seconds()
    }

    /// The last `seconds` of an address.
    pub(crate) fn is_last(&self, seconds: i64) -> bool {
        self.slides && self.seconds() == seconds
    }

    /// As an address has it.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        if self.slides {
            return vec![("start", format!("-{}", self.seconds()))];
        }
        vec![
            ("start", self.start.seconds().to_string()),
            ("end", self.end.seconds().to_string()),
        ]
    }

    /// The same as text.
    pub(crate) fn query(&self) -> String {
        Address::default().with_all(self.pairs()).query()
    }

    /// Where that leads; `None` when it is there already. No stretch that was moved goes beyond the present: one that would
    /// ends there and slides.
    pub(crate) fn moved(&self, how: Move, now: Timestamp) -> Option<Self> {
        let length = self.seconds();
        let (start, end) = (self.start.seconds(), self.end.seconds());
        let (start, end) = match how {
            Move::Earlier => (start - length / 2, end - length / 2),
            Move::Later => (start + length / 2, end + length / 2),
            Move::Closer => (start + length / 4, end - length / 4),
            Move::Wider => (start - length / 2, end + length / 2),
        };
        let at_present = self.slides || self.end >= now;
        let stays = match how {
            Move::Earlier => start < 0,
            Move::Later => at_present,
            Move::Closer => end - start < 2 * LEAST,
            Move::Wider => end - start > MOST || start < 0,
        };
        if stays {
            return None;
        }
        if end >= now.seconds() {
            return Some(Self::last(end - start, now));
        }
        Some(Self {
            start: Timestamp::from_seconds(start),
            end: Timestamp::from_seconds(end),
            slides: false,
        })
    }

    /// The stretch for a graph, which must show a row of it at least.
    pub(crate) fn for_graph(&self, detail: &GraphDetail) -> (Timestamp, Timestamp) {
        let start = self.start.min(self.end - detail.step);
        (start, self.end)
    }
}

/// A moment as a browser's form writes it, or in UTC seconds.
pub(crate) fn moment(text: &str, zone: Tz) -> Option<Timestamp> {
    match read(text, zone)? {
        Said::At(seconds) => Some(Timestamp::from_seconds(seconds)),
        Said::Ago(_) => None,
    }
}

fn read(text: &str, zone: Tz) -> Option<Said> {
    if text == "now" {
        return Some(Said::Ago(0));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let seconds: u32 = ago.parse().ok()?;
        return Some(Said::Ago(seconds.into()));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = text.parse().ok()?;
        // The year 9999 and a bit.
        return i64::try_from(seconds)
            .ok()
            .filter(|at| *at < 1 << 38)
            .map(Said::At);
    }
    let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    utc_seconds(local, zone)
        .filter(|at| *at < 1 << 38)
        .map(Said::At)
}

/// The hour that a clock has twice is the first of them; one that it leaves out is that of the clock before the change.
fn utc_seconds(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    let found = zone.from_local_datetime(&local).earliest();
    let found = found.map(|time| time.timestamp());
    found.or_else(|| {
        let hour = TimeDelta::hours(1);
        let before = zone.from_local_datetime(&local.checked_sub_signed(hour)?);
        Some(before.earliest()?.timestamp() + hour.num_seconds())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_200_020;

    fn now() -> Timestamp {
        Timestamp::from_seconds(NOW)
    }

    #[test]
    fn times_are_absolute_relative_or_local() {
        let check = |text: &str, expect: Option<Said>| {
            assert_eq!(read(text, Tz::Europe__Berlin), expect, "{text}");
        };
        check("1795200020", Some(Said::At(NOW)));
        check("-3600", Some(Said::Ago(3600)));
        check("now", Some(Said::Ago(0)));
        check("2026-11-20T19:40", Some(Said::At(1_795_200_000)));
        check("2026-11-20T19:40:20", Some(Said::At(NOW)));
        // Clocks are put back: the first of two; and put forward: an hour that is not there.
        check("2026-10-25T02:30", Some(Said::At(1_792_888_200)));
        check("2026-03-29T02:30", Some(Said::At(1_774_747_800)));
        check("2026-13-20T18:30", None);
        check("+5", None);
        check("1e3", None);
        check("--5", None);
        check("99999999999999999999", None);
        check("999999999999999", None);
        check("-99999999999", None);
    }

    fn span(start: Said, end: Said) -> Span {
        Span::of(start, end, now()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_stretch_has_a_length_that_can_be_drawn() {
        let is_refused = |start, end| Span::of(start, end, now()).is_err();
        assert!(is_refused(Said::Ago(59), Said::Ago(0)));
        assert!(is_refused(Said::At(2000), Said::At(1000)));
        assert!(is_refused(Said::At(0), Said::At(MOST + 1)));
        assert!(is_refused(Said::Ago(i64::from(u32::MAX)), Said::At(5)));
        assert!(!is_refused(Said::At(0), Said::At(60)));
    }

    #[test]
    fn what_slides_ends_with_a_whole_row() {
        let span = span(Said::Ago(3600), Said::Ago(0));
        assert_eq!((span.end.seconds(), span.seconds()), (1_795_200_000, 3600));
        assert_eq!(span.query(), "start=-3600");
    }

    #[test]
    fn moves_lead_as_far_as_the_present() {
        let check = |from: Span, how: Move, expect: Option<&str>| {
            let found = from.moved(how, now()).map(|span| span.query());
            assert_eq!(found.as_deref(), expect, "{from:?} {how:?}");
        };
        let past = span(Said::At(1_795_100_000), Said::At(1_795_104_000));
        check(past, Move::Earlier, Some("start=1795098000&end=1795102000"));
        check(past, Move::Later, Some("start=1795102000&end=1795106000"));
        check(past, Move::Closer, Some("start=1795101000&end=1795103000"));
        check(past, Move::Wider, Some("start=1795098000&end=1795106000"));
        let last = span(Said::Ago(7200), Said::Ago(0));
        check(last, Move::Later, None);
        check(last, Move::Wider, Some("start=-14400"));
        check(last, Move::Earlier, Some("start=1795189200&end=1795196400"));
        let near = span(Said::At(NOW - 4000), Said::At(NOW - 1000));
        check(near, Move::Later, Some("start=-3000"));
        check(span(Said::At(0), Said::At(4000)), Move::Earlier, None);
        check(span(Said::At(0), Said::At(120)), Move::Closer, None);
    }
}
