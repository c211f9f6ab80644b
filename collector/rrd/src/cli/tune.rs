//! `tune FILE [--heartbeat NAME:SECONDS …] [DEL:NAME] [DS:…] [DELRRA:NUMBER] [RRA:…] [RRA#NUMBER:[+-=]ROWS]`. Options change
//! the file where it is; words make a new one that takes its place. Unlike rrdtool's, a command that is wrong anywhere
//! changes nothing; and one that asks for nothing shows the data sources, as rrdtool's once did.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use super::options::{Flag, Options};
use super::{Outcome, print, told};
use crate::create::FILE_SIZE_MAX;
use crate::definition::{Kind, duration};
use crate::file::{self, Reader, Rewrite};
use crate::header::Header;
use crate::image::Image;
use crate::modify::{Changes, modify};
use crate::print::{formula, signed};
use crate::tune::{Knob, turn};

pub(super) fn run(args: &[String], output: &mut dyn Write) -> Outcome {
    let mut flags: Vec<Flag> = Knob::ALL
        .iter()
        .map(|(_, name, letter)| Flag::value(name, *letter))
        .collect();
    flags.extend([Flag::value("step", 't'), Flag::daemon('D')]);
    let options = Options::parse(args, &flags)?;
    let Some((path, words)) = options.words.split_first() else {
        return Err("missing file name".to_owned());
    };
    if words.is_empty() && options.given().is_empty() {
        let reader = Reader::open(Path::new(path)).map_err(told)?;
        return print(output, &table(&reader.header));
    }
    let mut changes = Changes::parse(words).map_err(told)?;
    if let Some(text) = options.value("step") {
        let step =
            duration(text, 1).ok_or("step size: value must be (suffixed) positive number")?;
        changes.step = Some(step);
    }
    let change = |file: &[u8]| {
        let mut image = Image::parse(file).map_err(|error| format!("'{path}': {error}"))?;
        for (name, text) in options.given() {
            if let Some((knob, _, _)) = Knob::ALL.iter().find(|(_, of, _)| of == name) {
                turn(&mut image, *knob, text).map_err(told)?;
            }
        }
        if changes.is_empty() {
            Ok(Rewrite::InPlace(checked(&image)?))
        } else {
            Ok(Rewrite::Replace(checked(
                &modify(&image, &changes, path).map_err(told)?,
            )?))
        }
    };
    file::rewrite(Path::new(path), change).map_err(told)?
}

/// The bytes of a file that every reader of ours takes.
pub(super) fn checked(image: &Image) -> Result<Vec<u8>, String> {
    let bytes = image
        .bytes()
        .ok_or_else(|| format!("the file would be larger than {FILE_SIZE_MAX} bytes"))?;
    Header::parse(&bytes, bytes.len() as u64).map_err(told)?;
    Ok(bytes)
}

fn table(header: &Header) -> String {
    let mut out = String::new();
    for source in header.sources() {
        // Writing to a String cannot fail.
        let _ = write!(out, "DS[{}] typ: {}\t", source.name(), source.kind);
        let _ = if source.kind == Kind::Compute {
            writeln!(out, "cdef: {}", formula(header, source))
        } else {
            let (min, max) = (signed(source.min), signed(source.max));
            writeln!(out, "hbt: {}\tmin: {min}\tmax: {max}", source.heartbeat)
        };
    }
    out
}
