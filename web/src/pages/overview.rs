//! `/`: open incidents first, then all hosts by group. `/group/{group}`: the same for one group and those below it,
//! with sums and means over it. Hosts are coloured by their state, or by a field.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::graph::Field;
use ravenry_plugins::name::{FieldName, GraphName, GroupName, HostName};
use ravenry_plugins::range::Range;

use crate::combined::{Combined, Form};
use crate::pages::address::Address;
use crate::pages::frame::{Frame, INCIDENTS_MAX, Viewer};
use crate::pages::incidents::{self, IncidentRow};
use crate::pages::over;
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::period::Period;
use crate::refusal::Refusal;
use crate::shot::Shot;
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
    /// By what hosts can be shown: their state, then fields that most of them have.
    by: Vec<By>,
    /// The field that hosts are shown by.
    shown: Option<Shown>,
    /// Of a group: fields as sum and mean over it.
    summaries: Vec<Summary>,
}

/// A link to the page by state, or by a field.
struct By {
    label: String,
    address: String,
    current: bool,
}

struct Summary {
    title: String,
    path: String,
    shots: Vec<Shot>,
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
    let graph = parameters.take("graph", "a graph's name", |text| GraphName::new(text).ok())?;
    let field = parameters.take("field", "a field's name", |text| FieldName::new(text).ok())?;
    parameters.finish("view, graph, field")?;
    let of = graph.zip(field);
    let frame = Frame::without_counts(&site, viewer.zone, "overview").seen_by(&viewer);
    site.ask(move |source| {
        let page = Overview::of(source, frame, scope.as_ref(), (wall, of))?;
        super::answer(&headers, &page)
    })
    .await?
}

