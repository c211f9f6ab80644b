//! rrdtool's command line, with its words, its output and its exit status. Time, time zone and streams are arguments. Everything else is in the modules that it calls.

mod create;
mod dump;
mod fetch;
mod first;
pub mod graph;
mod help;
mod list;
mod options;
mod resize;
mod restore;
mod tune;
mod update;
mod xport;

use std::io::{BufRead, Write};
use std::path::Path;

use chrono_tz::Tz;
use options::{Flag, Options};

use crate::file::Reader;
use crate::print;

/// Times before 1980 are taken for a mistake, as rrdtool does.
const START_MIN: i64 = 315_360_000;

/// Commands that only who talks to rrdtool through a pipe has; the program knows them there.
const PIPED: [&str; 4] = ["pwd", "cd", "mkdir", "ls"];

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

/// Runs `args` (the words behind `rrd`), without drawing. The exit status: 0, or 1 after an error.
pub fn main(args: &[String], around: &mut Surroundings<'_>) -> i32 {
    main_drawing(args, around, &mut |_| {
        Err("no pictures are drawn here, only PRINT works".to_owned())
    })
}

/// As [`main`], with a function that draws pictures.
pub fn main_drawing(
    args: &[String],
    around: &mut Surroundings<'_>,
    draw: &mut graph::Draw<'_>,
) -> i32 {
    match run(args, around, draw) {
        Ok(()) => 0,
        Err(text) => {
            // Nobody is left to be told when even this fails.
            let _ = writeln!(around.errors, "ERROR: {text}");
            1
        }
    }
}

fn run(args: &[String], around: &mut Surroundings<'_>, draw: &mut graph::Draw<'_>) -> Outcome {
    let (now, zone) = (around.now, around.zone);
    let output = &mut *around.output;
    let Some((command, args)) = args.split_first() else {
        return print(output, &help::all());
    };
    if args.is_empty()
        && let Some(text) = help::of(command)
    {
        return print(output, &text);
    }
    match command.as_str() {
        "help" | "--help" | "-h" => {
            let about = args.first().and_then(|command| help::of(command));
            print(output, &about.unwrap_or_else(help::all))
        }
        "version" | "--version" | "-v" => print(output, help::VERSION),
        "create" => create::run(args, now.0, zone, output),
        "update" => update::run(args, now, zone),
        "updatev" => update::verbose(args, now, zone, output),
        "fetch" => fetch::run(args, now.0, zone, output),
        "info" => {
            let flags = [Flag::switch("noflush", 'F'), Flag::daemon('d')];
            with_file("info", args, &flags, |path, reader| {
                print(output, &print::info(&reader.header, path))
            })
        }
        "last" => {
            let time = with_file("last", args, &[Flag::daemon('d')], |_, reader| {
                Ok(reader.header.last_update().0)
            });
            print_time(output, time)
        }
        "lastupdate" => with_file("lastupdate", args, &[Flag::daemon('d')], |_, reader| {
            print(output, &print::last_inputs(&reader.header))
        }),
        "first" => print_time(output, first::run(args)),
        "dump" => dump::run(args, zone, output),
        "restore" => restore::run(args, around.input, output),
        "tune" => tune::run(args, output),
        "resize" => resize::run(args),
        "list" => list::run(args, output),
        "xport" => xport::run(args, now.0, zone, output),
        "graph" => graph::run(args, around, draw),
        "graphv" => graph::run_verbose(args, around, draw),
        "flushcached" => Err(options::NO_DAEMON.to_owned()),
        piped if PIPED.contains(&piped) => Err(format!("{piped} is for pipe mode (-)")),
        unknown => Err(format!("unknown function '{unknown}'")),
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn print(output: &mut dyn Write, text: &str) -> Outcome {
    output.write_all(text.as_bytes()).map_err(told)
}

/// Scripts that calculate with the answer find -1 where there is none, as with rrdtool.
fn print_time(output: &mut dyn Write, time: Result<i64, String>) -> Outcome {
    print(output, &format!("{}\n", time.as_ref().unwrap_or(&-1)))?;
    time.map(drop)
}

fn with_file<T>(
    command: &str,
    args: &[String],
    flags: &[Flag],
    show: impl FnOnce(&str, &Reader) -> Result<T, String>,
) -> Result<T, String> {
    let options = Options::parse(args, flags)?;
    let [path] = options.words.as_slice() else {
        return Err(help::usage(command));
    };
    show(path, &Reader::open(Path::new(path)).map_err(told)?)
}
