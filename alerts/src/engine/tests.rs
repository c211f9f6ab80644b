//! Lives of hosts and fields, a column a minute; what is told is the outcome.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::pattern::Pattern;

use super::*;
use crate::check::Verdict;
use crate::rule::{Contact, FieldRule, HostRule};
use crate::severity::Severity;
use crate::topology::Memory;

mod people;
mod quiet;

/// 2026-01-01 00:00:00 UTC.
const NEW_YEAR: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// An engine with what the collector does around it: it stores, restarts, declares again.
struct World {
    engine: Engine,
    rules: Arc<Rules>,
    graphs: BTreeMap<(HostName, GraphName), Arc<Graph>>,
    stored: BTreeMap<RecordKey, Record>,
    log: String,
    told: Vec<Notice>,
    now: Timestamp,
}

impl World {
    fn new(rules: Rules, rows: &[Row]) -> Self {
        let rules = Arc::new(rules);
        let mut world = Self {
            engine: Engine::new(Arc::clone(&rules)),
            rules,
            graphs: graphs(rows),
            stored: BTreeMap::new(),
            log: String::new(),
            told: Vec::new(),
            now: NEW_YEAR,
        };
        world.declare();
        world
    }

    fn declare(&mut self) {
        for ((host, _), graph) in &self.graphs {
            self.engine.handle_declare(host, graph, self.now);
        }
        self.carry_out();
    }

    /// Lets time pass as the collector's loop does.
    fn pass_until(&mut self, until: Timestamp) {
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at < until) {
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = until;
    }

    fn carry_out(&mut self) {
        for effect in self.engine.take_effects() {
            let at = self.now.seconds() - NEW_YEAR.seconds();
            let time = format!("{:02}:{:02}", at / 60, at % 60);
            match effect {
                Effect::Transition { .. } => {}
                Effect::Tell(notice) => {
                    writeln!(self.log, "{time} {} {}", notice.key, notice.subject(None)).unwrap();
                    self.told.push(notice);
                }
                Effect::NotTold {
                    incident,
                    contact,
                    reason,
                } => {
                    let who = contact.map_or_else(String::new, |it| format!("{it} "));
                    writeln!(self.log, "{time} {incident} {who}not told: {reason}").unwrap();
                }
                Effect::Store(record) => {
                    let text = serde_json::to_string(&record).unwrap();
                    let again: Record = serde_json::from_str(&text).unwrap();
                    assert_eq!(again, record, "{text}");
                    self.stored.insert(record.key(), again);
                }
                Effect::Forget(key) => {
                    self.stored.remove(&key);
                }
            }
        }
    }

    fn restart(&mut self, records: Vec<Record>) {
        self.engine = Engine::restore(Arc::clone(&self.rules), records, self.now);
        // The clock may strike, and a verdict come, before the graphs are declared again.
        self.engine.handle_timeout(self.now);
        self.declare();
    }

    fn crash(&mut self) {
        let records = self.stored.values().cloned().collect();
        self.restart(records);
    }

    fn stop_and_start(&mut self) {
        let closed =
            |record: &&Record| matches!(record, Record::Incident(it) if it.closed.is_some());
        let mut records: Vec<Record> = self.stored.values().filter(closed).cloned().collect();
        records.extend(self.engine.records());
        self.restart(records);
    }

    fn say(&mut self, rows: &[Row], minute: usize) {
        let now = self.now;
        for row in rows.iter().filter(|row| row.of == Of::Clock) {
            match row.words.get(minute).map(String::as_str) {
                Some("crash") => self.crash(),
                Some("restart") => self.stop_and_start(),
                Some("+1h") => self.now = now + Duration::from_secs(3600),
                Some("-1h") => self.now = now - Duration::from_secs(3600),
                _ => {}
            }
        }
        let mut batch = Vec::new();
        let mut verdicts = Vec::new();
        for row in rows {
            let word = row.words.get(minute).map_or(".", String::as_str);
            match &row.of {
                Of::Clock => {}
                Of::Host(_) if word == "." => {}
                Of::Host(host) => self.engine.handle_contact(host, self.now, self.now),
                Of::Spoken(_, _) if word == "." => {}
                Of::Spoken(by, of) => {
                    let of = std::slice::from_ref(of);
                    self.engine.handle_spoken_of(by, of, self.now);
                }
                Of::Verdict(name) if word == "gone" => {
                    let gone = std::slice::from_ref(name);
                    self.engine.handle_gone(&[], gone, self.now);
                }
                Of::Verdict(name) => verdicts.extend(said(name, word, self.now)),
                Of::Field(series) if word == "gone" => {
                    let gone = (series.host.clone(), series.graph.clone());
                    self.graphs.remove(&gone);
                    self.engine.handle_gone(&[gone], &[], self.now);
                }
                Of::Field(series) => {
                    let (text, ago) = word.split_once('@').unwrap_or((word, "0"));
                    if let Some(reading) = Reading::parse(text) {
                        let ago = Duration::from_secs(60 * ago.parse::<u64>().unwrap());
                        batch.push((series.clone(), reading, self.now - ago));
                    }
                }
            }
        }
        self.engine.handle_readings(&batch, self.now);
        self.engine.handle_verdicts(&verdicts, self.now);
        self.carry_out();
    }

