//! `http_`: how long a page takes, which status it answers with, and how long its certificate is still valid.
//!
//! Settings: `env.url` (else `https://` and the instance: `http_www.example.net`), `env.timeout`. One graph for the times,
//! and below it `status` and, over TLS, `certificate`. A status of 0 is no answer.

use crate::declaration::Declaration;
use crate::name::{GraphName, NameError};
use crate::reading::Reading;
use crate::timestamp::Timestamp;

use url::Url;

use super::draft::{Draft, sample};
use super::web::{self, Answer};
use super::{Autoconf, BundledError, Entry, PluginSample, Request};

pub(super) const ENTRY: Entry = Entry {
    name: "http_",
    summary: "times, status and certificate of a web page",
    automatic: false,
    config: declare,
    fetch: |request| {
        let url = url(request)?;
        let answer = web::get(&url, web::timeout(request.environment)?);
        read(request, url.scheme() == "https", answer.ok().as_ref())
    },
    autoconf: |environment| match environment.setting("url") {
        Some(_) => Autoconf::Yes,
        None => Autoconf::No(Some(
            "needs an address, in its name or as env.url".to_owned(),
        )),
    },
    suggest: |_| Vec::new(),
};

/// Parts of the time, in the order in which they follow each other: field, label, info.
const PARTS: [(&str, &str, &str); 5] = [
    ("lookup", "lookup", "Until the name had an address"),
    ("connect", "connect", "Until the connection stood"),
    ("encrypt", "encrypt", "Until the connection was encrypted"),
    ("wait", "wait", "Until the first byte of the answer"),
    ("receive", "receive", "Until the last byte of the answer"),
];

const SECONDS_PER_DAY: f64 = 86_400.0;

fn url(request: &Request<'_>) -> Result<Url, BundledError> {
    let set = request.environment.setting("url");
    if set.is_none() && request.instance.is_empty() {
        return Err(BundledError::Instance {
            plugin: ENTRY.name,
            example: "www.example.net",
        });
    }
    let text = set.map_or_else(|| format!("https://{}/", request.instance), str::to_owned);
    let url = Url::parse(&text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(BundledError::Setting {
            name: "url",
            expected: "an address that begins with http:// or https://",
            found: text,
        })
}

fn below(graph: &GraphName, name: &str) -> Result<GraphName, NameError> {
    GraphName::new(&format!("{graph}.{name}"))
}

fn declare(request: &Request<'_>) -> Result<Vec<Declaration>, BundledError> {
    let url = url(request)?;
    let mut graphs = vec![
        declare_times(request, &url)?,
        declare_status(request, &url)?,
    ];
    if url.scheme() == "https" {
        graphs.push(declare_certificate(request, &url)?);
    }
    Ok(graphs)
}

fn declare_times(request: &Request<'_>, url: &Url) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        request.graph,
        &[
            ("graph_title", &format!("Time of {url}")),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "seconds"),
            ("graph_category", "webserver"),
            (
                "graph_info",
                "How long one request of the page takes, part by part.",
            ),
        ],
    );
    for (name, label, info) in PARTS {
        draft
            .field(
                name,
                &[("label", label), ("draw", "AREASTACK"), ("info", info)],
            )?
            .limits(request.environment);
    }
    let total = [
        ("label", "total"),
        ("colour", "000000"),
        ("info", "The whole request"),
    ];
    draft.field("total", &total)?.limits(request.environment);
    Ok(draft.finish())
}

fn declare_status(request: &Request<'_>, url: &Url) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        &below(request.graph, "status")?,
        &[
            ("graph_title", &format!("Status of {url}")),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "status of HTTP"),
            ("graph_scale", "no"),
            ("graph_printf", "%3.0lf"),
            ("graph_category", "webserver"),
            (
                "graph_info",
                "The number that the server answers with; 0 is no answer.",
            ),
        ],
    );
    let status = [("label", "status"), ("info", "200 to 399 is good")];
    draft
        .field("status", &status)?
        .critical_or(request.environment, "200:399");
    Ok(draft.finish())
}

fn declare_certificate(request: &Request<'_>, url: &Url) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        &below(request.graph, "certificate")?,
        &[
            ("graph_title", &format!("Certificate of {url}")),
            ("graph_args", "--base 1000"),
            ("graph_vlabel", "days"),
            ("graph_scale", "no"),
            ("graph_category", "webserver"),
            (
                "graph_info",
                "How long the certificate is still valid, and whether this host trusts it.",
            ),
        ],
    );
    let days = [
        ("label", "days left"),
        (
            "info",
            "Days until the certificate ends; below zero it has ended",
        ),
    ];
    draft
        .field("days", &days)?
        .limits_or(request.environment, "14:", "3:");
    let trusted = [
        ("label", "trusted"),
        ("graph", "no"),
        (
            "info",
            "1 where this host trusts the certificate for this name, else 0",
        ),
    ];
    draft
        .field("trusted", &trusted)?
        .critical_or(request.environment, "1:");
    Ok(draft.finish())
}

fn read(
    request: &Request<'_>,
    encrypted: bool,
    answer: Option<&Answer>,
) -> Result<Vec<PluginSample>, BundledError> {
    let graph = request.graph;
    let mut samples = Vec::with_capacity(9);
    let times = answer.map(|answer| answer.times);
    let parts = times.map(|times| {
        [
            times.lookup,
            times.connect,
            times.encrypt,
            times.wait,
            times.receive,
        ]
        .map(|part| part.as_secs_f64())
    });
    for (at, (name, ..)) in PARTS.iter().enumerate() {
        let seconds = parts.map_or(Reading::Unknown, |parts| Reading::from_f64(parts[at]));
        samples.push(sample(graph, name, seconds)?);
    }
    let total = parts.map_or(Reading::Unknown, |parts| {
        Reading::from_f64(parts.iter().sum())
    });
    samples.push(sample(graph, "total", total)?);
    let status = answer.map_or(0, |answer| u64::from(answer.status));
    samples.push(sample(
        &below(graph, "status")?,
        "status",
        Reading::Count(status),
    )?);
    if encrypted {
        let graph = below(graph, "certificate")?;
        let certificate = answer.and_then(|answer| answer.certificate.as_ref());
        let end = certificate.and_then(|certificate| certificate.not_after);
        let days = end.map_or(Reading::Unknown, |end| {
            Reading::from_f64(days_between(request.system().now(), end))
        });
        samples.push(sample(&graph, "days", days)?);
        let trusted = certificate.map_or(Reading::Unknown, |certificate| {
            Reading::Count(u64::from(certificate.trusted))
        });
        samples.push(sample(&graph, "trusted", trusted)?);
    }
    Ok(samples)
}

fn days_between(now: Timestamp, end: Timestamp) -> f64 {
    (end.seconds_f64() - now.seconds_f64()) / SECONDS_PER_DAY
}
