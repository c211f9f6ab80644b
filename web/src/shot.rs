//! Where a picture is found: its address for wide and for narrow screens, and as files.
//!
//! The address holds the row that the picture ends with (`row`), which nothing reads: a page that is fetched again shows
//! by it which of its pictures have changed.

use std::time::Duration;

use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::choice::Choice;
use crate::pages::address::Address;
use crate::pages::show;
use crate::period::{Period, Stretch};
use crate::source::GraphDetail;
use crate::span::Span;
use crate::trial::Trial;

/// Pixels across and upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A picture as pages show it.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    /// What is shown, in a word: `day`, or a length of time.
    pub(crate) period: String,
    /// `/graph/HOST/GRAPH/day`.
    pub(crate) stem: String,
    /// How long it shows.
    span: Duration,
    /// What all its addresses need, tables, too: a stretch of time, what is there beside the numbers.
    shows: Address,
    /// What those of pictures need: fields that are left out, a threshold that is tried.
    looks: Address,
    /// The part of the query that its addresses on pages share.
    query: String,
    pub(crate) size: Size,
    /// What it shows, for those who do not see it.
    pub(crate) alt: String,
}

impl Shot {
    /// One of several beside each other.
    pub(crate) const PANEL: Size = Size {
        width: 480,
        height: 190,
    };
    /// In the place of two of these.
    pub(crate) const WIDE: Size = Size {
        width: 968,
        height: 220,
    };
    /// One of many in a grid.
    pub(crate) const CARD: Size = Size {
        width: 390,
        height: 180,
    };
    /// One of the four of a graph's page.
    pub(crate) const LARGE: Size = Size {
        width: 620,
        height: 260,
    };
    /// The one that a graph's page is about.
    pub(crate) const OWN: Size = Size {
        width: 1240,
        height: 340,
    };
    /// Any of them on a phone.
    pub(crate) const NARROW: Size = Size {
        width: 360,
        height: 180,
    };

    /// A named period.
    pub(crate) fn of(
        detail: &GraphDetail,
        period: Period,
        zone: Tz,
        now: Timestamp,
        size: Size,
    ) -> Self {
        let stretch = Stretch::of_period(period, detail.step, detail.last_update, now);
        let words = (period.as_str(), format!("by {}", period.as_str()));
        Self::new(detail, words, &stretch, zone, size)
    }

    /// A stretch of one's own.
    pub(crate) fn over(
        detail: &GraphDetail,
        span: &Span,
        zone: Tz,
        now: Timestamp,
        size: Size,
    ) -> Self {
        let (start, end) = span.for_graph(detail);
        let stretch = Stretch::of_times(start, end, detail.step, detail.last_update, now);
        let length = show::duration(span.seconds() as f64);
        let words = ("range", length);
        let mut shot = Self::new(detail, words, &stretch, zone, size);
        shot.shows = Address::default()
            .with("start", start.seconds().to_string())
            .with("end", end.seconds().to_string());
        shot
    }

    fn new(
        detail: &GraphDetail,
        (file, words): (&str, String),
        stretch: &Stretch,
        zone: Tz,
        size: Size,
    ) -> Self {
        let GraphDetail { host, graph, .. } = detail;
        Self {
            stem: format!("/graph/{host}/{}/{file}", graph.name),
            query: format!(
                "row={}&tz={}",
                stretch.last_row.unwrap_or_default(),
                show::path_segment(zone.name())
            ),
            span: stretch.end.since(stretch.start),
            shows: Address::default(),
            looks: Address::default(),
            size,
            alt: format!("{} of {host}, {words}", graph.title),
            period: words,
        }
    }

    /// One of a graph that no host has, at the address `path`, with `pairs` in every address.
    pub(crate) fn at(mut self, path: &str, title: &str, pairs: &[(&'static str, String)]) -> Self {
        let file = self.stem.rsplit('/').next().unwrap_or_default();
        self.stem = format!("{path}/{file}");
        self.shows = self.shows.with_all(pairs.to_vec());
        self.alt = format!("{title}, {}", self.period);
        self
    }

    /// With that beside the numbers.
    pub(crate) fn beside(mut self, choice: &Choice) -> Self {
        self.shows = self.shows.with_all(choice.pairs_within(self.span));
        self
    }

    /// Without the fields that `hide` names.
    pub(crate) fn hiding(mut self, hide: &str) -> Self {
        self.looks = self.looks.with("hide", hide);
        self
    }

    /// With a threshold that is tried.
    pub(crate) fn trying(mut self, trial: Option<&Trial>) -> Self {
        let pairs = trial.map(Trial::pairs).into_iter().flatten();
        self.looks = self.looks.with_all(pairs);
        self
    }

    fn file_query(&self) -> String {
        let looks = self.looks.pairs().to_vec();
        self.shows.with_all(looks).query()
    }

    fn address(&self, Size { width, height }: Size) -> String {
        let Self { stem, query, .. } = self;
        let file_query = self.file_query();
        let join = if file_query.is_empty() { "" } else { "&" };
        format!(
            "{stem}.svg?{file_query}{join}{query}&theme=auto&legend=no&width={width}&height={height}"
        )
    }

    pub(crate) fn wide(&self) -> String {
        self.address(self.size)
    }

    pub(crate) fn narrow(&self) -> String {
        self.address(Self::NARROW)
    }

    /// The picture with everything, to keep.
    pub(crate) fn drawn(&self, extension: &str) -> String {
        self.file(extension, &self.file_query())
    }

    /// Its numbers. A table has all fields.
    pub(crate) fn table(&self, extension: &str) -> String {
        self.file(extension, &self.shows.query())
    }

    fn file(&self, extension: &str, query: &str) -> String {
        let join = if query.is_empty() { "" } else { "?" };
        format!("{}.{extension}{join}{query}", self.stem)
    }
}
