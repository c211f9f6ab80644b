//! Where a picture is found: its address for wide and for narrow screens, and as files.
//!
//! The address holds the row that the picture ends with (`row`), which nothing reads: a page that is fetched again shows
//! by it which of its pictures have changed.

use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::pages::show;
use crate::period::{Period, Stretch};
use crate::source::GraphDetail;
use crate::span::Span;

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
    /// What all its addresses need, also as a file: a stretch of time, fields that are left out.
    file_query: String,
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
        Self::new(detail, words, stretch.last_row, zone, size)
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
        let mut shot = Self::new(detail, words, stretch.last_row, zone, size);
        shot.file_query = format!("start={}&end={}", start.seconds(), end.seconds());
        shot
    }

    fn new(
        detail: &GraphDetail,
        (file, words): (&str, String),
        row: Option<Timestamp>,
        zone: Tz,
        size: Size,
    ) -> Self {
        let GraphDetail { host, graph, .. } = detail;
        Self {
            stem: format!("/graph/{host}/{}/{file}", graph.name),
            query: format!(
                "row={}&tz={}",
                row.unwrap_or_default(),
                show::path_segment(zone.name())
            ),
            file_query: String::new(),
            size,
            alt: format!("{} of {host}, {words}", graph.title),
            period: words,
        }
    }

    /// Without the fields that `hide` names.
    pub(crate) fn hiding(mut self, hide: &str) -> Self {
        if !hide.is_empty() {
            let before = std::mem::take(&mut self.file_query);
            let join = if before.is_empty() { "" } else { "&" };
            self.file_query = format!("{before}{join}hide={}", show::path_segment(hide));
        }
        self
    }

    fn address(&self, Size { width, height }: Size) -> String {
        let Self {
            stem,
            query,
            file_query,
            ..
        } = self;
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
        let join = if self.file_query.is_empty() { "" } else { "?" };
        format!("{}.{extension}{join}{}", self.stem, self.file_query)
    }

    /// Its numbers. A table has all fields.
    pub(crate) fn table(&self, extension: &str) -> String {
        let time: Vec<&str> = self
            .file_query
            .split('&')
            .filter(|part| !part.is_empty() && !part.starts_with("hide="))
            .collect();
        let join = if time.is_empty() { "" } else { "?" };
        format!("{}.{extension}{join}{}", self.stem, time.join("&"))
    }
}
