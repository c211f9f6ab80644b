//! rrdtool's own tests, from Debian's source package of it: every script that passes with the installed rrdtool passes with
//! `ravenry rrd`.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ravenry_tests::{program, tool};

/// Seconds that a script may take.
const SECONDS_MAX: &str = "300";

/// `None` where the source cannot be had, which is said: without a network this is no failure, strict or not.
fn source() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().join("rrdtool-source");
    let mut get = program::command(root.join("rrdtool-source"));
    let output = program::output_of(get.arg(&target));
    if output.code == 0 {
        return Some(target.join("source/tests"));
    }
    let said = output.stderr.trim();
    assert_eq!(output.code, 3, "tests/rrdtool-source: {said}");
    println!("left out: rrdtool's own tests, their source cannot be had: {said}");
    None
}

/// What begins as a script does, `functions` apart, which the others read.
fn scripts(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let scripts = entries.filter(|path| fs::read(path).is_ok_and(|text| text.starts_with(b"#!/")));
    let mut names: Vec<String> = scripts
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "functions")
        .collect();
    names.sort();
    names
}

/// One side: a folder with a copy of the scripts, and the tool that they shall use.
struct Side {
    folder: tempfile::TempDir,
    tool: PathBuf,
}

impl Side {
    fn new(source: &Path, tool: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(source).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        Self { folder, tool }
    }

    /// Whether a script passes, and what it printed.
    fn run(&self, script: &str) -> (bool, String) {
        let mut command = program::command("timeout");
        command
            .args([SECONDS_MAX, "bash", script])
            .current_dir(self.folder.path())
            .env("RRDTOOL", &self.tool)
            .env("TOP_BUILDDIR", "/nowhere")
            .env_remove("RRDCACHED_ADDRESS");
        if script == "list1" {
            // As on Windows: its second half asks an rrdcached.
            command.env("MSYSTEM", "without rrdcached");
        }
        let output = program::output_of(&mut command);
        (output.code == 0, output.stdout + &output.stderr)
    }
}

/// A program of one word that is `ravenry rrd`.
fn wrapper(folder: &Path) -> PathBuf {
    let path = folder.join("rrdtool");
    let text = format!(
        "#!/bin/sh\nexec '{}' rrd \"$@\"\n",
        program::path("ravenry").display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn what_passes_with_rrdtool_passes_with_ours() {
    let tools = ["rrdtool", "bash", "perl", "dc", "timeout"].map(tool::find);
    let [Some(rrdtool), Some(_), Some(_), Some(_), Some(_)] = tools else {
        return;
    };
    let Some(source) = source() else { return };
    let folder = tempfile::tempdir().unwrap();
    let theirs = Side::new(&source, rrdtool);
    let ours = Side::new(&source, wrapper(folder.path()));
    let (mut passed, mut failed) = (0, Vec::new());
    for script in scripts(&source) {
        let (right, _) = theirs.run(&script);
        let (passes, log) = ours.run(&script);
        println!("{script}: rrdtool {}, ours {}", word(right), word(passes));
        if passes {
            passed += 1;
        } else if right {
            let end = log.lines().rev().take(12).collect::<Vec<_>>();
            let end: Vec<&str> = end.into_iter().rev().collect();
            failed.push(format!("{script}:\n{}", end.join("\n")));
        }
    }
    assert!(
        failed.is_empty(),
        "pass with rrdtool and not with ours:\n{}",
        failed.join("\n")
    );
    assert!(
        passed >= 12,
        "only {passed} scripts pass: are these rrdtool's tests?"
    );
}

fn word(passes: bool) -> &'static str {
    if passes { "passes" } else { "fails" }
}
