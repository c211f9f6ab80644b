//! What the engine promises of any topology and any failures, tried on random ones: who lasts is told, or a person chose
//! that not; no two notices have one key; the same inputs give the same notices; a restart anywhere changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ravenry_alerts::check::{CheckName, Verdict};
use ravenry_alerts::engine::{Effect, Engine, Record, RecordKey, Said};
use ravenry_alerts::incident::Incident;
use ravenry_alerts::notice::{Notice, NoticeKey};
use ravenry_alerts::quiet::Downtime;
use ravenry_alerts::rule::{Contact, ContactName, DownAfter, FieldRule, HostRule, Rules};
use ravenry_alerts::topology::{CheckSet, Dependency, Quorum, Share};
use ravenry_plugins::name::{GraphName, HostName, VerdictName};
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;

use crate::outage::Random;

const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
const SERVICES: [&str; 4] = ["http", "disk", "mysql", "load"];

/// Something that is looked at each minute.
struct Object {
    name: CheckName,
    said: VerdictName,
    phase: f64,
    /// When it is not ok, and how.
    spells: Vec<(f64, f64, Verdict)>,
}

/// A random life of a random network.
struct Life {
    rules: Arc<Rules>,
    objects: Vec<Object>,
    downtimes: Vec<Downtime>,
    /// At which times somebody acknowledges what.
    acknowledged: Vec<(f64, CheckName)>,
    lasts: f64,
}

fn host(i: u32) -> HostName {
    HostName::new(&format!("h{i}")).unwrap()
}

fn graph(name: &str) -> GraphName {
    GraphName::new(name).unwrap()
}

fn at(seconds: f64) -> Timestamp {
    START + Duration::from_secs_f64(seconds)
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let hosts = random.number(2, 9);
        let lasts = f64::from(random.number(40, 120)) * 60.0;
        let mut rules = Rules {
            contacts: vec![Contact::new("ann"), Contact::new("dora")],
            ..Rules::default()
        };
        let mut objects = Vec::new();
        let mut checks = Vec::new();
        for i in 0..hosts {
            let person = *random.one_of(&["ann", "dora"]);
            let earlier: Vec<HostName> = (0..i).map(host).collect();
            let count = random.number(0, 2);
            rules.hosts.push(HostRule {
                host: Pattern::new(host(i).as_str()),
                down_after: Some(DownAfter::Never),
                alive: Some(graph("alive")),
                attempts: Some(random.number(1, 3)),
                parents: Some(random.some_of(&earlier, count)),
                contacts: Some(vec![ContactName::new(person)]),
                ..HostRule::default()
            });
            let mut names = vec![(CheckName::Host(host(i)), "alive")];
            let count = random.number(0, 4);
            for service in random.some_of(&SERVICES, count) {
                let check = graph(service);
                let name = VerdictName {
                    host: host(i),
                    check,
                };
                rules.fields.push(FieldRule {
                    host: Pattern::new(host(i).as_str()),
                    graph: Pattern::new(service),
                    attempts: Some(random.number(1, 3)),
                    contacts: Some(vec![ContactName::new(person)]),
                    ..FieldRule::default()
                });
                names.push((CheckName::Verdict(name), service));
            }
            for (name, check) in names {
                checks.push(name.clone());
                objects.push(Object {
                    said: VerdictName {
                        host: host(i),
                        check: graph(check),
                    },
                    name,
                    phase: random.between(0.0, 60.0),
                    spells: Vec::new(),
                });
            }
        }
        for _ in 0..random.number(0, 3) {
            let of: Vec<String> = random
                .some_of(&checks, 3)
                .iter()
                .map(ToString::to_string)
                .collect();
            rules.dependencies.push(Dependency {
                on: random.one_of(&checks).clone(),
                of: CheckSet::new(of),
            });
        }
        if random.number(0, 3) == 0 {
            rules.quorums.push(Quorum {
                name: HostName::new("farm").unwrap(),
                members: CheckSet::new(["*/http"]),
                critical: Share::Number(random.number(1, 3) as usize),
                contacts: Some(vec![ContactName::new("ann")]),
            });
        }
        let mut life = Self {
            rules: Arc::new(rules),
            objects,
            downtimes: Vec::new(),
            acknowledged: Vec::new(),
            lasts,
        };
        life.fail(&mut random);
        life.quiet(&mut random);
        life
    }

    /// Single failures, some of many at once, some that come and go.
    fn fail(&mut self, random: &mut Random) {
        let all: Vec<usize> = (0..self.objects.len()).collect();
        for _ in 0..random.number(1, 5) {
            let count = *random.one_of(&[1, 1, 2, 4, 12]);
            let from = random.between(60.0, self.lasts);
            let to = if random.number(0, 2) == 0 {
                self.lasts + 60.0
            } else {
                from + random.between(60.0, 2400.0)
            };
            for object in random.some_of(&all, count) {
                let is_host = matches!(self.objects[object].name, CheckName::Host(_));
                let verdict = if is_host {
                    Verdict::Critical
                } else {
                    *random.one_of(&[
                        Verdict::Critical,
                        Verdict::Critical,
                        Verdict::Warning,
                        Verdict::Unknown,
                    ])
                };
                let since = from + random.between(0.0, 90.0);
                let mut over = to + random.between(0.0, 200.0);
                if random.number(0, 4) == 0 {
                    over = since + random.between(60.0, 240.0);
                    let again = over + random.between(60.0, 240.0);
                    self.objects[object]
                        .spells
                        .push((again, again + 300.0, verdict));
                }
                self.objects[object].spells.push((since, over, verdict));
            }
        }
    }

    fn quiet(&mut self, random: &mut Random) {
        for id in 0..u64::from(random.number(0, 2)) {
            let object = random.one_of(&self.objects);
            let start = random.between(60.0, self.lasts);
            self.downtimes.push(Downtime {
                id: id + 1,
                host: object.name.host().to_string(),
                group: None,
                check: None,
                start: at(start),
                end: at(start + random.between(300.0, 3600.0)),
                flexible_seconds: None,
                begun: None,
                repeats: None,
                author: String::from("ann"),
                comment: String::new(),
            });
        }
        for _ in 0..random.number(0, 2) {
            let when = random.between(300.0, self.lasts);
            let name = random.one_of(&self.objects).name.clone();
            self.acknowledged.push((when, name));
        }
    }

    /// All that happens, in order.
    fn inputs(&self) -> Vec<(Timestamp, Input)> {
        let mut inputs = Vec::new();
        for object in &self.objects {
            let mut t = object.phase;
            while t < self.lasts {
                let mut bad = object
                    .spells
                    .iter()
                    .filter(|(from, to, _)| *from <= t && t < *to);
                let verdict = bad.next().map_or(Verdict::Ok, |(_, _, verdict)| *verdict);
                let said = Said {
                    name: object.said.clone(),
                    verdict,
                    text: String::new(),
                    at: at(t),
                    interval: Some(Duration::from_secs(60)),
                };
                inputs.push((at(t), Input::Said(said)));
                t += 60.0;
            }
        }
        let downtimes = self.downtimes.iter().cloned();
        inputs.extend(downtimes.map(|it| (at(30.0), Input::Downtime(it))));
        let acknowledged = self.acknowledged.iter().cloned();
        inputs.extend(acknowledged.map(|(when, name)| (at(when), Input::Acknowledge(name))));
        inputs.sort_by_key(|(when, _)| *when);
        inputs
    }
}

