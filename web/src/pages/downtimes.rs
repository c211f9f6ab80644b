//! `/downtimes`: the downtimes that run or are announced, and the mute, with the forms that begin and end them.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::quiet::{Downtime, Every, Mute};
use ravenry_plugins::name::GroupName;
use ravenry_plugins::timestamp::Timestamp;

use crate::actor::Actor;
use crate::pages::act::LENGTHS;
use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::Source;

#[derive(Template)]
#[template(path = "downtimes.html")]
struct Downtimes {
    frame: Frame,
    may_act: bool,
    rows: Vec<Row>,
    mute: Option<Mute>,
    groups: Vec<GroupName>,
    /// What the form begins with.
    host: String,
    check: String,
    start: String,
    lengths: &'static [(&'static str, u64)],
}

struct Row {
    downtime: Downtime,
    runs: bool,
    until: Timestamp,
    /// That it waits for a problem, or comes again, in words.
    how: String,
}

/// Answers `/downtimes`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    actor: Actor,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let mut text = |name| parameters.take(name, "a pattern", |text| Some(text.to_owned()));
    let (host, check) = (text("host")?, text("check")?);
    parameters.finish("host or check")?;
    let frame = Frame::without_counts(&site, viewer.zone, "downtimes").seen_by(&viewer);
    site.ask(move |source| {
        let page = Downtimes {
            may_act: actor.may_act(),
            rows: rows(source),
            mute: source.muted(),
            groups: groups(source),
            host: host.unwrap_or_default(),
            check: check.unwrap_or_default(),
            start: show::local_field(source.now(), frame.zone),
            frame: frame.with_counts(source),
            lengths: &LENGTHS,
        };
        super::answer(&headers, &page)
    })
    .await?
}

/// Those that run first, then by their beginning.
fn rows(source: &dyn Source) -> Vec<Row> {
    let now = source.now();
    let downtimes = source.downtimes().into_iter();
    let mut rows: Vec<Row> = downtimes
        .map(|downtime| Row {
            runs: downtime.runs(now),
            until: downtime.over_at(),
            how: how(&downtime),
            downtime,
        })
        .collect();
    rows.sort_by_key(|row| (!row.runs, row.downtime.start));
    rows
}

fn how(downtime: &Downtime) -> String {
    let flexible = downtime.flexible_seconds.map(|seconds| {
        let lasts = show::duration(seconds as f64);
        match downtime.begun {
            Some(_) => format!("{lasts} from its first problem on"),
            None => format!("begins with the first problem, then lasts {lasts}"),
        }
    });
    let again = downtime.repeats.as_ref().map(|repeats| {
        let every = match repeats.every {
            Every::Day => "day",
            Every::Week => "week",
        };
        format!("each {every} at the same time in {}", repeats.zone)
    });
    let words: Vec<String> = flexible.into_iter().chain(again).collect();
    words.join("; ")
}

fn groups(source: &dyn Source) -> Vec<GroupName> {
    let hosts = source.hosts().into_iter();
    let groups: BTreeSet<GroupName> = hosts.flat_map(|host| host.groups).collect();
    groups.into_iter().collect()
}
