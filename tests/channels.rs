//! People are told over every kind of channel by the built program: with the graph in a mail, by a program that behaves and by
//! one that hangs, by a line; what is over before it arrives says so; and the dead man hears of it as long as all works.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::mail::MailServer;
use ravenry_tests::push::{Pusher, gauge};
use ravenry_tests::webhook::Webhook;
use ravenry_tests::{tool, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The graph that all is about: `value` is critical above 98 percent.
fn percent(samples: &[(i64, f64)]) -> Value {
    let mut batch = gauge("web1", "df", 10, samples);
    batch["graphs"][0]["attributes"] = json!([
        ["graph_title", "Disk usage"],
        ["graph_vlabel", "%"],
        ["update_rate", "10"]
    ]);
    batch["graphs"][0]["fields"][0]["attributes"] = json!([["label", "/"], ["critical", "98"]]);
    batch
}

fn push(pusher: &Pusher, samples: &[(i64, f64)]) {
    let answer = pusher.push(&percent(samples)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn now() -> i64 {
    wait::utc_seconds()
}

/// An executable of that text.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Keeps the lines that come over TCP.
fn lines() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut text = String::new();
            if stream.read_to_string(&mut text).is_ok() {
                kept.lock().unwrap().push_str(&text);
            }
        }
    });
    (address, heard)
}

const ALERTS: &str = "[alerts]\nattempts = 1\nall_clear = \"0\"\nhold = \"0\"\n";

#[test]
fn every_kind_of_channel_tells_the_problem_with_what_belongs_to_it() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let Some(mail) = MailServer::start(folder.path()) else {
        return;
    };
    let told = folder.path().join("told");
    let hung = folder.path().join("hung");
    let behaves = script(
        folder.path(),
        "behaves",
        &format!(
            "echo \"$1 $RAVENRY_HOST $RAVENRY_SEVERITY $RAVENRY_SHORT\" > {0}.new; cat >> {0}.new; mv {0}.new {0}",
            told.display()
        ),
    );
    let hangs = script(
        folder.path(),
        "hangs",
        &format!("sleep 600 & echo $! > {}; sleep 600", hung.display()),
    );
    let (line, heard) = lines();
    let (fallback, chat) = (Webhook::start(), Webhook::start());
    let collector = Collector::started(&format!(
        "url = \"https://ravenry.example.net\"\n{WITHOUT_AGENT}{ALERTS}
        [mail]\nserver = \"127.0.0.1\"\nport = {port}\n
        [contact.reader]\nmail = \"reader@example.net\"\n
        [contact.script]\nchannels = \"behaves\"\n
        [contact.patient]\nchannels = [\"hangs\", \"fallback\"]\n
        [contact.irc]\nchannels = \"irc\"\n
        [contact.chat]\nchannels = \"chat\"\n
        [channel.behaves]\ncommand = [{behaves:?}, \"an argument; $(touch /tmp/no)\"]\n
        [channel.hangs]\ncommand = [{hangs:?}]\ntimeout = \"1s\"\n
        [channel.fallback]\nwebhook = {fallback:?}\n
        [channel.irc]\nline = {line:?}\nto = \"#ops\"\n
        [channel.chat]\nwebhook = {chat:?}\nformat = \"slack\"\n",
        port = mail.address().port(),
        fallback = fallback.url(),
        chat = chat.url(),
    ));
    let pusher = collector.pusher("web1");
    let at = now();
    push(&pusher, &[(at - 20, 50.0), (at - 10, 99.1)]);

    let subject = "[critical] web1: df / is 99.1 % (critical above 98)";
    let text = wait::value("the program is told", || fs::read_to_string(&told).ok());
    let (first, body) = text.split_once('\n').unwrap();
    assert_eq!(
        first,
        format!("an argument; $(touch /tmp/no) web1 critical {subject} #1")
    );
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["version"], 1);
    assert_eq!(body["unit"], "%");
    assert_eq!(
        body["links"]["check"],
        "https://ravenry.example.net/graph/web1/df"
    );

    wait::until("the line is sent", || !heard.lock().unwrap().is_empty());
    let line = heard.lock().unwrap().clone();
    assert!(
        line.starts_with(&format!("#ops {subject} https://")),
        "{line}"
    );
    assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");

    let posted = wait::value("the chat is told", || chat.bodies().into_iter().next());
    assert_eq!(posted["attachments"][0]["title"], subject);

    let mails = wait::value("the mail is there", || {
        Some(mail.mails()).filter(|mails| !mails.is_empty())
    });
    assert!(mails[0].contains("Content-Type: image/png"), "{}", mails[0]);
    assert!(
        mails[0].contains("filename=\"web1-df-day.png\""),
        "{}",
        mails[0]
    );
    assert_eq!(mail.subjects(), [subject]);

    let body = wait::value("the next channel is tried", || {
        fallback.bodies().into_iter().next()
    });
    assert_eq!(body["contact"], "patient");
    let pid: i32 = fs::read_to_string(&hung).unwrap().trim().parse().unwrap();
    wait::until("what the program started is gone", || {
        kill(Pid::from_raw(pid), None).is_err()
    });
    let incident = &collector.api("/incidents")["incidents"][0];
    let told = incident["told"].to_string();
    assert!(
        told.contains("patient: problem not delivered by command") && told.contains("timed out"),
        "{told}"
    );
}

