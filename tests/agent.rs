//! The agent as an operator meets it: enrolment, fail-over, plugins that come, hang and break, links, and what it keeps on
//! disk.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use ravenry_tests::agent::Agent;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::{program, tool, wait};
use serde_json::{Value, json};

/// A plugin that reads the time.
fn put_clock(agent: &Agent, name: &str) {
    agent.plugins.write_graph(
        name,
        "graph_title Time\nnow.label now",
        "echo now.value $(date +%s)",
    );
}

fn latest(collector: &Collector, graph: &str) -> Option<f64> {
    let detail = collector.api_if_there(&format!("/hosts/web1/graphs/{graph}"))?;
    detail["latest"][0]["value"].as_f64()
}

#[test]
fn a_one_time_token_makes_an_agent_known_and_works_once() {
    let collector = Collector::started(WITHOUT_AGENT);
    let made = collector.administer(&["token", "new", "rack 7", "--once", "--hosts", "web*"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let once = made.stdout.trim().to_owned();
    let url = format!("http://{}", collector.address());
    let mut agent = Agent::new("host = \"web1\"\n");
    put_clock(&agent, "clock");

    let unenrolled = agent.output(&["run"]);
    assert_eq!(unenrolled.code, 1);
    assert!(
        unenrolled.stderr.contains("ravenry-agent enroll"),
        "{}",
        unenrolled.stderr
    );
    let enrolled = agent.output(&["enroll", &url, &once]);
    assert_eq!(
        (enrolled.code, enrolled.stderr.as_str()),
        (0, ""),
        "{enrolled:?}"
    );
    let kept = agent.state_dir().join("enrolled.json");
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !fs::read_to_string(&kept).unwrap().contains(&once),
        "the token is the agent's own"
    );

    let again = agent.output(&["enroll", &url, &once]);
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains("the collector refuses: HTTP 401"),
        "{}",
        again.stderr
    );
    agent.start();
    wait::until("its readings arrive", || {
        latest(&collector, "clock").is_some()
    });
    let list = collector.administer(&["token", "list"]).stdout;
    assert!(
        list.starts_with("web1 ") && list.contains("hosts web*"),
        "{list}"
    );
    assert_eq!(
        list.lines().count(),
        1,
        "the one-time token is gone: {list}"
    );
}

#[test]
fn another_collector_takes_over_when_the_first_does_not_answer() {
    let mut first = Collector::started(WITHOUT_AGENT);
    let token = first.pusher("both").token;
    let (_, _) = first.stop(Signal::SIGTERM);
    // The second one knows the same tokens: it begins with a copy of the first one's data.
    let mut second = Collector::new(WITHOUT_AGENT);
    fs::create_dir_all(second.data()).unwrap();
    let state = "state.sqlite";
    fs::copy(first.data().join(state), second.data().join(state)).unwrap();
    first.start();
    second.start();
    let mut agent = Agent::new(&format!(
        "host = \"web1\"\ncollector = [\"http://{}\", \"http://{}\"]\ntoken = \"{token}\"\n",
        first.address(),
        second.address()
    ));
    put_clock(&agent, "clock");
    agent.start();
    wait::until("the first has its readings", || {
        latest(&first, "clock").is_some()
    });
    assert_eq!(latest(&second, "clock"), None);
    first.kill();
    wait::until("the second has them", || latest(&second, "clock").is_some());
}

#[test]
fn plugins_come_and_go_without_a_restart_and_a_slow_one_delays_nobody() {
    let collector = Collector::started(WITHOUT_AGENT);
    let mut agent = Agent::new("");
    agent.configure(&format!("{}timeout = 3600\n", pushing(&collector)));
    agent.plugins.write("slow", "sleep 3000");
    put_clock(&agent, "clock");
    agent.start();
    wait::until("the plugin beside the slow one is read", || {
        latest(&collector, "clock").is_some()
    });
    let first = latest(&collector, "clock").unwrap();
    put_clock(&agent, "dropped_in");
    wait::until("the plugin that was dropped in is read", || {
        latest(&collector, "dropped_in").is_some()
    });
    wait::until("the first goes on", || {
        latest(&collector, "clock") > Some(first + 2.0)
    });
    agent
        .plugins
        .write_graph("clock", "graph_title T\nnow.label now", "echo now.value 7");
    wait::until("a changed plugin is run as it is now", || {
        latest(&collector, "clock") == Some(7.0)
    });
}

