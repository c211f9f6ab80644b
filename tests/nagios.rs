//! Nagios checks: those of Debian's monitoring-plugins-basic as they stand, and the way of a verdict from its check to the
//! page, the API and a person.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::BTreeMap;
use std::fs;

use ravenry_tests::agent::Agent;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::mail::MailServer;
use ravenry_tests::webhook::Webhook;
use ravenry_tests::{program, tool, wait};
use serde_json::{Value, json};

const DEBIANS: &str = "/usr/lib/nagios/plugins";

/// Checks that can run on one machine alone, with the fields of their graphs. `PORT` is one where the collector listens,
/// `CLOSED` one where nobody does.
const LOCAL: [(&str, &str, &[&str]); 24] = [
    (
        "load",
        "check_load -w 900,900,900 -c 999,999,999",
        &["load1", "load15", "load5"],
    ),
    (
        "load_crit",
        "check_load -w 0,0,0 -c 0,0,0",
        &["load1", "load15", "load5"],
    ),
    ("disk", "check_disk -w 0% -c 0% -p /", &["_"]),
    ("disk_crit", "check_disk -w 99% -c 98% -p /", &["_"]),
    ("users", "check_users -w 500 -c 1000", &["users"]),
    ("procs", "check_procs -w 1:9000 -c 1:9999", &["procs"]),
    ("procs_warn", "check_procs -w 9000: -c 0:", &["procs"]),
    ("swap", "check_swap -w 10% -c 5%", &["swap"]),
    ("dummy_ok", "check_dummy 0 fine", &[]),
    ("dummy_warn", "check_dummy 1", &[]),
    ("dummy_crit", "check_dummy 2 'it is broken'", &[]),
    ("dummy_unknown", "check_dummy 3 'no idea'", &[]),
    ("tcp", "check_tcp -H 127.0.0.1 -p PORT", &["time"]),
    ("tcp_crit", "check_tcp -H 127.0.0.1 -p CLOSED", &[]),
    (
        "http",
        "check_http -H 127.0.0.1 -p PORT -u /api/v1/hosts",
        &["size", "time"],
    ),
    (
        "http_warn",
        "check_http -H 127.0.0.1 -p PORT -u /nothing",
        &["size", "time"],
    ),
    (
        "http_crit",
        "check_http -H 127.0.0.1 -p PORT -u /api/v1/hosts -s 'no such words'",
        &["size", "time"],
    ),
    ("http_refused", "check_http -H 127.0.0.1 -p CLOSED", &[]),
    (
        "file_age",
        "check_file_age -w 9999999999 -c 9999999999 -f /etc/passwd",
        &["age", "size"],
    ),
    ("file_age_crit", "check_file_age -f /nonexistent", &[]),
    ("cluster", "check_cluster -s -l web -w 1 -c 2 -d 0,2,2", &[]),
    ("ssh_crit", "check_ssh -p CLOSED 127.0.0.1", &[]),
    ("negated", "negate -s check_dummy 2 broken", &[]),
    ("usage", "check_disk --no-such-option", &[]),
];

#[test]
fn debians_local_plugins_say_here_what_they_say_by_hand() {
    if !tool::is_there(&format!("{DEBIANS}/check_load")) {
        return;
    }
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[alerts]\nattempts = 1\nall_clear = \"0\"\nhold = \"0\"\nunknown_limit = 1\n"
    ));
    let commands = LOCAL.map(|(name, line, _)| (name, command(&collector, line)));
    let mut agent = Agent::new("");
    let checks = commands
        .iter()
        .map(|(name, line)| format!("[[check]]\nname = \"{name}\"\ncommand = {line:?}\n"));
    agent.configure(&format!(
        "{}{}",
        pushing(&collector),
        checks.collect::<String>()
    ));
    agent.start();

    let by_hand: BTreeMap<&str, (Value, String)> = commands
        .iter()
        .map(|(name, line)| (*name, by_hand(line)))
        .collect();
    let found = wait::value("each check has a verdict", || {
        let found = verdicts(&collector);
        (found.len() == LOCAL.len()).then_some(found)
    });
    for (name, (severity, first_word)) in &by_hand {
        let check = &found[*name];
        assert_eq!(check["severity"], *severity, "{name}: {check}");
        let said = check["output"].as_str().unwrap();
        assert!(
            said.starts_with(first_word),
            "{name}: {said:?}, by hand {first_word:?}"
        );
    }
    for (name, _, fields) in LOCAL {
        wait::until(
            &format!("the numbers of {name} are drawn: {fields:?}"),
            || fields_of(&collector, name) == fields,
        );
    }
    thresholds_are_shown_and_base_units_used(&collector);
}

