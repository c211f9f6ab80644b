//! Where a picture is found: its address for wide and for narrow screens.
//!
//! The address holds the row that the picture ends with (`row`), which nothing reads: a page that is fetched again shows
//! by it which of its pictures have changed.

use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::pages::show;
use crate::period::{Period, Stretch};
use crate::source::GraphDetail;

/// Pixels across and upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A picture as pages show it.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) period: &'static str,
    /// `/graph/HOST/GRAPH/day`.
    pub(crate) stem: String,
    /// The part of the query that all its addresses share.
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
    /// Any of them on a phone.
    pub(crate) const NARROW: Size = Size {
        width: 360,
        height: 180,
    };

    pub(crate) fn of(
        detail: &GraphDetail,
        period: Period,
        zone: Tz,
        now: Timestamp,
        size: Size,
    ) -> Self {
        let stretch = Stretch::of_period(period, detail.step, detail.last_update, now);
        let (row, zone) = (
            stretch.last_row.unwrap_or_default(),
            show::path_segment(zone.name()),
        );
        Self {
            period: period.as_str(),
            stem: format!(
                "/graph/{}/{}/{}",
                detail.host,
                detail.graph.name,
                period.as_str()
            ),
            query: format!("row={row}&tz={zone}"),
            size,
            alt: format!(
                "{} of {} by {}",
                detail.graph.title,
                detail.host,
                period.as_str()
            ),
        }
    }

    fn address(&self, Size { width, height }: Size) -> String {
        let Self { stem, query, .. } = self;
        format!("{stem}.svg?{query}&theme=auto&legend=no&width={width}&height={height}")
    }

    pub(crate) fn wide(&self) -> String {
        self.address(self.size)
    }

    pub(crate) fn narrow(&self) -> String {
        self.address(Self::NARROW)
    }
}
