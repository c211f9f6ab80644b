//! History files that somebody cuts short, deletes, replaces or overwrites: under the running collector each is set aside and
//! told of on the pages, and the rest goes on; `ravenry store verify` and `repair` say and mend what is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::program::{self, Output};
use ravenry_tests::push::{self, Pusher};
use ravenry_tests::wait;

/// A way in which a file is damaged, and what is said about it.
struct Damage {
    graph: &'static str,
    does: fn(&Path),
    /// What verify finds.
    verified: &'static str,
    /// What the checkpoint under way says.
    told: &'static str,
    /// What repair says that it did.
    repaired: &'static str,
}

const DAMAGES: [Damage; 6] = [
    Damage {
        graph: "cut_short",
        does: |file| {
            let file = fs::File::options().write(true).open(file).unwrap();
            file.set_len(20_000).unwrap();
        },
        verified: "damaged, but can be mended: ",
        told: "goes on with what is sound of it (",
        repaired: "mended: ",
    },
    Damage {
        graph: "cut_off",
        does: |file| fs::write(file, &fs::read(file).unwrap()[..300]).unwrap(),
        verified: "damaged: the file is too small",
        told: "begun anew",
        repaired: "set aside as ",
    },
    Damage {
        graph: "deleted",
        does: |file| fs::remove_file(file).unwrap(),
        verified: "the graph is known, and its history is gone",
        told: "is gone, and its history with it: begun anew",
        repaired: "the graph is known, and its history is gone",
    },
    Damage {
        graph: "directory",
        does: |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        },
        verified: "expected a file, found a directory",
        told: "Is a directory",
        repaired: "set aside as ",
    },
    Damage {
        graph: "link",
        does: |file| {
            let elsewhere = file.with_extension("elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            symlink(&elsewhere, file).unwrap();
        },
        verified: "expected a file, found a link",
        told: "set aside as ",
        repaired: "set aside as ",
    },
    Damage {
        graph: "overwritten",
        does: |file| fs::write(file, "somebody's notes").unwrap(),
        verified: "damaged: not an RRD file",
        told: "not an RRD file",
        repaired: "set aside as ",
    },
];

/// A collector with a file for each damage and a sound one, each with rows of an hour; and the time of the last.
fn with_files() -> (Collector, Pusher, i64) {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    let now = wait::utc_seconds() / 60 * 60;
    for graph in DAMAGES.map(|damage| damage.graph).iter().chain(&["sound"]) {
        let readings: Vec<(i64, f64)> = (-60..-2).map(|minute| (now + 60 * minute, 5.0)).collect();
        let answer = by.push(&push::gauge("web1", graph, 60, &readings)).unwrap();
        assert_eq!(answer.json()["accepted"], 58, "{}", answer.text());
    }
    collector.flush();
    (collector, by, now)
}

fn damage_all(collector: &Collector) {
    for damage in &DAMAGES {
        (damage.does)(&collector.rrd("web1", damage.graph));
    }
}

/// Each damage has a line in `text` that names its file and holds these words.
fn check_each(what: &str, text: &str, words: impl Fn(&Damage) -> &'static str) {
    for damage in &DAMAGES {
        let of_file = |line: &&str| line.contains(&format!("rrd/web1/{}.rrd", damage.graph));
        let lines: Vec<&str> = text.lines().filter(of_file).collect();
        assert!(
            lines.iter().any(|line| line.contains(words(damage))),
            "{what}: expected {:?} of {}, found {lines:#?} in {text}",
            words(damage),
            damage.graph
        );
    }
}

fn store(collector: &Collector, args: &[&str]) -> Output {
    collector.administer(&[&["store"], args].concat())
}

