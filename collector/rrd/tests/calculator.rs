//! Random expressions over a random series, evaluated by rrdtool's `xport` and by us: eleven digits must be equal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod random;

use chrono_tz::Tz;
use oracle::Oracle;
use random::Random;
use ravenry_rrd::print::Scientific;
use ravenry_rrd::rpn::{Grid, Program};

const ROWS: usize = 24;
const STEP: u64 = 300;
/// An hour before a year, and one before a week, begin in Zürich, where the oracle is.
const STARTS: [i64; 2] = [978_300_000, 999_982_800];
const ZONE: Tz = Tz::Europe__Zurich;

/// rrdtool sorts infinities anywhere, so MEDIAN, SORT and PERCENT have finite values only.
const PUSH: [&str; 27] = [
    "a",
    "b",
    "a",
    "b",
    "3",
    "-7",
    "0.25",
    "INF",
    "NEGINF",
    "UNKN",
    "TIME",
    "COUNT",
    "STEPWIDTH",
    "LTIME",
    "NEWDAY",
    "NEWWEEK",
    "NEWMONTH",
    "NEWYEAR",
    "DEPTH",
    "a,b,2,INDEX,+,+",
    "a,b,3,1,INDEX,MIN,+,-",
    "a,b,2,COPY,-,-,-",
    "a,-7,1,COPY,/,/",
    "a,b,3,0.25,4,MEDIAN",
    "a,b,3,3,MEDIAN",
    "a,b,-7,3,SORT,POP,POP",
    "a,b,0.25,1,60,4,PERCENT",
];
const ONE: [&str; 15] = [
    "UN", "ISINF", "FLOOR", "CEIL", "ABS", "SQRT", "LOG", "EXP", "SIN", "COS", "ATAN", "RAD2DEG",
    "DEG2RAD", "DUP,+", "PREV,+",
];
const TWO: [&str; 20] = [
    "+", "-", "*", "/", "%", "LT", "LE", "GT", "GE", "EQ", "NE", "MIN", "MAX", "MINNAN", "MAXNAN",
    "ADDNAN", "ATAN2", "EXC,-", "EXC,POP", "POW",
];
const THREE: [&str; 2] = ["IF", "LIMIT"];
const MANY: [&str; 5] = ["AVG", "SMIN", "SMAX", "REV,POP,POP,POP", "STDEV"];

/// An expression that leaves one value.
fn expression(random: &mut Random) -> String {
    let mut words = Vec::new();
    let mut depth = 0;
    for _ in 0..=random.below(10) {
        match (random.below(10), depth) {
            (0 | 1, 1..) => words.push(random.pick(&ONE).to_owned()),
            (2..=4, 2..) => {
                words.push(random.pick(&TWO).to_owned());
                depth -= 1;
            }
            (5, 3..) => {
                words.push(random.pick(&THREE).to_owned());
                depth -= 2;
            }
            (6, 4..) => {
                words.push(format!("4,{}", random.pick(&MANY)));
                depth -= 3;
            }
            (7, _) => {
                let trend = random.pick(&["TREND", "TRENDNAN"]);
                words.push(format!(
                    "{},{},{trend}",
                    random.pick(&["a", "b"]),
                    random.pick(&[1, 300, 301, 900, 1799, 3000])
                ));
                depth += 1;
            }
            (8, _) => {
                words.push(format!("PREV({})", random.pick(&["a", "b"])));
                depth += 1;
            }
            (9, _) => {
                words.push(forecast(random));
                depth += 1;
            }
            (_, _) => {
                words.push(random.pick(&PUSH).to_owned());
                depth += 1;
            }
        }
    }
    words.extend(std::iter::repeat_n("ADDNAN".to_owned(), depth - 1));
    words.join(",")
}

/// What the rows of earlier periods say. Without a shift rrdtool looks at the row to come.
fn forecast(random: &mut Random) -> String {
    let variable = random.pick(&["a", "b"]);
    let window = random.pick(&[0, 1, 300, 700, 1800]);
    let shifts = [(); 3].map(|()| random.pick(&[1, 300, 450, 900, 3000]));
    let shifts = match random.below(3) {
        0 => format!("{},-{}", shifts[0], 1 + random.below(4)),
        1 => format!("{},1", shifts[0]),
        _ => format!("{},{},{},3", shifts[0], shifts[1], shifts[2]),
    };
    match random.below(3) {
        0 => format!("{shifts},{window},{variable},PREDICT"),
        1 => format!("{shifts},{window},{variable},PREDICTSIGMA"),
        _ => {
            let percent = random.pick(&[0, 10, 50, 95, 100, -30]);
            format!("{shifts},{window},{percent},{variable},PREDICTPERC")
        }
    }
}

