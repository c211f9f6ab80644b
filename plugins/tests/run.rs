//! Real scripts that misbehave in every way the runner knows, run through the helper.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ravenry_plugins::exec::GroupWanted;
use ravenry_plugins::run::{RunLimits, RunOutcome, RunResult, RunSpec, run};
use tempfile::TempDir;

const LIMITS: RunLimits = RunLimits {
    timeout: Duration::from_secs(120),
    grace: Duration::from_millis(300),
    drain: Duration::from_millis(300),
    stdout_bytes: 1 << 20,
    stderr_bytes: 1 << 10,
    open_files: 64,
};

/// Shorter than anything that hangs, long enough for a shell to begin on a busy machine.
const IMPATIENT: RunLimits = RunLimits {
    timeout: Duration::from_secs(3),
    ..LIMITS
};

/// What was closed in the end was not held.
const PATIENT: RunLimits = RunLimits {
    drain: Duration::from_secs(60),
    ..LIMITS
};

/// A plugin of that text in a folder of its own, which everybody may read.
fn plugin(text: &str) -> (TempDir, RunSpec) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("plugin");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let spec = RunSpec {
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        helper: PathBuf::from(env!("CARGO_BIN_EXE_ravenry-plugin")),
        ..RunSpec::new(path)
    };
    (folder, spec)
}

fn run_now(spec: &RunSpec, limits: &RunLimits) -> RunResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(spec, limits))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a script; checks how it ended and what it printed.
fn check(script: &str, limits: &RunLimits, outcome: &str, stdout: &str) {
    let (folder, spec) = plugin(&format!("#!/bin/sh\n{script}\n"));
    let result = run_now(&spec, limits);
    assert_eq!(result.outcome.to_string(), outcome, "{script}: {result:?}");
    assert_eq!(text(&result.stdout), stdout, "{script}");
    drop(folder);
}

#[test]
fn a_good_run_brings_its_output() {
    check(
        "echo a.value 1; echo gone >&2",
        &LIMITS,
        "exited with code 0",
        "a.value 1\n",
    );
    check(
        "printf 'no newline'; exit 3",
        &LIMITS,
        "exited with code 3",
        "no newline",
    );
    check("kill -9 $$", &LIMITS, "was ended by SIGKILL", "");
    check("exit 125", &LIMITS, "exited with code 125", "");
}

#[test]
fn a_run_that_hangs_is_stopped() {
    let outcome = "timed out after 3 s and was stopped";
    let all = [
        ("echo started; sleep 1000", "started\n"),
        (
            "trap '' HUP TERM; echo deaf; while :; do sleep 1; done",
            "deaf\n",
        ),
        ("exec 1>&- 2>&-; sleep 1000", ""),
    ];
    std::thread::scope(|at_once| {
        for (script, stdout) in all {
            at_once.spawn(move || check(script, &IMPATIENT, outcome, stdout));
        }
    });
}

#[test]
fn a_child_that_holds_the_output_costs_only_itself() {
    check(
        "sleep 1000 & echo a.value 1",
        &LIMITS,
        "exited with code 0, but something that it started kept its output open and was killed",
        "a.value 1\n",
    );
    check(
        "sleep 2 >/dev/null 2>&1 & echo a.value 1",
        &PATIENT,
        "exited with code 0",
        "a.value 1\n",
    );
}

#[test]
fn a_chatty_child_that_holds_the_output_does_not_prolong_the_run() {
    let (_folder, spec) =
        plugin("#!/bin/sh\n(while :; do echo x; sleep 0.05; done) &\necho first\n");
    let result = run_now(&spec, &LIMITS);
    assert_eq!(result.outcome, RunOutcome::HeldOutput { code: 0 });
    assert!(result.duration < LIMITS.timeout / 2, "{result:?}");
}

