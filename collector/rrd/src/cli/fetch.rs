//! `fetch FILE CF [-r RESOLUTION] [-s START] [-e END] [-a]`.

use std::io::Write;
use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, START_MIN, help, print, told};
use crate::at::{self, Time};
use crate::definition::{Cf, duration};
use crate::fetch::{self, Request};
use crate::file::Reader;
use crate::print::fetched;

pub(super) fn run(args: &[String], now: i64, zone: Tz, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::value("resolution", 'r'),
        Flag::value("start", 's'),
        Flag::value("end", 'e'),
        Flag::switch("align-start", 'a'),
        Flag::daemon('d'),
    ];
    let options = Options::parse(args, &flags)?;
    let [path, cf] = options.words.as_slice() else {
        return Err(help::usage("fetch"));
    };
    let cf = cf
        .parse::<Cf>()
        .map_err(|_| format!("unknown consolidation function '{cf}'"))?;
    let request = request(&options, cf, now, zone)?;
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let answer = fetch::plan(&reader.header, &request)
        .and_then(|plan| {
            plan.read(&reader.header, |offset, bytes| {
                fetch::slice(reader.bytes(), offset, bytes)
            })
        })
        .map_err(told)?;
    print(output, &fetched(&answer))
}

fn request(options: &Options<'_>, cf: Cf, now: i64, zone: Tz) -> Result<Request, String> {
    let time = |name: &str, default: &str| {
        Time::parse(options.value(name).unwrap_or(default))
            .map_err(|error| format!("{name} time: {error}"))
    };
    let (mut start, mut end) =
        at::range(&time("start", "end-24h")?, &time("end", "now")?, now, zone).map_err(told)?;
    let resolution = match options.value("resolution") {
        Some(text) => {
            duration(text, 1).ok_or("resolution: value must be (suffixed) positive number")?
        }
        None => 1,
    };
    if options.has("align-start") {
        let delta = i64::try_from(resolution).map_or(0, |resolution| start.rem_euclid(resolution));
        start -= delta;
        end -= delta;
    }
    if start < START_MIN {
        return Err("the first entry to fetch should be after 1980".to_owned());
    }
    Ok(Request {
        cf,
        start,
        end,
        resolution,
    })
}
