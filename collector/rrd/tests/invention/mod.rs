//! Random definitions, times and values: files of every sort, and histories with gaps, wraps and nonsense.

use super::random::Random;

const KINDS: [&str; 6] = [
    "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE",
];
pub(crate) const PLAIN: [&str; 4] = ["AVERAGE", "MIN", "MAX", "LAST"];
/// What a file is made of, as the words of a create command, and how its history goes.
pub(crate) struct Invention {
    pub(crate) step: u64,
    pub(crate) start: i64,
    pub(crate) lines: Vec<String>,
    /// Kinds of the sources that take an input.
    pub(crate) kinds: Vec<String>,
    /// Most values are known and come in time, so that forecasts learn something.
    pub(crate) calm: bool,
}

impl Invention {
    pub(crate) fn new(random: &mut Random) -> Self {
        let step = random.pick(&[1, 10, 60, 300, 300, 7]);
        let start = 1_000_000_000 + random.below(100_000) as i64;
        let calm = random.below(3) == 0;
        let mut lines = Vec::new();
        let mut kinds = Vec::new();
        for index in 0..=random.below(4) {
            let kind = if calm {
                random.pick(&["GAUGE", "GAUGE", "DERIVE"])
            } else {
                random.pick(&KINDS)
            };
            let heartbeat = step * random.pick(&[1, 2, 3, 10]) + random.below(3);
            let min = random.pick(&["U", "U", "0", "-5", "0.5"]);
            let max = random.pick(&["U", "U", "100", "1000000", "12.5"]);
            let (min, max) = if calm { ("U", "U") } else { (min, max) };
            lines.push(format!("DS:d{index}:{kind}:{heartbeat}:{min}:{max}"));
            kinds.push(kind.to_owned());
        }
        for index in 0..random.below(5).saturating_sub(2) {
            let formula = formula(random, kinds.len(), index);
            lines.push(format!("DS:c{index}:COMPUTE:{formula}"));
        }
        let mut archives = Vec::new();
        for _ in 0..=random.below(4) {
            archives.push(plain(random));
        }
        if calm || random.below(2) == 0 {
            forecasts(random, &mut archives);
        }
        lines.extend(archives);
        Self {
            step,
            start,
            lines,
            kinds,
            calm,
        }
    }
}

impl Invention {
    /// The time and the values of one update.
    pub(crate) fn argument(
        &self,
        random: &mut Random,
        now: &mut f64,
        totals: &mut [u64],
    ) -> (String, Vec<String>) {
        let time = time(random, now, self.step, self.calm);
        let values = self
            .kinds
            .iter()
            .zip(totals)
            .map(|(kind, total)| value(random, kind, total, self.calm));
        (time, values.collect())
    }
}

fn plain(random: &mut Random) -> String {
    let cf = random.pick(&PLAIN);
    let xff = random.pick(&["0", "0.25", "0.5", "0.99", "0.3333"]);
    let steps = random.pick(&[1, 1, 2, 3, 5, 12]);
    format!("RRA:{cf}:{xff}:{steps}:{}", 1 + random.below(12))
}

/// One to two forecasts: those that bring their seasons along, or all the archives named, in any order and among others.
fn forecasts(random: &mut Random, archives: &mut Vec<String>) {
    for _ in 0..1 + random.below(4) / 3 {
        let function = random.pick(&["HWPREDICT", "MHWPREDICT"]);
        // With a season of one row rrdtool crashes at gaps.
        let period = random.pick(&[2, 3, 4, 5, 7, 8, 12, 40, 45]);
        let rows = period + random.below(20);
        let [alpha, beta, gamma] =
            [(); 3].map(|()| random.pick(&["0.1", "0.35", "0.5", "0.9", "0.005"]));
        if random.below(3) == 0 {
            archives.push(format!("RRA:{function}:{rows}:{alpha}:{beta}:{period}"));
            continue;
        }
        let window = random.pick(&[
            "",
            ":smoothing-window=0.5",
            ":smoothing-window=1",
            ":smoothing-window=0.05",
            ":smoothing-window=0",
        ]);
        let threshold = 1 + random.below(4);
        let span = threshold + random.below(25);
        // The names of the five, in the order of the file, and which of these have one.
        let mut order = [0, 1, 2, 3, 4];
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        let mut places = [0; 5];
        for (place, role) in (archives.len() + 1..).zip(order) {
            places[role] = place;
        }
        let [predict, seasonal, deviations, _, _] = places;
        for role in order {
            archives.push(match role {
                0 => format!("RRA:{function}:{rows}:{alpha}:{beta}:{period}:{seasonal}"),
                1 => format!("RRA:SEASONAL:{period}:{gamma}:{predict}{window}"),
                2 => format!("RRA:DEVSEASONAL:{period}:{gamma}:{predict}{window}"),
                3 => format!("RRA:DEVPREDICT:{}:{deviations}", 1 + random.below(30)),
                _ => format!(
                    "RRA:FAILURES:{}:{threshold}:{span}:{deviations}",
                    1 + random.below(30)
                ),
            });
        }
    }
}

