//! The channels against real and broken servers: Debian's aiosmtpd, and stubs that refuse, hang and hang up.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use ravenry_alerts::address::{Address, Hook, Line, MailForm, Secret};
use ravenry_alerts::channel::{
    Channel, Channels, Mail, MailSettings, Security, Settings, Tcp, Webhook,
};
use ravenry_alerts::check::CheckName;
use ravenry_alerts::notice::{Kind, Links, Notice, NoticeKey};
use ravenry_alerts::outbox::{Delivery, Failure, Picture};
use ravenry_alerts::rule::ContactName;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::{FieldName, GraphName, SeriesName};
use ravenry_plugins::timestamp::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const TIMEOUT: Duration = Duration::from_millis(700);

fn links() -> Links {
    Links {
        base: Some(String::from("http://127.0.0.1:4950")),
        sign: None,
    }
}

fn delivery(kind: Kind, sequence: u64, address: Address) -> Delivery {
    let (severity, was, value) = if kind == Kind::Recovery {
        (Severity::Ok, Severity::Critical, 42.0)
    } else {
        (Severity::Critical, Severity::Ok, 99.1)
    };
    Delivery {
        notice: Notice {
            key: NoticeKey {
                incident: 12,
                contact: ContactName::new("ops"),
                sequence,
            },
            kind,
            check: Some(CheckName::Field(SeriesName {
                host: "web1".parse().unwrap(),
                graph: GraphName::new("df").unwrap(),
                field: FieldName::new("root").unwrap(),
            })),
            severity,
            was,
            label: String::from("df /"),
            value: Some(value),
            threshold: String::from("critical above 98"),
            since: Timestamp::from_seconds(1_767_225_600),
            at: Timestamp::from_seconds(1_767_225_600 + 60 * i64::try_from(sequence).unwrap()),
            ..Notice::test(ContactName::new("ops"), Timestamp::EPOCH)
        },
        over: None,
        address,
        picture: None,
    }
}

fn to_ops() -> Address {
    Address::mail("Ops <ops@example.net>")
}

/// A mail server that is spoken to in the clear.
fn plain(address: SocketAddr) -> MailSettings {
    MailSettings {
        host: address.ip().to_string(),
        port: address.port(),
        security: Security::Plain,
        login: None,
        ca_file: None,
        from: String::from("Ravenry <ravenry@example.net>"),
        timeout: TIMEOUT,
    }
}

fn mail(address: SocketAddr) -> Mail {
    Mail::new(&plain(address), &links()).unwrap()
}

/// A real mail server that keeps what it gets in a maildir.
struct MailServer {
    child: Child,
    address: SocketAddr,
}

impl MailServer {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test server, not a plugin: no limits, no user to switch to"
    )]
    async fn start(maildir: &Path) -> Option<Self> {
        let address = free_address().await;
        let child = std::process::Command::new("aiosmtpd")
            .args(["-n", "-l", &address.to_string()])
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(maildir)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            assert!(
                std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
                "aiosmtpd is not installed"
            );
            eprintln!("skipped: aiosmtpd is not installed");
            return None;
        };
        let server = Self { child, address };
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), listens)
            .await
            .expect("aiosmtpd listens within 20 s");
        Some(server)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on which nobody listens.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn mails(maildir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(maildir.join("new")).unwrap();
    let mut mails: Vec<String> = files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    mails.sort_by_key(|mail| header(mail, "Message-ID").to_owned());
    mails
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let line = mail
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or("")
}

#[tokio::test]
async fn mail_has_a_clear_subject_an_identity_and_a_thread() {
    let folder = folder("mail");
    let Some(server) = MailServer::start(&folder).await else {
        return;
    };
    let settings = Settings {
        mail: Some(MailSettings {
            timeout: Duration::from_secs(20),
            ..plain(server.address)
        }),
        links: links(),
        ..Settings::default()
    };
    let channels = Channels::new(&settings).unwrap();
    let problem = delivery(Kind::Problem, 1, to_ops());
    let recovery = delivery(Kind::Recovery, 2, to_ops());
    for delivery in [&problem, &recovery, &problem] {
        channels.send(delivery).await.unwrap();
    }
    drop(server);
    let mails = mails(&folder);
    std::fs::remove_dir_all(&folder).unwrap();

    let subjects: Vec<&str> = mails.iter().map(|mail| header(mail, "Subject")).collect();
    let told = "[critical] web1: df / is 99.1 (critical above 98)";
    let over = "[ok] web1: df / is 42 (was critical for 2m)";
    assert_eq!(subjects, [told, told, over]);
    let id = |mail: usize| header(&mails[mail], "Message-ID");
    assert_eq!(id(0), "<ravenry.12-ops-1.1767225600000000@example.net>");
    assert_eq!(id(0), id(1), "a notice sent again is recognisable");
    assert_ne!(id(0), id(2));
    assert_eq!(header(&mails[2], "References"), id(0));
    assert_eq!(header(&mails[2], "In-Reply-To"), id(0));
    for mail in &mails {
        assert_eq!(header(mail, "To"), "Ops <ops@example.net>");
        assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
        assert_eq!(header(mail, "X-Ravenry-Incident"), "12");
    }
    for line in [
        "Check        web1/df/root",
        "Value        99.1",
        "Threshold    critical above 98",
        "Since        2026-01-01 00:00:00 UTC, 1m before this notice",
        "Graph        http://127.0.0.1:4950/graph/web1/df",
        "Incident     http://127.0.0.1:4950/incident/12",
    ] {
        assert!(mails[0].contains(line), "{line} in {}", mails[0]);
    }
}