#[test]
fn nothing_of_a_stopped_run_survives() {
    let all = [
        // Out of the session, and out of everything as a daemon.
        (
            "setsid sh -c 'echo $$; sleep 1000' & sleep 1000",
            &IMPATIENT,
        ),
        ("setsid sh -c 'echo $$; sleep 1000' &", &LIMITS),
        (
            "(setsid sh -c '(trap \"\" HUP TERM; sh -c \"echo \\$\\$; exec sleep 1000\") &' &); sleep 1000",
            &IMPATIENT,
        ),
        ("sleep 1000 & echo $!; echo $$; sleep 1000", &IMPATIENT),
        ("sleep 1000 & echo $!", &LIMITS),
    ];
    std::thread::scope(|at_once| {
        for (script, limits) in all {
            at_once.spawn(move || leaves_nothing(script, limits));
        }
    });
}

fn leaves_nothing(script: &str, limits: &RunLimits) {
    let (_folder, spec) = plugin(&format!("#!/bin/sh\n{script}\n"));
    let result = run_now(&spec, limits);
    for pid in text(&result.stdout).lines() {
        assert!(eventually(|| gone(pid)), "{pid} of {script} is alive");
    }
}

/// Whether a process has ended; one that nobody waited for yet has.
fn gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

/// Waits for a condition, a minute at most.
fn eventually(condition: impl Fn() -> bool) -> bool {
    (0..6000).any(|_| {
        let met = condition();
        if !met {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        met
    })
}

#[test]
fn a_run_that_is_dropped_leaves_nothing() {
    drop_run("sleep 1000 & echo $! > \"$1\"; wait");
    drop_run("setsid sh -c 'echo $$ > \"$0\"; exec sleep 1000' \"$1\" & wait");
}

fn drop_run(script: &str) {
    let (folder, spec) = plugin(&format!("#!/bin/sh\n{script}\n"));
    let file = folder.path().join("pid");
    let spec = RunSpec {
        args: vec![file.clone().into()],
        ..spec
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pid = runtime.block_on(async {
        tokio::select! {
            result = run(&spec, &LIMITS) => panic!("{result:?}"),
            pid = contents(&file) => pid,
        }
    });
    assert!(eventually(|| gone(&pid)));
}

/// The file's text, as soon as there is one.
async fn contents(file: &Path) -> String {
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[test]
fn too_much_output_is_stopped_at_its_limit() {
    let (_folder, spec) = plugin("#!/bin/sh\nhead -c 100000000 /dev/zero\n");
    let result = run_now(&spec, &LIMITS);
    assert_eq!(
        result.outcome.to_string(),
        "printed more than 1048576 bytes and was stopped"
    );
    assert_eq!(result.stdout.len(), LIMITS.stdout_bytes);
}

#[test]
fn too_many_complaints_are_cut() {
    let (_folder, spec) = plugin("#!/bin/sh\nhead -c 1000000 /dev/zero >&2; echo a.value 1\n");
    let result = run_now(&spec, &LIMITS);
    assert_eq!(result.outcome, RunOutcome::Exited { code: 0 });
    assert_eq!(
        (result.stderr.len(), text(&result.stdout)),
        (1 << 10, "a.value 1\n".to_owned())
    );
}

#[test]
fn what_cannot_be_run_says_why() {
    let check = |prepare: &dyn Fn(&Path, &mut RunSpec), expect: &str| {
        let (_folder, mut spec) = plugin("#!/no/such/interpreter\n");
        let path = PathBuf::from(&spec.program);
        prepare(&path, &mut spec);
        let outcome = run_now(&spec, &LIMITS).outcome.to_string();
        let outcome = outcome.replace(path.to_str().unwrap(), "PATH");
        assert_eq!(outcome, expect);
    };
    check(
        &|_, _| {},
        "was not started: PATH cannot be executed: No such file or directory (os error 2)",
    );
    check(
        &|path, _| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(),
        "was not started: PATH cannot be executed: Permission denied (os error 13)",
    );
    check(
        &|_, spec| spec.helper = "/no/such/helper".into(),
        "was not started: /no/such/helper: No such file or directory (os error 2)",
    );
    check(
        &|_, spec| spec.user = Some("no-such-user".into()),
        "was not started: there is no user \"no-such-user\"",
    );
    check(
        &|_, spec| {
            spec.groups = vec![
                GroupWanted {
                    name: "no-such-group".into(),
                    optional: true,
                },
                GroupWanted {
                    name: "nor-this-one".into(),
                    optional: false,
                },
            ];
        },
        "was not started: there is no group \"nor-this-one\"",
    );
}

#[test]
fn a_script_without_an_interpreter_is_run_by_sh() {
    let (_folder, spec) = plugin("echo a.value 1\n");
    assert_eq!(text(&run_now(&spec, &LIMITS).stdout), "a.value 1\n");
}

#[test]
fn a_daemon_that_closed_its_output_is_left_alone() {
    let (folder, spec) = plugin(
        "#!/bin/sh\nsetsid sh -c 'echo $$ > \"$0\"; exec sleep 1000' \"$1\" </dev/null >/dev/null 2>&1 &\n\
         while [ ! -s \"$1\" ]; do :; done\necho a.value 1\n",
    );
    let file = folder.path().join("pid");
    let spec = RunSpec {
        args: vec![file.clone().into()],
        ..spec
    };
    let outcome = run_now(&spec, &LIMITS).outcome;
    assert_eq!(outcome, RunOutcome::Exited { code: 0 });
    let pid = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(!gone(&pid), "{pid}");
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn a_plugin_is_the_first_to_go_when_memory_runs_out() {
    let (_folder, spec) = plugin("#!/bin/sh\ncat /proc/self/oom_score_adj\n");
    let score: i32 = text(&run_now(&spec, &LIMITS).stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(score >= 500, "{score}");
}

#[test]
fn a_plugin_finds_a_clean_place() {
    let (_folder, mut spec) = plugin(
        "#!/bin/sh\npwd; umask; ulimit -n; ulimit -c; echo $#; cat; echo \"$HOME-$X\"; ls /proc/self/fd | wc -l; echo $0\n",
    );
    spec.env.push(("X".into(), "a b".into()));
    let path = spec.program.to_str().unwrap().to_owned();
    // `ls` has 0, 1, 2 and the folder that it lists open.
    let expect = format!("/\n0002\n64\n0\n0\n-a b\n4\n{path}\n");
    assert_eq!(text(&run_now(&spec, &LIMITS).stdout), expect);
}

#[test]
fn a_plugin_dies_of_a_closed_pipe_as_programs_do() {
    check("yes | head -n 1", &PATIENT, "exited with code 0", "y\n");
}

#[test]
fn only_root_switches_users() {
    let (_folder, mut spec) = plugin("#!/bin/sh\nid -un; id -gn\n");
    if nix::unistd::geteuid().is_root() {
        spec.user = Some("nobody".into());
        let result = run_now(&spec, &LIMITS);
        assert_eq!(text(&result.stdout), "nobody\nnogroup\n", "{result:?}");
        spec.groups = vec![
            GroupWanted {
                name: "no-such-group".into(),
                optional: true,
            },
            GroupWanted {
                name: "adm".into(),
                optional: false,
            },
        ];
        assert_eq!(text(&run_now(&spec, &LIMITS).stdout), "nobody\nadm\n");
    } else {
        spec.user = Some(nix::unistd::geteuid().to_string());
        let result = run_now(&spec, &LIMITS);
        assert!(result.outcome.succeeded(), "what it is already: {result:?}");
        spec.user = Some("root".into());
        let outcome = run_now(&spec, &LIMITS).outcome.to_string();
        let expect = "was not started: it is to run as user root, and only root may switch";
        assert!(outcome.starts_with(expect), "{outcome}");
    }
}
