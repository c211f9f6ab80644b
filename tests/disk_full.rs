//! A full disk: pushes are refused with a sentence, nothing that was acknowledged is lost, and when there is room again the
//! service goes on by itself.
//!
//! The disk is a small tmpfs in a mount namespace of the test's own, which ends with it: the test runs itself again under
//! `unshare`, as root or in a user namespace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::{self, Pusher};
use ravenry_tests::{program, tool, wait};

const INSIDE: &str = "RAVENRY_TESTS_OWN_MOUNTS";

/// More than the room that the journal has reserved holds.
const PUSHES_MAX: usize = 10_000;

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if std::env::var_os(INSIDE).is_some() {
        return on_a_small_disk();
    }
    let Some(unshare) = tool::find("unshare") else {
        return;
    };
    let root = nix::unistd::geteuid().is_root();
    let flags: &[&str] = if root {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    };
    let mut probe = program::command(&unshare);
    let probe = program::output_of(
        probe
            .args(flags)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"]),
    );
    if probe.code != 0 {
        let what = format!("the right to mount a small disk ({})", probe.stderr.trim());
        return tool::missing(&what).unwrap_or_default();
    }
    let mut again = program::command(&unshare);
    again.args(flags).arg(std::env::current_exe().unwrap());
    again.args([
        "--exact",
        "a_full_disk_refuses_and_loses_nothing",
        "--nocapture",
    ]);
    let output = program::output_of(again.env(INSIDE, "1"));
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
}

fn on_a_small_disk() {
    let mut collector = Collector::new(&format!(
        "{WITHOUT_AGENT}[store]\nflush_interval = \"1s\"\nreorder_window = \"0s\"\n"
    ));
    fs::create_dir(collector.data()).unwrap();
    let data = collector.data().display().to_string();
    let mut mount = program::command("mount");
    let mounted = program::output_of(mount.args(["-t", "tmpfs", "-o", "size=64m", "none", &data]));
    assert_eq!(mounted.code, 0, "{}", mounted.stderr);
    collector.start();
    let by = collector.pusher("test");
    let begin = wait::utc_seconds() - 50_000;
    let mut pushes = Pushes { begin, count: 0 };
    for _ in 0..20 {
        assert_eq!(pushes.next(&by), 200);
    }

    let filler = collector.data().join("filler");
    fill(&filler);
    let refused = (0..PUSHES_MAX).find_map(|_| match pushes.attempt(&by) {
        (200, _) => {
            pushes.count += 1;
            None
        }
        refused => Some(refused),
    });
    let (status, sentence) = refused.unwrap_or_else(|| panic!("all pushes are taken"));
    assert!(status == 507 || status == 503, "{status} {sentence}");
    assert!(
        sentence.contains("room") || sentence.contains("full") || sentence.contains("space"),
        "{sentence}"
    );
    assert!(
        collector.log().contains(&sentence),
        "it is in the log too: {sentence}"
    );
    assert_eq!(collector.get("/").status, 200, "pages are still served");
    pushes.all_there(&collector);

    fs::remove_file(&filler).unwrap();
    wait::until("pushes are taken again", || pushes.attempt(&by).0 == 200);
    pushes.count += 1;
    for _ in 0..20 {
        assert_eq!(pushes.next(&by), 200);
    }
    pushes.all_there(&collector);

    fill(&filler);
    collector.kill();
    fs::remove_file(&filler).unwrap();
    collector.start();
    pushes.all_there(&collector);
    collector.flush();
    pushes.all_there(&collector);
}

/// Writes until nothing fits any more.
fn fill(path: &Path) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    for size in [1 << 20, 4096] {
        let block = vec![1; size];
        while file.write_all(&block).is_ok() {}
    }
}

/// One reading a push, a second apart.
struct Pushes {
    begin: i64,
    /// How many were acknowledged.
    count: i64,
}

impl Pushes {
    fn attempt(&self, by: &Pusher) -> (u16, String) {
        let time = self.begin + self.count;
        // A declaration's worth of text, so that the journal grows.
        let mut batch = push::gauge("host", "graph", 1, &[(time, time as f64)]);
        let info = serde_json::json!(["graph_info", "x".repeat(4000)]);
        let attributes = batch["graphs"][0]["attributes"].as_array_mut();
        attributes.unwrap().push(info);
        let sequence = u64::try_from(self.count + 1).unwrap();
        let answer = by.push(&push::keyed(batch, "agent", 1, sequence)).unwrap();
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (answer.status, error)
    }

