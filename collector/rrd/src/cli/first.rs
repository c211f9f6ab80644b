//! `first [--rraindex NUMBER] FILE`: the time of the oldest row of an archive.

use std::path::Path;

use super::options::{Flag, Options};
use super::{help, told};
use crate::file::Reader;

pub(super) fn run(args: &[String]) -> Result<i64, String> {
    let options = Options::parse(args, &[Flag::value("rraindex", 'r'), Flag::daemon('d')])?;
    let [path] = options.words.as_slice() else {
        return Err(help::usage("first"));
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
    Ok(reader.header.first(index))
}
