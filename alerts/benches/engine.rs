//! What the engine costs: a check result in quiet times, a check in memory, and a flood of failures.
//!
//! `cargo bench -p ravenry-alerts --bench engine`; figures are in docs/performance.md. Times are CPU times of this thread,
//! so that a busy machine changes them little.

#![expect(
    clippy::unwrap_used,
    reason = "in a measurement a panic is a failure with its place"
)]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ravenry_alerts::check::{CheckName, Verdict};
use ravenry_alerts::engine::{Effect, Engine, Said};
use ravenry_alerts::rule::{Contact, ContactName, DownAfter, FieldRule, HostRule, Rules};
use ravenry_alerts::topology::{CheckSet, Dependency};
use ravenry_plugins::name::{GraphName, HostName, VerdictName};
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;

const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
const CHECKS_A_HOST: usize = 20;

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Resident bytes of this process.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Everything hangs on one switch; every second host's checks need a database.
fn rules() -> Rules {
    let switch = HostName::new("switch").unwrap();
    Rules {
        contacts: vec![Contact::new("ann"), Contact::new("ingrid")],
        fields: vec![
            FieldRule {
                contacts: Some(vec![ContactName::new("ann")]),
                ..FieldRule::default()
            },
            FieldRule {
                host: Pattern::new("alone"),
                attempts: Some(1),
                contacts: Some(vec![ContactName::new("ingrid")]),
                ..FieldRule::default()
            },
        ],
        hosts: vec![HostRule {
            host: Pattern::new("host*"),
            down_after: Some(DownAfter::Never),
            parents: Some(vec![switch]),
            ..HostRule::default()
        }],
        dependencies: vec![Dependency {
            on: verdict("db", "mysql"),
            of: CheckSet::new(["host*0/*", "host*2/*", "host*4/*", "host*6/*", "host*8/*"]),
        }],
        ..Rules::default()
    }
}

fn verdict(host: &str, check: &str) -> CheckName {
    CheckName::Verdict(name(host, check))
}

fn name(host: &str, check: &str) -> VerdictName {
    VerdictName {
        host: HostName::new(host).unwrap(),
        check: GraphName::new(check).unwrap(),
    }
}

struct World {
    engine: Engine,
    /// The results of a host each.
    batches: Vec<Vec<Said>>,
    now: Timestamp,
    told: Vec<(Timestamp, String)>,
}

impl World {
    fn new(checks: usize) -> Self {
        let said = |host: &str, check: &str| Said {
            name: name(host, check),
            verdict: Verdict::Ok,
            text: String::from("OK - 0.012 s response time"),
            at: START,
            interval: Some(Duration::from_secs(60)),
        };
        let host = |i: usize| {
            let host = format!("host{i:05}");
            let checks = (0..CHECKS_A_HOST).map(|check| said(&host, &format!("check{check:02}")));
            checks.collect()
        };
        let mut batches: Vec<Vec<Said>> =
            vec![vec![said("db", "mysql")], vec![said("alone", "raid")]];
        batches.extend((0..checks / CHECKS_A_HOST).map(host));
        Self {
            engine: Engine::new(Arc::new(rules())),
            batches,
            now: START,
            told: Vec::new(),
        }
    }

    fn say(&mut self, batch: usize, at: Timestamp, verdict: impl Fn(usize) -> Verdict) {
        for (i, said) in self.batches[batch].iter_mut().enumerate() {
            said.at = at;
            said.verdict = verdict(i);
        }
        self.now = at;
        let host = self.batches[batch][0].name.host.clone();
        self.engine.handle_contact(&host, at, at);
        self.engine.handle_verdicts(&self.batches[batch], at);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Tell(notice) => {
                    let about = notice
                        .check
                        .map_or_else(String::new, |check| check.to_string());
                    self.told.push((self.now, about));
                }
                Effect::Transition { .. }
                | Effect::NotTold { .. }
                | Effect::Store(_)
                | Effect::Forget(_) => {}
            }
        }
    }

    /// One result of each check, spread over a minute; one host in a hundred has a check that is not ok.
    fn minute(&mut self, minute: u32) {
        let from = START + Duration::from_secs(60) * minute;
        let count = u32::try_from(self.batches.len()).unwrap();
        for batch in 0..self.batches.len() {
            let at = from + Duration::from_secs(60) * u32::try_from(batch).unwrap() / count;
            while let Some(due) = self.engine.poll_timeout().filter(|due| *due < at) {
                self.now = due.max(self.now);
                self.engine.handle_timeout(self.now);
                self.carry_out();
            }
            let bad = batch % 100 == 99;
            self.say(batch, at, |i| {
                if bad && i == 7 {
                    Verdict::Critical
                } else {
                    Verdict::Ok
                }
            });
        }
    }
}

