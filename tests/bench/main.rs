//! Ravenry beside rrdcached, librrd and VictoriaMetrics: the same readings, in turn, in one run.
//!
//! ```text
//! cargo build --release --workspace --examples --bins
//! cargo run --release -p ravenry-tests --bin bench -- [engine|ingest|fetch|million|all] [--series N] [--few-rows] [--fields N] [--runs N]
//! ```
//!
//! CPU seconds are user and system time of the server, all its threads, without the client's; that is the figure to trust,
//! wall time carries the noise of the machine. `--few-rows` measures very many series with files of fewer rows,
//! `--fields` the engine with files of so many fields (1 or 10) alone, `--runs` is of how many runs the median counts. Peers are Debian's `rrdtool librrd-dev rrdcached victoria-metrics`; what is
//! not installed is said and left out. Everything lies in folders below `$TMPDIR` that are removed at the end. Exits 1 when a
//! target is missed. What the figures were: docs/performance.md.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a measurement that goes wrong is to end; figures are shown with three digits"
)]

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ravenry_tests::collector::Collector;
use ravenry_tests::wait;

mod client;
mod meter;
mod ours;
mod rrdcached;
mod victoria;
mod workload;

use meter::{Meter, Used};
use rrdcached::{Files, Librrd, rrdcached};
use victoria::Victoria;
use workload::HOST_SERIES;

/// Readings of each series, where nothing else is said: so many are written to a file at once.
const ROUNDS: i64 = 12;
/// The same where there are very many series.
const MILLION_ROUNDS: i64 = 3;
/// Runs of which the median counts, where nothing else is said.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let series = option(&mut words, "--series").map_or(1_000_000, |text| text.parse().unwrap());
    let fields: Option<usize> = option(&mut words, "--fields").map(|text| text.parse().unwrap());
    let runs = option(&mut words, "--runs").map_or(RUNS, |text| text.parse().unwrap());
    let few_rows = words
        .iter()
        .position(|word| word == "--few-rows")
        .map(|at| words.remove(at))
        .is_some();
    let layout = if few_rows {
        ours::FEW_ROWS
    } else {
        ours::MUNIN
    };
    let base = std::env::temp_dir();
    let what = words.first().map_or("all", String::as_str);
    println!("{}", machine());
    let mut report = Report::default();
    let all = what == "all";
    match what {
        "all" | "engine" | "ingest" | "fetch" | "million" => {}
        _ => {
            eprintln!("expected engine, ingest, fetch, million or all, found {what:?}");
            return ExitCode::from(2);
        }
    }
    if all || what == "engine" {
        for (files, of_file) in [(2_000, workload::FIELDS), (20_000, 1)] {
            if fields.is_none_or(|fields| fields == of_file) {
                engine(&base, files, of_file, runs, &mut report);
            }
        }
    }
    if all || what == "ingest" {
        ingest(&base, 100_000, &mut report);
    }
    if all || what == "fetch" {
        fetch(&base, 2_000, 10, &mut report);
        fetch(&base, 20_000, 1, &mut report);
    }
    if what == "million" {
        million(&base, series, layout, &mut report);
    }
    report.end()
}

fn option(words: &mut Vec<String>, name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name)?;
    words.remove(at);
    Some(words.remove(at))
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or("");
        line.split_once(':')
            .map_or("", |(_, rest)| rest.trim())
            .to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (cpu, memory) = (
        of(&read("/proc/cpuinfo"), "model name"),
        of(&read("/proc/meminfo"), "MemTotal"),
    );
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores {cpu}, {memory}, Linux {}", kernel.trim())
}

/// A folder for one measurement, removed with all in it when dropped.
fn folder(base: &Path) -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ravenry-bench")
        .tempdir_in(base)
        .unwrap()
}

/// Lines as they come, and which targets were missed.
#[derive(Default)]
struct Report {
    missed: Vec<String>,
}

