//! Secrets that the collector draws for itself and keeps in its data directory, readable by its user alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::token;

/// A shorter one was cut off by a full disk.
const LEN_MIN: usize = 32;

/// The secret in the file `name` of `data`, or a new one that is written there. A full disk is no obstacle once there is one.
///
/// # Errors
/// When there is none and the directory cannot be written.
pub fn keep(data: &Path, name: &str) -> io::Result<String> {
    let path = data.join(name);
    let kept = fs::read_to_string(&path).ok();
    match kept.filter(|secret| secret.len() >= LEN_MIN) {
        Some(secret) => Ok(secret),
        None => draw(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

fn draw(path: &Path) -> io::Result<String> {
    let secret = token::draw()?;
    let beside = path.with_extension("new");
    drop(fs::remove_file(&beside));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_drawn_once_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let first = keep(folder.path(), "link.secret").unwrap();
        assert_eq!(keep(folder.path(), "link.secret").unwrap(), first);
        assert_ne!(keep(folder.path(), "other.secret").unwrap(), first);
        let file = folder.path().join("link.secret");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, "cut off").unwrap();
        assert_ne!(keep(folder.path(), "link.secret").unwrap(), "cut off");
    }
}
