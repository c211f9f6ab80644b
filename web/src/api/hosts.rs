//! `GET /api/v1/hosts`: all hosts, sorted by name.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::name::{GroupName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::HostSummary;

#[derive(Serialize)]
struct Hosts {
    hosts: Vec<Host>,
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
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    site.ask(move |source| {
        let hosts = source.hosts().into_iter().map(Host::from).collect();
        super::answer(&headers, &Hosts { hosts })
    })
    .await?
}
