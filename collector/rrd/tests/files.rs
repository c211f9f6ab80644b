//! What commands do with files and directories: names, modes, what is there already, standard input and output.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use ravenry_rrd::cli::{self, Surroundings};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `@` in a command stands for the folder; the answer, or the error.
    fn run_with(&self, command: &str, mut input: &[u8]) -> Result<Vec<u8>, String> {
        let folder = format!("{}/", self.0.path().display());
        let args: Vec<String> = command
            .split(' ')
            .map(|word| word.replace('@', &folder))
            .collect();
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut around = Surroundings {
            now: (1_000_000_000, 0),
            zone: chrono_tz::Tz::UTC,
            input: &mut input,
            output: &mut output,
            errors: &mut errors,
        };
        match cli::main(&args, &mut around) {
            0 => Ok(output),
            _ => Err(String::from_utf8(errors).unwrap().replace(&folder, "@")),
        }
    }

    fn run(&self, command: &str) -> Result<String, String> {
        self.run_with(command, &[])
            .map(|output| String::from_utf8(output).unwrap())
    }

    #[track_caller]
    fn refused(&self, command: &str, expect: &str) {
        assert_eq!(
            self.run(command).unwrap_err(),
            format!("ERROR: {expect}\n"),
            "{command}"
        );
    }

    fn create(&self, name: &str) {
        let create = format!("create @{name} --start 999999000 DS:a:GAUGE:600:U:U RRA:LAST:0:1:3");
        self.run(&create).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }
}

#[test]
fn restore_leaves_a_file_that_is_there_unless_told() {
    let folder = Folder::new();
    folder.create("a.rrd");
    folder.run("dump @a.rrd @a.xml").unwrap();
    folder.refused("restore @a.xml @a.rrd", "creating '@a.rrd': File exists");
    folder
        .run("restore --force-overwrite @a.xml @a.rrd")
        .unwrap();
    folder.refused(
        "restore @b.xml @b.rrd",
        "opening '@b.xml': No such file or directory",
    );
    assert!(!folder.path("b.rrd").exists());
    fs::write(folder.path("bad.xml"), "<rrd>\n<step>x</step>").unwrap();
    let expect = "@bad.xml: line 2: expected a whole number, found 'x'";
    folder.refused("restore @bad.xml @b.rrd", expect);
    assert!(!folder.path("b.rrd").exists());
}

#[test]
fn restore_reads_standard_input_to_its_end_or_control_z() {
    let folder = Folder::new();
    folder.create("a.rrd");
    let mut xml = folder.run("dump @a.rrd").unwrap().into_bytes();
    folder.run_with("restore - @b.rrd", &xml).unwrap();
    xml.extend(b"\x1alast b.rrd\n");
    folder.run_with("restore - @c.rrd", &xml).unwrap();
    let [b, c] = ["b.rrd", "c.rrd"].map(|name| fs::read(folder.path(name)).unwrap());
    assert!(b == c);
    assert!(folder.run_with("restore - -", &xml).unwrap() == b);
}

#[test]
fn a_file_that_is_made_anew_keeps_its_mode() {
    let folder = Folder::new();
    folder.create("a.rrd");
    assert_eq!(folder.mode("a.rrd"), 0o644);
    fs::set_permissions(folder.path("a.rrd"), fs::Permissions::from_mode(0o640)).unwrap();
    folder.run("tune @a.rrd RRA#0:+2").unwrap();
    assert_eq!(folder.mode("a.rrd"), 0o640);
    folder.create("a.rrd");
    assert_eq!(folder.mode("a.rrd"), 0o640);
}

#[test]
fn tune_without_wishes_shows_the_data_sources() {
    let folder = Folder::new();
    let create = "create @a.rrd DS:a:GAUGE:600:U:12.5 DS:b:COMPUTE:a,2,* RRA:LAST:0:1:3";
    folder.run(create).unwrap();
    let expect =
        "DS[a] typ: GAUGE\thbt: 600\tmin: -nan\tmax: 12.5000\nDS[b] typ: COMPUTE\tcdef: a,2,*\n";
    assert_eq!(folder.run("tune @a.rrd").unwrap(), expect);
}

