//! `xport` and `graphv` against what rrdtool answered once (`golden/graphs.sh`), and `graphv` with random definitions and options, put to rrdtool and to us without drawing: prints, sizes, the
//! range of the axis, the legend and its places are equal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod random;

use chrono_tz::Tz;
use oracle::Oracle;
use random::Random;
use ravenry_rrd::cli;

const START: i64 = 1_774_735_200;
const ROWS: i64 = 300;
const ZONE: Tz = Tz::Europe__Zurich;

fn file(oracle: &mut Oracle, random: &mut Random, path: &str) {
    let start = START.to_string();
    let lines = [
        "DS:a:GAUGE:120:U:U",
        "DS:b:GAUGE:120:U:U",
        "RRA:AVERAGE:0.5:1:300",
        "RRA:AVERAGE:0.5:5:80",
        "RRA:MAX:0.5:5:80",
    ];
    let create = ["create", path, "--step", "60", "--start", &start];
    oracle.run(&[&create[..], &lines[..]].concat()).unwrap();
    let scale = random.pick(&[0.001, 1.0, 12.5, 40_000.0]);
    for row in 1..=ROWS {
        let value = |random: &mut Random| match random.below(12) {
            0 => "U".to_owned(),
            _ => ((random.float(400.0).round() / 4.0 - 30.0) * scale).to_string(),
        };
        let reading = format!("{}:{}:{}", START + 60 * row, value(random), value(random));
        oracle.run(&["update", path, &reading]).unwrap();
    }
}

const FUNCTIONS: [&str; 12] = [
    "MAXIMUM",
    "MINIMUM",
    "AVERAGE",
    "STDEV",
    "FIRST",
    "LAST",
    "TOTAL",
    "95,PERCENT",
    "20,PERCENTNAN",
    "LSLSLOPE",
    "LSLINT",
    "LSLCORREL",
];
const FORMATS: [&str; 14] = [
    "%lf",
    "%6.2lf %sB",
    "%8.3le",
    "%lg%%",
    "%.0lf %S",
    "%+5.1lf%s",
    "%#.3lg",
    "% 012.4lf|%s",
    "%-9.2lf|",
    "%5.3lE",
    "%lG",
    "%020.10lf",
    "a %% %lf b",
    "%.1lf %Sbit\\:s",
];
const TIMES: [&str; 5] = [
    "%Y-%m-%d %H\\:%M\\:%S %Z",
    "%a %b %e %T %z|%j %U %V %G",
    "%s %p %I %y %C %D %R",
    "%c %x %X %u %w %%",
    "%F %k %l %h %A %B",
];
const DURATIONS: [&str; 3] = ["%H\\:%02m\\:%02s", "%W %d %h %m %.3s %f", "%D %M %S%%"];

fn print(random: &mut Random) -> String {
    let command = random.pick(&["PRINT", "GPRINT", "PRINT"]);
    let (source, old) = match random.below(3) {
        0 => (random.pick(&["x", "y", "z"]), true),
        _ => (random.pick(&["v", "w"]), false),
    };
    let cf = if old {
        random.pick(&["AVERAGE:", "MAX:", "MIN:", "LAST:"])
    } else {
        ""
    };
    match random.below(6) {
        0 if !old => format!("{command}:{source}:{}:strftime", random.pick(&TIMES)),
        1 => format!(
            "{command}:{source}:{cf}{}:valstrfduration",
            random.pick(&DURATIONS)
        ),
        2 => format!(
            "{command}:{source}:{cf}{}:valstrftime",
            random.pick(&TIMES[..1])
        ),
        _ => format!("{command}:{source}:{cf}{}", random.pick(&FORMATS)),
    }
}

fn shown(random: &mut Random) -> String {
    let legend = random.pick(&[
        "",
        ":a",
        ":some words",
        ":left\\l",
        ":right\\r",
        ":middle\\c",
        ":both\\j",
        ":glued  \\g",
        ":\\s",
        ":up\\u",
    ]);
    let source = random.pick(&["x", "y", "z", "5", "v"]);
    match random.below(8) {
        0 => format!(
            "LINE{}:{source}#ff0000{legend}",
            random.pick(&["", "1", "2.5"])
        ),
        1 => format!("AREA:{source}#00ff0080{legend}"),
        2 => format!(
            "LINE1:{source}#0f0{}:STACK",
            if legend.is_empty() { ":" } else { legend }
        ),
        3 => format!(
            "HRULE:{}#000000{legend}",
            random.pick(&["30", "-5", "v", "1e9"])
        ),
        4 => format!(
            "VRULE:{}#000000{legend}",
            random.pick(&["1774745000", "1774000000"])
        ),
        5 => format!(
            "TICK:x#00ff00:{}{legend}",
            random.pick(&["0.1", "-0.2", "1"])
        ),
        6 => format!(
            "COMMENT:{}",
            if legend.is_empty() {
                "words"
            } else {
                &legend[1..]
            }
        ),
        _ => format!(
            "TEXTALIGN:{}",
            random.pick(&["left", "right", "center", "justified"])
        ),
    }
}

