//! What comes from outside and is wrong: each gets a status and a sentence where a person looks, and nothing else is lost.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::http::{self, Answer};
use ravenry_tests::plugin::Folder;
use ravenry_tests::program::{self, Running};
use ravenry_tests::push::{self, Pusher};
use ravenry_tests::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

const JSON: &str = "application/json";
const GZIP: [(&str, &str); 1] = [("content-encoding", "gzip")];

/// The answer has this status and its sentence holds these words.
fn check(what: &str, answer: &Answer, status: u16, words: &[&str]) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{what}: {text}");
    let sentence = answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        !sentence.is_empty() && sentence.len() < 1000,
        "{what}: {text}"
    );
    for word in words {
        assert!(
            sentence.contains(word),
            "{what}: expected {word:?} in {sentence:?}"
        );
    }
}

fn good(now: i64) -> Value {
    push::gauge("good", "g", 1, &[(now - 2, 1.0), (now - 1, 2.0)])
}

/// After anything bad, a good push is taken and what was there is there.
fn a_good_push_still_works(by: &Pusher, collector: &Collector, what: &str) {
    let now = wait::utc_seconds();
    let answer = by
        .push(&push::gauge("good", "g", 1, &[(now, 2.0)]))
        .unwrap();
    assert_eq!(answer.status, 200, "after {what}: {}", answer.text());
    assert_eq!(
        collector.api("/hosts/good")["host"]["graphs"],
        1,
        "after {what}"
    );
}

#[test]
fn a_bad_push_gets_a_status_and_a_sentence() {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    assert_eq!(by.push(&good(now)).unwrap().json()["accepted"], 2);

    let stranger = Pusher {
        token: "rvn_0123456789".to_owned(),
        ..by.clone()
    };
    check(
        "wrong token",
        &stranger.push(&good(now)).unwrap(),
        401,
        &["nobody knows this token"],
    );
    let body = good(now).to_string();
    let without = [("content-type", JSON)];
    let answer = http::send(
        by.address,
        "POST",
        "/api/v1/push",
        &without,
        body.as_bytes(),
    )
    .unwrap();
    check("no token", &answer, 401, &["Authorization: Bearer TOKEN"]);

    let mut next = good(now);
    next["version"] = json!(2);
    check(
        "wrong version",
        &by.push(&next).unwrap(),
        400,
        &["version 2", "expected version 1"],
    );
    for host in ["../../etc", "a/b", "", ".", "x\0y"] {
        let mut batch = good(now);
        batch["host"] = json!(host);
        check(host, &by.push(&batch).unwrap(), 400, &["host name"]);
        let mut batch = good(now);
        batch["series"]["host"] = json!([host]);
        check(host, &by.push(&batch).unwrap(), 400, &["host name"]);
    }
    let mut batch = good(now);
    batch["series"]["graph"] = json!(["../g"]);
    check("graph", &by.push(&batch).unwrap(), 400, &["graph name"]);
    let mut batch = good(now);
    batch["samples"]["series"] = json!([0, 7]);
    check("index", &by.push(&batch).unwrap(), 400, &["7"]);

    let half = &body.as_bytes()[..body.len() / 2];
    check(
        "half a body",
        &by.send(JSON, &[], half).unwrap(),
        400,
        &["beginning of one"],
    );
    check("no body", &by.send(JSON, &[], b"").unwrap(), 400, &[]);
    check(
        "a picture",
        &by.send("image/png", &[], half).unwrap(),
        415,
        &["image/png", "application/msgpack"],
    );
    check(
        "no type",
        &by.send("", &[], half).unwrap(),
        415,
        &["content type"],
    );
    let brotli = [("content-encoding", "br")];
    check(
        "brotli",
        &by.send(JSON, &brotli, half).unwrap(),
        415,
        &["br", "gzip"],
    );
    check(
        "not gzip",
        &by.send(JSON, &GZIP, half).unwrap(),
        400,
        &["gzip"],
    );
    check(
        "not msgpack",
        &by.send("application/msgpack", &[], &[0xff; 300]).unwrap(),
        400,
        &[],
    );
    a_good_push_still_works(&by, &collector, "all that");
    let hosts = collector.api("/hosts");
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 1, "{hosts}");
}