#[test]
fn what_is_over_before_it_was_delivered_says_so_also_after_kill_9() {
    let folder = TempDir::new().unwrap();
    let address = tool::free_address();
    let mut collector = Collector::started(&format!(
        "{WITHOUT_AGENT}{ALERTS}
        [mail]\nserver = \"127.0.0.1\"\nport = {}\n[contact.ops]\nmail = \"ops@example.net\"\n",
        address.port()
    ));
    let pusher = collector.pusher("web1");
    let at = now();
    push(&pusher, &[(at - 30, 50.0), (at - 20, 99.1)]);
    let told = |collector: &Collector, words: &str| {
        let incidents = collector.api("/incidents");
        incidents["incidents"][0]["told"]
            .to_string()
            .contains(words)
    };
    wait::until("the mail server is not there", || {
        told(&collector, "not delivered")
    });
    push(&pusher, &[(at - 10, 50.0)]);
    wait::until("the end waits with the problem", || {
        told(&collector, "said by the problem's notice")
    });
    collector.kill();
    let Some(mail) = MailServer::start_at(folder.path(), address) else {
        return;
    };
    collector.start();
    let subjects = wait::value("the mail server is back", || {
        Some(mail.subjects()).filter(|subjects| !subjects.is_empty())
    });
    assert!(
        subjects[0]
            .starts_with("[recovered meanwhile] web1: df / is 99.1 % (critical above 98), for"),
        "{subjects:?}"
    );
    assert_eq!(subjects.len(), 1);
}

#[test]
fn the_dead_man_is_called_while_all_works_and_pages_say_when_nobody_hears_it() {
    let (beats, heard) = beats();
    let collector = Collector::started(&format!(
        "{WITHOUT_AGENT}{ALERTS}[dead_man]\nurl = \"http://{beats}/secret\"\nevery = \"1s\"\n"
    ));
    wait::until("it is called", || heard.lock().unwrap().len() > 2);
    assert!(heard.lock().unwrap()[0].starts_with("GET /secret "));
    assert!(collector.get("/").status == 200);
    // Another address, where nobody is: it is said on every page.
    let nobody = tool::free_address();
    collector.configure(&format!(
        "{WITHOUT_AGENT}{ALERTS}[dead_man]\nurl = \"http://{nobody}/secret\"\n"
    ));
    collector.reload();
    wait::until("the page says that nobody hears it", || {
        let page = collector.get("/").text();
        assert!(!page.contains("secret"), "{page}");
        page.contains("dead man&#39;s address cannot be called")
    });
}

/// Answers 204 to every request and keeps their first lines.
fn beats() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let head: Vec<String> = reader
                .by_ref()
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            let _ = reader.into_inner().write_all(answer);
            kept.lock().unwrap().extend(head.into_iter().next());
        }
    });
    (address, heard)
}
