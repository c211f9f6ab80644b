//! The agent beside munin-node and prometheus-node-exporter on this machine, in one run.
//!
//! ```text
//! cargo build --release -p ravenry-agent -p ravenry-plugins
//! cargo run --release -p ravenry-tests --bin bench-agent
//! ```
//!
//! CPU is user and system time of the program and of all that it started and waited for, so that plugins count where they
//! are programs. The plugins are those of Munin's that say that they would work here. Needs root and Debian's `munin-node`
//! and `prometheus-node-exporter`. What the figures were: docs/performance.md.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement that goes wrong is to end; figures are shown with three digits"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ravenry_tests::agent::Agent;
use ravenry_tests::munin::{Munin, PLUGINS, ask};
use ravenry_tests::program::{self, Running};
use ravenry_tests::{http, tool, wait};

/// Sessions with munin-node, and scrapes of node_exporter.
const SESSIONS: u32 = 5;
const SCRAPES: u32 = 50;

fn main() {
    let plugins = suggested();
    let links: Vec<(&str, &str)> = plugins
        .iter()
        .map(|(name, target)| (name.as_str(), target.as_str()))
        .collect();
    println!(
        "{} plugins of Munin's, CPU ms of a reading of all, resident MiB",
        links.len()
    );
    munin_node(&links);
    agent("agent, Munin's programs", &links, "\"off\"", 5, 40);
    agent("agent, bundled, each second", &[], "\"auto\"", 1, 30);
    agent("agent, bundled, each minute", &[], "\"auto\"", 60, 180);
    node_exporter();
    let size = fs::metadata(program::path("ravenry-agent")).unwrap().len();
    println!("{:<36} {:.1} MB", "the agent's program", size as f64 / 1e6);
}

/// Links that would make sense here, with their targets in Munin's folder.
fn suggested() -> Vec<(String, String)> {
    let agent = Agent::new("");
    let output = agent.output(&["suggest", "--shell", "--libdir", PLUGINS]);
    let link = |line: &str| {
        let mut quoted = line.split('\'').skip(1).step_by(2);
        let end = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let (target, name) = (end(quoted.next()?)?, end(quoted.next()?)?);
        Some((name, target))
    };
    output.stdout.lines().filter_map(link).collect()
}

fn line(name: &str, cpu: Duration, count: u32, pid: u32) {
    let each = cpu.as_secs_f64() * 1e3 / f64::from(count);
    println!("{name:<36} {each:>9.2} ms {:>8.1} MiB", resident_mib(pid));
}

fn munin_node(links: &[(&str, &str)]) {
    let mut node = Munin::new(links, "[df*]\nuser root\n");
    node.start();
    let mut commands = String::from("cap multigraph dirtyconfig\n");
    for (name, _) in links {
        commands += &format!("config {name}\nfetch {name}\n");
    }
    commands += "quit\n";
    let before = cpu(node.pid());
    for _ in 0..SESSIONS {
        let text = ask(node.address, &commands).unwrap();
        assert!(text.lines().filter(|line| *line == ".").count() >= 2 * links.len());
    }
    // The child of the last session is waited for when the next one comes.
    ask(node.address, "quit\n").unwrap();
    line(
        "munin-node, config and fetch",
        cpu(node.pid()) - before,
        SESSIONS,
        node.pid(),
    );
}

/// Runs an agent until what it does is what it always does, then for `seconds`.
fn agent(name: &str, links: &[(&str, &str)], bundled: &str, interval: u32, seconds: u32) {
    let mut agent = Agent::new("");
    let (address, taken) = sink();
    agent.configure(&format!(
        "host = \"bench\"\ncollector = \"http://{address}\"\nbundled = {bundled}\ninterval = {interval}\n"
    ));
    for (link, target) in links {
        agent.plugins.link(link, &format!("{PLUGINS}/{target}"));
    }
    let began = wait::now();
    agent.start();
    let first = taken.recv_timeout(Duration::from_secs(60)).unwrap();
    let pid = agent.running().pid();
    pass(Duration::from_secs(13));
    let before = cpu(pid);
    pass(Duration::from_secs(u64::from(seconds)));
    let used = cpu(pid) - before;
    line(name, used, seconds / interval, pid);
    let percent = used.as_secs_f64() / f64::from(seconds) * 100.0;
    println!("{:<36} {percent:>9.3} % of a core", "");
    let first = (first - began).as_secs_f64();
    println!("{:<36} {first:>9.2} s to the first batch taken", "");
}

fn node_exporter() {
    let Some(exporter) = tool::find("prometheus-node-exporter") else {
        return;
    };
    let address = tool::free_address();
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = program::command(exporter);
    command.arg(format!("--web.listen-address={address}"));
    let running = Running::start(&mut command, &folder.path().join("log"));
    let scrape = || http::get(address, "/metrics").is_ok_and(|answer| answer.status == 200);
    wait::until("node_exporter answers", scrape);
    let before = cpu(running.pid());
    for _ in 0..SCRAPES {
        assert!(scrape());
    }
    line(
        "node_exporter, scrape",
        cpu(running.pid()) - before,
        SCRAPES,
        running.pid(),
    );
}

/// A collector that takes everything and does nothing, and when it took something.
fn sink() -> (SocketAddr, Receiver<Instant>) {
    let (taken, when) = sync_channel(1);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = taken.clone();
            thread::spawn(move || swallow(stream, &taken));
        }
    });
    (address, when)
}

fn swallow(mut stream: TcpStream, taken: &SyncSender<Instant>) {
    let mut bytes = Vec::new();
    let mut some = [0; 64 << 10];
    while let Ok(read @ 1..) = stream.read(&mut some) {
        bytes.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some(head) = text.find("\r\n\r\n") else {
            continue;
        };
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let length: usize = length
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0);
        if bytes
            .windows(4)
            .position(|it| it == b"\r\n\r\n")
            .unwrap_or(head)
            + 4
            + length
            > bytes.len()
        {
            continue;
        }
        bytes.clear();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"accepted\":1}";
        if stream.write_all(answer).is_err() {
            return;
        }
        // Only the first one counts.
        let _ = taken.try_send(wait::now());
    }
}

/// What is measured is a rate: time itself is what is waited for.
fn pass(time: Duration) {
    let began = wait::now();
    wait::value_within(time + Duration::from_secs(5), "time passes", || {
        (began.elapsed() >= time).then_some(())
    });
}

/// User and system time of a process and of all children that it waited for, in ticks of 10 ms.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11..15]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(10 * ticks)
}

fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kib / 1024.0
}
