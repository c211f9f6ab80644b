//! Our command line beside rrdtool's: the same words, the same output and exit status.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;

use oracle::Oracle;
use ravenry_rrd::cli;

/// `{}` in the words stands for a file; each side has its own copy.
struct Sides {
    oracle: Oracle,
    folder: tempfile::TempDir,
    now: (i64, u32),
}

impl Sides {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self {
            oracle: Oracle::start("UTC")?,
            folder,
            now: (1_000_010_000, 0),
        })
    }

    fn path(&self, side: &str) -> String {
        self.folder.path().join(side).to_str().unwrap().to_owned()
    }

    fn ours(&self, command: &str) -> Result<String, String> {
        let (status, output, errors) = self.answer(command);
        if status == 0 { Ok(output) } else { Err(errors) }
    }

    /// The exit status, and what went to standard output and to standard error.
    fn answer(&self, command: &str) -> (i32, String, String) {
        let args: Vec<String> = command
            .split(' ')
            .map(|word| word.replace("{}", &self.path("ours.rrd")))
            .collect();
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut around = cli::Surroundings {
            now: self.now,
            zone: chrono_tz::Tz::UTC,
            input: &mut std::io::empty(),
            output: &mut output,
            errors: &mut errors,
        };
        let status = cli::main(&args, &mut around);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status, text(output), text(errors))
    }

    fn theirs(&mut self, command: &str) -> Result<String, String> {
        let path = self.path("theirs.rrd");
        let words: Vec<String> = command
            .split(' ')
            .map(|word| word.replace("{}", &path))
            .collect();
        self.oracle
            .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Both succeed with the same text, or both fail.
    #[track_caller]
    fn check(&mut self, command: &str) {
        let ours = self
            .ours(command)
            .map(|text| text.replace(&self.path("ours.rrd"), "FILE"));
        let theirs = self
            .theirs(command)
            .map(|text| text.replace(&self.path("theirs.rrd"), "FILE"));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{command}"),
            (Err(_), Err(_)) => {}
            (_, _) => assert!(
                ours.is_ok() == theirs.is_ok(),
                "{command}\nours {ours:?}\ntheirs {theirs:?}"
            ),
        }
    }

    /// Both sides go on with their file; only the first rows are random.
    #[track_caller]
    fn same_bytes(&self) {
        let [ours, theirs] =
            ["ours.rrd", "theirs.rrd"].map(|side| std::fs::read(self.path(side)).unwrap());
        assert!(ours == theirs, "bytes differ");
    }

    fn share(&self) {
        std::fs::copy(self.path("theirs.rrd"), self.path("ours.rrd")).unwrap();
    }
}

#[test]
fn commands_act_and_print_as_rrdtools_do() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    for command in [
        "create {} --start 1000000000 --step 5m DS:a:GAUGE:10m:0:U DS:b:COUNTER:600:U:U RRA:AVERAGE:0.5:1:1d RRA:MAX:0.5:1h:3",
        "create {} -O --start 1000000000 DS:a:GAUGE:600:U:U RRA:LAST:0:1:1",
        "create {} --start 1000000000 DS:a:GAUGE:600:U:U",
        "create {} --start 1000000000 -s x DS:a:GAUGE:600:U:U RRA:LAST:0:1:1",
        "last {}",
    ] {
        sides.check(command);
    }
    sides.share();
    for command in [
        "update {} 1000000200:1:10 1000000500:2:40",
        "update {} -t b 1000000800:100",
        "update {} -t b:a 1000001100:160:7",
        "update {} 1000001100:1:1",
        "update {} --skip-past-updates 1000001100:1:1 1000001400:1:200",
        "update {} 1000001700:4:x 1000002000:5:1",
        "update {} 1000001700:5:300 1000002000:5:x 1000002300:5:400",
        "update {} 1000002600:5",
        "update {} 1000002600:5:6:7",
        "update {} 1000002600",
        "update {} -t c 1000002600:5",
        "update {} -t a:b:a 1000002600:5:6:7",
        "update {} 1000002600@5:6",
        "update {} 1000002900.25:U:600",
        "update {}",
    ] {
        sides.check(command);
        sides.same_bytes();
    }
    for command in [
        "fetch {} AVERAGE -s 1000000000 -e 1000003000",
        "fetch {} MAX --start 1000000000 --end start+1h",
        "fetch {} MAX -r 1h -s end-2h -e 1000003600",
        "fetch {} MIN -r 1h -s end-2h -e 1000003600",
        "fetch {} AVERAGE -r 600 -a -s 1000000100 -e 1000003000",
        "fetch {} AVERAGE -s 1000003000 -e 1000000000",
        "fetch {} MEAN -s 1000000000 -e 1000003000",
        "fetch {} AVERAGE -s 1000000000 -e 1000003000 -r x",
        "first {}",
        "first --rraindex 1 {}",
        "first {} --rraindex 2",
        "last {}",
        "lastupdate {}",
        "info {}",
        "info -F {}",
        "info {} --noflush",
        "dump {}",
        "dump --header xsd {}",
        "dump -n {}",
        "dump -h none {}",
        "info {}.missing",
        "nonsense {}",
    ] {
        sides.check(command);
    }
}

