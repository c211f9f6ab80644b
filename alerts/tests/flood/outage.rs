//! An outage made up from a seed: what is watched, what fails when, what people do, and what a person on call would want
//! to be told of it. It has the form of the recorded ones: every object is looked at each minute at its own second, and
//! what is ok is said only now and then.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ravenry_alerts::simulation::score::{Ideal, Want};
use ravenry_alerts::simulation::{Event, Scenario};
use serde_json::{Value, json};

/// A host's own check (`None`) or one of its services.
pub(crate) type Object = (String, Option<String>);

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` up to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let fraction = u32::try_from(self.next() >> 32).unwrap();
        low + f64::from(fraction) / f64::from(u32::MAX) * (high - low)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn number(&mut self, low: u32, high: u32) -> u32 {
        low + u32::try_from(self.next() % u64::from(high - low + 1)).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let last = u32::try_from(all.len() - 1).unwrap();
        &all[self.number(0, last) as usize]
    }

    /// So many different ones, in random order.
    pub(crate) fn some_of<T: Clone>(&mut self, all: &[T], count: u32) -> Vec<T> {
        let mut left = all.to_vec();
        let mut chosen = Vec::new();
        while chosen.len() < count as usize && !left.is_empty() {
            let last = u32::try_from(left.len() - 1).unwrap();
            chosen.push(left.swap_remove(self.number(0, last) as usize));
        }
        chosen
    }
}

/// How an object is between two times; what is not said is ok.
#[derive(Clone)]
struct Span {
    from: f64,
    to: f64,
    /// Nothing is heard where there is none.
    state: Option<u8>,
    text: String,
}

pub(crate) struct Outage {
    pub(crate) random: Random,
    name: String,
    seed: u64,
    duration: f64,
    pub(crate) heartbeat: f64,
    hosts: Vec<Value>,
    services: Vec<Value>,
    dependencies: Vec<Value>,
    clusters: Vec<Value>,
    teams: BTreeMap<String, String>,
    actions: Vec<Value>,
    objects: BTreeMap<Object, Vec<Span>>,
    pub(crate) ideal: Ideal,
}

impl Outage {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        let mut random = Random(seed);
        random.next();
        Self {
            random,
            name: name.to_owned(),
            seed,
            duration: 0.0,
            heartbeat: 300.0,
            hosts: Vec::new(),
            services: Vec::new(),
            dependencies: Vec::new(),
            clusters: Vec::new(),
            teams: BTreeMap::new(),
            actions: Vec::new(),
            objects: BTreeMap::new(),
            ideal: Ideal::default(),
        }
    }

    pub(crate) fn host(&mut self, name: &str, team: &str, parents: &[&str]) {
        self.host_of(name, team, parents, true);
    }

    pub(crate) fn host_of(&mut self, name: &str, team: &str, parents: &[&str], paged: bool) {
        let people = [
            ("infra", "ingrid"),
            ("db", "dora"),
            ("app", "ann"),
            ("web", "wim"),
            ("mail", "max"),
        ];
        let person = people.iter().find(|(of, _)| *of == team).unwrap().1;
        self.teams.insert(team.to_owned(), person.to_owned());
        self.hosts.push(json!({
            "name": name, "team": team, "parents": parents, "groups": [], "site": "a", "rack": "r1",
            "attempts": 2, "paged": paged,
        }));
        self.objects.insert((name.to_owned(), None), Vec::new());
    }

    pub(crate) fn services(&mut self, host: &str, team: &str, names: &[&str]) {
        for name in names {
            self.service(host, name, team, 3, &["c", "u"], true);
        }
    }

    pub(crate) fn service(
        &mut self,
        host: &str,
        name: &str,
        team: &str,
        attempts: u32,
        page_on: &[&str],
        paged: bool,
    ) {
        let is_agent = name == "agent";
        self.services.push(json!({
            "host": host, "name": name, "team": team, "page_on": page_on, "paged": paged,
            "attempts": if is_agent { 1 } else { attempts },
            "class": if is_agent { "heartbeat" } else { "check" },
            "freshness": is_agent.then_some(900),
        }));
        let object = (host.to_owned(), Some(name.to_owned()));
        self.objects.insert(object, Vec::new());
    }

    /// The switch that everything hangs on.
    pub(crate) fn core(&mut self) {
        self.host("sw-core", "infra", &[]);
        self.services("sw-core", "infra", &["uplink", "psu"]);
    }

    pub(crate) fn needs(&mut self, master: (&str, Option<&str>), dependents: &[Object]) {
        self.dependencies
            .push(json!({ "master": master, "dependents": dependents, "why": "it needs it" }));
    }

    pub(crate) fn cluster(&mut self, name: &str, members: &[Object], page_at: u32) {
        self.clusters
            .push(json!({ "name": name, "members": members, "page_at": page_at }));
    }

    pub(crate) fn services_of(&self, host: &str) -> Vec<String> {
        let of_host = self.objects.keys().filter(|(of, _)| of == host);
        of_host.filter_map(|(_, service)| service.clone()).collect()
    }

    pub(crate) fn fails(
        &mut self,
        host: &str,
        service: Option<&str>,
        (from, to): (f64, f64),
        state: u8,
        text: &str,
    ) {
        let object = (host.to_owned(), service.map(str::to_owned));
        let spans = self.objects.get_mut(&object).unwrap();
        spans.push(Span {
            from,
            to,
            state: Some(state),
            text: text.to_owned(),
        });
    }

    /// Nothing is heard of it.
    pub(crate) fn silent(&mut self, host: &str, service: Option<&str>, (from, to): (f64, f64)) {
        let object = (host.to_owned(), service.map(str::to_owned));
        let spans = self.objects.get_mut(&object).unwrap();
        spans.push(Span {
            from,
            to,
            state: None,
            text: String::new(),
        });
    }

    /// The host does not answer, its agent says nothing, its services time out; they come back up to `tail` after it.
    pub(crate) fn down(&mut self, host: &str, (from, to): (f64, f64), tail: (f64, f64)) {
        self.fails(
            host,
            None,
            (from, to),
            1,
            "PING CRITICAL - Packet loss = 100%",
        );
        for service in self.services_of(host) {
            let back = to + self.random.between(tail.0, tail.1);
            if service == "agent" {
                self.silent(host, Some("agent"), (from, back));
            } else {
                let text = format!("CRITICAL - {host}: connect timed out after 10 s");
                self.fails(host, Some(&service), (from, back), 2, &text);
            }
        }
    }

    pub(crate) fn act(&mut self, action: Value) {
        self.actions.push(action);
    }

    /// Somebody of the team has to be told by then; `hidden`: it may be one of many.
    pub(crate) fn want(
        &mut self,
        any_of: &[(&str, Option<&str>)],
        (since, by): (f64, f64),
        team: &str,
        hidden: bool,
    ) {
        let owned = |(host, service): &(&str, Option<&str>)| {
            let host: &str = host;
            (host.to_owned(), service.map(str::to_owned))
        };
        self.ideal.must_page.push(Want {
            id: any_of[0].0.to_owned() + "-" + any_of[0].1.unwrap_or("host"),
            any_of: any_of.iter().map(owned).collect(),
            since,
            by,
            team: Some(team.to_owned()),
            must_not_be_hidden: !hidden,
        });
    }

    pub(crate) fn pages(&mut self, least: usize, most: usize, recoveries: usize) {
        self.ideal.problem_pages_min = least;
        self.ideal.problem_pages_max = most;
        self.ideal.recovery_pages_max = recoveries;
    }

    pub(crate) fn lasts(&mut self, seconds: f64) {
        self.duration = seconds;
    }

    fn topology(&self) -> Value {
        let teams: BTreeMap<_, _> = self
            .teams
            .iter()
            .map(|(team, person)| (team, json!({ "oncall": person })))
            .collect();
        json!({
            "scenario": self.name, "seed": self.seed, "duration": self.duration, "check_interval": 60,
            "retry_interval": 60, "heartbeat_ok": self.heartbeat, "teams": teams, "hosts": self.hosts,
            "services": self.services, "groups": {}, "clusters": self.clusters, "dependencies": self.dependencies,
        })
    }

    fn actions(&self) -> String {
        let mut text = String::new();
        for action in &self.actions {
            writeln!(text, "{action}").unwrap();
        }
        text
    }

    /// What a monitoring core would see.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let per_heartbeat = (self.heartbeat / 60.0) as u32;
        for ((host, service), spans) in &self.objects {
            let phase = self.random.number(0, 599);
            let heartbeat_at = self.random.number(0, per_heartbeat - 1);
            let mut last = None;
            for minute in 0_u32.. {
                let t = f64::from(phase) / 10.0 + 60.0 * f64::from(minute);
                if t > self.duration {
                    break;
                }
                let mut now = spans.iter().rev().filter(|it| it.from <= t && t < it.to);
                let silent = spans
                    .iter()
                    .any(|it| it.state.is_none() && it.from <= t && t < it.to);
                let (state, text) = match now.next() {
                    Some(_) if silent => (None, ""),
                    Some(span) => (span.state, span.text.as_str()),
                    None => (Some(0), "OK - fine"),
                };
                let is_news = state != Some(0)
                    || last != Some(state)
                    || minute % per_heartbeat == heartbeat_at;
                last = Some(state);
                if let (Some(state), true) = (state, is_news) {
                    events.push(Event {
                        t,
                        host: host.clone(),
                        service: service.clone(),
                        state,
                        output: text.to_owned(),
                    });
                }
            }
        }
        events.sort_by(|a, b| a.t.total_cmp(&b.t));
        events
    }

    pub(crate) fn scenario(&mut self) -> (Scenario, Ideal) {
        let events = self.events();
        let mut scenario =
            Scenario::parse(&self.topology().to_string(), "", &self.actions()).unwrap();
        scenario.events = events;
        (scenario, self.ideal.clone())
    }

    /// Its files, by name.
    pub(crate) fn files(&mut self) -> Vec<(&'static str, String)> {
        let mut events = String::new();
        for it in self.events() {
            let line = json!({
                "t": it.t, "host": it.host, "service": it.service, "state": it.state, "output": it.output,
            });
            writeln!(events, "{line}").unwrap();
        }
        let mut ideal = serde_json::to_value(&self.ideal).unwrap();
        ideal["scenario"] = json!(self.name);
        vec![
            ("topology.json", format!("{:#}", self.topology())),
            ("actions.jsonl", self.actions()),
            ("ideal.json", format!("{ideal:#}")),
            ("events.jsonl", events),
        ]
    }
}
