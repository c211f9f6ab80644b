//! Plugins that tests write, and folders of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder of plugins.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes `path`, as plugins need it: only its owner writes there.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a shell plugin. In `text`, `$1` is what it is asked.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Writes a shell plugin with one graph: `config` is printed when it is asked for it, else `values` is done.
    pub fn write_graph(&self, name: &str, config: &str, values: &str) {
        let text =
            format!("if [ \"$1\" = config ]; then cat <<'END'\n{config}\nEND\nelse\n{values}\nfi");
        self.write(name, &text);
    }

    /// Links a plugin that somebody else wrote.
    pub fn link(&self, name: &str, target: &str) {
        symlink(target, self.0.join(name)).unwrap();
    }
}