#[test]
fn a_connection_that_breaks_off_is_that_connections_problem() {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    by.push(&good(wait::utc_seconds())).unwrap();
    let head = format!(
        "POST /api/v1/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {JSON}\r\ncontent-length: 5000\r\n\r\n{{\"version\":1",
        by.token
    );
    for bytes in [
        head.as_str(),
        "GET",
        "\0\0\0\0\r\n\r\n",
        "POST /api/v1/push HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        let answer = http::send_raw(by.address, bytes.as_bytes()).unwrap_or_default();
        assert!(!answer.contains(" 200 "), "{bytes:?}: {answer}");
    }
    a_good_push_still_works(&by, &collector, "broken connections");
}

#[test]
fn times_that_make_no_sense_cost_only_their_readings() {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    let samples = [
        (1000, 1.0),
        (now - 1, 2.0),
        (now, 3.0),
        (now + 86_400, 4.0),
        (now + 100 * 365 * 86_400, 5.0),
    ];
    let answer = by.push(&push::gauge("good", "g", 1, &samples)).unwrap();
    let ack = answer.json();
    assert_eq!(answer.status, 200, "{ack}");
    assert_eq!(
        (&ack["accepted"], &ack["refused"]),
        (&2.into(), &3.into()),
        "{ack}"
    );
    let problem = ack["problems"][0].as_str().unwrap();
    assert!(problem.contains("expected times from"), "{problem}");
    assert_eq!(
        collector.rows("good", "g", now - 10, now, 1).known("value")[&now],
        3.0
    );

    for time in [json!(-5), json!(1e300), json!("yesterday"), json!(null)] {
        let mut batch = good(now);
        batch["samples"]["time"][0] = time.clone();
        check(&format!("time {time}"), &by.push(&batch).unwrap(), 400, &[]);
    }
    a_good_push_still_works(&by, &collector, "bad times");
}

