//! AT-style times against rrdtool's: a table that it made (`golden/times.sh`), and random ones put to the installed tool.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod random;

use chrono_tz::Tz;
use oracle::Oracle;
use random::Random;
use ravenry_rrd::at::{self, Time};

/// What `graphv` takes a pair of times for, or says against it.
fn ours(start: &str, end: &str, now: i64, zone: Tz) -> String {
    let parse =
        |name: &str, text: &str| Time::parse(text).map_err(|error| format!("{name} time: {error}"));
    let range = || {
        let (start, end) = (parse("start", start)?, parse("end", end)?);
        at::range(&start, &end, now, zone).map_err(|error| error.to_string())
    };
    let found = match range() {
        Ok((start, _)) if start < 315_360_000 => {
            format!("the first entry to fetch should be after 1980 ({start})")
        }
        Ok((start, end)) if end < start => {
            format!("start ({start}) should be less than end ({end})")
        }
        Ok((start, end)) => format!("{start} {end}"),
        Err(error) => error,
    };
    // The oracle's errors come without blanks at the end.
    found.trim_end().to_owned()
}

/// A date without a year, which rrdtool takes for one of the year 30000.
fn lacks_a_year(text: &str) -> bool {
    let date = text.split(' ').find(|word| word.contains(['/', '.']));
    !text.contains("noon") && date.is_some_and(|date| date.matches(['/', '.']).count() == 1)
}

#[test]
fn the_table_that_rrdtool_made_is_kept() {
    let table = include_str!("golden/times.txt");
    let mut wrong = Vec::new();
    for line in table.lines() {
        let [zone, now, start, end, expect] = line.splitn(5, '|').collect::<Vec<_>>()[..] else {
            panic!("expected five columns in {line}");
        };
        let found = ours(start, end, now.parse().unwrap(), zone.parse().unwrap());
        if found != expect {
            wrong.push(format!("{line}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.lines().count() > 1000);
}

const REFERENCES: [&str; 20] = [
    "now",
    "",
    "noon",
    "midnight",
    "teatime",
    "noon yesterday",
    "midnight tomorrow",
    "20:15",
    "8am",
    "11:59pm",
    "9:30 monday",
    "noon fri",
    "1000000000",
    "1784900000",
    "12:00 3/14/2026",
    "14.3.2026 20:15",
    "20260729",
    "mar 14 2026",
    "noon oct 25",
    "december 1 2025 7:00",
];
const UNITS: [&str; 17] = [
    "s", "sec", "m", "min", "minutes", "h", "hr", "hours", "d", "days", "w", "wk", "mon", "months",
    "y", "year", "",
];
const NOISE: [&str; 10] = ["-", "+", ":", "now", " 5", "m", "am", "/", ".", "x"];

/// A time of the language; now and then with something in it that does not belong there.
fn time(random: &mut Random, references: &[&str]) -> String {
    let mut text = random.pick(references).to_owned();
    for _ in 0..random.below(4) {
        let sign = random.pick(&["-", "+", " - ", "-", "-", " "]);
        text += &format!("{sign}{}{}", random.float(14.0) as u64, random.pick(&UNITS));
    }
    if random.below(6) == 0 {
        text += random.pick(&NOISE);
    }
    text
}

#[test]
fn random_times_are_rrdtools() {
    for zone in ["UTC", "Europe/Zurich", "America/New_York"] {
        let Some(mut oracle) = Oracle::start(zone) else {
            return;
        };
        let mut random = Random::seeded();
        for _ in 0..300 {
            let mut references = REFERENCES.to_vec();
            references.push("end");
            let start = time(&mut random, &references);
            references.pop();
            references.push("start");
            let end = time(&mut random, &references);
            compare(&mut oracle, &start, &end, zone);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the installed tool reads the clock, too"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() as i64
}

/// The clock may go on between the question and the answer, and the tool's may be behind by a tick.
fn compare(oracle: &mut Oracle, start: &str, end: &str, zone: &str) {
    let before = now();
    let answer = oracle.run(&[
        "graphv",
        "/dev/null",
        "--start",
        start,
        "--end",
        end,
        "VRULE:1#000",
    ]);
    let after = now();
    let theirs = answer.map_or_else(
        |error| error,
        |text| {
            let number = |key: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(key).map(str::to_owned))
                    .unwrap()
            };
            format!("{} {}", number("graph_start = "), number("graph_end = "))
        },
    );
    let found: Vec<String> = (before - 1..=after)
        .map(|now| ours(start, end, now, zone.parse().unwrap()))
        .collect();
    assert!(
        found.contains(&theirs) || lacks_a_year(start) || lacks_a_year(end),
        "{start} | {end} in {zone} at {before}: {theirs}, found {found:?}"
    );
}
