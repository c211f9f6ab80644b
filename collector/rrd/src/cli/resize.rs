//! `resize FILE NUMBER GROW|SHRINK ROWS`: writes `resize.rrd` in the current directory and leaves the file as it is.

use std::path::Path;

use super::options::Options;
use super::{Outcome, help, told, tune};
use crate::file::{self, Mode, Reader};
use crate::image::Image;
use crate::modify::resize;

/// Where the result goes.
const TARGET: &str = "resize.rrd";

pub(super) fn run(args: &[String]) -> Outcome {
    let options = Options::parse(args, &[])?;
    let [path, archive, way, rows] = options.words.as_slice() else {
        return Err(help::usage("resize"));
    };
    let archive: usize = archive
        .parse()
        .map_err(|_| format!("expected the number of an RRA, found '{archive}'"))?;
    let grow = match *way {
        "GROW" => true,
        "SHRINK" => false,
        other => return Err(format!("I can only GROW or SHRINK, found '{other}'")),
    };
    let rows = rows
        .parse()
        .ok()
        .filter(|rows| *rows > 0)
        .ok_or("Please grow or shrink with at least 1 row")?;
    let reader = Reader::open(Path::new(path)).map_err(told)?;
    let image = Image::parse(reader.bytes()).map_err(|error| format!("'{path}': {error}"))?;
    let resized = resize(&image, archive, grow, rows).map_err(told)?;
    file::put(
        Path::new(TARGET),
        &tune::checked(&resized)?,
        true,
        Mode::Umask,
    )
    .map_err(told)
}