impl Report {
    fn head(&self, text: &str) {
        println!("\n{text}");
        println!(
            "  {:<46} {:>9} {:>9} {:>9} {:>9}",
            "", "CPU s", "µs/sample", "wall s", "peak MiB"
        );
    }

    fn line(&self, name: &str, used: Used, samples: usize, memory_kib: u64) {
        let memory = if memory_kib == 0 {
            String::from("-")
        } else {
            format!("{:.1}", memory_kib as f64 / 1024.0)
        };
        println!(
            "  {name:<46} {:>9.3} {:>9.3} {:>9.2} {memory:>9}",
            used.cpu.as_secs_f64(),
            per(used.cpu, samples),
            used.wall.as_secs_f64()
        );
    }

    /// `found` is to be `wanted` at least, or at most.
    fn target(&mut self, what: &str, found: f64, wanted: Wanted) {
        let (is_met, words) = match wanted {
            Wanted::AtLeast(least) => (found >= least, format!("at least {least}")),
            Wanted::AtMost(most) => (found <= most, format!("at most {most}")),
        };
        let verdict = if is_met { "met" } else { "MISSED" };
        println!("  {verdict}: {what} {found:.2}, wanted {words}");
        if !is_met {
            self.missed
                .push(format!("{what}: {found:.2}, wanted {words}"));
        }
    }

