//! `xport` with random definitions over a file with several archives, put to rrdtool and to us: the texts are equal, XML and
//! JSON both, and so are the refusals.

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

/// A file of minutes with longer rows of each kind; all values are quarters, so that their sums are exact.
fn file(oracle: &mut Oracle, random: &mut Random, path: &str) {
    let start = START.to_string();
    let lines = [
        "DS:a:GAUGE:120:U:U",
        "DS:b:GAUGE:120:U:U",
        "RRA:AVERAGE:0.5:1:200",
        "RRA:AVERAGE:0.5:5:80",
        "RRA:MAX:0.5:5:80",
        "RRA:MIN:0.5:15:30",
        "RRA:LAST:0.5:20:40",
    ];
    let create = ["create", path, "--step", "60", "--start", &start];
    oracle.run(&[&create[..], &lines[..]].concat()).unwrap();
    for row in 1..=ROWS {
        let value = |random: &mut Random| match random.below(12) {
            0 => "U".to_owned(),
            _ => (random.float(400.0).round() / 4.0 - 40.0).to_string(),
        };
        let reading = format!("{}:{}:{}", START + 60 * row, value(random), value(random));
        oracle.run(&["update", path, &reading]).unwrap();
    }
}

fn def(random: &mut Random, name: &str, path: &str) -> String {
    let mut text = format!(
        "DEF:{name}={path}:{}:{}",
        random.pick(&["a", "b"]),
        random.pick(&["AVERAGE", "AVERAGE", "MAX", "MIN", "LAST"])
    );
    if random.below(3) == 0 {
        text += &format!(
            ":step={}",
            random.pick(&[1, 60, 120, 300, 420, 900, 1200, 3600])
        );
    }
    if random.below(4) == 0 {
        text += &format!(
            ":reduce={}",
            random.pick(&["AVERAGE", "MIN", "MAX", "LAST"])
        );
    }
    // Earlier rows only: of rows that were not fetched rrdtool shows what its memory holds there.
    if random.below(4) == 0 {
        text += &format!(":start=end-{}h", 6 + random.below(3));
    }
    text
}

const FORMULAS: [&str; 18] = [
    "x,y,+",
    "x,y,ADDNAN",
    "x,PREV(x),-",
    "x,UN,0,x,IF,PREV,ADDNAN",
    "x,900,TREND",
    "y,1200,TRENDNAN",
    "x,y,TIME,86400,%,+,-",
    "x,LTIME,-",
    "x,STEPWIDTH,*",
    "x,COUNT,+",
    "x,y,MAX,w,+",
    "x,600,1200,2,300,x,PREDICT,+",
    "x,NEWDAY,+",
    "y,x,2,AVG",
    "x,10,GT,x,y,IF",
    "y,v,-",
    "x,v,w,LIMIT",
    "x,450,TREND,w,+",
];
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

/// Words of an `xport`.
fn words(random: &mut Random, [path, copy]: [&str; 2]) -> Vec<String> {
    let mut words = vec!["xport".to_owned()];
    words.push(format!("--start={}", START + random.below(12_000) as i64));
    words.push(format!(
        "--end={}",
        START + 12_000 + random.below(8000) as i64
    ));
    for (chance, word) in [
        (4, "--step=300"),
        (5, "--maxrows=20"),
        (3, "-t"),
        (3, "--enumds"),
        (3, "--json"),
    ] {
        if random.below(chance) == 0 {
            words.push(word.to_owned());
        }
    }
    words.extend([def(random, "x", path), def(random, "y", copy)]);
    words.push(format!("VDEF:v=x,{}", random.pick(&FUNCTIONS)));
    words.push(format!("VDEF:w=y,{}", random.pick(&FUNCTIONS)));
    for name in ["z", "c"] {
        words.push(format!("CDEF:{name}={}", random.pick(&FORMULAS)));
    }
    words.extend(
        [
            "XPORT:x",
            "XPORT:c:the c",
            "XPORT:y:with\\: colon",
            "XPORT:z",
        ]
        .map(str::to_owned),
    );
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
    match cli::main(words, &mut around) {
        0 => Ok(String::from_utf8(output).unwrap()),
        _ => Err(String::from_utf8(errors).unwrap()),
    }
}

#[test]
fn random_exports_are_rrdtools() {
    let Some(mut oracle) = Oracle::start(ZONE.name()) else {
        return;
    };
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.rrd");
    let path = path.to_str().unwrap();
    file(&mut oracle, &mut random, path);
    // Of one file, rrdtool's second column may get the rows that were fetched for the first, although it asked for others.
    let copy = folder.path().join("copy.rrd");
    std::fs::copy(path, &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let mut answered = 0;
    for _ in 0..400 {
        let words = words(&mut random, [path, copy]);
        let asked: Vec<&str> = words.iter().map(String::as_str).collect();
        let theirs = oracle.run(&asked);
        let ours = ours(&words);
        answered += u32::from(ours.is_ok());
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                // One of rrdtool's errors has a line too many, which is in front of the next answer.
                let theirs = theirs.trim_start_matches('\n');
                let line = theirs
                    .lines()
                    .zip(ours.lines())
                    .find(|(theirs, ours)| theirs != ours);
                assert!(theirs == ours, "{words:?}\n{line:?}");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{words:?}\ntheirs {theirs:?}\nours {ours:?}"),
        }
    }
    assert!(answered > 200, "{answered} of 400 exports were made");
}
