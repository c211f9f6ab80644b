//! `/log`: what happened, the newest first. `/notices`: what was told to whom, and what became of each notice.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::outbox::LedgerEntry;
use ravenry_plugins::name::HostName;

use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::LogQuery;

/// Entries of a page.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "log.html")]
struct Log {
    frame: Frame,
    host: String,
    incident: String,
    entries: Vec<Row>,
    /// Where older entries are.
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "notices.html")]
struct Notices {
    frame: Frame,
    entries: Vec<LedgerEntry>,
    older: Option<String>,
}

struct Row {
    entry: LogEntry,
    /// How bad it became.
    class: &'static str,
    /// The page of what it is about.
    path: Option<String>,
}

impl Row {
    fn of(entry: LogEntry) -> Self {
        Self {
            class: class(&entry.what),
            path: path(&entry.what),
            entry,
        }
    }
}

/// The page of what an entry is about.
fn path(what: &Happening) -> Option<String> {
    match (what, what.incident()) {
        (_, Some(incident)) => Some(format!("/incident/{incident}")),
        (Happening::Changed { check, .. }, None) => Some(show::check_path(check)),
        (
            Happening::Opened { .. }
            | Happening::Closed { .. }
            | Happening::NotTold { .. }
            | Happening::Done { .. },
            None,
        ) => None,
    }
}

/// The class of an entry: how bad it became.
fn class(what: &Happening) -> &'static str {
    match what {
        Happening::Changed { transition, .. } => transition.to.as_str(),
        Happening::Opened { severity, .. } => severity.as_str(),
        Happening::Closed { .. } => "ok",
        Happening::NotTold { .. } | Happening::Done { .. } => "",
    }
}

fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    }
}

/// The number of the last of a full page.
fn last<T>(entries: &[(u64, T)]) -> Option<u64> {
    let (number, _) = entries.get(SHOWN - 1)?;
    Some(*number)
}

/// Answers `/log`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let host = parameters.take("host", "the name of a host or nothing", |text| match text {
        "" => Some(None),
        text => HostName::new(text).ok().map(Some),
    })?;
    let incident = parameters.take("incident", "the number of an incident or nothing", number)?;
    let before = parameters.take("before", "the number of an entry", number)?;
    parameters.finish("host, incident or before")?;
    let query = LogQuery {
        before: before.flatten(),
        host: host.flatten(),
        incident: incident.flatten(),
        limit: SHOWN,
    };
    let frame = Frame::without_counts(&site, viewer.zone, "log").seen_by(&viewer);
    site.ask(move |source| {
        let entries = source.log(&query);
        let text = |text: Option<String>| text.unwrap_or_default();
        let (host, incident) = (
            text(query.host.as_ref().map(ToString::to_string)),
            text(query.incident.map(|id| id.to_string())),
        );
        let page = Log {
            frame: frame.with_counts(source),
            older: last(&entries)
                .map(|last| format!("/log?host={host}&incident={incident}&before={last}")),
            entries: entries
                .into_iter()
                .map(|(_, entry)| Row::of(entry))
                .collect(),
            host,
            incident,
        };
        super::answer(&headers, &page)
    })
    .await?
}

/// Answers `/notices`.
pub(crate) async fn notices(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let before = parameters.take("before", "the number of an entry", number)?;
    parameters.finish("before")?;
    let frame = Frame::without_counts(&site, viewer.zone, "log").seen_by(&viewer);
    site.ask(move |source| {
        let entries = source.notices(before.flatten(), SHOWN);
        let page = Notices {
            frame: frame.with_counts(source),
            older: last(&entries).map(|last| format!("/notices?before={last}")),
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        };
        super::answer(&headers, &page)
    })
    .await?
}