    fn end(&self) -> ExitCode {
        if self.missed.is_empty() {
            println!("\nevery target that was measured is met");
            return ExitCode::SUCCESS;
        }
        println!("\nmissed:");
        self.missed.iter().for_each(|missed| println!("  {missed}"));
        ExitCode::FAILURE
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

fn per(time: Duration, samples: usize) -> f64 {
    time.as_secs_f64() * 1e6 / samples as f64
}

fn count(rounds: i64) -> usize {
    usize::try_from(rounds).unwrap()
}

fn median<T>(mut runs: Vec<T>, key: impl Fn(&T) -> Duration) -> T {
    runs.sort_by_key(key);
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// 12 values a series, journalled and written to the files.
fn engine(base: &Path, files: usize, fields: usize, runs: usize, report: &mut Report) {
    let samples = files * fields * count(ROUNDS);
    let load = Files {
        files,
        fields,
        start: workload::start(2 * ROUNDS),
    };
    report.head(&format!(
        "engine: {files} files of {fields} fields in Munin's layout, {ROUNDS} values each, journalled and all written; median of {runs}"
    ));
    let all: Vec<_> = (0..runs)
        .map(|_| ours::engine(folder(base).path(), load, ROUNDS))
        .collect();
    let (first, later): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|turns| (turns.first, turns.later))
        .unzip();
    let ours = [first, later].map(|runs| median(runs, |run| run.used.cpu));
    for (ours, when) in ours.iter().zip(WHEN) {
        let line = format!("ravenry, engine (journal synced), {when}");
        report.line(&line, ours.used, samples, ours.memory_kib);
        let push = Used {
            cpu: ours.push,
            ..Used::default()
        };
        report.line("    of that: taken and journalled", push, samples, 0);
    }
    let over_http = (fields == workload::FIELDS).then(|| {
        let all = (0..runs).map(|_| whole(ours::MUNIN, files * fields, ROUNDS, 32, HOST_SERIES));
        median(all.collect(), |run| run.used.cpu)
    });
    if let Some(over_http) = &over_http {
        report.line(
            "ravenry, whole program over HTTP, later",
            over_http.used,
            samples,
            over_http.memory_kib,
        );
    }
    let tools = folder(base);
    let Some(librrd) = Librrd::compile(tools.path()) else {
        return;
    };
    let alone = folder(base);
    librrd.create(alone.path(), load);
    let alone = librrd.run("update", alone.path(), load, ROUNDS);
    report.line("librrd, one update a call (no journal)", alone, samples, 0);
    let cached: Option<Vec<_>> = (0..runs)
        .map(|_| rrdcached(&librrd, folder(base).path(), load, ROUNDS))
        .collect();
    if let Some(runs) = cached {
        let (first, later): (Vec<_>, Vec<_>) = runs
            .into_iter()
            .map(|turns| (turns.first, turns.later))
            .unzip();
        let cached = [first, later].map(|runs| median(runs, |run| run.used.cpu));
        for (cached, when) in cached.iter().zip(WHEN) {
            let line = format!("rrdcached, BATCH, journal, FLUSHALL, {when}");
            report.line(&line, cached.used, samples, cached.memory_kib);
            report.line("    of that: taken and journalled", cached.push, samples, 0);
        }
        let wanted = if fields == 1 { 3.5 } else { 3.0 };
        for ((ours, cached), when) in ours.iter().zip(&cached).zip(WHEN) {
            report.target(
                &format!("CPU of rrdcached / ravenry's engine, {when}"),
                cached.used.cpu.as_secs_f64() / ours.used.cpu.as_secs_f64(),
                Wanted::AtLeast(wanted),
            );
        }
        if let Some(over_http) = over_http {
            let whole = cached[1].used.cpu.as_secs_f64() / over_http.used.cpu.as_secs_f64();
            println!("  CPU of rrdcached / the whole program over HTTP, later {whole:.2}");
        }
    }
    report.target(
        "CPU of librrd / ravenry's engine, later",
        alone.cpu.as_secs_f64() / ours[1].used.cpu.as_secs_f64(),
        Wanted::AtLeast(12.0),
    );
}

/// Of two measurements of the same process.
const WHEN: [&str; 2] = ["just started", "later"];

/// What the whole program used.
struct Whole {
    /// For the rounds behind the first, written to the files.
    used: Used,
    push: Used,
    /// For the first round, which makes everything.
    first: Used,
    memory_kib: u64,
    /// Memory a series, without the pages of files, when nothing waits.
    idle_bytes: f64,
    disk_bytes: u64,
    written_bytes: u64,
}

/// Pushes `rounds` behind the first one to a new collector in bodies of `body` samples, and has them written.
fn whole(layout: &str, series: usize, rounds: i64, connections: usize, body: usize) -> Whole {
    let collector = ours::collector(layout);
    measure_ours(&collector, series, rounds, connections, body)
}

fn measure_ours(
    collector: &Collector,
    series: usize,
    rounds: i64,
    connections: usize,
    body: usize,
) -> Whole {
    let pid = collector.pid();
    let pusher = collector.pusher("bench");
    let headers = format!(
        "authorization: Bearer {}\r\ncontent-type: application/msgpack\r\n",
        pusher.token
    );
    let start = workload::start(rounds);
    let send = |round: i64| {
        let bodies = bodies(series, body, |hosts| workload::batch(hosts, start, round));
        let meter = Meter::start(pid);
        client::send_all(
            collector.address(),
            "/api/v1/push",
            &headers,
            connections,
            bodies,
        );
        meter.used()
    };
    let mut first = send(0);
    let meter = Meter::start(pid);
    collector.flush();
    first = sum(first, meter.used());
    meter::settle();
    let written = meter::written_bytes(pid);
    let push = (1..=rounds).map(send).fold(Used::default(), sum);
    let meter = Meter::start(pid);
    collector.flush();
    let used = sum(push, meter.used());
    Whole {
        used,
        push,
        first,
        memory_kib: meter::memory_kib(pid, true),
        idle_bytes: meter::memory_kib(pid, false) as f64 * 1024.0 / series as f64,
        disk_bytes: meter::disk_bytes(&collector.data()),
        written_bytes: meter::written_bytes(pid) - written,
    }
}

fn sum(a: Used, b: Used) -> Used {
    Used {
        cpu: a.cpu + b.cpu,
        wall: a.wall + b.wall,
    }
}

fn bodies(series: usize, body: usize, make: impl Fn(Range<usize>) -> Vec<u8>) -> Vec<Vec<u8>> {
    let (hosts, of_body) = (series / HOST_SERIES, body / HOST_SERIES);
    (0..hosts)
        .step_by(of_body)
        .map(|host| make(host..(host + of_body).min(hosts)))
        .collect()
}

/// The whole path beside VictoriaMetrics: large bodies over two connections as a gateway sends them, and one body a host
/// as agents send them.
fn ingest(base: &Path, series: usize, report: &mut Report) {
    for (connections, body) in [(2, 10_000), (16, HOST_SERIES)] {
        let samples = series * count(ROUNDS);
        report.head(&format!(
            "ingest: {series} series known already, {ROUNDS} readings each, bodies of {body} readings over {connections} connections"
        ));
        let ours = whole(ours::MUNIN, series, ROUNDS, connections, body);
        report.line(
            "ravenry: taken, synced, applied, written",
            ours.used,
            samples,
            ours.memory_kib,
        );
        report.line("    of that: taken, synced, applied", ours.push, samples, 0);
        report.line(
            "    before: the first round, making the files",
            ours.first,
            series,
            0,
        );
        println!(
            "  ravenry: {:.0} bytes of memory a series, {:.1} KiB of disk a series, {:.0} bytes written a reading",
            ours.idle_bytes,
            ours.disk_bytes as f64 / 1024.0 / series as f64,
            ours.written_bytes as f64 / samples as f64
        );
        let per_million = per(ours.used.cpu, samples);
        report.target(
            "CPU seconds a million readings",
            per_million,
            Wanted::AtMost(0.5),
        );
        if let Some(theirs) = victoria(base, series, connections, body) {
            report.line(
                "VictoriaMetrics: taken and flushed (no sync)",
                theirs.0,
                samples,
                theirs.1,
            );
            let ratio = theirs.0.cpu.as_secs_f64() / ours.used.cpu.as_secs_f64();
            report.target(
                "CPU of VictoriaMetrics / ravenry",
                ratio,
                Wanted::AtLeast(1.0),
            );
        }
    }
}

fn victoria(base: &Path, series: usize, connections: usize, body: usize) -> Option<(Used, u64)> {
    let folder = folder(base);
    let victoria = Victoria::start(folder.path())?;
    let start = workload::start(ROUNDS);
    let pid = victoria.running.pid();
    let send = |round: i64| {
        let bodies = bodies(series, body, |hosts| {
            workload::prometheus(hosts, start, round)
        });
        let meter = Meter::start(pid);
        let path = "/api/v1/import/prometheus";
        client::send_all(
            victoria.address,
            path,
            "content-type: text/plain\r\n",
            connections,
            bodies,
        );
        meter.used()
    };
    send(0);
    victoria.flush();
    meter::settle();
    let push = (1..=ROUNDS).map(send).fold(Used::default(), sum);
    let meter = Meter::start(pid);
    victoria.flush();
    Some((sum(push, meter.used()), meter::memory_kib(pid, true)))
}

/// A day of files that were not read before by the process.
fn fetch(base: &Path, files: usize, fields: usize, report: &mut Report) {
    const FETCHES: i64 = 20_000;
    let load = Files {
        files,
        fields,
        start: workload::start(2 * ROUNDS),
    };
    println!("\nfetch: a day (288 rows) of {files} files of {fields} fields, {FETCHES} times");
    let folder = folder(base);
    ours::engine(folder.path(), load, ROUNDS);
    let ours = ours::fetch(folder.path(), load, FETCHES);
    println!(
        "  {:<46} {:>9.2} µs CPU",
        "ravenry",
        per(ours.cpu, count(FETCHES))
    );
    let tools = self::folder(base);
    let Some(librrd) = Librrd::compile(tools.path()) else {
        return;
    };
    let theirs = tools.path().join("files");
    librrd.create(&theirs, load);
    librrd.run("update", &theirs, load, ROUNDS);
    let theirs = librrd.run("fetch", &theirs, load, FETCHES);
    println!(
        "  {:<46} {:>9.2} µs CPU",
        "librrd",
        per(theirs.cpu, count(FETCHES))
    );
    let ratio = theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64();
    report.target(
        "CPU of librrd's fetch / ravenry's",
        ratio,
        Wanted::AtLeast(1.0),
    );
}

/// Very many series: memory, cost, and a start after the process was killed.
fn million(base: &Path, series: usize, layout: &str, report: &mut Report) {
    let bytes = if layout == ours::MUNIN { 52_000 } else { 5_000 };
    let needed = bytes * series as u64 * 23 / 20 + JOURNAL_BYTES;
    let free = meter::free_bytes(base);
    if free < needed {
        println!(
            "\nmillion: {series} series need {} GB of disk, {} GB are free: left out",
            needed >> 30,
            free >> 30
        );
        return;
    }
    let samples = series * count(MILLION_ROUNDS);
    report.head(&format!("million: {series} series, layout {layout:?}, {MILLION_ROUNDS} readings each, bodies of 10000 readings over 2 connections"));
    let few = whole(layout, 100_000, MILLION_ROUNDS, 2, 10_000);
    report.line(
        "100000 series",
        few.used,
        100_000 * count(MILLION_ROUNDS),
        few.memory_kib,
    );
    let mut collector = ours::collector(layout);
    let many = measure_ours(&collector, series, MILLION_ROUNDS, 2, 10_000);
    report.line(
        &format!("{series} series"),
        many.used,
        samples,
        many.memory_kib,
    );
    report.line("    of that: taken, synced, applied", many.push, samples, 0);
    report.line(
        "    before: the first round, making the files",
        many.first,
        series,
        0,
    );
    println!(
        "  {:.0} bytes of memory a series, {:.1} KiB of disk a series",
        many.idle_bytes,
        many.disk_bytes as f64 / 1024.0 / series as f64
    );
    report.target(
        "bytes of memory a series",
        many.idle_bytes,
        Wanted::AtMost(512.0),
    );
    let growth = per(many.used.cpu, samples) / per(few.used.cpu, 100_000 * count(MILLION_ROUNDS));
    report.target(
        "cost of a reading against 100000 series",
        growth,
        Wanted::AtMost(1.5),
    );
    let again = start_again(&mut collector, series);
    report.target(
        "seconds from the start to the first answer, after a kill with a full journal",
        again.as_secs_f64(),
        Wanted::AtMost(30.0),
    );
}

/// Half of what the journal may take where nothing else is configured: with more, what waits is written at once.
const JOURNAL_BYTES: u64 = 2 << 30;

/// Fills the journal, kills the collector and starts it again.
fn start_again(collector: &mut Collector, series: usize) -> Duration {
    let pusher = collector.pusher("again");
    let headers = format!(
        "authorization: Bearer {}\r\ncontent-type: application/msgpack\r\n",
        pusher.token
    );
    // Behind the readings that are in the files already.
    let start = workload::start(MILLION_ROUNDS);
    let mut journal = meter::disk_bytes(&collector.data().join("journal"));
    let (mut rounds, mut round_bytes) = (0, 0);
    // Until another round would be refused, a second a round so that none lies in the future.
    while journal + round_bytes < JOURNAL_BYTES && rounds < 100 {
        rounds += 1;
        let seconds = start + (MILLION_ROUNDS + 1) * workload::STEP + rounds;
        let bodies = bodies(series, 10_000, |hosts| {
            workload::batch_at(hosts, seconds, MILLION_ROUNDS + rounds)
        });
        client::send_all(collector.address(), "/api/v1/push", &headers, 2, bodies);
        let before = std::mem::replace(
            &mut journal,
            meter::disk_bytes(&collector.data().join("journal")),
        );
        round_bytes = journal.saturating_sub(before);
    }
    collector.kill();
    let began = wait::now();
    collector.start();
    let took = began.elapsed();
    println!(
        "  start after a kill: {} readings in {:.1} GiB of journal read again in {:.1} s, {:.1} of them CPU",
        rounds * i64::try_from(series).unwrap(),
        journal as f64 / (1 << 30) as f64,
        took.as_secs_f64(),
        meter::cpu(collector.pid()).as_secs_f64()
    );
    took
}
