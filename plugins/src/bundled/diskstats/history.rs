//! What the last runs read: a text file with a line for each disk and run, `SECONDS DISK COUNTER...`, replaced whole.
//!
//! Munin's plugin compares with the run nearest to 300 s ago. This one compares with the last run that is at least
//! [`AGE_MIN`] old, so that at a step of a minute each reading is that minute's, and one by hand in between does no harm.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::bundled::{BundledError, state};
use crate::timestamp::Timestamp;

use super::device::{Counters, Device, by_name};

/// A run this close gives averages of too little.
const AGE_MIN: Duration = Duration::from_secs(10);
/// Runs that are kept at most.
const RUNS_MAX: usize = 8;

/// The last runs, oldest first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct History {
    runs: Vec<Run>,
}

/// What one run read.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    pub(super) time: Timestamp,
    pub(super) counters: BTreeMap<String, Counters>,
}

impl History {
    /// What the file holds; nothing when there is none or it is not ours, as at the first run.
    pub(super) fn load(path: &Path) -> Self {
        Self::parse(&state::load(path))
    }

    fn parse(text: &str) -> Self {
        let mut runs: BTreeMap<Timestamp, BTreeMap<String, Counters>> = BTreeMap::new();
        for (time, disk, counters) in text.lines().filter_map(parse_line) {
            runs.entry(time)
                .or_default()
                .insert(disk.to_owned(), counters);
        }
        let runs = runs
            .into_iter()
            .map(|(time, counters)| Run { time, counters });
        Self {
            runs: runs.collect(),
        }
    }

    /// The run to compare with at `now`. Runs in the future are of a clock that was set back.
    pub(super) fn earlier(&self, now: Timestamp) -> Option<&Run> {
        let is_old = |run: &&Run| run.time + AGE_MIN <= now;
        self.runs.iter().rev().find(is_old)
    }

    /// Adds the run of `now`; forgets the oldest and those in the future.
    pub(super) fn add(&mut self, now: Timestamp, devices: &[Device]) {
        self.runs.retain(|run| run.time < now);
        self.runs.push(Run {
            time: now,
            counters: by_name(devices),
        });
        // Runs by hand in quick succession must not push out the last one that is old enough.
        while self.runs.len() > RUNS_MAX {
            let crowded = self
                .runs
                .iter()
                .skip(1)
                .position(|run| run.time + AGE_MIN > now);
            let oldest_is_needed = self.runs.get(1).is_some_and(|run| run.time + AGE_MIN > now);
            let at = if oldest_is_needed {
                crowded.map_or(0, |at| at + 1)
            } else {
                0
            };
            self.runs.remove(at);
        }
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), BundledError> {
        state::replace(path, &self.text())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for run in &self.runs {
            for (disk, counters) in &run.counters {
                let counts = counters.to_array().map(|count| count.to_string()).join(" ");
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{} {disk} {counts}", run.time.seconds_f64());
            }
        }
        text
    }
}

fn parse_line(line: &str) -> Option<(Timestamp, &str, Counters)> {
    let mut words = line.split(' ');
    let time = Timestamp::from_seconds_f64(words.next()?.parse().ok()?)?;
    let disk = words.next()?;
    let counts: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((time, disk, Counters::from_array(counts.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(seconds: &[i64]) -> History {
        let mut history = History::default();
        for second in seconds {
            history.add(Timestamp::from_seconds(*second), &[]);
        }
        history
    }

    #[test]
    fn runs_survive_their_file() {
        let counters = Counters {
            reads: u64::MAX,
            busy_ms: 7,
            ..Counters::default()
        };
        let run = |micros: i64| Run {
            time: Timestamp::from_micros(micros),
            counters: BTreeMap::from([("vda".to_owned(), counters)]),
        };
        let history = History {
            runs: vec![run(1_700_000_000_123_456), run(1_700_000_060_000_000)],
        };
        assert_eq!(History::parse(&history.text()), history);
    }

    #[test]
    fn broken_lines_cost_only_themselves() {
        let text = "1 vda 1 2 3 4 5 6 7\n1 vdb 1 2\nx vdc 1 2 3 4 5 6 7\n\0\n";
        let runs = History::parse(text).runs;
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].counters.len(), 1);
    }

    #[test]
    fn the_last_run_that_is_old_enough_is_compared_with() {
        let check = |runs: &[i64], now: i64, expect: Option<i64>| {
            let history = history(runs);
            let found = history.earlier(Timestamp::from_seconds(now));
            assert_eq!(
                found.map(|run| run.time.seconds()),
                expect,
                "{runs:?} at {now}"
            );
        };
        check(&[], 100, None);
        check(&[100], 105, None);
        check(&[100, 160, 215], 220, Some(160));
        check(&[100, 160], 5000, Some(160));
        check(&[5000], 100, None);
    }

    #[test]
    fn quick_runs_do_not_push_out_the_one_that_is_needed() {
        let runs: Vec<i64> = [40].into_iter().chain(100..120).collect();
        let history = history(&runs);
        assert!(history.runs.len() <= RUNS_MAX);
        assert!(history.earlier(Timestamp::from_seconds(119)).is_some());
    }
}
