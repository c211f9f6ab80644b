//! `dump`, `restore` and `tune` beside rrdtool's on files with random histories: the same text, and of `tune` the same bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;
mod random;

use std::path::{Path, PathBuf};

use oracle::Oracle;
use random::Random;
use ravenry_rrd::cli::{self, Surroundings};

const START: u64 = 1_000_000_000;

struct Sides {
    oracle: Oracle,
    random: Random,
    folder: tempfile::TempDir,
    log: String,
}

impl Sides {
    fn start() -> Option<Self> {
        Some(Self {
            oracle: Oracle::start("UTC")?,
            random: Random::seeded(),
            folder: tempfile::tempdir().unwrap(),
            log: String::new(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words(&self, command: &str) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let words = command.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| word.replace('@', &format!("{folder}/")))
            .collect()
    }

    /// `@` in a command stands for the folder.
    fn ours(&mut self, command: &str) -> Result<String, String> {
        self.log += &format!("ours: {command}\n");
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut around = Surroundings {
            now: (START as i64, 0),
            zone: chrono_tz::Tz::UTC,
            input: &mut std::io::empty(),
            output: &mut output,
            errors: &mut errors,
        };
        match cli::main(&self.words(command), &mut around) {
            0 => Ok(String::from_utf8(output).unwrap()),
            _ => Err(String::from_utf8(errors).unwrap()),
        }
    }

    fn theirs(&mut self, command: &str) -> Result<String, String> {
        self.log += &format!("theirs: {command}\n");
        let words = self.words(command);
        self.oracle
            .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn sources(&mut self, count: u64) -> String {
        let kinds = [
            "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE",
        ];
        let line = |random: &mut Random, index| {
            let (kind, min) = (random.pick(&kinds), random.pick(&["0", "U", "-20"]));
            let max = random.pick(&["U", "500", "1e9"]);
            format!(
                " DS:s{index}:{kind}:{}:{min}:{max}",
                random.pick(&[60, 600, 5000])
            )
        };
        (0..count)
            .map(|index| line(&mut self.random, index))
            .collect()
    }

    fn archive(&mut self) -> String {
        let cf = self
            .random
            .pick(&["AVERAGE", "AVERAGE", "MIN", "MAX", "LAST"]);
        let (steps, rows) = (1 + self.random.below(6), 1 + self.random.below(12));
        format!(
            " RRA:{cf}:{}:{steps}:{rows}",
            self.random.pick(&["0", "0.5", "0.9"])
        )
    }

    /// A file with a history, made by rrdtool as `name`.
    fn history(&mut self, name: &str) {
        self.log.clear();
        let step = self.random.pick(&[1, 10, 60, 300]);
        let (sources, archives) = (1 + self.random.below(3), 1 + self.random.below(5));
        let sources_text = self.sources(sources);
        let computed = self.random.pick(&[
            "",
            "",
            "",
            " DS:sum:COMPUTE:s0,2,*",
            " DS:new0:COMPUTE:s0,UN,7,s0,IF",
        ]);
        let mut archives_text: String = (0..archives).map(|_| self.archive()).collect();
        archives_text += self.random.pick(&[
            "",
            "",
            "",
            " RRA:HWPREDICT:9:0.1:0.2:5",
            " RRA:MHWPREDICT:9:0.5:0.1:4",
        ]);
        let create = format!(
            "create @{name} --start {START} --step {step}{sources_text}{computed}{archives_text}"
        );
        self.theirs(&create).unwrap();
        let mut time = START;
        for _ in 0..self.random.below(40) {
            time += 1 + self.random.below(2 * step) + step * (self.random.below(8) / 7 * 5);
            let values: String = (0..sources)
                .map(|_| match self.random.below(8) {
                    0 => ":U".to_owned(),
                    1 => format!(":{:.3}", self.random.float(2000.0)),
                    _ => format!(":{}", self.random.below(3000)),
                })
                .collect();
            let _ = self.theirs(&format!("update @{name} {time}{values}"));
        }
    }

    #[track_caller]
    fn same_text(&mut self, theirs: &str, ours: &str) {
        for (theirs, ours) in theirs.lines().zip(ours.lines()) {
            assert!(
                alike(theirs, ours),
                "theirs {theirs}, ours {ours} after\n{}",
                self.log
            );
        }
        assert_eq!(theirs.lines().count(), ours.lines().count(), "{}", self.log);
    }

    #[track_caller]
    fn same_bytes(&mut self, theirs: &str, ours: &str) {
        let [theirs, ours] = [theirs, ours].map(|name| std::fs::read(self.path(name)).unwrap());
        let differs = (0..theirs.len().min(ours.len())).find(|&at| theirs[at] != ours[at]);
        assert_eq!((differs, theirs.len()), (None, ours.len()), "{}", self.log);
    }

    fn archives(&mut self, name: &str) -> usize {
        let info = self.theirs(&format!("info @{name}")).unwrap();
        info.matches("].cf = ").count()
    }

    /// What rrdtool says of both files is the same.
    #[track_caller]
    fn same_answers(&mut self) {
        for command in ["info", "dump"] {
            let theirs = self.theirs(&format!("{command} @theirs.rrd")).unwrap();
            let ours = self.theirs(&format!("{command} @ours.rrd")).unwrap();
            self.same_text(&theirs.replace("theirs.rrd", "ours.rrd"), &ours);
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

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[test]
fn dumps_are_restored_by_either_side() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    for _ in 0..150 {
        sides.history("file");
        let head = sides
            .random
            .pick(&["--header dtd", "--header xsd", "--no-header"]);
        let theirs = sides.theirs(&format!("dump {head} @file")).unwrap();
        let ours = sides.ours(&format!("dump {head} @file")).unwrap();
        sides.same_text(&theirs, &ours);
        std::fs::write(sides.path("theirs.xml"), &theirs).unwrap();
        std::fs::write(sides.path("ours.xml"), &ours).unwrap();
        sides.theirs("restore -f @ours.xml @theirs.rrd").unwrap();
        sides.ours("restore -f @theirs.xml @ours.rrd").unwrap();
        for restored in ["@theirs.rrd", "@ours.rrd"] {
            let again = sides.theirs(&format!("dump {head} {restored}")).unwrap();
            sides.same_text(&theirs, &again);
        }
        let again = sides.ours(&format!("dump {head} @ours.rrd")).unwrap();
        sides.same_text(&theirs, &again);
    }
}

#[test]
fn values_outside_the_limits_are_restored_as_unknown() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    for _ in 0..100 {
        sides.history("file");
        if sides.theirs("dump @file").unwrap().contains("COMPUTE") {
            // rrdtool takes the bytes of a formula for limits.
            continue;
        }
        sides.theirs("tune @file -a s0:300").unwrap();
        sides.theirs("dump @file @file.xml").unwrap();
        sides.theirs("restore -r -f @file.xml @checked").unwrap();
        let theirs = sides.theirs("dump @checked").unwrap();
        sides.ours("restore -r -f @file.xml @checked").unwrap();
        let ours = sides.ours("dump @checked").unwrap();
        sides.same_text(&theirs, &ours);
    }
}

/// A command that `tune` may be given, mostly one that makes sense.
fn tuning(sides: &mut Sides) -> String {
    let source = format!("s{}", sides.random.below(3));
    let part = sides.random.pick(&["0.25", "0.5", "0", "2"]);
    match sides.random.below(18) {
        0 => format!("--heartbeat {source}:{}", 1 + sides.random.below(1000)),
        1 => format!(
            "--minimum {source}:{}",
            sides.random.pick(&["U", "-5", "3.25", "x"])
        ),
        2 => format!(
            "--maximum {source}:{}",
            sides.random.pick(&["U", "5000", "1e12"])
        ),
        3 => format!(
            "-d {source}:{}",
            sides.random.pick(&["GAUGE", "COUNTER", "DDERIVE", "OTHER"])
        ),
        4 => format!("--data-source-rename {source}:t{}", sides.random.below(9)),
        5 => format!("-i {source}:1 -a {source}:200 -h {source}:77"),
        6 | 7 => sides.archive().trim_start().to_owned(),
        8 => format!("DS:new{}:GAUGE:600:0:U", sides.random.below(3)),
        9 => format!("DEL:{source}"),
        10 => format!("RRA#{}:-{}", sides.random.below(5), sides.random.below(4)),
        11 => format!(
            "RRA#{}:={}",
            sides.random.below(5),
            1 + sides.random.below(15)
        ),
        12 | 13 => format!(
            "RRA#{}:+{}",
            sides.random.below(5),
            1 + sides.random.below(15)
        ),
        14 => format!("--alpha {part} --beta 0.125"),
        15 => format!("--gamma {part} --gamma-deviation 0.75"),
        16 => format!("--deltapos 3 --deltaneg {part} --window-length 5 --failure-threshold 3"),
        _ => format!("-s {part} -S 0.25 --aberrant-reset {source}"),
    }
}

#[test]
fn files_are_tuned_to_the_same_bytes() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    let mut tuned = 0;
    for _ in 0..500 {
        sides.history("theirs.rrd");
        copy(&sides.path("theirs.rrd"), &sides.path("ours.rrd"));
        let words: Vec<String> = (0..1 + sides.random.below(3))
            .map(|_| tuning(&mut sides))
            .collect();
        let words = words.join(" ");
        let archives = sides.archives("theirs.rrd");
        let ours = sides.ours(&format!("tune @ours.rrd {words}"));
        let theirs = sides.theirs(&format!("tune @theirs.rrd {words}"));
        // rrdtool makes files of nothing, gives one name to two sources, and leaves what came before an error.
        if ours.is_ok() {
            assert!(theirs.is_ok(), "{theirs:?}\n{}", sides.log);
            if sides.archives("theirs.rrd") < archives + words.matches("RRA:").count() {
                // rrdtool takes the rows of the archives behind one that goes from the wrong places.
                continue;
            }
            if words.contains("DS:") {
                // rrdtool leaves what was in memory behind the parameters of a source that it adds.
                sides.same_answers();
            } else {
                sides.same_bytes("theirs.rrd", "ours.rrd");
            }
            tuned += 1;
        }
    }
    assert!(tuned > 100, "{tuned}");
}
