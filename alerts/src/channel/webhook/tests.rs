//! What each service is posted, and how requests are signed and answers are read.

use std::sync::Arc;

use expect_test::{Expect, expect};
use ravenry_plugins::name::SeriesName;

use super::*;
use crate::check::CheckName;
use crate::notice::{Kind, Notice, NoticeKey};
use crate::rule::ContactName;
use crate::severity::Severity;

fn links() -> Links {
    Links {
        base: Some(String::from("https://r.example")),
        sign: Some(Arc::new(|key, _| format!("/ack/{}", key.incident))),
    }
}

fn check_of(host: &str) -> CheckName {
    CheckName::Field(SeriesName {
        host: host.parse().unwrap(),
        graph: "df".parse().unwrap(),
        field: "root".parse().unwrap(),
    })
}

fn delivery(kind: Kind) -> Delivery {
    let is_over = kind == Kind::Recovery;
    let notice = Notice {
        key: NoticeKey {
            incident: 12,
            contact: ContactName::new("ops"),
            sequence: 1,
        },
        kind,
        check: Some(check_of("web1")),
        severity: if is_over {
            Severity::Ok
        } else {
            Severity::Critical
        },
        was: if is_over {
            Severity::Critical
        } else {
            Severity::Ok
        },
        label: String::from("df <!channel> @all"),
        value: Some(99.1),
        unit: String::from("%"),
        threshold: String::from("critical above 98"),
        since: Timestamp::from_seconds(1_767_225_600),
        others: vec![check_of("web2")],
        causes: 3,
        hidden: 1,
        why: String::from("the settings name you"),
        ..Notice::test(
            ContactName::new("ops"),
            Timestamp::from_seconds(1_767_225_660),
        )
    };
    Delivery {
        notice,
        over: None,
        address: Address::webhook("https://hook.example"),
        picture: None,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads as lines of data"
)]
fn check(delivery: &Delivery, format: Format, expect: Expect) {
    let hook = Hook {
        format,
        key: Some(Secret::new("R0UTINGKEY")),
        ..Hook::new("https://ntfy.example/alerts")
    };
    let value: serde_json::Value = serde_json::from_str(&body(delivery, &hook, &links())).unwrap();
    let text = serde_json::to_string_pretty(&value).unwrap();
    expect.assert_eq(&text.replace('\u{200b}', "\\u200b"));
}

