//! Who is told when: periods, rotas, escalation, reminders, budgets, routes. Whatever is told is told the same with a stop
//! and a start, or a crash, at any minute.

use super::*;
use crate::budget::{Budget, Remind};
use crate::escalation::{Escalation, Step};
use crate::period::Period;
use crate::rota::{Handover, Rota};
use crate::route::{Among, Route, RouteRule};
use crate::topology::{CheckSet, Group};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// In UTC.
fn period(name: &str, times: &str) -> Arc<Period> {
    Arc::new(Period {
        name: name.to_owned(),
        zone: chrono_tz::UTC,
        times: vec![times.parse().unwrap()],
        except: Vec::new(),
        exclude: Vec::new(),
    })
}

fn names(names: &[&str]) -> Vec<ContactName> {
    names.iter().copied().map(ContactName::new).collect()
}

fn escalation(steps: &[(u64, &str)]) -> Arc<Escalation> {
    let step = |(after, who): &(u64, &str)| Step {
        after: minutes(*after),
        contacts: names(&[who]),
        severities: None,
    };
    Arc::new(Escalation {
        name: String::from("standard"),
        steps: steps.iter().map(step).collect(),
    })
}

/// As [`super::check`], one attempt; and with an interruption at any minute the same is told.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads as lines of data"
)]
fn check(rules: Rules, table: &str, expect: Expect) {
    let rules = Rules {
        patience: Patience {
            attempts: 1,
            unknown_limit: 3,
        },
        memory: Memory::NONE,
        ..rules
    };
    let rows = rows(table);
    let mut world = World::new(rules.clone(), &rows);
    world.live(&rows);
    expect.assert_eq(&world.log);
    let length = rows.iter().map(|row| row.words.len()).max().unwrap();
    for how in ["crash", "restart"] {
        for minute in 1..length {
            let mut interrupted = rows.clone();
            let words = format!("clock .*{minute} {how}");
            interrupted.insert(0, row(&words));
            let mut again = World::new(rules.clone(), &interrupted);
            again.live(&interrupted);
            assert_eq!(again.told, world.told, "{how} at {minute}: {}", again.log);
        }
    }
}

