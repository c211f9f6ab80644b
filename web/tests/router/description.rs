//! The description of the API beside the API: the same addresses and methods, and answers that hold what it says.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use expect_test::expect_file;
use serde_json::Value;

use super::{ask, ask_with, site};

fn description() -> Value {
    ask("/api/v1/openapi.json").json()
}

/// A path of the description as one that can be asked.
fn sample(path: &str) -> String {
    path.replace("{host}", "web1.example.net")
        .replace("{graph}", "df")
        .replace("{id}", "1")
}

/// Served by the program around the pages.
const ELSEWHERE: [&str; 2] = ["/api/v1/push", "/api/v1/enroll"];

#[test]
fn the_file_in_the_docs_is_what_is_served() {
    let text = serde_json::to_string_pretty(&description()).unwrap() + "\n";
    expect_file!["../../../docs/openapi.json"].assert_eq(&text);
}

#[test]
fn it_names_the_routes_there_are_and_no_others() {
    let source = include_str!("../../src/lib.rs");
    let (_, api) = source.split_once("\nfn api() ").unwrap();
    let (api, _) = api.split_once("\n/// A panic").unwrap();
    let routes: BTreeSet<String> = api
        .split(".route(")
        .skip(1)
        .map(|rest| format!("/api/v1{}", rest.split('"').nth(1).unwrap()))
        .collect();
    let description = description();
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| !ELSEWHERE.contains(&path.as_str()))
        .cloned()
        .collect();
    assert_eq!(
        routes, described,
        "left: routed, right: described in web/src/api/description.rs"
    );
}

#[test]
fn it_names_the_methods_there_are_and_no_others() {
    for (path, operations) in description()["paths"].as_object().unwrap() {
        if ELSEWHERE.contains(&path.as_str()) {
            continue;
        }
        let answer = ask_with(site(), Method::PUT, &sample(path), &[]);
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.header("allow").to_lowercase();
        let allowed: BTreeSet<&str> = allowed
            .split(',')
            .filter(|method| *method != "head")
            .collect();
        let described: BTreeSet<&str> = operations
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(allowed, described, "{path}");
    }
}

/// What of `value` is not as `schema` says.
fn problem(value: &Value, schema: &Value, all: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        let found = problem(value, &all["components"]["schemas"][name], all);
        return found.map(|found| format!("{name}: {found}"));
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let bad: Option<Vec<String>> = choices
            .iter()
            .map(|choice| problem(value, choice, all))
            .collect();
        return bad.map(|bad| bad.join(", or "));
    }
    if let Some(words) = schema["enum"].as_array() {
        return (!words.contains(value)).then(|| format!("{value} is none of {words:?}"));
    }
    let is_it = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => {
            let items = value.as_array()?;
            return items
                .iter()
                .find_map(|item| problem(item, &schema["items"], all));
        }
        Some(_) => return of_object(value, schema, all),
    };
    (!is_it).then(|| format!("{value} is not {}", schema["type"]))
}

fn of_object(value: &Value, schema: &Value, all: &Value) -> Option<String> {
    let Some(fields) = value.as_object() else {
        return Some(format!("{value} is no object"));
    };
    let known: BTreeMap<&String, &Value> = schema["properties"].as_object()?.iter().collect();
    let mut required = schema["required"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !fields.contains_key(*name)) {
        return Some(format!("{missing} is missing"));
    }
    fields
        .iter()
        .find_map(|(name, value)| match known.get(name) {
            None => Some(format!("{name} is not described")),
            Some(schema) => problem(value, schema, all).map(|found| format!("{name}: {found}")),
        })
}

#[test]
fn answers_hold_what_it_says() {
    let all = description();
    for (path, operations) in all["paths"].as_object().unwrap() {
        if operations["get"].is_null() || path.ends_with("/events") {
            continue;
        }
        let queries: &[&str] = match path.as_str() {
            "/api/v1/explain" => &["?of=42", "?of=ops&at=-3600"],
            "/api/v1/search" => &["?q=web", "?q=df"],
            "/api/v1/hosts" => &["", "?limit=2", "?state=up&limit=1&after=db-1"],
            "/api/v1/incidents" => &["", "?limit=1", "?state=open"],
            "/api/v1/hosts/{host}/graphs/{graph}/data" => {
                &["", "?band=yes&earlier=1w&trend=yes&billing=yes"]
            }
            _ => &[""],
        };
        for query in queries {
            let answer = ask(&format!("{}{query}", sample(path)));
            assert_eq!(answer.status, 200, "{path}{query}: {}", answer.text());
            let schema =
                &operations["get"]["responses"]["200"]["content"]["application/json"]["schema"];
            assert_eq!(problem(&answer.json(), schema, &all), None, "{path}{query}");
        }
        let wrong = ask(&format!("{}?no_such=1", sample(path)));
        assert_eq!(wrong.status, 400, "{path}");
        let schema = serde_json::json!({ "$ref": "#/components/schemas/Error" });
        assert_eq!(problem(&wrong.json(), &schema, &all), None, "{path}");
    }
}

#[test]
fn parts_of_a_list_are_the_list() {
    for (path, list) in [
        ("/api/v1/hosts", "hosts"),
        ("/api/v1/checks", "checks"),
        ("/api/v1/incidents", "incidents"),
    ] {
        let whole = ask(path).json();
        let mut all = whole[list].as_array().unwrap().clone();
        let mut parts = Vec::new();
        let mut after = String::new();
        loop {
            let answer = ask(&format!("{path}?limit=2{after}")).json();
            let part = answer[list].as_array().unwrap();
            assert!(part.len() <= 2);
            parts.extend(part.clone());
            match answer["next"].as_str() {
                Some(next) => after = format!("&after={}", next.replace('/', "%2F")),
                None => break,
            }
        }
        let text = |value: &Value| value.to_string();
        all.sort_by_key(text);
        parts.sort_by_key(text);
        assert_eq!(all, parts, "{path}");
        assert!(all.len() > 2, "{path}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_as_all_else_is() {
    let large = "x".repeat(70_000);
    let answer = super::send(site(), Method::POST, "/api/v1/comments", &[], &large);
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (413, &"too_large".into())
    );
}
