//! Who is let in, and what nobody is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{Method, Request};
use ravenry_web::access::{ApiToken, End, Known, Network, Peer, Role, User, password};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{Access, Answer, Arc, Door, Duration, Key, Options, Router, fake, router, site};

const PASSWORD: &str = "correct horse";

/// To hash one takes a while on purpose.
fn hash() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD).unwrap())
        .clone()
}

fn user(name: &str, role: Role) -> User {
    User {
        name: name.to_owned(),
        hash: hash(),
        role,
    }
}

fn known() -> Known {
    let token = |name: &str, role| ApiToken {
        name: name.to_owned(),
        sha256: Sha256::digest(format!("rvn_{name}")).into(),
        role,
    };
    Known {
        users: vec![user("anna", Role::Operator), user("vera", Role::Viewer)],
        tokens: vec![
            token("script", Role::Viewer),
            token("robot", Role::Operator),
        ],
        admin: Some(Sha256::digest("rvn_admin").into()),
        ended: HashSet::new(),
    }
}

struct Site {
    access: Arc<Access>,
    router: Router,
    ends: mpsc::Receiver<End>,
    peer: IpAddr,
}

/// A site with accounts, asked by `peer`.
fn with_accounts(door: Door, peer: &str) -> Site {
    let (access, ends) = Access::new(door, Duration::from_secs(3600), Key::derive("secret"));
    let access = Arc::new(access);
    access.replace(known());
    Site {
        router: router(
            Arc::new(fake::Fake::new(0)),
            Options::default(),
            Arc::clone(&access),
        ),
        access,
        ends,
        peer: peer.parse().unwrap(),
    }
}

fn local() -> Site {
    with_accounts(Door::local(([127, 0, 0, 1], 4950).into()), "127.0.0.1")
}

impl Site {
    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:4950");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(Peer(self.peer));
        super::ask_request(self.router.clone(), request)
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, "")
    }

    fn sign_in(&self, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [headers, &[form]].concat();
        let body = format!(
            "name={name}&password={}&to=%2Fhost%2Fdb-1",
            password.replace(' ', "+")
        );
        self.ask(Method::POST, "/sign-in", &headers, &body)
    }

    /// The cookie of somebody who has signed in.
    fn cookie(&self, name: &str) -> String {
        let answer = self.sign_in(name, PASSWORD, &[]);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie");
        cookie.split(';').next().unwrap().to_owned()
    }
}

#[test]
fn only_our_names_are_answered() {
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:4950", 200),
        ("[::1]:4950", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:4950", 421),
    ] {
        for path in ["/", "/api/v1/hosts", "/assets/none"] {
            let answer = super::ask_with(site(), Method::GET, path, &[("host", host)]);
            let expect = if path == "/assets/none" && status == 200 {
                404
            } else {
                status
            };
            assert_eq!(answer.status, expect, "{host} {path}");
        }
    }
}

#[test]
fn another_site_changes_nothing_and_reads_no_data() {
    let site = local();
    let cookie = site.cookie("anna");
    let cookie = ("cookie", cookie.as_str());
    let check = |method: Method, path: &str, headers: &[(&str, &str)], status: u16| {
        let answer = site.ask(method.clone(), path, &[headers, &[cookie]].concat(), "");
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
    };
    let (origin, fetch) = (
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    );
    check(Method::POST, "/sign-out", &[origin], 403);
    check(Method::POST, "/sign-out", &[fetch], 403);
    check(Method::POST, "/sign-in", &[fetch], 403);
    check(Method::POST, "/sign-in", &[("origin", "null")], 403);
    check(
        Method::POST,
        "/sign-in",
        &[("sec-fetch-site", "same-site"), origin],
        403,
    );
    check(Method::GET, "/api/v1/hosts", &[fetch], 403);
    check(
        Method::GET,
        "/api/v1/hosts",
        &[fetch, ("sec-fetch-mode", "navigate")],
        200,
    );
    check(
        Method::GET,
        "/",
        &[fetch, ("sec-fetch-mode", "navigate")],
        200,
    );
    check(
        Method::GET,
        "/api/v1/hosts",
        &[("sec-fetch-site", "same-origin")],
        200,
    );
    let form = [
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:4950"),
    ];
    check(Method::POST, "/sign-in", &form, 400);
}

