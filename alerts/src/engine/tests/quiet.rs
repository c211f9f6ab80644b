//! What people do, a line an action: `3 ack 1` is said in minute 3. Times are minutes.

use expect_test::{Expect, expect};

use super::*;
use crate::action::{Action, Subject};
use crate::address::{Address, Format, Hook};
use crate::quiet::{Every, Plan};

/// `ack ON [FOR]`, `unack ON`, `down HOST START END [CHECK] [flex=MINUTES]`, `group NAME START END`, `up ID`,
/// `say ON TEXT`, `unsay ID`, `mute [FOR]`, `unmute`.
fn action(words: &[&str], now: Timestamp) -> Action {
    let minutes = |text: &str| Duration::from_secs(60 * text.parse::<u64>().unwrap());
    let at = |text: &str| NEW_YEAR + minutes(text);
    let after = |text: &&&str| now + minutes(text);
    let on = |text: &str| text.parse::<Subject>().unwrap();
    let plan = |start: &str, end: &str| Plan {
        start: Some(at(start)),
        end: at(end),
        comment: String::from("why not"),
        ..Plan::default()
    };
    match words {
        ["ack", subject, rest @ ..] => Action::Acknowledge {
            on: on(subject),
            comment: String::new(),
            expires: rest.first().as_ref().map(after),
        },
        ["unack", subject] => Action::Unacknowledge { on: on(subject) },
        ["down", host, start, end, rest @ ..] => {
            let flexible = rest.iter().find_map(|word| word.strip_prefix("flex="));
            let check = rest.iter().find(|word| !word.contains('='));
            Action::AddDowntime(Plan {
                host: Some((*host).to_owned()),
                check: check.map(|check| (*check).to_owned()),
                flexible_seconds: flexible.map(|it| minutes(it).as_secs()),
                every: rest.contains(&"every=day").then_some(Every::Day),
                ..plan(start, end)
            })
        }
        ["group", name, start, end] => Action::AddDowntime(Plan {
            group: Some((*name).to_owned()),
            ..plan(start, end)
        }),
        ["up", id] => Action::RemoveDowntime {
            id: id.parse().unwrap(),
        },
        ["say", subject, text] => Action::AddComment {
            on: on(subject),
            text: (*text).to_owned(),
        },
        ["unsay", id] => Action::RemoveComment {
            id: id.parse().unwrap(),
        },
        ["mute", rest @ ..] => Action::Mute {
            comment: String::from("the mail server moves"),
            expires: rest.first().as_ref().map(after),
        },
        ["unmute"] => Action::Unmute,
        other => panic!("no such action: {other:?}"),
    }
}

fn play(world: &mut World, rows: &[Row], actions: &[(usize, &str)]) {
    let minutes = rows.iter().map(|row| row.words.len()).max().unwrap();
    for minute in 0..minutes {
        world.say(rows, minute);
        for (_, line) in actions.iter().filter(|(at, _)| *at == minute) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let done = world
                .engine
                .act(&action(&words, world.now), "dora", world.now);
            let said = done.map_or_else(|why| format!("refused: {why}"), |done| done.said);
            writeln!(world.log, "      {said}").unwrap();
            world.carry_out();
        }
        world.pass_until(world.now + Duration::from_secs(60));
    }
}

fn rules() -> Rules {
    Rules {
        fields: vec![FieldRule {
            attempts: Some(1),
            ..FieldRule::default()
        }],
        groups: vec![crate::topology::Group {
            name: "prod/web".parse().unwrap(),
            hosts: vec![Pattern::new("web*")],
        }],
        ..one_contact()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads as lines of data"
)]
fn check(table: &str, actions: &[(usize, &str)], expect: Expect) {
    let rows = rows(table);
    let mut world = World::new(rules(), &rows);
    play(&mut world, &rows, actions);
    expect.assert_eq(&world.log);
}

