//! Every command on damaged files and dumps: each ends with an answer or an error, in memory that the input's size explains.
//! One test, in a process of its own: memory is counted for the whole process, and `resize` writes to the current directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;

use std::path::Path;

use peak_alloc::PeakAlloc;
use random::Random;
use ravenry_rrd::cli::{self, Surroundings};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a command may take however small its file is: most of it is the text of the 5000 rows that `fetch` is asked for.
const BASE: usize = 4 << 20;
/// And for each byte of the file.
const PER_BYTE: usize = 100;

/// `@` is the file.
const COMMANDS: [&str; 20] = [
    "info @",
    "last @",
    "lastupdate @",
    "first --rraindex 1 @",
    "dump @",
    "dump --header xsd @ out.xml",
    "fetch @ AVERAGE -s 1000000000 -e 1000005000",
    "fetch @ FAILURES -r 3600 -s 1000000000 -e 1000005000",
    "update @ 1000003600:1:2:3:4:5:6",
    "update @ 1000009600:1:2 1000019600:U:3",
    "update @ 1500000000:7",
    "tune @",
    "tune @ --heartbeat a:9 --minimum a:1",
    "tune @ --aberrant-reset a",
    "tune @ --alpha 0.5",
    "tune @ RRA#0:+5 RRA:MAX:0.5:7:9 DS:new:GAUGE:5:0:1",
    "tune @ --step 1 RRA#1:-2",
    "tune @ DEL:a DELRRA:0",
    "resize @ 0 GROW 5",
    "resize @ 1 SHRINK 1",
];

fn run(command: &str, file: &str, input_len: usize) {
    let args: Vec<String> = command
        .split(' ')
        .map(|word| word.replace('@', file))
        .collect();
    MEMORY.reset_peak_usage();
    let before = MEMORY.peak_usage();
    let mut around = Surroundings {
        now: (1_000_010_000, 0),
        zone: chrono_tz::Tz::Europe__Zurich,
        input: &mut std::io::empty(),
        output: &mut std::io::sink(),
        errors: &mut std::io::sink(),
    };
    let status = cli::main(&args, &mut around);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(status == 0 || status == 1);
    assert!(
        taken <= BASE + PER_BYTE * input_len,
        "{command} took {taken} bytes for {input_len}"
    );
}

/// Words and bytes of the start, where all counts are, more often than others.
fn damage(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let len = if random.below(4) == 0 {
            file.len()
        } else {
            file.len().min(900)
        };
        match random.below(10) {
            0..=5 => {
                let bit = 1 << random.below(64);
                let float = random.float(1e6).to_bits();
                let word = random.pick(&[
                    0,
                    float,
                    1,
                    2,
                    7,
                    1000,
                    u64::MAX,
                    bit,
                    bit - 1,
                    f64::NAN.to_bits(),
                ]);
                let at = 8 * random.below(len as u64 / 8) as usize;
                file[at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
            6..=8 => {
                let at = random.below(len as u64) as usize;
                file[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff, b' ', b':']);
            }
            _ => file.truncate(16 + random.below(file.len() as u64 - 16) as usize),
        }
        if file.len() < 64 {
            return;
        }
    }
}

/// Numbers become others, tags go, come twice or change places.
fn distort(xml: &mut String, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let tags: Vec<usize> = xml.match_indices('<').map(|(at, _)| at).collect();
        let [from, to] = [(); 2].map(|()| random.pick(&tags));
        let (from, to) = (from.min(to), from.max(to));
        match random.below(4) {
            0 => drop(xml.drain(from..to.min(from + 200))),
            1 => {
                let twice = xml[from..to.min(from + 200)].to_owned();
                xml.insert_str(to, &twice);
            }
            2 => {
                let text = random.pick(&[
                    "<v>", "&a;", "</ds>", "<ds/>", "<!--", "-1", "1e999", "<rra>", "\u{7f}",
                ]);
                xml.insert_str(to, text);
            }
            _ => {
                let number = random.pick(&[
                    "0",
                    "18446744073709551615",
                    "18446744073709551616",
                    "-1",
                    "nan",
                    "x",
                ]);
                let digits = xml[from..]
                    .find(|letter: char| letter.is_ascii_digit())
                    .map(|at| from + at);
                if let Some(at) = digits {
                    let len = xml[at..]
                        .find(|letter: char| !letter.is_ascii_digit())
                        .unwrap_or(1);
                    xml.replace_range(at..at + len, number);
                }
            }
        }
    }
}

#[test]
fn damaged_input_ends_in_an_answer_or_an_error_in_little_memory() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files = Vec::new();
    let mut dumps = Vec::new();
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rrd") => files.push(std::fs::read(path).unwrap()),
            Some("dump") => dumps.push(std::fs::read_to_string(path).unwrap()),
            _ => {}
        }
    }
    files.sort();
    dumps.sort();
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let mut random = Random::seeded();
    let rounds = std::env::var("RAVENRY_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        for file in &files {
            let mut damaged = file.clone();
            damage(&mut damaged, &mut random);
            for command in [0, 1, 2].map(|at| COMMANDS[(round * 3 + at) % COMMANDS.len()]) {
                std::fs::write("file.rrd", &damaged).unwrap();
                run(command, "file.rrd", damaged.len());
            }
        }
        for dump in &dumps {
            let mut distorted = dump.clone();
            distort(&mut distorted, &mut random);
            std::fs::write("dump.xml", &distorted).unwrap();
            run("restore -f @ restored.rrd", "dump.xml", distorted.len());
            run("restore -f -r @ restored.rrd", "dump.xml", distorted.len());
        }
    }
}
