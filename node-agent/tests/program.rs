//! The program itself: what it prints, how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Answer, Collector, Home, free_address, lines, noting, until, values};

#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

fn program(home: &Home, args: &[&str], toml: &str) -> Command {
    let file = home.path("agent.toml");
    let [plugins, conf, state] =
        ["plugins", "plugin-conf.d", "state"].map(|name| home.path(name).display().to_string());
    let text = format!(
        "host = \"web1\"\nplugin_dir = {plugins:?}\nplugin_conf_dir = {conf:?}\nstate_dir = {state:?}\n{toml}"
    );
    std::fs::write(&file, text).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is started, not a plugin"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_ravenry-agent"));
    command.args(args).arg("-c").arg(file);
    command
}

fn output(home: &Home, args: &[&str], toml: &str) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(home, args, toml).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

const GOOD: &str =
    "if [ \"$1\" = config ]; then echo graph_title G; echo a.label apples; else echo a.value 7; fi";

#[test]
fn once_prints_what_would_be_pushed() {
    let home = Home::new();
    home.plugin("good", GOOD);
    let (code, stdout, stderr) = output(&home, &["once"], "bundled = \"off\"\n");
    let words: Vec<&str> = stdout.split_whitespace().collect();
    assert_eq!(
        (code, words, stderr.as_str()),
        (0, vec!["web1", "good.a", "7", "apples"], "")
    );
    let (code, stdout, _) = output(&home, &["once", "--json"], "bundled = \"off\"\n");
    let batch: ravenry_plugins::wire::Batch = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, batch.graphs.len(), batch.samples.value.len()),
        (0, 1, 1)
    );
}

#[test]
fn once_says_which_plugin_failed() {
    let home = Home::new();
    home.plugin("bad", "echo 'no such disk' >&2; exit 3");
    let (code, _, stderr) = output(&home, &["once"], "bundled = \"off\"\n");
    assert_eq!(
        (code, stderr.as_str()),
        (1, "bad: config: exited with code 3: no such disk\n")
    );
}

#[test]
fn settings_of_plugin_conf_d_reach_the_plugin() {
    let home = Home::new();
    home.plugin(
        "good",
        "echo user $(id -un) colour $colour state $MUNIN_PLUGSTATE",
    );
    let user = "[good]\nenv.colour red\n";
    std::fs::write(home.path("plugin-conf.d").join("a"), user).unwrap();
    let (code, stdout, stderr) = output(&home, &["fetch", "good"], "");
    let user = if nix::unistd::geteuid().is_root() {
        "nobody"
    } else {
        stdout.split(' ').nth(1).unwrap()
    };
    let state = home.path("state/plugin-state").join(user);
    assert_eq!(
        (code, stdout.as_str()),
        (
            0,
            format!("user {user} colour red state {}\n", state.display()).as_str()
        ),
        "{stderr}"
    );
}

#[test]
fn a_bundled_plugin_prints_as_its_link_would() {
    let home = Home::new();
    let (code, stdout, _) = output(&home, &["config", "load"], "bundled = [\"load\"]\n");
    assert!(code == 0 && stdout.contains("load.label load"), "{stdout}");
    let (code, stdout, _) = output(&home, &["list"], "bundled = [\"load\"]\n");
    assert_eq!(
        (code, stdout.split_whitespace().collect::<Vec<_>>()),
        (0, vec!["load", "bundled"])
    );
}

#[test]
fn a_bad_configuration_is_refused_with_every_line() {
    let home = Home::new();
    let (code, _, stderr) = output(&home, &["run"], "colector = 1\ninterval = 0\n");
    assert_eq!(code, 1);
    assert!(
        stderr.contains("agent.toml:5: colector: unknown key")
            && stderr.contains("agent.toml:6: interval"),
        "{stderr}"
    );
}

#[test]
fn run_without_a_collector_says_what_is_missing() {
    let (code, _, stderr) = output(&Home::new(), &["run"], "");
    assert!(
        code == 1 && stderr.contains("no collector is configured"),
        "{stderr}"
    );
}

#[test]
fn lint_reads_recorded_output() {
    let home = Home::new();
    let (config, fetch) = (home.path("x.config"), home.path("x.fetch"));
    std::fs::write(&config, "graph_title X\na.label A\nnonsense\n").unwrap();
    std::fs::write(&fetch, "a.value 1600000000:5\n").unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is started, not a plugin"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_ravenry-agent"));
    let output = command
        .args(["lint", "--json", "--config"])
        .arg(config)
        .arg("--fetch")
        .arg(fetch)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["graphs"][0]["name"], "x");
    assert_eq!(report["graphs"][0]["fields"][0]["attributes"]["label"], "A");
    assert_eq!(report["samples"][0]["time"], 1_600_000_000);
    assert_eq!(report["samples"][0]["value"], "5");
    assert_eq!(
        (
            &report["problems"][0]["source"],
            &report["problems"][0]["line"]
        ),
        (&"config".into(), &3.into())
    );
}

