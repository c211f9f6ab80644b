//! rrdtool reads the files while the collector writes them, and somebody cuts files while the collector reads them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::{self, Pusher};
use ravenry_tests::random::Random;
use ravenry_tests::{program, tool, wait};

const GRAPHS: i64 = 4;
/// Seconds that a push covers.
const SECONDS: i64 = 20;
/// Another writer or reader that holds the lock is waited for by nobody for so long.
const FLUSH_WITHIN: Duration = Duration::from_secs(20);

fn value(time: i64) -> f64 {
    (time % 1_000_000) as f64
}

fn settings() -> String {
    format!("{WITHOUT_AGENT}[store]\nflush_interval = \"1s\"\nreorder_window = \"0s\"\n")
}

/// Pushes the seconds up to `end`, exclusive, of all graphs.
fn push_all(by: &Pusher, begin: i64, end: i64) {
    for graph in 0..GRAPHS {
        let samples: Vec<(i64, f64)> = (begin..end).map(|time| (time, value(time))).collect();
        let batch = push::gauge("host", &format!("graph{graph}"), 1, &samples);
        let answer = by.push(&batch).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// What readers found.
#[derive(Default)]
struct Seen {
    reads: AtomicU64,
    locked: AtomicU64,
    rows: AtomicU64,
}

/// Runs rrdtool on a file once; checks each row that it shows.
fn read_once(rrdtool: &Path, file: &Path, begin: i64, pushed: &AtomicI64, seen: &Seen) {
    let mut command = program::command(rrdtool);
    let file = file.display().to_string();
    let (start, end) = (begin.to_string(), (begin + 50_000).to_string());
    command.args([
        "fetch", &file, "AVERAGE", "-r", "1", "-s", &start, "-e", &end,
    ]);
    let output = program::output_of(command.env("TZ", "UTC").env("LC_ALL", "C"));
    seen.reads.fetch_add(1, Ordering::SeqCst);
    if output.code != 0 {
        assert!(output.stderr.contains("lock"), "{}", output.stderr);
        seen.locked.fetch_add(1, Ordering::SeqCst);
        return;
    }
    let mut known = Vec::new();
    for line in output.stdout.lines() {
        let Some((time, number)) = line.split_once(':') else {
            continue;
        };
        let (Ok(time), Ok(number)) = (time.parse::<i64>(), number.trim().parse::<f64>()) else {
            continue;
        };
        if number.is_finite() {
            assert!(
                (number - value(time)).abs() < 1e-6,
                "{file} at {time}: {number}"
            );
            known.push(time);
        }
    }
    // A file has all its rows up to its last one, and none that nobody pushed.
    if let (Some(first), Some(last)) = (known.first(), known.last()) {
        assert_eq!(
            known.len() as i64,
            last - first + 1,
            "{file}: rows are missing in between"
        );
        assert!(
            *last < pushed.load(Ordering::SeqCst),
            "{file}: {last} was not pushed"
        );
    }
    seen.rows.fetch_add(known.len() as u64, Ordering::SeqCst);
}

#[test]
fn rrdtool_never_sees_half_an_update_and_holds_up_nobody() {
    let Some(rrdtool) = tool::find("rrdtool") else {
        return;
    };
    let collector = Collector::started(&settings());
    let by = collector.pusher("test");
    let begin = wait::utc_seconds() - 60_000;
    let rounds = std::env::var("RAVENRY_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    push_all(&by, begin, begin + SECONDS);
    collector.flush();
    let (stop, seen) = (AtomicBool::new(false), Seen::default());
    let pushed = AtomicI64::new(begin + SECONDS);
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for graph in 0..GRAPHS {
            let file = collector.rrd("host", &format!("graph{graph}"));
            let (rrdtool, pushed, seen, stop) = (&rrdtool, &pushed, &seen, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    read_once(rrdtool, &file, begin, pushed, seen);
                }
            });
        }
        for round in 1..=rounds {
            let from = begin + round * SECONDS;
            // Readers may see it from the moment on at which it is pushed.
            pushed.store(from + SECONDS, Ordering::SeqCst);
            push_all(&by, from, from + SECONDS);
            let began = wait::now();
            collector.flush();
            longest = longest.max(began.elapsed());
        }
    });
    let end = begin + (rounds + 1) * SECONDS;
    let rows = collector
        .rows("host", "graph0", begin - 1, end - 1, 1)
        .known("value");
    assert_eq!(rows.len() as i64, end - begin);
    let (reads, locked) = (
        seen.reads.load(Ordering::SeqCst),
        seen.locked.load(Ordering::SeqCst),
    );
    println!(
        "{reads} times rrdtool read {} rows; {locked} times it could not lock; the longest flush took {longest:?}",
        seen.rows.load(Ordering::SeqCst)
    );
    assert!(reads > 20, "{reads}");
    assert!(
        locked * 20 <= reads + 100,
        "{locked} of {reads} reads could not lock"
    );
    assert!(longest < FLUSH_WITHIN, "{longest:?}");
}