#[test]
fn config_is_asked_once_and_not_at_each_reading() {
    let collector = Collector::started(WITHOUT_AGENT);
    let mut agent = Agent::new(&pushing(&collector));
    let asked = agent.path("asked");
    fs::write(&asked, "").unwrap();
    fs::set_permissions(&asked, fs::Permissions::from_mode(0o666)).unwrap();
    agent.plugins.write(
        "count",
        &format!(
            "echo \"${{1:-fetch}}\" >> {asked:?}\n\
             if [ \"$1\" = config ]; then echo graph_title C; echo n.label n; else echo n.value 1; fi"
        ),
    );
    agent.start();
    let lines = |word: &str| {
        let text = fs::read_to_string(&asked).unwrap();
        text.lines().filter(|line| *line == word).count()
    };
    wait::until("it was read several times", || lines("fetch") >= 4);
    assert_eq!(lines("config"), 1);
}

#[test]
fn a_broken_plugin_is_tried_less_and_less_and_says_so() {
    let collector = Collector::started(WITHOUT_AGENT);
    let mut agent = Agent::new(&pushing(&collector));
    agent
        .plugins
        .write("broken", "echo 'no such disk' >&2; exit 3");
    agent.start();
    let word = "failed 4 times in a row, next run in";
    wait::until("the host's page says so", || {
        let host = collector.api_if_there("/hosts/web1");
        let runs = host
            .and_then(|host| host["runs"].as_array().cloned())
            .unwrap_or_default();
        runs.iter().any(|run| {
            run["plugin"] == "broken" && run["error"].as_str().is_some_and(|why| why.contains(word))
        })
    });
    wait::until("the list says so", || {
        let list = agent.output(&["list"]).stdout;
        list.lines().any(|line| {
            line.starts_with("broken")
                && line.contains("no such disk")
                && line.contains("next run in")
        })
    });
    assert!(collector.get("/agents").text().contains("no such disk"));
}

fn pushing(collector: &Collector) -> String {
    let token = collector.pusher("web1").token;
    format!(
        "host = \"web1\"\ncollector = \"http://{}\"\ntoken = \"{token}\"\n",
        collector.address()
    )
}

