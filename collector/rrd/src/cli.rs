//! rrdtool's command line: `create update fetch info first last lastupdate dump`, with its words, its output and its exit
//! status. Time, time zone and streams are arguments. Everything else is in the modules that it calls.

mod create;
mod options;
mod update;

use std::io::{self, BufRead, Write};
use std::path::Path;

use chrono_tz::Tz;
use options::{Flag, Options};

use crate::at::{self, Time};
use crate::definition::{Cf, duration};
use crate::fetch::{self, Request};
use crate::file::Reader;
use crate::print::{self, Head};

/// Times before 1980 are taken for a mistake, as rrdtool does.
const START_MIN: i64 = 315_360_000;

/// Commands of rrdtool's that are not here.
const MISSING: [&str; 13] = [
    "updatev",
    "graph",
    "graphv",
    "restore",
    "tune",
    "resize",
    "xport",
    "list",
    "flushcached",
    "pwd",
    "cd",
    "mkdir",
    "ls",
];

const HELP: &str = "\
Works on RRD files, as rrdtool does: ravenry rrd COMMAND ...

  create FILE [--start T] [--step S] [--no-overwrite] DS:... RRA:...
  update FILE [--template NAMES] T:VALUE[:VALUE...] ...
  fetch FILE CF [--resolution S] [--start T] [--end T] [--align-start]
  info FILE, first FILE, last FILE, lastupdate FILE, dump FILE

Times are UTC seconds, or as in rrdfetch(1): now, -1d, end-24h, noon yesterday, 20:15 3/14/2026.
";

/// What went wrong: the text behind `ERROR: `.
type Outcome = Result<(), String>;

/// What a command finds around it.
pub struct Surroundings<'a> {
    /// UTC seconds and microseconds.
    pub now: (i64, u32),
    /// The zone of the dates that people read; [`crate::zone::of_system`] is the one that rrdtool would use.
    pub zone: Tz,
    /// Where `-` is read from.
    pub input: &'a mut dyn BufRead,
    /// Where answers go.
    pub output: &'a mut dyn Write,
    /// Where errors go, behind `ERROR: `.
    pub errors: &'a mut dyn Write,
}

/// Runs `args` (the words behind `rrd`). The exit status: 0, or 1 after an error.
pub fn main(args: &[String], around: &mut Surroundings<'_>) -> i32 {
    match run(args, around) {
        Ok(()) => 0,
        Err(text) => {
            // Nobody is left to be told when even this fails.
            let _ = writeln!(around.errors, "ERROR: {text}");
            1
        }
    }
}

fn run(args: &[String], around: &mut Surroundings<'_>) -> Outcome {
    let (now, zone) = (around.now, around.zone);
    let output = &mut *around.output;
    let Some((command, args)) = args.split_first() else {
        return Err(
            "expected a command: create, update, fetch, info, first, last, lastupdate or dump"
                .to_owned(),
        );
    };
    match command.as_str() {
        "help" | "--help" | "-h" => print(output, HELP),
        "create" => create::run(args, now.0, zone),
        "update" => update::run(args, now, zone),
        "fetch" => fetch(args, now.0, zone, output),
        "info" => with_file("info", args, |path, reader| {
            print(output, &print::info(&reader.header, path))
        }),
        "last" => with_file("last", args, |_, reader| {
            print(output, &format!("{}\n", reader.header.last_update().0))
        }),
        "lastupdate" => with_file("lastupdate", args, |_, reader| {
            print(output, &print::last_inputs(&reader.header))
        }),
        "first" => first(args, output),
        "dump" => dump(args, zone, output),
        missing if MISSING.contains(&missing) => Err(format!("{missing} is not supported yet")),
        unknown => Err(format!("unknown function '{unknown}'")),
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn print(output: &mut dyn Write, text: &str) -> Outcome {
    output.write_all(text.as_bytes()).map_err(told)
}

fn with_file(
    command: &str,
    args: &[String],
    show: impl FnOnce(&str, &Reader) -> Outcome,
) -> Outcome {
    let options = Options::parse(args, &[])?;
    let [path] = options.words.as_slice() else {
        return Err(format!("expected rrd {command} FILE"));
    };
    show(path, &Reader::open(Path::new(path)).map_err(told)?)
}

fn fetch(args: &[String], now: i64, zone: Tz, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::value("resolution", 'r'),
        Flag::value("start", 's'),
        Flag::value("end", 'e'),
        Flag::switch("align-start", 'a'),
    ];
    let options = Options::parse(args, &flags)?;
    let [path, cf] = options.words.as_slice() else {
        return Err(
            "expected rrd fetch FILE CF [-r RESOLUTION] [-s START] [-e END] [-a]".to_owned(),
        );
    };
    let cf = cf
        .parse::<Cf>()
        .map_err(|_| format!("unknown consolidation function '{cf}'"))?;
    let request = request(&options, cf, now, zone)?;
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let fetched = fetch::plan(&reader.header, &request)
        .and_then(|plan| {
            plan.read(&reader.header, |offset, bytes| {
                fetch::slice(reader.bytes(), offset, bytes)
            })
        })
        .map_err(told)?;
    print(output, &print::fetched(&fetched))
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

fn first(args: &[String], output: &mut dyn Write) -> Outcome {
    let options = Options::parse(args, &[Flag::value("rraindex", 'r')])?;
    let [path] = options.words.as_slice() else {
        return Err("expected rrd first [--rraindex NUMBER] FILE".to_owned());
    };
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let index: usize = options
        .value("rraindex")
        .unwrap_or("0")
        .parse()
        .map_err(|_| "invalid rraindex number")?;
    if index >= reader.header.archives().len() {
        return Err("invalid rraindex number".to_owned());
    }
    print(output, &format!("{}\n", reader.header.first(index)))
}

fn dump(args: &[String], zone: Tz, output: &mut dyn Write) -> Outcome {
    let options = Options::parse(
        args,
        &[Flag::value("header", 'h'), Flag::switch("no-header", 'n')],
    )?;
    let head = match options.value("header") {
        _ if options.has("no-header") => Head::None,
        None | Some("dtd") => Head::Dtd,
        Some("xsd") => Head::Xsd,
        Some("none") => Head::None,
        Some(other) => {
            return Err(format!(
                "dump --header: expected none, xsd or dtd, found {other:?}"
            ));
        }
    };
    let (path, target) = match options.words.as_slice() {
        [path] => (path, None),
        [path, target] => (path, Some(target)),
        _ => return Err("expected rrd dump [--header none|xsd|dtd] FILE [XML]".to_owned()),
    };
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    match target {
        None => dump_to(&reader, head, zone, output),
        Some(target) => {
            let mut xml = std::fs::File::create(target)
                .map_err(|error| format!("creating '{target}': {error}"))?;
            dump_to(&reader, head, zone, &mut xml)
        }
    }
}

fn dump_to(reader: &Reader, head: Head, zone: Tz, output: &mut dyn Write) -> Outcome {
    let mut sink = Sink {
        output: io::BufWriter::new(output),
        error: None,
    };
    let dumped = print::dump(&reader.header, reader.bytes(), head, zone, &mut sink);
    let failed = sink.error.or_else(|| sink.output.flush().err());
    match (failed, dumped) {
        (Some(error), _) => Err(told(error)),
        (None, dumped) => dumped.map_err(told),
    }
}

/// Text to a writer of bytes; keeps the first error, which text has no room for.
struct Sink<'a> {
    output: io::BufWriter<&'a mut dyn Write>,
    error: Option<io::Error>,
}

impl std::fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.output.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            std::fmt::Error
        })
    }
}
