//! Declarations that change how much is kept: the file grows with all it had, and never shrinks by itself.

use super::*;

/// A batch that declares graph `load` with these attributes, and a reading `minute` minutes after the start.
fn declared(attributes: &[(&str, &str)], minute: i64, value: f64) -> Batch {
    let mut batch = batch("web1", "load", &["load"], minute, value);
    let json = serde_json::json!({
        "graph": "load", "attributes": attributes, "fields": [{"field": "load"}],
    });
    batch.graphs = vec![serde_json::from_value(json).unwrap()];
    batch
}

/// A reading `age` minutes earlier and three more under the first declaration, two under the second: step and rows of the
/// file after each, and the values.
fn check(age: i64, first: &[(&str, &str)], second: &[(&str, &str)], expect: [&str; 2]) {
    let memory = MemoryDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    rig.push(&declared(first, -age, 1.0)).unwrap();
    let found = |rig: &Rig, minutes: Range<i64>, attributes: &[(&str, &str)]| {
        for minute in minutes {
            rig.push(&declared(attributes, minute, minute as f64))
                .unwrap();
        }
        assert_eq!(rig.checkpoint().unwrap().problems, Vec::<String>::new());
        let file = GraphFile::open(&*disk, Path::new("rrd/web1/load.rrd"), 1, &mut Vec::new())
            .unwrap()
            .unwrap();
        let archives = file.header.archives();
        let rows = archives
            .iter()
            .map(|archive| format!(" {}x{}", archive.steps, archive.rows));
        format!(
            "{}:{}",
            file.header.step(),
            rows.take(4).collect::<String>()
        )
    };
    assert_eq!(
        [found(&rig, 1..4, first), found(&rig, 4..6, second)],
        expect
    );
    assert_eq!(
        rig.rows("web1", "load", "load")[1..6],
        [Some(2.0), Some(3.0), Some(4.0), Some(5.0), None],
        "{expect:?}"
    );
}

const STANDARD: &str = "60: 1x2160 5x2304 30x1680 360x1800";

#[test]
fn a_longer_history_is_taken_up_with_all_that_was_there() {
    check(
        0,
        &[("graph_data_size", "custom 1d, 30m for 9d")],
        &[("graph_data_size", "huge")],
        ["60: 1x1584 30x476 30x476 30x476", "60: 1x576000"],
    );
    check(
        10_000,
        &[],
        &[("graph_data_size", "huge")],
        [STANDARD, "60: 1x576000"],
    );
}

#[test]
fn a_shorter_history_takes_nothing_away() {
    check(
        10_000,
        &[],
        &[("graph_data_size", "custom 1d")],
        [STANDARD, STANDARD],
    );
    check(
        0,
        &[],
        &[("graph_data_size", "custom 1d")],
        [STANDARD, "60: 1x1584"],
    );
    check(0, &[], &[("update_rate", "300")], [STANDARD, STANDARD]);
}

#[test]
fn a_plugin_that_runs_more_often_gets_finer_rows() {
    let memory = MemoryDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    for minute in 1..4 {
        rig.push(&declared(&[], minute, minute as f64)).unwrap();
    }
    rig.checkpoint().unwrap();
    rig.push(&declared(&[("update_rate", "10")], 4, 4.0))
        .unwrap();
    rig.checkpoint().unwrap();
    let file = GraphFile::open(&*disk, Path::new("rrd/web1/load.rrd"), 1, &mut Vec::new())
        .unwrap()
        .unwrap();
    assert_eq!(
        (file.header.step(), file.header.archives()[0].rows),
        (10, 12_960)
    );
    let rows = rig.rows("web1", "load", "load");
    let minutes = [1.0, 2.0, 3.0].map(|value| [Some(value); 6]);
    assert_eq!(rows[..18], minutes.concat());
}

#[test]
fn what_is_too_much_is_told_when_the_file_is_made() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let rig = Rig::start(&disk, memory_database()).unwrap();
    let huge = [("graph_data_size", "huge"), ("update_rate", "1")];
    rig.push(&declared(&huge, 1, 1.0)).unwrap();
    let problems = rig.checkpoint().unwrap().problems;
    assert_eq!(
        problems,
        [
            "rrd/web1/load.rrd: graph_data_size: expected at most 16777216 bytes a field (store.series_bytes_max), \
          found 276480000 bytes"
        ]
    );
}
