//! The whole story with the built programs: a collector with real plugins, a second host that pushes to it, the collector
//! killed and started again meanwhile, rrdtool's view of the files beside ours, a threshold that is crossed and one mail.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use ravenry_tests::collector::Collector;
use ravenry_tests::mail::MailServer;
use ravenry_tests::plugin::Folder;
use ravenry_tests::program::{self, Running};
use ravenry_tests::rrdtool::Rrdtool;
use ravenry_tests::webhook::Webhook;
use ravenry_tests::{http, tool, wait};
use serde_json::Value;
use tempfile::TempDir;

const MUNIN: &str = "/usr/share/munin/plugins";

/// Debian's plugins by the names under which they are linked: plain ones, a wildcard, a multigraph one.
const LINKED: [(&str, &str); 5] = [
    ("load", "load"),
    ("df_abs", "df_abs"),
    ("vmstat", "vmstat"),
    ("if_lo", "if_"),
    ("meminfo", "meminfo"),
];

#[test]
fn two_hosts_are_watched_through_a_crash_and_one_problem_is_told_once() {
    let servers = TempDir::new().unwrap();
    let Some(mail) = MailServer::start(servers.path()) else {
        return;
    };
    let Some(rrdtool) = Rrdtool::find() else {
        return;
    };
    if !tool::is_there(MUNIN) {
        return;
    }
    let webhook = Webhook::start();
    let local = LocalPlugins::new(servers.path());
    let mut collector = Collector::new(&configuration(&local, &mail, &webhook));
    collector.start();

    local_host_shows_real_data(&collector);
    debians_plugins_run(&collector);

    let mut second = SecondHost::start(&collector);
    wait::until("the second host's readings arrive", || {
        second.rows(&collector).len() > 3
    });
    let told_none = (mail.mails().len(), webhook.bodies().len());
    assert_eq!(told_none, (0, 0), "nothing is wrong yet");

    history_survives_a_crash(&mut collector, &second);
    rrdtool_sees_what_the_api_shows(&collector, &rrdtool, &second);
    problem_is_told_once(&mut collector, &second, &mail, &webhook);
    recovery_is_told_once(&collector, &second, &mail, &webhook);

    let (status, took) = second.running.take().unwrap().stop(Signal::SIGTERM);
    assert!(status.success() && took.as_secs() < 5, "{status} {took:?}");
    let (status, took) = collector.stop(Signal::SIGTERM);
    assert!(status.success() && took.as_secs() < 5, "{status} {took:?}");
}

/// The plugins beside the bundled ones on the collector's own machine.
struct LocalPlugins {
    plugins: Folder,
    conf: Folder,
}

impl LocalPlugins {
    fn new(folder: &Path) -> Self {
        let plugins = Folder::new(folder.join("plugins"));
        for (name, target) in LINKED {
            plugins.link(name, &format!("{MUNIN}/{target}"));
        }
        let conf = Folder::new(folder.join("plugin-conf.d"));
        let text = "[load]\nenv.load_warning 7777\nenv.load_critical 8888\n";
        fs::write(conf.path().join("load"), text).unwrap();
        Self { plugins, conf }
    }
}

fn configuration(local: &LocalPlugins, mail: &MailServer, webhook: &Webhook) -> String {
    let (plugins, conf) = (local.plugins.path(), local.conf.path());
    let (host, port) = (mail.address().ip(), mail.address().port());
    let url = webhook.url();
    format!(
        "[store]\nreorder_window = \"1s\"\nflush_interval = \"2s\"\n\
         [agent]\nhost = \"first\"\ninterval = \"2s\"\nplugin_dir = {plugins:?}\nplugin_conf_dir = {conf:?}\n\
         [group.\"story/pushing\"]\nhosts = [\"second\"]\n\
         [[threshold]]\nmute = true\n[[host]]\nmute = true\n\
         [alerts]\nall_clear = \"0\"\nhold = \"0\"\n\
         [[threshold]]\nhost = \"sec*\"\ngraph = \"dial\"\ncritical = 90\nattempts = 2\nmute = false\ncontacts = [\"ops\", \"hook\"]\n\
         [contact.ops]\nmail = \"ops@example.net\"\n\
         [contact.hook]\nwebhook = \"{url}\"\n\
         [mail]\nserver = \"{host}\"\nport = {port}\nfrom = \"ravenry@example.net\"\nsecurity = \"none\"\n"
    )
}

