//! `create FILE [--start T] [--step S] [--template RRD] [--source RRD]… [--no-overwrite] DS:… RRA:…`.

use std::io::Write;
use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, START_MIN, help, told};
use crate::at::Time;
use crate::create::create_from;
use crate::definition::{Definition, duration};
use crate::file::{self, Reader};

/// Seconds of a step without `--step`.
const STEP_DEFAULT: u64 = 300;
/// Seconds that a new file begins before now, without `--start`.
const BEFORE_NOW: i64 = 10;

pub(super) fn run(args: &[String], now: i64, zone: Tz, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::value("start", 'b'),
        Flag::value("step", 's'),
        Flag::switch("no-overwrite", 'O'),
        Flag::value("template", 't'),
        Flag::value("source", 'r'),
        Flag::daemon('d'),
    ];
    let options = Options::parse(args, &flags)?;
    let Some((path, lines)) = options.words.split_first() else {
        return Err(help::usage("create"));
    };
    let replace = !options.has("no-overwrite");
    if !replace && Path::new(path).exists() {
        return Err(format!("creating '{path}': File exists"));
    }
    let template = match options.values("template").as_slice() {
        [] => None,
        [template] => Some(open("template", template)?),
        _ => return Err("template already set".to_owned()),
    };
    let sources = options
        .values("source")
        .into_iter()
        .map(|source| open("source", source))
        .collect::<Result<Vec<_>, _>>()?;
    let mut definition = beginning(template.as_ref())?;
    if let Some(text) = options.value("step") {
        definition.step =
            duration(text, 1).ok_or("step size: value must be (suffixed) positive number")?;
    }
    let updates = sources.iter().map(|source| source.header.last_update().0);
    let before = updates.max().or(template.map(|_| definition.start));
    definition.start = match options.value("start") {
        Some(text) => start(text, now, zone)?,
        None => before.unwrap_or(now - BEFORE_NOW),
    };
    definition.extend(lines, path).map_err(told)?;
    let bytes = if sources.is_empty() {
        crate::create::create(&definition).map_err(told)?
    } else {
        let files: Vec<&[u8]> = sources.iter().map(Reader::bytes).collect();
        create_from(&definition, &files, &definition.origins(lines)).map_err(told)?
    };
    drop(sources);
    if *path == "-" {
        return output.write_all(&bytes).map_err(told);
    }
    file::create(Path::new(path), &bytes, replace).map_err(told)
}

fn open(what: &str, path: &str) -> Result<Reader, String> {
    if !Path::new(path).is_file() {
        return Err(format!("{what} '{path}' is not a regular file"));
    }
    Reader::open(Path::new(path)).map_err(|error| format!("Cannot open {what} RRD: {error}"))
}

/// What the template says; of its version and its history nothing is taken.
fn beginning(template: Option<&Reader>) -> Result<Definition, String> {
    let Some(template) = template else {
        return Ok(Definition {
            step: STEP_DEFAULT,
            start: 0,
            version: 3,
            sources: Vec::new(),
            archives: Vec::new(),
        });
    };
    let definition = template.header.definition();
    let mut definition = definition.ok_or("the template has what no file can be made with")?;
    definition.version = 3;
    Ok(definition)
}

fn start(text: &str, now: i64, zone: Tz) -> Result<i64, String> {
    let start = Time::parse(text)
        .and_then(|time| time.alone(now, zone))
        .map_err(|error| format!("start time: {error}"))?;
    if start < START_MIN {
        return Err("the first entry to the RRD should be after 1980".to_owned());
    }
    Ok(start)
}
