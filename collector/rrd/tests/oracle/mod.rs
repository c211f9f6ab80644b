//! The installed rrdtool as an oracle, through its pipe mode.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A running `rrdtool -`.
pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// In a time zone. `None` when rrdtool is not installed, which is a failure when `RAVENRY_TESTS_STRICT` is set.
    #[expect(
        clippy::disallowed_methods,
        reason = "the oracle is the real tool, started by a test"
    )]
    pub(crate) fn start(zone: &str) -> Option<Self> {
        let started = std::process::Command::new("rrdtool")
            .arg("-")
            .env("TZ", zone)
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
