//! Pages: what they show, that all of it is text, that every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::Method;
use ravenry_web::{Options, router};

use super::fake::{Fake, HOSTILE};
use super::{ask, ask_with, site};

const PAGES: [&str; 15] = [
    "/",
    "/?view=wall",
    "/group/Berlin%20DC",
    "/host/web1.example.net",
    "/host/new_host",
    "/graph/web1.example.net/hostile",
    "/graph/web1.example.net/if_bytes.eth0:1?start=-3600",
    "/compare/load?period=week",
    "/over/hostile/a?group=Berlin%20DC",
    "/?view=list&graph=load&field=load",
    "/compare/load?start=2026-11-20T10:00&end=&tz=Europe/Berlin",
    "/host/web1.example.net?start=-7200",
    "/graph/web1.example.net/hostile?start=-7200&hide=b",
    "/incidents",
    "/agents",
];

#[test]
fn no_text_becomes_markup() {
    for path in PAGES {
        let answer = ask(path);
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
        let html = answer.text();
        assert!(
            !html.contains(HOSTILE) && !html.contains("<script>") && !html.contains("<b>!"),
            "{path}"
        );
        assert!(
            !html.contains("style=") && !html.contains("onclick"),
            "{path} has something inline"
        );
    }
    assert!(
        ask("/graph/web1.example.net/hostile")
            .text()
            .contains("alert(1)")
    );
}

#[test]
fn open_incidents_come_first_and_say_who_was_told() {
    let answer = ask("/");
    let at = |text: &str| {
        answer
            .text()
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?}"))
    };
    assert!(at("2 open incidents") < at("Berlin DC/db"));
    at("night shift by mail at 18:31: problem");
    at("not told: the host is down, incident 41 covers it");
    assert!(
        !answer.text().contains("load is 12.5"),
        "a closed incident is not shown here"
    );
    assert!(ask("/incidents").text().contains("load is 12.5"));
}

#[test]
fn the_worst_host_of_a_group_comes_first() {
    let html = ask("/group/ungrouped").text().to_owned();
    assert!(html.find("10.0.0.7</a></th>").unwrap() < html.find("new_host</a></th>").unwrap());
    assert!(!html.contains("db-1"), "other groups are not shown");
    assert!(
        ask("/group/Berlin%20DC").text().contains("db-1"),
        "groups below are"
    );
}

#[test]
fn last_readings_are_there_before_the_first_row() {
    let html = ask("/host/web1.example.net").text().to_owned();
    let panel = html.split("Declared a moment ago</a>").nth(1).unwrap();
    assert!(panel.contains("counter read once") && panel.contains(">gauge</th>"));
}

#[test]
fn a_host_page_shows_its_agents_health() {
    let answer = ask("/host/web1.example.net");
    for text in [
        "smartctl: &#60;permission&#62; denied",
        "fetch:3: expected a number",
        "2 failing",
    ] {
        assert!(answer.text().contains(text), "{text}");
    }
}

#[test]
fn times_are_shown_in_the_zone_of_the_one_who_looks() {
    let berlin = ask_with(
        site(),
        Method::GET,
        "/incidents",
        &[("cookie", "a=b; tz=Europe/Berlin")],
    );
    let utc = ask("/incidents");
    let odd = ask_with(
        site(),
        Method::GET,
        "/incidents",
        &[("cookie", "tz=../../etc")],
    );
    assert!(
        utc.text()
            .contains("datetime=\"2026-11-20T18:30:00Z\">2026-11-20 18:30:00<"),
        "{}",
        utc.text()
    );
    assert!(
        berlin
            .text()
            .contains("datetime=\"2026-11-20T18:30:00Z\">2026-11-20 19:30:00<")
    );
    assert_eq!(odd.body, utc.body);
    let host = ask_with(
        site(),
        Method::GET,
        "/host/db-1",
        &[("cookie", "tz=Europe/Berlin")],
    );
    assert!(
        host.text().contains("&#38;tz=Europe%2FBerlin&#38;"),
        "pictures too"
    );
}

/// Parameters by which a page is shown in another way.
const CHOICES: [&str; 12] = [
    "as=",
    "group=",
    "graph=",
    "start=",
    "hide=",
    "earlier=",
    "trend=",
    "forecast=",
    "band=",
    "billing=",
    "warning=",
    "critical=",
];

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut asked: BTreeMap<(String, String, bool), usize> = BTreeMap::new();
    let mut open: Vec<String> = vec!["/".to_owned()];
    while let Some(path) = open.pop() {
        // Of what differs only in choices a few are enough.
        let alike = path.split('/').nth(1).map(|first| {
            let choices = CHOICES
                .iter()
                .filter(|choice| path.contains(**choice))
                .copied();
            let form = path.split('?').next().unwrap().rsplit('.').next().unwrap();
            (
                first.to_owned(),
                choices.collect::<String>(),
                form.len() < 5,
            )
        });
        let alike = alike.filter(|(_, choices, _)| !choices.is_empty());
        if let Some(kind) = alike {
            let count = asked.entry(kind).or_insert(0);
            *count += 1;
            if *count > 12 {
                continue;
            }
        }
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = ask(&path);
        let broken = path.contains("/broken/") && answer.status.as_u16() == 500;
        assert!(
            answer.status.is_success() || broken,
            "{path}: {}",
            answer.status
        );
        // From one stretch of time, or choice of what is shown, there is always another one.
        let has_no_end = CHOICES.iter().any(|choice| path.contains(choice));
        if !has_no_end && answer.header("content-type").starts_with("text/html") {
            open.extend(links(answer.text(), &path));
        }
        assert!(seen.len() < 2000, "the site has no end");
    }
    assert!(seen.len() > 60, "{}", seen.len());
}

