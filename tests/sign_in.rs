//! People sign in: accounts and tokens on the command line, sessions in the running collector, and starts that are refused.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use nix::sys::signal::Signal;
use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::http::{self, Answer};
use ravenry_tests::{program, tool, wait};

/// Runs `ravenry user ARGS` with a password on its standard input; its exit code and all that it said.
fn user(collector: &Collector, args: &[&str], password: &str) -> (i32, String) {
    let mut command = program::command(program::path("ravenry"));
    command
        .arg("user")
        .args(args)
        .arg("--data")
        .arg(collector.data());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{password}").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn sign_in(collector: &Collector, name: &str, password: &str) -> Answer {
    let form = format!(
        "name={name}&password={}&to=%2Fagents",
        password.replace(' ', "+")
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    http::send(
        collector.address(),
        "POST",
        "/sign-in",
        &headers,
        form.as_bytes(),
    )
    .unwrap()
}

fn cookie(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.header("location")), (303, "/agents"));
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

/// The status of the API for somebody.
fn status(collector: &Collector, header: (&str, &str)) -> u16 {
    let answer = http::send(collector.address(), "GET", "/api/v1/hosts", &[header], b"");
    answer.unwrap().status
}

/// A collector with the account `anna`, made before its first start.
fn collector() -> Collector {
    let mut collector = Collector::new(WITHOUT_AGENT);
    let (code, said) = user(&collector, &["add", "anna"], "correct horse");
    assert_eq!((code, said.as_str()), (0, "anna may sign in as operator\n"));
    collector.start_for("/sign-in");
    collector
}

#[test]
fn accounts_are_made_on_the_command_line() {
    let collector = collector();
    for (args, password, expect) in [
        (
            &["add", "anna"][..],
            "correct horse",
            "there is an account of the name \"anna\" already",
        ),
        (
            &["add", "berta"],
            "too short",
            "expected at least 10 characters, found 9",
        ),
        (
            &["add", "a b"],
            "correct horse",
            "expected a name of 1 to 64 letters",
        ),
        (
            &["add", "berta", "--role", "king"],
            "correct horse",
            "expected viewer or operator, found",
        ),
        (
            &["passwd", "nobody"],
            "correct horse",
            "there is no account of the name \"nobody\"",
        ),
        (
            &["remove", "nobody"],
            "",
            "there is no account of the name \"nobody\"",
        ),
    ] {
        let (code, said) = user(&collector, args, password);
        assert!(
            code != 0 && said.contains(expect),
            "{args:?}: {code} {said}"
        );
    }
    let (code, said) = user(
        &collector,
        &["add", "vera", "--role", "viewer"],
        "correct horse",
    );
    assert_eq!(code, 0, "{said}");
    let (_, said) = user(&collector, &["list"], "");
    let names: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["anna", "vera"], "{said}");
    let database = fs::read(collector.data().join("state.sqlite")).unwrap();
    let wal = fs::read(collector.data().join("state.sqlite-wal")).unwrap_or_default();
    let stored = [database, wal].concat();
    assert!(!stored.windows(13).any(|part| part == b"correct horse"));
}

#[test]
fn a_session_lives_through_a_restart_and_ends_with_sign_out_password_and_account() {
    let mut collector = collector();
    assert_eq!(collector.get("/api/v1/hosts").status, 401);
    let page = collector.get("/agents");
    assert_eq!(
        (page.status, page.header("location")),
        (303, "/sign-in?to=%2Fagents")
    );
    assert_eq!(sign_in(&collector, "anna", "wrong password").status, 401);
    let first = cookie(&sign_in(&collector, "anna", "correct horse"));
    let second = cookie(&sign_in(&collector, "anna", "correct horse"));
    assert_eq!(status(&collector, ("cookie", &first)), 200);

    let out = http::send(
        collector.address(),
        "POST",
        "/sign-out",
        &[("cookie", &first)],
        b"",
    );
    assert_eq!(out.unwrap().status, 303);
    assert_eq!(status(&collector, ("cookie", &first)), 401);
    collector.stop(Signal::SIGTERM);
    collector.start_for("/sign-in");
    assert_eq!(
        status(&collector, ("cookie", &first)),
        401,
        "signed out for good"
    );
    assert_eq!(status(&collector, ("cookie", &second)), 200);

    assert_eq!(user(&collector, &["passwd", "anna"], "another horse").0, 0);
    wait::until("the session ends", || {
        status(&collector, ("cookie", &second)) == 401
    });
    assert_eq!(sign_in(&collector, "anna", "correct horse").status, 401);
    let third = cookie(&sign_in(&collector, "anna", "another horse"));
    assert_eq!(
        user(
            &collector,
            &["add", "vera", "--role", "viewer"],
            "correct horse"
        )
        .0,
        0
    );
    assert_eq!(user(&collector, &["remove", "anna"], "").0, 0);
    wait::until("the account is gone", || {
        status(&collector, ("cookie", &third)) == 401
    });
    assert!(
        !collector.log().contains("horse"),
        "no password is in the log"
    );
}

