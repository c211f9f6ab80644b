//! The API against its own description: schemathesis asks whatever the description allows, and what it does not.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::Pusher;
use ravenry_tests::{program, push, wait, web_tools};
use tempfile::TempDir;

/// For so long it asks.
const SECONDS: &str = "30";

/// A collector with two hosts, one incident, and somebody who pushes.
fn collector() -> (Collector, Pusher) {
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}[[view]]\nname = \"web\"\naddress = \"/host/web1\"\n[[threshold]]\nwarning = 5\nattempts = 1\n"
    ));
    let by = collector.pusher("test");
    let now = wait::utc_seconds();
    for host in ["web1", "web2"] {
        let samples = [(now - 60, 1.0), (now, 9.0)];
        assert_eq!(
            by.push(&push::gauge(host, "load", 60, &samples))
                .unwrap()
                .status,
            200
        );
    }
    wait::until("the pushes are judged", || {
        let open = collector.api("/incidents?state=open");
        !open["incidents"].as_array().unwrap().is_empty()
    });
    (collector, by)
}

#[test]
fn the_api_does_what_its_description_says() {
    let Some(schemathesis) = web_tools::find("venv/bin/schemathesis") else {
        return;
    };
    let (collector, _) = collector();
    let folder = TempDir::new().unwrap();
    let description = format!("http://{}/api/v1/openapi.json", collector.address());
    let mut command = program::command(schemathesis);
    command
        .current_dir(folder.path())
        .args(["run", &description]);
    command.args([
        "--max-time",
        SECONDS,
        "--max-examples",
        "20",
        "--seed",
        "1",
        "--no-shrink",
        "--no-color",
    ]);
    command.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--continue-on-failure",
    ]);
    command.args(["--generation-database", "none", "--request-timeout", "20"]);
    // One never ends; the others are asked with tokens of their own.
    for path in ["events", "push", "enroll"] {
        command.args(["--exclude-path", &format!("/api/v1/{path}")]);
    }
    // What is of the right form may still make no sense: a zone that does not exist, an end before its start.
    command.args(["--exclude-checks", "positive_data_acceptance"]);
    let output = program::output_of(&mut command);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("Test cases:"), "{}", output.stdout);
    assert!(!collector.log().contains("panicked"), "{}", collector.log());
}

#[test]
fn prometheus_reads_the_metrics() {
    let (collector, _) = collector();
    let metrics = collector.get("/metrics");
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    for name in [
        "ravenry_samples_total{result=\"accepted\"} 4",
        "ravenry_hosts{state=",
        "ravenry_journal_bytes ",
        "ravenry_incidents_open 1",
    ] {
        assert!(metrics.text().contains(name), "{name}: {}", metrics.text());
    }
    // Prometheus' own reader, on machines that have it.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("metrics");
    fs::write(&file, &metrics.body).unwrap();
    let script = "command -v promtool >/dev/null || exit 0; promtool check metrics <\"$1\"";
    let mut command = program::command("/bin/sh");
    command.args(["-c", script, "sh"]).arg(&file);
    let output = program::output_of(&mut command);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (0, ""),
        "{}",
        output.stdout
    );
}

#[test]
fn who_listens_hears_of_changes() {
    let (collector, by) = collector();
    let mut stream = TcpStream::connect(collector.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    write!(
        stream,
        "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut heard = String::new();
    let mut listen = |heard: &mut String| {
        let mut bytes = [0; 4096];
        if let Ok(length) = stream.read(&mut bytes) {
            heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    wait::until("the first event", || {
        listen(&mut heard);
        heard.contains("event: resync\ndata: {\"missed\":0}")
    });
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    // What was there when somebody first looked is no change; nobody can tell when that was.
    let mut hosts = 0;
    wait::until("a host that is new is told", || {
        hosts += 1;
        let batch = push::gauge(
            &format!("late{hosts}"),
            "load",
            60,
            &[(wait::utc_seconds(), 9.0)],
        );
        assert_eq!(by.push(&batch).unwrap().status, 200);
        listen(&mut heard);
        heard.contains("event: host\ndata: {\"name\":\"late")
    });
}
