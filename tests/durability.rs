//! What was acknowledged survives SIGKILL at any moment, and a batch that comes again changes nothing.
//!
//! `RAVENRY_SEED` repeats a run's moments, `RAVENRY_KILLS` makes it longer.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::{self, Pusher};
use ravenry_tests::random::Random;
use ravenry_tests::rrdtool::Rrdtool;
use ravenry_tests::wait;
use serde_json::Value;

const PUSHERS: u64 = 4;
/// Seconds that a batch covers.
const BATCH: i64 = 5;
/// Fewer rows than the API refuses to give at once.
const ROWS_AT_ONCE: i64 = 40_000;
/// A reconnect that fails is tried again after this.
const BREATH: Duration = Duration::from_millis(5);

/// The reading of second `time`: every one is another, and a float keeps it exactly.
fn reading(pusher: u64, time: i64) -> f64 {
    (time % 1_000_000) as f64 * 8.0 + pusher as f64
}

fn host(pusher: u64) -> String {
    format!("host{pusher}")
}

/// Batch number `sequence` of a pusher, from 1; the history begins at `begin`.
fn batch(pusher: u64, begin: i64, sequence: u64) -> Value {
    let from = begin + (i64::try_from(sequence).unwrap() - 1) * BATCH;
    let samples: Vec<(i64, f64)> = (from..from + BATCH)
        .map(|time| (time, reading(pusher, time)))
        .collect();
    let gauge = push::gauge(&host(pusher), "count", 1, &samples);
    push::keyed(gauge, &host(pusher), 1, sequence)
}

/// What all pushers share.
struct Run {
    begin: i64,
    acknowledged: Vec<AtomicU64>,
    stop: AtomicBool,
}

impl Run {
    fn total(&self) -> u64 {
        let each = self.acknowledged.iter();
        each.map(|count| count.load(Ordering::SeqCst)).sum()
    }

    /// Pushes batch after batch, each until it is acknowledged, as an agent does.
    fn push(&self, pusher: u64, by: &Pusher) {
        let mut sequence = 1;
        while !self.stop.load(Ordering::SeqCst) {
            match by.push(&batch(pusher, self.begin, sequence)) {
                Ok(answer) if answer.status == 200 => {
                    let index = usize::try_from(pusher).unwrap();
                    self.acknowledged[index].store(sequence, Ordering::SeqCst);
                    sequence += 1;
                }
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                Err(_) => thread::sleep(BREATH),
            }
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_collector_is_killed_under_load() {
    let kills: u32 = std::env::var("RAVENRY_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let mut random = Random::from_environment();
    let mut collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[store]\nflush_interval = \"1s\"\nreorder_window = \"0s\"\n"
    ));
    let by = collector.pusher("load");
    let run = Run {
        begin: wait::utc_seconds() / 60 * 60 - 100_000,
        acknowledged: (0..PUSHERS).map(|_| AtomicU64::new(0)).collect(),
        stop: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let _stop = StopOnDrop(&run.stop);
        for pusher in 0..PUSHERS {
            let (run, by) = (&run, &by);
            scope.spawn(move || run.push(pusher, by));
        }
        for _ in 0..kills {
            let enough = run.total() + 20 + random.below(300);
            wait::until("pushes are acknowledged", || run.total() >= enough);
            thread::sleep(Duration::from_micros(random.below(60_000)));
            collector.kill();
            collector.start();
        }
        let enough = run.total() + 20;
        wait::until("pushes are acknowledged", || run.total() >= enough);
    });

    every_acknowledged_reading_is_there(&collector, &run);
    batches_that_come_again_change_nothing(&collector, &run, &by);
    collector.kill();
    collector.start();
    collector.flush();
    every_acknowledged_reading_is_there(&collector, &run);
    rrdtool_has_them_too(&collector, &run);
    let open = collector.api("/incidents");
    assert_eq!(open["incidents"].as_array().unwrap().len(), 0, "{open}");
}

/// A scope ends only when its threads do, also when the test fails in it.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The last second that was acknowledged for a pusher.
fn end(run: &Run, pusher: u64) -> i64 {
    let batches = run.acknowledged[usize::try_from(pusher).unwrap()].load(Ordering::SeqCst);
    run.begin + i64::try_from(batches).unwrap() * BATCH - 1
}

/// The rows that the API has, asked for in as many parts as it gives at once.
fn known(collector: &Collector, run: &Run, pusher: u64) -> BTreeMap<i64, f64> {
    let end = end(run, pusher);
    let mut known = BTreeMap::new();
    let mut from = run.begin - 1;
    while from < end {
        let to = end.min(from + ROWS_AT_ONCE);
        let rows = collector.rows(&host(pusher), "count", from, to, 1);
        assert_eq!(rows.step, 1);
        known.extend(rows.known("value"));
        from = to;
    }
    known
}

fn every_acknowledged_reading_is_there(collector: &Collector, run: &Run) {
    for pusher in 0..PUSHERS {
        let rows = known(collector, run, pusher);
        // The first reading of a file has no time before it that it could stand for.
        for time in run.begin + 1..=end(run, pusher) {
            let expect = Some(reading(pusher, time));
            assert_eq!(rows.get(&time).copied(), expect, "host{pusher} at {time}");
        }
    }
}

fn batches_that_come_again_change_nothing(collector: &Collector, run: &Run, by: &Pusher) {
    let before = known(collector, run, 0);
    let last = run.acknowledged[0].load(Ordering::SeqCst);
    for sequence in [1, last / 2, last] {
        let mut again = batch(0, run.begin, sequence);
        again["samples"]["value"] = vec![-1.0; usize::try_from(BATCH).unwrap()].into();
        let answer = by.push(&again).unwrap();
        assert_eq!(
            (answer.status, &answer.json()["duplicate"]),
            (200, &true.into())
        );
    }
    assert_eq!(known(collector, run, 0), before, "keyed batches");

    let mut without_key = batch(0, run.begin, last);
    without_key.as_object_mut().unwrap().remove("key");
    without_key["samples"]["value"] = vec![-1.0; usize::try_from(BATCH).unwrap()].into();
    assert_eq!(by.push(&without_key).unwrap().status, 200);
    assert_eq!(
        known(collector, run, 0),
        before,
        "the same series and times without a key"
    );
}

fn rrdtool_has_them_too(collector: &Collector, run: &Run) {
    let Some(rrdtool) = Rrdtool::find() else {
        return;
    };
    for pusher in 0..PUSHERS {
        let end = end(run, pusher);
        let file = collector.rrd(&host(pusher), "count");
        let fetched = rrdtool.fetch(&file, 1, run.begin, end);
        let rows = &fetched.sources["value"];
        for time in run.begin + 1..=end {
            let expect = Some(reading(pusher, time));
            assert_eq!(
                rows.get(&time).copied().flatten(),
                expect,
                "host{pusher} at {time}"
            );
        }
    }
}