#[test]
fn debians_plugins_are_suggested_linked_and_unlinked() {
    if !tool::is_there("/usr/share/munin/plugins/if_") {
        return;
    }
    let agent = Agent::new("");
    let table = agent
        .output(&["suggest", "--libdir", "/usr/share/munin/plugins"])
        .stdout;
    let row = |table: &str, name: &str| {
        let found = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        let cells = found
            .unwrap_or("")
            .split('|')
            .map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>()
    };
    assert_eq!(row(&table, "load"), ["load", "no", "yes"]);
    assert_eq!(
        row(&table, "nfsd")[1..],
        ["no".to_owned(), "no [no /proc/net/rpc/nfsd]".to_owned()]
    );
    assert!(row(&table, "if_")[2].starts_with("yes (+"), "{table}");

    let enabled = agent.output(&["enable", "load", "if_lo"]);
    assert_eq!((enabled.code, enabled.stderr.as_str()), (0, ""));
    let table = agent.output(&["suggest", "load", "if_"]).stdout;
    assert_eq!(row(&table, "load"), ["load", "yes", "yes"]);
    assert!(
        row(&table, "if_")[2].contains("-lo"),
        "no traffic of its own is suggested: {table}"
    );
    let once = agent.output(&["once"]);
    assert_eq!(once.code, 0, "{once:?}");
    assert!(once.stdout.contains("load.load"), "{}", once.stdout);

    let disabled = agent.output(&["disable", "load"]);
    assert_eq!(disabled.code, 0, "{disabled:?}");
    assert!(!agent.plugins.path().join("load").exists());
    let refused = agent.output(&["disable", "cpu"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("bundled"),
        "{refused:?}"
    );
    let missing = agent.output(&["enable", "no_such_plugin"]);
    assert!(
        missing.code == 1 && missing.stderr.contains("--program"),
        "{missing:?}"
    );
    let links = agent.output(&["suggest", "--shell", "load"]).stdout;
    let link = agent.plugins.path().join("load");
    assert_eq!(
        links,
        format!(
            "ln -s '/usr/share/munin/plugins/load' '{}'\n",
            link.display()
        )
    );
}

#[test]
fn what_waits_is_readable_by_its_user_alone_and_arrives_with_its_true_times() {
    let mut collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[store]\nreorder_window = \"1s\"\n"
    ));
    let mut agent = Agent::new(&pushing(&collector));
    agent.plugins.write_graph(
        "clock",
        "graph_title Time\nupdate_rate 1\nnow.label now",
        "echo now.value $(date +%s)",
    );
    agent.start();
    wait::until("its readings arrive", || {
        latest(&collector, "clock").is_some()
    });
    collector.kill();
    let killed = wait::utc_seconds();
    wait::until("readings wait on disk", || wait::utc_seconds() > killed + 6);
    let spool = agent.state_dir().join("spool");
    assert_eq!(mode(&spool), 0o700);
    let files: Vec<u32> = fs::read_dir(&spool)
        .unwrap()
        .map(|entry| mode(&entry.unwrap().path()))
        .collect();
    assert!(
        !files.is_empty() && files.iter().all(|mode| *mode == 0o600),
        "{files:?}"
    );
    // Killed and started again, it has lost nothing that it had read.
    agent.kill();
    let gap = wait::utc_seconds();
    agent.start();
    collector.start();
    let rows = wait::value("what waited has arrived", || {
        let now = wait::utc_seconds();
        let rows = collector
            .rows("web1", "clock", killed - 2, now, 1)
            .known("now");
        (*rows.keys().last()? > gap + 3).then_some(rows)
    });
    let away = rows.range(killed + 1..gap - 1).count();
    let seconds = usize::try_from(gap - killed - 2).unwrap();
    assert!(
        away * 10 >= seconds * 7,
        "{away} of {seconds} rows: {rows:?}"
    );
    for (time, value) in rows {
        let off = value - time as f64;
        assert!((-2.0..2.0).contains(&off), "row {time} holds {value}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn bundled_plugins_run_where_no_state_can_be_kept() {
    let agent =
        Agent::new("state_dir = \"/proc/nowhere\"\nbundled = [\"load\", \"cpu\", \"memory\"]\n");
    let once = agent.output(&["once", "--json"]);
    assert_eq!((once.code, once.stderr.as_str()), (0, ""));
    let batch: Value = serde_json::from_str(&once.stdout).unwrap();
    assert_eq!(batch["graphs"].as_array().unwrap().len(), 3);
    let refused = program::output_of(&mut agent.command(&["fetch", "nothing"]));
    assert_eq!(refused.code, 1);
    assert_eq!(batch["version"], json!(1));
}

#[test]
fn a_renamed_host_goes_on_under_its_new_name_and_what_waited_keeps_the_old_one() {
    let mut collector = Collector::started(WITHOUT_AGENT);
    let settings = pushing(&collector);
    let mut agent = Agent::new(&settings);
    put_clock(&agent, "clock");
    agent.start();
    wait::until("its readings arrive", || {
        latest(&collector, "clock").is_some()
    });
    collector.kill();
    let killed = wait::utc_seconds();
    wait::until("readings wait on disk", || wait::utc_seconds() > killed + 5);
    agent.configure(&settings.replace("host = \"web1\"", "host = \"web2\""));
    agent.running().signal(Signal::SIGHUP);
    wait::until("it has read its new name", || {
        agent.log().contains("host=web2")
    });
    collector.start();
    wait::until("the new name has readings", || {
        let detail = collector.api_if_there("/hosts/web2/graphs/clock");
        detail.is_some_and(|detail| detail["latest"][0]["value"].as_f64().is_some())
    });
    let last = latest(&collector, "clock").unwrap();
    assert!(
        last > (killed + 1) as f64,
        "what waited belongs to the old name: {last}, {killed}"
    );
}

#[test]
fn two_agents_of_one_name_are_both_heard() {
    let collector = Collector::started(WITHOUT_AGENT);
    let settings = pushing(&collector);
    let mut agents = ["left", "right"].map(|name| {
        let mut agent = Agent::new(&settings);
        put_clock(&agent, name);
        agent.start();
        agent
    });
    wait::until("both are heard", || {
        ["left", "right"]
            .iter()
            .all(|name| latest(&collector, name).is_some())
    });
    agents[0].stop();
    let before = latest(&collector, "right").unwrap();
    wait::until("one goes on without the other", || {
        latest(&collector, "right") > Some(before + 1.0)
    });
}

#[test]
fn an_agent_that_is_started_again_and_again_loses_and_repeats_nothing() {
    let collector = Collector::started(WITHOUT_AGENT);
    let mut agent = Agent::new(&pushing(&collector));
    put_clock(&agent, "clock");
    let mut last = 0.0;
    for _ in 0..4 {
        agent.start();
        wait::until("this start is heard", || {
            latest(&collector, "clock") > Some(last)
        });
        last = latest(&collector, "clock").unwrap();
        agent.kill();
    }
    assert!(
        !agent.log().contains("another agent's, too"),
        "{}",
        agent.log()
    );
    assert!(!agent.log().contains("refused"), "{}", agent.log());
}
