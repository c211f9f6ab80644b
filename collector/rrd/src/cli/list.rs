//! `list [--recursive] DIRECTORY|FILE|PATTERN`: names of files that end in `.rrd` and of directories, one a line, sorted.
//! What goes wrong is an error here; rrdtool prints it and ends with 0.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::options::{Flag, Options};
use super::{Outcome, help, told};
use crate::file::plain;

pub(super) fn run(args: &[String], output: &mut dyn Write) -> Outcome {
    let flags = [
        Flag::switch("recursive", 'r'),
        Flag::switch("noflush", 'F'),
        Flag::daemon('d'),
    ];
    let options = Options::parse(args, &flags)?;
    let [place] = options.words.as_slice() else {
        return Err(help::usage("list"));
    };
    let recursive = options.has("recursive");
    let names =
        names(place, recursive).map_err(|error| format!("listing '{place}': {}", plain(&error)))?;
    for name in names {
        output
            .write_all(name.as_os_str().as_bytes())
            .map_err(told)?;
        output.write_all(b"\n").map_err(told)?;
    }
    Ok(())
}

fn names(place: &str, recursive: bool) -> io::Result<Vec<PathBuf>> {
    if place.contains("..") {
        let text = "a path with '..' in it is not listed";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if place.contains(['*', '?']) {
        if recursive {
            return Err(io::Error::other("a pattern is not listed recursively"));
        }
        return matches(place);
    }
    let path = Path::new(place);
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        let mut names = Vec::new();
        walk(
            path,
            Path::new(""),
            recursive,
            &mut HashSet::from([identity(&metadata)]),
            &mut names,
        )?;
        names.sort();
        return Ok(names);
    }
    if !is_rrd(path, &metadata) {
        return Err(io::Error::other(
            "neither a directory nor a file that ends in .rrd",
        ));
    }
    Ok(path.file_name().map(PathBuf::from).into_iter().collect())
}

fn matches(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let found = glob::glob_with(pattern, options).map_err(io::Error::other)?;
    let names: Vec<PathBuf> = found
        .flatten()
        .filter_map(|path| path.file_name().map(PathBuf::from))
        .collect();
    if names.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(names)
}

/// Adds what is in `root`/`below`. A directory that contains itself through a link is entered once.
fn walk(
    root: &Path,
    below: &Path,
    recursive: bool,
    around: &mut HashSet<(u64, u64)>,
    names: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        // What vanished meanwhile, or a link to nowhere.
        let Ok(metadata) = entry.path().metadata() else {
            continue;
        };
        if !metadata.is_dir() {
            if is_rrd(&name, &metadata) {
                names.push(name);
            }
        } else if !recursive {
            names.push(name);
        } else if around.insert(identity(&metadata)) {
            // One that may not be read does not hide the others.
            let _ = walk(root, &name, recursive, around, names);
            around.remove(&identity(&metadata));
        }
    }
    Ok(())
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn is_rrd(path: &Path, metadata: &Metadata) -> bool {
    metadata.is_file() && path.extension() == Some(OsStr::new("rrd"))
}
