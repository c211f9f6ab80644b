//! Search, saved views and the wall.

use std::sync::Arc;

use axum::http::Method;
use ravenry_web::{Options, router};
use serde_json::Value;

use super::fake::Fake;
use super::{ask, ask_with, everybody};

/// What the API finds, as `kind name`, in its order.
fn found(question: &str) -> Vec<String> {
    let hits = ask(&format!("/api/v1/search?q={question}")).json();
    let hits = hits["hits"].as_array().unwrap().iter();
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap().to_owned();
    hits.map(|hit| format!("{} {}", text(hit, "kind"), text(hit, "name")))
        .collect()
}

#[test]
fn things_are_found_by_parts_of_their_names_the_best_first() {
    let check = |question: &str, expect: &[&str]| {
        let found = found(question);
        let expect: Vec<String> = expect.iter().map(|hit| (*hit).to_owned()).collect();
        assert!(found.starts_with(&expect), "{question}: {found:?}");
    };
    check("db-1", &["host db-1"]);
    check("WEB1", &["host web1.example.net"]);
    check("berlin", &["group Berlin DC/db"]);
    check("web1+df", &["graph df on web1.example.net"]);
    assert!(
        found("df").contains(&"graph df".to_owned()),
        "{:?}",
        found("df")
    );
    assert_eq!(found("nothing-has-this-name"), [""; 0]);
}

#[test]
fn every_hit_leads_to_a_page() {
    for question in ["e", "o", "load", "web1+e"] {
        let hits = ask(&format!("/api/v1/search?q={question}&limit=1000")).json();
        let hits = hits["hits"].as_array().unwrap().clone();
        assert!(!hits.is_empty(), "{question}");
        for hit in hits {
            let path = hit["path"].as_str().unwrap();
            let path = path.split('#').next().unwrap();
            assert_eq!(ask(path).status, 200, "{hit}");
        }
    }
}

#[test]
fn the_search_page_works_without_a_script() {
    let home = ask("/");
    assert!(home.text().contains("action=\"/search\""));
    let page = ask("/search?q=db-1");
    assert!(
        page.text().contains("href=\"/host/db-1\""),
        "{}",
        page.text()
    );
    assert!(page.text().contains("value=\"db-1\""));
    let script = ask("/search?q=%3Cscript%3E");
    assert!(!script.text().contains("<script>"));
    assert_eq!(ask("/search").status, 200);
    let many = ask("/search?q=a+b+c+d+e+f+g+h+i");
    assert!(many.text().contains("at most 8 words"));
}

#[test]
fn ten_thousand_hosts_are_searched_and_the_answer_stays_small() {
    let router = router(Arc::new(Fake::new(10_000)), Options::default(), everybody());
    let page = ask_with(router, Method::GET, "/search?q=node0", &[]);
    assert_eq!(page.status, 200);
    assert!(page.text().contains(" more; further words narrow it"));
    assert!(page.body.len() < 50_000, "{}", page.body.len());
}

#[test]
fn a_saved_view_is_a_name_for_an_address() {
    let view = ask("/view/web");
    assert_eq!(
        (view.status.as_u16(), view.header("location")),
        (303, "/compare/load?period=week")
    );
    assert_eq!(ask("/view/nothing").status, 404);
    let views = ask("/views");
    assert!(
        views.text().contains("href=\"/compare/load?period=week\"")
            && views.text().contains("Load of all")
    );
    assert!(ask("/").text().contains("href=\"/views\""));
}

#[test]
fn the_wall_shows_one_view_after_the_other_without_a_script() {
    let first = ask("/wall?views=web,all&every=20");
    assert_eq!(first.status, 200, "{}", first.text());
    assert!(
        first
            .text()
            .contains("content=\"20;url=/wall?views=web,all&#38;every=20&#38;at=1\""),
        "{}",
        first.text()
    );
    assert!(first.text().contains("<body class=\"on-wall\""));
    assert!(
        !first.text().contains("href=\"?"),
        "links are as on the page itself"
    );
    assert!(first.text().contains("<h1>load"), "{}", first.text());
    let second = ask("/wall?views=web,all&every=20&at=1");
    assert!(second.text().contains("at=0"), "{}", second.text());
    assert!(ask("/wall").text().contains("30;url="));
    let gzip = ask_with(
        super::site(),
        Method::GET,
        "/wall",
        &[("accept-encoding", "gzip")],
    );
    assert_eq!(gzip.header("content-encoding"), "gzip");
    for (path, status) in [
        ("/wall?views=nothing", 404),
        ("/wall?views=web&every=1", 400),
        ("/wall?views=,", 400),
    ] {
        assert_eq!(ask(path).status, status, "{path}");
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let answer = ask("/metrics");
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(
        answer
            .text()
            .contains("# TYPE ravenry_hosts gauge\nravenry_hosts{state=\"pending\"}"),
        "{}",
        answer.text()
    );
}