/// The line as it is run here: in the folder of the plugins, some of which call each other.
fn command(collector: &Collector, line: &str) -> String {
    let (open, closed) = (collector.address().port(), tool::free_address().port());
    let line = line
        .replace("PORT", &open.to_string())
        .replace("CLOSED", &closed.to_string())
        .replace(" check_dummy", &format!(" {DEBIANS}/check_dummy"));
    format!("{DEBIANS}/{line}")
}

fn pushing(collector: &Collector) -> String {
    let token = collector.pusher("checks").token;
    format!(
        "host = \"web1\"\ncollector = \"http://{}\"\ntoken = \"{token}\"\n",
        collector.address()
    )
}

/// The severity by the exit code, and the first word of what is printed.
fn by_hand(line: &str) -> (Value, String) {
    let output = program::output_of(program::command("/bin/sh").arg("-c").arg(line));
    let severity = match output.code {
        0 => "ok",
        1 => "warning",
        2 => "critical",
        _ => "unknown",
    };
    let first = output.stdout.split_whitespace().next().unwrap_or("it");
    (severity.into(), first.to_owned())
}

/// The Nagios checks of the host, by name.
fn verdicts(collector: &Collector) -> BTreeMap<String, Value> {
    let checks = collector.api("/checks");
    let named = checks["checks"].as_array().unwrap().iter();
    named
        .filter_map(|check| Some((check["check"].as_str()?.to_owned(), check.clone())))
        .collect()
}

/// The fields of all graphs of a check, sorted, those that have a value.
fn fields_of(collector: &Collector, name: &str) -> Vec<String> {
    let host = collector.api("/hosts/web1");
    let mut fields = Vec::new();
    for graph in host["graphs"].as_array().unwrap() {
        let graph_name = graph["name"].as_str().unwrap();
        let of_check = ["", "_seconds", "_bytes"]
            .iter()
            .any(|unit| graph_name == format!("{name}{unit}"));
        if of_check {
            let latest = graph["latest"].as_array().unwrap().iter();
            fields.extend(latest.map(|it| it["field"].as_str().unwrap().to_owned()));
        }
    }
    fields.sort();
    fields
}

fn thresholds_are_shown_and_base_units_used(collector: &Collector) {
    let load = collector.api("/hosts/web1/graphs/load");
    let fields = load["fields"].as_array().unwrap();
    let one = fields
        .iter()
        .find(|field| field["name"] == "load1")
        .unwrap();
    assert_eq!(
        (&one["warning"], &one["critical"]),
        (&json!("0:900"), &json!("0:999"))
    );
    let disk = collector.api("/hosts/web1/graphs/disk_bytes");
    assert_eq!(disk["base"], 1024, "{disk}");
    let used = disk["latest"][0]["value"].as_f64().unwrap();
    assert!(
        used > 1e8,
        "bytes, not the megabytes of some version: {used}"
    );
    let judged = collector.api("/checks");
    let of_fields = judged["checks"].as_array().unwrap().iter();
    let of_fields: Vec<&Value> = of_fields
        .filter(|check| !check["field"].is_null())
        .collect();
    assert!(of_fields.is_empty(), "a check is told once: {of_fields:?}");
}