fn local_host_shows_real_data(collector: &Collector) {
    let began = wait::utc();
    let detail = wait::value("the collector's own machine is known", || {
        let detail = collector.api_if_there("/hosts/first")?;
        let graphs = detail["graphs"].as_array()?;
        (graphs.len() > 15).then_some(detail)
    });
    assert!(wait::utc() - began < 15.0, "first values within 15 seconds");
    for name in ["cpu", "memory", "df", "processes", "uptime", "swap"] {
        let graph = graph_of(&detail, name);
        let latest = graph["latest"].as_array().unwrap();
        assert!(!latest.is_empty(), "{name}: {graph}");
    }
}

fn graph_of<'a>(host: &'a Value, name: &str) -> &'a Value {
    let graphs = host["graphs"].as_array().unwrap();
    let found = graphs.iter().find(|graph| graph["name"] == name);
    found.unwrap_or(&Value::Null)
}

/// Unmodified, with what plugin-conf.d says, through wildcard links, and several graphs from one.
fn debians_plugins_run(collector: &Collector) {
    let load = wait::value("Debian's load has run", || {
        collector.api_if_there("/hosts/first/graphs/load")
    });
    let ours = program::output("ravenry-plugin", &["load", "config"]).stdout;
    let info = load["info"].as_str().unwrap();
    assert!(
        !info.is_empty() && !ours.contains(info),
        "Debian's plugin runs in place of the bundled one: {info}"
    );
    let field = &load["fields"][0];
    assert_eq!(
        (&field["warning"], &field["critical"]),
        (&":7777".into(), &":8888".into())
    );
    for graph in ["df_abs", "vmstat", "if_lo"] {
        wait::until(&format!("{graph} has values"), || {
            let detail = collector.api_if_there(&format!("/hosts/first/graphs/{graph}"));
            detail.is_some_and(|detail| !detail["latest"].as_array().unwrap().is_empty())
        });
    }
    wait::until("a multigraph plugin has several graphs", || {
        let detail = collector.api("/hosts/first");
        let graphs = detail["graphs"].as_array().unwrap();
        let of_meminfo = |graph: &&Value| {
            graph["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("meminfo"))
        };
        graphs.iter().filter(of_meminfo).count() > 2
    });
}

/// Another host: an agent of its own that pushes with a token.
struct SecondHost {
    running: Option<Running>,
    dial: PathBuf,
    beats: PathBuf,
    _folder: TempDir,
}

impl SecondHost {
    fn start(collector: &Collector) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (dial, beats) = (at("dial"), at("beats"));
        // Started by root, plugins run as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(&dial, "10").unwrap();
        fs::write(&beats, "").unwrap();
        fs::set_permissions(&beats, Permissions::from_mode(0o666)).unwrap();
        let plugins = Folder::new(at("plugins"));
        plugins.write_graph(
            "heart",
            "graph_title Time\nupdate_rate 1\nnow.label now",
            &format!("echo beat >> {beats:?}; echo now.value $(date +%s.%N)"),
        );
        plugins.write_graph(
            "dial",
            "graph_title Dial\nupdate_rate 1\ndial.label degrees\ndial.warning 1000",
            &format!("echo dial.value $(cat {dial:?})"),
        );
        let token = collector.pusher("second").token;
        let toml = format!(
            "host = \"second\"\ncollector = \"http://{}\"\ntoken = \"{token}\"\ninterval = \"1s\"\n\
             plugin_dir = {:?}\nstate_dir = {:?}\nbundled = [\"uptime\", \"load\"]\n",
            collector.address(),
            plugins.path(),
            at("state"),
        );
        fs::write(at("agent.toml"), toml).unwrap();
        let mut command = program::command(program::path("ravenry-agent"));
        command.arg("run").arg("-c").arg(at("agent.toml"));
        Self {
            running: Some(Running::start(&mut command, &at("agent.log"))),
            dial,
            beats,
            _folder: folder,
        }
    }

    /// How often its heart plugin has run.
    fn beats(&self) -> usize {
        fs::read_to_string(&self.beats).map_or(0, |text| text.lines().count())
    }

    fn wait_for_beats(&self, count: usize) {
        let until = self.beats() + count;
        wait::until("the second host's plugins go on", || self.beats() >= until);
    }

    fn turn_dial(&self, degrees: &str) {
        let beside = self.dial.with_extension("new");
        fs::write(&beside, degrees).unwrap();
        fs::rename(beside, &self.dial).unwrap();
    }

    /// The rows of the heart plugin, which reads the time: each row should hold its own time.
    fn rows(&self, collector: &Collector) -> BTreeMap<i64, f64> {
        let now = wait::utc_seconds();
        match collector.api_if_there("/hosts/second/graphs/heart") {
            Some(_) => collector
                .rows("second", "heart", now - 600, now, 1)
                .known("now"),
            None => BTreeMap::new(),
        }
    }
}

