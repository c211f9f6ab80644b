//! Ravenry: the engine alone (an example of the collector's crate), and the whole program over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ravenry_tests::collector::Collector;
use ravenry_tests::program;

use crate::meter::{self, Used};
use crate::rrdcached::Files;

/// What the engine alone used for the same twice.
pub(crate) struct Turns {
    /// Just started: it meets every file for the first time.
    pub(crate) first: Engine,
    /// And then.
    pub(crate) later: Engine,
}

/// What the engine alone used.
pub(crate) struct Engine {
    pub(crate) used: Used,
    pub(crate) push: Duration,
    pub(crate) memory_kib: u64,
}

/// Has the engine alone take `rounds` and write them to files that were there before it started; then as many more.
pub(crate) fn engine(folder: &Path, files: Files, rounds: i64) -> Turns {
    run("make", folder, files, 0);
    meter::settle();
    let text = run("update", folder, files, rounds);
    let mut turns = text.lines().map(|text| Engine {
        used: used(text),
        push: micros(text, "push"),
        memory_kib: number(text, "memory_kib"),
    });
    Turns {
        first: turns.next().unwrap(),
        later: turns.next().unwrap(),
    }
}

/// Has it read a day of `count` of the files that it wrote.
pub(crate) fn fetch(folder: &Path, files: Files, count: i64) -> Used {
    used(&run("fetch", folder, files, count))
}

fn run(what: &str, folder: &Path, files: Files, count: i64) -> String {
    let mut command = program::command(program());
    let numbers = [
        files.files.to_string(),
        files.fields.to_string(),
        files.start.to_string(),
        count.to_string(),
    ];
    command.arg(folder).arg(what).args(numbers);
    let output = program::output_of(&mut command);
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout
}

/// The example, beside this program.
///
/// # Panics
/// When it is not built.
pub(crate) fn program() -> PathBuf {
    let path = std::env::current_exe()
        .unwrap()
        .with_file_name("examples/engine_speed");
    assert!(
        path.is_file(),
        "not built yet: run `cargo build --release --workspace --examples --bins` first"
    );
    path
}

/// Reads `cpu=... wall=...`.
pub(crate) fn used(text: &str) -> Used {
    Used {
        cpu: micros(text, "cpu"),
        wall: micros(text, "wall"),
    }
}

fn micros(text: &str, name: &str) -> Duration {
    Duration::from_micros(number(text, name))
}

fn number(text: &str, name: &str) -> u64 {
    let word = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.unwrap_or_else(|| panic!("expected {name}= in {text:?}"))
        .parse()
        .unwrap()
}

/// Munin's layout.
pub(crate) const MUNIN: &str = "munin";
/// As many archives and as much header, and few rows: for many series on a small disk.
pub(crate) const FEW_ROWS: &str = "custom 24, 6 24, 24 24, 288 24";

/// The program, nothing written before it is told to.
pub(crate) fn collector(layout: &str) -> Collector {
    Collector::started(&format!(
        "[store]\nlayout = \"{layout}\"\nstep = \"5m\"\nflush_interval = \"1h\"\npending_samples_max = 100000000\n\
         series_max = 10000000\n[agent]\nenabled = false\n"
    ))
}