#[test]
fn an_acknowledgement_holds_until_it_becomes_worse() {
    check(
        "web1/disk ok warn warn crit crit ok ok",
        &[(2, "ack 1"), (2, "ack web1/disk 60")],
        expect![[r#"
            01:00 1-ops-1 [warning] web1: disk: DISK WARNING - it is odd
                  incident 1 is acknowledged by dora, unless it becomes worse or wider: web1: disk: DISK WARNING - it is odd
            02:00 1 ops not told: acknowledged by dora
                  incident 1 is acknowledged by dora until 2026-01-01 01:02:00 UTC, unless it becomes worse or wider: web1: disk: DISK WARNING - it is odd
            03:00 1-ops-2 [critical] web1: disk: DISK CRITICAL - it is bad
            05:00 1-ops-3 [ok] web1: disk: DISK OK - all is well (was critical for 4m)
        "#]],
    );
}

#[test]
fn a_service_that_keeps_who_knows_of_what_hears_of_an_acknowledgement() {
    let rows = rows("web1/disk ok crit crit crit ok ok");
    let mut rules = rules();
    rules.contacts[0].channels = vec![Address::Webhook(Hook {
        format: Format::PagerDuty,
        ..Hook::new("https://events.pagerduty.com/v2/enqueue")
    })];
    let mut world = World::new(rules, &rows);
    play(&mut world, &rows, &[(2, "ack 1")]);
    expect![[r#"
        01:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
              incident 1 is acknowledged by dora, unless it becomes worse or wider: web1: disk: DISK CRITICAL - it is bad
        02:00 1-ops-2 [acknowledged] web1: dora has acknowledged it
        02:00 1 ops not told: acknowledged by dora
        04:00 1-ops-3 [ok] web1: disk: DISK OK - all is well (was critical for 3m)
    "#]].assert_eq(&world.log);
}

#[test]
fn what_is_acknowledged_before_it_may_be_told_is_told_when_that_expires() {
    check(
        "web1/disk ok crit crit crit crit crit crit crit crit",
        &[(0, "mute 4"), (2, "ack 1 4")],
        expect![[r#"
                  nobody is told anything until 2026-01-01 00:04:00 UTC
            01:00 1 ops not told: dora muted all notices until 2026-01-01 00:04:00 UTC
                  incident 1 is acknowledged by dora until 2026-01-01 00:06:00 UTC, unless it becomes worse or wider: web1: disk: DISK CRITICAL - it is bad
            04:00 1 ops not told: acknowledged by dora
            06:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
        "#]],
    );
}

#[test]
fn an_acknowledgement_taken_back_is_asked_about_again() {
    check(
        "web1/disk ok crit crit crit crit crit crit",
        &[
            (0, "mute"),
            (2, "ack 1"),
            (3, "unmute"),
            (5, "unack 1"),
            (6, "unack 1"),
        ],
        expect![[r#"
                  nobody is told anything until somebody takes it back
            01:00 1 ops not told: dora muted all notices
                  incident 1 is acknowledged by dora, unless it becomes worse or wider: web1: disk: DISK CRITICAL - it is bad
                  people are told again; what is wrong and was not told is told now
            03:00 1 ops not told: acknowledged by dora
                  incident 1 is no longer acknowledged
            05:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
                  refused: incident 1 is not acknowledged
        "#]],
    );
}

#[test]
fn a_downtime_that_ends_or_is_taken_back_tells_what_is_still_bad() {
    check(
        "
        web1/disk ok crit crit crit crit crit crit
        web2/disk ok crit crit crit crit ok ok
        db1/disk ok ok crit crit crit crit crit
        ",
        &[
            (0, "down web1 0 4"),
            (0, "down web2/x 0 9"),
            (0, "down web2 0 9 disk"),
            (1, "down db1 1 60"),
            (3, "up 4"),
        ],
        expect![[r#"
                  downtime 1 of web1 from 2026-01-01 00:00:00 UTC to 2026-01-01 00:04:00 UTC
                  downtime 2 of web2/x from 2026-01-01 00:00:00 UTC to 2026-01-01 00:09:00 UTC; no host that is known now is meant
                  downtime 3 of disk on web2 from 2026-01-01 00:00:00 UTC to 2026-01-01 00:09:00 UTC
            01:00 1 ops not told: in downtime until 2026-01-01 00:04:00 UTC
            01:00 2 ops not told: in downtime until 2026-01-01 00:09:00 UTC
                  downtime 4 of db1 from 2026-01-01 00:01:00 UTC to 2026-01-01 01:00:00 UTC
            02:00 3 ops not told: in downtime until 2026-01-01 01:00:00 UTC
                  downtime 4 of db1 is taken back; what is wrong is told
            03:00 3-ops-1 [critical] db1: disk: DISK CRITICAL - it is bad
            04:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
            05:00 2 not told: it was over before anybody had been told
        "#]],
    );
}

#[test]
fn a_downtime_of_a_group_is_of_its_hosts() {
    check(
        "
        web1/disk ok crit crit crit
        db1/disk ok crit crit crit
        ",
        &[(0, "group prod 0 60"), (0, "group pro 0 60")],
        expect![[r#"
                  downtime 1 of group prod from 2026-01-01 00:00:00 UTC to 2026-01-01 01:00:00 UTC
                  refused: no group pro: expected the name of a configured one
            01:00 1-ops-1 [critical] db1: disk: DISK CRITICAL - it is bad
            01:00 2 ops not told: in downtime until 2026-01-01 01:00:00 UTC
        "#]],
    );
}

#[test]
fn a_flexible_downtime_begins_when_something_fails() {
    check(
        "
        web1/disk ok ok ok crit crit crit crit crit crit
        web1/raid ok ok ok ok ok ok ok crit crit
        ",
        &[(0, "down web1 1 5 flex=3")],
        expect![[r#"
                  downtime 1 of web1 for 3m from the first problem between 2026-01-01 00:01:00 UTC and 2026-01-01 00:05:00 UTC
            03:00 1 ops not told: in downtime until 2026-01-01 00:06:00 UTC
            06:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
            07:00 2-ops-1 [critical] web1: raid: DISK CRITICAL - it is bad
        "#]],
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    check(
        "web1/disk ok ok crit crit",
        &[
            (0, "ack web1/disk"),
            (0, "ack web9"),
            (0, "ack web1/dusk"),
            (0, "ack 7"),
            (1, "down web1 1 1"),
            (1, "down web1 0 1500 every=day"),
            (1, "up 3"),
            (1, "unsay 3"),
            (1, "unmute"),
            (1, "say 7 hello"),
            (3, "ack 1 9999999"),
        ],
        expect![[r#"
                  refused: nothing is wrong with web1/disk: it is in no incident
                  refused: no host web9: nothing is known of it
                  refused: no check web1/dusk; `ravenry status` lists what is judged
                  refused: no incident 7
                  refused: expected an end after the start and after now
                  refused: expected a downtime that comes again to end before it does
                  refused: no downtime 3
                  refused: no comment 3
                  refused: nothing is muted, so nothing is to be taken back
                  refused: no incident 7
            02:00 1-ops-1 [critical] web1: disk: DISK CRITICAL - it is bad
                  refused: expected the end to be after now and within two years, found 2045-01-05 10:42:00 UTC
        "#]],
    );
}

#[test]
fn everything_people_said_survives_a_crash_at_any_minute() {
    let table = "web1/disk ok crit crit crit crit crit crit crit crit crit crit crit crit crit";
    let actions = [
        (0, "mute 6"),
        (1, "down web1 2 9 flex=2"),
        (2, "ack web1/disk 9"),
        (3, "say web1 hello"),
        (4, "say 1 hello"),
        (5, "unsay 2"),
    ];
    let told = |crash: Option<usize>| {
        let mut rows = rows(table);
        let clock = (0..14).map(|minute| if Some(minute) == crash { "crash" } else { "." });
        rows.push(Row {
            of: Of::Clock,
            words: clock.map(str::to_owned).collect(),
        });
        let mut world = World::new(rules(), &rows);
        play(&mut world, &rows, &actions);
        let comments: Vec<_> = world.engine.comments().cloned().collect();
        let downtimes: Vec<_> = world.engine.downtimes().cloned().collect();
        (
            world.told,
            comments,
            downtimes,
            world.engine.standing.clone(),
        )
    };
    let expect = told(None);
    assert_eq!(
        (expect.0.len(), expect.1.len(), expect.3.last_id),
        (1, 1, 3)
    );
    for minute in 1..14 {
        assert_eq!(told(Some(minute)), expect, "minute {minute}");
    }
}
