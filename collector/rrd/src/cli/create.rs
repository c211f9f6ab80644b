//! `create FILE [--start T] [--step S] [--no-overwrite] DS:… RRA:…`.

use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, START_MIN, told};
use crate::at::Time;
use crate::definition::{Definition, duration};
use crate::file;

/// Seconds of a step without `--step`.
const STEP_DEFAULT: u64 = 300;

pub(super) fn run(args: &[String], now: i64, zone: Tz) -> Outcome {
    let flags = [
        Flag::value("start", 'b'),
        Flag::value("step", 's'),
        Flag::switch("no-overwrite", 'O'),
        Flag::value("template", 't'),
        Flag::value("source", 'r'),
    ];
    let options = Options::parse(args, &flags)?;
    for missing in ["template", "source"] {
        if options.has(missing) {
            return Err(format!("create --{missing} is not supported yet"));
        }
    }
    let Some((path, lines)) = options.words.split_first() else {
        return Err(
            "expected rrd create FILE [--start TIME] [--step SECONDS] DS:… RRA:…".to_owned(),
        );
    };
    let step = match options.value("step") {
        Some(text) => {
            duration(text, 1).ok_or("step size: value must be (suffixed) positive number")?
        }
        None => STEP_DEFAULT,
    };
    let start = match options.value("start") {
        Some(text) => Time::parse(text)
            .and_then(|time| time.alone(now, zone))
            .map_err(|error| format!("start time: {error}"))?,
        None => now - 10,
    };
    if start < START_MIN {
        return Err("the first entry to the RRD should be after 1980".to_owned());
    }
    let mut definition = Definition {
        step,
        start,
        version: 3,
        sources: Vec::new(),
        archives: Vec::new(),
    };
    definition.extend(lines, path).map_err(told)?;
    let bytes = crate::create::create(&definition).map_err(told)?;
    file::create(Path::new(path), &bytes, !options.has("no-overwrite")).map_err(told)
}