fn history_survives_a_crash(collector: &mut Collector, second: &SecondHost) {
    let before = second.rows(collector);
    collector.kill();
    let killed = wait::utc_seconds();
    assert!(http::get(collector.address(), "/").is_err(), "it is gone");
    second.wait_for_beats(8);
    let started = wait::utc_seconds();
    collector.start();

    let after = wait::value("what was spooled has arrived", || {
        let rows = second.rows(collector);
        let newest = *rows.keys().last()?;
        (newest > started + 1).then_some(rows)
    });
    for (time, value) in &before {
        assert_eq!(
            after.get(time),
            Some(value),
            "what was there is still there"
        );
    }
    let meanwhile = after.range(killed..=started).count();
    let seconds = usize::try_from(started - killed).unwrap();
    assert!(
        meanwhile * 10 >= seconds * 8,
        "{meanwhile} of {seconds} rows from while the collector was away"
    );
    for (time, value) in &after {
        let off = value - *time as f64;
        assert!(
            (-2.0..4.0).contains(&off),
            "row {time} holds {value}: {off:.3} s off"
        );
    }
}

/// After a flush, all rows up to the last update of each file are the same on both sides.
fn rrdtool_sees_what_the_api_shows(collector: &Collector, rrdtool: &Rrdtool, second: &SecondHost) {
    collector.flush();
    let mut known = 0;
    for (host, graph, step) in [
        ("second", "heart", 1),
        ("second", "dial", 1),
        ("second", "uptime", 60),
        ("first", "cpu", 60),
        ("first", "load", 60),
        ("first", "if_lo", 60),
        ("first", "df_abs", 60),
    ] {
        known += compare(collector, rrdtool, (host, graph), step);
    }
    assert!(known > 20, "only {known} known rows were compared");

    let heart = collector.rrd("second", "heart").display().to_string();
    let info = rrdtool.run(&["info", &heart]);
    for line in [
        "step = 1",
        "ds[now].type = \"GAUGE\"",
        "rra[0].cf = \"AVERAGE\"",
    ] {
        assert!(info.contains(line), "{line} in {info}");
    }
    let counters = collector.rrd("first", "cpu").display().to_string();
    assert!(
        rrdtool
            .run(&["info", &counters])
            .contains("ds[idle].type = \"DERIVE\"")
    );
    graph_agrees(collector, rrdtool, second, &heart);
}