#[test]
fn who_is_not_known_is_asked_to_sign_in() {
    let site = local();
    let page = site.get("/host/db-1?x=1", &[("accept", "text/html,*/*")]);
    assert_eq!(page.status, 303);
    assert_eq!(
        page.header("location"),
        "/sign-in?to=%2Fhost%2Fdb-1%3Fx%3D1"
    );
    for path in [
        "/api/v1/hosts",
        "/graph/web1.example.net/df/day.png",
        "/api/v1/nothing",
    ] {
        let answer = site.get(path, &[]);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
    }
    assert_eq!(
        site.get("/api/v1/hosts", &[]).json()["code"],
        "not_signed_in"
    );
    let form = site.get(page.header("location"), &[]);
    assert_eq!(form.status, 200);
    assert!(
        form.text().contains("value=\"/host/db-1?x=1\""),
        "{}",
        form.text()
    );
    assert!(!form.text().contains("Sign out"));
    let style = form
        .text()
        .split('"')
        .find(|part| part.starts_with("/assets/"))
        .unwrap();
    assert_eq!(site.get(style, &[]).status, 200);
}

#[test]
fn a_session_opens_the_pages_until_it_is_signed_out() {
    let mut site = local();
    let answer = site.sign_in("anna", PASSWORD, &[]);
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/host/db-1")
    );
    let set = answer.header("set-cookie").to_owned();
    assert!(
        set.starts_with("ravenry-4950=")
            && set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let cookie = [("cookie", cookie)];
    let page = site.get("/", &cookie);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("anna") && page.text().contains("Sign out"));
    assert_eq!(page.header("cache-control"), "private, no-cache");
    assert!(
        site.get("/graph/web1.example.net/df/day.svg", &cookie)
            .header("cache-control")
            .starts_with("private, ")
    );

    let written = std::thread::spawn(move || {
        let end = site.ends.blocking_recv().unwrap();
        end.done.send(Ok(())).unwrap();
        site.ends
    });
    let out = Site {
        ends: mpsc::channel(1).1,
        ..clone(&site.access, &site.router, site.peer)
    }
    .ask(Method::POST, "/sign-out", &cookie, "");
    assert_eq!(
        (out.status.as_u16(), out.header("location")),
        (303, "/sign-in")
    );
    assert!(out.header("set-cookie").contains("ravenry-4950=;"));
    drop(written.join().unwrap());
    let site = clone(&site.access, &site.router, site.peer);
    assert_eq!(
        site.get("/api/v1/hosts", &cookie).status,
        401,
        "the cookie is good no more"
    );
}

fn clone(access: &Arc<Access>, router: &Router, peer: IpAddr) -> Site {
    Site {
        access: Arc::clone(access),
        router: router.clone(),
        ends: mpsc::channel(1).1,
        peer,
    }
}

#[test]
fn sessions_end_with_their_account_or_password() {
    let site = local();
    let cookie = site.cookie("anna");
    let cookie = [("cookie", cookie.as_str())];
    assert_eq!(site.get("/api/v1/hosts", &cookie).status, 200);
    let mut others = known();
    others.users[0].hash = password::hash("another password").unwrap();
    site.access.replace(others);
    assert_eq!(site.get("/api/v1/hosts", &cookie).status, 401);
    site.access.replace(known());
    assert_eq!(site.get("/api/v1/hosts", &cookie).status, 200);
    let mut others = known();
    others.users.remove(0);
    site.access.replace(others);
    assert_eq!(site.get("/api/v1/hosts", &cookie).status, 401);
}

#[test]
fn wrong_names_and_wrong_passwords_are_told_alike_and_not_for_ever() {
    let site = local();
    let wrong = site.sign_in("anna", "wrong password", &[]);
    let nobody = site.sign_in("nobody", "wrong password", &[]);
    assert_eq!(
        (wrong.status, nobody.status),
        (401.try_into().unwrap(), 401.try_into().unwrap())
    );
    assert_eq!(wrong.text().replace("anna", "nobody"), nobody.text());
    assert!(wrong.text().contains("name or password is wrong"));
    assert_eq!(wrong.header("set-cookie"), "");
    for _ in 0..8 {
        assert_eq!(site.sign_in("anna", "wrong password", &[]).status, 401);
    }
    let shut = site.sign_in("anna", PASSWORD, &[]);
    assert_eq!(shut.status, 429);
    assert!(shut.header("retry-after").parse::<u32>().unwrap() <= 61);
    assert_eq!(site.get("/sign-in", &[]).status, 200);
}

