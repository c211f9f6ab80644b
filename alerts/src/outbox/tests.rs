use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::address::{Format, Hook};
use crate::check::CheckName;
use crate::severity::Severity;

fn contacts() -> BTreeMap<ContactName, Vec<Address>> {
    let mail = Address::mail("ops@example.net");
    let hook = Address::webhook("http://hook/secret");
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
                    "later" => Failure::later(why),
                    "refused" => Failure::Refused(why),
                    "doubt" => Failure::Doubtful(why),
                    other => panic!("{other}"),
                };
                let key = on_its_way(contact);
                outbox.handle_failed(&key, &failure, now);
            }
            ["due"] => {}
            ["crash"] => outbox = Outbox::restore(contacts(), rows.values().cloned().collect()),
            _ => panic!("{line}"),
        }
        let deliveries = outbox.due(now);
        for effect in outbox.take_effects() {
            match effect {
                OutboxEffect::Store(row) => {
                    rows.insert(row.notice.key.clone(), *row);
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
            0:02 next in 8 s
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
            0:01 next in 8 s
            0:02 next in 7 s
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
            0:01 next in 8 s
            0:05 1-bot-2 bot: recovery said by the problem's notice, which was still waiting,
            0:05 next in 4 s
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
            0:02 next in 8 s
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
            0:01 next in 8 s
            0:05 1-bot-1 bot: problem replaced by a worse one before it was delivered,
            0:05 next in 4 s
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
            0:03 next in 8 s
            4321:00 1-bot-1 bot: problem given up: no channel took it for 3 days;
        "#]],
    );
}

#[test]
fn waiting_grows_up_to_a_limit() {
    let waits = |times, first: Duration, longest| -> Vec<u64> {
        (1..=8)
            .map(|failures| grown(first, times, failures, longest).as_secs())
            .collect()
    };
    let failing = waits(2, BACK_OFF_MIN, BACK_OFF_MAX);
    assert_eq!(failing, [10, 20, 40, 80, 160, 300, 300, 300]);
    let refusing = waits(3, REFUSED_MIN, REFUSED_MAX);
    let six_hours = 21_600;
    assert_eq!(refusing[..5], [300, 900, 2700, 8100, six_hours]);
    assert_eq!(refusing[5..], [six_hours; 3]);
}

#[test]
fn those_that_failed_together_are_not_tried_together() {
    let waits: BTreeSet<Duration> = (0..50)
        .map(|n| {
            jittered(
                BACK_OFF_MAX,
                &Address::mail(format!("ops{n}@example.net")),
                1,
            )
        })
        .collect();
    assert!(waits.len() > 10, "{waits:?}");
    assert!(
        waits
            .iter()
            .all(|it| *it <= BACK_OFF_MAX && *it >= BACK_OFF_MAX * 4 / 5)
    );
}

/// One contact with one channel that failed for this reason: how long it is left alone.
fn wait_after(failure: &Failure) -> Duration {
    let mut outbox = Outbox::restore(contacts(), Vec::new());
    let now = Timestamp::from_seconds(1000);
    outbox.handle_tell(notice(1, "bot", 1, Kind::Problem, now), now);
    let key = outbox.due(now)[0].notice.key.clone();
    outbox.handle_failed(&key, failure, now);
    outbox.poll_timeout(now).unwrap().since(now)
}

#[test]
fn a_channel_that_says_when_is_asked_then() {
    let after = |seconds| Failure::Later {
        why: String::from("429"),
        after: Some(Duration::from_secs(seconds)),
    };
    assert_eq!(wait_after(&after(120)), Duration::from_secs(120));
    assert!(wait_after(&after(1)) >= BACK_OFF_MIN * 4 / 5);
    assert_eq!(wait_after(&after(100_000)), RETRY_AFTER_MAX);
}

#[test]
fn a_step_of_the_clock_back_ends_a_pause() {
    let mut outbox = Outbox::restore(contacts(), Vec::new());
    let now = Timestamp::from_seconds(100_000);
    outbox.handle_tell(notice(1, "bot", 1, Kind::Problem, now), now);
    let key = outbox.due(now)[0].notice.key.clone();
    outbox.handle_failed(&key, &Failure::Refused(String::from("no")), now);
    assert!(outbox.due(now + Duration::from_secs(60)).is_empty());
    let before = Timestamp::from_seconds(50_000);
    assert_eq!(outbox.due(before).len(), 1);
}

#[test]
fn what_waits_too_long_is_known_with_what_the_channel_said() {
    let mut outbox = Outbox::restore(contacts(), Vec::new());
    let now = Timestamp::from_seconds(1000);
    let patience = Duration::from_secs(600);
    outbox.handle_tell(notice(1, "bot", 1, Kind::Problem, now), now);
    let key = outbox.due(now)[0].notice.key.clone();
    outbox.handle_failed(&key, &Failure::later("it is away"), now);
    assert_eq!(outbox.late(patience, now + patience), None);
    let late = outbox.late(patience, now + Duration::from_secs(601));
    let expected = Late {
        contact: ContactName::new("bot"),
        since: now,
        why: Some(String::from("it is away")),
    };
    assert_eq!(late, Some(expected));
}

#[test]
fn beyond_the_limit_what_is_over_is_given_up_first_then_the_oldest() {
    let mut outbox = Outbox::restore(contacts(), Vec::new());
    let now = Timestamp::from_seconds(1000);
    let tell = |outbox: &mut Outbox, incident, sequence, kind| {
        outbox.handle_tell(notice(incident, "bot", sequence, kind, now), now);
    };
    for incident in 1..=WAITING_MAX as u64 {
        tell(&mut outbox, incident, 1, Kind::Problem);
    }
    tell(&mut outbox, 7, 2, Kind::Recovery);
    assert_eq!(outbox.len(), WAITING_MAX);
    outbox.take_effects();
    tell(&mut outbox, 9001, 1, Kind::Problem);
    tell(&mut outbox, 9002, 1, Kind::Problem);
    assert_eq!(outbox.len(), WAITING_MAX);
    let given_up: Vec<u64> = outbox
        .take_effects()
        .into_iter()
        .filter_map(|effect| match effect {
            OutboxEffect::Ledger(LedgerEntry {
                key,
                event: LedgerEvent::GivenUp { .. },
                ..
            }) => Some(key.incident),
            OutboxEffect::Ledger(_) | OutboxEffect::Store(_) | OutboxEffect::Remove(_) => None,
        })
        .collect();
    assert_eq!(given_up, [7, 1]);
}

#[test]
fn an_acknowledgement_goes_only_to_what_keeps_it_and_ends_nothing() {
    let pagerduty = Address::Webhook(Hook {
        format: Format::PagerDuty,
        ..Hook::new("http://pd")
    });
    let ops = ContactName::new("ops");
    let channels = vec![Address::mail("ops@example.net"), pagerduty.clone()];
    let mut outbox = Outbox::restore(BTreeMap::from([(ops, channels)]), Vec::new());
    let now = Timestamp::from_seconds(1000);
    outbox.handle_tell(notice(1, "ops", 1, Kind::Problem, now), now);
    outbox.handle_tell(notice(1, "ops", 2, Kind::Acknowledged, now), now);
    let first = outbox.due(now).remove(0);
    assert_eq!(
        (first.over, first.address),
        (None, Address::mail("ops@example.net"))
    );
    outbox.handle_sent(&first.notice.key, now);
    let second = outbox.due(now).remove(0);
    assert_eq!(
        (second.notice.kind, &second.address),
        (Kind::Acknowledged, &pagerduty)
    );
    let failure = Failure::later("no");
    outbox.handle_failed(&second.notice.key, &failure, now);
    assert_eq!(outbox.due(now), []);
    outbox.handle_contacts(BTreeMap::from([(
        ContactName::new("ops"),
        vec![Address::mail("ops@example.net")],
    )]));
    assert_eq!(outbox.due(now), []);
    assert!(outbox.is_empty(), "nothing takes it any more");
}
