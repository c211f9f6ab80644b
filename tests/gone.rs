//! What an agent says is gone is judged no more, also after a restart, until readings of it come again.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::{Pusher, keyed};
use ravenry_tests::wait;
use serde_json::{Value, json};

const ONE_BAD_READING_COUNTS: &str =
    "[alerts]\nattempts = 1\nall_clear = \"0\"\nhold = \"0\"\nunknown_limit = 1\n";

/// A bad reading of a field of switch `sw1` and a bad check of it, said by the agent of web1.
fn bad(of: &str, at: i64) -> Value {
    json!({
        "version": 1,
        "host": "web1",
        "graphs": [{
            "host": of,
            "graph": "if_7",
            "attributes": [],
            "fields": [{"field": "up", "attributes": [["critical", "50"]]}],
        }],
        "series": {"graph": ["if_7"], "field": ["up"], "host": [of]},
        "samples": {"series": [0], "time": [at], "value": [99]},
        "verdicts": [{"host": of, "check": "fan", "time": at, "verdict": "critical", "text": "FAN stands",
            "interval_seconds": 60}],
    })
}

fn push(pusher: &Pusher, batch: Value, sequence: u64) {
    let answer = pusher.push(&keyed(batch, "a1", 1, sequence)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["problems"], Value::Null, "{}", answer.text());
}

/// Checks of the switch with their severities.
fn checks_of_switch(collector: &Collector) -> Vec<String> {
    let checks = collector.api("/checks");
    let of_switch = checks["checks"].as_array().unwrap().iter();
    let of_switch = of_switch.filter(|check| check["host"] == "sw1");
    let mut lines: Vec<String> = of_switch
        .filter_map(|check| {
            let name = check["field"].as_str().or(check["check"].as_str())?;
            Some(format!("{name} {}", check["severity"].as_str()?))
        })
        .collect();
    lines.sort();
    lines
}

fn until_checks_are(collector: &Collector, expected: &[&str]) {
    wait::until(&format!("the switch's checks are {expected:?}"), || {
        checks_of_switch(collector) == expected
    });
}

#[test]
fn what_is_gone_is_judged_no_more_until_it_is_read_again() {
    let mut collector = Collector::started(&format!("{WITHOUT_AGENT}{ONE_BAD_READING_COUNTS}"));
    let pusher = collector.pusher("switches");
    let now = wait::utc_seconds();
    push(&pusher, bad("sw1", now - 60), 1);
    until_checks_are(&collector, &["fan critical", "up critical"]);
    let gone = json!({"version": 1, "host": "web1", "gone": [
        {"host": "sw1", "what": {"graph": "if_7"}},
        {"host": "sw1", "what": {"check": "fan"}},
        {"what": {"plugin": "snmp_sw1"}},
        {"host": "sw9", "what": {"graph": "never_was"}},
    ]});
    push(&pusher, gone, 2);
    until_checks_are(&collector, &[]);
    wait::until("both incidents are over", || {
        let incidents = collector.api("/incidents");
        let all = incidents["incidents"].as_array().unwrap();
        all.len() == 2 && all.iter().all(|it| !it["closed"].is_null())
    });
    let graph = collector.api("/hosts/sw1/graphs/if_7");
    assert_eq!(graph["latest"][0]["value"], 99.0, "its history stays");

    collector.kill();
    collector.start();
    assert_eq!(checks_of_switch(&collector), Vec::<String>::new());
    let mut again = bad("sw1", now);
    again["graphs"] = json!([]);
    again["verdicts"] = json!([]);
    push(&pusher, again, 3);
    until_checks_are(&collector, &["up critical"]);
}
