//! Pages, pictures and the API of a running collector: what a browser, a wiki and a script get.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::Cursor;

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::http::{self, Answer};
use ravenry_tests::{program, push, tool, wait};
use serde_json::Value;
use tempfile::TempDir;

/// A collector with an hour of readings of one graph on two hosts.
fn collector() -> Collector {
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[group.\"Berlin/web\"]\nhosts = [\"web*\"]\n[[threshold]]\nwarning = 50\nattempts = 1\n"
    ));
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    let samples: Vec<(i64, f64)> = (0..120)
        .map(|n| {
            (
                now - 30 * (120 - n),
                f64::from(i32::try_from(n % 40).unwrap()),
            )
        })
        .collect();
    for host in ["db1", "web1"] {
        let answer = by
            .push(&push::gauge(host, "load.one", 30, &samples))
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        // A push is acknowledged when it is safe, and judged right after.
        wait::until("the push is judged", || {
            let checks = collector.api(&format!("/hosts/{host}"));
            let checks = checks["checks"].as_array().unwrap();
            checks
                .iter()
                .any(|check| check["graph"] == "load.one" && !check["value"].is_null())
        });
    }
    collector
}

const PICTURE: &str = "/graph/web1/load.one/day";

#[test]
fn every_address_answers_as_it_should() {
    let collector = collector();
    for (path, status, content_type) in [
        ("/", 200, "text/html"),
        ("/group/Berlin", 200, "text/html"),
        ("/group/Berlin/web", 200, "text/html"),
        ("/host/web1", 200, "text/html"),
        ("/graph/web1/load.one", 200, "text/html"),
        ("/compare/load.one", 200, "text/html"),
        ("/category/other", 200, "text/html"),
        ("/incidents", 200, "text/html"),
        ("/agents", 200, "text/html"),
        ("/graph/web1/load.one/week.svg", 200, "image/svg+xml"),
        ("/graph/web1/load.one/year.png", 200, "image/png"),
        ("/graph/web1/load.one/month.csv", 200, "text/csv"),
        ("/graph/web1/load.one/day.json", 200, "application/json"),
        ("/api/v1/checks", 200, "application/json"),
        ("/host/nobody", 404, "text/html"),
        ("/graph/web1/nothing", 404, "text/html"),
        ("/graph/web1/nothing/day.png", 404, ""),
        ("/graph/web1/load.one/decade.png", 404, ""),
        ("/host/..%2f..%2fetc", 404, "text/html"),
        ("/no/such/page", 404, "text/html"),
        ("/api/v1/hosts/nobody", 404, "application/json"),
        ("/api/v1/nothing", 404, "application/json"),
        (
            "/api/v1/hosts/web1/graphs/load.one/data?start=yesterday",
            400,
            "application/json",
        ),
        ("/api/v1/hosts?unread=1", 400, "application/json"),
        (
            "/graph/web1/load.one/day.png?width=1000000&height=1",
            400,
            "",
        ),
    ] {
        let answer = collector.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let found = answer.header("content-type");
        assert!(found.starts_with(content_type), "{path}: {found}");
        assert!(!answer.body.is_empty(), "{path}");
    }
    let posted = http::send(collector.address(), "POST", "/host/web1", &[], b"").unwrap();
    assert_eq!(posted.status, 405, "{}", posted.text());
}

#[test]
fn the_host_page_shows_graphs_and_numbers() {
    let collector = collector();
    let page = collector.get("/host/web1");
    let text = page.text();
    for part in [
        "load.one",
        "/graph/web1/load.one",
        "Berlin/web",
        "<img",
        "day",
        "hour",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    let overview = collector.get("/").text();
    assert!(
        overview.contains("web1") && overview.contains("db1"),
        "{overview}"
    );
    for asset in addresses(&text, "/assets/") {
        let answer = collector.get(&asset);
        assert_eq!(answer.status, 200, "{asset}");
        assert!(
            answer.header("cache-control").contains("immutable"),
            "{asset}"
        );
    }
}

/// The addresses in a page that begin with `prefix`.
fn addresses(page: &str, prefix: &str) -> Vec<String> {
    let rest = page.split('"').filter(|part| part.starts_with(prefix));
    let found: Vec<String> = rest.map(str::to_owned).collect();
    assert!(!found.is_empty(), "no {prefix} in {page}");
    found
}

#[test]
fn pictures_have_validators_that_hold_until_there_is_news() {
    let collector = collector();
    for form in ["svg", "png"] {
        let path = format!("{PICTURE}.{form}");
        let first = collector.get(&path);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 6, "{tag}");
        assert!(first.header("cache-control").contains("max-age="), "{form}");
        let again = with_tag(&collector, &path, &tag);
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(with_tag(&collector, &path, "\"another\"").status, 200);
        let head = http::send(collector.address(), "HEAD", &path, &[], b"").unwrap();
        assert_eq!((head.status, head.header("etag")), (200, tag.as_str()));
    }
}

