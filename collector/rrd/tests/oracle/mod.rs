//! The installed rrdtool as an oracle, through its pipe mode, and the random numbers to question it with.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A running `rrdtool -`.
pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// `None` when rrdtool is not installed, which is a failure when `RAVENRY_TESTS_STRICT` is set.
    #[expect(
        clippy::disallowed_methods,
        reason = "the oracle is the real tool, started by a test"
    )]
    pub(crate) fn start() -> Option<Self> {
        let started = std::process::Command::new("rrdtool")
            .arg("-")
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        match started {
            Ok(mut child) => {
                let input = child.stdin.take().unwrap();
                let output = BufReader::new(child.stdout.take().unwrap());
                Some(Self {
                    child,
                    input,
                    output,
                })
            }
            Err(error) => {
                assert!(
                    std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
                    "rrdtool does not start: {error}"
                );
                println!("skipped: rrdtool does not start: {error}");
                None
            }
        }
    }

    /// Runs a command: what it printed, or its error.
    pub(crate) fn run(&mut self, words: &[&str]) -> Result<String, String> {
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        writeln!(self.input, "{}", quoted.join(" ")).unwrap();
        self.input.flush().unwrap();
        let mut text = String::new();
        loop {
            let from = text.len();
            assert!(
                self.output.read_line(&mut text).unwrap() > 0,
                "rrdtool ended at {words:?} after {text}"
            );
            let line = &text[from..];
            if line.starts_with("OK u:") {
                text.truncate(from);
                return Ok(text);
            }
            if let Some(error) = line.strip_prefix("ERROR: ") {
                return Err(error.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"quit\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// With the seed of `RAVENRY_SEED`, or one of this process; it is printed.
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("RAVENRY_SEED").map_or_else(
            |_| u64::from(std::process::id()),
            |seed| seed.parse().unwrap(),
        );
        println!("RAVENRY_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn float(&mut self, below: f64) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 * below
    }
}
