//! A life of a session is what the collector is like from when on; its outcome is what was sent and told, in virtual time.

use std::collections::VecDeque;

use expect_test::{Expect, expect};
use ravenry_plugins::clock;

use super::*;

#[derive(Clone, Copy, PartialEq)]
enum Collector {
    Up,
    /// Takes the batch, but its answer is lost.
    Mute,
    Away,
    Full,
    Slow(u64),
    Stranger,
    Picky,
}

#[derive(Default)]
struct Played {
    shown: String,
    /// Batches in the order in which they were first taken.
    taken: Vec<u64>,
    duplicates: u64,
    attempts: u64,
    dropped: Vec<u64>,
}

/// A batch is made each 10 s; the collector is as `at(seconds)` says.
fn play(length_seconds: u64, at: impl Fn(u64) -> Collector) -> Played {
    let origin = clock::monotonic();
    let end = origin + Duration::from_secs(length_seconds);
    let mut session = Session::new("agent-1");
    let mut outbox: VecDeque<u64> = VecDeque::new();
    let mut played = Played::default();
    let mut made = 0;
    let mut now = origin;
    while now < end {
        let batch_due = origin + Duration::from_secs(made * 10);
        if batch_due <= now {
            made += 1;
            outbox.push_back(made);
        }
        while let Some(batch) = outbox.front().copied().filter(|_| session.may_send(now)) {
            session.handle_sent();
            assert!(!session.may_send(now), "one batch in flight");
            played.attempts += 1;
            let reply = answer(at((now - origin).as_secs()), batch, &mut played);
            let (verdict, tell) = session.handle_reply(now, &reply);
            match verdict {
                Verdict::Done => drop(outbox.pop_front()),
                Verdict::Drop => played.dropped.extend(outbox.pop_front()),
                Verdict::Keep => {}
            }
            let told = tell.map_or(String::new(), |tell| format!(" {tell:?}"));
            let seconds = (now - origin).as_secs_f64();
            played.shown += &format!("{seconds:<6.1} #{batch} {verdict:?}{told}\n");
        }
        let next_batch = origin + Duration::from_secs(made * 10);
        let pause = session.poll_timeout().filter(|_| !outbox.is_empty());
        now = pause.map_or(next_batch, |pause| pause.min(next_batch));
    }
    played
}

fn answer(collector: Collector, batch: u64, played: &mut Played) -> Reply {
    let why = |text: &str| text.to_owned();
    if matches!(collector, Collector::Up | Collector::Mute) {
        if played.taken.contains(&batch) {
            played.duplicates += 1;
        } else {
            played.taken.push(batch);
        }
    }
    match collector {
        Collector::Up => Reply::Taken(Ack::default()),
        Collector::Mute => Reply::Unreachable {
            why: why("no answer within 30 s"),
        },
        Collector::Away => Reply::Unreachable {
            why: why("connection refused"),
        },
        Collector::Full => Reply::Busy {
            why: why("disk is full"),
            retry_after: None,
        },
        Collector::Slow(seconds) => Reply::Busy {
            why: why("too many"),
            retry_after: Some(Duration::from_secs(seconds)),
        },
        Collector::Stranger => Reply::Unauthorized {
            why: why("unknown token"),
        },
        Collector::Picky => Reply::Refused {
            why: why("version 9: expected 1"),
        },
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a snapshot is made where it is used"
)]
fn check(phases: &[(u64, Collector)], length_seconds: u64, expect: Expect) {
    let at = |seconds: u64| {
        phases
            .iter()
            .rev()
            .find(|phase| phase.0 <= seconds)
            .unwrap()
            .1
    };
    expect.assert_eq(&play(length_seconds, at).shown);
}

