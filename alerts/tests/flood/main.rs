//! Ten recorded outages and variations of them through the whole engine: who is told is what a person on call would want.
//!
//! The score is that of `tests/flood/score.py`, restated here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use ravenry_alerts::simulation::score::Ideal;
use ravenry_alerts::simulation::{Event, Scenario, run};

mod kinds;
mod outage;
mod promise;
mod score;
mod steps;

use kinds::KINDS;
use outage::{Outage, Random};
use score::judge;

const ALL: [&str; 10] = [
    "ack_worse",
    "db_down",
    "disk_filling",
    "downtime",
    "monitor_restart",
    "rack_switch_down",
    "service_flapping",
    "stale_agents",
    "web_13_of_50",
    "web_1_of_50",
];

fn text(name: &str, file: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/flood"));
    let path = folder.join(name).join(file);
    if !file.ends_with(".gz") {
        return fs::read_to_string(path).unwrap();
    }
    let mut text = String::new();
    let mut packed = GzDecoder::new(fs::File::open(path).unwrap());
    packed.read_to_string(&mut text).unwrap();
    text
}

fn scenario(name: &str) -> (Scenario, Ideal) {
    let events = text(name, "events.jsonl.gz");
    let (topology, actions) = (text(name, "topology.json"), text(name, "actions.jsonl"));
    let ideal = serde_json::from_str(&text(name, "ideal.json")).unwrap();
    (
        Scenario::parse(&topology, &events, &actions).unwrap(),
        ideal,
    )
}

fn check(what: &str, scenario: &Scenario, ideal: &Ideal) {
    if let Some(faults) = judge(scenario, ideal) {
        panic!("{what}: {faults}");
    }
}

fn sort(events: &mut [Event]) {
    events.sort_by(|a, b| a.t.total_cmp(&b.t));
}

/// Every result comes up to 30 s earlier or later.
fn shifted(scenario: &Scenario, seed: u64) -> Scenario {
    let mut random = Random(seed);
    let mut shifted = scenario.clone();
    for event in &mut shifted.events {
        event.t = (event.t + random.between(-30.0, 30.0)).max(0.0);
    }
    sort(&mut shifted.events);
    shifted
}

/// What fails comes back up to so many seconds later, except the causes.
fn with_tails(scenario: &Scenario, causes: &[(&str, Option<&str>)], longest: f64) -> Scenario {
    let mut random = Random(longest.to_bits());
    let mut last_bad: BTreeMap<(String, Option<String>), Event> = BTreeMap::new();
    for event in scenario.events.iter().filter(|event| event.state != 0) {
        last_bad.insert((event.host.clone(), event.service.clone()), event.clone());
    }
    last_bad.retain(|(host, service), _| !causes.contains(&(host.as_str(), service.as_deref())));
    let mut tails = scenario.clone();
    for (name, bad) in last_bad {
        let over = bad.t + random.between(2.0, longest);
        let same = |event: &Event| event.host == name.0 && event.service == name.1;
        tails
            .events
            .retain(|event| !same(event) || event.t <= bad.t || event.t > over + 60.0);
        let mut at = bad.t + 60.0;
        while at < over {
            tails.events.push(Event {
                t: at,
                ..bad.clone()
            });
            at += 60.0;
        }
        tails.events.push(Event {
            t: at,
            state: 0,
            ..bad
        });
    }
    sort(&mut tails.events);
    tails
}

/// Ten hosts for each that is not a cause, each with a phase of its own.
fn tenfold(scenario: &Scenario) -> Scenario {
    let single = |host: &str| ["sw-", "db", "lb"].iter().any(|it| host.starts_with(it));
    let copies = |host: &str| if single(host) { 1 } else { 10 };
    let named = |host: &str, copy: u32| match copy {
        0 => host.to_owned(),
        copy => format!("{host}x{copy}"),
    };
    let mut random = Random(10);
    let mut all = scenario.clone();
    let topology = &mut all.topology;
    topology.hosts = std::mem::take(&mut topology.hosts)
        .into_iter()
        .flat_map(|host| {
            (0..copies(&host.name)).map(move |copy| {
                let mut host = host.clone();
                host.name = named(&host.name, copy);
                host
            })
        })
        .collect();
    topology.services = std::mem::take(&mut topology.services)
        .into_iter()
        .flat_map(|service| {
            (0..copies(&service.host)).map(move |copy| {
                let mut service = service.clone();
                service.host = named(&service.host, copy);
                service
            })
        })
        .collect();
    for needs in &mut topology.dependencies {
        needs.dependents = std::mem::take(&mut needs.dependents)
            .into_iter()
            .flat_map(|(host, service)| {
                (0..copies(&host)).map(move |copy| (named(&host, copy), service.clone()))
            })
            .collect();
    }
    all.events = std::mem::take(&mut all.events)
        .into_iter()
        .flat_map(|event| {
            (0..copies(&event.host)).map(move |copy| {
                let mut event = event.clone();
                event.host = named(&event.host, copy);
                event
            })
        })
        .collect();
    let mut phases: BTreeMap<(String, Option<String>), f64> = BTreeMap::new();
    for event in &mut all.events {
        let of = (event.host.clone(), event.service.clone());
        event.t += *phases
            .entry(of)
            .or_insert_with(|| random.between(0.0, 20.0));
    }
    sort(&mut all.events);
    all
}