#[test]
fn scripts_have_tokens_with_roles() {
    let collector = collector();
    let token = |args: &[&str]| {
        let output = collector.administer(&[&["token", "new"], args].concat());
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{args:?}");
        format!("Bearer {}", output.stdout.trim())
    };
    let viewer = token(&["looks", "--role", "viewer"]);
    let operator = token(&["acts", "--role", "operator"]);
    let agent = token(&["web1"]);
    wait::until("the tokens are known", || {
        status(&collector, ("authorization", &operator)) == 200
    });
    assert_eq!(status(&collector, ("authorization", &viewer)), 200);
    assert_eq!(
        status(&collector, ("authorization", &agent)),
        401,
        "agents push and do not look"
    );
    let mute = |bearer: &str| {
        let headers = [
            ("authorization", bearer),
            ("content-type", "application/json"),
        ];
        http::send(collector.address(), "POST", "/api/v1/mute", &headers, b"{}").unwrap()
    };
    assert_eq!(mute(&viewer).json()["code"], "not_operator");
    assert_ne!(mute(&operator).status, 403);
    let secret = fs::read_to_string(collector.data().join("admin.token")).unwrap();
    assert_eq!(
        status(&collector, ("authorization", &format!("Bearer {secret}"))),
        200
    );
    for taken in [
        &["token", "new", "looks"][..],
        &["token", "new", "web1", "--role", "viewer"],
    ] {
        assert_ne!(collector.administer(taken).code, 0, "{taken:?}");
    }
    assert_eq!(collector.administer(&["token", "remove", "looks"]).code, 0);
    wait::until("the token is gone", || {
        status(&collector, ("authorization", &viewer)) == 401
    });
}

#[test]
fn pages_are_served_on_a_network_only_with_an_account() {
    let collector = Collector::new("");
    let everywhere = format!(
        "[http]\nlisten = \"0.0.0.0:{}\"\n",
        collector.address().port()
    );
    let check = |toml: &str, expect: &str| {
        fs::write(
            collector.config(),
            format!("{everywhere}{toml}{WITHOUT_AGENT}"),
        )
        .unwrap();
        let config = collector.config().display().to_string();
        for command in ["serve", "check-config"] {
            let output = collector.administer(&[command, "-c", &config]);
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(
                output.code == 1 && said.contains(expect),
                "{command}: {said}"
            );
        }
    };
    check("", "pages there need TLS");
    check("without_tls = true\n", "need an account, and there is none");
    check(
        "proxy = \"10.0.0.1\"\n",
        "need an account, and there is none",
    );
    assert_eq!(user(&collector, &["add", "anna"], "correct horse").0, 0);
    let config = collector.config().display().to_string();
    let checked = collector.administer(&["check-config", "-c", &config]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);
}

#[test]
fn pushes_have_an_address_of_their_own() {
    let pushes: SocketAddr = tool::free_address();
    let mut collector = Collector::new(&format!("[push]\nlisten = \"{pushes}\"\n{WITHOUT_AGENT}"));
    collector.start();
    let mut by = collector.pusher("test");
    by.address = pushes;
    let batch = ravenry_tests::push::gauge("web1", "load", 60, &[(wait::utc_seconds(), 1.0)]);
    assert_eq!(by.push(&batch).unwrap().status, 200);
    wait::until("the host is there", || {
        collector.get("/host/web1").status == 200
    });
    for path in ["/", "/host/web1", "/api/v1/hosts", "/sign-in"] {
        let answer = http::get(pushes, path).unwrap();
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (404, Some("no_page")),
            "{path}"
        );
    }
    let named = [("host", "collector.example.net")];
    let pages = http::send(collector.address(), "GET", "/", &named, b"").unwrap();
    assert_eq!(pages.status, 421);
}