#[test]
fn our_own_form_says_everything() {
    check(
        &delivery(Kind::Problem),
        Format::Ravenry,
        expect![[r#"
            {
              "also": [
                "web2/df/root"
              ],
              "at": 1767225660,
              "causes": 3,
              "check": null,
              "contact": "ops",
              "explains": 1,
              "field": "root",
              "graph": "df",
              "hides": [],
              "host": "web1",
              "incident": 12,
              "key": "12-ops-1",
              "kind": "problem",
              "label": "df <!channel> @all",
              "links": {
                "acknowledge": "https://r.example/ack/12",
                "check": "https://r.example/graph/web1/df",
                "host": "https://r.example/host/web1",
                "incident": "https://r.example/incident/12"
              },
              "often": 0,
              "output": "",
              "over": null,
              "sequence": 1,
              "severity": "critical",
              "short": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more #12",
              "since": 1767225600,
              "subject": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more",
              "text": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more\n\nCheck        web1/df/root\nValue        99.1 %\nThreshold    critical above 98\nSince        2026-01-01 00:00:00 UTC, 1m before this notice\nAlso         web2/df/root\n             and 1 more\nHides        1 check that needs this; it is not told one by one\nWhy you      The settings name you.\nNext         You hear again if it gets worse or spreads, and once when all of it is well.\n\nAcknowledge  https://r.example/ack/12\nGraph        https://r.example/graph/web1/df\nHost         https://r.example/host/web1\nIncident     https://r.example/incident/12\n\nRavenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC\n",
              "threshold": "critical above 98",
              "unit": "%",
              "value": 99.1,
              "version": 1,
              "was": "ok",
              "why": "the settings name you"
            }"#]],
    );
}

#[test]
fn slack_gets_an_attachment_that_calls_nobody() {
    check(
        &delivery(Kind::Problem),
        Format::Slack,
        expect![[r##"
            {
              "attachments": [
                {
                  "color": "#b3261e",
                  "fallback": "[critical] web1: df &lt;!channel&gt; @all is 99.1 % (critical above 98) and 2 more",
                  "fields": [
                    {
                      "short": true,
                      "title": "Check",
                      "value": "web1/df/root"
                    },
                    {
                      "short": true,
                      "title": "Value",
                      "value": "99.1 %"
                    },
                    {
                      "short": true,
                      "title": "Threshold",
                      "value": "critical above 98"
                    },
                    {
                      "short": false,
                      "title": "Since",
                      "value": "2026-01-01 00:00:00 UTC, 1m before this notice"
                    },
                    {
                      "short": true,
                      "title": "Also",
                      "value": "web2/df/root\nand 1 more"
                    },
                    {
                      "short": false,
                      "title": "Hides",
                      "value": "1 check that needs this; it is not told one by one"
                    },
                    {
                      "short": true,
                      "title": "Why you",
                      "value": "The settings name you."
                    },
                    {
                      "short": false,
                      "title": "Next",
                      "value": "You hear again if it gets worse or spreads, and once when all of it is well."
                    }
                  ],
                  "footer": "Ravenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC",
                  "mrkdwn_in": [
                    "text",
                    "fields"
                  ],
                  "text": "<https://r.example/ack/12|Acknowledge> · <https://r.example/graph/web1/df|Graph> · <https://r.example/host/web1|Host> · <https://r.example/incident/12|Incident>",
                  "title": "[critical] web1: df &lt;!channel&gt; @all is 99.1 % (critical above 98) and 2 more",
                  "title_link": "https://r.example/graph/web1/df",
                  "ts": 1767225660
                }
              ]
            }"##]],
    );
}

#[test]
fn mattermost_gets_an_attachment_that_calls_nobody() {
    check(
        &delivery(Kind::Problem),
        Format::Mattermost,
        expect![[r##"
            {
              "attachments": [
                {
                  "color": "#b3261e",
                  "fallback": "[critical] web1: df <!channel> @\u200ball is 99.1 % (critical above 98) and 2 more",
                  "fields": [
                    {
                      "short": true,
                      "title": "Check",
                      "value": "web1/df/root"
                    },
                    {
                      "short": true,
                      "title": "Value",
                      "value": "99.1 %"
                    },
                    {
                      "short": true,
                      "title": "Threshold",
                      "value": "critical above 98"
                    },
                    {
                      "short": false,
                      "title": "Since",
                      "value": "2026-01-01 00:00:00 UTC, 1m before this notice"
                    },
                    {
                      "short": true,
                      "title": "Also",
                      "value": "web2/df/root\nand 1 more"
                    },
                    {
                      "short": false,
                      "title": "Hides",
                      "value": "1 check that needs this; it is not told one by one"
                    },
                    {
                      "short": true,
                      "title": "Why you",
                      "value": "The settings name you."
                    },
                    {
                      "short": false,
                      "title": "Next",
                      "value": "You hear again if it gets worse or spreads, and once when all of it is well."
                    }
                  ],
                  "footer": "Ravenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC",
                  "mrkdwn_in": [
                    "text",
                    "fields"
                  ],
                  "text": "[Acknowledge](https://r.example/ack/12) · [Graph](https://r.example/graph/web1/df) · [Host](https://r.example/host/web1) · [Incident](https://r.example/incident/12)",
                  "title": "[critical] web1: df <!channel> @\u200ball is 99.1 % (critical above 98) and 2 more",
                  "title_link": "https://r.example/graph/web1/df",
                  "ts": 1767225660
                }
              ]
            }"##]],
    );
}

#[test]
fn pagerduty_is_triggered_and_resolved_by_one_key() {
    check(
        &delivery(Kind::Problem),
        Format::PagerDuty,
        expect![[r#"
            {
              "client": "Ravenry",
              "client_url": "https://r.example/incident/12",
              "dedup_key": "ravenry-12-1767225600000000",
              "event_action": "trigger",
              "links": [
                {
                  "href": "https://r.example/ack/12",
                  "text": "Acknowledge"
                },
                {
                  "href": "https://r.example/graph/web1/df",
                  "text": "Graph"
                },
                {
                  "href": "https://r.example/host/web1",
                  "text": "Host"
                },
                {
                  "href": "https://r.example/incident/12",
                  "text": "Incident"
                }
              ],
              "payload": {
                "class": "problem",
                "component": "root",
                "custom_details": {
                  "also": "web2/df/root\nand 1 more",
                  "check": "web1/df/root",
                  "hides": "1 check that needs this; it is not told one by one",
                  "next": "You hear again if it gets worse or spreads, and once when all of it is well.",
                  "since": "2026-01-01 00:00:00 UTC, 1m before this notice",
                  "threshold": "critical above 98",
                  "value": "99.1 %",
                  "why you": "The settings name you."
                },
                "group": "df",
                "severity": "critical",
                "source": "web1",
                "summary": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more",
                "timestamp": "2026-01-01T00:00:00Z"
              },
              "routing_key": "R0UTINGKEY"
            }"#]],
    );
    let key = |kind| {
        let body = pagerduty::body(&delivery(kind), &links(), None);
        (body["event_action"].clone(), body["dedup_key"].clone())
    };
    let (_, first) = key(Kind::Problem);
    assert_eq!(key(Kind::Worse), ("trigger".into(), first.clone()));
    assert_eq!(key(Kind::Update), ("trigger".into(), first.clone()));
    assert_eq!(
        key(Kind::Acknowledged),
        ("acknowledge".into(), first.clone())
    );
    assert_eq!(key(Kind::Recovery), ("resolve".into(), first.clone()));
    assert_eq!(key(Kind::Withdrawn), ("resolve".into(), first));
}

#[test]
fn what_was_over_before_it_was_delivered_pages_nobody_but_is_said() {
    let over = Delivery {
        over: Some(Timestamp::from_seconds(1_767_225_700)),
        ..delivery(Kind::Problem)
    };
    let event = pagerduty::body(&over, &links(), None);
    assert_eq!(event["event_action"], "trigger");
    assert_eq!(event["payload"]["severity"], "info");
    assert_eq!(
        event["payload"]["custom_details"]["over"],
        "2026-01-01T00:01:40Z"
    );
    let group = alertmanager::body(&over, &links());
    assert_eq!(group["status"], "resolved");
    assert_eq!(group["alerts"][0]["endsAt"], "2026-01-01T00:01:40Z");
    assert_eq!(ntfy::body(&over, &links(), "https://n/t")["priority"], 3);
}

#[test]
fn ntfy_gets_a_topic_a_priority_and_buttons() {
    check(
        &delivery(Kind::Problem),
        Format::Ntfy,
        expect![[r#"
            {
              "actions": [
                {
                  "action": "view",
                  "label": "Acknowledge",
                  "url": "https://r.example/ack/12"
                },
                {
                  "action": "view",
                  "label": "Graph",
                  "url": "https://r.example/graph/web1/df"
                },
                {
                  "action": "view",
                  "label": "Host",
                  "url": "https://r.example/host/web1"
                }
              ],
              "click": "https://r.example/graph/web1/df",
              "message": "Check: web1/df/root\nValue: 99.1 %\nThreshold: critical above 98\nSince: 2026-01-01 00:00:00 UTC, 1m before this notice\nAlso: web2/df/root\nand 1 more\nHides: 1 check that needs this; it is not told one by one\nWhy you: The settings name you.\nNext: You hear again if it gets worse or spreads, and once when all of it is well.",
              "priority": 5,
              "tags": [
                "rotating_light"
              ],
              "title": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more",
              "topic": "alerts"
            }"#]],
    );
    assert_eq!(
        ntfy::place("https://ntfy.sh/ops"),
        ("https://ntfy.sh", "ops")
    );
    assert_eq!(
        ntfy::place("https://me.example/ntfy/ops/"),
        ("https://me.example/ntfy", "ops")
    );
}

#[test]
fn alertmanagers_form_keeps_labels_and_fingerprint_to_the_end() {
    check(
        &delivery(Kind::Problem),
        Format::Alertmanager,
        expect![[r#"
            {
              "alerts": [
                {
                  "annotations": {
                    "description": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more\n\nCheck        web1/df/root\nValue        99.1 %\nThreshold    critical above 98\nSince        2026-01-01 00:00:00 UTC, 1m before this notice\nAlso         web2/df/root\n             and 1 more\nHides        1 check that needs this; it is not told one by one\nWhy you      The settings name you.\nNext         You hear again if it gets worse or spreads, and once when all of it is well.\n\nAcknowledge  https://r.example/ack/12\nGraph        https://r.example/graph/web1/df\nHost         https://r.example/host/web1\nIncident     https://r.example/incident/12\n\nRavenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC\n",
                    "summary": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more"
                  },
                  "endsAt": "0001-01-01T00:00:00Z",
                  "fingerprint": "7cb4eeace15af761",
                  "generatorURL": "https://r.example/graph/web1/df",
                  "labels": {
                    "alertname": "df",
                    "field": "root",
                    "graph": "df",
                    "host": "web1",
                    "incident": "12",
                    "instance": "web1",
                    "severity": "critical"
                  },
                  "startsAt": "2026-01-01T00:00:00Z",
                  "status": "firing"
                },
                {
                  "annotations": {
                    "description": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more\n\nCheck        web1/df/root\nValue        99.1 %\nThreshold    critical above 98\nSince        2026-01-01 00:00:00 UTC, 1m before this notice\nAlso         web2/df/root\n             and 1 more\nHides        1 check that needs this; it is not told one by one\nWhy you      The settings name you.\nNext         You hear again if it gets worse or spreads, and once when all of it is well.\n\nAcknowledge  https://r.example/ack/12\nGraph        https://r.example/graph/web1/df\nHost         https://r.example/host/web1\nIncident     https://r.example/incident/12\n\nRavenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC\n",
                    "summary": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more"
                  },
                  "endsAt": "0001-01-01T00:00:00Z",
                  "fingerprint": "4ee3f5954562444c",
                  "generatorURL": "https://r.example/graph/web2/df",
                  "labels": {
                    "alertname": "df",
                    "field": "root",
                    "graph": "df",
                    "host": "web2",
                    "incident": "12",
                    "instance": "web2",
                    "severity": "critical"
                  },
                  "startsAt": "2026-01-01T00:00:00Z",
                  "status": "firing"
                }
              ],
              "commonAnnotations": {
                "description": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more\n\nCheck        web1/df/root\nValue        99.1 %\nThreshold    critical above 98\nSince        2026-01-01 00:00:00 UTC, 1m before this notice\nAlso         web2/df/root\n             and 1 more\nHides        1 check that needs this; it is not told one by one\nWhy you      The settings name you.\nNext         You hear again if it gets worse or spreads, and once when all of it is well.\n\nAcknowledge  https://r.example/ack/12\nGraph        https://r.example/graph/web1/df\nHost         https://r.example/host/web1\nIncident     https://r.example/incident/12\n\nRavenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:01:00 UTC\n",
                "summary": "[critical] web1: df <!channel> @all is 99.1 % (critical above 98) and 2 more"
              },
              "commonLabels": {
                "alertname": "df",
                "field": "root",
                "graph": "df",
                "incident": "12",
                "severity": "critical"
              },
              "externalURL": "https://r.example",
              "groupKey": "{}:{incident=\"12\"}",
              "groupLabels": {
                "incident": "12"
              },
              "receiver": "ops",
              "status": "firing",
              "truncatedAlerts": 1,
              "version": "4"
            }"#]],
    );
    let problem = alertmanager::body(&delivery(Kind::Problem), &links());
    let end = alertmanager::body(&delivery(Kind::Recovery), &links());
    for key in ["labels", "fingerprint", "startsAt", "generatorURL"] {
        assert_eq!(problem["alerts"][0][key], end["alerts"][0][key], "{key}");
    }
    assert_eq!(end["status"], "resolved");
    assert_eq!(end["alerts"][0]["endsAt"], "2026-01-01T00:01:00Z");
    let prints = |n: usize| problem["alerts"][n]["fingerprint"].clone();
    assert_ne!(prints(0), prints(1));
}

#[test]
fn a_request_is_signed_over_its_time_and_body() {
    // echo -n '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
    let found = signature(
        &Secret::new("secret"),
        Timestamp::from_seconds(1_700_000_000),
        b"{\"a\":1}",
    );
    let hex = "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
    assert_eq!(found, format!("t=1700000000,v1={hex}"));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = Timestamp::from_seconds(1_767_225_600);
    let check = |text: &str, expect: Option<u64>| {
        assert_eq!(retry_after(text, now), expect.map(Duration::from_secs));
    };
    check("120", Some(120));
    check(" 0 ", Some(0));
    check("Thu, 01 Jan 2026 00:02:00 GMT", Some(120));
    check("Wed, 31 Dec 2025 23:59:00 GMT", Some(0));
    check("soon", None);
    check("-5", None);
}
