//! `/problems`: every check that is not ok, on its own line: found, sorted, and many done something about at once. What
//! another problem explains stands back unless asked for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::{GroupName, HostName};

use crate::actor::Actor;
use crate::pages::act::LENGTHS;
use crate::pages::frame::{Frame, INCIDENTS_MAX, Viewer};
use crate::pages::overview::is_within;
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{CheckView, IncidentView, Source};

/// So many are shown at most.
const SHOWN_MAX: usize = 1000;

#[derive(Template)]
#[template(path = "problems.html")]
struct Problems {
    frame: Frame,
    wanted: Wanted,
    may_act: bool,
    /// Here again, after something was done.
    address: String,
    /// Here with what others explain, or without it.
    other: String,
    groups: Vec<GroupName>,
    problems: Vec<Problem>,
    /// How many fit, shown or not.
    found: usize,
    /// How many stand back because something else explains them.
    explained: usize,
    lengths: &'static [(&'static str, u64)],
}

struct Problem {
    check: CheckView,
    /// Another problem explains it.
    explained: bool,
    /// Who knows of its incident.
    acknowledged: Option<String>,
}

/// What the viewer asked for.
#[derive(Clone, Debug, Default)]
struct Wanted {
    /// Part of a check's name.
    q: String,
    state: Option<Severity>,
    group: Option<GroupName>,
    sort: Sort,
    /// Also what another problem explains.
    all: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Severity,
    Since,
    Name,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Severity, Self::Since, Self::Name];

    fn as_str(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Since => "since",
            Self::Name => "name",
        }
    }
}

impl Wanted {
    fn take(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let state = parameters.take("state", "critical, warning, unknown or nothing", |text| {
            let bad = |severity: &Severity| severity.as_str() == text && !severity.is_ok();
            match text {
                "" => Some(None),
                _ => Severity::ALL.into_iter().find(bad).map(Some),
            }
        })?;
        let group = parameters.take(
            "group",
            "the name of a group or nothing",
            |text| match text {
                "" => Some(None),
                text => GroupName::new(text).ok().map(Some),
            },
        )?;
        let sort = parameters.take("sort", "severity, since or name", |text| {
            Sort::ALL.into_iter().find(|sort| sort.as_str() == text)
        })?;
        let q = parameters.take("q", "part of a name", |text| Some(text.trim().to_owned()))?;
        let all = parameters.take("all", "yes or no", |text| match text {
            "yes" => Some(true),
            "no" | "" => Some(false),
            _ => None,
        })?;
        Ok(Self {
            q: q.unwrap_or_default(),
            state: state.flatten(),
            group: group.flatten(),
            sort: sort.unwrap_or_default(),
            all: all.unwrap_or(false),
        })
    }

    /// Its address, with `all` as given.
    fn address(&self, all: bool) -> String {
        let mut parts = Vec::new();
        let mut say = |name: &str, value: &str| {
            if !value.is_empty() {
                parts.push(format!("{name}={}", show::path_segment(value)));
            }
        };
        say("q", &self.q);
        say("state", self.state.map_or("", Severity::as_str));
        say("group", self.group.as_ref().map_or("", GroupName::as_str));
        if self.sort != Sort::default() {
            say("sort", self.sort.as_str());
        }
        say("all", if all { "yes" } else { "" });
        let join = if parts.is_empty() { "" } else { "?" };
        format!("/problems{join}{}", parts.join("&"))
    }

    /// Whether the host and the check are asked for.
    fn fits(&self, check: &CheckView, members: Option<&BTreeSet<HostName>>) -> bool {
        !check.severity.is_ok()
            && self.state.is_none_or(|state| state == check.severity)
            && members.is_none_or(|members| members.contains(check.name.host()))
            && (self.q.is_empty() || {
                let name = check.name.to_string().to_lowercase();
                name.contains(&self.q.to_lowercase())
            })
    }
}

/// Answers `/problems`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    actor: Actor,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let wanted = Wanted::take(&mut parameters)?;
    parameters.finish("q, state, group, sort or all")?;
    let frame = Frame::without_counts(&site, viewer.zone, "problems").seen_by(&viewer);
    site.ask(move |source| {
        let page = Problems::of(source, frame, wanted, actor.may_act());
        super::answer(&headers, &page)
    })
    .await?
}

impl Problems {
    fn of(source: &dyn Source, frame: Frame, wanted: Wanted, may_act: bool) -> Self {
        let incidents = source.incidents(INCIDENTS_MAX);
        let open: HashMap<u64, &IncidentView> = incidents
            .iter()
            .filter(|incident| show::is_open(incident))
            .map(|incident| (incident.id, incident))
            .collect();
        let hosts = source.hosts();
        let members = wanted.group.as_ref().map(|scope| {
            let inside = hosts
                .iter()
                .filter(|host| host.groups.iter().any(|group| is_within(group, scope)));
            inside.map(|host| host.name.clone()).collect()
        });
        let checks = source.checks().into_iter();
        let mut problems: Vec<Problem> = checks
            .filter(|check| wanted.fits(check, members.as_ref()))
            .map(|check| Problem::of(check, &open))
            .collect();
        let explained = problems.iter().filter(|problem| problem.explained).count();
        if !wanted.all {
            problems.retain(|problem| !problem.explained);
        }
        sort(&mut problems, wanted.sort);
        let found = problems.len();
        problems.truncate(SHOWN_MAX);
        let groups: BTreeSet<GroupName> = hosts.into_iter().flat_map(|host| host.groups).collect();
        Self {
            frame: frame.with_incidents(source, &incidents),
            address: wanted.address(wanted.all),
            other: wanted.address(!wanted.all),
            groups: groups.into_iter().collect(),
            may_act,
            problems,
            found,
            explained,
            wanted,
            lengths: &LENGTHS,
        }
    }
}

impl Problem {
    fn of(check: CheckView, open: &HashMap<u64, &IncidentView>) -> Self {
        let incident = check.incident.and_then(|id| open.get(&id));
        let known = incident.and_then(|incident| incident.acknowledged.as_ref());
        Self {
            explained: incident.is_some_and(|incident| !incident.causes.contains(&check.name)),
            acknowledged: known.map(|known| known.author.clone()),
            check,
        }
    }
}

fn sort(problems: &mut [Problem], by: Sort) {
    use std::cmp::Reverse;
    match by {
        Sort::Severity => problems.sort_by_key(|problem| {
            (
                Reverse(problem.check.severity),
                Reverse(problem.check.since),
            )
        }),
        Sort::Since => problems.sort_by_key(|problem| Reverse(problem.check.since)),
        Sort::Name => problems.sort_by(|a, b| a.check.name.cmp(&b.check.name)),
    }
}