    fn next(&mut self, by: &Pusher) -> u16 {
        let (status, error) = self.attempt(by);
        assert_eq!(status, 200, "{error}");
        self.count += 1;
        status
    }

    fn all_there(&self, collector: &Collector) {
        let end = self.begin + self.count - 1;
        let known = collector
            .rows("host", "graph", self.begin - 1, end, 1)
            .known("value");
        for time in self.begin + 1..=end {
            let found = known.get(&time);
            assert!(
                found == Some(&(time as f64)),
                "{found:?} at {time} of {} to {end}",
                self.begin
            );
        }
    }
}

/// A batch of a reading for each of `fields` fields, with `bytes` of text.
fn large(time: i64, fields: usize, bytes: usize) -> serde_json::Value {
    let names: Vec<String> = (0..fields).map(|field| format!("f{field}")).collect();
    let declared: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({"field": name}))
        .collect();
    let text = "x".repeat(4000);
    let attributes: Vec<_> = (0..bytes / 4000)
        .map(|index| serde_json::json!([format!("x_{index}"), text]))
        .collect();
    serde_json::json!({
        "version": 1, "host": "host",
        "graphs": [{"graph": "graph", "attributes": attributes, "fields": declared}],
        "series": {"graph": vec!["graph"; fields], "field": names},
        "samples": {
            "series": (0..fields).collect::<Vec<_>>(),
            "time": vec![time; fields],
            "value": vec![time; fields],
        },
    })
}

/// History cannot be written, since something else is where its folder should be. Pushes are taken until a limit is met,
/// then told to wait, and taken again when somebody has mended it; what was acknowledged is there.
fn is_told_to_wait(setting: &str, fields: usize, bytes: usize, sentence: &str) {
    let mut collector = Collector::new(&format!(
        "{WITHOUT_AGENT}[store]\nflush_interval = \"1s\"\nreorder_window = \"0s\"\n{setting}\n"
    ));
    fs::create_dir(collector.data()).unwrap();
    let in_the_way = collector.data().join("rrd");
    File::create(&in_the_way).unwrap();
    collector.start();
    let by = collector.pusher("test");
    let begin = (wait::utc_seconds() - 50_000) / 60 * 60;
    let mut taken = 0;
    let refused = wait::value("a push is refused", || {
        let answer = by.push(&large(begin + 60 * taken, fields, bytes)).unwrap();
        match answer.status {
            200 => {
                taken += 1;
                None
            }
            _ => Some(answer),
        }
    });
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains(sentence), "{}", refused.text());
    assert_eq!(collector.get("/").status, 200, "pages are still served");
    let all_there = |collector: &Collector, taken: i64| {
        let end = begin + 60 * (taken - 1);
        let known = collector
            .rows("host", "graph", begin - 60, end, 60)
            .known("f1");
        let expect: Vec<i64> = (0..taken).map(|nth| begin + 60 * nth).collect();
        let found: Vec<i64> = known.keys().copied().collect();
        assert_eq!(found, expect);
    };
    fs::remove_file(&in_the_way).unwrap();
    all_there(&collector, taken);
    wait::until("pushes are taken again", || {
        by.push(&large(begin + 60 * taken, fields, bytes))
            .unwrap()
            .status
            == 200
    });
    taken += 1;
    all_there(&collector, taken);
    collector.kill();
    collector.start();
    all_there(&collector, taken);
    collector.flush();
    all_there(&collector, taken);
}

#[test]
fn a_journal_that_has_its_largest_size_lets_pushes_wait() {
    is_told_to_wait(
        "journal_bytes_max = \"16 MB\"",
        2,
        300_000,
        "bytes wait to be written",
    );
}

#[test]
fn too_many_readings_that_wait_for_the_history_let_pushes_wait() {
    is_told_to_wait(
        "pending_samples_max = 1000",
        100,
        0,
        "readings wait to be written",
    );
}
