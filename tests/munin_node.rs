//! Beside Munin: a real Munin master polls the agent's munin-node port and writes its files.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ravenry_tests::agent::Agent;
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

/// All that is answered to `lines`, the greeting included.
fn ask(address: SocketAddr, lines: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(lines.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
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
    let began = wait::now();
    for _ in 0..50 {
        (&stream).write_all(b"fetch uptime\n").unwrap();
        read_until(".");
    }
    // Nagle's algorithm would cost 40 ms each: 2 seconds.
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(1000),
        "50 answers took {took:?}"
    );
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