fn links(html: &str, here: &str) -> Vec<String> {
    let here = here.split('?').next().unwrap();
    ["href=\"", "src=\"", "srcset=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .map(|link| {
            link.replace("&#38;", "&")
                .split('#')
                .next()
                .unwrap()
                .to_owned()
        })
        .filter(|link| !link.is_empty())
        .map(|link| {
            if link.starts_with('?') {
                format!("{here}{link}")
            } else {
                link
            }
        })
        .collect()
}

#[test]
fn one_time_holds_for_all_graphs_of_a_page() {
    let check = |path: &str, expect: &[&str], never: &[&str]| {
        let answer = ask(path);
        let html = answer.text().replace("&#38;", "&");
        assert_eq!(answer.status.as_u16(), 200, "{path}: {html}");
        for text in expect {
            assert!(html.contains(text), "{path} lacks {text}");
        }
        for text in never {
            assert!(!html.contains(text), "{path} has {text}");
        }
    };
    let range = "range.svg?start=1795190000&end=1795197200&";
    let query = "start=1795190000&end=1795197200";
    check(
        &format!("/host/web1.example.net?{query}"),
        &[
            range,
            "href=\"/graph/web1.example.net/df?start=1795190000&end=1795197200\"",
            "data-stay=\"earlier\" href=\"?start=1795186400&end=1795193600\"",
            "data-stay=\"wider\" href=\"?start=-14400\"",
            "data-stay=\"close\" href=\"?\"",
        ],
        &["day.svg", "week.svg"],
    );
    check(&format!("/compare/load?{query}"), &[range], &["day.svg"]);
    check(&format!("/category/disk?{query}"), &[range], &["day.svg"]);
    check(
        &format!("/graph/db-1/load?{query}"),
        &[
            range,
            "day.svg",
            "range.csv?start=1795190000&end=1795197200",
        ],
        &[],
    );
    // What a form sends is a local time with its zone.
    check(
        "/host/db-1?start=2026-11-20T16:53:20&end=2026-11-20T18:53:20&tz=Europe/Berlin",
        &[range],
        &[],
    );
    // What slides ends on the same row on each graph, and the address says no more than that it slides.
    check(
        "/host/db-1?start=-3600",
        &[
            "range.svg?start=1795196400&end=1795200000&",
            "aria-current=\"true\">1 h<",
        ],
        &["data-stay=\"later\""],
    );
    for (path, sentence) in [
        (
            "/host/db-1?end=5",
            "parameter start: expected a time beside end",
        ),
        (
            "/host/db-1?start=5&end=4",
            "a time from a minute to 20 years before end",
        ),
        (
            "/compare/load?start=soon",
            "parameter start: expected UTC seconds",
        ),
        (
            "/graph/db-1/load?hide=a%20b",
            "parameter hide: expected names of fields",
        ),
    ] {
        let answer = ask(path);
        assert_eq!(answer.status.as_u16(), 400, "{path}");
        assert!(
            answer.text().contains(sentence),
            "{path}: {}",
            answer.text()
        );
    }
}

#[test]
fn ten_thousand_hosts_are_one_small_page() {
    let router = router(
        Arc::new(Fake::new(10_000)),
        Options::default(),
        crate::everybody(),
    );
    let plain = ask_with(router.clone(), Method::GET, "/", &[]);
    assert!(plain.text().contains("node09999"));
    assert!(plain.body.len() < 1_000_000, "{}", plain.body.len());
    let gzip = ask_with(router, Method::GET, "/", &[("accept-encoding", "gzip")]);
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert!(gzip.body.len() < 100_000, "{}", gzip.body.len());
}

#[test]
fn assets_are_kept_for_ever() {
    let html = ask("/").text().to_owned();
    let style = html
        .split("stylesheet\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let answer = ask_with(site(), Method::GET, style, &[("accept-encoding", "gzip")]);
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        (
            answer.header("content-type"),
            answer.header("content-encoding")
        ),
        ("text/css; charset=utf-8", "gzip")
    );
}

#[test]
fn what_is_drawn_beside_the_numbers_is_a_link_away_and_stays() {
    let host = ask("/host/web1.example.net?start=-7200&earlier=1w");
    for text in [
        "href=\"?start=-7200&#38;earlier=1d\"",
        "href=\"?start=-7200\" aria-current=\"true\"",
        "href=\"?earlier=1w\"",
        "/graph/web1.example.net/load?start=-7200&#38;earlier=1w",
        "&#38;earlier=1w&#38;row=",
    ] {
        assert!(host.text().contains(text), "{text}: {}", host.text());
    }
    let graph = ask("/graph/web1.example.net/load?forecast=744h&billing=yes");
    for text in [
        // No picture forecasts more than it shows.
        "load/day.svg?forecast=33h&#38;billing=yes&#38;row=",
        "load/month.csv?forecast=744h&#38;billing=yes",
        ">95%</th>",
        ">total</th>",
    ] {
        assert!(graph.text().contains(text), "{text}: {}", graph.text());
    }
}

