//! The judge with its file and its threads, and a webhook that listens.

use std::collections::BTreeSet;
use std::sync::Mutex as StdMutex;

use ravenry_alerts::address::Address;
use ravenry_alerts::rule::{Contact, FieldRule};
use ravenry_alerts::severity::Severity;
use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::name::FieldName;
use ravenry_plugins::name::GraphName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use ravenry_alerts::check::CheckName;
use ravenry_plugins::disk::MemoryDisk;
use ravenry_web::source::LogQuery;

use super::*;
use crate::catalog::Catalog;
use crate::entry::Entry;
use crate::journal::Journal;
use crate::journal::segment::{Limits, SegmentJournal};

/// A webhook that answers each request with the next of its statuses (the last one for ever) and keeps the bodies.
#[derive(Clone)]
struct Hook {
    url: String,
    heard: Arc<StdMutex<Vec<serde_json::Value>>>,
    seen: watch::Receiver<usize>,
}

impl Hook {
    async fn listen(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = Arc::new(StdMutex::new(Vec::new()));
        let (count, seen) = watch::channel(0);
        let bodies = Arc::clone(&heard);
        tokio::spawn(async move {
            for answered in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let status = statuses[answered.min(statuses.len() - 1)];
                let body = answer(stream, status).await;
                if status < 300 {
                    bodies.lock().unwrap().push(body);
                }
                count.send_replace(answered + 1);
            }
        });
        Self { url, heard, seen }
    }

    async fn requests(&mut self, at_least: usize) {
        let seen = self.seen.wait_for(|seen| *seen >= at_least);
        tokio::time::timeout(Duration::from_secs(20), seen)
            .await
            .unwrap()
            .unwrap();
    }

    fn subjects(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|body| body["subject"].as_str().unwrap().to_owned())
            .collect()
    }

    fn keys(&self) -> BTreeSet<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|body| body["key"].as_str().unwrap().to_owned())
            .collect()
    }
}

async fn answer(mut stream: TcpStream, status: u16) -> serde_json::Value {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return body;
        }
    }
}

fn rules(url: &str) -> Arc<Rules> {
    Arc::new(Rules {
        contacts: vec![
            Contact {
                channels: vec![Address::webhook(url)],
                ..Contact::new("ops")
            },
            Contact {
                severities: Vec::new(),
                ..Contact::new("unreachable")
            },
        ],
        fields: vec![FieldRule {
            attempts: Some(2),
            ..FieldRule::default()
        }],
        memory: ravenry_alerts::topology::Memory::NONE,
        ..Rules::default()
    })
}

fn host() -> HostName {
    HostName::new("web1").unwrap()
}

fn graph() -> Arc<Graph> {
    let mut attributes = Attributes::default();
    attributes.keep_last("label", "/");
    attributes.keep_last("critical", "98");
    let declaration = Declaration {
        host: None,
        graph: GraphName::new("df").unwrap(),
        attributes: Attributes::default(),
        fields: vec![FieldDeclaration {
            field: FieldName::new("root").unwrap(),
            attributes,
        }],
    };
    Arc::new(Graph::resolve(&declaration).0)
}

fn reading(number: f64, minute: i64) -> (SeriesName, Reading, Timestamp) {
    let series = SeriesName {
        host: host(),
        graph: GraphName::new("df").unwrap(),
        field: FieldName::new("root").unwrap(),
    };
    (
        series,
        Reading::Number(number),
        clock::now() - Duration::from_secs(120) + Duration::from_secs(minute.unsigned_abs()),
    )
}

struct Running {
    judge: JudgeHandle,
    stop: watch::Sender<bool>,
}

