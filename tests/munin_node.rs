//! Beside Munin: a real Munin master polls the agent's munin-node port and writes its files; the collector polls a real
//! munin-node.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ravenry_tests::agent::Agent;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::munin::{Munin, ask};
use ravenry_tests::rrdtool::Rrdtool;
use ravenry_tests::{program, tool, wait};

const PLUGINS: &str = "/usr/share/munin/plugins";
const MUNIN_UPDATE: &str = "/usr/share/munin/munin-update";

/// An agent that pushes to nobody and listens for Munin masters.
fn agent(more: &str) -> (Agent, SocketAddr) {
    let address = tool::free_address();
    let mut agent = Agent::new("");
    agent.configure(&format!(
        "host = \"node.example.net\"\ncollector = \"http://127.0.0.1:1\"\n\
         bundled = [\"memory\", \"uptime\"]\n{more}\
         [munin_node]\nlisten = \"{address}\"\n"
    ));
    for (name, target) in [
        ("load", "load"),
        ("df", "df"),
        ("if_lo", "if_"),
        ("cpu", "cpu"),
    ] {
        agent.plugins.link(name, &format!("{PLUGINS}/{target}"));
    }
    agent.start();
    wait::until("the port is open and knows its plugins", || {
        ask(address, "list\nquit\n").is_some_and(|text| text.contains("uptime"))
    });
    (agent, address)
}

#[test]
fn the_port_answers_as_munin_node_does() {
    if !tool::is_there(PLUGINS) {
        return;
    }
    let (agent, address) = agent("");
    agent.plugins.write("fails", "echo trouble >&2; exit 1");
    agent.plugins.write_graph(
        "sw1",
        "host_name sw1\ngraph_title S\nx.label x",
        "echo x.value 1",
    );
    agent.checks.write("check_it", "echo OK");
    wait::until("what was dropped in is listed", || {
        let text = ask(address, "list sw1\nquit\n").unwrap();
        text.ends_with("\nsw1\n")
    });
    let text = ask(
        address,
        "cap multigraph dirtyconfig\nlist\nnodes\nconfig uptime\nfetch uptime\nfetch load\nfetch fails\nfetch check_it\nhelp\nquit\n",
    );
    let text = text.unwrap();
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap();
    assert_eq!(next(), "# munin node at node.example.net");
    assert_eq!(next(), "cap multigraph dirtyconfig");
    assert_eq!(next(), "cpu df fails if_lo load memory uptime");
    assert_eq!([next(), next(), next()], ["node.example.net", "sw1", "."]);
    assert_eq!(next(), "graph_title Uptime");
    let rest: Vec<&str> = lines.skip_while(|line| *line != ".").skip(1).collect();
    assert!(rest[0].starts_with("uptime.value "), "{rest:?}");
    assert_eq!(rest[1], ".");
    assert!(rest[2].starts_with("load.value "), "{rest:?}");
    assert_eq!(
        rest[3..],
        [
            ".",
            "# Bad exit",
            ".",
            "# Unknown service",
            ".",
            "# Unknown command. Try cap, list, nodes, config, fetch, version or quit",
        ]
    );
}

#[test]
fn no_answer_waits_for_an_acknowledgement() {
    if !tool::is_there(PLUGINS) {
        return;
    }
    let (_agent, address) = agent("");
    let stream = TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut read_until = |end: &str| loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it hung up");
        if line.trim_end().starts_with(end) {
            break;
        }
    };
    read_until("# munin node");
    // Nagle's algorithm would cost each of them 40 ms; a busy machine costs some of them as much.
    let quickest = (0..50).map(|_| {
        let began = wait::now();
        (&stream).write_all(b"fetch uptime\n").unwrap();
        read_until(".");
        began.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < Duration::from_millis(35), "{quickest:?}");
}