#[test]
fn a_tune_that_is_wrong_anywhere_changes_nothing() {
    let folder = Folder::new();
    folder.create("a.rrd");
    let before = fs::read(folder.path("a.rrd")).unwrap();
    folder.refused("tune @a.rrd -h a:5 -i b:1", "unknown data source name 'b'");
    let expect = "unparseable argument: expected DEL:NAME, DS:…, DELRRA:NUMBER, RRA:… or RRA#NUMBER:[+-=]ROWS, found \"x\"";
    folder.refused("tune @a.rrd -h a:5 x", expect);
    assert!(fs::read(folder.path("a.rrd")).unwrap() == before);
}

#[test]
fn list_names_files_and_directories_in_order() {
    let folder = Folder::new();
    for name in ["b.rrd", "a.rrd"] {
        folder.create(name);
    }
    fs::write(folder.path("c.txt"), "").unwrap();
    fs::write(folder.path("d.rrd.old"), "").unwrap();
    fs::create_dir_all(folder.path("host/disk")).unwrap();
    folder.create("host/disk/sda.rrd");
    folder.create("host/cpu.rrd");
    symlink(folder.path("host"), folder.path("host/around")).unwrap();
    symlink("/nowhere", folder.path("gone.rrd")).unwrap();
    let list = |words: &str| folder.run(&format!("list {words}"));
    assert_eq!(list("@").unwrap(), "a.rrd\nb.rrd\nhost\n");
    assert_eq!(list("@host/disk").unwrap(), "sda.rrd\n");
    assert_eq!(
        list("--recursive @").unwrap(),
        "a.rrd\nb.rrd\nhost/cpu.rrd\nhost/disk/sda.rrd\n"
    );
    assert_eq!(list("@a.rrd").unwrap(), "a.rrd\n");
    assert_eq!(list("@?.rrd").unwrap(), "a.rrd\nb.rrd\n");
    folder.refused(
        "list @nowhere",
        "listing '@nowhere': No such file or directory",
    );
    let expect = "listing '@../x': a path with '..' in it is not listed";
    folder.refused("list @../x", expect);
    folder.refused(
        "list -r @*",
        "listing '@*': a pattern is not listed recursively",
    );
    let expect = "listing '@c.txt': neither a directory nor a file that ends in .rrd";
    folder.refused("list @c.txt", expect);
}

#[test]
fn rrdcached_is_refused_wherever_it_is_asked_for() {
    let folder = Folder::new();
    let expect = "rrdcached is not supported, commands work on the files themselves; values that wait in an rrdcached \
                  have to be flushed by it first";
    for command in [
        "create @a.rrd -d unix:x DS:a:GAUGE:600:U:U RRA:LAST:0:1:3",
        "update @a.rrd --daemon=unix:x N:1",
        "fetch @a.rrd LAST -d unix:x",
        "info -d unix:x @a.rrd",
        "last -d unix:x @a.rrd",
        "first -d unix:x @a.rrd",
        "lastupdate -d unix:x @a.rrd",
        "dump -d unix:x @a.rrd",
        "tune @a.rrd -D unix:x",
        "list -d unix:x @",
        "flushcached -d unix:x @a.rrd",
    ] {
        folder.refused(command, expect);
    }
}

#[test]
fn help_and_version_are_answers() {
    let folder = Folder::new();
    assert!(
        folder
            .run("list")
            .unwrap()
            .starts_with("Usage: ravenry rrd list DIRECTORY")
    );
    assert_eq!(
        folder.run("help list").unwrap(),
        folder.run("list").unwrap()
    );
    for command in [
        "create", "update", "fetch", "dump", "restore", "tune", "resize", "list",
    ] {
        assert!(
            folder
                .run("help")
                .unwrap()
                .contains(&format!("\n  {command} ")),
            "{command}"
        );
    }
    assert!(folder.run("--version").unwrap().contains("RRDtool 1.7.2"));
}