const OPTIONS: [&str; 20] = [
    "--title=A title",
    "--vertical-label=bytes",
    "--watermark=mark",
    "--width=600",
    "--height=50",
    "--lower-limit=0",
    "--upper-limit=100",
    "--lower-limit=-10",
    "--rigid",
    "--alt-autoscale",
    "--alt-autoscale-max",
    "--alt-autoscale-min",
    "--only-graph",
    "--no-legend",
    "--full-size-mode",
    "--force-rules-legend",
    "--units-length=9",
    "--base=1024",
    "--y-grid=7000:2",
    "--x-grid=none",
];

fn words(random: &mut Random, path: &str) -> Vec<String> {
    let mut words = vec!["graphv".to_owned(), "/dev/null".to_owned()];
    words.push(format!("--start={}", START + random.below(9000) as i64));
    words.push(format!(
        "--end={}",
        START + 12_000 + random.below(6000) as i64
    ));
    for _ in 0..random.below(4) {
        words.push(random.pick(&OPTIONS).to_owned());
    }
    words.push(format!("DEF:x={path}:a:AVERAGE"));
    words.push(format!(
        "DEF:y={path}:b:{}",
        random.pick(&["AVERAGE", "MAX"])
    ));
    if random.below(3) == 0 {
        let by = random.pick(&["900", "-1234", "3600"]);
        words.push(format!("SHIFT:{}:{by}", random.pick(&["x", "y"])));
    }
    words.push("CDEF:z=x,y,+,2,/".to_owned());
    words.push(format!(
        "VDEF:v={},{}",
        random.pick(&["x", "z"]),
        random.pick(&FUNCTIONS)
    ));
    words.push(format!("VDEF:w=y,{}", random.pick(&FUNCTIONS)));
    for _ in 0..random.below(5) {
        words.push(print(random));
    }
    for _ in 0..random.below(6) {
        words.push(shown(random));
    }
    for _ in 0..random.below(3) {
        words.push(print(random));
    }
    words
}

fn ours(words: &[String]) -> Result<String, String> {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut around = cli::Surroundings {
        now: (START, 0),
        zone: ZONE,
        input: &mut std::io::empty(),
        output: &mut output,
        errors: &mut errors,
    };
    match cli::main_drawing(words, &mut around, &mut |_| Ok(Vec::new())) {
        0 => Ok(String::from_utf8(output).unwrap()),
        _ => Err(String::from_utf8(errors).unwrap()),
    }
}

#[test]
fn what_rrdtool_answered_is_kept() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/graphs.rrd");
    let mut commands = 0;
    for command in include_str!("golden/graphs.txt").split("$ ").skip(1) {
        let (words, answer) = command.split_once('\n').unwrap();
        let words: Vec<String> = words
            .split('\t')
            .map(|word| word.replace("graphs.rrd", file))
            .collect();
        assert_eq!(ours(&words).as_deref(), Ok(answer), "{words:?}");
        commands += 1;
    }
    assert_eq!(commands, 7);
}

#[test]
fn random_graphs_have_rrdtools_numbers() {
    let Some(mut oracle) = Oracle::start(ZONE.name()) else {
        return;
    };
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.rrd");
    let path = path.to_str().unwrap();
    file(&mut oracle, &mut random, path);
    let mut answered = 0;
    for _ in 0..250 {
        let words = words(&mut random, path);
        let asked: Vec<&str> = words.iter().map(String::as_str).collect();
        let theirs = oracle.run(&asked);
        let ours = ours(&words);
        answered += u32::from(ours.is_ok());
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                let line = theirs
                    .lines()
                    .zip(ours.lines())
                    .find(|(theirs, ours)| theirs != ours);
                assert!(theirs == ours, "{words:?}\n{line:?}\n{theirs}\n{ours}");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{words:?}\ntheirs {theirs:?}\nours {ours:?}"),
        }
    }
    assert!(answered > 150, "{answered} of 250 graphs were made");
}