enum Input {
    Said(Said),
    Downtime(Downtime),
    Acknowledge(CheckName),
}

/// How it is stopped and started again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Clean,
    Crash,
}

struct World {
    engine: Engine,
    rules: Arc<Rules>,
    rows: std::collections::BTreeMap<RecordKey, String>,
    told: Vec<Notice>,
    now: Timestamp,
}

impl World {
    fn new(rules: &Arc<Rules>) -> Self {
        Self {
            engine: Engine::new(Arc::clone(rules)),
            rules: Arc::clone(rules),
            rows: std::collections::BTreeMap::new(),
            told: Vec::new(),
            now: START,
        }
    }

    fn pass_until(&mut self, until: Timestamp) {
        let mut steps = 0;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due < until) {
            self.now = due.max(self.now);
            self.engine.handle_timeout(self.now);
            self.carry_out();
            steps += 1;
            assert!(
                steps < 1_000,
                "time stands still at {due}: {:?}",
                self.engine
            );
        }
        self.now = until;
    }

    fn take(&mut self, input: &Input) {
        match input {
            Input::Said(said) => self
                .engine
                .handle_verdicts(std::slice::from_ref(said), self.now),
            Input::Downtime(it) => self.engine.handle_downtime(it.clone(), self.now),
            Input::Acknowledge(name) => {
                self.engine
                    .handle_acknowledge(name, "dora", "", None, self.now);
            }
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Tell(notice) => self.told.push(notice),
                Effect::Store(row) => self.store(&row),
                Effect::Forget(key) => {
                    self.rows.remove(&key);
                }
                Effect::Transition { .. } | Effect::NotTold { .. } => {}
            }
        }
    }

    fn store(&mut self, row: &Record) {
        self.rows
            .insert(row.key(), serde_json::to_string(row).unwrap());
    }

    fn restart(&mut self, stop: Stop) {
        if stop == Stop::Clean {
            for row in self.engine.records() {
                self.store(&row);
            }
        }
        let rows = self
            .rows
            .values()
            .map(|row| serde_json::from_str(row).unwrap());
        self.engine = Engine::restore(Arc::clone(&self.rules), rows.collect(), self.now);
    }
}

impl World {
    /// What came in the last minutes comes again, as from the journal.
    fn replay(&mut self, inputs: &[(Timestamp, Input)]) {
        let from = self.now - Duration::from_secs(180);
        let said = |input: &Input| match input {
            Input::Said(said) => Some(said.clone()),
            Input::Downtime(_) | Input::Acknowledge(_) => None,
        };
        let recent = inputs.iter().filter(|(when, _)| *when >= from);
        let batch: Vec<Said> = recent.filter_map(|(_, input)| said(input)).collect();
        self.engine.handle_verdicts(&batch, self.now);
        self.carry_out();
    }
}

