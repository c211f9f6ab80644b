use std::collections::BTreeMap;

use ravenry_plugins::disk::{BreakingDisk, Disk, MemoryDisk};
use ravenry_plugins::wire::{Ack, Batch};
use ravenry_web::source::{Consolidation, FetchError, Query};

use super::*;
use crate::config;
use crate::entry::Entry;
use crate::journal::segment::{Limits, SegmentJournal};
use crate::recovery;

const START: i64 = 1_700_000_040;
const LIMITS: Limits = Limits {
    segment_bytes: 2000,
    journal_bytes_max: 1 << 20,
    entry_bytes_max: 100_000,
};

/// A store with its journal and database, as the collector has them.
struct Rig {
    store: Store,
    journal: Mutex<SegmentJournal>,
    database: Mutex<Database>,
    problems: Vec<String>,
}

impl Rig {
    /// What a start does: redo, load, journal.
    fn start(disk: &Arc<dyn Disk>, database: Database) -> Result<Self, String> {
        let text = |error: &dyn fmt::Display| error.to_string();
        let settings = config::store::Store::default();
        let found = recovery::recover(&**disk, Arc::clone(disk), &database, &settings, LIMITS);
        let found = found.map_err(|error| text(&error))?;
        let (mut catalog, journal, mut problems) = (found.catalog, found.journal, found.problems);
        let read = recovery::replay(&journal, &mut catalog, |_, _| {});
        problems.extend(read.map_err(|error| text(&error))?.1);
        let store = Store::new(Arc::clone(disk), catalog, &settings);
        Ok(Self {
            store,
            journal: Mutex::new(journal),
            database: Mutex::new(database),
            problems,
        })
    }

    fn push(&self, batch: &Batch) -> Result<Ack, JournalError> {
        let entry = Entry {
            received: Timestamp::from_seconds(START),
            batch: batch.clone(),
        };
        let position = self
            .journal
            .lock()
            .unwrap()
            .append(&[entry.encode().unwrap()])?;
        Ok(self.store.apply(position, &entry).ack)
    }

    fn checkpoint(&self) -> Result<Report, CheckpointError> {
        self.store.checkpoint(
            Timestamp::from_seconds(START),
            Flush::All,
            &self.journal,
            &self.database,
        )
    }

    fn rows(&self, host: &str, graph: &str, field: &str) -> Vec<Option<f64>> {
        let query = Query {
            host: HostName::new(host).unwrap(),
            graph: GraphName::new(graph).unwrap(),
            start: Timestamp::from_seconds(START),
            end: Timestamp::from_seconds(START + 1200),
            resolution: Duration::from_secs(60),
            consolidation: Consolidation::Average,
        };
        match self.store.fetch(&query) {
            Ok(history) => {
                let (_, column) = history
                    .columns
                    .iter()
                    .find(|(name, _)| name.as_str() == field)
                    .unwrap();
                column
                    .iter()
                    .map(|value| (!value.is_nan()).then_some(*value))
                    .collect()
            }
            Err(FetchError::NotStored { .. }) => Vec::new(),
            Err(error @ FetchError::Unreadable { .. }) => panic!("{error}"),
        }
    }
}

fn memory_database() -> Database {
    Database::open(Path::new(":memory:")).unwrap()
}

