//! `xport [-s START] [-e END] [-m ROWS] [--step SECONDS] [--enumds] [--json] [-t] DEF:… XPORT:…`, and what it shares with
//! `graph`: the time that is looked at, and reading files.

use std::io::Write;
use std::path::Path;
use std::rc::Rc;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, START_MIN, help, print, told};
use crate::at::{self, Time};
use crate::fetch::{self, Fetched, Request};
use crate::file::Reader;
use crate::graph::export::Style;
use crate::graph::{Frame, Graph};

/// Rows without `--maxrows`.
const ROWS_DEFAULT: i64 = 400;
/// Stands in no argument.
pub(super) const NO_LETTER: char = '\0';

pub(super) fn run(args: &[String], now: i64, zone: Tz, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::value("start", 's'),
        Flag::value("end", 'e'),
        Flag::value("maxrows", 'm'),
        Flag::value("step", NO_LETTER),
        Flag::switch("enumds", NO_LETTER),
        Flag::switch("json", NO_LETTER),
        Flag::switch("showtime", 't'),
        Flag::daemon('d'),
    ];
    let options = Options::parse(args, &flags)?;
    let rows = match options.value("maxrows") {
        Some(text) => leading_number(text),
        None => ROWS_DEFAULT,
    };
    if rows < 10 {
        return Err("maxrows below 10 rows".to_owned());
    }
    let frame = frame(&options, rows, now, zone)?;
    if options.words.is_empty() {
        return Err(if args.is_empty() {
            help::usage("xport")
        } else {
            "can't make an xport without contents".to_owned()
        });
    }
    let style = Style {
        json: options.has("json"),
        show_time: options.has("showtime"),
        enumerate: options.has("enumds"),
    };
    let graph = Graph::parse(frame, &options.words).map_err(told)?;
    let calculated = graph.calculate(&mut read).map_err(told)?;
    print(output, &calculated.export(style).map_err(told)?)
}

/// The time that is looked at, in so many columns.
pub(super) fn frame(
    options: &Options<'_>,
    columns: i64,
    now: i64,
    zone: Tz,
) -> Result<Frame, String> {
    let time = |name: &str, default: &str| {
        Time::parse(options.value(name).unwrap_or(default))
            .map_err(|error| format!("{name} time: {error}"))
    };
    let (start, end) =
        at::range(&time("start", "end-24h")?, &time("end", "now")?, now, zone).map_err(told)?;
    if start < START_MIN {
        return Err(format!(
            "the first entry to fetch should be after 1980 ({start})"
        ));
    }
    if end < start {
        return Err(format!("start ({start}) should be less than end ({end})"));
    }
    let asked = options.value("step").map_or(0, leading_number);
    let step = asked.max((end - start) / columns);
    Ok(Frame {
        start,
        end,
        step: u64::try_from(step).unwrap_or(0),
        now,
        zone,
        base: 1000.0,
    })
}

/// The number that a word begins with, 0 for none, as C's `atoi` reads it.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let number: i32 = digits[..end]
        .parse()
        .unwrap_or(if end == 0 { 0 } else { i32::MAX });
    i64::from(if negative { -number } else { number })
}

/// Rows of a file.
pub(super) fn read(path: &str, request: &Request) -> Result<Rc<Fetched>, String> {
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let plan = fetch::plan(&reader.header, request).map_err(told)?;
    let bytes = |offset, into: &mut [u8]| fetch::slice(reader.bytes(), offset, into);
    plan.read(&reader.header, bytes).map(Rc::new).map_err(told)
}