fn lint(home: &Home, words: &[&str]) -> (i32, String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is started, not a plugin"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_ravenry-agent"));
    let output = command
        .arg("lint")
        .args(words)
        .current_dir(home.path("."))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn lint_says_every_problem_with_its_line() {
    let home = Home::new();
    let config = "host_name sw1\nwarning 5\na.label A\na.type GAGUE\na.negative none\na.cdef\nb.min 0\n\
        graph_order a z\nb.warning abc\n";
    std::fs::write(home.path("x-y.config"), config).unwrap();
    std::fs::write(
        home.path("x-y.fetch"),
        "a.value 0.000\nb.value\nc.value 7\nwhat?\n",
    )
    .unwrap();
    let (code, text) = lint(&home, &["--config", "x-y.config", "--fetch", "x-y.fetch"]);
    assert_eq!(code, 1);
    let expect = "\
x-y
  graph x_y: (no title)
    a                                       0.000  A
    b                                    no value  (no label)
  config:2: graph x_y: expected a graph_title, found none
  config:4: field a: type: expected GAUGE, COUNTER, DERIVE or ABSOLUTE, found \"GAGUE\"
  config:5: field a: negative: expected a field of this graph, found \"none\"
  config:7: field b: label: expected one, found none
  config:8: graph_order: expected fields of this graph, found \"z\"
  config:9: field b: warning: range \"abc\": expected `max`, `min:max`, `min:` or `:max`, found \"abc\"
  fetch:2: field b: expected a number or U, found \"\"
  fetch:4: expected `field.value reading`, found \"what?\"
  fetch: field b: graph x_y has readings, and none of this field
  fetch:3: field c: expected a field that config declares
";
    assert_eq!(text, expect);
    let (_, text) = lint(&home, &["--json", "--config", "x-y.config"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["graphs"][0]["attributes"]["host_name"], "sw1");
}

#[test]
fn lint_of_one_plugin_that_is_not_there_costs_only_itself() {
    let home = Home::new();
    home.plugin("good", GOOD);
    std::fs::write(
        home.path("agent.toml"),
        format!("state_dir = {:?}\n", home.path("state")),
    )
    .unwrap();
    let (code, text) = lint(&home, &["-c", "agent.toml", "none", "plugins/good"]);
    let expect = "\
none
  config: none: there is no such file
good
  graph good: G
    a                                           7  apples
";
    assert_eq!((code, text.as_str()), (1, expect));
}

/// Ended when the test is over, however that ends.
struct Started(Child);

impl Started {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn run_reloads_on_hangup_all_or_nothing_and_stops_on_terminate() {
    let home = Home::new();
    home.plugin("good", GOOD);
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Take).await;
    let toml = format!(
        "bundled = \"off\"\ncollector = \"http://{}\"\ntoken = \"s3cret\"\n",
        collector.address
    );
    let log = home.path("log");
    let stderr = std::fs::File::create(&log).unwrap();
    let started = program(&home, &["run"], &toml)
        .stderr(stderr)
        .stdout(Stdio::null())
        .spawn();
    let mut started = Started(started.unwrap());
    collector.taken(|taken| !taken.is_empty()).await;

    let _ = program(&home, &["run"], "interval = 0\n");
    started.signal(Signal::SIGHUP);
    let logged = |text: &str| lines(&log).iter().any(|line| line.contains(text));
    until("the bad configuration is refused", || {
        logged("stays in force")
    })
    .await;

    let _ = program(&home, &["run"], &format!("{toml}interval = 30\n"));
    started.signal(Signal::SIGHUP);
    let second = |taken: &[ravenry_plugins::wire::Batch]| {
        taken
            .iter()
            .any(|batch| batch.key.as_ref().is_some_and(|key| key.incarnation == 2))
    };
    collector.taken(second).await;

    started.signal(Signal::SIGTERM);
    let status = tokio::task::spawn_blocking(move || started.0.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_killed_agent_loses_nothing_that_was_on_disk_and_uses_no_key_twice() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    let address = free_address().await;
    let toml = format!(
        "bundled = \"off\"\ninterval = 1\ncollector = \"http://{address}\"\ntoken = \"s3cret\"\n"
    );
    let start = || {
        program(&home, &["run"], &toml)
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut killed = Started(start());
    let segment = home.path("state/spool/00000000000000000000.spool");
    let spooled = || std::fs::metadata(&segment).is_ok_and(|meta| meta.len() > 600);
    until("batches on disk", || {
        spooled() && lines(&home.path("notes")).len() > 3
    })
    .await;
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    let mut collector = Collector::start(address, Answer::Take).await;
    let _second = Started(start());
    let key = |batch: &ravenry_plugins::wire::Batch| {
        batch
            .key
            .as_ref()
            .map(|key| (key.incarnation, key.sequence))
            .unwrap()
    };
    let batches = collector
        .taken(|taken| taken.iter().any(|batch| key(batch).0 == 2))
        .await;
    let keys: Vec<_> = batches.iter().map(key).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    let values: Vec<f64> = values(&batches, "notes")
        .iter()
        .map(|(value, _)| *value)
        .collect();
    let of_the_killed = batches.iter().filter(|batch| key(batch).0 == 1).cloned();
    let of_the_killed: Vec<_> = of_the_killed.collect();
    let kept = support::values(&of_the_killed, "notes").len();
    let expected: Vec<f64> = (1..=kept).map(|n| n as f64).collect();
    assert!(kept > 0 && values[..kept] == expected, "{values:?}");
}
