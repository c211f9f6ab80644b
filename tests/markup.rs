//! Every page that links lead to, from the running program: it is there, its HTML is valid, and everybody can use it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use ravenry_tests::browser::Browser;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::{program, push, tool, wait, web_tools};
use serde_json::Value;
use tempfile::TempDir;

/// Addresses that are visited at most; one of each kind of page is enough.
const VISITS_MAX: usize = 400;
/// Of addresses that differ in their parameters alone so many are visited.
const SAME_PATH_MAX: usize = 6;

fn collector() -> Collector {
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[group.\"Berlin/web\"]\nhosts = [\"web*\"]\n[[threshold]]\nwarning = 5\nattempts = 1\n\
         [[view]]\nname = \"web\"\ntitle = \"Web & more\"\naddress = \"/group/Berlin/web?view=wall\"\n\
         [[view]]\nname = \"load\"\naddress = \"/compare/load\"\n"
    ));
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    for (host, value) in [("web1", 1.0), ("web2", 9.0), ("db1", 7.0)] {
        let samples = [(now - 120, 1.0), (now - 60, 2.0), (now, value)];
        for graph in ["load", "disk.one"] {
            let pushed = by.push(&push::gauge(host, graph, 60, &samples)).unwrap();
            assert_eq!(pushed.status, 200, "{}", pushed.text());
        }
    }
    wait::until("the pushes are judged", || {
        let open = collector.api("/incidents?state=open");
        !open["incidents"].as_array().unwrap().is_empty()
    });
    collector
}

/// The addresses of this site in a page: links, pictures, scripts, forms that ask.
fn addresses(page: &str, base: &str) -> Vec<String> {
    let parts = page
        .split('<')
        .filter(|tag| !tag.contains("method=\"post\""));
    let values = parts.flat_map(|tag| {
        ["href=\"", "src=\"", "action=\""]
            .into_iter()
            .filter_map(move |name| {
                let (_, rest) = tag.split_once(name)?;
                rest.split('"').next()
            })
    });
    let path = base.split('?').next().unwrap();
    let whole = |value: &str| {
        let value = value.replace("&amp;", "&").replace("&#38;", "&");
        let value = value.split('#').next().unwrap().to_owned();
        match value.chars().next() {
            None => None,
            Some('?') => Some(format!("{path}{value}")),
            Some('/') => Some(value),
            // A relative one would lead elsewhere from each page: nothing answers to this, which is told.
            Some(_) => Some(format!("/relative/{value}")),
        }
    };
    values.filter_map(whole).collect()
}

/// Every page by its address, each visited once.
fn pages(collector: &Collector) -> BTreeMap<String, String> {
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut same_path: BTreeMap<String, usize> = BTreeMap::new();
    let mut pages = BTreeMap::new();
    while let Some(address) = waiting.pop_front() {
        let answer = collector.get(&address);
        assert_eq!(answer.status, 200, "{address}: {}", answer.text());
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        let page = answer.text();
        for found in addresses(&page, &address) {
            let path = found.split('?').next().unwrap().to_owned();
            let count = same_path.entry(path).or_default();
            if *count < SAME_PATH_MAX && seen.len() < VISITS_MAX && seen.insert(found.clone()) {
                *count += 1;
                waiting.push_back(found);
            }
        }
        pages.insert(address, page);
    }
    pages
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_valid() {
    let collector = collector();
    let pages = pages(&collector);
    for kind in [
        "/",
        "/host/web1",
        "/graph/web1/load",
        "/compare/load",
        "/incidents",
        "/agents",
        "/search",
        "/views",
    ] {
        assert!(
            pages.contains_key(kind),
            "no link leads to {kind}: {:?}",
            pages.keys()
        );
    }
    let Some(tidy) = tool::find("tidy") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let refused = collector.get("/no/such/page").text();
    let all = pages
        .iter()
        .map(|(address, page)| (address.as_str(), page.as_str()));
    for (address, page) in all.chain([("/no/such/page", refused.as_str())]) {
        let file = folder.path().join("page.html");
        fs::write(&file, page).unwrap();
        let mut command = program::command(&tidy);
        // It takes attributes of ARIA for somebody's own.
        let options = [
            "-errors",
            "-quiet",
            "-utf8",
            "--warn-proprietary-attributes",
            "no",
        ];
        command.args(options).arg(&file);
        let output = program::output_of(&mut command);
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (0, ""),
            "{address}\n{page}"
        );
    }
}

#[test]
fn everybody_can_use_every_page() {
    let Some(axe) = web_tools::find("axe.min.js") else {
        return;
    };
    let collector = collector();
    let Some(mut browser) = Browser::started(collector.address()) else {
        return;
    };
    let axe = fs::read_to_string(axe).unwrap();
    let mut problems = BTreeMap::new();
    for scheme in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", scheme);
        for path in [
            "/",
            "/?view=wall",
            "/host/web1",
            "/graph/web1/load",
            "/compare/load",
            "/incidents",
            "/problems",
            "/downtimes",
            "/agents",
            "/search?q=web",
            "/views",
            "/sign-in",
        ] {
            browser.open(path);
            browser.ask(&format!("{axe};true"));
            let found = browser.ask(
                "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then((r) => \
                 r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))",
            );
            if found != Value::Array(Vec::new()) {
                problems.insert(format!("{scheme} {path}"), found);
            }
        }
    }
    assert_eq!(problems, BTreeMap::new());
}

#[test]
fn the_keyboard_searches_and_tells_of_itself() {
    let collector = collector();
    let Some(mut browser) = Browser::started(collector.address()) else {
        return;
    };
    browser.open("/");
    browser.press("/");
    browser.wait_for("document.activeElement.id === 'q'");
    browser.press("Escape");
    browser.wait_for("document.activeElement.id !== 'q'");
    browser.press("?");
    browser.wait_for("document.getElementById('keys').open");
    browser.click("#keys-close");
    browser.wait_for("!document.getElementById('keys').open");
    browser.press("g");
    browser.press("i");
    browser.wait_for("location.pathname === '/incidents' && document.readyState === 'complete'");
    browser.open("/search?q=web");
    browser.press("j");
    browser.wait_for("document.activeElement.getAttribute('href') === '/host/web1'");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
