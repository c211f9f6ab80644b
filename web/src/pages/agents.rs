//! `/agents`: every host with its last contact and how its plugins run, the broken ones first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{HostDetail, HostSummary, Refused, Source};

/// Hosts whose plugins are looked up; the page says when there are more.
const HOSTS_MAX: usize = 2000;

#[derive(Template)]
#[template(path = "agents.html")]
struct Agents {
    frame: Frame,
    agents: Vec<Agent>,
    hidden: usize,
    refused: Vec<Refused>,
}

struct Agent {
    host: HostSummary,
    plugins: usize,
    failing: usize,
    /// Lines of output that were not understood.
    problems: usize,
    /// The slowest plugin and its time.
    slowest: String,
    /// The first error.
    error: String,
}

impl Agent {
    fn of(detail: HostDetail) -> Self {
        let failed = || detail.runs.iter().filter(|run| run.error.is_some());
        let slowest = detail
            .runs
            .iter()
            .max_by(|a, b| a.duration_seconds.total_cmp(&b.duration_seconds));
        Self {
            plugins: detail.runs.len(),
            failing: failed().count(),
            problems: detail.runs.iter().map(|run| run.problems.len()).sum(),
            slowest: slowest.map_or_else(String::new, |run| {
                format!("{} {}", run.plugin, show::duration(run.duration_seconds))
            }),
            error: failed().next().map_or_else(String::new, |run| {
                format!(
                    "{}: {}",
                    run.plugin,
                    run.error.as_deref().unwrap_or_default()
                )
            }),
            host: detail.summary,
        }
    }
}

fn agents(source: &dyn Source) -> (Vec<Agent>, usize) {
    let hosts = source.hosts();
    let hidden = hosts.len().saturating_sub(HOSTS_MAX);
    let mut agents: Vec<Agent> = hosts
        .iter()
        .take(HOSTS_MAX)
        .filter_map(|host| source.host(&host.name))
        .map(Agent::of)
        .collect();
    agents.sort_by_key(|agent| {
        let silent = show::host_rank(&agent.host) == 6;
        std::cmp::Reverse((silent, agent.failing, agent.problems))
    });
    (agents, hidden)
}

/// Answers `/agents`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let frame = Frame::without_counts(&site, viewer.zone, "agents").seen_by(&viewer);
    site.ask(move |source| {
        let (agents, hidden) = agents(source);
        let page = Agents {
            frame: frame.with_counts(source),
            refused: source.refused(),
            agents,
            hidden,
        };
        super::answer(&headers, &page)
    })
    .await?
}