impl Overview {
    fn of(
        source: &dyn Source,
        frame: Frame,
        scope: Option<&GroupName>,
        (wall, of): (Option<bool>, Option<(GraphName, FieldName)>),
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
        let concerned = open.filter(|incident| {
            scope.is_none() || hosts.iter().any(|host| host.name == *incident.cause.host())
        });
        let wall = wall.unwrap_or(hosts.len() > LIST_MAX);
        let common = common_fields(source, &hosts);
        let shown = match &of {
            None => None,
            Some(of) => Some(Shown::of(source, of, &common)?),
        };
        let summaries = scope.map(|scope| summaries(source, &frame, scope, &common));
        Ok(Self {
            by: by(&common, wall, of.as_ref()),
            summaries: summaries.unwrap_or_default(),
            frame: frame.with_incidents(source, &incidents),
            scope: scope.map(ToString::to_string).unwrap_or_default(),
            incidents: incidents::rows(source, concerned),
            hosts: hosts.len(),
            wall,
            groups: groups(hosts, scope, shown.as_ref()),
            shown,
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

/// So many hosts are looked at for what most of them have.
const SAMPLE: usize = 24;
/// Fields that are offered.
const OFFERED_MAX: usize = 8;
/// Of them those that a group's page shows over all its hosts.
const SUMMARIES_MAX: usize = 4;

/// A field that most hosts have.
struct Common {
    graph: GraphName,
    field: FieldName,
    title: String,
    label: String,
}

/// The first field of the graphs that at least half of a sample of `hosts` have, those that people look at first in front.
fn common_fields(source: &dyn Source, hosts: &[HostSummary]) -> Vec<Common> {
    const FIRST: [&str; 6] = ["load", "cpu", "memory", "df", "if_", "diskstats"];
    let every = hosts.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<_> = hosts
        .iter()
        .step_by(every)
        .filter_map(|host| source.host(&host.name))
        .collect();
    let mut counts: BTreeMap<GraphName, (usize, Common)> = BTreeMap::new();
    for detail in sample.iter().flat_map(|host| &host.graphs) {
        let graph = &detail.graph;
        let field = graph.fields.iter().find(|field| field.drawn);
        let (Some(field), true) = (field, graph.draws) else {
            continue;
        };
        let common = || Common {
            graph: graph.name.clone(),
            field: field.name.clone(),
            title: graph.title.clone(),
            label: field.label.clone(),
        };
        counts
            .entry(graph.name.clone())
            .or_insert_with(|| (0, common()))
            .0 += 1;
    }
    let enough = sample.len().div_ceil(2).max(1);
    let common = counts.into_values().filter(|(count, _)| *count >= enough);
    let mut common: Vec<Common> = common.map(|(_, common)| common).collect();
    let rank = |common: &Common| {
        let name = common.graph.as_str();
        FIRST
            .iter()
            .position(|first| name.starts_with(first))
            .unwrap_or(FIRST.len())
    };
    common.sort_by_key(rank);
    common.truncate(OFFERED_MAX);
    common
}

fn by(common: &[Common], wall: bool, of: Option<&(GraphName, FieldName)>) -> Vec<By> {
    let view = if wall { "wall" } else { "list" };
    let state = By {
        label: "state".to_owned(),
        address: format!("?view={view}"),
        current: of.is_none(),
    };
    let field = |common: &Common| By {
        label: format!("{}: {}", common.title, common.label),
        address: format!("?view={view}&graph={}&field={}", common.graph, common.field),
        current: of.is_some_and(|(graph, field)| *graph == common.graph && *field == common.field),
    };
    std::iter::once(state)
        .chain(common.iter().map(field))
        .collect()
}

fn summaries(
    source: &dyn Source,
    frame: &Frame,
    scope: &GroupName,
    common: &[Common],
) -> Vec<Summary> {
    let now = source.now();
    let summary = |common: &Common| {
        let of = (&common.graph, &common.field);
        let path = format!("/over/{}/{}", common.graph, common.field);
        let shot = |form: Form| {
            let combined = Combined::of(source, of, Some(scope), form).ok()?;
            let detail = &combined.detail;
            let pairs = [
                ("group", scope.to_string()),
                ("as", form.as_str().to_owned()),
            ];
            let shot = Shot::of(detail, Period::Day, frame.zone, now, Shot::CARD);
            let title = format!("{}, {}", detail.graph.title, form.as_str());
            Some(shot.at(&path, &title, &pairs))
        };
        Summary {
            title: format!("{}: {}", common.title, common.label),
            shots: [Form::Sum, Form::Mean]
                .into_iter()
                .filter_map(shot)
                .collect(),
            path: Address::default()
                .with("group", scope.to_string())
                .to_string(),
        }
        .under(&path)
    };
    common.iter().take(SUMMARIES_MAX).map(summary).collect()
}

impl Summary {
    fn under(self, path: &str) -> Self {
        Self {
            path: format!("{path}{}", self.path),
            ..self
        }
    }
}

/// The colour of a reading: that of the threshold that it violates, else from pale to strong between `least` and `most`.
fn class_of(declared: Option<&Field>, value: f64, (least, most): (f64, f64)) -> &'static str {
    const LEVELS: [&str; 6] = ["h0", "h1", "h2", "h3", "h4", "h5"];
    let outside = |range: Option<Range>| range.is_some_and(|range| range.violated_by(value));
    match declared {
        Some(field) if outside(field.critical) => "critical",
        Some(field) if outside(field.warning) => "warning",
        Some(_) | None => {
            let share = (value - least) / (most - least);
            let level = (share * 5.99).clamp(0.0, 5.0);
            LEVELS.get(level as usize).copied().unwrap_or("h0")
        }
    }
}

/// Hosts by the last reading of a field.
struct Shown {
    graph: GraphName,
    title: String,
    values: HashMap<HostName, Mark>,
    /// What the palest and the strongest colour stand for.
    least: String,
    most: String,
    /// What the addresses of sparklines need.
    sparkline: String,
}

/// A host's reading: its text, and its colour from 0 to 5, or that of its severity.
#[derive(Clone)]
struct Mark {
    value: f64,
    text: String,
    class: &'static str,
}

impl Shown {
    fn of(
        source: &dyn Source,
        (graph, field): &(GraphName, FieldName),
        common: &[Common],
    ) -> Result<Self, Refusal> {
        let latest = source.latest(graph, field);
        let like = latest
            .iter()
            .find_map(|(host, _)| source.graph(host, graph));
        let Some(like) = like else {
            return Err(Refusal::NothingStored(format!(
                "no {graph}/{field} on any host"
            )));
        };
        let known = latest.iter().filter_map(|(_, value)| *value);
        let known: Vec<f64> = known.filter(|value| value.is_finite()).collect();
        let least = known.iter().copied().fold(f64::INFINITY, f64::min).min(0.0);
        let most = known
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
            .max(least);
        let declared = like.graph.field(field.as_str());
        let text = |value| over::reading(Some(&like), field, Some(value));
        let mark = |(host, value): (HostName, Option<f64>)| {
            let value = value.filter(|value| value.is_finite())?;
            let mark = Mark {
                value,
                text: text(value),
                class: class_of(declared, value, (least, most)),
            };
            Some((host, mark))
        };
        let others = like
            .graph
            .fields
            .iter()
            .filter(|other| other.name != *field);
        let others: Vec<&str> = others.map(|field| field.name.as_str()).collect();
        let row = source.now().floor_to(like.step).seconds();
        let sparkline = Address::default()
            .with("form", "sparkline")
            .with("hide", others.join(","))
            .with_all(
                [("theme", "auto"), ("width", "120"), ("height", "22")]
                    .map(|(n, v)| (n, v.to_owned())),
            )
            .with("row", row.to_string());
        let named = common
            .iter()
            .find(|common| common.graph == *graph && common.field == *field);
        let title = named.map_or_else(
            || format!("{}: {field}", like.graph.title),
            |common| format!("{}: {}", common.title, common.label),
        );
        Ok(Self {
            graph: graph.clone(),
            title,
            least: text(least),
            most: text(most),
            values: latest.into_iter().filter_map(mark).collect(),
            sparkline: sparkline.to_string(),
        })
    }

    fn mark(&self, host: &HostSummary) -> Option<&Mark> {
        self.values.get(&host.name)
    }
}

/// Hosts by group, in each the worst first, or the one with the greatest reading; a host in two groups is shown in both.
fn groups(hosts: Vec<HostSummary>, scope: Option<&GroupName>, shown: Option<&Shown>) -> Vec<Group> {
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
            let counts = counts(&hosts);
            if let Some(shown) = shown {
                let value = |host: &HostSummary| {
                    shown
                        .mark(host)
                        .map_or(f64::NEG_INFINITY, |mark| mark.value)
                };
                hosts.sort_by(|a, b| value(b).total_cmp(&value(a)));
            }
            Group {
                name,
                hosts,
                counts,
            }
        })
        .collect()
}

/// How many of `hosts`, sorted by their state, are in which.
fn counts(hosts: &[HostSummary]) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for host in hosts {
        let word = show::host_word(host);
        match counts.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            Some(_) | None => counts.push((word, 1)),
        }
    }
    counts
}
