//! How the collector starts, refuses to start, reads its configuration again, and stops.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::plugin::Folder;
use ravenry_tests::program::{self, Running};
use ravenry_tests::{push, wait};
use tempfile::TempDir;

const STOPS_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_second_collector_is_told_who_holds_the_data_directory() {
    let collector = Collector::started(WITHOUT_AGENT);
    let second = program::output_of(&mut collector.command());
    let (pid, address, data) = (collector.pid(), collector.address(), collector.data());
    assert_eq!(second.code, 1);
    let expect = format!(
        "ravenry: data directory {} is in use by ravenry process {pid} (http://{address}): stop it first, or name another directory with --data\n",
        data.display()
    );
    assert_eq!(second.stderr, expect);
}

#[test]
fn a_second_collector_is_told_who_holds_the_port() {
    let collector = Collector::started(WITHOUT_AGENT);
    let elsewhere = TempDir::new().unwrap();
    let mut command = program::command(program::path("ravenry"));
    command.arg("serve").arg("-c").arg(collector.config());
    command.arg("--data").arg(elsewhere.path());
    let second = program::output_of(&mut command);
    assert_eq!(second.code, 1);
    let (pid, address) = (collector.pid(), collector.address());
    let expect = format!("ravenry: cannot listen on {address}: ");
    assert!(second.stderr.starts_with(&expect), "{}", second.stderr);
    assert!(
        second.stderr.contains(&format!("{pid}")),
        "{}",
        second.stderr
    );
    assert!(
        second.stderr.ends_with("listens there already\n"),
        "{}",
        second.stderr
    );
}

#[test]
fn a_killed_collector_holds_nothing() {
    let mut collector = Collector::started(WITHOUT_AGENT);
    collector.kill();
    collector.start();
}

#[test]
fn signals_stop_it_within_five_seconds_and_the_graphs_go_on() {
    let folder = TempDir::new().unwrap();
    let plugins = Folder::new(folder.path().join("plugins"));
    // A plugin that is under way must not hold the collector up.
    plugins.write_graph("slow", "graph_title Slow\na.label a", "sleep 600");
    plugins.write_graph(
        "quick",
        "graph_title Quick\nupdate_rate 1\na.label a",
        "echo a.value 5",
    );
    let mut collector = Collector::new(&format!(
        "[agent]\nhost = \"one\"\ninterval = \"1s\"\nplugin_dir = {:?}\n[store]\nreorder_window = \"0s\"\n",
        plugins.path()
    ));
    let known = |collector: &Collector| {
        let now = wait::utc_seconds();
        let there = collector.api_if_there("/hosts/one/graphs/quick");
        there.map_or(0, |_| {
            collector
                .rows("one", "quick", now - 600, now, 1)
                .known("a")
                .len()
        })
    };
    let mut rows = 0;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        collector.start();
        wait::until("rows are stored", || known(&collector) >= rows + 3);
        rows = known(&collector);
        let (status, took) = collector.stop(signal);
        assert!(status.success(), "{signal}: {status}");
        assert!(took < STOPS_WITHIN, "{signal}: {took:?}");
    }
    collector.start();
    assert!(
        known(&collector) >= rows,
        "what was stored is there after both stops"
    );
}

#[test]
fn a_bad_configuration_is_refused_whole_and_the_running_one_stays() {
    let toml = |group: &str, limit: &str| {
        format!(
            "{WITHOUT_AGENT}[group.{group}]\nhosts = [\"*\"]\n[[threshold]]\nwarning = {limit}\n"
        )
    };
    let collector = Collector::started(&toml("first", "10"));
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    by.push(&push::gauge("h", "g", 60, &[(now - 60, 5.0)]))
        .unwrap();
    let groups = || {
        collector.api("/hosts/h")["host"]["groups"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let severity = || collector.api("/hosts/h/graphs/g")["checks"][0]["severity"].clone();
    wait::until("the reading is judged", || severity() == "ok");
    assert_eq!(groups(), "first");

    collector.configure(&toml("second", "'many'"));
    collector.reload();
    let source = collector.config().display().to_string();
    wait::until("the problem is logged with its line", || {
        let log = collector.log();
        log.contains(&format!("{source}:9: threshold.warning")) && log.contains("stays in force")
    });
    assert_eq!(
        groups(),
        "first",
        "nothing of a bad configuration takes effect"
    );

    collector.configure(&toml("third", "3"));
    collector.reload();
    wait::until("a good one takes effect", || groups() == "third");
    by.push(&push::gauge("h", "g", 60, &[(now, 5.0)])).unwrap();
    for minute in 1..4 {
        by.push(&push::gauge("h", "g", 60, &[(now + minute, 5.0)]))
            .unwrap();
    }
    wait::until("the new threshold counts", || severity() == "warning");
}

#[test]
fn check_config_names_every_problem_with_its_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ravenry.toml");
    let source = file.display().to_string();
    let check = || program::output("ravenry", &["check-config", "-c", &source]);

    fs::write(&file, "[http]\nlisten = \"127.0.0.1:4950\"\n").unwrap();
    let good = check();
    assert_eq!(
        (good.code, good.stdout),
        (0, format!("{source}: no problems\n"))
    );

    fs::write(
        &file,
        "[http]\nlissten = 1\n[[threshold]]\ngraph = \"df\"\nwarning = \"high\"\n",
    )
    .unwrap();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(
        folder.path().join("conf.d/more.toml"),
        "# fine\n[nonsense]\n",
    )
    .unwrap();
    let bad = check();
    let lines: Vec<&str> = bad.stdout.lines().collect();
    assert_eq!((bad.code, lines.len()), (1, 3), "{}", bad.stdout);
    let begins = [
        format!("{source}:2: http.lissten: unknown key"),
        format!("{source}:5: threshold.warning: "),
        format!(
            "{}:2: nonsense: unknown key",
            folder.path().join("conf.d/more.toml").display()
        ),
    ];
    for (line, begin) in lines.iter().zip(&begins) {
        assert!(line.starts_with(begin), "{line}\n{begin}");
    }

    fs::remove_file(&file).unwrap();
    assert_eq!(check().code, 1, "a file that was asked for must be there");
}

#[test]
fn a_bad_configuration_is_no_start() {
    let collector = Collector::new("[nonsense]\n");
    let output = program::output_of(&mut collector.command());
    let expect = format!("{}:3: nonsense: unknown key", collector.config().display());
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains(&expect), "{}", output.stderr);
}

#[test]
fn without_a_command_it_serves_on_safe_defaults_from_any_directory() {
    let folder = TempDir::new().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    fs::create_dir(&data).unwrap();
    fs::write(
        data.join("ravenry.toml"),
        "[http]\nlisten = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let mut command = program::command(program::path("ravenry"));
    let running = Running::start(
        command.current_dir(folder.path()).args(["--data", "data"]),
        &log,
    );
    let began = wait::utc();
    let address = wait::value("it says its address", || {
        let log = running.log();
        let line = log
            .lines()
            .find(|line| line.trim_start().starts_with("pages"))?;
        let url = line.split_whitespace().nth(1)?;
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .ok()
    });
    assert!(
        running.log().contains(&data.display().to_string()),
        "{}",
        running.log()
    );
    let hosts = wait::value("its own machine is seen", || {
        let answer = ravenry_tests::http::get(address, "/api/v1/hosts").ok()?;
        let hosts = answer.json();
        (hosts["hosts"][0]["graphs"].as_u64()? > 5).then_some(hosts)
    });
    assert!(
        wait::utc() - began < 15.0,
        "first values within 15 seconds: {hosts}"
    );
}