/// A real mail server with TLS that wants a password: `server.py` on aiosmtpd, with a certificate of our own authority.
struct TlsMailServer {
    child: Child,
    port: u16,
}

/// What the tests keep beside their sources.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/smtp")
        .join(name)
}

impl TlsMailServer {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test server, not a plugin: no limits, no user to switch to"
    )]
    fn start(how: &str, maildir: &Path) -> Option<Self> {
        let child = std::process::Command::new("/usr/bin/python3")
            .arg(beside("server.py"))
            .arg(how)
            .args([beside("server.pem"), beside("server.key")])
            .args(["ravenry", "s3cret"])
            .arg(maildir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.ok()?;
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let _ = child.wait();
            assert!(
                std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
                "aiosmtpd is not installed"
            );
            eprintln!("skipped: aiosmtpd is not installed");
            return None;
        };
        Some(Self { child, port })
    }

    fn settings(&self, security: Security) -> MailSettings {
        MailSettings {
            host: String::from("localhost"),
            port: self.port,
            security,
            login: Some((String::from("ravenry"), String::from("s3cret"))),
            ca_file: Some(beside("ca.pem")),
            from: String::from("Ravenry <ravenry@example.net>"),
            timeout: Duration::from_secs(20),
        }
    }
}

impl Drop for TlsMailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ravenry-{name}-{}", std::process::id()))
}