/// Lives it, with a restart before the input of this number; gives what was told and what is wrong with it.
fn live(life: &Life, restart: Option<(usize, Stop)>) -> (Vec<Notice>, Vec<String>) {
    let mut world = World::new(&life.rules);
    let mut faults = Vec::new();
    let mut next_look = at(600.0);
    let inputs = life.inputs();
    for (i, (when, input)) in inputs.iter().enumerate() {
        world.pass_until(*when);
        if let Some((_, stop)) = restart.filter(|(before, _)| *before == i) {
            world.restart(stop);
            if stop == Stop::Crash {
                world.replay(&inputs[..i]);
            }
        }
        world.take(input);
        if *when >= next_look {
            faults.extend(forgotten(life, &world));
            next_look = next_look + Duration::from_secs(300);
        }
    }
    let keys: Vec<&NoticeKey> = world.told.iter().map(|it| &it.key).collect();
    let different: BTreeSet<&NoticeKey> = keys.iter().copied().collect();
    if different.len() < keys.len() {
        faults.push(String::from("two notices have one key"));
    }
    (world.told, faults)
}

/// Problems that have lasted too long without anybody being told, and for no reason that a person chose.
fn forgotten(life: &Life, world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for object in &life.objects {
        let now = world.now.since(START).as_secs_f64();
        let lasting = object
            .spells
            .iter()
            .find(|(from, to, _)| *from < now - 900.0 && *to > now);
        // What is good again is given time, a hop at a time; then every problem has been told.
        let calm = life.objects.iter().all(|other| {
            let mut spells = other.spells.iter();
            spells.all(|(_, to, _)| *to < now - 2700.0 || *to > now)
        });
        let downtime_ended = life
            .downtimes
            .iter()
            .any(|it| it.end < world.now && it.end + Duration::from_secs(600) > world.now);
        if lasting.is_none() || !calm || downtime_ended {
            continue;
        }
        let mine = |incident: &&Incident| {
            incident.causes().any(|name| *name == object.name)
                || incident.explains.contains(&object.name)
        };
        let quiet = |name: &CheckName| {
            let in_downtime = life
                .downtimes
                .iter()
                .any(|it| it.covers(name, &life.rules.groups, world.now));
            let is_member = life
                .rules
                .quorums
                .iter()
                .any(|it| it.members.contains(name));
            in_downtime || is_member
        };
        match world.engine.incidents().find(mine) {
            None if quiet(&object.name) => {}
            None => faults.push(format!("{} at {now}: in no incident", object.name)),
            Some(incident) if incident.told.is_empty() => {
                let excused = incident.acknowledged.is_some() || incident.causes().all(quiet);
                if !excused {
                    faults.push(format!(
                        "{} at {now}: nobody was told of {incident:?}",
                        object.name
                    ));
                }
            }
            Some(_) => {}
        }
    }
    faults
}

/// What is wrong with what the engine does in the life of this seed.
pub(crate) fn broken(seed: u64) -> Option<String> {
    let life = Life::new(seed);
    let (told, faults) = live(&life, None);
    if !faults.is_empty() {
        return Some(format!("seed {seed}: {}", faults.join("; ")));
    }
    if live(&life, None).0 != told {
        return Some(format!("seed {seed}: the same inputs gave other notices"));
    }
    let count = u32::try_from(life.inputs().len()).unwrap();
    let mut random = Random(seed);
    for stop in [Stop::Clean, Stop::Crash] {
        let before = random.number(0, count - 1) as usize;
        let (again, faults) = live(&life, Some((before, stop)));
        let same = |(a, b): (&Notice, &Notice)| match stop {
            Stop::Clean => a == b,
            // What changed no state is not stored: news of it comes again with the next results.
            Stop::Crash => {
                a.key == b.key && a.kind == b.kind && a.at.since(b.at) <= Duration::from_secs(60)
            }
        };
        let differs = told.iter().zip(&again).position(|pair| !same(pair));
        if again.len() != told.len() || differs.is_some() || !faults.is_empty() {
            let first = differs.unwrap_or(told.len().min(again.len()));
            return Some(format!(
                "seed {seed}: {stop:?} before input {before} at {}: {} instead of {}, first other {:?} instead of {:?} {faults:?}",
                life.inputs()[before].0.since(START).as_secs_f64(),
                again.len(),
                told.len(),
                again.get(first).map(brief),
                told.get(first).map(brief),
            ));
        }
    }
    None
}

fn brief(notice: &Notice) -> String {
    let t = notice.at.since(START).as_secs_f64();
    let check = notice.check.as_ref().map(ToString::to_string);
    let (key, kind, others) = (&notice.key, notice.kind, &notice.others);
    let (output, hidden) = (&notice.output, notice.hidden);
    format!("{t} {key} {kind:?} {check:?} {others:?} {output} +{hidden}")
}