#[test]
fn a_threshold_is_tried_in_pictures_and_in_words() {
    let path = "/graph/web1.example.net/load?field=load&warning=0.5&for=5m";
    let page = ask(path);
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    for text in [
        "load/day.svg?field=load&#38;warning=0.5&#38;for=5m&#38;row=",
        "somebody would have been told",
        "warning = &#34;0.5&#34;\ncritical = &#34;none&#34;\nattempts = 5\n",
        "href=\"?\">stop trying</a>",
    ] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    // The form of a page that nobody filled in.
    let empty = ask("/graph/web1.example.net/load?field=load&warning=&critical=&for=");
    assert!(!empty.text().contains("would have been told"));
    for (query, expected) in [
        ("field=nosuch&warning=1", "a field of load"),
        ("field=load&warning=high", "a good range"),
        ("field=load&warning=1&for=ever", "how long it must last"),
    ] {
        let answer = ask(&format!("/graph/web1.example.net/load?{query}"));
        assert_eq!(answer.status.as_u16(), 400, "{query}");
        assert!(
            answer.text().contains(expected),
            "{query}: {}",
            answer.text()
        );
    }
}

#[test]
fn one_field_is_shown_over_the_hosts_of_a_group() {
    let page = ask("/over/load/load?group=Berlin%20DC&as=sum&earlier=1w");
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    for text in [
        "/over/load/load/day.svg?group=Berlin%20DC&#38;as=sum&#38;earlier=1w&#38;row=",
        "href=\"?group=Berlin%20DC&#38;as=each&#38;earlier=1w\"",
        "<a href=\"/graph/db-1/load\">db-1</a>",
        "load of Berlin DC",
    ] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    assert!(
        !page.text().contains("new_host"),
        "other groups have hosts of their own"
    );
    let each = ask("/over/load/load?as=each");
    assert!(
        each.text().contains("/graph/db-1/load/day.svg?row="),
        "{}",
        each.text()
    );
    let group = ask("/group/Berlin%20DC");
    assert!(
        group
            .text()
            .contains("/over/load/load/day.svg?group=Berlin%20DC&#38;as=average")
    );
    for path in [
        "/over/nosuch/load",
        "/over/load/nosuch",
        "/over/load/load?group=nosuch",
    ] {
        assert_eq!(ask(path).status.as_u16(), 404, "{path}");
    }
}

#[test]
fn a_sum_is_what_its_hosts_add_up_to() {
    let rows = |path: &str| -> Vec<f64> {
        let answer = ask(path);
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
        let data: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        let values = data["fields"][0]["values"].as_array().unwrap().clone();
        values
            .iter()
            .map(|value| value.as_f64().unwrap_or(f64::NAN))
            .collect()
    };
    let own: Vec<Vec<f64>> = ["web1.example.net", "db-1"]
        .map(|host| rows(&format!("/graph/{host}/load/day.json")))
        .to_vec();
    let sum = rows("/over/load/load/day.json?group=Berlin%20DC&as=sum");
    let mean = rows("/over/load/load/day.json?group=Berlin%20DC&as=average");
    assert_eq!(sum.len(), own[0].len());
    for (at, sum) in sum.iter().enumerate() {
        let both = own[0][at] + own[1][at];
        let same = |a: f64, b: f64| (a - b).abs() < 1e-9 || (a.is_nan() && b.is_nan());
        assert!(
            same(*sum, both) && same(mean[at], both / 2.0),
            "row {at}: {sum} of {both}"
        );
    }
    for file in ["day.svg", "week.png", "year.values.json", "month.csv"] {
        let answer = ask(&format!("/over/load/load/{file}"));
        assert_eq!(answer.status.as_u16(), 200, "{file}");
    }
}

#[test]
fn hosts_are_coloured_by_a_field_with_its_reading_beside() {
    let wall = ask("/?view=wall&graph=load&field=load");
    assert!(wall.text().contains("<li class=\"h"), "{}", wall.text());
    assert!(
        wall.text()
            .contains("<a href=\"/graph/db-1/load\">db-1</a>")
    );
    let list = ask("/?view=list&graph=load&field=load");
    let at = list.text().find("day.svg?form=sparkline").unwrap();
    let address = list.text()[..at].rsplit('"').next().unwrap().to_owned();
    let rest = list.text()[at..]
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&");
    let picture = ask(&format!("{address}{rest}"));
    assert_eq!(picture.status.as_u16(), 200, "{}", picture.text());
    assert!(
        picture.text().contains("width=\"120\" height=\"22\""),
        "{}",
        picture.text()
    );
    assert_eq!(ask("/?graph=nosuch&field=x").status.as_u16(), 404);
}