/// A scope ends only when its threads do, also when the test fails in it.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Cuts, empties or removes a file of the host.
fn damage(folder: &Path, random: &mut Random) {
    let files = files(folder);
    if files.is_empty() {
        return;
    }
    let file = &files[usize::try_from(random.below(files.len() as u64)).unwrap()];
    let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
    match random.below(4) {
        0 => drop(fs::remove_file(file)),
        1 => drop(File::create(file)),
        _ => {
            if let Ok(file) = File::options().write(true).open(file) {
                file.set_len(random.below(length + 1)).unwrap();
            }
        }
    }
}

#[test]
fn files_that_are_cut_while_they_are_read_end_no_collector() {
    let mut random = Random::from_environment();
    let rounds: u64 = std::env::var("RAVENRY_ROUNDS").map_or(60, |rounds| rounds.parse().unwrap());
    let collector = Collector::started(&settings());
    let by = collector.pusher("test");
    let begin = wait::utc_seconds() - 60_000;
    push_all(&by, begin, begin + SECONDS);
    let safe = push::gauge("safe", "graph", 1, &[(begin, 1.0), (begin + 1, 2.0)]);
    assert_eq!(by.push(&safe).unwrap().status, 200);
    collector.flush();
    let stop = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    let folder = collector.data().join("rrd/host");
    let range = format!("start={}&end={}&resolution=1", begin, begin + 5000);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for graph in 0..GRAPHS {
            let (collector, stop, answered, range) = (&collector, &stop, &answered, &range);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    for path in [
                        format!("/api/v1/hosts/host/graphs/graph{graph}/data?{range}"),
                        format!("/hosts/host/graph{graph}"),
                        "/".to_owned(),
                    ] {
                        let answer = collector.get(&path);
                        assert!(answer.status < 600, "{path}");
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for round in 1..=rounds {
            let round = i64::try_from(round).unwrap();
            damage(&folder, &mut random);
            push_all(&by, begin + round * SECONDS, begin + (round + 1) * SECONDS);
            if round % 5 == 0 {
                let flushed = collector.administer(&["store", "flush"]);
                assert!(flushed.code >= 0, "{flushed:?}");
            }
        }
        let enough = answered.load(Ordering::SeqCst) + 20;
        wait::until("pages are answered", || {
            answered.load(Ordering::SeqCst) >= enough
        });
    });
    drop(collector.administer(&["store", "flush"]));
    let kept = collector
        .rows("safe", "graph", begin - 1, begin + 1, 1)
        .known("value");
    assert_eq!(kept.get(&(begin + 1)), Some(&2.0), "another host's file");
    // What comes from now on is taken again by files that are begun anew.
    let from = begin + (i64::try_from(rounds).unwrap() + 1) * SECONDS;
    push_all(&by, from, from + SECONDS);
    drop(collector.administer(&["store", "flush"]));
    for graph in 0..GRAPHS {
        let end = from + SECONDS - 1;
        let name = format!("graph{graph}");
        let rows = collector.rows("host", &name, from, end, 1).known("value");
        assert_eq!(rows.get(&end), Some(&value(end)), "{name}");
    }
    assert!(!collector.log().contains("panicked"), "{}", collector.log());
}