/// Words over the sources before: mostly a stack that works out, now and then one that does not.
fn formula(random: &mut Random, inputs: usize, computed: u64) -> String {
    let mut words = vec![operand(random, inputs, computed)];
    let mut depth = 1;
    let mut trees = random.below(6);
    while words.len() < 16 && (trees > 0 || depth > 1) {
        if trees > 0 && depth < 4 && random.below(2) == 0 {
            let word = operand(random, inputs, computed);
            if word
                .bytes()
                .next()
                .is_some_and(|first| !first.is_ascii_digit() && first != b'-')
                || words.len() < 14
            {
                words.push(word);
                depth += 1;
            }
            trees -= 1;
            continue;
        }
        trees = trees.saturating_sub(1);
        match depth {
            _ if depth < 4 && random.below(10) == 0 => {
                words.push(random.pick(&["DUP", "DEPTH"]).to_owned());
                depth += 1;
            }
            _ if depth > 1 && random.below(10) == 0 => words.push("EXC".to_owned()),
            _ if depth > 1 && random.below(10) == 0 && words.len() < 13 => {
                let percent = random.pick(&["50", "95", "100"]);
                words.extend([percent, &depth.to_string(), "PERCENT"].map(str::to_owned));
                depth = 1;
            }
            _ if depth < 3 && random.below(10) == 0 && words.len() < 14 => {
                words.extend([depth.to_string(), "COPY".to_owned()]);
                depth *= 2;
            }
            _ if depth > 1 && random.below(10) == 0 && words.len() < 14 => {
                words.extend([depth.to_string(), "INDEX".to_owned()]);
                depth += 1;
            }
            1 => words.push(
                random
                    .pick(&[
                        "ABS", "UN", "FLOOR", "CEIL", "SQRT", "SIN", "COS", "ATAN", "EXP", "LOG",
                        "ISINF", "RAD2DEG", "DEG2RAD",
                    ])
                    .to_owned(),
            ),
            3 | 4 if random.below(3) == 0 => {
                words.push(random.pick(&["IF", "LIMIT"]).to_owned());
                depth -= 2;
            }
            _ if depth > 1 && random.below(4) == 0 && words.len() < 14 => {
                words.push(depth.to_string());
                words.push(
                    random
                        .pick(&["AVG", "MEDIAN", "SMIN", "SMAX", "STDEV", "SORT", "REV"])
                        .to_owned(),
                );
                let keeps = matches!(words.last().map(String::as_str), Some("SORT" | "REV"));
                if !keeps {
                    depth = 1;
                }
            }
            _ => {
                words.push(
                    random
                        .pick(&[
                            "+", "-", "*", "/", "%", "POW", "ATAN2", "LT", "LE", "GT", "GE", "EQ",
                            "NE", "MIN", "MAX", "ADDNAN", "MINNAN", "MAXNAN", "POP",
                        ])
                        .to_owned(),
                );
                depth -= 1;
            }
        }
    }
    while depth > 1 && words.len() < 19 {
        words.push("+".to_owned());
        depth -= 1;
    }
    if random.below(20) == 0 && words.len() < 19 {
        words.push(random.pick(&["+", "DUP", "EXC", "UN"]).to_owned());
    }
    if words.last().is_some_and(|last| last.parse::<f64>().is_ok()) {
        words.push("UN".to_owned());
    }
    words.join(",")
}

fn operand(random: &mut Random, inputs: usize, computed: u64) -> String {
    match random.below(8) {
        0 => random
            .pick(&["0", "1", "2", "-3", "100", "32767", "-32768", "1e2"])
            .to_owned(),
        1 => random.pick(&["UNKN", "INF", "NEGINF"]).to_owned(),
        2 | 3 if computed > 0 => format!("c{}", random.below(computed)),
        _ => format!("d{}", random.below(inputs as u64)),
    }
}

/// The next time as text: mostly about a step later, sometimes much later, not later at all, or with a fraction.
fn time(random: &mut Random, now: &mut f64, step: u64, calm: bool) -> String {
    let step = step as f64;
    *now += match random.below(if calm { 60 } else { 12 }) {
        0 => 0.0,
        1 => 1.0,
        2 => step * random.below(40) as f64,
        3 => step * (2 + random.below(3)) as f64 + random.below(5) as f64,
        4 | 5 => random.below(1 + 2 * step as u64) as f64,
        6 => step - *now % step,
        _ => step,
    };
    if random.below(if calm { 20 } else { 4 }) == 0 {
        *now = now.floor() + random.below(1_000_000) as f64 / 1e6;
        format!("{now:.6}")
    } else {
        *now = now.floor();
        format!("{now:.0}")
    }
}

/// A value for a kind; `total` is where its counter stands.
fn value(random: &mut Random, kind: &str, total: &mut u64, calm: bool) -> String {
    if calm && random.below(30) > 0 {
        *total = total.wrapping_add(random.below(50));
        return if kind == "GAUGE" && random.below(2) == 0 {
            format!("{:.2}", 50.0 + random.float(40.0))
        } else {
            (1 + *total % 100_000).to_string()
        };
    }
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