#[test]
fn what_comes_outside_of_somebodys_hours_waits_for_them() {
    let ops = Contact {
        period: Some(period("early", "daily 00:04-00:08")),
        ..Contact::new("ops")
    };
    let rules = Rules {
        contacts: vec![ops],
        ..Rules::default()
    };
    check(
        rules.clone(),
        "web1/df/root 50 99*5 50*2",
        expect![[r#"
            01:00 1 ops not told: wants to be told in period early only, which begins 2026-01-01 00:04:00 UTC
            04:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            06:00 1-ops-2 [ok] web1: df root is 50 (was critical for 5m)
        "#]],
    );
    check(
        rules.clone(),
        "web1/df/root 50 99*2 50*3",
        expect![[r#"
            01:00 1 ops not told: wants to be told in period early only, which begins 2026-01-01 00:04:00 UTC
            03:00 1 ops not told: it was over before anybody had been told
            03:00 1 not told: it was over before anybody had been told
        "#]],
    );
    check(
        rules,
        "web1/df/root 50*5 99*4 50*2",
        expect![[r#"
            05:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            09:00 1 ops not told: wants to be told in period early only, which begins 2026-01-02 00:04:00 UTC
        "#]],
    );
}

#[test]
fn an_end_outside_of_somebodys_hours_is_told_when_they_begin() {
    let ops = Contact {
        period: Some(period("even", "daily 00:00-00:02,00:06-00:08")),
        ..Contact::new("ops")
    };
    let rules = Rules {
        contacts: vec![ops],
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 99*3 50*5",
        expect![[r#"
            00:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            03:00 1 ops not told: wants to be told in period even only, which begins 2026-01-01 00:06:00 UTC
            06:00 1-ops-2 [ok] web1: df root is 50 (was critical for 3m)
        "#]],
    );
}

#[test]
fn people_are_told_of_a_check_in_its_period_only() {
    let rules = Rules {
        contacts: vec![Contact::new("ops")],
        fields: vec![FieldRule {
            told_in: Some(period("late", "daily 00:03-00:10")),
            ..FieldRule::default()
        }],
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 50 99*5",
        expect![[r#"
            01:00 1 ops not told: people are told of it in period late only, which begins 2026-01-01 00:03:00 UTC
            03:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
        "#]],
    );
}

#[test]
fn a_check_stays_as_it_was_outside_of_the_period_in_which_it_is_judged() {
    let rules = Rules {
        contacts: vec![Contact::new("ops")],
        fields: vec![FieldRule {
            judged_in: Some(period("late", "daily 00:03-00:06")),
            ..FieldRule::default()
        }],
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 99*5 99 50*3
         web1/check_disk crit*5 crit ok*3",
        expect![[r#"
            03:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            03:00 2-ops-1 [critical] web1: check_disk: DISK CRITICAL - it is bad
        "#]],
    );
}

#[test]
fn who_is_on_call_is_told_and_at_the_hand_over_the_next_one() {
    let rota = Rota {
        name: ContactName::new("oncall"),
        members: names(&["anna", "ben"]),
        zone: chrono_tz::UTC,
        start: chrono::NaiveDate::from_ymd_opt(2025, 12, 30).unwrap(),
        handover: Handover::Daily(3),
        overrides: Vec::new(),
    };
    let rules = Rules {
        contacts: names(&["anna", "ben"])
            .into_iter()
            .map(|name| Contact::new(name.as_str()))
            .collect(),
        rotas: vec![rota],
        route: Route {
            contacts: Some(names(&["oncall"])),
            ..Route::default()
        },
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 50 99*5 50",
        expect![[r#"
            01:00 1-ben-1 [critical] web1: df root is 99 (critical above 98)
            03:00 1-anna-1 [critical] web1: df root is 99 (critical above 98)
            06:00 1-anna-2 [ok] web1: df root is 50 (was critical for 5m)
            06:00 1-ben-2 [ok] web1: df root is 50 (was critical for 5m)
        "#]],
    );
}

fn escalating() -> Rules {
    let people = ["ops", "second", "boss"];
    Rules {
        contacts: people.into_iter().map(Contact::new).collect(),
        route: Route {
            contacts: Some(names(&["ops"])),
            escalation: Some(escalation(&[(3, "second"), (5, "boss")])),
            ..Route::default()
        },
        ..Rules::default()
    }
}

#[test]
fn what_nobody_acknowledges_reaches_others_in_time() {
    check(
        escalating(),
        "web1/df/root 50 99*6 50",
        expect![[r#"
            01:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            04:00 1-second-1 [critical] web1: df root is 99 (critical above 98)
            06:00 1-boss-1 [critical] web1: df root is 99 (critical above 98)
            07:00 1-boss-2 [ok] web1: df root is 50 (was critical for 6m)
            07:00 1-ops-2 [ok] web1: df root is 50 (was critical for 6m)
            07:00 1-second-2 [ok] web1: df root is 50 (was critical for 6m)
        "#]],
    );
}

#[test]
fn an_acknowledgement_stops_escalation_and_reminders_until_it_ends() {
    let rows = rows("web1/df/root 50 99*9");
    let mut rules = escalating();
    rules.memory = Memory::NONE;
    rules.contacts[0].remind = Some(Remind {
        every: minutes(2),
        at_most: 2,
    });
    let mut world = World::new(rules, &rows);
    for minute in 0..10 {
        world.say(&rows, minute);
        if minute == 4 {
            let name = world.engine.incidents().next().unwrap().cause.clone();
            let until = Some(world.now + minutes(3));
            let now = world.now;
            world
                .engine
                .handle_acknowledge(&name, "dora", "on it", until, now);
            world.carry_out();
        }
        world.pass_until(world.now + minutes(1));
    }
    expect![[r#"
        03:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
        04:00 1 ops not told: acknowledged by dora
        07:00 1-ops-2 [critical] web1: df root is 99 (critical above 98)
        09:00 1-ops-3 [critical] web1: df root is 99 (critical above 98)
    "#]]
    .assert_eq(&world.log);
    assert_eq!(world.told[1].kind, crate::notice::Kind::Reminder);
}

#[test]
fn reminders_are_few_and_begin_anew_when_it_gets_worse() {
    let ops = Contact {
        remind: Some(Remind {
            every: minutes(2),
            at_most: 1,
        }),
        ..Contact::new("ops")
    };
    let rules = Rules {
        contacts: vec![ops],
        ..Rules::default()
    };
    check(
        rules,
        "web1/df/root 50 95*6 99*6",
        expect![[r#"
            01:00 1-ops-1 [warning] web1: df root is 95 (warning above 92)
            03:00 1-ops-2 [warning] web1: df root is 95 (warning above 92)
            07:00 1-ops-3 [critical] web1: df root is 99 (critical above 98)
            09:00 1-ops-4 [critical] web1: df root is 99 (critical above 98)
        "#]],
    );
}

#[test]
fn what_is_over_somebodys_budget_comes_as_one_digest_and_nothing_is_lost() {
    let ops = Contact {
        budget: Some(Budget {
            notices: 2,
            per: minutes(60),
            digest_every: minutes(4),
        }),
        ..Contact::new("ops")
    };
    let rules = Rules {
        contacts: vec![ops, Contact::new("log")],
        ..Rules::default()
    };
    let table = "web1/df/a 50 99*12
                 web1/if/b 50 99*12
                 web1/cpu/c 50 99*12
                 web2/df/d 50 95*2 50*9
                 web2/if/e 50 95*12
                 web2/cpu/f 50*4 95*8";
    check(
        rules,
        table,
        expect![[r#"
            01:00 1-ops-1 [critical] web1: cpu c is 99 (critical above 98)
            01:00 1-log-1 [critical] web1: cpu c is 99 (critical above 98)
            01:00 2-ops-1 [critical] web1: df a is 99 (critical above 98)
            01:00 2-log-1 [critical] web1: df a is 99 (critical above 98)
            01:00 3 ops not told: had as many notices as the budget allows; the digest of 2026-01-01 00:02:00 UTC says it
            01:00 3-log-1 [critical] web1: if b is 99 (critical above 98)
            01:00 4 ops not told: had as many notices as the budget allows; the digest of 2026-01-01 00:02:00 UTC says it
            01:00 4-log-1 [warning] web2: df d is 95 (warning above 92)
            01:00 5 ops not told: had as many notices as the budget allows; the digest of 2026-01-01 00:02:00 UTC says it
            01:00 5-log-1 [warning] web2: if e is 95 (warning above 92)
            02:00 3-ops-1 [digest] 3 incidents, 3 of them open
            03:00 4-log-2 [ok] web2: df d is 50 (was warning for 2m)
            03:00 4 ops not told: had as many notices as the budget allows; the digest of 2026-01-01 00:06:00 UTC says it
            04:00 6 ops not told: had as many notices as the budget allows; the digest of 2026-01-01 00:06:00 UTC says it
            04:00 6-log-1 [warning] web2: cpu f is 95 (warning above 92)
            06:00 6-ops-1 [digest] 2 incidents, 1 of them open
        "#]],
    );
}

#[test]
fn routes_go_by_host_group_tag_check_and_severity_and_the_last_one_wins() {
    let route = |contacts: &[&str]| RouteRule {
        contacts: Some(names(contacts)),
        ..RouteRule::default()
    };
    let rules = Rules {
        contacts: ["all", "web", "prod", "disks", "pager"]
            .into_iter()
            .map(Contact::new)
            .collect(),
        groups: vec![Group {
            name: "site/web".parse().unwrap(),
            hosts: vec![Pattern::new("web*")],
        }],
        hosts: vec![HostRule {
            host: Pattern::new("*2"),
            tags: Some(vec![String::from("production")]),
            ..HostRule::default()
        }],
        routes: vec![
            route(&["all"]),
            RouteRule {
                among: Among {
                    group: Some(Pattern::new("site")),
                    tag: None,
                },
                ..route(&["web"])
            },
            RouteRule {
                among: Among {
                    group: None,
                    tag: Some(Pattern::new("prod*")),
                },
                ..route(&["prod"])
            },
            RouteRule {
                checks: Some(CheckSet::new(["*/df"])),
                ..route(&["disks"])
            },
            RouteRule {
                host: Pattern::new("web*"),
                severities: Some(vec![Severity::Critical]),
                ..route(&["pager"])
            },
        ],
        ..Rules::default()
    };
    check(
        rules,
        "db1/cpu/a  95
         db2/cpu/a  95
         db1/df/a   95
         web1/cpu/a 95
         web2/cpu/a 95 99",
        expect![[r#"
            00:00 1-all-1 [warning] db1: cpu a is 95 (warning above 92)
            00:00 2-disks-1 [warning] db1: df a is 95 (warning above 92)
            00:00 3-prod-1 [warning] db2: cpu a is 95 (warning above 92)
            00:00 4-web-1 [warning] web1: cpu a is 95 (warning above 92)
            00:00 5-prod-1 [warning] web2: cpu a is 95 (warning above 92)
            01:00 5-pager-1 [critical] web2: cpu a is 99 (critical above 98)
        "#]],
    );
}

#[test]
fn other_rules_keep_all_states_and_whom_they_concern_is_asked_anew() {
    let rows = rows("web1/df/root 50 95*9");
    let mut world = World::new(one_contact(), &rows);
    for minute in 0..8 {
        if minute == 6 {
            let mut rules = escalating();
            rules.memory = Memory::NONE;
            let now = world.now;
            world.rules = Arc::new(rules);
            let rules = Arc::clone(&world.rules);
            world.engine.handle_rules(rules, now);
            world.carry_out();
        }
        world.say(&rows, minute);
        world.pass_until(world.now + minutes(1));
    }
    world.pass_until(world.now + minutes(5));
    expect![[r#"
        03:00 1-ops-1 [warning] web1: df root is 95 (warning above 92)
        06:00 1-second-1 [warning] web1: df root is 95 (warning above 92)
        08:00 1-boss-1 [warning] web1: df root is 95 (warning above 92)
    "#]]
    .assert_eq(&world.log);
}
