//! Pictures and tables of a graph by their addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::http::Method;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::{Options, router};

use super::fake::{Fake, NOW};
use super::{ask, ask_with};

const GRAPH: &str = "/graph/web1.example.net/if_bytes.eth0:1";

#[test]
fn a_graph_has_every_form() {
    let check = |file: &str, content_type: &str, beginning: &[u8]| {
        let answer = ask(&format!("{GRAPH}/{file}"));
        assert_eq!(
            answer.status.as_u16(),
            200,
            "{file}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(answer.header("content-type"), content_type, "{file}");
        assert!(answer.body.starts_with(beginning), "{file}");
    };
    for period in ["day", "week", "month", "year"] {
        check(&format!("{period}.svg"), "image/svg+xml", b"<svg ");
        check(&format!("{period}.png"), "image/png", b"\x89PNG");
    }
    check(
        "day.csv",
        "text/csv; charset=utf-8",
        b"time,down,up\r\n17950",
    );
    check(
        "day.json",
        "application/json",
        b"{\"host\":\"web1.example.net\"",
    );
    check("range.svg?start=-86400", "image/svg+xml", b"<svg ");
    check(
        "range.csv?start=-600&end=now",
        "text/csv; charset=utf-8",
        b"time,down,up\r\n1795",
    );
    check(
        "day.svg?width=300&height=120&theme=auto&legend=no&tz=Asia/Kolkata&row=1",
        "image/svg+xml",
        b"<svg ",
    );
    check(
        "day.png?width=300&height=120&theme=dark&scale=2",
        "image/png",
        b"\x89PNG",
    );
}

#[test]
fn pictures_and_tables_have_what_is_wanted_beside_the_means() {
    let plain = ask(&format!("{GRAPH}/year.svg?band=no")).text().to_owned();
    let check = |query: &str, words: &str| {
        let picture = ask(&format!("{GRAPH}/year.svg?{query}")).text().to_owned();
        assert!(picture != plain && picture.contains(words), "{query}");
        let png = ask(&format!("{GRAPH}/year.png?{query}"));
        assert!(png.body.starts_with(b"\x89PNG"), "{query}");
    };
    check("band=yes", "");
    check("earlier=1w", "faint line: a week earlier");
    check("trend=yes", "dashed line: trend");
    check("forecast=30d", "dashed line: trend");
    check("billing=yes", "95th percentile");

    let check = |query: &str, columns: &str| {
        let table = ask(&format!("{GRAPH}/week.csv?{query}")).text().to_owned();
        let mut lines = table.lines();
        assert_eq!(lines.next(), Some(columns), "{query}");
        let cells = columns.split(',').count();
        assert!(
            lines.all(|line| line.split(',').count() == cells),
            "{query}"
        );
    };
    check("band=yes", "time,down,down.min,down.max,up,up.min,up.max");
    check("earlier=1d", "time,down,down.earlier,up,up.earlier");
    check("forecast=2d", "time,down,down.trend,up,up.trend");
    let json = ask(&format!("{GRAPH}/week.json?billing=yes")).json();
    assert!(json["fields"][0]["billing"]["percentile95"].as_f64() > Some(0.0));
}

#[test]
fn earlier_rows_stand_beside_those_of_the_same_hour() {
    let table = |query: &str| ask(&format!("{GRAPH}/range.csv?{query}")).text().to_owned();
    let now = NOW - NOW % 60;
    let week = table(&format!("start={}&end={now}&earlier=1w", now - 600));
    let (then_start, then_end) = (now - 600 - 604_800, now - 604_800);
    let then = table(&format!("start={then_start}&end={then_end}"));
    let column = |table: &str, index: usize| -> Vec<String> {
        let lines = table.lines().skip(1);
        lines
            .map(|line| line.split(',').nth(index).unwrap().to_owned())
            .collect()
    };
    assert_eq!(column(&week, 2), column(&then, 1));
    assert!(column(&week, 2).len() >= 10);
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let check = |query: &str, sentence: &str| {
        let answer = ask(&format!("{GRAPH}/{query}"));
        assert_eq!(answer.status.as_u16(), 400, "{query}");
        assert!(
            answer.text().contains(sentence),
            "{query}: {}",
            answer.text()
        );
    };
    check(
        "day.png?width=9&height=100",
        "parameter width: expected a whole number from 160 to 4000, found \"9\"",
    );
    check(
        "day.png?width=400&height=100000",
        "parameter height: expected",
    );
    check(
        "day.png?width=400",
        "parameter height: expected pixels beside width",
    );
    check(
        "day.png?theme=pink",
        "parameter theme: expected light, dark or auto, found \"pink\"",
    );
    check("day.png?tz=Mars/Base", "parameter tz: expected a time zone");
    check("day.png?scale=9", "parameter scale: expected 1 or 2");
    check(
        "day.png?colour=red",
        "parameter colour: expected form, width, height",
    );
    check("day.png?theme=dark&theme=dark", "parameter theme");
    check(
        "range.png",
        "parameter start: expected UTC seconds since 1970",
    );
    check(
        "range.png?start=yesterday",
        "parameter start: expected UTC seconds",
    );
    check(
        "range.png?start=200&end=100",
        "parameter start: expected a time at least 60 s before end",
    );
    check("range.png?end=now", "parameter start");
    check(
        "day.csv?theme=dark",
        "parameter theme: expected band, earlier, trend, forecast, billing",
    );
    check(
        "day.svg?earlier=2d",
        "parameter earlier: expected 1d, 1w or 1y",
    );
    check(
        "day.png?forecast=9w",
        "parameter forecast: expected a number of h, d or w, at most the 33 h that are shown",
    );
}

/// A site whose clock the test turns.
fn turned(clock: &Arc<AtomicI64>) -> Router {
    let clock = Arc::clone(clock);
    let now = move || Timestamp::from_seconds(clock.load(Ordering::Relaxed));
    router(
        Arc::new(Fake::at(0, now)),
        Options::default(),
        crate::everybody(),
    )
}

#[test]
fn a_picture_changes_with_its_rows_and_not_between() {
    let clock = Arc::new(AtomicI64::new(NOW));
    let site = turned(&clock);
    let tag = |file: &str, time: i64| {
        clock.store(time, Ordering::Relaxed);
        let answer = ask_with(site.clone(), Method::GET, &format!("{GRAPH}/{file}"), &[]);
        (
            answer.header("etag").to_owned(),
            answer.header("cache-control").to_owned(),
        )
    };
    // It is 20 s after the minute, samples come 7 s after it.
    let (day, kept) = tag("day.svg", NOW);
    assert_eq!(kept, "max-age=48, must-revalidate");
    assert_eq!(
        tag("day.svg", NOW + 40),
        (day.clone(), "max-age=8, must-revalidate".to_owned())
    );
    assert_ne!(tag("day.svg", NOW + 48).0, day);
    let (week, _) = tag("week.svg", NOW);
    assert_eq!(
        tag("week.svg", NOW + 48).0,
        week,
        "a week has rows of five minutes"
    );
    assert_ne!(tag("week.svg", NOW + 348).0, week);
    let past = format!("range.svg?start={}&end={}", NOW - 7200, NOW - 3600);
    let (range, kept) = tag(&past, NOW);
    assert_eq!(kept, "max-age=3600, must-revalidate");
    assert_eq!(
        tag(&past, NOW + 6000).0,
        range,
        "what is past does not change"
    );
}

#[test]
fn what_looks_different_has_another_tag() {
    let mut tags: Vec<String> = [
        "",
        "?theme=dark",
        "?tz=Asia/Kolkata",
        "?legend=no",
        "?width=300&height=200",
    ]
    .iter()
    .map(|query| {
        ask(&format!("{GRAPH}/day.svg{query}"))
            .header("etag")
            .to_owned()
    })
    .collect();
    tags.push(ask(&format!("{GRAPH}/day.png")).header("etag").to_owned());
    tags.push(ask(&format!("{GRAPH}/week.svg")).header("etag").to_owned());
    tags.push(
        ask("/graph/web1.example.net/cpu/day.svg")
            .header("etag")
            .to_owned(),
    );
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count);
}