#[test]
fn what_a_check_says_reaches_the_page_and_the_person_and_its_end_too() {
    let webhook = Webhook::start();
    let folder = tempfile::TempDir::new().unwrap();
    let Some(mail) = MailServer::start(folder.path()) else {
        return;
    };
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[alerts]\nattempts = 2\nall_clear = \"0\"\nhold = \"0\"\n\
         [contact.hook]\nwebhook = \"{}\"\n[contact.ops]\nmail = \"ops@example.net\"\n\
         [mail]\nserver = \"{}\"\nport = {}\nfrom = \"ravenry@example.net\"\n",
        webhook.url(),
        mail.address().ip(),
        mail.address().port()
    ));
    let mut agent = Agent::new(&pushing(&collector));
    let said = agent.path("said");
    let say = |code: u32, text: &str| {
        let beside = said.with_extension("new");
        fs::write(&beside, format!("cat <<'END'\n{text}\nEND\nexit {code}\n")).unwrap();
        fs::rename(beside, &said).unwrap();
    };
    say(0, "RAID OK - 2 disks | disks=2;2:;1:");
    agent.checks.write("check_raid", &format!(". {said:?}"));
    agent.start();
    wait::until("the check is ok", || {
        verdicts(&collector)
            .get("check_raid")
            .is_some_and(|check| check["severity"] == "ok")
    });

    say(
        2,
        "RAID CRITICAL - sdb <failed> | disks=1;2:;1:\nsda is fine\nsdb is not",
    );
    let body = wait::value("the problem is posted", || {
        webhook.bodies().into_iter().next()
    });
    let check = |key: &str, expect: Value| assert_eq!(body[key], expect, "{key}: {body}");
    check("check", "check_raid".into());
    check("host", "web1".into());
    check("graph", Value::Null);
    check("severity", "critical".into());
    check(
        "subject",
        "[critical] web1: check_raid: RAID CRITICAL - sdb <failed>".into(),
    );
    check(
        "output",
        "RAID CRITICAL - sdb <failed>\nsda is fine\nsdb is not".into(),
    );
    let mails = wait::value("the problem is mailed", || {
        Some(mail.mails()).filter(|mails| !mails.is_empty())
    });
    let text = format!("{:?}", mails[0]);
    assert!(text.contains("sdb is not"), "{text}");
    for path in ["/host/web1", "/graph/web1/check_raid"] {
        let page = collector.get(path);
        assert!(
            page.text().contains("RAID CRITICAL - sdb &#60;failed&#62;"),
            "{path}: {}",
            page.text()
        );
    }

    say(0, "RAID OK - 2 disks | disks=2;2:;1:");
    let over = wait::value("its end is posted", || webhook.bodies().into_iter().nth(1));
    let subject = over["subject"].as_str().unwrap();
    assert!(
        subject.starts_with("[ok] web1: check_raid: RAID OK - 2 disks (was critical for "),
        "{subject}"
    );
    assert_eq!(
        webhook.bodies().len(),
        2,
        "one problem, one notice, one end"
    );
}

#[test]
fn a_check_that_hangs_or_is_not_there_is_unknown_and_says_why() {
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[alerts]\nattempts = 1\nall_clear = \"0\"\nhold = \"0\"\nunknown_limit = 1\n"
    ));
    let mut agent = Agent::new("");
    agent.configure(&format!(
        "{}timeout = 1\n\
         [[check]]\nname = \"hangs\"\ncommand = \"sleep 100\"\n\
         [[check]]\nname = \"missing\"\ncommand = [\"/nonexistent/check\", \"-w\"]\n\
         [[check]]\nname = \"odd\"\ncommand = \"exit 42\"\n\
         [[check]]\nname = \"killed\"\ncommand = \"kill -9 $$\"\n\
         [[check]]\nname = \"elsewhere\"\nhost = \"router1\"\ncommand = \"echo fine\"\n",
        pushing(&collector)
    ));
    agent.start();
    let found = wait::value("each check has a verdict", || {
        let found = verdicts(&collector);
        (found.len() == 5).then_some(found)
    });
    for (name, severity, said) in [
        ("hangs", "unknown", "the check timed out after 1 s"),
        ("missing", "unknown", "the check was not started: "),
        ("odd", "unknown", "it printed nothing"),
        ("killed", "unknown", "the check was ended by SIGKILL"),
        ("elsewhere", "ok", "fine"),
    ] {
        let check = &found[name];
        assert_eq!(check["severity"], severity, "{check}");
        assert!(
            check["output"].as_str().unwrap().starts_with(said),
            "{check}"
        );
    }
    assert_eq!(found["elsewhere"]["host"], "router1");
    assert!(collector.api_if_there("/hosts/router1").is_some());
}

#[test]
fn a_verdict_can_be_pushed_by_hand() {
    let collector = Collector::started(WITHOUT_AGENT);
    let pusher = collector.pusher("backup");
    let verdict = |verdict: &str, text: &str| {
        json!({"version": 1, "host": "db1", "verdicts": [
            {"check": "backup", "time": wait::utc_seconds(), "verdict": verdict, "text": text}]})
    };
    let answer = pusher.push(&verdict("ok", "done in 5 minutes")).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["accepted"]),
        (200, &json!(1))
    );
    wait::until("it is shown", || {
        verdicts(&collector)
            .get("backup")
            .is_some_and(|check| check["output"] == "done in 5 minutes")
    });
    let answer = pusher.push(&verdict("fine", "")).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
}