#[test]
fn what_is_damaged_under_the_running_collector_is_told_and_the_rest_goes_on() {
    let (collector, by, now) = with_files();
    assert_eq!(store(&collector, &["verify"]).code, 0);
    damage_all(&collector);
    let verified = store(&collector, &["verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    check_each("verify", &verified.stdout, |damage| damage.verified);
    assert!(
        !verified.stdout.contains("sound.rrd"),
        "{}",
        verified.stdout
    );

    for graph in DAMAGES.map(|damage| damage.graph).iter().chain(&["sound"]) {
        let fresh = push::gauge("web1", graph, 60, &[(now - 60, 7.0), (now, 7.0)]);
        assert_eq!(by.push(&fresh).unwrap().json()["accepted"], 2);
    }
    let flushed = store(&collector, &["flush"]);
    assert_eq!(flushed.code, 0, "all could be written: {flushed:?}");
    check_each("flush", &flushed.stderr, |damage| damage.told);
    let page = collector.get("/").text();
    assert!(
        page.contains("The collector itself:") && page.contains("rrd/web1/"),
        "{page}"
    );
    for graph in DAMAGES.map(|damage| damage.graph).iter().chain(&["sound"]) {
        let rows = collector.rows("web1", graph, now - 3600, now, 60);
        assert!(rows.known("value").contains_key(&now), "{graph}: {rows:?}");
        let keeps = ["cut_short", "sound"].contains(graph);
        assert_eq!(rows.known("value").len() > 50, keeps, "{graph}: {rows:?}");
    }
}

#[test]
fn what_is_damaged_while_nobody_works_is_mended() {
    let (mut collector, by, now) = with_files();
    let running = store(&collector, &["repair", "--yes"]);
    assert_eq!(running.code, 1);
    assert!(
        running.stderr.contains("is in use by ravenry process"),
        "{running:?}"
    );
    assert!(collector.stop(Signal::SIGTERM).0.success());
    damage_all(&collector);
    fs::write(collector.rrd("web1", "begun").with_extension("new"), "half").unwrap();
    let sound = collector.rrd("web1", "sound");
    fs::rename(&sound, sound.with_extension("rrd.damaged-1")).unwrap();

    let unasked = store(&collector, &["repair"]);
    assert_eq!(unasked.code, 1);
    assert!(
        unasked.stderr.contains("nobody can be asked here"),
        "{unasked:?}"
    );
    let before = fs::read_dir(sound.parent().unwrap()).unwrap().count();
    let dry = store(&collector, &["repair", "--dry-run"]);
    assert_eq!(
        fs::read_dir(sound.parent().unwrap()).unwrap().count(),
        before
    );
    check_each("dry run", &dry.stdout, |damage| damage.verified);

    let repaired = store(&collector, &["repair", "--yes"]);
    check_each("repair", &repaired.stdout, |damage| damage.repaired);
    for done in [
        "rrd/web1/begun.new: removed",
        "moved back to rrd/web1/sound.rrd",
    ] {
        assert!(repaired.stdout.contains(done), "{}", repaired.stdout);
    }
    let info = program::output(
        "ravenry",
        &[
            "rrd",
            "info",
            &collector.rrd("web1", "cut_short").display().to_string(),
        ],
    );
    assert_eq!(info.code, 0, "{info:?}");

    collector.start();
    let fresh = push::gauge("web1", "sound", 60, &[(now - 60, 7.0), (now, 7.0)]);
    assert_eq!(by.push(&fresh).unwrap().json()["accepted"], 2);
    assert!(
        collector
            .rows("web1", "sound", now - 3600, now, 60)
            .known("value")
            .len()
            > 50
    );
    assert!(
        collector
            .rows("web1", "cut_short", now - 3600, now, 60)
            .known("value")
            .len()
            > 50
    );
}

#[test]
fn a_clock_that_was_ahead_is_taken_back() {
    let (mut collector, by, now) = with_files();
    assert!(collector.stop(Signal::SIGTERM).0.success());
    let file = collector.rrd("web1", "sound").display().to_string();
    let ahead = now + 2 * 86_400;
    let update = program::output("ravenry", &["rrd", "update", &file, &format!("{ahead}:1")]);
    assert_eq!(update.code, 0, "{update:?}");
    let verified = store(&collector, &["verify", "web1/sound.rrd"]);
    assert!(verified.stdout.contains("is in the future"), "{verified:?}");
    let repaired = store(&collector, &["repair", "--yes"]);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert_eq!(store(&collector, &["verify"]).code, 0);
    collector.start();
    let soon = wait::utc_seconds() + 1;
    let answer = by
        .push(&push::gauge("web1", "sound", 60, &[(soon, 7.0)]))
        .unwrap();
    assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
}

#[test]
fn a_file_that_its_owner_may_not_write_is_named() {
    let (mut collector, ..) = with_files();
    assert!(collector.stop(Signal::SIGTERM).0.success());
    let file = collector.rrd("web1", "sound");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let verified = store(&collector, &["verify", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let names: Vec<&str> = findings
        .iter()
        .map(|found| found["fault"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mode"]);
    assert_eq!(store(&collector, &["repair", "--yes"]).code, 0);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_configuration_that_keeps_less_takes_nothing_away_until_somebody_says_so() {
    let (mut collector, by, now) = with_files();
    let long_ago = push::gauge("web1", "sound", 60, &[(now - 40 * 86_400, 1.0)]);
    let late = by.push(&long_ago).unwrap().json();
    assert_eq!(late["refused"], 1, "{late}");
    let old = push::gauge(
        "web1",
        "old",
        60,
        &[(now - 40 * 86_400, 1.0), (now - 120, 5.0), (now - 60, 5.0)],
    );
    assert_eq!(by.push(&old).unwrap().json()["accepted"], 3);
    collector.flush();
    assert!(collector.stop(Signal::SIGTERM).0.success());
    collector.configure(&format!(
        "{WITHOUT_AGENT}[store]\nlayout = \"custom 10h\"\n"
    ));
    let config = collector.config().display().to_string();
    let verify = || store(&collector, &["verify", "-c", &config]);
    let verified = verify();
    assert_eq!(verified.code, 0, "{verified:?}");
    let should = "should keep 1m for 11h";
    assert!(
        verified.stdout.contains("and 7 more: keeps 1m for 36h")
            && verified.stdout.contains(should),
        "{verified:?}"
    );

    collector.start();
    let fresh = |graph: &str| push::gauge("web1", graph, 60, &[(now, 5.0)]);
    for graph in ["old", "sound"] {
        assert_eq!(by.push(&fresh(graph)).unwrap().json()["accepted"], 1);
    }
    collector.flush();
    assert!(collector.stop(Signal::SIGTERM).0.success());
    let size = |graph: &str| collector.rrd("web1", graph).metadata().unwrap().len();
    assert!(size("old") > 150_000, "a history of 40 days stays");
    assert!(size("sound") < 10_000, "one of an hour loses nothing");

    let reshaped = store(&collector, &["reshape", "-c", &config, "--yes"]);
    assert_eq!(reshaped.code, 0, "{reshaped:?}");
    assert!(size("old") < 10_000);
    assert!(
        !store(&collector, &["verify", "-c", &config])
            .stdout
            .contains(should)
    );
    collector.start();
    let rows = collector.rows("web1", "sound", now - 3600, now, 60);
    assert!(rows.known("value").len() > 50, "{rows:?}");
    assert!(
        collector
            .rows("web1", "old", now - 600, now, 60)
            .known("value")
            .contains_key(&now)
    );
}
