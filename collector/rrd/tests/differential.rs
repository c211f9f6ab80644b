//! Random files, inputs and questions, given to the installed rrdtool and to us: the bytes of the files and the text of
//! the answers must be equal. `RAVENRY_SEED` repeats a run, `RAVENRY_FILES` makes it longer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod oracle;
mod random;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oracle::Oracle;
use random::Random;
use ravenry_rrd::definition::{Cf, Definition};
use ravenry_rrd::fetch::{self, Request};
use ravenry_rrd::header::Header;
use ravenry_rrd::update::Input;
use ravenry_rrd::writes::Writes;

const KINDS: [&str; 6] = [
    "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE",
];
const CFS: [&str; 4] = ["AVERAGE", "MIN", "MAX", "LAST"];

/// A random definition as the words of a create command.
fn definition(random: &mut Random) -> (u64, i64, Vec<String>) {
    let step = random.pick(&[1, 10, 60, 300, 300, 7]);
    let start = 1_000_000_000 + random.below(100_000) as i64;
    let mut lines = Vec::new();
    for index in 0..=random.below(4) {
        let kind = random.pick(&KINDS);
        let heartbeat = step * random.pick(&[1, 2, 3, 10]) + random.below(3);
        let min = random.pick(&["U", "U", "0", "-5", "0.5"]);
        let max = random.pick(&["U", "U", "100", "1000000", "12.5"]);
        lines.push(format!("DS:d{index}:{kind}:{heartbeat}:{min}:{max}"));
    }
    if random.below(4) == 0 {
        let formula = random.pick(&[
            "d0,2,*",
            "d0,UN,7,d0,IF",
            "d0,DUP,ADDNAN,-3,/",
            "d0,d0,0.5,3,AVG",
            "d0,0,100,LIMIT,INF,MIN",
        ]);
        // Numbers in a file's formula are whole.
        lines.push(format!("DS:sum:COMPUTE:{}", formula.replace("0.5", "5")));
    }
    for _ in 0..=random.below(5) {
        let cf = random.pick(&CFS);
        let xff = random.pick(&["0", "0.25", "0.5", "0.99", "0.3333"]);
        let steps = random.pick(&[1, 1, 2, 3, 5, 12]);
        lines.push(format!("RRA:{cf}:{xff}:{steps}:{}", 1 + random.below(12)));
    }
    (step, start, lines)
}

/// The next time as text: mostly about a step later, sometimes much later, not later at all, or with a fraction.
fn time(random: &mut Random, now: &mut f64, step: u64) -> String {
    let step = step as f64;
    *now += match random.below(12) {
        0 => 0.0,
        1 => 1.0,
        2 => step * random.below(40) as f64,
        3 => step * (2 + random.below(3)) as f64 + random.below(5) as f64,
        4 | 5 => random.below(1 + 2 * step as u64) as f64,
        6 => step - *now % step,
        _ => step,
    };
    if random.below(4) == 0 {
        *now = now.floor() + random.below(1_000_000) as f64 / 1e6;
        format!("{now:.6}")
    } else {
        *now = now.floor();
        format!("{now:.0}")
    }
}

/// A value for a kind; `total` is where its counter stands.
fn value(random: &mut Random, kind: &str, total: &mut u64) -> String {
    *total = match random.below(12) {
        0 => random.below(1000),
        1 => random.next(),
        2 => u64::from(u32::MAX) - random.below(1000),
        3 => u64::MAX - random.below(1000),
        _ => total.wrapping_add(random.below(100_000)),
    };
    let whole = matches!(kind, "COUNTER" | "DERIVE");
    match random.below(24) {
        0 | 1 => "U".to_owned(),
        2 => "Uhu".to_owned(),
        3 if random.below(4) == 0 => random
            .pick(&["x", "1.5.2", "0x1", "5 ", "1e1025"])
            .to_owned(),
        4 if kind == "DERIVE" => format!("-{}", random.below(100_000)),
        5 if whole => format!("00{total}"),
        6 if whole => format!("{total}{}", random.below(100_000_000_000)),
        7 if !whole => random
            .pick(&["nan", "-nan", "inf", "-inf", "1e30", "-0", "+7", "5e", ".5"])
            .to_owned(),
        8 if !whole => format!("{:e}", random.float(1e6)),
        9 if !whole => format!("-{:.3}", random.float(1e3)),
        10 if !whole => format!("{:.6}", random.float(1e2)),
        11..=14 if !whole => format!("{:.3}", random.float(1e4)),
        15 if !whole => random
            .pick(&["100", "12.5", "0", "-5", "1000000", "0.5"])
            .to_owned(),
        16 if kind == "DCOUNTER" || kind == "DDERIVE" => format!("{:.2}", *total as f64 / 1e3),
        _ => total.to_string(),
    }
}

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

