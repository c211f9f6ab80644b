//! Definitions put together from good and bad words, given to the installed rrdtool and to us: both take them and make the
//! same file, or both refuse them. `RAVENRY_SEED` repeats a run, `RAVENRY_FILES` makes it longer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod random;
mod side;

use oracle::Oracle;
use random::Random;
use side::{in_order, ours};

const NAMES: [&str; 12] = [
    "a",
    "b",
    "c",
    "A-b_9",
    "nineteen-characters",
    "twenty-characters-xx",
    "",
    "a b",
    "e=a",
    "f=a[2]",
    "g=a[x]",
    "h=",
];
const KINDS: [&str; 9] = [
    "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE", "GAUGE", "gauge", "GAUGEX",
];
const DURATIONS: [&str; 20] = [
    "600", "900", "20", "12", "300", "10m", "2h", "1d", "1w", "300s", "5min", "0", "0m", "", "x",
    "-5", "+5", "5x", "450s", "7",
];
const LIMITS: [&str; 14] = [
    "U",
    "U",
    "0",
    "-1e3",
    "100",
    "Ux",
    "",
    "nan",
    "inf",
    "-inf",
    "1.5.2",
    "12.345",
    "0x10",
    "123456789012345678",
];
const FORMULAS: [&str; 22] = [
    "a,2,*",
    "a,b,+",
    "a,UN,0,a,IF",
    "a,b,c,3,AVG",
    "a,1.5,*",
    "a,32767,-32768,LIMIT",
    "a,32768,*",
    "a,-,",
    "a,2",
    "2,a,*",
    "a",
    "missing,2,*",
    "a,TIME,+",
    "a,PREV,+",
    "PREV(a),a,+",
    "a,1e2,*",
    "a,,+",
    "",
    "a,+5,*",
    "a,NOW,POP",
    "a,ROLL,COPY,INDEX,DEPTH,MEDIAN,PERCENT,STDEV,POW,SMIN,SMAX",
    "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
];
const FUNCTIONS: [&str; 17] = [
    "AVERAGE",
    "MIN",
    "MAX",
    "LAST",
    "AVERAGE",
    "HWPREDICT",
    "MHWPREDICT",
    "SEASONAL",
    "DEVSEASONAL",
    "DEVPREDICT",
    "FAILURES",
    "SEASONAL",
    "FAILURES",
    "AVERAGEx",
    "average",
    "MEAN",
    "",
];
const NUMBERS: [&str; 18] = [
    "0.5", "0", "1", "0.99", "-0.1", "x", "", "5", "12", "28", "29", "3", "2", "1d", "10m", "0.1",
    "7x", " 4",
];

fn source(random: &mut Random) -> String {
    let name = random.pick(&NAMES);
    if random.float(1.0) < 0.25 {
        return format!("DS:{name}:COMPUTE:{}", random.pick(&FORMULAS));
    }
    let [heartbeat, kind] = [random.pick(&DURATIONS), random.pick(&KINDS)];
    let [min, max] = [random.pick(&LIMITS), random.pick(&LIMITS)];
    let rest = random.pick(&["", "", "", "", ":x", ":"]);
    format!("DS:{name}:{kind}:{heartbeat}:{min}:{max}{rest}")
}

/// Mostly as many fields as the function wants.
fn archive(random: &mut Random) -> String {
    let function = random.pick(&FUNCTIONS);
    let wanted = match function {
        "DEVPREDICT" => 2,
        "HWPREDICT" | "MHWPREDICT" | "FAILURES" => 4,
        _ => 3,
    };
    let count = if random.below(5) == 0 {
        random.below(7)
    } else {
        wanted
    };
    let mut line = format!("RRA:{function}");
    for field in 0..count {
        let counts_first = function.len() > 7 && field == 0;
        let number = if counts_first || (field > 0 && random.below(3) == 0) {
            random.pick(&DURATIONS)
        } else {
            random.pick(&NUMBERS)
        };
        line += ":";
        line += number;
    }
    line + random.pick(&[
        "",
        "",
        "",
        ":",
        ":smoothing-window=0.3",
        ":smoothing-window=2",
    ])
}

/// Good lines between the random ones, so that many definitions are taken.
fn lines(random: &mut Random) -> Vec<String> {
    let mut lines = vec![
        "DS:a:GAUGE:600:U:U".to_owned(),
        "RRA:AVERAGE:0.5:1:10".to_owned(),
    ];
    if random.below(2) == 0 {
        lines.push("DS:b:DERIVE:600:0:U".to_owned());
        lines.push("RRA:HWPREDICT:20:0.1:0.2:5".to_owned());
    }
    if random.below(3) > 0 {
        lines.push(source(random));
    }
    if random.below(3) > 0 {
        lines.push(archive(random));
    }
    lines
}

/// Where we refuse what rrdtool lets pass or dies of, on purpose.
fn is_refused_on_purpose(lines: &[String]) -> bool {
    let archives = lines.iter().filter(|line| line.starts_with("RRA:"));
    let words = archives.map(|line| {
        line.split(':')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
    });
    words.into_iter().any(|words| {
        // rrdtool divides by a period of 0.
        let forecasts = words
            .get(1)
            .is_some_and(|function| function.contains("HWPREDICT"));
        let period = words
            .get(5)
            .map(|period| period.trim_start_matches(['+', ' ']));
        let zero = period
            .is_some_and(|period| !period.starts_with(|digit: char| matches!(digit, '1'..='9')));
        forecasts && zero && words.len() == 6
    })
}

#[test]
fn definitions_are_taken_and_refused_as_by_rrdtool() {
    let Some(mut oracle) = Oracle::start("UTC") else {
        return;
    };
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.rrd").to_str().unwrap().to_owned();
    let count = std::env::var("RAVENRY_FILES").map_or(2000, |count| count.parse().unwrap());
    let mut taken = 0;
    for _ in 0..count {
        let step = random.pick(&["300", "60", "5m", "100"]);
        let lines = lines(&mut random);
        if is_refused_on_purpose(&lines) {
            continue;
        }
        let words = [
            ["create", &path, "--start", "1000000123", "--step", step]
                .map(str::to_owned)
                .to_vec(),
            lines,
        ]
        .concat();
        let theirs = oracle.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let their_file = theirs.is_ok().then(|| std::fs::read(&path).unwrap());
        let answer = ours(&words);
        assert_eq!(
            theirs.is_ok(),
            answer.is_ok(),
            "theirs {theirs:?}, ours {answer:?}: {words:?}"
        );
        if let Some(their_file) = their_file {
            taken += 1;
            let same = in_order(&their_file) == in_order(&std::fs::read(&path).unwrap());
            assert!(same, "bytes differ: {words:?}");
        }
    }
    println!("{taken} of {count} definitions were taken");
}
