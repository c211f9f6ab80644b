//! What surrounds every page: its head, the bar at the top, the line at the bottom.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::access::{self, Visitor};
use crate::actor::Actor;
use crate::asset;
use crate::pages::show::Moment;
use crate::site::Site;
use crate::source::{IncidentView, Source, Trouble};

/// Incidents that a page asks for at most.
pub(crate) const INCIDENTS_MAX: usize = 500;

/// Often enough that a reading is seen soon after it came; an unchanged page is answered by 304.
const REFRESH_SECONDS: u64 = 15;

/// Who looks at a page, and in which zone.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(crate) zone: Tz,
    /// Who it is; nobody on the page where people sign in.
    pub(crate) actor: Option<Actor>,
    has_session: bool,
}

impl FromRequestParts<Arc<Site>> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        let visitor = parts.extensions.get::<Visitor>();
        let name = visitor.map(|visitor| site.access.cookie_name(*visitor));
        Ok(Self {
            zone: site.viewer_zone(headers),
            actor: parts.extensions.get::<Actor>().cloned(),
            has_session: name.is_some_and(|name| access::cookie(headers, name).is_some()),
        })
    }
}

/// What the layout needs.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    /// Which entry of the bar this is.
    pub(crate) here: &'static str,
    pub(crate) zone: Tz,
    /// Who looks, where it matters who does.
    pub(crate) who: Option<Actor>,
    /// Open incidents, where the page could ask.
    pub(crate) open: Option<usize>,
    /// Whether there are saved views.
    pub(crate) has_views: bool,
    /// What stands in the search field.
    pub(crate) question: String,
    /// What is wrong with the collector itself.
    pub(crate) troubles: Vec<Trouble>,
    /// How often the script looks for news.
    pub(crate) refresh_seconds: u64,
    pub(crate) style: &'static str,
    pub(crate) scripts: [&'static str; 3],
    pub(crate) icon: &'static str,
    pub(crate) version: &'static str,
}

impl Frame {
    /// For a page that asks nothing.
    pub(crate) fn without_counts(site: &Site, zone: Tz, here: &'static str) -> Self {
        Self {
            title: site.options.title.clone(),
            here,
            zone,
            who: None,
            open: None,
            has_views: false,
            question: String::new(),
            troubles: Vec::new(),
            refresh_seconds: REFRESH_SECONDS,
            style: asset::SITE_CSS,
            scripts: [asset::SITE_JS, asset::GRAPH_JS, asset::KEYS_JS],
            icon: asset::ICON_SVG,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// For somebody.
    pub(crate) fn seen_by(self, viewer: &Viewer) -> Self {
        let who = viewer.actor.clone().filter(|_| viewer.has_session);
        Self { who, ..self }
    }

    /// With the number of open incidents, and the collector's troubles.
    pub(crate) fn with_counts(self, source: &dyn Source) -> Self {
        self.with_incidents(source, &source.incidents(INCIDENTS_MAX))
    }

    /// With the number of those that are open, and the collector's troubles.
    pub(crate) fn with_incidents(
        mut self,
        source: &dyn Source,
        incidents: &[IncidentView],
    ) -> Self {
        self.troubles = source.troubles();
        self.has_views = !source.views().is_empty();
        let open = incidents
            .iter()
            .filter(|incident| incident.closed.is_none());
        self.open = Some(open.count());
        self
    }

    /// A time in the zone of the one who looks.
    pub(crate) fn time(&self, time: &Timestamp) -> Moment {
        Moment::at(*time, self.zone)
    }

    /// The same, which the script turns into an age.
    pub(crate) fn age(&self, time: &Timestamp) -> Moment {
        Moment::at(*time, self.zone).as_age()
    }
}
