//! The recorded outages through the built program: `ravenry simulate` as a person runs it, scored by `flood/score.py`.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};

use ravenry_tests::{program, tool};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/flood"))
}

/// All outages, in order.
fn outages() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

/// The lines of a program that ended with `code`.
fn simulate(args: &[&str], code: i32) -> String {
    let output = program::output("ravenry", &[&["simulate"], args].concat());
    assert_eq!(output.code, code, "{}{}", output.stdout, output.stderr);
    output.stdout
}

fn score(outage: &Path, notices: &str) -> program::Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), notices).unwrap();
    let mut command = program::command("python3");
    command.arg(folder().join("score.py")).arg(outage);
    command.stdin(fs::File::open(file.path()).unwrap());
    program::output_of(&mut command)
}

#[test]
fn what_the_program_tells_of_each_outage_is_ideal_by_the_score() {
    if tool::find("python3").is_none() {
        return;
    }
    for outage in outages() {
        let notices = simulate(&[outage.to_str().unwrap()], 0);
        let verdict = score(&outage, &notices);
        assert!(
            verdict.code == 0 && verdict.stdout.trim_end().ends_with(": ideal"),
            "{}{}{notices}",
            verdict.stdout,
            verdict.stderr
        );
    }
}

#[test]
fn several_outages_are_a_table_and_one_that_is_not_ideal_is_seen_in_it() {
    let copy = tempfile::tempdir().unwrap();
    let (calm, worse) = (folder().join("web_1_of_50"), copy.path().join("ack_late"));
    fs::create_dir(&worse).unwrap();
    for entry in fs::read_dir(folder().join("ack_worse")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, worse.join(path.file_name().unwrap())).unwrap();
    }
    let ideal = fs::read_to_string(worse.join("ideal.json")).unwrap();
    fs::write(
        worse.join("ideal.json"),
        ideal.replace("\"by\": 900", "\"by\": 650"),
    )
    .unwrap();
    let table = simulate(&[calm.to_str().unwrap(), worse.to_str().unwrap()], 1);
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1], ["web_1_of_50", "0", "0", "0", "0", "0", "0"]);
    assert_eq!(lines[2][..7], ["ack_late", "3", "2", "2", "1", "0", "1"]);
    assert!(table.contains("lag-warn late by"), "{table}");
    assert_eq!(lines[3], ["all", "3", "2", "2", "1", "0", "1"]);
    let calm = simulate(&["--table", calm.to_str().unwrap()], 0);
    assert_eq!(calm.lines().count(), 3, "{calm}");
}