fn compare(
    collector: &Collector,
    rrdtool: &Rrdtool,
    (host, graph): (&str, &str),
    step: i64,
) -> usize {
    let file = collector.rrd(host, graph);
    let last = rrdtool.last(&file) / step * step;
    let start = last - 20 * step;
    let theirs = rrdtool.fetch(&file, step, start, last);
    let ours = collector.rows(host, graph, start, last, step);
    assert_eq!(ours.step, step, "{host}/{graph}");
    assert_eq!(ours.fields.len(), theirs.sources.len(), "{host}/{graph}");
    let mut known = 0;
    for (field, rows) in ours.fields.iter().filter(|(field, _)| field.len() <= 19) {
        let rows_of_theirs = &theirs.sources[field];
        for (time, value) in rows.range(..=last) {
            let shown = rows_of_theirs.get(time).copied().flatten();
            let same = match (value, shown) {
                (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(
                same,
                "{host}/{graph}.{field} at {time}: ours {value:?}, rrdtool's {shown:?}"
            );
            known += usize::from(value.is_some());
        }
    }
    known
}

/// `rrdtool graph` draws the file and computes the average that our rows have.
fn graph_agrees(collector: &Collector, rrdtool: &Rrdtool, second: &SecondHost, file: &str) {
    let rows = second.rows(collector);
    let last = rrdtool.last(Path::new(file));
    let times: Vec<i64> = rows.range(..=last).map(|(time, _)| *time).collect();
    let (start, end) = (
        times[times.len().saturating_sub(6)] - 1,
        *times.last().unwrap(),
    );
    let picture = collector.folder().join("heart.png").display().to_string();
    let (start, end) = (start.to_string(), end.to_string());
    let printed = rrdtool.run(&[
        "graph",
        &picture,
        "-s",
        &start,
        "-e",
        &end,
        "-w",
        "400",
        &format!("DEF:now={file}:now:AVERAGE"),
        "VDEF:first=now,FIRST",
        "VDEF:last=now,LAST",
        "LINE1:now#336699:now",
        "PRINT:first:%.3lf",
        "PRINT:last:%.3lf",
    ]);
    let numbers: Vec<f64> = printed
        .lines()
        .skip(1)
        .filter_map(|line| line.parse().ok())
        .collect();
    let near = |number: f64| rows.values().any(|row| (row - number).abs() < 0.002);
    assert!(
        numbers.len() == 2 && numbers.iter().copied().all(near),
        "{printed} in {rows:?}"
    );
    assert_eq!(&fs::read(picture).unwrap()[..4], b"\x89PNG");
}

fn problem_is_told_once(
    collector: &mut Collector,
    second: &SecondHost,
    mail: &MailServer,
    webhook: &Webhook,
) {
    second.turn_dial("95.5");
    wait::until("the mail and the webhook are there", || {
        !mail.mails().is_empty() && !webhook.bodies().is_empty()
    });
    let subject = mail.subjects()[0].clone();
    assert!(
        subject.contains("second") && subject.contains("dial"),
        "{subject}"
    );
    let body = webhook.bodies()[0].clone();
    assert_eq!(
        (
            &body["kind"],
            &body["severity"],
            &body["host"],
            &body["graph"],
            &body["value"]
        ),
        (
            &"problem".into(),
            &"critical".into(),
            &"second".into(),
            &"dial".into(),
            &95.5.into()
        )
    );
    assert!(incident(collector)["closed"].is_null());

    collector.kill();
    collector.start();
    wait_for_judgement(collector);
    assert_eq!(
        check(collector)["severity"],
        "critical",
        "it is still known as a problem"
    );
    let told = (mail.subjects(), webhook.bodies().len());
    assert_eq!(
        told,
        (vec![subject], 1),
        "nobody is told again after a restart"
    );
}

/// Five more readings of the dial have been judged.
fn wait_for_judgement(collector: &Collector) {
    let newest = || {
        let detail = collector.api_if_there("/hosts/second/graphs/dial")?;
        detail["last_update"].as_f64()
    };
    let from = wait::value("the dial is known", newest);
    wait::until("the dial is read five times", || {
        newest().is_some_and(|newest| newest > from + 5.0)
    });
}

fn check(collector: &Collector) -> Value {
    let detail = collector.api("/hosts/second/graphs/dial");
    detail["checks"][0].clone()
}

fn recovery_is_told_once(
    collector: &Collector,
    second: &SecondHost,
    mail: &MailServer,
    webhook: &Webhook,
) {
    second.turn_dial("12");
    wait::until("the recovery is told", || {
        mail.mails().len() > 1 && webhook.bodies().len() > 1
    });
    wait_for_judgement(collector);
    assert_eq!(check(collector)["severity"], "ok");
    let kinds: Vec<Value> = webhook
        .bodies()
        .iter()
        .map(|body| body["kind"].clone())
        .collect();
    assert_eq!(kinds, ["problem", "recovery"]);
    assert_eq!(mail.mails().len(), 2, "{:?}", mail.subjects());
    assert!(incident(collector)["closed"].is_number());
}

/// The only incident of the dial.
fn incident(collector: &Collector) -> Value {
    let all = collector.api("/incidents");
    let of_dial = all["incidents"].as_array().unwrap().iter();
    let of_dial: Vec<&Value> = of_dial
        .filter(|one| one["cause"]["graph"] == "dial")
        .collect();
    assert_eq!(of_dial.len(), 1, "{all}");
    of_dial[0].clone()
}