#[test]
fn an_outage_is_told_once_and_what_waited_follows_in_order() {
    check(
        &[
            (0, Collector::Up),
            (15, Collector::Away),
            (75, Collector::Up),
        ],
        130,
        expect![[r#"
            0.0    #1 Done
            10.0   #2 Done
            20.0   #3 Keep Trouble { why: "connection refused", lasted: 0ns }
            20.6   #3 Keep
            22.3   #3 Keep
            25.9   #3 Keep
            31.7   #3 Keep
            46.4   #3 Keep
            71.1   #3 Keep
            89.9   #3 Done Over { lasted: 69.93s }
            89.9   #4 Done
            89.9   #5 Done
            89.9   #6 Done
            89.9   #7 Done
            89.9   #8 Done
            89.9   #9 Done
            90.0   #10 Done
            100.0  #11 Done
            110.0  #12 Done
            120.0  #13 Done
        "#]],
    );
}

#[test]
fn a_wrong_token_keeps_the_batches_and_is_retried_slowly() {
    check(
        &[(0, Collector::Stranger), (200, Collector::Up)],
        260,
        expect![[r#"
            0.0    #1 Keep Trouble { why: "unknown token", lasted: 0ns }
            60.4   #1 Keep
            120.7  #1 Keep
            181.1  #1 Keep
            243.3  #1 Done Over { lasted: 243.254s }
            243.3  #2 Done
            243.3  #3 Done
            243.3  #4 Done
            243.3  #5 Done
            243.3  #6 Done
            243.3  #7 Done
            243.3  #8 Done
            243.3  #9 Done
            243.3  #10 Done
            243.3  #11 Done
            243.3  #12 Done
            243.3  #13 Done
            243.3  #14 Done
            243.3  #15 Done
            243.3  #16 Done
            243.3  #17 Done
            243.3  #18 Done
            243.3  #19 Done
            243.3  #20 Done
            243.3  #21 Done
            243.3  #22 Done
            243.3  #23 Done
            243.3  #24 Done
            243.3  #25 Done
            250.0  #26 Done
        "#]],
    );
}

#[test]
fn a_refused_batch_does_not_hold_up_the_next() {
    check(
        &[(0, Collector::Picky), (5, Collector::Up)],
        30,
        expect![[r#"
            0.0    #1 Drop Refused { why: "version 9: expected 1", count: 1 }
            10.0   #2 Done
            20.0   #3 Done
        "#]],
    );
}

#[test]
fn a_full_collector_is_asked_less_and_less_often() {
    check(
        &[(0, Collector::Full)],
        200,
        expect![[r#"
            0.0    #1 Keep Trouble { why: "disk is full", lasted: 0ns }
            0.6    #1 Keep
            2.3    #1 Keep
            5.9    #1 Keep
            11.7   #1 Keep
            26.4   #1 Keep
            51.1   #1 Keep
            69.9   #1 Keep
            86.1   #1 Keep
            105.4  #1 Keep
            126.9  #1 Keep
            148.9  #1 Keep
            169.5  #1 Keep
            195.4  #1 Keep
        "#]],
    );
}

#[test]
fn a_pause_that_the_collector_asks_for_is_kept() {
    check(
        &[
            (0, Collector::Slow(30)),
            (40, Collector::Slow(1_000_000)),
            (600, Collector::Up),
        ],
        70,
        expect![[r#"
            0.0    #1 Keep Trouble { why: "too many", lasted: 0ns }
            30.4   #1 Keep
            60.7   #1 Keep
        "#]],
    );
}

#[test]
fn a_week_of_every_trouble_loses_nothing_and_changes_no_order() {
    for seed in 0..4_u64 {
        let at = |seconds: u64| {
            let phase = hash(&format!("{seed}/{}", seconds / 700));
            match phase % 8 {
                0 => Collector::Away,
                1 => Collector::Full,
                2 => Collector::Slow(phase % 90),
                3 => Collector::Stranger,
                4 if seconds.is_multiple_of(3) => Collector::Mute,
                _ => Collector::Up,
            }
        };
        let day = play(7 * 86_400 / 8, at);
        assert!(
            day.taken.is_sorted() && day.dropped.is_empty(),
            "seed {seed}"
        );
        let last = *day.taken.last().unwrap();
        assert_eq!(day.taken.len() as u64, last, "seed {seed}: none is missing");
        assert!(
            day.duplicates > 0,
            "seed {seed}: lost answers make duplicates, known by their key"
        );
        assert!(
            day.attempts < last * 2,
            "seed {seed}: {} attempts for {last} batches",
            day.attempts
        );
    }
}

#[test]
fn agents_that_lost_the_same_collector_do_not_come_back_at_once() {
    let pauses: std::collections::BTreeSet<Duration> = (0..100)
        .map(|i| {
            let mut session = Session::new(&format!("agent-{i}"));
            session.failures = 10;
            session.pause(None)
        })
        .collect();
    assert!(
        pauses.len() > 80,
        "{} different pauses of 100",
        pauses.len()
    );
    assert!(
        pauses
            .iter()
            .all(|pause| *pause <= PAUSE_MAX && *pause * 2 >= PAUSE_MAX)
    );
}
