//! What Munin's plugins share and expect to find: shell functions and Perl modules under the names that Munin's have,
//! written by us, part of this program, laid out in a directory when the first plugin needs them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::environment::make_passable;

/// Where in `MUNIN_LIBDIR` plugins look for the functions of the shell.
pub const SHELL_FILE: &str = "plugins/plugin.sh";
/// The directory of the Perl modules.
const PERL: &str = "perl5";

/// Each file and its text.
const FILES: [(&str, &str); 4] = [
    (SHELL_FILE, include_str!("../lib/plugin.sh")),
    (
        "perl5/Munin/Plugin.pm",
        include_str!("../lib/perl5/Munin/Plugin.pm"),
    ),
    (
        "perl5/Munin/Plugin/SNMP.pm",
        include_str!("../lib/perl5/Munin/Plugin/SNMP.pm"),
    ),
    (
        "perl5/Munin/Common/Defaults.pm",
        include_str!("../lib/perl5/Munin/Common/Defaults.pm"),
    ),
];

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// `MUNIN_LIBDIR`.
    pub shell_dir: PathBuf,
    /// A part of `PERL5LIB`.
    pub perl_dir: PathBuf,
}

impl Library {
    /// Writes what is not in `dir` yet or is there as another version's. Blocks.
    ///
    /// # Errors
    /// When a file or a folder cannot be written.
    pub fn lay_out(dir: &Path) -> io::Result<Self> {
        if let Some(above) = dir.parent() {
            make_passable(above)?;
        }
        for (name, text) in FILES {
            let path = dir.join(name);
            if fs::read(&path).is_ok_and(|have| have == text.as_bytes()) {
                continue;
            }
            path.parent().map_or(Ok(()), make_readable)?;
            replace(&path, text)?;
        }
        Ok(Self {
            shell_dir: dir.to_owned(),
            perl_dir: dir.join(PERL),
        })
    }
}

/// Makes a folder that everybody can read, and those above it that are missing, whatever the mask of the process says.
fn make_readable(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    dir.parent().map_or(Ok(()), make_readable)?;
    match fs::create_dir(dir) {
        // Another program of ours was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    fs::set_permissions(dir, Permissions::from_mode(0o755))
}

/// A plugin that is being run meanwhile finds the whole old file or the whole new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, text)?;
    // Every user's plugins read it, whatever the mask of the process says.
    fs::set_permissions(&new, Permissions::from_mode(0o644))?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_another_is_written_and_can_be_read_by_all() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("state/lib");
        let library = Library::lay_out(&dir).unwrap();
        let shell = library.shell_dir.join(SHELL_FILE);
        let perl = library.perl_dir.join("Munin/Plugin.pm");
        let text = fs::read_to_string(&perl).unwrap();
        fs::write(&perl, "of another version").unwrap();
        fs::remove_file(&shell).unwrap();
        assert_eq!(Library::lay_out(&dir).unwrap(), library);
        assert_eq!(fs::read_to_string(&perl).unwrap(), text);
        for path in [&shell, &perl] {
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o777,
                0o644
            );
        }
    }
}
