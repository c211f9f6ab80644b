//! `/`: open incidents first, then all hosts by group. `/group/{group}`: the same for one group and those below it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::name::GroupName;

use crate::pages::frame::{Frame, INCIDENTS_MAX, Viewer};
use crate::pages::incidents::{self, IncidentRow};
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{HostSummary, Source};

/// Up to so many hosts a group is a list with numbers, beyond a wall of names, unless the query says which.
const LIST_MAX: usize = 200;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    /// The group that the page is about; empty for all.
    scope: String,
    hosts: usize,
    incidents: Vec<IncidentRow>,
    groups: Vec<Group>,
    wall: bool,
}

struct Group {
    name: GroupName,
    hosts: Vec<HostSummary>,
    /// How many hosts in which state, worst first.
    counts: Vec<(&'static str, usize)>,
}

/// Answers `/`.
pub(crate) async fn all(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    answer(site, viewer, headers, parameters, None).await
}

/// Answers `/group/{*group}`.
pub(crate) async fn group(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let path = segments.text("group");
    let group = GroupName::new(path).map_err(|_| no_group(path))?;
    answer(site, viewer, headers, parameters, Some(group)).await
}

fn no_group(name: &str) -> Refusal {
    let name: String = name.chars().take(80).collect();
    Refusal::NothingStored(format!(
        "no group {name:?}: no host is in a group of that name"
    ))
}

async fn answer(
    site: Arc<Site>,
    viewer: Viewer,
    headers: HeaderMap,
    mut parameters: Parameters,
    scope: Option<GroupName>,
) -> Result<Response, Refusal> {
    let wall = parameters.take("view", "list or wall", |text| match text {
        "wall" => Some(true),
        "list" => Some(false),
        _ => None,
    })?;
    parameters.finish("view")?;
    let frame = Frame::without_counts(&site, viewer.zone, "overview").seen_by(&viewer);
    site.ask(move |source| {
        let page = Overview::of(source, frame, scope.as_ref(), wall)?;
        super::answer(&headers, &page)
    })
    .await?
}

impl Overview {
    fn of(
        source: &dyn Source,
        frame: Frame,
        scope: Option<&GroupName>,
        wall: Option<bool>,
    ) -> Result<Self, Refusal> {
        let mut hosts = source.hosts();
        if let Some(scope) = scope {
            hosts.retain(|host| host.groups.iter().any(|group| is_within(group, scope)));
            if hosts.is_empty() {
                return Err(no_group(scope.as_str()));
            }
        }
        let incidents = source.incidents(INCIDENTS_MAX);
        let open = incidents.iter().filter(|incident| show::is_open(incident));
        let shown = open.filter(|incident| {
            scope.is_none() || hosts.iter().any(|host| host.name == *incident.cause.host())
        });
        Ok(Self {
            frame: frame.with_incidents(source, &incidents),
            scope: scope.map(ToString::to_string).unwrap_or_default(),
            incidents: incidents::rows(source, shown),
            hosts: hosts.len(),
            wall: wall.unwrap_or(hosts.len() > LIST_MAX),
            groups: groups(hosts, scope),
        })
    }
}

/// Whether `group` is `scope` or below it.
pub(crate) fn is_within(group: &GroupName, scope: &GroupName) -> bool {
    group
        .as_str()
        .strip_prefix(scope.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Hosts by group, in each the worst first; a host in two groups is shown in both.
fn groups(hosts: Vec<HostSummary>, scope: Option<&GroupName>) -> Vec<Group> {
    let mut by_name: BTreeMap<GroupName, Vec<HostSummary>> = BTreeMap::new();
    for host in hosts {
        for name in &host.groups {
            if scope.is_none_or(|scope| is_within(name, scope)) {
                by_name.entry(name.clone()).or_default().push(host.clone());
            }
        }
    }
    by_name
        .into_iter()
        .map(|(name, mut hosts)| {
            hosts.sort_by_key(|host| std::cmp::Reverse(show::host_rank(host)));
            let mut counts: Vec<(&'static str, usize)> = Vec::new();
            for host in &hosts {
                let word = show::host_word(host);
                match counts.last_mut() {
                    Some((last, count)) if *last == word => *count += 1,
                    Some(_) | None => counts.push((word, 1)),
                }
            }
            Group {
                name,
                hosts,
                counts,
            }
        })
        .collect()
}
