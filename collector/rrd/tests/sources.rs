//! Files made from others (`create --source`, `--template`) by the installed rrdtool and by us: everything must be the same
//! but the rows at which archives begin. `RAVENRY_SEED` repeats a run, `RAVENRY_FILES` makes it longer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod invention;
mod oracle;
mod random;
mod side;

use std::path::Path;

use invention::Invention;
use oracle::Oracle;
use random::Random;
use ravenry_rrd::header::Header;
use side::{in_order, ours};

/// What rrdtool did to the files of a history.
struct Sources {
    paths: Vec<String>,
    /// Times of their last updates.
    ends: Vec<i64>,
}

/// One to three files with random sources and histories, which overlap or not.
fn sources(
    oracle: &mut Oracle,
    random: &mut Random,
    folder: &Path,
    log: &mut Vec<String>,
) -> Sources {
    let mut made = Sources {
        paths: Vec::new(),
        ends: Vec::new(),
    };
    for number in 0..=random.below(3) {
        let mut invention = Invention::new(random);
        invention.calm |= random.below(2) == 0;
        invention.start = 1_000_050_000 + random.below(8000) as i64;
        let path = folder.join(format!("source{number}.rrd"));
        let path = path.to_str().unwrap().to_owned();
        create(
            oracle,
            &path,
            &[
                "--step",
                &invention.step.to_string(),
                "--start",
                &invention.start.to_string(),
            ],
            &invention.lines,
            log,
        );
        let mut totals = vec![0; invention.kinds.len()];
        let mut now = invention.start as f64;
        for _ in 0..random.below(60) {
            let (time, values) = invention.argument(random, &mut now, &mut totals);
            let update = format!("{time}:{}", values.join(":"));
            log.push(format!("update {path} {update}"));
            let _ = oracle.run(&["update", &path, &update]);
        }
        made.paths.push(path);
        made.ends.push(now as i64);
    }
    made
}

fn create(
    oracle: &mut Oracle,
    path: &str,
    options: &[&str],
    lines: &[String],
    log: &mut Vec<String>,
) {
    let words = [
        &["create", path],
        options,
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    log.push(words.join(" "));
    oracle.run(&words).unwrap();
}

/// The words of the new file behind its name.
fn target(random: &mut Random, sources: &Sources) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for path in &sources.paths {
        option("--source", path.clone());
    }
    let end = random.pick(&sources.ends);
    if random.below(2) == 0 {
        option(
            "--start",
            (end + random.below(1000) as i64 - 300).to_string(),
        );
    }
    if random.below(4) == 0 {
        option("--template", sources.paths[0].clone());
        return words;
    }
    let invention = Invention::new(random);
    let step = if random.below(2) == 0 {
        Header::parse(&std::fs::read(&sources.paths[0]).unwrap(), u64::MAX)
            .unwrap()
            .step()
    } else {
        invention.step
    };
    option("--step", step.to_string());
    for line in invention.lines {
        let renamed = match random.below(4) {
            0 if line.starts_with("DS:d0:") => line.replace("DS:d0:", "DS:d0=d1:"),
            1 if line.starts_with("DS:d1:") => line.replace("DS:d1:", "DS:d1=d0[1]:"),
            2 if line.starts_with("DS:d1:") => line.replace("DS:d1:", "DS:d1=d1[2]:"),
            _ => line,
        };
        words.push(renamed);
    }
    words
}

fn known_cells(path: &str) -> usize {
    let file = std::fs::read(path).unwrap();
    let header = Header::parse(&file, file.len() as u64).unwrap();
    let cells = file[header.size_bytes()..].chunks_exact(8);
    cells
        .filter(|cell| !f64::from_le_bytes((*cell).try_into().unwrap()).is_nan())
        .count()
}

#[test]
fn files_made_from_others_begin_with_the_same_history() {
    let Some(mut oracle) = Oracle::start("UTC") else {
        return;
    };
    let mut random = Random::seeded();
    let count = std::env::var("RAVENRY_FILES").map_or(150, |count| count.parse().unwrap());
    let mut known = 0;
    for _ in 0..count {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Vec::new();
        let sources = sources(&mut oracle, &mut random, folder.path(), &mut log);
        // Where seasons are smoothed depends on the name.
        let path = folder.path().join("new.rrd").to_str().unwrap().to_owned();
        let words = [
            vec!["create".to_owned(), path.clone()],
            target(&mut random, &sources),
        ]
        .concat();
        log.push(words.join(" "));
        let theirs = oracle.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let their_file = std::fs::read(&path);
        let our_answer = ours(&words);
        let log = log.join("\n");
        assert_eq!(
            theirs.is_ok(),
            our_answer.is_ok(),
            "theirs {theirs:?}, ours {our_answer:?}\n{log}"
        );
        if theirs.is_ok() {
            let (theirs, ours) = (
                in_order(&their_file.unwrap()),
                in_order(&std::fs::read(&path).unwrap()),
            );
            let differs = theirs
                .iter()
                .zip(&ours)
                .position(|(their, our)| their != our);
            assert_eq!(differs, None, "byte differs\n{log}");
            known += known_cells(&path);
        }
    }
    println!("compared {count} files with {known} known values");
    assert!(known > count, "the files have no history");
}
