//! `dump [--header none|xsd|dtd] [--no-header] FILE [XML]`.

use std::io::{self, Write};
use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, help, told};
use crate::file::{Reader, plain};
use crate::print::{self, Head};

pub(super) fn run(args: &[String], zone: Tz, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::value("header", 'h'),
        Flag::switch("no-header", 'n'),
        Flag::daemon('d'),
    ];
    let options = Options::parse(args, &flags)?;
    // The last of the two counts.
    let head = match options.given().last() {
        None | Some(("header", "dtd")) => Head::Dtd,
        Some(("header", "xsd")) => Head::Xsd,
        Some(("header", "none") | ("no-header", _)) => Head::None,
        Some((_, other)) => {
            return Err(format!(
                "dump --header: expected none, xsd or dtd, found {other:?}"
            ));
        }
    };
    let (path, target) = match options.words.as_slice() {
        [path] => (path, None),
        [path, target] => (path, Some(target)),
        _ => return Err(help::usage("dump")),
    };
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let Some(target) = target else {
        return to(&reader, head, zone, output);
    };
    let mut xml = std::fs::File::create(target)
        .map_err(|error| format!("creating '{target}': {}", plain(&error)))?;
    to(&reader, head, zone, &mut xml).inspect_err(|_| {
        // Half a dump is none; the error that is told is the first.
        let _ = std::fs::remove_file(target);
    })
}

fn to(reader: &Reader, head: Head, zone: Tz, output: &mut dyn Write) -> Outcome {
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