impl Running {
    async fn start(file: &Path, url: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let judge = start(
            file,
            rules(url),
            &Settings::default(),
            Arc::default(),
            stopped,
        )
        .unwrap();
        judge.declare(host(), graph(), clock::now()).await.unwrap();
        judge
            .contact(host(), clock::now(), clock::now())
            .await
            .unwrap();
        Self { judge, stop }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        task::spawn_blocking(move || self.judge.join())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_problem_and_its_end_are_told_once_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;

    let running = Running::start(&file, &hook.url).await;
    let batch = vec![reading(99.0, 1), reading(99.1, 2)];
    running
        .judge
        .readings(batch.clone(), clock::now())
        .await
        .unwrap();
    hook.requests(1).await;
    running.stop().await;

    let running = Running::start(&file, &hook.url).await;
    running.judge.readings(batch, clock::now()).await.unwrap();
    running
        .judge
        .readings(vec![reading(99.0, 3)], clock::now())
        .await
        .unwrap();
    running
        .judge
        .readings(vec![reading(50.0, 4)], clock::now())
        .await
        .unwrap();
    hook.requests(2).await;
    let checks = running.judge.checks_of(&host());
    assert_eq!(running.judge.host_state(&host()), HostState::Up);
    assert_eq!(checks.len(), 2);
    assert_eq!(
        (checks[1].severity, checks[1].value),
        (Severity::Ok, Some(50.0))
    );
    assert_eq!(checks[1].threshold, "critical above 98");
    let judge = running.judge.clone();
    running.stop().await;

    let subjects = hook.subjects();
    assert_eq!(
        subjects[0],
        "[critical] web1: df / is 99.1 (critical above 98)"
    );
    assert!(
        subjects[1].starts_with("[ok] web1: df / is 50 (was critical for "),
        "{subjects:?}"
    );
    assert_eq!((subjects.len(), hook.keys().len()), (2, 2));
    let incidents = judge.incidents(10);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].told.len(), 3, "{incidents:?}");
    assert_eq!(
        incidents[0].told[2],
        "unreachable: not told: wants to hear of nothing"
    );
    assert!(incidents[0].closed.is_some());
}

#[tokio::test]
async fn what_was_not_delivered_before_a_stop_is_delivered_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut broken = Hook::listen(&[503]).await;

    let running = Running::start(&file, &broken.url).await;
    let batch = vec![reading(99.0, 1), reading(99.0, 2)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    broken.requests(1).await;
    running.stop().await;

    let mut works = Hook::listen(&[200]).await;
    let running = Running::start(&file, &works.url).await;
    works.requests(1).await;
    running.stop().await;
    assert_eq!(
        works.subjects(),
        ["[critical] web1: df / is 99 (critical above 98)"]
    );
}

#[tokio::test]
async fn a_test_notice_says_how_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let hook = Hook::listen(&[200, 404]).await;
    let running = Running::start(&file, &hook.url).await;
    let outcomes = async || -> Vec<String> {
        let outcomes = running.judge.notify_test("ops").await.unwrap();
        outcomes.iter().map(ToString::to_string).collect()
    };
    let taken = outcomes().await;
    assert!(taken[0].ends_with(": taken"), "{taken:?}");
    let refused = outcomes().await;
    let why = ": not taken: the webhook answered 404 Not Found";
    assert!(refused[0].ends_with(why), "{refused:?}");
    let unreachable = running.judge.notify_test("unreachable").await.unwrap_err();
    assert_eq!(
        unreachable.to_string(),
        "test notice: contact unreachable has no channel"
    );
    let nobody = running.judge.notify_test("nobody").await.unwrap_err();
    assert!(matches!(nobody, JudgeError::NoContact(_)));
    running.stop().await;
    assert_eq!(hook.subjects(), ["[test] Ravenry can reach ops"]);
}

#[tokio::test]
async fn a_notice_says_how_often_its_cause_has_failed_in_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;
    let running = Running::start(&file, &hook.url).await;
    let told = [
        (1, 99.0, 0),
        (2, 99.0, 1),
        (3, 50.0, 2),
        (4, 99.0, 2),
        (5, 99.0, 3),
    ];
    for (minute, value, notices) in told {
        let batch = vec![reading(value, minute)];
        running.judge.readings(batch, clock::now()).await.unwrap();
        hook.requests(notices).await;
    }
    running.stop().await;
    let heard = hook.heard.lock().unwrap();
    let often: Vec<&serde_json::Value> = heard.iter().map(|body| &body["often"]).collect();
    assert_eq!(often, [1, 0, 2]);
}

#[tokio::test]
async fn a_pulse_says_when_a_notice_has_waited_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut broken = Hook::listen(&[503]).await;
    let running = Running::start(&file, &broken.url).await;
    let pulse = running.judge.pulse(Duration::ZERO).await.unwrap();
    assert_eq!(pulse.troubles, Vec::<String>::new());
    let batch = vec![reading(99.0, 1), reading(99.0, 2)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    broken.requests(1).await;
    let patient = running.judge.pulse(Duration::from_secs(600)).await.unwrap();
    assert_eq!(patient.troubles, Vec::<String>::new());
    let late = async {
        loop {
            let pulse = running.judge.pulse(Duration::ZERO).await.unwrap();
            if pulse.troubles.iter().any(|text| text.contains("503")) {
                return pulse;
            }
        }
    };
    let late = tokio::time::timeout(Duration::from_secs(20), late).await;
    let text = late.unwrap().troubles.join("; ");
    assert!(
        text.starts_with("a notice to ops has waited for "),
        "{text}"
    );
    running.stop().await;
}