fn with_tag(collector: &Collector, path: &str, tag: &str) -> Answer {
    let headers = [("if-none-match", tag)];
    http::send(collector.address(), "GET", path, &headers, b"").unwrap()
}

#[test]
fn png_decodes_and_is_not_blank() {
    let collector = collector();
    for (query, width, height) in [
        ("", 0, 0),
        ("?width=640&height=320", 640, 320),
        ("?width=640&height=320&scale=2&theme=dark", 1280, 640),
    ] {
        let answer = collector.get(&format!("{PICTURE}.png{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut reader = png::Decoder::new(Cursor::new(answer.body))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        if width > 0 {
            assert_eq!((frame.width, frame.height), (width, height));
        }
        let used = &pixels[..frame.buffer_size()];
        assert!(
            used.iter().filter(|byte| **byte != used[0]).count() > 1000,
            "{query}"
        );
    }
}

#[test]
fn svg_is_well_formed() {
    let Some(python) = tool::find("python3") else {
        return;
    };
    let collector = collector();
    let folder = TempDir::new().unwrap();
    for period in ["day", "week", "month", "year"] {
        let file = folder.path().join(format!("{period}.svg"));
        let answer = collector.get(&format!("/graph/web1/load.one/{period}.svg"));
        fs::write(&file, &answer.body).unwrap();
        let script = "import sys, xml.dom.minidom; print(xml.dom.minidom.parse(sys.argv[1]).documentElement.tagName)";
        let mut command = program::command(&python);
        let parsed = program::output_of(command.args(["-c", script]).arg(&file));
        assert_eq!(
            (parsed.stdout.trim(), parsed.code),
            ("svg", 0),
            "{}",
            parsed.stderr
        );
    }
}

/// The keys of an object, sorted, as the documents name them.
fn keys(value: &Value) -> String {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys.join(" ")
}

#[test]
fn the_api_has_the_documented_shapes() {
    let collector = collector();
    let hosts = collector.api("/hosts");
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 2);
    let summary = "checks graphs groups last_contact name state worst";
    assert_eq!(keys(&hosts["hosts"][1]), summary);
    let host = collector.api("/hosts/web1");
    assert_eq!(keys(&host), "checks graphs host runs");
    assert_eq!(keys(&host["host"]), summary);
    assert_eq!(host["host"]["groups"], serde_json::json!(["Berlin/web"]));
    assert_eq!(
        keys(&host["graphs"][0]),
        "category last_update latest name step title worst"
    );
    assert_eq!(keys(&host["graphs"][0]["latest"][0]), "field time value");
    let check = host["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["graph"] == "load.one");
    assert_eq!(
        keys(check.unwrap()),
        "check field graph host output reason severity since threshold value"
    );
    assert_eq!(check.unwrap()["threshold"], "warning above 50");

    let graph = collector.api("/hosts/web1/graphs/load.one");
    assert_eq!(graph["step"].as_f64(), Some(30.0));
    for key in [
        "host",
        "name",
        "title",
        "vlabel",
        "category",
        "info",
        "base",
        "period",
        "last_update",
        "latest",
        "checks",
        "fields",
    ] {
        assert!(graph.get(key).is_some(), "{key} in {graph}");
    }
    let data = collector.api("/hosts/web1/graphs/load.one/data?start=-1800&end=now");
    assert_eq!(keys(&data), "cf end fields graph host start step");
    let values = data["fields"][0]["values"].as_array().unwrap();
    let rows = (data["end"].as_f64().unwrap() - data["start"].as_f64().unwrap())
        / data["step"].as_f64().unwrap();
    assert!(
        (values.len() as f64 - rows).abs() < 0.5,
        "{} values, {rows} rows",
        values.len()
    );
    assert!(values.iter().filter(|value| value.is_number()).count() > 50);
    assert!(collector.api("/incidents")["incidents"].is_array());
    assert!(collector.api("/checks?severity=ok")["checks"].is_array());
}