#[test]
fn updatev_names_the_rows_as_rrdtool_does() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    let create = "create {} --start 1000000000 DS:a:GAUGE:3600:U:U DS:twice:COMPUTE:a,2,* RRA:AVERAGE:0.5:1:5 \
                  RRA:MAX:0.5:3:4 RRA:MHWPREDICT:8:0.5:0.1:3";
    sides.theirs(create).unwrap();
    sides.share();
    for command in [
        "updatev {} 1000000200:1",
        "updatev {} 1000000300:1 1000000600:2",
        "updatev {} 1000001300:3",
        "updatev {} 1000004000.5:4",
        "updatev {} 1000004000:5",
        "updatev {} -s 1000004000:5 1000004200:5",
        "updatev {} -t a 1000009000:6",
        "updatev {} 1000009600:x",
        "updatev {}.missing 1000009600:1",
        "updatev {}",
    ] {
        sides.check(command);
        sides.same_bytes();
    }
}

#[test]
fn times_may_count_from_now() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    sides
        .theirs("create {} --start 1000000000 DS:a:GAUGE:600:U:U RRA:LAST:0:1:100")
        .unwrap();
    sides.share();
    sides.now = (1_000_001_000, 250_000);
    sides.ours("update {} -- -100:1").unwrap();
    assert_eq!(sides.ours("last {}").unwrap(), "1000000900\n");
    sides.ours("update {} N:2").unwrap();
    assert_eq!(sides.ours("last {}").unwrap(), "1000001000\n");
    sides.ours("update {} now+5min@3").unwrap();
    assert_eq!(sides.ours("last {}").unwrap(), "1000001300\n");
}

#[test]
fn what_is_missing_says_so() {
    let Some(sides) = Sides::start() else { return };
    assert_eq!(
        sides.ours("flushcached x.rrd").unwrap_err(),
        "ERROR: rrdcached is not supported, commands work on the files themselves; values that wait in an rrdcached have to \
         be flushed by it first\n"
    );
    assert_eq!(
        sides.ours("bogus").unwrap_err(),
        "ERROR: unknown function 'bogus'\n"
    );
}

/// Scripts calculate with what is printed, whether they look at the exit status or not.
#[test]
fn a_time_that_is_not_known_is_minus_one() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    sides
        .theirs("create {} --start 1000000000 DS:a:GAUGE:600:U:U RRA:LAST:0:1:100")
        .unwrap();
    sides.share();
    for command in [
        "last {}.missing",
        "last {} {}",
        "first {}.missing",
        "first {} --rraindex 1",
    ] {
        let (status, output, errors) = sides.answer(command);
        assert_eq!((status, output.as_str()), (1, "-1\n"), "{command}");
        assert!(errors.starts_with("ERROR: "), "{command}: {errors}");
    }
}

#[test]
fn a_file_that_someone_writes_is_busy() {
    let Some(mut sides) = Sides::start() else {
        return;
    };
    sides
        .theirs("create {} --start 1000000000 DS:a:GAUGE:600:U:U RRA:LAST:0:1:100")
        .unwrap();
    sides.share();
    let path = sides.path("ours.rrd");
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let lock =
        ravenry_rrd::file::Lock::take(&file, ravenry_rrd::file::LockKind::Exclusive).unwrap();
    let theirs = sides
        .oracle
        .run(&["update", &path, "1000000300:1"])
        .unwrap_err();
    assert!(theirs.contains("could not lock RRD"), "{theirs}");
    let ours = sides.ours("update {} 1000000300:1").unwrap_err();
    assert!(ours.contains("could not lock RRD"), "{ours}");
    drop(lock);
    sides.ours("update {} 1000000300:1").unwrap();
}