/// The life of `df.root`: when each reading was taken, and its value. It ended before `now`.
fn problem_that_is_over(now: Timestamp) -> Vec<(Timestamp, f64)> {
    let values = [50.0, 99.0, 99.1, 50.0, 51.0].into_iter().enumerate();
    let at = |tick| now - Duration::from_secs(110 - 10 * tick as u64);
    values.map(|(tick, value)| (at(tick), value)).collect()
}

fn journal_of(life: &[(Timestamp, f64)]) -> SegmentJournal {
    let limits = Limits {
        segment_bytes: 1 << 20,
        journal_bytes_max: 1 << 20,
        entry_bytes_max: 1 << 16,
    };
    let (mut journal, _) = SegmentJournal::open(Arc::new(MemoryDisk::new()), limits, 0).unwrap();
    for (received, value) in life {
        let attributes = [["label", "/"], ["critical", "98"]];
        let batch = serde_json::json!({"version": 1, "host": "web1",
            "graphs": [{"graph": "df", "fields": [{"field": "root", "attributes": attributes}]}],
            "series": {"graph": ["df"], "field": ["root"]},
            "samples": {"series": [0], "time": [received], "value": [value]}});
        let batch = serde_json::from_value(batch).unwrap();
        let received = *received;
        let entry = Entry { received, batch }.encode().unwrap();
        journal.append(&[entry]).unwrap();
    }
    journal
}

#[tokio::test]
async fn what_is_read_again_from_the_journal_is_not_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;
    let now = clock::now();
    let life = problem_that_is_over(now);

    let running = Running::start(&file, &hook.url).await;
    for (tick, (at, value)) in life.iter().enumerate() {
        let (series, _, _) = reading(*value, 0);
        let readings = vec![(series, Reading::Number(*value), *at)];
        running.judge.readings(readings, now).await.unwrap();
        if tick == 2 {
            hook.requests(1).await;
        }
    }
    hook.requests(2).await;
    running.stop().await;

    let running = Running::start(&file, &hook.url).await;
    let judge = running.judge.clone();
    let replayed = task::spawn_blocking(move || {
        let mut catalog = Catalog::new(&crate::config::store::Store::default());
        crate::serve::replay(&journal_of(&life), &mut catalog, &judge, clock::now()).unwrap();
        judge.live_blocking(clock::now()).unwrap();
    });
    replayed.await.unwrap();
    running.judge.notify_test("ops").await.unwrap();
    running.stop().await;
    let subjects = hook.subjects();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    assert_eq!(subjects[2], "[test] Ravenry can reach ops");
}

/// What a kill at this moment would leave of the file.
fn as_killed(file: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(file), name(to)).unwrap();
    }
}