/// Ten million fields as one body: 170 MB of JSON, 0.2 MB of it compressed.
fn ten_million_fields(out: &mut impl Write) {
    let field = br#"{"field":"f"},"#.repeat(1000);
    out.write_all(br#"{"version":1,"host":"big","graphs":[{"graph":"g","fields":["#)
        .unwrap();
    for _ in 0..10_000 {
        out.write_all(&field).unwrap();
    }
    out.write_all(br#"{"field":"last"}]}]}"#).unwrap();
}

#[test]
fn too_much_is_refused_with_its_limit() {
    let collector = Collector::started(WITHOUT_AGENT);
    let by = collector.pusher("test");
    by.push(&good(wait::utc_seconds())).unwrap();

    let mut plain = Vec::new();
    ten_million_fields(&mut plain);
    let answer = by.send(JSON, &[], &plain).unwrap();
    check("140 MB", &answer, 413, &[]);
    drop(plain);
    a_good_push_still_works(&by, &collector, "140 MB");

    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    ten_million_fields(&mut encoder);
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    let answer = by.send(JSON, &GZIP, &bomb).unwrap();
    check("a bomb", &answer, 413, &["at most", "decompressed"]);

    let many = |count: usize| {
        let fields: Vec<Value> = (0..count)
            .map(|n| json!({"field": format!("f{n}")}))
            .collect();
        json!({"version": 1, "host": "big", "graphs": [{"graph": "g", "fields": fields}]})
    };
    check(
        "fields",
        &by.push(&many(100_000)).unwrap(),
        400,
        &["fields of a graph", "1000"],
    );
    assert_eq!(
        by.push(&many(1000)).unwrap().status,
        200,
        "as many as may be"
    );
    a_good_push_still_works(&by, &collector, "too much");
}

#[test]
fn a_token_speaks_for_its_hosts_only() {
    let collector = Collector::started(WITHOUT_AGENT);
    let everyone = collector.pusher("everyone");
    let made = collector.administer(&["token", "new", "web", "--hosts", "web*"]);
    let web = Pusher {
        token: made.stdout.trim().to_owned(),
        ..everyone.clone()
    };
    let now = wait::utc_seconds();
    let of = |host: &str| push::gauge(host, "g", 1, &[(now, 1.0)]);
    // A token that was made a moment ago may be unknown for a second.
    wait::until("the token is known", || {
        web.push(&of("web1")).unwrap().status == 200
    });
    check(
        "another host",
        &web.push(&of("db1")).unwrap(),
        403,
        &["web*", "db1"],
    );
    let mut about = of("web1");
    about["series"]["host"] = json!(["db1"]);
    check(
        "about another host",
        &web.push(&about).unwrap(),
        403,
        &["db1"],
    );
    assert_eq!(everyone.push(&of("db1")).unwrap().status, 200);
}

/// What a hostile plugin is shown as, in the API and on the host's page.
struct Hostile {
    name: &'static str,
    text: &'static str,
    shown: &'static [&'static str],
}

const GOOD_CONFIG: &str =
    "if [ \"$1\" = config ]; then echo graph_title G; echo a.label a; exit; fi\n";

const HOSTILE: [Hostile; 6] = [
    Hostile {
        name: "garbage",
        text: "head -c 3000 /dev/urandom; echo; echo a.value twelve apples",
        shown: &[],
    },
    Hostile {
        name: "hangs",
        text: "exec sleep 987654",
        shown: &["2"],
    },
    Hostile {
        name: "holds",
        text: "sleep 987655 & echo a.value 1",
        shown: &[],
    },
    Hostile {
        name: "floods",
        text: "head -c 104857600 /dev/zero | tr '\\0' x",
        shown: &["bytes"],
    },
    Hostile {
        name: "fails",
        text: "echo out of luck >&2; exit 1",
        shown: &["1", "out of luck"],
    },
    Hostile {
        name: "absent",
        text: "exec /no/such/program",
        shown: &[],
    },
];

#[test]
fn a_hostile_plugin_is_shown_and_the_others_go_on() {
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[store]\nreorder_window = \"0s\"\n"
    ));
    let folder = TempDir::new().unwrap();
    let plugins = Folder::new(folder.path().join("plugins"));
    for hostile in &HOSTILE {
        plugins.write(hostile.name, &format!("{GOOD_CONFIG}{}", hostile.text));
    }
    plugins.write_graph(
        "good",
        "graph_title Good\nupdate_rate 1\na.label a",
        "echo a.value 5",
    );
    let toml = format!(
        "host = \"victim\"\ncollector = \"http://{}\"\ntoken = \"{}\"\ninterval = \"1s\"\ntimeout = \"2s\"\n\
         plugin_dir = {:?}\nstate_dir = {:?}\nbundled = [\"uptime\"]\n",
        collector.address(),
        collector.pusher("victim").token,
        plugins.path(),
        folder.path().join("state"),
    );
    let config = folder.path().join("agent.toml");
    fs::write(&config, toml).unwrap();
    let mut command = program::command(program::path("ravenry-agent"));
    command.arg("run").arg("-c").arg(&config);
    let agent = Running::start(&mut command, &folder.path().join("agent.log"));

    let run_of = |name: &str| {
        let detail = collector.api_if_there("/hosts/victim")?;
        let mut runs = detail["runs"].as_array()?.iter();
        runs.find(|run| run["plugin"] == name).cloned()
    };
    for hostile in &HOSTILE {
        let name = hostile.name;
        let complaint = wait::value(&format!("{name} is shown"), || {
            let run = run_of(name)?;
            let problem = run["problems"]
                .as_array()?
                .first()
                .map(|problem| problem["text"].clone());
            let said = run["error"].as_str().map(str::to_owned);
            said.or_else(|| problem?.as_str().map(str::to_owned))
        });
        for word in hostile.shown {
            assert!(
                complaint.contains(word),
                "{name}: expected {word:?} in {complaint:?}"
            );
        }
        let page = collector.get("/host/victim").text();
        let begin: String = complaint
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == ' ')
            .collect();
        assert!(
            page.contains(name) && page.contains(begin.trim()),
            "{name}: {complaint:?} is not on the page"
        );
    }
    let rows = || {
        let now = wait::utc_seconds();
        collector
            .rows("victim", "good", now - 300, now, 1)
            .known("a")
            .len()
    };
    let before = rows();
    wait::until("the good plugin goes on", || rows() >= before + 5);
    assert_eq!(run_of("good").unwrap()["error"], Value::Null);
    let _ended = agent.stop(nix::sys::signal::Signal::SIGTERM);
    wait::until("nothing of the plugins is left", || !somebody_sleeps());
}

/// Whether a process of the plugins above is there.
fn somebody_sleeps() -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line.starts_with(b"sleep\x0098765"))
}

#[test]
fn an_argument_that_is_no_text_is_refused_in_words() {
    let mut command = program::command(program::path("ravenry"));
    command
        .args(["rrd", "last"])
        .arg(OsStr::from_bytes(b"load\xff.rrd"));
    let refused = program::output_of(&mut command);
    let expect = "ERROR: expected arguments in UTF-8, found \"load\\xFF.rrd\"\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (1, expect));
}
