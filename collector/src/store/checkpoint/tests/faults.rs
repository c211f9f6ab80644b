//! Disks that fail without a power cut, files that other programs changed, plugins that change their mind.

use std::sync::atomic::{AtomicBool, Ordering};

use ravenry_plugins::disk::{DiskFile, FileDisk};

use super::*;

/// A disk that fails what it is told to fail.
#[derive(Clone)]
struct Flaky {
    disk: BreakingDisk,
    /// Whether the file `zz.rrd` finds no descriptor left.
    no_descriptor: Arc<AtomicBool>,
    no_sync: Arc<AtomicBool>,
}

impl Flaky {
    fn new() -> Self {
        let disk = BreakingDisk::new(MemoryDisk::new(), u64::MAX);
        Self {
            disk,
            no_descriptor: Arc::default(),
            no_sync: Arc::default(),
        }
    }
}

impl Disk for Flaky {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        if path.ends_with("zz.rrd") && self.no_descriptor.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(nix::libc::EMFILE));
        }
        self.disk.open(path, how)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn sync_all(&self) -> io::Result<()> {
        if self.no_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk fails"));
        }
        self.disk.sync_all()
    }
}

const FIELDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A chunk is written in place, the next one fails, and before anything is synced the power goes.
#[test]
fn a_checkpoint_that_fails_half_way_loses_nothing_in_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let flaky = Flaky::new();
    let disk: Arc<dyn Disk> = Arc::new(flaky.clone());
    let rig = Rig::start(&disk, Database::open(&folder.path().join("a")).unwrap()).unwrap();
    let graphs: Vec<String> = (0..config::store::Store::default().open_files_max)
        .map(|i| format!("g{i:03}"))
        .chain(["zz".to_owned()])
        .collect();
    let push = |minutes: Range<i64>| {
        for (minute, graph) in
            minutes.flat_map(|minute| graphs.iter().map(move |graph| (minute, graph)))
        {
            rig.push(&batch("web1", graph, &FIELDS, minute, minute as f64))
                .unwrap();
        }
    };
    push(1..3);
    rig.checkpoint().unwrap();
    push(3..6);
    flaky.no_descriptor.store(true, Ordering::SeqCst);
    rig.checkpoint().unwrap_err();
    flaky.no_descriptor.store(false, Ordering::SeqCst);
    flaky.no_sync.store(true, Ordering::SeqCst);
    rig.checkpoint().unwrap_err();

    for seed in 0..2 {
        let disk: Arc<dyn Disk> = Arc::new(flaky.disk.after_power_cut(seed));
        let copy = folder.path().join(format!("copy{seed}"));
        std::fs::copy(folder.path().join("a"), &copy).unwrap();
        let rig = Rig::start(&disk, Database::open(&copy).unwrap()).unwrap();
        for graph in &graphs {
            let rows = rig.rows("web1", graph, "a");
            assert_eq!(
                rows[..5],
                [1.0, 2.0, 3.0, 4.0, 5.0].map(Some),
                "{graph} seed {seed}"
            );
        }
    }
}

#[test]
fn a_sync_that_failed_is_made_good_by_writing_again() {
    let flaky = Flaky::new();
    let disk: Arc<dyn Disk> = Arc::new(flaky.clone());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    rig.push(&batch("web1", "load", &["a"], 1, 1.0)).unwrap();
    rig.checkpoint().unwrap();
    rig.push(&batch("web1", "load", &["a"], 2, 2.0)).unwrap();
    flaky.no_sync.store(true, Ordering::SeqCst);
    rig.checkpoint().unwrap_err();
    flaky.no_sync.store(false, Ordering::SeqCst);
    let report = rig.checkpoint().unwrap();
    assert_eq!(
        report.files, 1,
        "what the kernel may have dropped is written again: {report:?}"
    );
}

#[test]
fn a_file_that_is_a_link_now_is_set_aside_and_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(folder.path()).unwrap());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for host in ["web1", "web2"] {
        rig.push(&batch(host, "load", &["a"], 1, 1.0)).unwrap();
    }
    rig.checkpoint().unwrap();
    let file = folder.path().join("rrd/web1/load.rrd");
    std::fs::rename(&file, folder.path().join("elsewhere.rrd")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere.rrd"), &file).unwrap();
    for host in ["web1", "web2"] {
        rig.push(&batch(host, "load", &["a"], 2, 2.0)).unwrap();
    }
    let report = rig.checkpoint().unwrap();
    assert!(
        report.problems[0].contains("set aside as rrd/web1/load.rrd.damaged-"),
        "{report:?}"
    );
    assert_eq!(rig.rows("web2", "load", "a")[..2], [Some(1.0), Some(2.0)]);
    assert_eq!(rig.rows("web1", "load", "a")[..2], [None, Some(2.0)]);
}