struct Pair<'a> {
    oracle: &'a mut Oracle,
    path: String,
    kinds: Vec<String>,
    step: u64,
}

impl Pair<'_> {
    /// A batch on both sides; ours keeps the header in memory throughout.
    fn update(&mut self, random: &mut Random, now: &mut f64, totals: &mut [u64], log: &mut String) {
        let mut file = std::fs::read(&self.path).unwrap();
        let mut header = Header::parse(&file, file.len() as u64).unwrap();
        let mut writes = Writes::new();
        for _ in 0..=random.below(6) {
            let time = time(random, now, self.step);
            let texts: Vec<String> = self
                .kinds
                .iter()
                .zip(&mut *totals)
                .map(|(kind, total)| value(random, kind, total))
                .collect();
            let argument = format!("{time}:{}", texts.join(":"));
            writeln!(log, "update {argument}").unwrap();
            let theirs = self.oracle.run(&["update", &self.path, &argument]);
            let (seconds, micros) = split(&time);
            let inputs: Vec<Input<'_>> = self
                .kinds
                .iter()
                .zip(&texts)
                .map(|(kind, text)| input(random, kind, text))
                .collect();
            let ours = header.update_in_place(seconds, micros, &inputs, &mut writes);
            assert_eq!(
                theirs.is_ok(),
                ours.is_ok(),
                "theirs {theirs:?}, ours {ours:?} after\n{log}"
            );
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
        let end = now as i64 + random.below(20 * self.step) as i64 - 10 * self.step as i64;
        let start = end - random.below(60 * self.step) as i64;
        let resolution = 1 + random.below(12 * self.step);
        let cf = random.pick(&CFS);
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
fn created_alike(lines: &[&str], step: u64, start: i64, theirs: &[u8], log: &str) {
    let definition = Definition::parse(step, start, lines).unwrap();
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

#[test]
fn random_histories_give_rrdtools_bytes_and_answers() {
    let Some(mut oracle) = Oracle::start("UTC") else {
        return;
    };
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let files = std::env::var("RAVENRY_FILES").map_or(1000, |count| count.parse().unwrap());
    for number in 0..files {
        let (step, start, lines) = definition(&mut random);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let path = folder
            .path()
            .join(format!("{number}.rrd"))
            .to_str()
            .unwrap()
            .to_owned();
        let mut log = format!("create --step {step} --start {start} {}\n", lines.join(" "));
        let (step_text, start_text) = (step.to_string(), start.to_string());
        let words = [
            &[
                "create",
                &path,
                "--step",
                &step_text,
                "--start",
                &start_text,
            ],
            &*lines,
        ]
        .concat();
        oracle.run(&words).unwrap();
        if !log.contains("COMPUTE") {
            created_alike(&lines, step, start, &std::fs::read(&path).unwrap(), &log);
        }
        let kinds: Vec<String> = lines
            .iter()
            .filter(|line| line.starts_with("DS:") && !line.contains("COMPUTE"))
            .map(|line| line.split(':').nth(2).unwrap().to_owned())
            .collect();
        let mut totals = vec![0; kinds.len()];
        let mut now = start as f64;
        let mut pair = Pair {
            oracle: &mut oracle,
            path,
            kinds,
            step,
        };
        for _ in 0..5 {
            pair.update(&mut random, &mut now, &mut totals, &mut log);
            pair.fetch(&mut random, now, &log);
        }
        pair.describe(&log);
        std::fs::remove_file(&pair.path).unwrap();
    }
}
