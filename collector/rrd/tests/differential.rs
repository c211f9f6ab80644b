//! Random files, inputs and questions, given to the installed rrdtool and to us: the bytes of the files and the text of
//! the answers must be equal. `RAVENRY_SEED` repeats a run, `RAVENRY_FILES` makes it longer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod invention;
mod oracle;
mod random;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use invention::{Invention, PLAIN};
use oracle::Oracle;
use random::Random;
use ravenry_rrd::definition::{Cf, Definition};
use ravenry_rrd::fetch::{self, Request};
use ravenry_rrd::header::Header;
use ravenry_rrd::update::Input;
use ravenry_rrd::writes::Writes;

/// Seconds and microseconds of a time as rrdtool reads it.
fn split(time: &str) -> (i64, u32) {
    let number = ravenry_rrd::decimal::parse(time.as_bytes()).unwrap();
    let seconds = number.floor();
    (seconds as i64, ((number - seconds) * 1e6) as u32)
}

/// How an input is handed over: as text, or, where it means the same, as a number.
fn input<'a>(random: &mut Random, kind: &str, text: &'a str) -> Input<'a> {
    if text == "U" {
        return Input::Unknown;
    }
    match text.parse::<u64>() {
        Ok(count) if random.below(2) == 0 && count.to_string() == text => Input::Count(count),
        Ok(_) | Err(_) => match text.parse::<i64>() {
            Ok(negative) if kind == "DERIVE" && negative < 0 => Input::Number(negative as f64),
            Ok(_) | Err(_) => Input::Text(text.as_bytes()),
        },
    }
}

const FORECASTING: [&str; 6] = [
    "HWPREDICT",
    "MHWPREDICT",
    "SEASONAL",
    "DEVSEASONAL",
    "DEVPREDICT",
    "FAILURES",
];

struct Pair<'a> {
    oracle: &'a mut Oracle,
    path: String,
    invention: Invention,
    counts: &'a mut Counts,
}

/// What a run has compared.
#[derive(Debug, Default)]
struct Counts {
    files: u64,
    updates: u64,
    refused: u64,
    smoothings: u64,
    version_1: u64,
}

