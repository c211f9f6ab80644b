//! Files in which plugins remember their last runs.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BundledError, Request};

/// A longer file is not ours.
const BYTES_MAX: u64 = 4 << 20;

/// The file of a request; `plugin` is named where there is no directory for it.
pub(super) fn path(request: &Request<'_>, plugin: &'static str) -> Result<PathBuf, BundledError> {
    let Some(dir) = request.environment.state_dir() else {
        return Err(BundledError::NoState { plugin });
    };
    Ok(dir.join(format!("ravenry-{}.state", request.graph)))
}

/// What the file holds; nothing when there is none, as at the first run, or it is not ours.
pub(super) fn load(path: &Path) -> String {
    let is_ours = fs::metadata(path).is_ok_and(|file| file.len() <= BYTES_MAX);
    let text = is_ours.then(|| fs::read_to_string(path).ok()).flatten();
    text.unwrap_or_default()
}

/// Writes beside the file and renames, so that a reader sees the old text or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), BundledError> {
    let beside = path.with_extension(format!("state.{}", std::process::id()));
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|source| BundledError::State {
            path: path.display().to_string(),
            source,
        })
}