/// A batch with one reading of `value` for each field, `minute` minutes after the start.
fn batch(host: &str, graph: &str, fields: &[&str], minute: i64, value: f64) -> Batch {
    let series = vec![graph; fields.len()];
    let indices: Vec<usize> = (0..fields.len()).collect();
    let times = vec![START + 60 * minute; fields.len()];
    let values = vec![value; fields.len()];
    let json = serde_json::json!({
        "version": 1, "host": host,
        "series": {"graph": series, "field": fields},
        "samples": {"series": indices, "time": times, "value": values},
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn readings_are_seen_before_and_after_they_are_written() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for minute in 1..5 {
        rig.push(&batch("web1", "load", &["load"], minute, minute as f64))
            .unwrap();
    }
    let before = rig.rows("web1", "load", "load");
    assert_eq!(
        before[..5],
        [Some(1.0), Some(2.0), Some(3.0), Some(4.0), None]
    );
    let report = rig.checkpoint().unwrap();
    assert_eq!(
        (
            report.rows,
            report.files,
            rig.store.catalog().counts.pending
        ),
        (4, 1, 0)
    );
    assert_eq!(rig.rows("web1", "load", "load"), before);
    rig.push(&batch("web1", "load", &["load"], 5, 5.0)).unwrap();
    assert_eq!(rig.rows("web1", "load", "load")[4], Some(5.0));
    assert_eq!(rig.checkpoint().unwrap().rows, 1);
}

#[test]
fn a_field_that_appears_later_joins_the_file() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    rig.push(&batch("web1", "load", &["one"], 1, 1.0)).unwrap();
    rig.checkpoint().unwrap();
    rig.push(&batch(
        "web1",
        "load",
        &["one", "two_with_a_very_long_name"],
        2,
        2.0,
    ))
    .unwrap();
    for _ in 0..2 {
        assert_eq!(rig.rows("web1", "load", "one")[..2], [Some(1.0), Some(2.0)]);
        assert_eq!(rig.checkpoint().unwrap().problems, Vec::<String>::new());
    }
    rig.push(&batch(
        "web1",
        "load",
        &["two_with_a_very_long_name"],
        3,
        3.0,
    ))
    .unwrap();
    assert_eq!(
        rig.rows("web1", "load", "two_with_a_very_long_name")[..3],
        [None, Some(2.0), Some(3.0)]
    );
}

#[test]
fn a_damaged_file_is_set_aside_and_the_rest_goes_on() {
    let memory = MemoryDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for host in ["web1", "web2"] {
        rig.push(&batch(host, "load", &["load"], 1, 1.0)).unwrap();
    }
    rig.checkpoint().unwrap();
    memory
        .open(Path::new("rrd/web1/load.rrd"), Open::Existing)
        .unwrap()
        .set_size(100)
        .unwrap();
    for host in ["web1", "web2"] {
        rig.push(&batch(host, "load", &["load"], 2, 2.0)).unwrap();
    }
    let report = rig.checkpoint().unwrap();
    assert!(
        report.problems[0].starts_with("rrd/web1/load.rrd cannot be used (the header is too small"),
        "{report:?}"
    );
    assert_eq!(
        memory.list(Path::new("rrd/web1")).unwrap(),
        ["load.rrd", "load.rrd.damaged-1700000040"]
    );
    assert_eq!(rig.rows("web1", "load", "load")[1], Some(2.0));
    assert_eq!(
        rig.rows("web2", "load", "load")[..2],
        [Some(1.0), Some(2.0)]
    );
}

#[test]
fn a_full_disk_loses_nothing_and_is_left_behind() {
    let memory = MemoryDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    rig.push(&batch("web1", "load", &["load"], 1, 1.0)).unwrap();
    memory.set_capacity(Some(100_000));
    assert!(
        rig.checkpoint()
            .unwrap_err()
            .to_string()
            .contains("no space left")
    );
    rig.push(&batch("web1", "load", &["load"], 2, 2.0)).unwrap();
    assert_eq!(
        rig.rows("web1", "load", "load")[..2],
        [Some(1.0), Some(2.0)]
    );
    memory.set_capacity(None);
    assert_eq!(rig.checkpoint().unwrap().rows, 2);
    assert_eq!(
        rig.rows("web1", "load", "load")[..2],
        [Some(1.0), Some(2.0)]
    );
}

/// What a run pushes: two hosts, a graph that gets a field half way, checkpoints in between.
fn script(
    rig: &Rig,
    acknowledged: &mut BTreeMap<(String, String), Vec<i64>>,
) -> Result<(), String> {
    for minute in 1..12 {
        for (host, graph) in [("web1", "load"), ("web2", "load"), ("web1", "cpu")] {
            let fields: &[&str] = if graph == "cpu" && minute > 5 {
                &["a", "b"]
            } else {
                &["a"]
            };
            rig.push(&batch(host, graph, fields, minute, minute as f64))
                .map_err(|error| error.to_string())?;
            acknowledged
                .entry((host.to_owned(), graph.to_owned()))
                .or_default()
                .push(minute);
        }
        if minute % 3 == 0 {
            rig.checkpoint().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Cuts the power after each number of writing operations, lets several subsets of the unsafe pages survive, and starts
/// again: every reading that was acknowledged is there with its value. The database is SQLite's promise, not tested here.
/// `RAVENRY_SEEDS` is how many subsets are tried at each operation.
#[test]
fn a_power_cut_loses_no_acknowledged_reading() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = std::env::var("RAVENRY_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    let mut cut = 0;
    loop {
        for seed in 0..seeds {
            let path = folder.path().join(format!("{cut}-{seed}"));
            let breaking = BreakingDisk::new(MemoryDisk::new(), cut);
            let disk: Arc<dyn Disk> = Arc::new(breaking.clone());
            let mut acknowledged = BTreeMap::new();
            if let Ok(rig) = Rig::start(&disk, Database::open(&path).unwrap()) {
                drop(script(&rig, &mut acknowledged));
            }
            let finished = !breaking.is_cut();

            let disk: Arc<dyn Disk> = Arc::new(breaking.after_power_cut(seed * 1000 + cut));
            let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
            for _ in 0..2 {
                for ((host, graph), minutes) in &acknowledged {
                    let rows = rig.rows(host, graph, "a");
                    for &minute in minutes {
                        let found = rows.get(minute as usize - 1).copied().flatten();
                        assert_eq!(
                            found,
                            Some(minute as f64),
                            "cut {cut} seed {seed}: {host}/{graph} minute {minute}: {rows:?} {:?}",
                            rig.problems
                        );
                    }
                }
                let report = rig.checkpoint().unwrap();
                assert!(
                    report.problems.is_empty(),
                    "cut {cut} seed {seed}: {:?}",
                    report.problems
                );
            }
            if finished {
                return;
            }
        }
        cut += 1;
    }
}

mod busy;
mod faults;
mod growth;
