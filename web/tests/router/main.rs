//! The router over a source in memory: what is answered to whom, with which headers, and that no text becomes markup.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod access;
mod acting;
mod api;
mod description;
mod fake;
mod pages;
mod pictures;
mod reports;
mod search;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use ravenry_web::access::{Access, Door, Key};
use ravenry_web::{Options, router};
use tower::ServiceExt;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn site() -> Router {
    router(
        Arc::new(fake::Fake::new(0)),
        Options::default(),
        everybody(),
    )
}

/// On loopback, without accounts.
fn everybody() -> Arc<Access> {
    let door = Door::local(([127, 0, 0, 1], 4950).into());
    Arc::new(Access::new(door, Duration::from_secs(3600), Key::derive("secret")).0)
}

/// Asks `router` once.
fn ask_with(router: Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(router, method, path, headers, "")
}

/// The same with a body.
fn send(
    router: Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:4950");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask_request(router, request.body(Body::from(body.to_owned())).unwrap())
}

fn ask_request(router: Router, request: Request<Body>) -> Answer {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, 16 << 20).await.unwrap(),
        }
    })
}

fn ask(path: &str) -> Answer {
    ask_with(site(), Method::GET, path, &[])
}

#[test]
fn every_answer_is_fenced_in() {
    for path in [
        "/",
        "/host/web1.example.net",
        "/graph/web1.example.net/df/day.svg",
        "/graph/web1.example.net/df/day.png",
        "/api/v1/hosts",
        "/nowhere",
        "/host/nobody",
        "/api/v1/hosts/nobody",
    ] {
        let answer = ask(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            !policy.contains("script-src 'unsafe") && !policy.contains("http"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    }
}

#[test]
fn what_is_not_there_is_said_in_the_form_that_was_asked_for() {
    let check = |path: &str, status: u16, content_type: &str, sentence: &str| {
        let answer = ask(path);
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(
            answer.header("content-type").starts_with(content_type),
            "{path}"
        );
        assert!(
            answer.text().contains(sentence),
            "{path}: {}",
            answer.text()
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    };
    check("/nowhere", 404, "text/html", "no page");
    check(
        "/host/nobody",
        404,
        "text/html",
        "nothing has been heard of a host",
    );
    check("/host/..%2Fetc", 404, "text/html", "no host");
    check("/host/%FF", 404, "text/html", "no page");
    check(
        "/graph/web1.example.net/nothing",
        404,
        "text/html",
        "no graph",
    );
    check("/graph/nobody/df", 404, "text/html", "no host");
    check("/group/nowhere", 404, "text/html", "no group");
    check("/category/nothing", 404, "text/html", "no category");
    check("/compare/nothing", 404, "text/html", "no graph");
    check(
        "/?veiw=wall",
        400,
        "text/html",
        "parameter veiw: expected view",
    );
    check("/api/v1/nothing", 404, "application/json", "{\"error\":");
    check(
        "/api/v1/hosts/nobody",
        404,
        "application/json",
        "{\"error\":\"no host",
    );
    check(
        "/api/v1/hosts/db-1/graphs/x",
        404,
        "application/json",
        "{\"error\":\"no graph",
    );
    check(
        "/graph/web1.example.net/df/day.gif",
        404,
        "text/plain",
        "no page",
    );
    check(
        "/graph/web1.example.net/nothing/day.svg",
        404,
        "image/svg+xml",
        "no graph",
    );
    check(
        "/graph/web1.example.net/broken/day.svg",
        500,
        "image/svg+xml",
        "cannot be read",
    );
    check(
        "/graph/web1.example.net/broken/day.png",
        500,
        "text/plain",
        "cannot be read",
    );
    check(
        "/graph/web1.example.net/broken/day.json",
        500,
        "application/json",
        "{\"error\":",
    );
    check("/assets/site-0.css", 404, "text/plain", "no page");
}

#[test]
fn what_is_only_shown_says_what_may_be_asked() {
    let check = |method: Method, path: &str, allowed: &str| {
        let answer = ask_with(site(), method, path, &[]);
        let found = (answer.status.as_u16(), answer.header("allow"));
        assert_eq!(found, (405, allowed), "{path}");
    };
    check(Method::POST, "/", "GET,HEAD");
    check(Method::DELETE, "/host/db-1", "GET,HEAD");
    check(Method::PUT, "/api/v1/downtimes", "GET,HEAD,POST");
    check(Method::PUT, "/api/v1/mute", "GET,HEAD,POST,DELETE");
    check(Method::GET, "/api/v1/downtimes/1", "DELETE");
}

#[test]
fn only_who_may_do_something_does_it() {
    let check = |headers: &[(&str, &str)], expect: (u16, &str)| {
        let answer = ask_with(site(), Method::DELETE, "/api/v1/mute", headers);
        assert_eq!(answer.status.as_u16(), expect.0, "{headers:?}");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.contains(expect.1), "{headers:?}: {text}");
    };
    check(
        &[("host", "evil.example")],
        (421, "name it in [http] hosts"),
    );
    check(
        &[("authorization", "Bearer nonsense")],
        (401, "nobody knows this token"),
    );
    let foreign = [("host", "localhost"), ("origin", "https://evil.example")];
    check(&foreign, (403, "from another site"));
    let framed = [("host", "localhost"), ("sec-fetch-site", "cross-site")];
    check(&framed, (403, "from another site"));
}

#[test]
fn head_is_get_without_the_body() {
    for path in [
        "/",
        "/host/db-1",
        "/graph/db-1/load/day.png",
        "/api/v1/hosts",
    ] {
        let (get, head) = (ask(path), ask_with(site(), Method::HEAD, path, &[]));
        assert_eq!(
            (get.status, get.header("etag")),
            (head.status, head.header("etag")),
            "{path}"
        );
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
    }
}

#[test]
fn what_the_browser_has_is_not_sent_again() {
    for path in [
        "/",
        "/host/db-1",
        "/agents",
        "/graph/db-1/load",
        "/graph/db-1/load/day.svg",
        "/api/v1/checks",
    ] {
        for encoding in ["identity", "gzip"] {
            let first = ask_with(site(), Method::GET, path, &[("accept-encoding", encoding)]);
            let tag = first.header("etag").to_owned();
            let gzipped = first.header("content-encoding") == "gzip";
            assert_eq!(tag.ends_with("-gzip\""), gzipped, "{path}: {tag}");
            assert!(first.header("vary").contains("accept-encoding"), "{path}");
            let headers = [
                ("accept-encoding", encoding),
                ("if-none-match", tag.as_str()),
            ];
            let again = ask_with(site(), Method::GET, path, &headers);
            assert_eq!(again.status.as_u16(), 304, "{path} {encoding}");
            assert_eq!(again.header("etag"), tag, "{path} {encoding}");
            assert!(again.body.is_empty());
        }
        let other = ask_with(site(), Method::GET, path, &[("if-none-match", "\"other\"")]);
        assert_eq!(other.status.as_u16(), 200, "{path}");
    }
}

#[test]
fn more_than_can_wait_are_sent_away() {
    let options = Options {
        waiting_max: 0,
        ..Options::default()
    };
    let answer = ask_with(
        router(Arc::new(fake::Fake::new(0)), options, everybody()),
        Method::GET,
        "/",
        &[],
    );
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, "2")
    );
}

