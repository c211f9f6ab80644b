//! `/metrics`: what the collector measures of itself, as Prometheus reads it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ravenry_alerts::severity::{HostState, Severity};

use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{Measure, Source};

/// The text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Open incidents are counted as far as this.
const INCIDENTS_MAX: usize = 10_000;

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let text = site
        .ask(|source| {
            let mut metrics = of_pages(source);
            metrics.extend(source.measured());
            emit(&metrics)
        })
        .await?;
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// What the pages count.
fn of_pages(source: &dyn Source) -> Vec<Measure> {
    let hosts = source.hosts();
    let mut metrics = Vec::new();
    let mut gauge = |name, help, label: Option<(&'static str, &str)>, value: usize| {
        metrics.push(Measure {
            name,
            help,
            is_counter: false,
            label: label.map(|(name, value)| (name, value.to_owned())),
            value: value as f64,
        });
    };
    for state in [
        HostState::Pending,
        HostState::Up,
        HostState::Down,
        HostState::Unreachable,
    ] {
        let count = hosts.iter().filter(|host| host.state == state).count();
        let state = state.to_string();
        let label = Some(("state", state.as_str()));
        gauge("ravenry_hosts", "Hosts by state.", label, count);
    }
    for (at, severity) in Severity::ALL.into_iter().enumerate() {
        let counts = hosts.iter().filter_map(|host| host.checks.get(at));
        let label = Some(("severity", severity.as_str()));
        gauge("ravenry_checks", "Checks by severity.", label, counts.sum());
    }
    let incidents = source.incidents(INCIDENTS_MAX);
    let open = incidents
        .iter()
        .filter(|incident| incident.closed.is_none())
        .count();
    gauge(
        "ravenry_incidents_open",
        "Incidents that are open.",
        None,
        open,
    );
    let troubles = source.troubles().len();
    gauge(
        "ravenry_troubles",
        "What is wrong with the collector itself.",
        None,
        troubles,
    );
    metrics
}

/// The text; metrics of one name stand together.
fn emit(metrics: &[Measure]) -> String {
    let mut text = String::new();
    let mut last = "";
    for metric in metrics {
        // Writing to a String cannot fail.
        if metric.name != last {
            last = metric.name;
            let kind = if metric.is_counter {
                "counter"
            } else {
                "gauge"
            };
            let _ = write!(
                text,
                "# HELP {last} {}\n# TYPE {last} {kind}\n",
                metric.help
            );
        }
        let _ = match &metric.label {
            Some((name, value)) => {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                writeln!(text, "{last}{{{name}=\"{value}\"}} {}", metric.value)
            }
            None => writeln!(text, "{last} {}", metric.value),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_explained_once_and_labels_are_escaped() {
        let metric = |label: &str, value| Measure {
            name: "ravenry_hosts",
            help: "Hosts.",
            is_counter: false,
            label: Some(("state", label.to_owned())),
            value,
        };
        let text = emit(&[metric("up", 2.0), metric("\"\\\n", 0.5)]);
        assert_eq!(
            text,
            "# HELP ravenry_hosts Hosts.\n# TYPE ravenry_hosts gauge\nravenry_hosts{state=\"up\"} 2\nravenry_hosts{state=\"\\\"\\\\\\n\"} 0.5\n"
        );
    }
}
