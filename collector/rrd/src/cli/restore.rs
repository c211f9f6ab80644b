//! `restore [--range-check] [--force-overwrite] XML FILE`; `-` is standard input, or output.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use super::options::{Flag, Options};
use super::{Outcome, help, told};
use crate::file::{self, Mode};
use crate::restore::restore;

/// Ends what is read from standard input, as rrdtool lets it: a program that talks to us through a pipe has more to say.
const END: u8 = 0x1a;

pub(super) fn run(args: &[String], input: &mut dyn BufRead, output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::switch("range-check", 'r'),
        Flag::switch("force-overwrite", 'f'),
    ];
    let options = Options::parse(args, &flags)?;
    let [xml, path] = options.words.as_slice() else {
        return Err(help::usage("restore"));
    };
    let range_check = options.has("range-check");
    let bytes = if *xml == "-" {
        restore(
            BufReader::new(UntilEnd {
                input,
                ended: false,
            }),
            range_check,
        )
    } else {
        let file =
            File::open(xml).map_err(|error| format!("opening '{xml}': {}", file::plain(&error)))?;
        restore(BufReader::new(file), range_check)
    };
    let bytes = bytes.map_err(|error| format!("{xml}: {error}"))?;
    if *path == "-" {
        return output.write_all(&bytes).map_err(told);
    }
    file::put(
        Path::new(path),
        &bytes,
        options.has("force-overwrite"),
        Mode::Umask,
    )
    .map_err(told)
}

/// Input up to and without [`END`].
struct UntilEnd<'a> {
    input: &'a mut dyn BufRead,
    ended: bool,
}

impl Read for UntilEnd<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let bytes = self.input.fill_buf()?;
        let bytes = &bytes[..bytes.len().min(into.len())];
        let end = bytes.iter().position(|&byte| byte == END);
        let count = end.unwrap_or(bytes.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.ended = end.is_some();
        self.input.consume(count + usize::from(self.ended));
        Ok(count)
    }
}
