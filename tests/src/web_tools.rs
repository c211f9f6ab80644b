//! What `tests/web-tools` gets from PyPI and npm. Without a network it is not there, which is said and is no failure.

use std::path::{Path, PathBuf};

use crate::program;

/// Where `file` is, below the folder of these tools; `None` where it cannot be had.
///
/// # Panics
/// When the script fails otherwise.
#[must_use]
pub fn find(file: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("web-tools");
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web-tools");
    let output = program::output_of(program::command(script).arg(&folder));
    let said = output.stderr.trim();
    assert!(matches!(output.code, 0 | 3), "tests/web-tools: {said}");
    if path.exists() {
        return Some(path);
    }
    println!("left out: {said}");
    None
}
