//! What the forms of the pages do.

use std::sync::Arc;

use axum::http::Method;
use ravenry_web::{Options, router};

use crate::fake::Fake;
use crate::{ask, everybody, send};

/// Posts a form as dora: status, where it leads, the page, and what was done.
fn post(form: &str) -> (u16, String, String, Vec<String>) {
    let fake = Fake::new(0);
    let done = fake.done();
    let router = router(Arc::new(fake), Options::default(), everybody());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", "tz=Europe/Berlin"),
        ("ravenry-author", "dora"),
    ];
    let answer = send(router, Method::POST, "/act", &headers, form);
    let (status, location) = (answer.status.as_u16(), answer.header("location").to_owned());
    let page = answer.text().to_owned();
    let done = done.lock().unwrap().clone();
    (status, location, page, done)
}

#[test]
fn a_form_does_what_it_says_and_leads_back() {
    let check = |form: &str, expect: &[&str]| {
        let (status, location, page, done) = post(&format!("{form}&back=/problems%3Fall=yes"));
        assert_eq!(
            (status, location.as_str()),
            (303, "/problems?all=yes"),
            "{form}: {page}"
        );
        assert_eq!(done, expect, "{form}");
    };
    check(
        "do=acknowledge&on=3&on=web1/df/root&comment=+on+it+&lasts=3600",
        &[
            r#"dora: {"action":"acknowledge","on":"3","comment":"on it","expires":1795203620}"#,
            r#"dora: {"action":"acknowledge","on":"web1/df/root","comment":"on it","expires":1795203620}"#,
        ],
    );
    check(
        "do=comment&on=web1&comment=seen",
        &[r#"dora: {"action":"add_comment","on":"web1","text":"seen"}"#],
    );
    check("do=unmute", &[r#"dora: {"action":"unmute"}"#]);
    check(
        "do=end-downtime&id=7",
        &[r#"dora: {"action":"remove_downtime","id":7}"#],
    );
    // The browser's clock is that of Berlin.
    check(
        "do=downtime&host=web*&group=&check=df&start=2026-11-21T02:00&lasts=7200&every=week&flexible=&comment=disks",
        &[
            r#"dora: {"action":"add_downtime","host":"web*","group":null,"check":"df","start":1795222800,"end":1795230000,"flexible_seconds":null,"every":"week","zone":"Europe/Berlin","comment":"disks"}"#,
        ],
    );
    // Of what is ticked, one each.
    check(
        "do=downtime&on=web1/df/root&on=db-1&lasts=60&comment=x",
        &[
            r#"dora: {"action":"add_downtime","host":"web1","group":null,"check":"df/root","start":null,"end":1795200080,"flexible_seconds":null,"every":null,"zone":null,"comment":"x"}"#,
            r#"dora: {"action":"add_downtime","host":"db-1","group":null,"check":null,"start":null,"end":1795200080,"flexible_seconds":null,"every":null,"zone":null,"comment":"x"}"#,
        ],
    );
}

#[test]
fn what_is_wrong_with_a_form_is_said_and_nothing_done() {
    let check = |form: &str, expect: (u16, &str)| {
        let (status, _, page, done) = post(form);
        assert_eq!(status, expect.0, "{form}: {page}");
        assert!(page.contains(expect.1), "{form}: {page}");
        assert!(done.is_empty(), "{form}: {done:?}");
    };
    check("do=fly&on=1", (400, "expected acknowledge, unacknowledge"));
    check(
        "do=acknowledge",
        (400, "at least one problem that is ticked"),
    );
    check("do=acknowledge&on=a/b/c/d/e", (400, "parameter on"));
    check("do=acknowledge&on=1&lasts=soon", (400, "parameter lasts"));
    check(
        "do=downtime&host=web*&comment=x",
        (400, "how long it lasts"),
    );
    check(
        "do=downtime&host=web*&lasts=60&start=tonight",
        (400, "parameter start"),
    );
    check("do=acknowledge&on=1000", (404, "no incident 1000"));
}

#[test]
fn of_many_what_was_refused_is_said_first() {
    let (status, _, page, done) = post("do=acknowledge&on=3&on=1000&back=/problems");
    assert_eq!((status, done.len()), (409, 1), "{page}");
    let (refused, did) = (page.find("no incident 1000"), page.find("done: dora"));
    assert!(refused.is_some() && refused < did, "{page}");
    assert!(page.contains("href=\"/problems\""), "{page}");
}

#[test]
fn problems_are_found_and_sorted() {
    let check = |query: &str, has: &[&str], has_not: &[&str]| {
        let answer = ask(&format!("/problems{query}"));
        assert_eq!(answer.status.as_u16(), 200, "{query}");
        let at: Vec<_> = has
            .iter()
            .map(|name| answer.text().find(&format!(">{name}</a>")))
            .collect();
        assert!(
            at.iter().all(Option::is_some) && at.is_sorted(),
            "{query}: {at:?}"
        );
        for name in has_not {
            assert!(
                !answer.text().contains(&format!(">{name}</a>")),
                "{query}: {name}"
            );
        }
    };
    check("?sort=name", &["10.0.0.7"], &["new_host"]);
    check("?q=DB-1", &[], &["10.0.0.7"]);
    check("?state=critical", &[], &["10.0.0.7"]);
    check("?group=ungrouped", &["10.0.0.7"], &["db-1/load/load"]);
    assert_eq!(ask("/problems?state=ok").status.as_u16(), 400);
    assert_eq!(ask("/problems?sort=fast").status.as_u16(), 400);
}