#[test]
fn who_is_not_allowed_hears_nothing() {
    let address = tool::free_address();
    let mut agent = Agent::new("");
    agent.configure(&format!(
        "collector = \"http://127.0.0.1:1\"\n[munin_node]\nlisten = \"{address}\"\nallow = [\"192.0.2.0/24\"]\n"
    ));
    agent.start();
    wait::until("the port is open", || TcpStream::connect(address).is_ok());
    assert!(matches!(ask(address, "list\n").as_deref(), None | Some("")));
    wait::until("the log says so", || {
        agent.log().contains("127.0.0.1 is not allowed to ask")
    });
}

/// A Munin master of its own, with everything in `folder`.
struct Master {
    config: PathBuf,
    db: PathBuf,
}

impl Master {
    fn new(folder: &Path, node: SocketAddr) -> Self {
        let munin = nix::unistd::User::from_name("munin").unwrap().unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["db", "html", "log", "run", "conf.d"] {
            fs::create_dir(folder.join(name)).unwrap();
            chown(folder.join(name), Some(munin.uid.as_raw()), None).unwrap();
        }
        let at = |name: &str| folder.join(name).display().to_string();
        let text = format!(
            "dbdir {}\nhtmldir {}\nlogdir {}\nrundir {}\nincludedir {}\n\
             [node.example.net]\n  address {}\n  port {}\n",
            at("db"),
            at("html"),
            at("log"),
            at("run"),
            at("conf.d"),
            node.ip(),
            node.port()
        );
        fs::write(folder.join("munin.conf"), text).unwrap();
        Self {
            config: folder.join("munin.conf"),
            db: folder.join("db/example.net"),
        }
    }

    fn update(&self) {
        let line = format!("{MUNIN_UPDATE} --config {} --nofork", self.config.display());
        let output = program::output_of(
            program::command("su").args(["munin", "-s", "/bin/sh", "-c", &line]),
        );
        assert_eq!(output.code, 0, "{output:?}");
    }

    fn file(&self, field: &str) -> PathBuf {
        self.db.join(format!("node.example.net-{field}.rrd"))
    }
}

#[test]
fn a_munin_master_polls_the_agent_and_writes_its_files() {
    let Some(rrdtool) = Rrdtool::find() else {
        return;
    };
    if !tool::is_there(MUNIN_UPDATE) || !tool::is_there(PLUGINS) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: only root can run a master as its own user");
        return;
    }
    let (_agent, address) = agent("");
    let folder = tempfile::TempDir::new().unwrap();
    let master = Master::new(folder.path(), address);
    master.update();
    for field in [
        "load-load-g",
        "if_lo-down-d",
        "cpu-idle-d",
        "memory-free-g",
        "uptime-uptime-g",
    ] {
        let file = master.file(field);
        assert!(file.exists(), "{}", file.display());
        let info = rrdtool.run(&["info", &file.display().to_string()]);
        let last = info.lines().find(|line| line.starts_with("ds[42].last_ds"));
        let reading = last.and_then(|line| line.split('"').nth(1)).unwrap();
        assert!(reading.parse::<f64>().is_ok(), "{field}: {reading:?}");
    }
    let files = fs::read_dir(&master.db).unwrap().count();
    assert!(files > 20, "{files} files");
}

fn polling(address: SocketAddr, more: &str) -> String {
    format!(
        "{WITHOUT_AGENT}[[munin_node]]\nhost = \"old\"\naddress = \"{}\"\nport = {}\ninterval = \"1s\"\n{more}",
        address.ip(),
        address.port()
    )
}

fn latest(collector: &Collector, host: &str, graph: &str) -> Vec<(String, f64)> {
    let Some(detail) = collector.api_if_there(&format!("/hosts/{host}/graphs/{graph}")) else {
        return Vec::new();
    };
    let latest = detail["latest"].as_array().unwrap().iter();
    latest
        .filter_map(|it| Some((it["field"].as_str()?.to_owned(), it["value"].as_f64()?)))
        .collect()
}

