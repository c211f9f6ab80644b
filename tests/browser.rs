//! A person with a browser at a running collector: a first visit, dragging, pointing, going back, hiding fields, a phone,
//! the dark, a browser without scripts. Pictures of the pages are kept (`target/screenshots`): they are worth a look.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use ravenry_tests::browser::Browser;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::{push, wait};
use serde_json::{Value, json};

/// An hour of readings of two fields, one with thresholds.
fn traffic(host: &str, now: i64) -> Value {
    let times: Vec<i64> = (0..120).map(|n| now - 30 * (120 - n)).collect();
    let rises: Vec<i64> = (0..120).map(|n| n % 40).collect();
    let falls: Vec<i64> = (0..120).map(|n| 40 - n % 40).collect();
    json!({
        "version": 1,
        "host": host,
        "graphs": [{
            "graph": "traffic",
            "attributes": [["graph_title", "Traffic"], ["graph_category", "network"], ["update_rate", "30"],
                ["graph_info", "What came in and what went out."]],
            "fields": [
                {"field": "rises", "attributes": [["label", "rises"], ["warning", "30"], ["critical", "60"]]},
                {"field": "falls", "attributes": [["label", "falls"]]},
            ],
        }],
        "series": {"graph": ["traffic", "traffic"], "field": ["rises", "falls"]},
        "samples": {
            "series": ([vec![0; times.len()], vec![1; times.len()]].concat()),
            "time": ([times.clone(), times].concat()),
            "value": ([rises, falls].concat()),
        },
    })
}

/// A collector with two graphs on two hosts.
fn collector() -> Collector {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    let samples: Vec<(i64, f64)> = (0..120_i32)
        .map(|n| (now - 30 * i64::from(120 - n), f64::from(n % 40)))
        .collect();
    for host in ["db1", "web1"] {
        for batch in [
            push::gauge(host, "load.one", 30, &samples),
            traffic(host, now),
        ] {
            let answer = by.push(&batch).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        wait::until("the graphs are there and judged", || {
            let host = collector.api_if_there(&format!("/hosts/{host}"));
            host.is_some_and(|host| {
                let judged = |check: &Value| !check["value"].is_null();
                host["graphs"].as_array().unwrap().len() == 2
                    && host["checks"].as_array().unwrap().iter().any(judged)
            })
        });
    }
    collector
}

/// A browser at a desk, at that collector.
fn at_a_desk(collector: &Collector) -> Option<Browser> {
    let mut browser = Browser::started(collector.address())?;
    browser.resize(1280, 1000);
    Some(browser)
}

const LOADED: &str = "[...document.querySelectorAll('img.graph')].every(i => !i.checkVisibility() \
    || i.loading === 'lazy' && i.getBoundingClientRect().top > innerHeight || i.complete && i.naturalWidth > 0)";

#[test]
fn a_mouse_zooms_all_graphs_points_at_numbers_and_hides_fields() {
    let collector = collector();
    let Some(mut browser) = at_a_desk(&collector) else {
        return;
    };
    first_visit(&mut browser);
    zoom_by_dragging(&mut browser);
    pointing(&mut browser);
    hiding_a_field(&mut browser);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

fn first_visit(browser: &mut Browser) {
    browser.open("/");
    browser.wait_for("document.querySelector('main').textContent.includes('web1')");
    browser.shoot("overview");
    browser.click("main a[href='/host/web1']");
    browser.wait_for("location.pathname === '/host/web1' && document.readyState === 'complete'");
    browser.wait_for("document.querySelectorAll('img.graph').length === 4");
    browser.wait_for(LOADED);
    browser.shoot("host");
}

fn zoom_by_dragging(browser: &mut Browser) {
    browser.open("/host/web1");
    browser.wait_for(LOADED);
    let [from, to] = [0.4, 0.7].map(|across| browser.place("img.graph", (across, 0.5)));
    browser.drag(from, to);
    browser.wait_for("location.search.includes('start=') && location.search.includes('end=')");
    browser.wait_for(
        "document.querySelectorAll('img.graph').length === 2 && [...document.querySelectorAll('img.graph')]\
         .every(i => i.src.includes('/range.svg?' + location.search.slice(1)))",
    );
    browser.wait_for(LOADED);
    browser.shoot("host-zoomed");
    browser.back();
    browser.wait_for(
        "!location.search && document.querySelector('img.graph').src.includes('/hour.svg')",
    );
}

fn pointing(browser: &mut Browser) {
    browser.open("/graph/web1/load.one");
    browser.wait_for(LOADED);
    let place = browser.place("img.graph", (0.7, 0.5));
    browser.point(place);
    browser.wait_for("!document.querySelector('.readout').hidden");
    let told = browser.ask("document.querySelector('.readout td').textContent");
    let number: f64 = told.as_str().unwrap().trim().parse().unwrap();
    assert!((0.0..40.0).contains(&number), "{told}");
    browser.shoot("graph-pointed-at");
    browser.point((5.0, 5.0));
    browser.wait_for("document.querySelector('.readout').hidden");
}

fn hiding_a_field(browser: &mut Browser) {
    browser.open("/graph/web1/traffic");
    browser.click("table.legend tbody tr:first-child a[data-stay]");
    browser.wait_for("new URLSearchParams(location.search).get('hide') === 'rises'");
    browser.wait_for("document.querySelectorAll('tr.hidden-field').length === 1");
    browser.wait_for(
        "[...document.querySelectorAll('img.graph')].every(i => i.src.includes('hide=rises'))",
    );
    browser.wait_for(LOADED);
    browser.shoot("graph-hidden-field");
    browser.back();
    browser.wait_for("!document.querySelector('tr.hidden-field')");
}

/// Texts whose contrast to what is behind them is below WCAG's AA.
const TOO_FAINT: &str = r"(() => {
    const channels = (text) => { const p = text.match(/[\d.]+/g).map(Number); return p.length < 4 ? [...p, 1] : p; };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const ground = (e) => {
        const own = e ? channels(getComputedStyle(e).backgroundColor) : channels(getComputedStyle(document.documentElement).colorScheme && matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)');
        return own[3] === 1 || !e ? own : over(own, ground(e.parentElement));
    };
    const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.nodeValue.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        const style = getComputedStyle(e), behind = ground(e), text = over(channels(style.color), behind);
        const [a, b] = [light(text), light(behind)].sort((x, y) => y - x);
        const large = parseFloat(style.fontSize) >= 24;
        if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) found.add(e.tagName + '.' + e.className + ' ' + ((a + 0.05) / (b + 0.05)).toFixed(2) + ': ' + e.textContent.trim().slice(0, 30));
    }
    return [...found];
})()";

