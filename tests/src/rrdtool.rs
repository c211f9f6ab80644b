//! Debian's rrdtool, asked about the files that the collector writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{program, tool};

/// The tool.
#[derive(Clone, Debug)]
pub struct Rrdtool(PathBuf);

/// What `rrdtool fetch` shows: the rows of each data source by the time at which they end.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Rows by time; `None` is unknown.
    pub sources: BTreeMap<String, BTreeMap<i64, Option<f64>>>,
}

impl Rrdtool {
    /// `None` where it is not installed.
    #[must_use]
    pub fn find() -> Option<Self> {
        tool::find("rrdtool").map(Self)
    }

    /// What it prints for `args` in UTC and plain numbers.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> String {
        let mut command = program::command(&self.0);
        command.args(args).env("TZ", "UTC").env("LC_ALL", "C");
        let output = program::output_of(&mut command);
        assert_eq!(output.code, 0, "rrdtool {args:?}: {}", output.stderr);
        output.stdout
    }

    /// When `file` was last updated.
    #[must_use]
    pub fn last(&self, file: &Path) -> i64 {
        let text = self.run(&["last", &file.display().to_string()]);
        text.trim().parse().unwrap()
    }

    /// The averages of `file` in rows of `step` seconds that end after `start` and not after `end`.
    #[must_use]
    pub fn fetch(&self, file: &Path, step: i64, start: i64, end: i64) -> Fetched {
        let (file, step) = (file.display().to_string(), step.to_string());
        let (start, end) = (start.to_string(), end.to_string());
        let text = self.run(&[
            "fetch", &file, "AVERAGE", "-r", &step, "-s", &start, "-e", &end,
        ]);
        parse(&text)
    }
}

fn parse(text: &str) -> Fetched {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let mut fetched = Fetched::default();
    for line in lines {
        let Some((time, values)) = line.split_once(':') else {
            continue;
        };
        for (name, value) in names.iter().zip(values.split_whitespace()) {
            let value = value.parse().ok().filter(|value: &f64| value.is_finite());
            let rows = fetched.sources.entry((*name).to_owned()).or_default();
            rows.insert(time.parse().unwrap(), value);
        }
    }
    fetched
}