#[test]
fn a_link_to_acknowledge_shows_a_form_and_does_nothing_by_itself() {
    let links = ravenry_alerts::link::AckLinks::new(b"0123456789abcdef");
    let fake = Arc::new(fake::Fake::new(0));
    let now = ravenry_web::source::Source::now(&*fake);
    let options = Options {
        ack_links: Some(links.clone()),
        ..Options::default()
    };
    let router = router(fake, options, everybody());
    let good = links.ack_link(42, "night <shift>", now);
    let check = |method: Method, link: &str, status: u16, expect: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = ask_with(router.clone(), method, link, &headers);
        assert_eq!(answer.status.as_u16(), status, "{link}: {}", answer.text());
        assert!(answer.text().contains(expect), "{link}: {}", answer.text());
    };
    check(Method::GET, &good, 200, "as <b>night &#60;shift&#62;</b>");
    check(Method::GET, &good, 200, "<form method=\"post\"");
    check(Method::POST, &good, 200, "<p role=\"status\">Done: ");
    let forged = good.replace("/ack/42", "/ack/41");
    check(Method::POST, &forged, 403, "was not made here");
    check(Method::GET, &forged, 403, "was not made here");
    check(Method::GET, "/ack/42", 403, "was not made here");
    let week = Duration::from_secs(8 * 86_400);
    let old = links.ack_link(42, "ops", now - week);
    check(Method::POST, &old, 403, "older than a week");
}