    fn live(&mut self, rows: &[Row]) {
        let minutes = rows.iter().map(|row| row.words.len()).max().unwrap_or(0);
        for minute in 0..minutes {
            self.say(rows, minute);
            self.pass_until(self.now + Duration::from_secs(60));
        }
    }
}

/// What a check says each minute: `DISK CRITICAL - it is bad`. `once` is a verdict that none is to follow.
fn said(name: &VerdictName, word: &str, at: Timestamp) -> Option<Said> {
    let (word, once) = word
        .split_once('!')
        .map_or((word, false), |(word, _)| (word, true));
    let (verdict, words) = match word {
        "ok" => (Verdict::Ok, "OK - all is well"),
        "warn" => (Verdict::Warning, "WARNING - it is odd"),
        "crit" => (Verdict::Critical, "CRITICAL - it is bad\n/ 99%"),
        "unk" => (Verdict::Unknown, "UNKNOWN - no idea"),
        _ => return None,
    };
    Some(Said {
        name: name.clone(),
        verdict,
        text: format!("DISK {words}"),
        at,
        interval: (!once).then(|| Duration::from_secs(60)),
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Of {
    Clock,
    Host(HostName),
    /// The agent of the first speaks of the second.
    Spoken(HostName, HostName),
    Field(SeriesName),
    Verdict(VerdictName),
}

/// A line of a table: `web1/df/root 50 99 . U`, `web1/check_disk ok crit .`, `web1 x x .`, `clock . crash`. `99*5` is five
/// times `99`.
#[derive(Clone, Debug)]
struct Row {
    of: Of,
    words: Vec<String>,
}

fn rows(table: &str) -> Vec<Row> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap();
    let repeated = words.flat_map(|word| match word.rsplit_once('*') {
        Some((word, times)) => vec![word.to_owned(); times.parse().unwrap()],
        None => vec![word.to_owned()],
    });
    Row {
        of: of(name),
        words: repeated.collect(),
    }
}

fn of(name: &str) -> Of {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["clock"] => Of::Clock,
        [hosts] if hosts.contains('>') => {
            let (by, of) = hosts.split_once('>').unwrap();
            Of::Spoken(HostName::new(by).unwrap(), HostName::new(of).unwrap())
        }
        [host] => Of::Host(HostName::new(host).unwrap()),
        [host, check] => Of::Verdict(VerdictName {
            host: HostName::new(host).unwrap(),
            check: GraphName::new(check).unwrap(),
        }),
        [host, graph, field] => Of::Field(SeriesName {
            host: HostName::new(host).unwrap(),
            graph: GraphName::new(graph).unwrap(),
            field: FieldName::new(field).unwrap(),
        }),
        _ => panic!("{name}"),
    }
}

/// Every graph warns above 92 and is critical above 98; `if_` counts.
fn graphs(rows: &[Row]) -> BTreeMap<(HostName, GraphName), Arc<Graph>> {
    let mut fields: BTreeMap<(HostName, GraphName), Vec<FieldName>> = BTreeMap::new();
    for row in rows {
        if let Of::Field(series) = &row.of {
            let graph = (series.host.clone(), series.graph.clone());
            fields.entry(graph).or_default().push(series.field.clone());
        }
    }
    let graph = |name: &GraphName, fields: Vec<FieldName>| {
        let mut attributes = Attributes::default();
        attributes.keep_last("warning", "92");
        attributes.keep_last("critical", "98");
        attributes.keep_last(
            "type",
            if name.as_str() == "if_" {
                "DERIVE"
            } else {
                "GAUGE"
            },
        );
        let declare = |field| FieldDeclaration {
            field,
            attributes: attributes.clone(),
        };
        let declaration = Declaration {
            host: None,
            graph: name.clone(),
            attributes: Attributes::default(),
            fields: fields.into_iter().map(declare).collect(),
        };
        Arc::new(Graph::resolve(&declaration).0)
    };
    fields
        .into_iter()
        .map(|((host, name), fields)| ((host, name.clone()), graph(&name, fields)))
        .collect()
}

fn no_memory() -> Rules {
    Rules {
        memory: Memory::NONE,
        ..Rules::default()
    }
}

fn one_contact() -> Rules {
    Rules {
        contacts: vec![Contact::new("ops")],
        memory: Memory::NONE,
        ..Rules::default()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads as lines of data"
)]
fn check(rules: Rules, table: &str, expect: Expect) {
    let rows = rows(table);
    let mut world = World::new(rules, &rows);
    world.live(&rows);
    expect.assert_eq(&world.log);
}

mod spoken;

#[test]
fn a_problem_is_told_once_and_its_end_once() {
    check(
        one_contact(),
        "web1/df/root 50 99*10 50*5",
        expect![[r#"
            03:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            11:00 1-ops-2 [ok] web1: df root is 50 (was critical for 8m)
        "#]],
    );
}

#[test]
fn a_spike_is_not_told() {
    check(
        one_contact(),
        "web1/df/root 50 99 99 50*5 99 50*3",
        expect![[r#""#]],
    );
}

#[test]
fn worse_is_told_again_and_better_is_not() {
    check(
        one_contact(),
        "web1/df/root 95*4 99*3 95*3 99*3 50",
        expect![[r#"
            02:00 1-ops-1 [warning] web1: df root is 95 (warning above 92)
            04:00 1-ops-2 [critical] web1: df root is 99 (critical above 98)
            13:00 1-ops-3 [ok] web1: df root is 50 (was critical for 11m)
        "#]],
    );
}

#[test]
fn each_independent_failure_is_told_at_once() {
    check(
        one_contact(),
        "web1/df/root    50 99*6  50
         web1/df/var     50 50*2 99*4 50
         web2/load/load  50 99*6  50",
        expect![[r#"
            03:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            03:00 2-ops-1 [critical] web2: load load is 99 (critical above 98)
            05:00 3-ops-1 [critical] web1: df var is 99 (critical above 98)
            07:00 1-ops-2 [ok] web1: df root is 50 (was critical for 4m)
            07:00 2-ops-2 [ok] web2: load load is 50 (was critical for 4m)
            07:00 3-ops-2 [ok] web1: df var is 50 (was critical for 2m)
        "#]],
    );
}

#[test]
fn a_silent_host_is_one_notice_and_its_fields_none() {
    check(
        one_contact(),
        "web1            x*3   .*15  x*5
         web1/df/root    50*3  .*15  50*5
         web1/df/var     50*3  .*15  50*5
         web1/load/load  50*3  .*15  50*5",
        expect![[r#"
            07:00 1-ops-1 [down] web1: nothing is heard of the host
            18:00 1-ops-2 [up] web1: the host is heard of again after 11m
        "#]],
    );
}

#[test]
fn what_does_not_come_back_with_its_host_is_told_then() {
    check(
        one_contact(),
        "web1            x*3   .*15  x*8
         web1/df/root    50*3  .*15  50*8
         web1/df/var     50*3  .*15  99*8
         web1/load/load  50*3  .*15  .*8",
        expect![[r#"
            07:00 1-ops-1 [down] web1: nothing is heard of the host
            18:00 1-ops-2 [up] web1: the host is heard of again after 11m
            20:00 2-ops-1 [critical] web1: df var is 99 (critical above 98)
            21:00 3-ops-1 [unknown] web1: load load has no value
        "#]],
    );
}

#[test]
fn a_field_is_silent_only_when_its_host_speaks_without_it() {
    check(
        one_contact(),
        "web1            x*14
         web1/load/load  50*3  .*7  50*4",
        expect![[r#"
            05:00 1-ops-1 [unknown] web1: load load has no value
            10:00 1-ops-2 [ok] web1: load load is 50 (was unknown for 5m)
        "#]],
    );
}

#[test]
fn fields_that_are_lost_with_their_plugin_are_one_incident() {
    check(
        one_contact(),
        "web1           x*14
         web1/df/root   50*3  .*6  50*5
         web1/df/var    50*3  .*7  50*4
         web1/df/home   50*3  .*7  99*4",
        expect![[r#"
            05:00 1-ops-1 [unknown] web1: df home and 2 more have no value
            12:00 1-ops-2 [critical] web1: df home is 99 (critical above 98)
        "#]],
    );
}

#[test]
fn absence_is_not_recovery() {
    check(
        one_contact(),
        "web1          x*14
         web1/df/root  99*4  .*6  99*2  50*2",
        expect![[r#"
            02:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            12:00 1-ops-2 [ok] web1: df root is 50 (was critical for 10m)
        "#]],
    );
}

#[test]
fn unknown_readings_are_told_after_their_limit() {
    check(
        one_contact(),
        "web1/df/root 50 U U 50 U U U U 50",
        expect![[r#"
            06:00 1-ops-1 [unknown] web1: df root has no value
            08:00 1-ops-2 [ok] web1: df root is 50 (was unknown for 2m)
        "#]],
    );
}

#[test]
fn a_contact_hears_of_what_it_wants_to_hear_of() {
    let boss = Contact {
        severities: vec![Severity::Critical],
        ..Contact::new("boss")
    };
    let rules = Rules {
        contacts: vec![Contact::new("ops"), boss],
        memory: Memory::NONE,
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 95*4 99*2 50",
        expect![[r#"
            02:00 1-ops-1 [warning] web1: df root is 95 (warning above 92)
            02:00 1 boss not told: wants to hear only of critical
            04:00 1-ops-2 [critical] web1: df root is 99 (critical above 98)
            04:00 1-boss-1 [critical] web1: df root is 99 (critical above 98)
            06:00 1-boss-2 [ok] web1: df root is 50 (was critical for 4m)
            06:00 1-ops-3 [ok] web1: df root is 50 (was critical for 4m)
        "#]],
    );
}

#[test]
fn a_muted_check_has_a_reason_and_no_notice() {
    let rules = Rules {
        fields: vec![FieldRule {
            muted: Some(true),
            ..FieldRule::default()
        }],
        ..one_contact()
    };
    check(
        rules,
        "web1/df/root 99*4 50",
        expect![[r#"
        02:00 1 ops not told: notices about it are muted in the configuration
        04:00 1 not told: it was over before anybody had been told
    "#]],
    );
}

#[test]
fn a_muted_check_is_not_told_after_a_restart_either() {
    let rules = Rules {
        fields: vec![FieldRule {
            muted: Some(true),
            ..FieldRule::default()
        }],
        ..one_contact()
    };
    check(
        rules,
        "clock         .*3 crash .*2
         web1/df/root  99*5 50",
        expect![[r#"
            02:00 1 ops not told: notices about it are muted in the configuration
            05:00 1 not told: it was over before anybody had been told
        "#]],
    );
}

#[test]
fn nobody_to_tell_is_a_reason() {
    check(
        no_memory(),
        "web1/df/root 99*4 50",
        expect![[r#"
        02:00 1 not told: no contact is configured for it
        04:00 1 not told: it was over before anybody had been told
    "#]],
    );
}

#[test]
fn a_host_that_may_be_silent_is_never_down() {
    let rules = Rules {
        hosts: vec![HostRule {
            down_after: Some(DownAfter::Never),
            ..HostRule::default()
        }],
        ..one_contact()
    };
    check(rules, "web1 x x .*20", expect![[r#""#]]);
}

#[test]
fn a_restart_tells_nothing_twice_and_loses_nothing() {
    check(
        one_contact(),
        "clock         .*3 crash .*2 restart .*3 crash
         web1          x*14
         web1/df/root  99*10 50*4
         web1/df/var   50*3 99*7 50*4",
        expect![[r#"
            02:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            05:00 2-ops-1 [critical] web1: df var is 99 (critical above 98)
            10:00 1-ops-2 [ok] web1: df root is 50 (was critical for 8m)
            10:00 2-ops-2 [ok] web1: df var is 50 (was critical for 5m)
        "#]],
    );
}

#[test]
fn after_a_restart_silence_counts_from_then_and_with_a_grace() {
    check(
        one_contact(),
        "clock         .*7 crash
         web1          x*3  .*20
         web1/df/root  50*3 .*20",
        expect![[r#"
            14:00 1-ops-1 [down] web1: nothing is heard of the host
        "#]],
    );
}

#[test]
fn a_restart_while_a_host_is_down_changes_nothing() {
    check(
        one_contact(),
        "clock         .*10 crash
         web1          x*3  .*20 x*3
         web1/df/root  50*3 .*20 50*3",
        expect![[r#"
            07:00 1-ops-1 [down] web1: nothing is heard of the host
            23:00 1-ops-2 [up] web1: the host is heard of again after 16m
        "#]],
    );
}

#[test]
fn a_step_of_the_clock_is_nobodys_fault() {
    let table = |step: &str| {
        format!(
            "clock         .*3  {step}
             web1          x*12
             web1/df/root  50*12"
        )
    };
    check(one_contact(), &table("+1h"), expect![[r#""#]]);
    check(one_contact(), &table("-1h"), expect![[r#""#]]);
}

#[test]
fn old_readings_are_told_only_when_fresh_ones_confirm_them() {
    check(
        one_contact(),
        "web1/df/root  50@30 99@29 99@28 99@27 99@26 50@25 50 50
         web1/df/var   50@30 99@29 99@28 99@27 99@26 99@25 99 99",
        expect![[r#"
            03:00 1 ops not told: the readings arrived late; fresh ones are awaited until 2026-01-01 00:05:00 UTC
            03:00 2 ops not told: the readings arrived late; fresh ones are awaited until 2026-01-01 00:05:00 UTC
            05:00 1 not told: it was over before anybody had been told
            05:00 2-ops-1 [critical] web1: df var is 99 (critical above 98)
        "#]],
    );
    check(
        one_contact(),
        "web1          x*10
         web1/df/root  50@30 99@29 99@28 99@27 .*6",
        expect![[r#"
            03:00 1 ops not told: the readings arrived late; fresh ones are awaited until 2026-01-01 00:05:00 UTC
            05:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
        "#]],
    );
}

#[test]
fn a_counter_is_judged_by_its_rate() {
    check(
        one_contact(),
        "web1/if_/down  0 60 6060 12060 18060 18120 18180",
        expect![[r#"
            04:00 1-ops-1 [critical] web1: if_ down is 100 (critical above 98)
            05:00 1-ops-2 [ok] web1: if_ down is 1 (was critical for 1m)
        "#]],
    );
}

#[test]
fn what_is_not_judged_any_more_is_withdrawn() {
    let rows = rows("web1/df/root 99*4");
    let mut world = World::new(one_contact(), &rows);
    world.live(&rows);
    let host = HostName::new("web1").unwrap();
    world.engine.handle_forget(&host, world.now);
    world.carry_out();
    assert!(world.engine.checks_of(&host).is_empty());
    assert!(
        world
            .stored
            .keys()
            .all(|key| matches!(key, RecordKey::Incident(_)))
    );
    expect![[r#"
        02:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
        04:00 1-ops-2 [not watched any more] web1: df root is not judged any more (was critical for 2m)
    "#]].assert_eq(&world.log);
}

#[test]
fn other_rules_apply_at_once_and_keep_all_states() {
    let rows = rows("web1/df/root 99*4");
    let mut world = World::new(no_memory(), &rows);
    world.live(&rows);
    world
        .engine
        .handle_rules(Arc::new(one_contact()), world.now);
    world.carry_out();
    expect![[r#"
        02:00 1 not told: no contact is configured for it
        04:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
    "#]]
    .assert_eq(&world.log);
}

#[test]
fn every_check_says_why() {
    let rows = rows(
        "web1           x*6
         web1/df/root   99*6
         web1/df/var    50*4 99*2
         web1/df/home   50*6
         web1/df/tmp    .*6",
    );
    let mut world = World::new(one_contact(), &rows);
    world.live(&rows);
    let mut found = String::new();
    for check in world.engine.checks_of(&HostName::new("web1").unwrap()) {
        writeln!(found, "{} {}: {}", check.name, check.severity, check.reason).unwrap();
    }
    expect![[r#"
        web1 ok: last heard of 2026-01-01 00:05:00 UTC, down if nothing is heard by 2026-01-01 00:10:00 UTC
        web1/df/home ok: nothing to tell
        web1/df/root critical: incident 1: ops was told of critical at 2026-01-01 00:02:00 UTC
        web1/df/tmp ok: nothing to judge yet
        web1/df/var ok: not told yet: outside its thresholds 2 times in a row of 3
    "#]].assert_eq(&found);
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("50"), 4 => Just("99"), 2 => Just("95"), 1 => Just("U"), 1 => Just(".")
    ]
    .prop_map(str::to_owned)
}

fn life() -> impl Strategy<Value = Vec<Row>> {
    let names = [
        "web1/df/root",
        "web1/df/var",
        "web1/load/load",
        "web2/df/root",
    ];
    prop::collection::vec(prop::collection::vec(word(), 40), names.len()).prop_map(move |lives| {
        let spoken = ["web1", "web2"].map(|host| row(&format!("{host} x*40")));
        let lived = names.into_iter().zip(lives);
        let lived = lived.map(|(name, words)| Row {
            of: of(name),
            words,
        });
        spoken.into_iter().chain(lived).collect()
    })
}

fn told(rows: &[Row], change: impl Fn(&mut World, usize)) -> Vec<Notice> {
    let mut world = World::new(one_contact(), rows);
    for minute in 0..40 {
        world.say(rows, minute);
        change(&mut world, minute);
        world.pass_until(world.now + Duration::from_secs(60));
    }
    world.told
}

proptest! {
    #[test]
    fn no_two_notices_have_one_key(rows in life()) {
        let told = told(&rows, |_, _| {});
        let keys: BTreeSet<_> = told.iter().map(|notice| notice.key.clone()).collect();
        prop_assert_eq!(keys.len(), told.len());
    }

    #[test]
    fn the_same_inputs_give_the_same_notices(rows in life()) {
        prop_assert_eq!(told(&rows, |_, _| {}), told(&rows, |_, _| {}));
    }

    #[test]
    fn saving_and_restoring_at_any_point_changes_nothing(rows in life(), at in 0_usize..40) {
        // Silence has a grace after a start, so only readings are compared: nothing is left out.
        let rows = without_gaps(rows);
        let restarted = told(&rows, |world, minute| if minute == at { world.stop_and_start() });
        prop_assert_eq!(told(&rows, |_, _| {}), restarted);
    }

    #[test]
    fn a_crash_and_a_replay_change_nothing(rows in life(), at in 4_usize..40) {
        let rows = without_gaps(rows);
        let replayed = told(&rows, |world, minute| if minute == at {
            world.crash();
            replay(world, &rows, minute);
        });
        prop_assert_eq!(told(&rows, |_, _| {}), replayed);
    }

    #[test]
    fn gaps_and_crashes_give_no_key_twice(
        rows in life(), spoken in prop::collection::vec(any::<bool>(), 40), crashes in prop::collection::vec(0_usize..40, 3),
    ) {
        let mut rows = rows;
        for row in rows.iter_mut().filter(|row| row.of == of("web1")) {
            row.words = spoken.iter().map(|spoken| if *spoken { "x" } else { "." }.to_owned()).collect();
        }
        for row in rows.iter_mut().filter(|row| matches!(&row.of, Of::Field(it) if it.host.as_str() == "web1")) {
            let gaps = row.words.iter_mut().zip(&spoken).filter(|(_, spoken)| !**spoken);
            gaps.for_each(|(word, _)| *word = ".".to_owned());
        }
        let told = told(&rows, |world, minute| if crashes.contains(&minute) { world.crash() });
        let keys: BTreeSet<_> = told.iter().map(|notice| notice.key.clone()).collect();
        prop_assert_eq!(keys.len(), told.len());
    }

    #[test]
    fn every_problem_that_lasts_is_told(rows in life()) {
        let mut world = World::new(one_contact(), &rows);
        world.live(&rows);
        for incident in world.engine.incidents() {
            prop_assert!(!incident.told.is_empty(), "{incident:?}");
        }
    }
}

fn without_gaps(mut rows: Vec<Row>) -> Vec<Row> {
    let words = rows.iter_mut().flat_map(|row| &mut row.words);
    words
        .filter(|word| *word == ".")
        .for_each(|word| *word = "50".to_owned());
    rows
}

/// The journal's last four minutes again, with their own times.
fn replay(world: &mut World, rows: &[Row], minute: usize) {
    for ago in (0..4).rev() {
        let mut batch = Vec::new();
        for row in rows {
            if let Of::Field(series) = &row.of
                && let Some(reading) = Reading::parse(&row.words[minute - ago])
            {
                let ago = Duration::from_secs(60 * ago as u64);
                batch.push((series.clone(), reading, world.now - ago));
            }
        }
        world.engine.handle_readings(&batch, world.now);
    }
    world.carry_out();
}

#[test]
fn a_verdict_is_told_in_the_words_of_its_check() {
    check(
        one_contact(),
        "web1             x*12
         web1/check_disk  ok crit*4 warn ok*2 crit ok*3",
        expect![[r#"
            03:00 1-ops-1 [critical] web1: check_disk: DISK CRITICAL - it is bad
            06:00 1-ops-2 [ok] web1: check_disk: DISK OK - all is well (was critical for 3m)
        "#]],
    );
}

#[test]
fn a_check_that_is_not_made_any_more_is_unknown_while_its_host_speaks() {
    check(
        one_contact(),
        "web1             x*20
         web1/check_disk  crit*4 .*9 ok",
        expect![[r#"
            02:00 1-ops-1 [critical] web1: check_disk: DISK CRITICAL - it is bad
            13:00 1-ops-2 [ok] web1: check_disk: DISK OK - all is well (was critical for 11m)
            16:00 2-ops-1 [unknown] web1: check_disk has no result
        "#]],
    );
}

#[test]
fn a_verdict_that_none_is_to_follow_is_never_silent() {
    check(
        Rules {
            patience: Patience {
                attempts: 1,
                unknown_limit: 1,
            },
            ..one_contact()
        },
        "web1             x*200
         web1/backup      crit! .*190 ok!",
        expect![[r#"
            00:00 1-ops-1 [critical] web1: backup: DISK CRITICAL - it is bad
            191:00 1-ops-2 [ok] web1: backup: DISK OK - all is well (was critical for 3h 11m)
        "#]],
    );
}

#[test]
fn verdicts_of_a_host_that_is_down_are_explained_and_survive_restarts() {
    check(
        one_contact(),
        "web1             x*3   .*15  x*8
         web1/check_disk  ok*3  .*15  ok*8
         web1/check_load  ok*3  .*15  crit*8
         clock            .*10 crash . . restart .*6 crash . . restart",
        expect![[r#"
            07:00 1-ops-1 [down] web1: nothing is heard of the host
            18:00 1-ops-2 [up] web1: the host is heard of again after 11m
            20:00 2-ops-1 [critical] web1: check_load: DISK CRITICAL - it is bad
        "#]],
    );
}

#[test]
fn overrides_hold_for_a_check_by_its_name() {
    let rule = FieldRule {
        graph: Pattern::new("check_disk"),
        attempts: Some(1),
        ..FieldRule::default()
    };
    let muted = FieldRule {
        graph: Pattern::new("check_*"),
        field: Pattern::new("root"),
        muted: Some(true),
        ..FieldRule::default()
    };
    check(
        Rules {
            fields: vec![rule, muted],
            ..one_contact()
        },
        "web1             x*3
         web1/check_disk  ok crit
         web1/check_load  ok crit",
        expect![[r#"
            01:00 1-ops-1 [critical] web1: check_disk: DISK CRITICAL - it is bad
        "#]],
    );
}

#[test]
fn thresholds_of_a_checks_numbers_are_not_judged() {
    let rows = rows("web1/check_disk/root 99*9\nweb1/check_disk ok*9\nweb1 x*9");
    let mut world = World::new(one_contact(), &rows);
    let (host, check) = (
        HostName::new("web1").unwrap(),
        GraphName::new("check_disk").unwrap(),
    );
    let graph = world.graphs.values_mut().next().unwrap();
    Arc::make_mut(graph).check = Some(check);
    world.declare();
    world.live(&rows);
    assert_eq!(world.log, "");
    let names: Vec<String> = world
        .engine
        .checks_of(&host)
        .iter()
        .map(|check| check.name.to_string())
        .collect();
    assert_eq!(names, ["web1", "web1/check_disk"]);
}