#[tokio::test]
async fn mail_goes_out_over_tls_with_a_password_and_to_no_stranger() {
    for (how, security) in [("starttls", Security::StartTls), ("tls", Security::Tls)] {
        let folder = folder(how);
        let Some(server) = TlsMailServer::start(how, &folder) else {
            return;
        };
        let send = async |settings: MailSettings| {
            let channel = Mail::new(&settings, &links()).unwrap();
            channel.send(&delivery(Kind::Problem, 1, to_ops())).await
        };
        let good = server.settings(security);
        send(good.clone()).await.unwrap();
        let wrong = MailSettings {
            login: Some((String::from("ravenry"), String::from("wrong"))),
            ..good.clone()
        };
        let refused = send(wrong).await.unwrap_err();
        assert!(matches!(refused, Failure::Refused(_)), "{how}: {refused:?}");
        assert!(refused.why().contains("535"), "{how}: {refused:?}");
        let untrusted = MailSettings {
            ca_file: None,
            ..good.clone()
        };
        let untrusted = send(untrusted).await.unwrap_err();
        assert!(
            matches!(untrusted, Failure::Later { .. }),
            "{how}: {untrusted:?}"
        );
        let plain = MailSettings {
            security: Security::Plain,
            timeout: TIMEOUT,
            ..good
        };
        send(plain).await.unwrap_err();
        drop(server);
        assert_eq!(mails(&folder).len(), 1, "{how}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let settings = MailSettings {
        host: String::from("localhost"),
        port: 25,
        security: Security::Tls,
        login: None,
        ca_file: Some(PathBuf::from("/nowhere/ca.pem")),
        from: String::from("ravenry@example.net"),
        timeout: TIMEOUT,
    };
    let error = Mail::new(&settings, &links()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mail: certificates in /nowhere/ca.pem: expected PEM"
    );
}

#[tokio::test]
async fn a_long_mail_is_text_html_and_the_graph_and_a_short_one_is_its_subject() {
    let folder = folder("forms");
    let Some(server) = MailServer::start(&folder).await else {
        return;
    };
    let settings = MailSettings {
        timeout: Duration::from_secs(20),
        ..plain(server.address)
    };
    let mail = Mail::new(&settings, &links()).unwrap();
    let picture = Picture {
        name: String::from("web1-df-day.png"),
        png: b"\x89PNG not really".to_vec(),
    };
    let mut long = delivery(Kind::Problem, 1, to_ops());
    long.picture = Some(picture);
    long.notice.label = String::from("df\r\nBcc: all@example.net\r\n\r\nhello");
    let short = Address::Mail {
        to: String::from("49170@sms.example"),
        form: MailForm::Short,
    };
    let mut short = delivery(Kind::Problem, 2, short);
    short.notice.label = "a very long label ".repeat(40);
    mail.send(&long).await.unwrap();
    mail.send(&short).await.unwrap();
    drop(server);
    let mails = mails(&folder);
    std::fs::remove_dir_all(&folder).unwrap();

    let (head, _) = mails[0].split_once("\n\n").unwrap();
    assert_eq!(header(head, "Bcc"), "");
    assert_eq!(header(head, "X-Ravenry-Host"), "web1");
    assert!(
        header(&mails[0], "Content-Type").starts_with("multipart/alternative"),
        "{}",
        mails[0]
    );
    for part in [
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: multipart/related",
        "Content-Type: text/html; charset=utf-8",
        "Content-Type: image/png",
        "Content-ID: <graph@ravenry>",
        "Content-Disposition: inline; filename=\"web1-df-day.png\"",
        "cid:graph@ravenry",
    ] {
        assert!(mails[0].contains(part), "{part} in {}", mails[0]);
    }
    let subject = unfolded(&mails[1], "Subject");
    assert!(subject.chars().count() <= 160, "{subject}");
    assert!(subject.ends_with("... #12"), "{subject}");
    let (_, body) = mails[1].split_once("\n\n").unwrap();
    assert_eq!(body.trim(), "");
}

/// A header with the lines that it goes on in.
fn unfolded(mail: &str, name: &str) -> String {
    let mut lines = mail.lines().skip_while(|line| !line.starts_with(name));
    let first = lines.next().unwrap().split_once(": ").unwrap().1.to_owned();
    let more = lines.take_while(|line| line.starts_with(' '));
    more.fold(first, |all, line| all + line)
}

/// What a broken mail server does at the end of a conversation.
#[derive(Clone, Copy)]
enum Breaks {
    /// Says this to RCPT.
    AtRecipient(&'static str),
    /// Never answers.
    Hangs,
    /// Closes the connection within DATA.
    HangsUp,
}

async fn broken_mail_server(breaks: Breaks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        if matches!(breaks, Breaks::Hangs) {
            let mut nothing = String::new();
            let _ = stream.read_line(&mut nothing).await;
        }
        let _ = stream.write_all(b"220 broken\r\n").await;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let answer = match (line.split([' ', '\r']).next().unwrap_or(""), breaks) {
                ("RCPT", Breaks::AtRecipient(answer)) => answer,
                ("DATA", Breaks::HangsUp) => {
                    let _ = stream.write_all(b"354 go on\r\n").await;
                    let _ = stream.read_line(&mut line).await;
                    return;
                }
                _ => "250 fine\r\n",
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_failure_of_a_mail_server_says_whether_to_try_again() {
    let check = async |address: SocketAddr, expect: &str| {
        let outcome = mail(address)
            .send(&delivery(Kind::Problem, 1, to_ops()))
            .await;
        let found = match outcome {
            Ok(()) => String::from("sent"),
            Err(Failure::Later { .. }) => String::from("later"),
            Err(Failure::Refused(_)) => String::from("refused"),
            Err(Failure::Doubtful(_)) => String::from("doubtful"),
        };
        assert_eq!(found, expect);
    };
    check(free_address().await, "later").await;
    let greylists = Breaks::AtRecipient("451 later\r\n");
    check(broken_mail_server(greylists).await, "later").await;
    let refuses = Breaks::AtRecipient("550 nobody of that name\r\n");
    check(broken_mail_server(refuses).await, "refused").await;
    check(broken_mail_server(Breaks::Hangs).await, "doubtful").await;
    check(broken_mail_server(Breaks::HangsUp).await, "doubtful").await;
}

#[tokio::test]
async fn what_is_no_mailbox_is_refused_with_a_sentence() {
    let address = Address::mail("nobody");
    let channel = mail(free_address().await);
    let failure = channel.send(&delivery(Kind::Problem, 1, address)).await;
    let Err(Failure::Refused(why)) = failure else {
        panic!("{failure:?}");
    };
    assert!(
        why.starts_with("mailbox \"nobody\": expected an address"),
        "{why}"
    );
}

/// Answers one request with this, or never, and gives what it got.
async fn hook(answer: Option<&'static str>) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        loop {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            heard.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&heard).into_owned();
            if read == 0 {
                return text;
            }
            if let (true, Some(answer)) = (text.ends_with('}'), answer) {
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
    });
    (url, heard)
}

async fn post(url: &str) -> Result<(), Failure> {
    let webhook = Webhook::new(TIMEOUT, &links()).unwrap();
    let delivery = delivery(Kind::Problem, 1, Address::webhook(url));
    webhook.send(&delivery).await
}

#[tokio::test]
async fn a_webhook_gets_the_documented_json_and_a_key() {
    let (url, heard) = hook(Some("204 No Content")).await;
    post(&url).await.unwrap();
    let heard = heard.await.unwrap();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /secret HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("idempotency-key: ravenry-12-ops-1-1767225660000000"),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let check = |key: &str, expect: serde_json::Value| assert_eq!(body[key], expect, "{key}");
    check("version", 1.into());
    check("key", "12-ops-1".into());
    check("kind", "problem".into());
    check("severity", "critical".into());
    check("host", "web1".into());
    check("graph", "df".into());
    check("field", "root".into());
    check("value", 99.1.into());
    check("since", 1_767_225_600.into());
    check("over", serde_json::Value::Null);
    check(
        "subject",
        "[critical] web1: df / is 99.1 (critical above 98)".into(),
    );
    assert_eq!(
        body["links"]["check"],
        "http://127.0.0.1:4950/graph/web1/df"
    );
}

#[tokio::test]
async fn a_failure_of_a_webhook_says_whether_to_try_again_and_shows_no_secret() {
    let check = |outcome: Result<(), Failure>, expect: &str| {
        let (found, why) = match outcome {
            Ok(()) => ("sent", String::new()),
            Err(Failure::Later { why, .. }) => ("later", why),
            Err(Failure::Refused(why)) => ("refused", why),
            Err(Failure::Doubtful(why)) => ("doubtful", why),
        };
        assert_eq!(found, expect, "{why}");
        assert!(!why.contains("secret"), "{why}");
    };
    for (answer, expect) in [
        ("200 OK", "sent"),
        ("302 Found", "refused"),
        ("404 Not Found", "refused"),
        ("429 Too Many Requests", "later"),
        ("500 Internal Server Error", "later"),
    ] {
        check(post(&hook(Some(answer)).await.0).await, expect);
    }
    check(post(&hook(None).await.0).await, "doubtful");
    check(
        post(&format!("http://{}/secret", free_address().await)).await,
        "later",
    );
    check(post("no url").await, "refused");
}

#[tokio::test]
async fn a_channel_that_wants_time_says_how_much() {
    let after = async |answer: &'static str| match post(&hook(Some(answer)).await.0).await {
        Err(Failure::Later { after, .. }) => after,
        other => panic!("{answer}: {other:?}"),
    };
    let seconds = "429 Too Many Requests\r\nretry-after: 120";
    assert_eq!(after(seconds).await, Some(Duration::from_secs(120)));
    let past = "503 Busy\r\nretry-after: Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(after(past).await, Some(Duration::ZERO));
    assert_eq!(after("500 Internal Server Error").await, None);
}

#[tokio::test]
async fn a_request_is_signed_and_says_who_we_are() {
    let (url, heard) = hook(Some("200 OK")).await;
    let webhook = Webhook::new(TIMEOUT, &links()).unwrap();
    let address = Address::Webhook(Hook {
        secret: Some(Secret::new("s3cret")),
        key: Some(Secret::new("tk_1")),
        ..Hook::new(url)
    });
    let delivery = delivery(Kind::Problem, 1, address);
    webhook.send(&delivery).await.unwrap();
    let heard = heard.await.unwrap();
    assert!(heard.contains("authorization: Bearer tk_1\r\n"), "{heard}");
    let signature = heard.split_once("ravenry-signature: t=").unwrap().1;
    let (signature, _) = signature.split_once("\r\n").unwrap();
    let (seconds, hex) = signature.split_once(",v1=").unwrap();
    assert!(seconds.parse::<i64>().unwrap() > 1_700_000_000);
    assert_eq!(hex.len(), 64);
}

/// Takes one connection and gives all that came over it.
async fn listen() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    (address, heard)
}

#[tokio::test]
async fn a_line_is_one_line_for_irccat() {
    let (address, heard) = listen().await;
    let channel = Tcp::new(Duration::from_secs(20), &links());
    let to = |address: String| {
        Address::Line(Line {
            address,
            to: Some(String::from("#ops")),
        })
    };
    let mut problem = delivery(Kind::Problem, 1, to(address));
    problem.notice.label = String::from("df\n#all /quit");
    channel.send(&problem).await.unwrap();
    assert_eq!(
        heard.await.unwrap(),
        "#ops [critical] web1: df #all /quit is 99.1 (critical above 98) http://127.0.0.1:4950/graph/web1/df\n"
    );
    let nobody = to(free_address().await.to_string());
    let failure = channel.send(&delivery(Kind::Problem, 1, nobody)).await;
    assert!(matches!(failure, Err(Failure::Later { .. })), "{failure:?}");
}