#[test]
fn a_compressed_picture_is_the_same_picture() {
    let path = format!("{GRAPH}/day.svg");
    let clock = Arc::new(AtomicI64::new(NOW));
    let site = turned(&clock);
    let gzip = ask_with(
        site.clone(),
        Method::GET,
        &path,
        &[("accept-encoding", "br;q=1, gzip;q=0.5")],
    );
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let plain = ask_with(
        site.clone(),
        Method::GET,
        &path,
        &[("accept-encoding", "gzip;q=0")],
    );
    assert_eq!(plain.header("content-encoding"), "");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut text)
        .unwrap();
    assert_eq!(text.as_bytes(), &plain.body[..]);
}

#[test]
fn no_text_becomes_markup_in_a_picture() {
    let answer = ask("/graph/web1.example.net/hostile/day.svg");
    assert!(!answer.text().contains("<script") && answer.text().contains("&lt;script"));
}

#[test]
fn a_field_that_is_left_out_is_in_neither_picture_nor_values() {
    let look = "width=480&height=190&legend=no";
    let labels = |hide: &str| {
        let path = format!("/graph/web1.example.net/df/day.values.json?{look}{hide}");
        let values = ask(&path).json();
        let lines = values["lines"].as_array().unwrap().clone();
        assert!(lines[0]["texts"].as_array().unwrap().len() > 300, "{path}");
        assert_eq!(values["size"], serde_json::json!([480, 190]));
        let line = |line: &serde_json::Value| (line["field"].clone(), line["light"].clone());
        lines.iter().map(line).collect::<Vec<_>>()
    };
    let all = labels("");
    assert_eq!(all[0].0, "_dev_vda1");
    assert_eq!(
        labels("&hide=_dev_vda1"),
        all[1..],
        "the others keep their colours"
    );
    let page = ask("/graph/web1.example.net/df?hide=_dev_vda1");
    assert!(page.text().contains("day.svg?hide=_dev_vda1&#38;"));
    assert!(
        page.text().contains("class=\"hidden-field\"") && page.text().contains("show all fields")
    );
}