/// A batch of an agent: graph `g` with a field `a` of type `kind` and a field `b`.
fn declared(kind: &str, minute: i64, value: f64) -> Batch {
    let time = START + 60 * minute;
    let json = serde_json::json!({
        "version": 1, "host": "web1", "key": {"agent": "x", "incarnation": 1, "sequence": minute},
        "graphs": [{"graph": "g", "fields": [{"field": "a", "attributes": [["type", kind]]}, {"field": "b"}]}],
        "series": {"graph": ["g", "g"], "field": ["a", "b"]},
        "samples": {"series": [0, 1], "time": [time, time], "value": [value, 5]},
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_type_that_changes_costs_the_readings_that_do_not_fit_it() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for minute in 1..4 {
        rig.push(&declared("GAUGE", minute, 0.5)).unwrap();
    }
    rig.push(&declared("DERIVE", 4, 7.0)).unwrap();
    let report = rig.checkpoint().unwrap();
    assert_eq!(
        (report.problems, report.rows, report.unfit),
        (Vec::new(), 4, 3)
    );
    assert_eq!(rig.rows("web1", "g", "b")[..4], [Some(5.0); 4]);
}

#[test]
fn a_number_that_no_counter_has_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for (minute, value) in [(1, 1e20), (2, 0.5)] {
        let ack = rig.push(&declared("DERIVE", minute, value)).unwrap();
        assert_eq!((ack.accepted, ack.refused), (1, 1));
    }
    assert_eq!(rig.checkpoint().unwrap().problems, Vec::<String>::new());
}

#[test]
fn counters_of_an_agent_beyond_what_the_database_holds_stop_nothing() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    let mut evil = declared("GAUGE", 1, 1.0);
    evil.key.as_mut().unwrap().incarnation = u64::MAX;
    rig.push(&evil).unwrap();
    rig.checkpoint().unwrap();
}

#[test]
fn more_fields_than_a_graph_may_have_are_refused_and_the_next_start_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    let names: Vec<String> = (0..1200).map(|i| format!("f{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (minute, part) in names.chunks(300).enumerate() {
        rig.push(&batch("web1", "load", part, 1 + minute as i64, 1.0))
            .unwrap();
    }
    let changes = Changes::collect(&mut rig.store.catalog_mut(), 4);
    lock(&rig.database).save(&changes).unwrap();
    let again = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    assert_eq!(again.problems, Vec::<String>::new());
    assert_eq!(
        again.store.catalog().counts.series,
        900,
        "the fourth push would have made it 1200"
    );
}

#[test]
fn a_field_that_is_not_declared_any_more_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    rig.push(&declared("GAUGE", 1, 5.0)).unwrap();
    rig.checkpoint().unwrap();
    let mut plain = declared("GAUGE", 2, 6.0);
    plain.graphs.clear();
    rig.push(&plain).unwrap();
    let mut only_a = declared("GAUGE", 3, 7.0);
    only_a.graphs[0].fields.truncate(1);
    only_a.samples.series.truncate(1);
    only_a.samples.time.truncate(1);
    only_a.samples.value.truncate(1);
    rig.push(&only_a).unwrap();
    let now = Timestamp::from_seconds(START);
    rig.store
        .checkpoint(now, Flush::Due, &rig.journal, &rig.database)
        .unwrap();

    let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    assert_eq!(rig.store.catalog().counts.refused, 0);
    rig.checkpoint().unwrap();
    assert_eq!(rig.rows("web1", "g", "b")[1], Some(5.0));
}

#[test]
fn counters_of_one_graph_that_are_read_apart_are_both_stored() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for minute in 1..8 {
        let mut batch = declared("DERIVE", minute, (60 * minute) as f64);
        batch.samples.time[1] = batch.samples.time[1] + Duration::from_secs(2);
        rig.push(&batch).unwrap();
    }
    for _ in 0..2 {
        let rows = rig.rows("web1", "g", "a");
        assert!(
            rows[2..6]
                .iter()
                .all(|row| row.is_some_and(|rate| (rate - 1.0).abs() < 1e-9)),
            "{rows:?}"
        );
        rig.checkpoint().unwrap();
    }
}

#[test]
fn after_a_restart_late_readings_are_refused_and_replayed_ones_are_not_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    rig.push(&batch("web1", "load", &["a"], 5, 5.0)).unwrap();
    // The files are written, and the kill comes before the database knows.
    let mut database = memory_database();
    std::mem::swap(&mut database, &mut lock(&rig.database));
    rig.checkpoint().unwrap();

    let rig = Rig::start(&disk, database).unwrap();
    let ack = rig.push(&batch("web1", "load", &["a"], 3, 3.0)).unwrap();
    assert_eq!((ack.accepted, ack.refused), (0, 1), "{ack:?}");
    let report = rig.checkpoint().unwrap();
    assert_eq!(report.late, 0, "what the journal brought again is no news");
}

#[test]
fn a_file_that_is_gone_is_told_and_begun_anew() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    rig.push(&batch("web1", "load", &["a"], 1, 1.0)).unwrap();
    assert_eq!(rig.checkpoint().unwrap().problems, Vec::<String>::new());
    disk.remove(Path::new("rrd/web1/load.rrd")).unwrap();
    rig.push(&batch("web1", "load", &["a"], 2, 2.0)).unwrap();
    let problems = rig.checkpoint().unwrap().problems;
    assert_eq!(
        problems,
        ["rrd/web1/load.rrd is gone, and its history with it: begun anew"]
    );
    assert_eq!(rig.rows("web1", "load", "a")[..2], [None, Some(2.0)]);
}

/// At a stop there is so much time; what is not reached is not lost.
#[test]
fn a_last_flush_whose_time_is_over_leaves_all_to_the_journal() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    rig.push(&batch("web1", "load", &["load"], 1, 1.0)).unwrap();
    let flush = Flush::AllUntil(clock::monotonic());
    let now = Timestamp::from_seconds(START);
    let report = rig
        .store
        .checkpoint(now, flush, &rig.journal, &rig.database);
    assert_eq!(report.unwrap().files, 0);
    assert_eq!(rig.store.catalog().counts.pending, 1);
    drop(rig);

    let again = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
    assert_eq!(again.rows("web1", "load", "load")[0], Some(1.0));
    assert_eq!(again.checkpoint().unwrap().files, 1);
}
