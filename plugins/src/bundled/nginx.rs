//! `nginx_status` and `nginx_request`: connections and requests of an nginx, from its page `stub_status`.
//!
//! Settings: `env.url` (`http://localhost/nginx_status`), `env.timeout`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, Request, no_instances, web};

const URL: &str = "http://localhost/nginx_status";
const MARK: &str = "Active connections:";

pub(super) const STATUS: Entry = Entry {
    name: "nginx_status",
    summary: "connections of an nginx web server",
    automatic: false,
    config: |request| Ok(vec![declare_status(request.graph, request.environment)?]),
    fetch: |request| {
        let page = Page::ask(request)?;
        let readings = [
            ("total", page.active),
            ("reading", page.reading),
            ("writing", page.writing),
            ("waiting", page.waiting),
        ];
        let samples = readings.into_iter();
        samples
            .map(|(name, count)| sample(request.graph, name, Reading::Count(count)))
            .collect()
    },
    autoconf: |environment| web::autoconf(environment, url(environment), MARK),
    suggest: no_instances,
};

pub(super) const REQUEST: Entry = Entry {
    name: "nginx_request",
    summary: "requests to an nginx web server",
    automatic: false,
    config: |request| Ok(vec![declare_request(request.graph, request.environment)?]),
    fetch: |request| {
        let count = Reading::Count(Page::ask(request)?.requests);
        Ok(vec![sample(request.graph, "request", count)?])
    },
    autoconf: |environment| web::autoconf(environment, url(environment), MARK),
    suggest: no_instances,
};

fn url(environment: &Environment) -> &str {
    environment.setting("url").unwrap_or(URL)
}

fn declare_status(
    graph: &GraphName,
    environment: &Environment,
) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Nginx status"),
            ("graph_args", "--base 1000"),
            ("graph_category", "nginx"),
            ("graph_vlabel", "Connections"),
            (
                "graph_info",
                "Connections that the web server nginx has open.",
            ),
        ],
    );
    let fields = [
        ("total", "Active connections", "All connections"),
        (
            "reading",
            "Reading",
            "Connections whose request is being read",
        ),
        (
            "writing",
            "Writing",
            "Connections whose answer is being made or sent",
        ),
        (
            "waiting",
            "Waiting",
            "Connections that are kept open for a next request",
        ),
    ];
    for (name, label, info) in fields {
        draft
            .field(name, &[("label", label), ("info", info), ("draw", "LINE")])?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn declare_request(
    graph: &GraphName,
    environment: &Environment,
) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Nginx requests"),
            ("graph_args", "--base 1000"),
            ("graph_category", "nginx"),
            ("graph_vlabel", "Requests per ${graph_period}"),
            ("graph_info", "Requests that the web server nginx was sent."),
        ],
    );
    draft
        .field(
            "request",
            &[
                ("type", "DERIVE"),
                ("min", "0"),
                ("label", "requests"),
                ("draw", "LINE"),
                ("info", "All requests"),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

/// What the page says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    active: u64,
    requests: u64,
    reading: u64,
    writing: u64,
    waiting: u64,
}

impl Page {
    fn ask(request: &Request<'_>) -> Result<Self, BundledError> {
        let url = url(request.environment);
        let text = web::status_page(request.environment, url)?;
        Self::parse(&text).ok_or_else(|| BundledError::Ask {
            of: url.to_owned(),
            why: "expected the page of stub_status, found another".to_owned(),
        })
    }

    /// `Active connections: N`, a heading, `ACCEPTS HANDLED REQUESTS`, `Reading: N Writing: N Waiting: N`.
    fn parse(text: &str) -> Option<Self> {
        let behind = |word: &str| -> Option<u64> {
            let (_, rest) = text.split_once(word)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let counters = text.lines().find_map(|line| {
            let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
            numbers.ok().filter(|numbers| numbers.len() == 3)
        })?;
        Some(Self {
            active: behind(MARK)?,
            requests: counters[2],
            reading: behind("Reading:")?,
            writing: behind("Writing:")?,
            waiting: behind("Waiting:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_stub_status_is_understood() {
        let text = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630947 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n";
        let expect = Page {
            active: 291,
            requests: 31_070_465,
            reading: 6,
            writing: 179,
            waiting: 106,
        };
        assert_eq!(Page::parse(text), Some(expect));
        assert_eq!(Page::parse("<html>It works!</html>"), None);
    }
}