#[tokio::test]
async fn what_somebody_did_is_on_the_disk_when_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;
    let running = Running::start(&file, &hook.url).await;
    let batch = vec![reading(99.0, 1), reading(99.1, 2)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    hook.requests(1).await;

    let judge = running.judge.clone();
    let act = task::spawn_blocking(move || {
        let downtime = Action::AddDowntime(ravenry_alerts::quiet::Plan {
            host: Some(String::from("web*")),
            end: clock::now() + Duration::from_secs(600),
            comment: String::from("disks"),
            ..Default::default()
        });
        let mute = Action::Mute {
            comment: String::from("quiet please"),
            expires: None,
        };
        let on = "web1/df/root".parse().unwrap();
        let comment = Action::AddComment {
            on,
            text: String::from("a log grows"),
        };
        let known = Action::Acknowledge {
            on: "1".parse().unwrap(),
            comment: String::new(),
            expires: None,
        };
        for action in [downtime, mute, comment, known] {
            judge.act("dora", action).unwrap();
        }
        let again = judge.act("dora", Action::RemoveDowntime { id: 9 });
        assert_eq!(again.unwrap_err().to_string(), "no downtime 9");
    });
    act.await.unwrap();
    let killed = folder.path().join("killed.db");
    as_killed(&file, &killed);

    let next = Running::start(&killed, &hook.url).await;
    let judge = &next.judge;
    assert_eq!(judge.downtimes(), running.judge.downtimes());
    assert_eq!(judge.comments(), running.judge.comments());
    assert_eq!(judge.muted(), running.judge.muted());
    assert_eq!(judge.downtimes()[0].author, "dora");
    assert_eq!(judge.comments()[0].text, "a log grows");
    assert_eq!(judge.muted().unwrap().comment, "quiet please");
    let incidents = judge.incidents(10);
    assert_eq!(incidents[0].acknowledged.as_ref().unwrap().author, "dora");
    next.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn what_happened_is_logged_and_counted_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;
    let running = Running::start(&file, &hook.url).await;
    let [(.., start), (.., fell), (.., rose), (.., end)] =
        [1, 2, 12, 22].map(|at| reading(0.0, at));
    let at = |number, time| (reading(number, 0).0, reading(number, 0).1, time);
    let batch = vec![at(99.0, start), at(99.1, fell)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    hook.requests(1).await;
    running.stop().await;
    let running = Running::start(&file, &hook.url).await;
    let batch = vec![at(50.0, rose)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    hook.requests(2).await;

    let judge = running.judge.clone();
    // Then all that was sent is in the ledger.
    running.stop().await;
    task::spawn_blocking(move || {
        let log = judge.log(&LogQuery {
            host: Some(host()),
            limit: 10,
            ..LogQuery::default()
        });
        let log: Vec<String> = log
            .iter()
            .map(|(_, entry)| entry.what.to_string())
            .collect();
        // The newest first; the host's own check may come up in between.
        let of_field = |it: &&String| it.contains("df/root") || it.starts_with("incident");
        let log: Vec<&String> = log.iter().filter(of_field).collect();
        assert!(
            matches!(log.as_slice(), [over, ok, began, bad]
                if over.contains("incident 1 is over")
                    && ok.ends_with("df/root went from critical to ok")
                    && began.starts_with("incident 1 began")
                    && bad.ends_with("df/root went from ok to critical")),
            "{log:?}"
        );
        let sent = judge.noise(Timestamp::from_seconds(0));
        let sent: Vec<(u64, u64)> = sent.iter().map(|(it, sent)| (it.id, *sent)).collect();
        assert_eq!(sent, [(1, 2)]);
        let told = judge.notices(None, 10);
        assert!(told.len() >= 2, "{told:?}");
        // Bad from 2 to 12, ok from then to 22.
        let df = |name: &CheckName| name.to_string() == "web1/df/root";
        let times = judge.availability(&df, fell, end);
        let [(_, times)] = times.as_slice() else {
            panic!("{times:?}");
        };
        let ok = times.ok().unwrap();
        assert!((ok - 0.5).abs() < 1e-3, "{times:?}");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn why_somebody_was_told_is_explained_now_and_for_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut hook = Hook::listen(&[200]).await;
    let running = Running::start(&file, &hook.url).await;
    let before = clock::now() - Duration::from_secs(3600);
    let batch = vec![reading(99.0, 1), reading(99.1, 2)];
    running.judge.readings(batch, clock::now()).await.unwrap();
    hook.requests(1).await;

    let judge = running.judge.clone();
    let asked = task::spawn_blocking(move || {
        let known = Action::Acknowledge {
            on: "1".parse().unwrap(),
            comment: String::new(),
            expires: None,
        };
        judge.act("dora", known).unwrap();
        let explain =
            |of: &str, at| serde_json::to_string(&judge.explain(of, at).unwrap()).unwrap();
        let check = |of: &str, expect: &[&str]| {
            let said = explain(of, None);
            for part in expect {
                assert!(said.contains(part), "{of}: expected {part:?}, found {said}");
            }
        };
        let acknowledged = "not told now: acknowledged by dora";
        let led = "web1/df/root went from ok to critical";
        check("web1/df/root", &["is critical since", acknowledged, led]);
        check("1", &["incident 1 is critical", acknowledged]);
        check("ops", &["\"contact ops\"", acknowledged]);
        check("contact:unreachable", &["wants to hear of nothing"]);
        let then = explain("web1/df/root", Some(before));
        assert!(
            then.contains("no change of web1/df/root is remembered"),
            "{then}"
        );
        for unknown in ["7", "web1/df/x", "nobody", "a/b/c/d"] {
            assert!(judge.explain(unknown, None).is_err(), "{unknown}");
        }
    });
    asked.await.unwrap();
    running.stop().await;
}
