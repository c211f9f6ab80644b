//! `GET /api/v1/hosts`: all hosts, or those of a group or in a state, sorted by name.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::name::{GroupName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::checks::severity;
use crate::api::page::Page;
use crate::pages::overview::is_within;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::HostSummary;

#[derive(Serialize)]
struct Hosts {
    hosts: Vec<Host>,
    next: Option<String>,
}

/// Hosts that one answer holds.
pub(crate) const HOSTS_MAX: u32 = 100_000;

/// Which hosts are wanted.
struct Filter {
    group: Option<GroupName>,
    state: Option<HostState>,
    worst: Option<Severity>,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            group: parameters.take("group", "a group's name", |text| GroupName::new(text).ok())?,
            state: parameters.take("state", "pending, up, down or unreachable", state)?,
            worst: parameters.take("worst", "ok, unknown, warning or critical", severity)?,
        })
    }

    fn wants(&self, host: &HostSummary) -> bool {
        let is_in = |group: &GroupName| host.groups.iter().any(|own| is_within(own, group));
        self.group.as_ref().is_none_or(is_in)
            && self.state.is_none_or(|state| state == host.state)
            && self.worst.is_none_or(|worst| worst == host.worst)
    }
}

fn state(text: &str) -> Option<HostState> {
    [
        HostState::Pending,
        HostState::Up,
        HostState::Down,
        HostState::Unreachable,
    ]
    .into_iter()
    .find(|state| state.to_string() == text)
}

/// A host as lists show it.
#[derive(Serialize)]
pub(crate) struct Host {
    name: HostName,
    groups: Vec<GroupName>,
    state: HostState,
    worst: Severity,
    checks: Counts,
    last_contact: Option<Timestamp>,
    graphs: usize,
}

#[derive(Serialize)]
struct Counts {
    ok: usize,
    unknown: usize,
    warning: usize,
    critical: usize,
}

impl From<HostSummary> for Host {
    fn from(host: HostSummary) -> Self {
        let [ok, unknown, warning, critical] = host.checks;
        Self {
            name: host.name,
            groups: host.groups,
            state: host.state,
            worst: host.worst,
            checks: Counts {
                ok,
                unknown,
                warning,
                critical,
            },
            last_contact: host.last_contact,
            graphs: host.graphs,
        }
    }
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let filter = Filter::take(&mut parameters)?;
    let page = Page::take(&mut parameters, HOSTS_MAX, HOSTS_MAX)?;
    parameters.finish("group, state, worst, limit, after")?;
    site.ask(move |source| {
        let mut hosts = source.hosts();
        hosts.retain(|host| filter.wants(host));
        let (hosts, next) = page.of_sorted(hosts, |host| host.name.to_string());
        let hosts = hosts.into_iter().map(Host::from).collect();
        super::answer(&headers, &Hosts { hosts, next })
    })
    .await?
}