/// Results a second in quiet times, and bytes a check.
fn quiet(checks: usize) {
    let before = resident();
    let mut world = World::new(checks);
    let batches = resident();
    for minute in 0..4 {
        world.minute(minute);
    }
    let bytes = resident().saturating_sub(batches);
    let began = cpu();
    let minutes = (2_000_000 / checks).clamp(5, 100);
    for minute in 0..minutes {
        world.minute(4 + u32::try_from(minute).unwrap());
    }
    let took = cpu() - began;
    let results = (minutes * checks) as f64;
    println!(
        "{checks:>7} checks: {:>9.0} results a second, {:.2} µs each, {} bytes a check ({} of the bench's own)",
        results / took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / results,
        bytes / checks,
        (batches - before) / checks,
    );
}

/// So many checks fail within one second, and one that has nothing to do with them at its end.
fn flood(what: &str, failing: usize, checks: usize, needs_database: bool) {
    let mut world = World::new(checks);
    for minute in 0..3 {
        world.minute(minute);
    }
    world.told.clear();
    let chosen: Vec<usize> = (2..world.batches.len())
        .filter(|batch| (batch % 2 == 0) == needs_database)
        .take(failing / CHECKS_A_HOST)
        .collect();
    let mut whole = Duration::ZERO;
    let mut longest = Duration::ZERO;
    let mut alone = Duration::ZERO;
    for round in 0..8_u32 {
        let from = START + Duration::from_secs(60) * (3 + round);
        let began = cpu();
        let verdict = if round < 5 {
            Verdict::Critical
        } else {
            Verdict::Ok
        };
        if needs_database {
            world.say(0, from, |_| verdict);
        }
        for (i, batch) in chosen.iter().enumerate() {
            let part = u32::try_from(i).unwrap();
            let at = from + Duration::from_secs(1) * part / u32::try_from(chosen.len()).unwrap();
            world.say(*batch, at, |_| verdict);
        }
        if round == 2 {
            let before = world.told.len();
            world.say(1, from + Duration::from_secs(1), |_| Verdict::Critical);
            world
                .engine
                .handle_contact(&HostName::new("alone").unwrap(), world.now, world.now);
            world.carry_out();
            assert!(
                world.told[before..]
                    .iter()
                    .any(|(_, about)| about == "alone/raid")
            );
            alone = cpu() - began;
        }
        while let Some(due) = world
            .engine
            .poll_timeout()
            .filter(|due| *due < from + Duration::from_secs(60))
        {
            world.now = due.max(world.now);
            world.engine.handle_timeout(world.now);
            world.carry_out();
        }
        let took = cpu() - began;
        whole += took;
        longest = longest.max(took);
    }
    println!(
        "{failing} of {checks} fail in a second, {what}: told of another problem after {:.2} s of CPU; the longest minute took {:.2} s, eight {:.2} s; {} notices",
        alone.as_secs_f64(),
        longest.as_secs_f64(),
        whole.as_secs_f64(),
        world.told.len(),
    );
}

fn main() {
    for checks in [1_000, 10_000, 100_000] {
        quiet(checks);
    }
    for failing in [1_000, 10_000] {
        flood("for no known cause", failing, 50_000, false);
        flood("for a database", failing, 50_000, true);
    }
}