impl Pair<'_> {
    /// Calls of `update` on both sides, each with several sets of inputs; ours keeps the header in memory throughout.
    fn update(&mut self, random: &mut Random, now: &mut f64, totals: &mut [u64], log: &mut String) {
        let mut file = std::fs::read(&self.path).unwrap();
        let mut header = Header::parse(&file, file.len() as u64).unwrap();
        header
            .load_seasons(|offset, bytes| fetch::slice(&file, offset, bytes))
            .unwrap();
        // Half of the time theirs is asked what it writes, and ours describes it.
        let told = random.below(2) == 0;
        let (command, mut writes) = if told {
            ("updatev", Writes::describing_rows())
        } else {
            ("update", Writes::new())
        };
        for _ in 0..=random.below(4) {
            let arguments: Vec<(String, Vec<String>)> = (0..=random.below(4))
                .map(|_| self.invention.argument(random, now, totals))
                .collect();
            let words: Vec<String> = arguments
                .iter()
                .map(|(time, values)| format!("{time}:{}", values.join(":")))
                .collect();
            writeln!(log, "update {}", words.join(" ")).unwrap();
            let call = [
                vec![command, &self.path],
                words.iter().map(String::as_str).collect(),
            ]
            .concat();
            let theirs = self.oracle.run(&call);
            let described = writes.rows().len();
            let ours = arguments
                .iter()
                .try_for_each(|(time, values)| {
                    self.counts.updates += 1;
                    let (seconds, micros) = split(time);
                    let inputs: Vec<Input<'_>> = self
                        .invention
                        .kinds
                        .iter()
                        .zip(values)
                        .map(|(kind, text)| input(random, kind, text))
                        .collect();
                    header.update_in_place(seconds, micros, &inputs, &mut writes)
                })
                .and_then(|()| {
                    let before = writes.size_bytes();
                    header.smooth(&mut writes)?;
                    self.counts.smoothings += u64::from(writes.size_bytes() > before);
                    Ok(())
                });
            if ours.is_err() {
                header.forget_smoothing();
                self.counts.refused += 1;
            }
            assert_eq!(
                theirs.is_ok(),
                ours.is_ok(),
                "theirs {theirs:?}, ours {ours:?} after\n{log}"
            );
            if let (true, Ok(theirs)) = (told, theirs) {
                let rows = ravenry_rrd::print::rows_written(&header, &writes.rows()[described..]);
                assert_eq!(theirs, format!("return_value = 0\n{rows}"), "after\n{log}");
            }
        }
        header.live_write(&mut writes);
        if random.below(2) == 0 {
            writes.merge();
        }
        writes.apply(&mut file);
        let theirs = std::fs::read(&self.path).unwrap();
        let place = theirs
            .iter()
            .zip(&file)
            .position(|(their, our)| their != our);
        assert_eq!(
            place,
            None,
            "byte differs (live part at {}) after\n{log}",
            header.live_offset()
        );
    }

    fn fetch(&mut self, random: &mut Random, now: f64, log: &str) {
        let file = std::fs::read(&self.path).unwrap();
        let header = Header::parse(&file, file.len() as u64).unwrap();
        let step = self.invention.step;
        let end = now as i64 + random.below(20 * step) as i64 - 10 * step as i64;
        let start = end - random.below(60 * step) as i64;
        let resolution = 1 + random.below(12 * step);
        let cf = if random.below(3) == 0 {
            random.pick(&FORECASTING)
        } else {
            random.pick(&PLAIN)
        };
        let (s, e, r) = (start.to_string(), end.to_string(), resolution.to_string());
        let theirs = self
            .oracle
            .run(&["fetch", &self.path, cf, "-s", &s, "-e", &e, "-r", &r]);
        let request = Request {
            cf: cf.parse::<Cf>().unwrap(),
            start,
            end,
            resolution,
        };
        let ours = fetch::plan(&header, &request).and_then(|plan| {
            plan.read(&header, |offset, bytes| fetch::slice(&file, offset, bytes))
        });
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => {
                assert_eq!(
                    theirs,
                    ravenry_rrd::print::fetched(&ours),
                    "fetch {cf} {s} {e} {r} after\n{log}"
                );
            }
            (Err(_), Err(_)) => {}
            (theirs, ours) => {
                panic!("fetch {cf} {s} {e} {r}: theirs {theirs:?}, ours {ours:?} after\n{log}")
            }
        }
    }

    /// `info`, `dump`, `last` and so on: answers from the whole state.
    fn describe(&mut self, log: &str) {
        let file = std::fs::read(&self.path).unwrap();
        let header = Header::parse(&file, file.len() as u64).unwrap();
        let mut dump = String::new();
        ravenry_rrd::print::dump(
            &header,
            &file,
            ravenry_rrd::print::Head::Dtd,
            chrono_tz::Tz::UTC,
            &mut dump,
        )
        .unwrap();
        let answers = BTreeMap::from([
            ("info", ravenry_rrd::print::info(&header, &self.path)),
            ("lastupdate", ravenry_rrd::print::last_inputs(&header)),
            ("last", format!("{}\n", header.last_update().0)),
            ("first", format!("{}\n", header.first(0))),
            ("dump", dump),
        ]);
        for (command, ours) in answers {
            let theirs = self.oracle.run(&[command, &self.path]).unwrap();
            for (theirs, ours) in theirs.lines().zip(ours.lines()) {
                assert!(
                    alike(theirs, ours),
                    "{command}: theirs {theirs}, ours {ours} after\n{log}"
                );
            }
            assert_eq!(theirs.len(), ours.len(), "{command} after\n{log}");
        }
    }
}

