use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::check::CheckName;
use crate::severity::Severity;

fn contacts() -> BTreeMap<ContactName, Vec<Address>> {
    let mail = Address::Mail {
        to: "ops@example.net".into(),
    };
    let hook = Address::Webhook {
        url: "http://hook/secret".into(),
    };
    BTreeMap::from([
        (ContactName::new("ops"), vec![mail, hook.clone()]),
        (ContactName::new("bot"), vec![hook]),
        (ContactName::new("mute"), vec![]),
    ])
}

fn notice(incident: u64, contact: &str, sequence: u64, kind: Kind, now: Timestamp) -> Notice {
    Notice {
        key: NoticeKey {
            incident,
            contact: ContactName::new(contact),
            sequence,
        },
        kind,
        check: Some(CheckName::Host("web1".parse().unwrap())),
        severity: Severity::Critical,
        ..Notice::test(ContactName::new(contact), now)
    }
}

/// Plays a script, a line a step: `0:10 tell 1 ops problem`, `sent ops`, `later ops`, `refused ops`, `doubt ops`, `due`,
/// `crash`. The sequence counts by itself. What goes out and into the ledger is the outcome.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads as lines of data"
)]
fn check(script: &str, expect: Expect) {
    let mut outbox = Outbox::restore(contacts(), Vec::new());
    let mut rows: BTreeMap<NoticeKey, Pending> = BTreeMap::new();
    let mut sequences: BTreeMap<(u64, String), u64> = BTreeMap::new();
    let mut found = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (time, rest) = line.split_once(' ').unwrap();
        let (minutes, seconds) = time.split_once(':').unwrap();
        let now = 60 * minutes.parse::<i64>().unwrap() + seconds.parse::<i64>().unwrap();
        let now = Timestamp::from_seconds(now);
        let words: Vec<&str> = rest.split(' ').collect();
        let on_its_way = |contact: &str| {
            let queue = &outbox.queues[&ContactName::new(contact)];
            queue.on_its_way.clone().unwrap().0
        };
        match words[..] {
            ["tell", incident, contact, kind] => {
                let incident = incident.parse().unwrap();
                let sequence = sequences.entry((incident, contact.to_owned())).or_default();
                *sequence += 1;
                let kind = serde_json::from_value(serde_json::Value::from(kind)).unwrap();
                outbox.handle_tell(notice(incident, contact, *sequence, kind, now), now);
            }
            ["sent", contact] => {
                let key = on_its_way(contact);
                outbox.handle_sent(&key, now);
            }
            [how, contact] => {
                let why = String::from("no");
                let failure = match how {
                    "later" => Failure::Later(why),
                    "refused" => Failure::Refused(why),
                    "doubt" => Failure::Doubtful(why),
                    other => panic!("{other}"),
                };
                let key = on_its_way(contact);
                outbox.handle_failed(&key, failure, now);
            }
            ["due"] => {}
            ["crash"] => outbox = Outbox::restore(contacts(), rows.values().cloned().collect()),
            _ => panic!("{line}"),
        }
        let deliveries = outbox.due(now);
        for effect in outbox.take_effects() {
            match effect {
                OutboxEffect::Store(row) => {
                    rows.insert(row.notice.key.clone(), row);
                }
                OutboxEffect::Remove(key) => {
                    rows.remove(&key);
                }
                OutboxEffect::Ledger(entry) => {
                    let text = entry.to_string();
                    let text = text.split(" at 1970").next().unwrap();
                    writeln!(found, "{time} {} {text}", entry.key).unwrap();
                }
            }
        }
        for delivery in deliveries {
            let over = delivery.over.map_or("", |_| " (over meanwhile)");
            writeln!(
                found,
                "{time} -> {} by {}{over}",
                delivery.notice.key, delivery.address
            )
            .unwrap();
        }
        let next = outbox.poll_timeout(now).filter(|at| *at > now);
        if let Some(next) = next {
            writeln!(found, "{time} next in {} s", next.since(now).as_secs()).unwrap();
        }
    }
    assert_eq!(outbox.len(), rows.len());
    expect.assert_eq(&found);
}