#[test]
fn all_ten_outages_are_told_as_a_person_would_want() {
    for name in ALL {
        let (scenario, ideal) = scenario(name);
        check(name, &scenario, &ideal);
    }
}

#[test]
fn results_that_come_half_a_minute_earlier_or_later_change_nothing() {
    for name in ALL {
        let (scenario, ideal) = scenario(name);
        check(name, &shifted(&scenario, 1), &ideal);
    }
}

#[test]
fn dependents_may_take_up_to_five_minutes_to_come_back() {
    let causes = [
        ("db01", Some("mysql")),
        ("sw-rack7", None),
        ("sw-rack7", Some("uplink")),
    ];
    for name in ["db_down", "rack_switch_down"] {
        let (scenario, ideal) = scenario(name);
        for longest in [2.5, 300.0] {
            let tails = with_tails(&scenario, &causes, longest);
            check(&format!("{name} tail {longest}"), &tails, &ideal);
        }
    }
}

#[test]
fn ten_times_the_hosts_are_not_ten_times_the_notices() {
    let (scenario, ideal) = scenario("disk_filling");
    check("disk_filling", &tenfold(&scenario), &ideal);
}

#[test]
fn the_same_inputs_give_the_same_notices_and_no_key_twice() {
    for name in ["web_13_of_50", "monitor_restart"] {
        let (scenario, _) = scenario(name);
        let told = run(&scenario).unwrap();
        assert_eq!(run(&scenario).unwrap(), told);
        let keys: Vec<_> = told
            .iter()
            .map(|told| (&told.incident, &told.contact, told.kind, told.t.to_bits()))
            .collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }
}

/// How many seeds of each kind: `RAVENRY_SEEDS=FROM-TO`.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let Ok(seeds) = std::env::var("RAVENRY_SEEDS") else {
        return 1..=1;
    };
    let (from, to) = seeds.split_once('-').unwrap_or(("1", &seeds));
    from.parse().unwrap()..=to.parse().unwrap()
}

/// In the form that `ravenry simulate` and `score.py` read.
fn write(folder: &Path, mut outage: Outage) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in outage.files() {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).map_or(default, |it| it.parse().unwrap())
}

#[test]
fn outages_that_are_made_up_are_told_as_a_person_would_want() {
    let only = std::env::var("RAVENRY_KIND").unwrap_or_default();
    let scale = number("RAVENRY_SCALE", 1.0) as u32;
    let mut faults = Vec::new();
    for (name, kind) in KINDS.iter().filter(|(name, _)| name.contains(&only)) {
        for seed in seeds() {
            let mut outage = Outage::new(name, seed);
            kind(&mut outage, scale);
            if let Ok(folder) = std::env::var("RAVENRY_OUTAGES") {
                write(
                    &PathBuf::from(folder).join(format!("{name}_{seed}")),
                    outage,
                );
                continue;
            }
            let (scenario, ideal) = outage.scenario();
            let mut earlier = ideal.clone();
            for want in &mut earlier.must_page {
                want.since -= 30.0;
            }
            let moved = shifted(&scenario, seed);
            for (what, scenario, ideal) in [("", scenario, ideal), (" shifted", moved, earlier)] {
                let found = judge(&scenario, &ideal);
                faults.extend(found.map(|it| format!("{name} seed {seed}{what}: {it}")));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} are wrong\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn what_lasts_is_told_and_a_restart_anywhere_changes_nothing() {
    let seeds = match std::env::var("RAVENRY_SEEDS") {
        Ok(_) => seeds(),
        Err(_) => 1..=40,
    };
    let broken: Vec<String> = seeds.filter_map(promise::broken).collect();
    assert!(
        broken.is_empty(),
        "{} are broken\n{}",
        broken.len(),
        broken.join("\n")
    );
}

/// Random lives in which something was wrong once.
#[test]
fn what_was_found_in_a_random_life_stays_mended() {
    for (seed, what) in [
        (
            132,
            "two incidents handed a check to and fro, and time stood still",
        ),
        (69, "a quorum counted only members that had failed before"),
        (
            97,
            "after a restart a problem was told before the news that it waited for",
        ),
        (
            16,
            "after a restart an all-clear did not await what came of a suspicion",
        ),
        (
            172,
            "what nothing explained any more was told only after a restart",
        ),
        (
            278,
            "what became worse while it was explained was told only after a restart",
        ),
        (479, "after a restart an update came late"),
    ] {
        let broken = promise::broken(seed);
        assert!(broken.is_none(), "{what}: {}", broken.unwrap_or_default());
    }
}

#[test]
fn soft_and_hard_are_as_in_nagios_own_test() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/flood"));
    steps::check(&fs::read_to_string(folder.join("nagios-service-steps.jsonl")).unwrap());
}