/// Equal, or numbers in tags that differ by one in the eleventh digit: rrdtool's dump calculates its digits.
fn alike(theirs: &str, ours: &str) -> bool {
    let near = |theirs: &str, ours: &str| match (theirs.parse::<f64>(), ours.parse::<f64>()) {
        (Ok(theirs), Ok(ours)) => (theirs - ours).abs() <= 1.01e-10 * ours.abs(),
        (_, _) => false,
    };
    let mut pairs = theirs.split(['<', '>']).zip(ours.split(['<', '>']));
    theirs == ours || pairs.all(|(theirs, ours)| theirs == ours || near(theirs, ours))
}

/// Our new file equals theirs but for the random first rows.
fn created_alike(invention: &Invention, path: &str, theirs: &[u8], log: &str) {
    let lines: Vec<&str> = invention.lines.iter().map(String::as_str).collect();
    let mut definition = Definition {
        step: invention.step,
        start: invention.start,
        version: 3,
        sources: Vec::new(),
        archives: Vec::new(),
    };
    definition.extend(&lines, path).unwrap();
    let ours = ravenry_rrd::create::create(&definition).unwrap();
    let header = Header::parse(theirs, theirs.len() as u64).unwrap();
    let rows = header.size_bytes() - 8 * header.archives().len()..header.size_bytes();
    assert_eq!(ours.len(), theirs.len(), "{log}");
    let differs = (0..ours.len()).find(|&at| !rows.contains(&at) && ours[at] != theirs[at]);
    assert_eq!(differs, None, "{log}");
    assert_eq!(
        header
            .definition()
            .as_ref()
            .map(|found| format!("{found:?}")),
        Some(format!("{definition:?}")),
        "{log}"
    );
}

/// Makes a file of version 0003 one of version 0001, which has no microseconds of the last update. Others stay.
fn make_version_1(path: &str) -> bool {
    let mut file = std::fs::read(path).unwrap();
    let header = Header::parse(&file, file.len() as u64).unwrap();
    if header.version() != 3 {
        return false;
    }
    let micros = header.live_offset() as usize + 8;
    file.drain(micros..micros + 8);
    file[4..8].copy_from_slice(b"0001");
    std::fs::write(path, file).unwrap();
    true
}

#[test]
fn random_histories_give_rrdtools_bytes_and_answers() {
    let Some(mut oracle) = Oracle::start("UTC") else {
        return;
    };
    let mut random = Random::seeded();
    let mut counts = Counts::default();
    let folder = tempfile::tempdir().unwrap();
    let files = std::env::var("RAVENRY_FILES").map_or(600, |count| count.parse().unwrap());
    for number in 0..files {
        let path = folder.path().join(format!("{number}.rrd"));
        let invention = Invention::new(&mut random);
        one_file(
            &mut oracle,
            &mut random,
            &mut counts,
            invention,
            path.to_str().unwrap(),
        );
        std::fs::remove_file(path).unwrap();
    }
    println!("compared {counts:?}");
}

fn one_file(
    oracle: &mut Oracle,
    random: &mut Random,
    counts: &mut Counts,
    invention: Invention,
    path: &str,
) {
    let (step, start) = (invention.step.to_string(), invention.start.to_string());
    let lines: Vec<&str> = invention.lines.iter().map(String::as_str).collect();
    let mut log = format!("create --step {step} --start {start} {}\n", lines.join(" "));
    let words = [
        &["create", path, "--step", &step, "--start", &start],
        &*lines,
    ]
    .concat();
    oracle.run(&words).unwrap();
    created_alike(&invention, path, &std::fs::read(path).unwrap(), &log);
    counts.files += 1;
    if random.below(6) == 0 && make_version_1(path) {
        log += "now of version 0001\n";
        counts.version_1 += 1;
    }
    let mut totals = vec![0; invention.kinds.len()];
    let mut now = invention.start as f64;
    let rounds = if invention.calm { 20 } else { 5 };
    let mut pair = Pair {
        oracle,
        path: path.to_owned(),
        invention,
        counts,
    };
    for _ in 0..rounds {
        pair.update(random, &mut now, &mut totals, &mut log);
        pair.fetch(random, now, &log);
    }
    pair.describe(&log);
}