/// A file with two gauges of one step a row; what it holds, as columns.
fn series(oracle: &mut Oracle, random: &mut Random, path: &str, first: i64) -> [Vec<f64>; 2] {
    let start = first.to_string();
    let lines = [
        "DS:a:GAUGE:600:U:U",
        "DS:b:GAUGE:600:U:U",
        "RRA:AVERAGE:0:1:30",
    ];
    oracle
        .run(
            &[
                &["create", path, "--step", "300", "--start", &start],
                &lines[..],
            ]
            .concat(),
        )
        .unwrap();
    let mut columns = [Vec::new(), Vec::new()];
    for row in 1..=ROWS {
        let values = [0, 1].map(|_| {
            if random.below(5) == 0 {
                f64::NAN
            } else {
                (random.float(80.0) - 20.0).round() / 4.0 + 0.0
            }
        });
        let texts = values.map(|value| {
            if value.is_nan() {
                "U".to_owned()
            } else {
                value.to_string()
            }
        });
        let time = first + (row as u64 * STEP) as i64;
        oracle
            .run(&["update", path, &format!("{time}:{}", texts.join(":"))])
            .unwrap();
        columns[0].push(values[0]);
        columns[1].push(values[1]);
    }
    columns
}

/// rrdtool's values as it prints them, `NaN` for unknown; `None` when it refuses.
fn theirs(oracle: &mut Oracle, path: &str, start: i64, expression: &str) -> Option<Vec<String>> {
    let end = (start + (ROWS as u64 * STEP) as i64).to_string();
    // A constant expression, or one that ends in a number, is refused.
    let cdef = format!("CDEF:x={expression},a,POP");
    let [a, b] = ["a", "b"].map(|name| format!("DEF:{name}={path}:{name}:AVERAGE"));
    // Both columns are read before the expression, so that even a constant one has the file's step.
    let words = [
        "xport",
        "-s",
        &start.to_string(),
        "-e",
        &end,
        &a,
        &b,
        &cdef,
        "XPORT:a",
        "XPORT:x",
    ]
    .map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = oracle.run(&words).ok()?;
    let rows = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("<row>"));
    Some(
        rows.map(|row| {
            row.split("<v>")
                .nth(2)
                .unwrap()
                .split('<')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect(),
    )
}

fn ours(columns: &[Vec<f64>; 2], start: i64, expression: &str) -> Vec<String> {
    let program = Program::parse(expression).unwrap();
    let grid = Grid {
        first: start + STEP as i64,
        step: STEP,
        rows: ROWS,
        now: 0,
    };
    let wanted: Vec<&[f64]> = program
        .variables()
        .iter()
        .map(|name| columns[usize::from(name == "b")].as_slice())
        .collect();
    let values = program.evaluate_in(&wanted, grid, ZONE).unwrap();
    values
        .iter()
        .map(|value| {
            if value.is_nan() {
                "NaN".to_owned()
            } else {
                Scientific(*value).to_string()
            }
        })
        .collect()
}

/// Zeros without a sign, and the last digit with room for one: xport prints with a function of its own, which has no digits
/// for numbers below the least normal one.
fn alike(theirs: &str, ours: &str) -> bool {
    match (theirs.parse::<f64>(), ours.parse::<f64>()) {
        (Ok(theirs), Ok(ours)) if theirs.is_finite() => {
            (theirs - ours).abs() <= (1.01e-10 * ours.abs()).max(f64::MIN_POSITIVE)
        }
        (_, _) => theirs == ours,
    }
}

#[test]
fn random_expressions_give_rrdtools_values() {
    let Some(mut oracle) = Oracle::start(ZONE.name()) else {
        return;
    };
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    for start in STARTS {
        let path = folder.path().join(format!("{start}.rrd"));
        let path = path.to_str().unwrap();
        let columns = series(&mut oracle, &mut random, path, start);
        for _ in 0..1000 {
            let expression = expression(&mut random);
            let theirs = theirs(&mut oracle, path, start, &expression)
                .unwrap_or_else(|| vec!["refused".to_owned()]);
            let ours = ours(&columns, start, &expression);
            let mut pairs = theirs.iter().zip(&ours);
            assert!(
                theirs.len() >= ours.len() && pairs.all(|(theirs, ours)| alike(theirs, ours)),
                "{expression}\ntheirs {theirs:?}\nours {ours:?}\na {:?}\nb {:?}",
                columns[0],
                columns[1]
            );
        }
    }
}