#[test]
fn the_collector_polls_debians_munin_node() {
    if !tool::is_there("/usr/sbin/munin-node") || !tool::is_there(PLUGINS) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: only root can run munin-node");
        return;
    }
    let plugins = [
        ("load", "load"),
        ("cpu", "cpu"),
        ("if_lo", "if_"),
        ("meminfo", "meminfo"),
        ("uptime", "uptime"),
    ];
    let mut node = Munin::new(&plugins, "[uptime]\nhost_name sw1\n");
    node.start();
    let mut collector = Collector::started(&polling(node.address, "hosts = [\"sw*\"]\n"));
    wait::until(
        "plain, counted, wildcard and multigraph plugins have values",
        || {
            ["load", "cpu", "if_lo", "meminfo_phisical"]
                .iter()
                .all(|graph| !latest(&collector, "old", graph).is_empty())
        },
    );
    wait::until("so has the plugin that speaks for another host", || {
        !latest(&collector, "sw1", "uptime").is_empty()
    });
    let old = collector.api("/hosts/old");
    assert_eq!(old["host"]["state"], "up", "{old}");
    let runs = old["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["error"].is_null()), "{runs:?}");

    // A start of the collector is a new start of the poller: nothing is taken for a batch that was seen.
    let before = old["host"]["last_contact"].as_f64().unwrap();
    collector.kill();
    collector.start();
    wait::until("polling goes on after a crash", || {
        let host = collector.api_if_there("/hosts/old");
        host.is_some_and(|host| host["host"]["last_contact"].as_f64() > Some(before + 2.0))
    });

    node.kill();
    wait::until("the log says that it is gone", || {
        collector.log().contains("munin-node of old, 127.0.0.1:")
    });
    node.start();
    wait::until("and that it is back", || {
        collector.log().contains("munin-node of old answers again")
    });
}

/// Answers one connection after the other with `replies`, by the first word of the request.
fn fake_node(replies: fn(&str) -> String) -> SocketAddr {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut reply = "# munin node at spooling\n".to_owned();
            loop {
                let mut line = String::new();
                let sent = (&stream).write_all(reply.as_bytes());
                let read = lines.read_line(&mut line);
                if sent.is_err() || !read.is_ok_and(|read| read > 0) || line.starts_with("quit") {
                    break;
                }
                reply = replies(line.trim());
            }
        }
    });
    address
}

#[test]
fn a_spool_is_asked_once_for_what_is_new_and_keeps_its_times() {
    let address = fake_node(|line| match line.split_once(' ') {
        Some(("cap", _)) => "cap spool\n".to_owned(),
        Some(("spoolfetch", since)) => {
            let since: i64 = since.parse().unwrap();
            let newest = wait::utc_seconds() / 10 * 10;
            let times = (newest - 100..=newest)
                .step_by(10)
                .filter(|time| *time > since);
            let values: String = times
                .map(|time| format!("now.value {time}:{time}\n"))
                .collect();
            format!(
                "multigraph clock\ngraph_title Clock\nupdate_rate 10\nnow.label now\n{values}.\n"
            )
        }
        _ => "# Unknown command\n".to_owned(),
    });
    let collector = Collector::started(&format!(
        "[store]\nreorder_window = \"1s\"\n{}",
        polling(address, "")
    ));
    let began = wait::utc_seconds();
    let rows = wait::value("spooled and new values have arrived", || {
        collector.api_if_there("/hosts/old/graphs/clock")?;
        let rows = collector
            .rows("old", "clock", began - 120, wait::utc_seconds(), 10)
            .known("now");
        (!rows.is_empty()).then_some(rows)
    });
    assert!(!rows.is_empty());
    let detail = wait::value("the newest stamp is that of now", || {
        let detail = collector.api("/hosts/old/graphs/clock");
        (detail["last_update"].as_f64()? > (began + 5) as f64).then_some(detail)
    });
    let latest = &detail["latest"][0];
    assert_eq!(
        latest["time"].as_f64(),
        latest["value"].as_f64(),
        "each value is its own time"
    );
    assert!(
        !collector.log().contains("late"),
        "nothing is asked twice: {}",
        collector.log()
    );
}
