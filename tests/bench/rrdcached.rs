//! rrdcached and librrd, with the files in Munin's layout.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ravenry_tests::program::{self, Running};
use ravenry_tests::{tool, wait};

use crate::meter::{self, Meter, Used};
use crate::workload;

/// How many files with how many fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files {
    pub(crate) files: usize,
    pub(crate) fields: usize,
    pub(crate) start: i64,
}

/// Our small C program over librrd.
pub(crate) struct Librrd(PathBuf);

impl Librrd {
    /// Compiles it; `None` where `cc` or `librrd-dev` is not installed.
    pub(crate) fn compile(folder: &Path) -> Option<Self> {
        if !Path::new("/usr/include/rrd.h").exists() {
            println!("  librrd is left out: install librrd-dev");
            return None;
        }
        let Some(cc) = tool::find("cc") else {
            println!("  librrd is left out: install a C compiler");
            return None;
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/librrd.c");
        let program = folder.join("librrd");
        let mut command = program::command(cc);
        command
            .arg("-O2")
            .arg("-o")
            .arg(&program)
            .arg(source)
            .arg("-lrrd");
        let output = program::output_of(&mut command);
        assert_eq!(output.code, 0, "{}", output.stderr);
        Some(Self(program))
    }

    /// Makes the files below `folder`.
    pub(crate) fn create(&self, folder: &Path, files: Files) {
        for hundred in 0..files.files.div_ceil(100) {
            fs::create_dir_all(folder.join(hundred.to_string())).unwrap();
        }
        self.run("create", folder, files, 0);
    }

    /// Runs `what` and gives what it says that it used.
    pub(crate) fn run(&self, what: &str, folder: &Path, files: Files, count: i64) -> Used {
        let mut command = program::command(&self.0);
        let numbers = [
            files.files.to_string(),
            files.fields.to_string(),
            files.start.to_string(),
            count.to_string(),
        ];
        command.arg(what).arg(folder).args(numbers);
        let output = program::output_of(&mut command);
        assert_eq!(output.code, 0, "{}", output.stderr);
        crate::ours::used(&output.stdout)
    }
}

/// What rrdcached used for the same twice: just started, and then.
pub(crate) struct Turns {
    pub(crate) first: Cached,
    pub(crate) later: Cached,
}

/// What rrdcached used, and for what of it.
pub(crate) struct Cached {
    pub(crate) used: Used,
    pub(crate) push: Used,
    pub(crate) memory_kib: u64,
}

/// Gives rrdcached `rounds` of values in batches and has it write all of them, then as many more; `None` where it is not
/// installed. The files were there before it started.
pub(crate) fn rrdcached(
    librrd: &Librrd,
    folder: &Path,
    files: Files,
    rounds: i64,
) -> Option<Turns> {
    let Some(daemon) = tool::find("rrdcached") else {
        println!("  rrdcached is left out: install rrdcached");
        return None;
    };
    let (base, journal) = (folder.join("cached"), folder.join("cached-journal"));
    fs::create_dir_all(&journal).unwrap();
    librrd.create(&base, files);
    let socket = folder.join("cached.sock");
    let mut command = program::command(daemon);
    command
        .arg("-g")
        .arg("-l")
        .arg(format!("unix:{}", socket.display()));
    command.arg("-p").arg(folder.join("cached.pid"));
    command.arg("-j").arg(&journal).arg("-b").arg(&base);
    command.args(["-w", "3600", "-z", "1", "-f", "7200"]);
    let running = Running::start(&mut command, &folder.join("cached.log"));
    let mut client = Client::open(&socket);
    meter::settle();
    let mut turn = |rounds: RangeInclusive<i64>| {
        let values = files.files as u64 * u64::try_from(*rounds.end()).unwrap();
        let all: Vec<Vec<String>> = rounds.map(|round| blocks(files, round)).collect();
        let meter = Meter::start(running.pid());
        all.iter().for_each(|blocks| client.send(blocks));
        let push = meter.used();
        client.flush(values);
        Cached {
            used: meter.used(),
            push,
            memory_kib: meter::memory_kib(running.pid(), true),
        }
    };
    Some(Turns {
        first: turn(1..=rounds),
        later: turn(rounds + 1..=2 * rounds),
    })
}

/// The commands of a round, some hundred a block.
fn blocks(files: Files, round: i64) -> Vec<String> {
    let all: Vec<usize> = (0..files.files).collect();
    let blocks = all.chunks(500).map(|block| {
        let mut text = String::from("BATCH\n");
        for &file in block {
            let time = workload::time(files.start, round);
            text.push_str(&format!("UPDATE {}/{file}.rrd {time}", file / 100));
            for field in 0..files.fields {
                text.push(':');
                workload::write_reading(&mut text, file, field, round);
            }
            text.push('\n');
        }
        text.push_str(".\n");
        text
    });
    blocks.collect()
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn open(socket: &Path) -> Self {
        let stream = wait::value("rrdcached listens", || UnixStream::connect(socket).ok());
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn send(&mut self, blocks: &[String]) {
        for block in blocks {
            self.0.get_mut().write_all(block.as_bytes()).unwrap();
            assert!(self.line().starts_with("0 "), "BATCH");
            let answer = self.line();
            assert!(answer.starts_with("0 "), "{answer}");
        }
    }

    /// Has everything written and waits until `values` have been since the start.
    fn flush(&mut self, values: u64) {
        self.0.get_mut().write_all(b"FLUSHALL\n").unwrap();
        assert!(self.line().starts_with("0 "), "FLUSHALL");
        wait::until("rrdcached has written everything", || {
            self.written() >= values
        });
    }

    fn written(&mut self) -> u64 {
        self.0.get_mut().write_all(b"STATS\n").unwrap();
        let lines: usize = self.line().split(' ').next().unwrap().parse().unwrap();
        let mut written = 0;
        for _ in 0..lines {
            if let Some(number) = self.line().strip_prefix("DataSetsWritten: ") {
                written = number.trim().parse().unwrap();
            }
        }
        written
    }
}