#[test]
fn a_notice_is_in_the_ledger_before_it_is_sent_and_after() {
    check(
        "0:00 tell 1 ops problem
         0:01 sent ops",
        expect![[r#"
            0:00 1-ops-1 ops: problem is being sent by mail to ops@example.net
            0:00 -> 1-ops-1 by mail to ops@example.net
            0:01 1-ops-1 ops: problem sent by mail to ops@example.net
        "#]],
    );
}

#[test]
fn the_next_channel_is_tried_at_once_and_the_first_one_later() {
    check(
        "0:00 tell 1 ops problem
         0:01 later ops
         0:02 later ops
         0:11 due
         0:12 later ops
         0:32 due
         0:33 sent ops",
        expect![[r#"
            0:00 1-ops-1 ops: problem is being sent by mail to ops@example.net
            0:00 -> 1-ops-1 by mail to ops@example.net
            0:01 1-ops-1 ops: problem not delivered by mail to ops@example.net: no;
            0:01 1-ops-1 ops: problem is being sent by webhook http://hook
            0:01 -> 1-ops-1 by webhook http://hook
            0:02 1-ops-1 ops: problem not delivered by webhook http://hook: no;
            0:02 next in 9 s
            0:11 1-ops-1 ops: problem is being sent by mail to ops@example.net
            0:11 -> 1-ops-1 by mail to ops@example.net
            0:12 1-ops-1 ops: problem not delivered by mail to ops@example.net: no;
            0:12 1-ops-1 ops: problem is being sent by webhook http://hook
            0:12 -> 1-ops-1 by webhook http://hook
            0:33 1-ops-1 ops: problem sent by webhook http://hook
        "#]],
    );
}

#[test]
fn a_channel_that_fails_is_left_alone_by_the_notices_that_follow() {
    check(
        "0:00 tell 1 bot problem
         0:01 later bot
         0:02 tell 2 bot problem
         0:11 due
         0:12 sent bot
         0:13 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:01 1-bot-1 bot: problem not delivered by webhook http://hook: no;
            0:01 next in 10 s
            0:02 next in 9 s
            0:11 1-bot-1 bot: problem is being sent by webhook http://hook
            0:11 -> 1-bot-1 by webhook http://hook
            0:12 1-bot-1 bot: problem sent by webhook http://hook
            0:12 2-bot-1 bot: problem is being sent by webhook http://hook
            0:12 -> 2-bot-1 by webhook http://hook
            0:13 2-bot-1 bot: problem sent by webhook http://hook
        "#]],
    );
}

#[test]
fn a_refusal_concerns_one_notice_only() {
    check(
        "0:00 tell 1 ops problem
         0:01 refused ops
         0:02 sent ops
         0:03 tell 2 ops problem",
        expect![[r#"
            0:00 1-ops-1 ops: problem is being sent by mail to ops@example.net
            0:00 -> 1-ops-1 by mail to ops@example.net
            0:01 1-ops-1 ops: problem not delivered by mail to ops@example.net: no;
            0:01 1-ops-1 ops: problem is being sent by webhook http://hook
            0:01 -> 1-ops-1 by webhook http://hook
            0:02 1-ops-1 ops: problem sent by webhook http://hook
            0:03 2-ops-1 ops: problem is being sent by mail to ops@example.net
            0:03 -> 2-ops-1 by mail to ops@example.net
        "#]],
    );
}

#[test]
fn a_problem_that_is_over_before_it_arrived_says_so() {
    check(
        "0:00 tell 1 bot problem
         0:01 later bot
         0:05 tell 1 bot recovery
         0:11 due
         0:12 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:01 1-bot-1 bot: problem not delivered by webhook http://hook: no;
            0:01 next in 10 s
            0:05 1-bot-2 bot: recovery said by the problem's notice, which was still waiting,
            0:05 next in 6 s
            0:11 1-bot-1 bot: problem is being sent by webhook http://hook
            0:11 -> 1-bot-1 by webhook http://hook (over meanwhile)
            0:12 1-bot-1 bot: problem sent by webhook http://hook
        "#]],
    );
}

#[test]
fn an_end_waits_for_the_problem_that_is_on_its_way() {
    check(
        "0:00 tell 1 bot problem
         0:01 tell 1 bot recovery
         0:02 sent bot
         0:03 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:02 1-bot-1 bot: problem sent by webhook http://hook
            0:02 1-bot-2 bot: recovery is being sent by webhook http://hook
            0:02 -> 1-bot-2 by webhook http://hook
            0:03 1-bot-2 bot: recovery sent by webhook http://hook
        "#]],
    );
    check(
        "0:00 tell 1 bot problem
         0:01 tell 1 bot recovery
         0:02 later bot
         0:12 due
         0:13 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:02 1-bot-1 bot: problem not delivered by webhook http://hook: no;
            0:02 1-bot-2 bot: recovery said by the problem's notice, which was still waiting,
            0:02 next in 10 s
            0:12 1-bot-1 bot: problem is being sent by webhook http://hook
            0:12 -> 1-bot-1 by webhook http://hook (over meanwhile)
            0:13 1-bot-1 bot: problem sent by webhook http://hook
        "#]],
    );
}

#[test]
fn a_worse_problem_replaces_one_that_did_not_arrive() {
    check(
        "0:00 tell 1 bot problem
         0:01 later bot
         0:05 tell 1 bot worse
         0:11 due
         0:12 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:01 1-bot-1 bot: problem not delivered by webhook http://hook: no;
            0:01 next in 10 s
            0:05 1-bot-1 bot: problem replaced by a worse one before it was delivered,
            0:05 next in 6 s
            0:11 1-bot-2 bot: worse is being sent by webhook http://hook
            0:11 -> 1-bot-2 by webhook http://hook
            0:12 1-bot-2 bot: worse sent by webhook http://hook
        "#]],
    );
}

#[test]
fn after_a_crash_what_was_on_its_way_is_sent_again_under_its_key() {
    check(
        "0:00 tell 1 bot problem
         0:01 tell 1 bot recovery
         0:02 tell 2 bot problem
         0:03 crash
         0:04 sent bot
         0:05 sent bot
         0:06 sent bot",
        expect![[r#"
            0:00 1-bot-1 bot: problem is being sent by webhook http://hook
            0:00 -> 1-bot-1 by webhook http://hook
            0:03 1-bot-1 bot: problem is being sent by webhook http://hook
            0:03 -> 1-bot-1 by webhook http://hook
            0:04 1-bot-1 bot: problem sent by webhook http://hook
            0:04 1-bot-2 bot: recovery is being sent by webhook http://hook
            0:04 -> 1-bot-2 by webhook http://hook
            0:05 1-bot-2 bot: recovery sent by webhook http://hook
            0:05 2-bot-1 bot: problem is being sent by webhook http://hook
            0:05 -> 2-bot-1 by webhook http://hook
            0:06 2-bot-1 bot: problem sent by webhook http://hook
        "#]],
    );
}

#[test]
fn what_can_reach_nobody_is_given_up_with_a_reason() {
    check(
        "0:00 tell 1 nobody problem
         0:01 tell 1 mute problem
         0:02 tell 1 bot problem
         0:03 later bot
         4321:00 due",
        expect![[r#"
            0:00 1-nobody-1 nobody: problem given up: contact nobody is not configured;
            0:01 1-mute-1 mute: problem given up: contact mute has no channel;
            0:02 1-bot-1 bot: problem is being sent by webhook http://hook
            0:02 -> 1-bot-1 by webhook http://hook
            0:03 1-bot-1 bot: problem not delivered by webhook http://hook: no;
            0:03 next in 10 s
            4321:00 1-bot-1 bot: problem given up: no channel took it for 3 days;
        "#]],
    );
}

#[test]
fn back_off_doubles_up_to_five_minutes() {
    let seconds: Vec<u64> = (1..=8)
        .map(|failures| back_off(failures).as_secs())
        .collect();
    assert_eq!(seconds, [10, 20, 40, 80, 160, 300, 300, 300]);
}
