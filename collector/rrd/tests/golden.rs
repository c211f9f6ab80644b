//! Files made by the real rrdtool (`golden/make.sh`), which need no rrdtool to compare with: the updates' bytes and the
//! text of `info`, `dump` and `fetch`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use ravenry_rrd::header::Header;
use ravenry_rrd::update::{Input, UpdateError};
use ravenry_rrd::writes::Writes;
use ravenry_rrd::{cli, decimal, fetch};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn apply(header: &mut Header, line: &str, writes: &mut Writes) -> Result<(), UpdateError> {
    let (time, values) = line.split_once(':').unwrap();
    let time = decimal::parse(time.as_bytes()).unwrap();
    let inputs: Vec<Input<'_>> = values
        .split(':')
        .map(|text| Input::Text(text.as_bytes()))
        .collect();
    header.update_in_place(
        time.floor() as i64,
        (time.fract() * 1e6) as u32,
        &inputs,
        writes,
    )
}

#[track_caller]
fn check_update(name: &str, refused: usize) {
    let mut file = std::fs::read(golden(&format!("{name}.before.rrd"))).unwrap();
    let mut header = Header::parse(&file, file.len() as u64).unwrap();
    header
        .load_seasons(|offset, bytes| fetch::slice(&file, offset, bytes))
        .unwrap();
    let mut writes = Writes::new();
    let updates = std::fs::read_to_string(golden(&format!("{name}.updates"))).unwrap();
    let errors = updates
        .lines()
        .filter(|line| {
            let applied = apply(&mut header, line, &mut writes);
            applied.and_then(|()| header.smooth(&mut writes)).is_err()
        })
        .count();
    assert_eq!(errors, refused);
    header.live_write(&mut writes);
    writes.merge();
    writes.apply(&mut file);
    assert!(
        file == std::fs::read(golden(&format!("{name}.after.rrd"))).unwrap(),
        "{name}: bytes differ"
    );
}

/// What our command line prints.
#[track_caller]
fn run(args: &[String]) -> String {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut around = cli::Surroundings {
        now: (1_100_000_000, 0),
        zone: chrono_tz::Tz::UTC,
        input: &mut std::io::empty(),
        output: &mut output,
        errors: &mut errors,
    };
    let status = cli::main(args, &mut around);
    let errors = String::from_utf8(errors).unwrap();
    assert_eq!((status, errors.as_str()), (0, ""), "{args:?}");
    String::from_utf8(output).unwrap()
}

/// A file created with these words has the dump of the one that rrdtool created.
#[track_caller]
fn check_created(name: &str, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("begun.rrd").to_str().unwrap().to_owned();
    let words = words.split_whitespace().map(|word| {
        let is_golden = word.ends_with(".rrd");
        if is_golden {
            golden(word).to_str().unwrap().to_owned()
        } else {
            word.to_owned()
        }
    });
    let create = ["create".to_owned(), path.clone()];
    run(&create.into_iter().chain(words).collect::<Vec<_>>());
    let expected = std::fs::read_to_string(golden(&format!("{name}.dump"))).unwrap();
    assert_eq!(run(&["dump".to_owned(), path]), expected, "{name}");
}

/// Our command line's output is rrdtool's.
#[track_caller]
fn check_text(name: &str) {
    let folder = golden("");
    for (command, words) in [
        ("info", ""),
        ("dump", ""),
        ("fetch", "AVERAGE -s 1000000000 -e 1000004000"),
    ] {
        let path = folder
            .join(format!("{name}.after.rrd"))
            .to_str()
            .unwrap()
            .to_owned();
        let args: Vec<String> = [command, &path]
            .into_iter()
            .chain(words.split_whitespace())
            .map(str::to_owned)
            .collect();
        let output = run(&args).replace(&path, &format!("{name}.after.rrd"));
        let expected = std::fs::read_to_string(folder.join(format!("{name}.{command}"))).unwrap();
        assert_eq!(output, expected, "{name} {command}");
    }
}

#[test]
fn every_kind_is_updated_to_the_same_bytes() {
    check_update("kinds", 1);
}

#[test]
fn computed_sources_are_calculated_at_each_step() {
    check_update("compute", 0);
}

#[test]
fn version_1_is_updated_in_place_without_microseconds() {
    check_update("version1", 0);
}

#[test]
fn files_of_every_sort_are_described_alike() {
    for name in [
        "kinds", "version1", "compute", "formulas", "forecast", "seasons",
    ] {
        check_text(name);
    }
}

#[test]
fn forecasts_learn_what_rrdtools_do() {
    check_update("forecast", 0);
}

#[test]
fn seasons_are_smoothed_as_by_rrdtool() {
    check_update("seasons", 0);
}

#[test]
fn a_formula_that_gives_no_value_leaves_what_was_done_before_it() {
    check_update("formulas", 2);
}

#[test]
fn forecasts_are_not_updated_without_their_seasons() {
    let file = std::fs::read(golden("forecast.before.rrd")).unwrap();
    let mut header = Header::parse(&file, file.len() as u64).unwrap();
    let error = header
        .update(1_000_000_300, 0, &[Input::Count(1)], &mut Writes::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file has forecasting (Holt-Winters) archives whose seasons were not read, which cannot be updated"
    );
}

#[test]
fn files_begin_with_the_history_of_others() {
    check_created(
        "begun",
        "--source kinds.after.rrd --source seasons.after.rrd --step 200 DS:gauge:GAUGE:600:U:U \
         DS:x=b[2]:GAUGE:600:U:U DS:a:GAUGE:900:U:U RRA:AVERAGE:0.4:1:8 RRA:MAX:0.5:5:6 RRA:LAST:0:3:9",
    );
    check_created(
        "continued",
        "--template kinds.after.rrd --source kinds.after.rrd --start 1000004000",
    );
}

#[test]
fn a_refused_update_changes_nothing() {
    let file = std::fs::read(golden("kinds.before.rrd")).unwrap();
    let mut header = Header::parse(&file, file.len() as u64).unwrap();
    let (mut before, mut after) = (Writes::new(), Writes::new());
    header.live_write(&mut before);
    let inputs = ["1", "2", "three", "4", "5", "6"].map(|text| Input::Text(text.as_bytes()));
    header
        .update(1_000_000_300, 0, &inputs, &mut after)
        .unwrap_err();
    assert!(after.is_empty());
    header.live_write(&mut after);
    assert_eq!(before, after);
}