const PAGES: [&str; 8] = [
    "/",
    "/?view=wall",
    "/host/web1",
    "/graph/web1/traffic",
    "/category/network",
    "/compare/traffic",
    "/incidents",
    "/agents",
];

#[test]
fn pages_are_read_on_a_phone_in_the_dark_and_on_a_wall() {
    let collector = collector();
    let Some(mut browser) = at_a_desk(&collector) else {
        return;
    };
    let largest = [PAGES[0], PAGES[2], PAGES[3]];
    for (scheme, width, height, pages) in [
        ("light", 360, 740, &PAGES[..]),
        ("dark", 1280, 1000, &PAGES[..]),
        ("light", 3840, 2160, &largest[..]),
    ] {
        browser.prefer("prefers-color-scheme", scheme);
        browser.resize(width, height);
        for path in pages {
            browser.open(path);
            let name = path.trim_start_matches('/').replace(['/', '?', '='], "-");
            browser.wait_for(LOADED);
            browser.shoot(&format!("{scheme}-{width}-{name}"));
            assert_eq!(
                browser.sideways(),
                0,
                "{path} reaches beyond {width} pixels"
            );
            let faint = browser.ask(TOO_FAINT);
            assert_eq!(
                faint,
                json!([]),
                "{path} in {scheme} colours at {width} pixels"
            );
        }
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn without_scripts_links_and_forms_do_the_same() {
    let collector = collector();
    let Some(mut browser) = at_a_desk(&collector) else {
        return;
    };
    browser.allow_scripts(false);
    browser.open("/graph/web1/traffic");
    browser.click("a[data-stay=last][href='?start=-10800']");
    browser.wait_for("location.search === '?start=-10800' && document.querySelector('img.graph').src.includes('/range.svg')");
    browser.click("a[data-stay=earlier]");
    browser.wait_for("location.search.includes('end=') && document.readyState === 'complete'");
    browser.wait_for(LOADED);
    browser.click("table.legend tbody tr:first-child a[data-stay]");
    browser.wait_for(
        "location.search.includes('hide=rises') && document.querySelector('tr.hidden-field')!==null",
    );
    browser.click("nav.time summary");
    browser.click("nav.time form button");
    browser.wait_for(
        "location.search.includes('tz=') && document.querySelector('tr.hidden-field')!==null",
    );
    browser.wait_for(LOADED);
    browser.shoot("graph-without-scripts");
    browser.back();
    browser.wait_for("!location.search.includes('tz=')");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn a_threshold_is_tried_by_a_form() {
    let collector = collector();
    let Some(mut browser) = at_a_desk(&collector) else {
        return;
    };
    browser.allow_scripts(false);
    browser.open("/graph/web1/traffic");
    browser.click("a[data-stay='earlier-a day']");
    browser.wait_for("document.querySelector('img.graph').src.includes('earlier=1d')");
    browser.wait_for("document.readyState === 'complete'");
    browser.ask("document.querySelector('input[name=warning]').value = '20'");
    browser.ask("document.querySelector('input[name=for]').value = '2m'");
    browser.click("form.try button");
    browser.wait_for("document.querySelector('#try').closest('section').textContent.includes('would have been told')");
    browser.wait_for(
        "['warning=20', 'for=2m', 'earlier=1d'].every(p => document.querySelector('img.graph').src.includes(p))",
    );
    browser.wait_for(LOADED);
    browser.shoot("graph-tried");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