#[test]
fn viewers_look_and_operators_act() {
    let site = local();
    let vera = site.cookie("vera");
    let check = |header: (&str, &str), method: Method, status: u16, code: &str| {
        let answer = site.ask(method.clone(), "/api/v1/hosts", &[header], "");
        assert_eq!(answer.status, status, "{method} {header:?}");
        assert_eq!(
            answer.json()["code"].as_str().unwrap_or_default(),
            code,
            "{header:?}"
        );
    };
    let script = ("authorization", "Bearer rvn_script");
    let robot = ("authorization", "bearer rvn_robot");
    check(("cookie", &vera), Method::GET, 200, "");
    check(("cookie", &vera), Method::POST, 403, "not_operator");
    check(script, Method::GET, 200, "");
    check(script, Method::POST, 403, "not_operator");
    check(script, Method::DELETE, 403, "not_operator");
    check(robot, Method::GET, 200, "");
    check(robot, Method::POST, 405, "bad_method");
    check(
        ("authorization", "Bearer rvn_other"),
        Method::GET,
        401,
        "unknown_token",
    );
    check(
        ("authorization", "Basic YTpi"),
        Method::GET,
        401,
        "unknown_token",
    );
    let page = site.get("/", &[("cookie", &vera)]);
    assert!(page.text().contains("vera, viewer"));
}

#[test]
fn without_tls_a_password_crosses_no_network() {
    let proxied = |forwarded: &[(&str, &str)]| {
        let proxies: Vec<Network> = vec!["10.0.0.1".parse().unwrap()];
        let door = Door {
            proxies,
            origin: Some("https://ravenry.example.net".to_owned()),
            ..Door::local(([0, 0, 0, 0], 4950).into())
        };
        let host = ("host", "ravenry.example.net");
        let headers = [&[host][..], forwarded].concat();
        with_accounts(door, "10.0.0.1").sign_in("anna", PASSWORD, &headers)
    };
    let tls = proxied(&[
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
    ]);
    assert_eq!(tls.status, 303);
    let cookie = tls.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-ravenry-4950=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let plain = proxied(&[
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
    ]);
    assert_eq!(plain.status, 403);
    assert!(plain.text().contains("expected https"), "{}", plain.text());

    let everywhere = Door {
        without_tls: true,
        ..Door::local(([0, 0, 0, 0], 4950).into())
    };
    let host = [("host", "192.0.2.7:4950")];
    let answer = with_accounts(everywhere, "192.0.2.1").sign_in("anna", PASSWORD, &host);
    assert_eq!(answer.status, 303);
}

#[test]
fn nobody_is_let_in_elsewhere_when_there_is_no_account_left() {
    let door = Door {
        without_tls: true,
        ..Door::local(([0, 0, 0, 0], 4950).into())
    };
    let site = with_accounts(door, "192.0.2.1");
    site.access.replace(Known::default());
    let answer = site.get("/api/v1/hosts", &[("host", "192.0.2.7:4950")]);
    assert_eq!(
        (answer.status.as_u16(), answer.json()["code"].as_str()),
        (403, Some("no_account"))
    );
}

#[test]
fn viewers_see_no_forms_and_post_none() {
    let site = local();
    let check = |name: &str, may: bool| {
        let cookie = site.cookie(name);
        let headers = [("cookie", cookie.as_str())];
        for path in ["/problems", "/incident/41", "/downtimes"] {
            let answer = site.get(path, &headers);
            assert_eq!(answer.status, 200, "{name} {path}");
            let offers = answer.text().contains("action=\"/act\"");
            assert_eq!(offers, may, "{name} {path}");
        }
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [form, headers[0]];
        let answer = site.ask(Method::POST, "/act", &headers, "do=unmute");
        assert_eq!(answer.status, if may { 303 } else { 403 }, "{name}");
    };
    check("anna", true);
    check("vera", false);
}
