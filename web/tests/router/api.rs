//! The shapes of the JSON API. A change here is a change that programs notice.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::ask;
use super::fake::NOW;

/// What is of interest of an answer: lists longer than two are cut.
fn check(path: &str, expect: &Expect) {
    let answer = ask(path);
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json", "{path}");
    let mut shape = answer.json();
    cut(&mut shape);
    expect.assert_eq(&(serde_json::to_string_pretty(&shape).unwrap() + "\n"));
}

fn cut(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.truncate(2);
            items.iter_mut().for_each(cut);
        }
        Value::Object(fields) => fields.values_mut().for_each(cut),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn hosts() {
    check(
        "/api/v1/hosts",
        &expect![[r#"
            {
              "hosts": [
                {
                  "checks": {
                    "critical": 0,
                    "ok": 1,
                    "unknown": 1,
                    "warning": 0
                  },
                  "graphs": 1,
                  "groups": [
                    "ungrouped"
                  ],
                  "last_contact": 1795192760,
                  "name": "10.0.0.7",
                  "state": "down",
                  "worst": "unknown"
                },
                {
                  "checks": {
                    "critical": 0,
                    "ok": 1,
                    "unknown": 0,
                    "warning": 1
                  },
                  "graphs": 1,
                  "groups": [
                    "Berlin DC/db"
                  ],
                  "last_contact": 1795200000,
                  "name": "db-1",
                  "state": "up",
                  "worst": "warning"
                }
              ],
              "next": null
            }
        "#]],
    );
}

#[test]
fn host() {
    check(
        "/api/v1/hosts/10.0.0.7",
        &expect![[r#"
            {
              "checks": [
                {
                  "check": null,
                  "field": null,
                  "graph": null,
                  "host": "10.0.0.7",
                  "output": "",
                  "reason": "not told: the host is down, incident 41 covers it",
                  "severity": "unknown",
                  "since": 1795199400,
                  "threshold": "",
                  "value": 97.25
                }
              ],
              "graphs": [
                {
                  "category": "system",
                  "last_update": 1795200007,
                  "latest": [
                    {
                      "field": "load",
                      "time": 1795200007,
                      "value": 0.6509598265815506
                    }
                  ],
                  "name": "load",
                  "step": 60.0,
                  "title": "Load average",
                  "worst": "ok"
                }
              ],
              "host": {
                "checks": {
                  "critical": 0,
                  "ok": 1,
                  "unknown": 1,
                  "warning": 0
                },
                "graphs": 1,
                "groups": [
                  "ungrouped"
                ],
                "last_contact": 1795192760,
                "name": "10.0.0.7",
                "state": "down",
                "worst": "unknown"
              },
              "runs": [
                {
                  "duration": 0.001,
                  "error": null,
                  "plugin": "load",
                  "problems": [],
                  "time": 1795200007
                }
              ]
            }
        "#]],
    );
}

#[test]
fn runs() {
    let answer = ask("/api/v1/hosts/web1.example.net").json();
    let run = &answer["runs"][3];
    assert_eq!(run["plugin"], "if_eth0");
    assert_eq!(run["error"], Value::Null);
    assert_eq!(run["problems"][0]["line"], 3);
}

#[test]
fn graph() {
    check(
        "/api/v1/hosts/web1.example.net/graphs/if_bytes.eth0:1",
        &expect![[r#"
        {
          "base": 1000,
          "category": "network",
          "checks": [],
          "fields": [
            {
              "cdef": "down,8,*",
              "critical": null,
              "drawn": false,
              "info": null,
              "label": "received",
              "max": null,
              "min": null,
              "name": "down",
              "negative": null,
              "type": "derive",
              "warning": null
            },
            {
              "cdef": "up,8,*",
              "critical": null,
              "drawn": true,
              "info": null,
              "label": "bps",
              "max": null,
              "min": null,
              "name": "up",
              "negative": "down",
              "type": "derive",
              "warning": null
            }
          ],
          "host": "web1.example.net",
          "info": null,
          "last_update": 1795200007,
          "latest": [
            {
              "field": "down",
              "time": 1795200007,
              "value": 569399.6107028903
            },
            {
              "field": "up",
              "time": 1795200007,
              "value": 1641823.1105220134
            }
          ],
          "name": "if_bytes.eth0:1",
          "period": "second",
          "step": 60.0,
          "title": "Traffic of eth0:1",
          "vlabel": "bits in (-) / out (+) per second"
        }
    "#]],
    );
}

#[test]
fn data() {
    let (start, end) = (NOW - 200, NOW);
    check(
        &format!(
            "/api/v1/hosts/db-1/graphs/load/data?start={start}&end={end}&resolution=60&cf=max"
        ),
        &expect![[r#"
            {
              "cf": "max",
              "end": 1795200000,
              "fields": [
                {
                  "field": "load",
                  "values": [
                    0.7180937047488107,
                    0.7170834076740832
                  ]
                }
              ],
              "graph": "load",
              "host": "db-1",
              "start": 1795199820,
              "step": 60.0
            }
        "#]],
    );
}

#[test]
fn unknown_is_null() {
    let answer = ask("/api/v1/hosts/db-1/graphs/load/data?start=-200000").json();
    let values = answer["fields"][0]["values"].as_array().unwrap();
    assert!(values.contains(&Value::Null) && values.iter().any(Value::is_number));
    assert_eq!(answer["step"], 300.0);
}

#[test]
fn incidents() {
    check(
        "/api/v1/incidents?limit=3",
        &expect![[r#"
            {
              "incidents": [
                {
                  "cause": {
                    "check": null,
                    "field": "_dev_vda1",
                    "graph": "df",
                    "host": "web1.example.net"
                  },
                  "closed": null,
                  "id": 42,
                  "opened": 1795199400,
                  "severity": "critical",
                  "summary": "/ is 98.4 % full, above 98",
                  "told": [
                    "night shift by mail at 18:31: problem"
                  ]
                },
                {
                  "cause": {
                    "check": null,
                    "field": null,
                    "graph": null,
                    "host": "10.0.0.7"
                  },
                  "closed": null,
                  "id": 41,
                  "opened": 1795199400,
                  "severity": "critical",
                  "summary": "nothing heard for 2 hours <b>!</b>",
                  "told": []
                }
              ],
              "next": null
            }
        "#]],
    );
}

#[test]
fn checks() {
    check(
        "/api/v1/checks?severity=warning",
        &expect![[r#"
            {
              "checks": [
                {
                  "check": null,
                  "field": null,
                  "graph": null,
                  "host": "db-1",
                  "output": "",
                  "reason": "not told: attempt 2 of 3",
                  "severity": "warning",
                  "since": 1795199400,
                  "threshold": "",
                  "value": 97.25
                }
              ],
              "next": null
            }
        "#]],
    );
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let check = |path: &str, sentence: &str| {
        let answer = ask(path);
        assert_eq!(answer.status.as_u16(), 400, "{path}");
        assert_eq!(answer.json()["error"], sentence, "{path}");
    };
    let data = "/api/v1/hosts/db-1/graphs/load/data";
    check(
        &format!("{data}?cf=last"),
        "parameter cf: expected average, min or max, found \"last\"",
    );
    check(
        &format!("{data}?start=100&end=50"),
        "parameter start: expected a time before end, found \"100 to 50\"",
    );
    check(
        &format!("{data}?start=0&resolution=60"),
        "parameter resolution: expected at most 50000 rows between start and end, found \"29920000 rows\"",
    );
    check(
        &format!("{data}?resolution=0"),
        "parameter resolution: expected a whole number from 1 to 31622400, found \"0\"",
    );
    check(
        "/api/v1/incidents?limit=many",
        "parameter limit: expected a whole number from 1 to 500, found \"many\"",
    );
    check(
        "/api/v1/checks?severity=bad",
        "parameter severity: expected ok, unknown, warning or critical, found \"bad\"",
    );
    check(
        "/api/v1/hosts?x=1",
        "parameter x: expected group, state, worst, limit, after, found \"1\"",
    );
}
