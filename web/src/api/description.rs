//! `GET /api/v1/openapi.json`: all of the API for programs (OpenAPI 3.1), made of two tables: what may be asked
//! ([`OPERATIONS`]), and what the answers hold ([`SHAPES`]). `web/tests/router/description.rs` compares them with the router
//! and with real answers; docs/openapi.json is the same as a file.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;

/// What may be asked.
struct Operation {
    method: &'static str,
    /// Below `/api/v1`.
    path: &'static str,
    summary: &'static str,
    /// `NAME: TYPE what it means`, as [`shape`] reads types.
    query: &'static [&'static str],
    /// The shape of the body.
    body: Option<&'static str>,
    /// Status and shape of the answer when all is well.
    answer: (u16, &'static str),
    /// Statuses of refusals, besides 401, 403, 421 and 503, which all may have.
    refusals: &'static [u16],
}

const AFTER: &str = "after: text+ `next` of an earlier answer: those that follow";

const fn get(
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    shape: &'static str,
    refusals: &'static [u16],
) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        query,
        body: None,
        answer: (200, shape),
        refusals,
    }
}

const fn post(
    path: &'static str,
    summary: &'static str,
    body: &'static str,
    answer: (u16, &'static str),
    refusals: &'static [u16],
) -> Operation {
    Operation {
        method: "post",
        path,
        summary,
        query: &[],
        body: Some(body),
        answer,
        refusals,
    }
}

const fn delete(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "delete",
        path,
        summary,
        query: &[],
        body: None,
        answer: (200, "Done"),
        refusals: &[400, 404, 409],
    }
}

/// Everything that may be asked, in the order of docs/api.md.
const OPERATIONS: [Operation; 25] = [
    get(
        "/hosts",
        "All hosts by name",
        &[
            "limit: 1..100000 how many are wanted at most",
            AFTER,
            "group: GroupName those of a group, and of the groups below it",
            "state: HostState those in a state",
            "worst: Severity those whose worst check is so",
        ],
        "Hosts",
        &[400],
    ),
    get(
        "/hosts/{host}",
        "A host with its graphs, checks and plugins",
        &[],
        "HostDetail",
        &[400, 404],
    ),
    get(
        "/hosts/{host}/graphs/{graph}",
        "What a graph is, and its last readings",
        &[],
        "GraphDetail",
        &[400, 404],
    ),
    get(
        "/hosts/{host}/graphs/{graph}/data",
        "The stored history of all fields of a graph",
        &[
            "start: Moment the rows after this; a day before now unless said",
            "end: Moment the rows up to this; now unless said",
            "resolution: 1..31622400 wanted seconds between rows",
            "cf: Consolidation what a row is made of",
            "band: YesNo least and greatest beside the mean",
            "earlier: Earlier the same so much earlier: 1d, 1w, 1y",
            "trend: YesNo the straight line of least squares",
            "forecast: Ahead the trend so far ahead: 12h, 30d, 4w",
            "billing: YesNo 95th percentile and total",
        ],
        "Data",
        &[400, 404, 500],
    ),
    get(
        "/incidents",
        "Open incidents, then closed ones, the newest first",
        &[
            "limit: 1..500 how many are wanted at most",
            AFTER,
            "state: IncidentState open or closed ones alone",
            "severity: Severity those whose worst severity was so",
            "host: HostName those with a cause on this host",
        ],
        "Incidents",
        &[400],
    ),
    get(
        "/checks",
        "All checks, with why each was or was not told",
        &[
            "limit: 1..2000000 how many are wanted at most",
            AFTER,
            "severity: Severity those of one severity",
            "host: HostName those of one host",
        ],
        "Checks",
        &[400],
    ),
    get(
        "/search",
        "Everything that has the words in its name, by kind, the best first",
        &[
            "q!: text+ one to eight words, all of which must be found",
            "limit: 1..1000 how many of each kind are wanted at most",
        ],
        "Found",
        &[400],
    ),
    get(
        "/explain",
        "Why somebody was told of something or not, now or at a time in the past",
        &[
            "of!: text+ an incident's number, HOST, HOST/CHECK, HOST/GRAPH/FIELD or a contact's name",
            "at: Moment as of then; now unless said",
        ],
        "Explained",
        &[400, 404],
    ),
    get(
        "/events",
        "What changes, as it changes",
        &[],
        "text/event-stream",
        &[400],
    ),
    get(
        "/openapi.json",
        "This description",
        &[],
        "Description",
        &[400],
    ),
    get(
        "/acknowledgements",
        "Open incidents that somebody acknowledged",
        &[],
        "Acknowledgements",
        &[400],
    ),
    post(
        "/acknowledgements",
        "Somebody knows of an incident",
        "NewAcknowledgement",
        (200, "Done"),
        &[400, 404, 409, 413],
    ),
    delete("/acknowledgements/{id}", "Takes that back"),
    get(
        "/downtimes",
        "Downtimes that are announced or run",
        &[],
        "Downtimes",
        &[400],
    ),
    post(
        "/downtimes",
        "Announces a downtime",
        "NewDowntime",
        (201, "Done"),
        &[400, 404, 409, 413],
    ),
    delete("/downtimes/{id}", "Takes a downtime back, or ends it"),
    get(
        "/comments",
        "What people wrote, the oldest first",
        &["on: text+ beside an incident's number, HOST, HOST/CHECK or HOST/GRAPH/FIELD"],
        "Comments",
        &[400],
    ),
    post(
        "/comments",
        "Writes something beside an incident, a check or a host",
        "NewComment",
        (201, "Done"),
        &[400, 404, 409, 413],
    ),
    delete("/comments/{id}", "Removes a comment"),
    get(
        "/mute",
        "Whether all notices are muted",
        &[],
        "Muted",
        &[400],
    ),
    post(
        "/mute",
        "Nobody is told anything",
        "NewMute",
        (200, "Done"),
        &[400, 404, 409, 413],
    ),
    delete("/mute", "People are told again"),
    post(
        "/notify-test",
        "Sends a test message to a contact and says what became of it on each channel",
        "NewTest",
        (200, "Done"),
        &[400, 404, 413],
    ),
    post(
        "/push",
        "Readings come in; the token is one of `ravenry token new NAME`",
        "Batch",
        (200, "Taken"),
        &[400, 408, 413, 415, 500, 507],
    ),
    post(
        "/enroll",
        "A one-time token becomes an agent's own",
        "Enrolment",
        (200, "AgentToken"),
        &[400, 415, 500],
    ),
];

/// What bodies and answers hold: `NAME: TYPE, ...`, or words in quotes, one of which it is. `NAME?` may be missing.
/// Types are those of [`kind`].
const SHAPES: [(&str, &str); 52] = [
    ("Error", "error: text, code: text"),
    ("Severity", "'ok' 'unknown' 'warning' 'critical'"),
    ("HostState", "'pending' 'up' 'down' 'unreachable'"),
    ("IncidentState", "'open' 'closed'"),
    ("Consolidation", "'average' 'min' 'max'"),
    ("YesNo", "'yes' 'no'"),
    ("Earlier", "'1d' '1w' '1y'"),
    (
        "Kind",
        "'host' 'group' 'graph' 'field' 'check' 'incident' 'plugin' 'category' 'view'",
    ),
    ("Hosts", "hosts: [Host], next: text|null"),
    (
        "Host",
        "name: text, groups: [text], state: HostState, worst: Severity, checks: Counts, last_contact: number|null, graphs: count",
    ),
    (
        "Counts",
        "ok: count, unknown: count, warning: count, critical: count",
    ),
    (
        "HostDetail",
        "host: Host, graphs: [Graph], checks: [Check], runs: [Run]",
    ),
    (
        "Graph",
        "name: text, title: text, category: text, step: number, last_update: number|null, worst: Severity, latest: [Reading]",
    ),
    ("Reading", "field: text, time: number, value: number|null"),
    (
        "Run",
        "plugin: text, time: number, duration: number, error: text|null, problems: [Problem]",
    ),
    ("Problem", "source: text, line: count, text: text"),
    (
        "GraphDetail",
        "host: text, name: text, title: text, vlabel: text|null, category: text, info: text|null, base: count, \
         period: text, step: number, last_update: number|null, fields: [Field], latest: [Reading], checks: [Check]",
    ),
    (
        "Field",
        "name: text, label: text, type: text, drawn: yesno, negative: text|null, cdef: text|null, min: number|null, \
         max: number|null, warning: text|null, critical: text|null, info: text|null",
    ),
    (
        "Data",
        "host: text, graph: text, cf: Consolidation, start: number, end: number, step: number, fields: [Column]",
    ),
    (
        "Column",
        "field: text, values: [number|null], min?: [number|null], max?: [number|null], earlier?: [number|null], \
         trend?: [number|null], billing?: Billing",
    ),
    ("Billing", "percentile95: number|null, total: number|null"),
    ("Incidents", "incidents: [Incident], next: text|null"),
    (
        "Incident",
        "id: count, cause: CheckName, severity: Severity, opened: number, closed: number|null, summary: text, told: [text]",
    ),
    (
        "CheckName",
        "host: text, graph: text|null, field: text|null, check: text|null",
    ),
    ("Checks", "checks: [Check], next: text|null"),
    (
        "Check",
        "host: text, graph: text|null, field: text|null, check: text|null, severity: Severity, since: number|null, \
         value: number|null, threshold: text, output: text, reason: text",
    ),
    ("Found", "hits: [Hit], counts: any"),
    ("Hit", "kind: Kind, name: text, about: text, path: text"),
    ("Description", "any"),
    ("Done", "said: text, id?: count"),
    ("Acknowledgements", "acknowledgements: [Acknowledgement]"),
    (
        "Acknowledgement",
        "incident: count, summary: text, author: text, comment: text, severity: Severity, scope: count, at: number, expires?: number",
    ),
    (
        "NewAcknowledgement",
        "on: text, comment?: text, expires?: number|null, for?: number|null",
    ),
    ("Downtimes", "downtimes: [Downtime]"),
    (
        "Downtime",
        "id: count, host: text, group?: text, check?: text, start: number, end: number, flexible_seconds?: count, \
         begun?: number, repeats?: any, author: text, comment: text, runs: yesno",
    ),
    (
        "NewDowntime",
        "host?: text|null, group?: text|null, check?: text|null, start?: number|null, end?: number|null, \
         for?: number|null, flexible_seconds?: count|null, every?: Every|null, zone?: text|null, comment: text",
    ),
    ("Every", "'day' 'week'"),
    ("Comments", "comments: [Comment]"),
    (
        "Comment",
        "id: count, on: text, author: text, text: text, at: number",
    ),
    ("NewComment", "on: text, text: text"),
    ("Muted", "mute: Mute|null"),
    (
        "Mute",
        "author: text, comment: text, since: number, expires?: number",
    ),
    (
        "NewMute",
        "comment: text, expires?: number|null, for?: number|null",
    ),
    ("NewTest", "contact: text"),
    (
        "Explained",
        "of: text, at: number, said: [text], people: [Judged], events: [Happened]",
    ),
    (
        "Judged",
        "incident: count, contact: text, said: text, gates: [GateSaid]",
    ),
    ("GateSaid", "gate: text, holds: yesno, said: text"),
    ("Happened", "at: number, said: text"),
    (
        "Batch",
        "version: count, host: text, graphs?: [any], series?: any, samples?: any, verdicts?: [any], runs?: [any], key?: any",
    ),
    (
        "Taken",
        "accepted: count, refused: count, duplicate: yesno, problems?: [text], undeclared?: [any]",
    ),
    ("Enrolment", "host: text"),
    ("AgentToken", "token: text"),
];

/// A type: `text`, `number`, `count`, `LEAST..MOST`, `yesno`, `any`, a shape, `[TYPE]`, `TYPE|null`; `text+` is not empty. Names of hosts and groups, and moments, are texts of a form of their own.
fn kind(text: &str) -> Value {
    if let Some(inner) = text.strip_suffix("|null") {
        return json!({ "anyOf": [kind(inner), { "type": "null" }] });
    }
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return json!({ "type": "array", "items": kind(inner) });
    }
    if let Some((least, most)) = text.split_once("..") {
        let bound = |text: &str| text.parse::<u64>().unwrap_or_default();
        return json!({ "type": "integer", "minimum": bound(least), "maximum": bound(most) });
    }
    match text {
        "text" => json!({ "type": "string" }),
        "text+" => json!({ "type": "string", "minLength": 1 }),
        "number" => json!({ "type": "number" }),
        "count" => json!({ "type": "integer", "minimum": 0 }),
        "yesno" => json!({ "type": "boolean" }),
        "any" => json!({}),
        "HostName" => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$" }),
        "GroupName" => json!({ "type": "string", "minLength": 1 }),
        "Ahead" => json!({ "type": "string", "pattern": "^[1-9][0-9]{0,2}[hdw]$" }),
        "Moment" => json!({ "type": "string", "pattern": "^(now|-?[0-9]{1,10})$" }),
        shape => json!({ "$ref": format!("#/components/schemas/{shape}") }),
    }
}

/// The schema of a row of [`SHAPES`]. Answers hold nothing else than what it says; requests neither.
fn shape(text: &str) -> Value {
    if text == "any" {
        return json!({});
    }
    if text.starts_with('\'') {
        let words: Vec<&str> = text
            .split('\'')
            .filter(|word| !word.trim().is_empty())
            .collect();
        return json!({ "type": "string", "enum": words });
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in text.split(", ") {
        let (name, of) = part.split_once(": ").unwrap_or((part, "any"));
        let name = match name.strip_suffix('?') {
            Some(name) => name,
            None => {
                required.push(name);
                name
            }
        };
        properties.insert(name.to_owned(), kind(of));
    }
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// A parameter of the query: `NAME: TYPE meaning`, with `NAME!` where it must be said.
fn query(text: &str) -> Value {
    let (name, rest) = text.split_once(": ").unwrap_or((text, "any"));
    let (of, meaning) = rest.split_once(' ').unwrap_or((rest, ""));
    let required = name.ends_with('!');
    json!({
        "name": name.trim_end_matches('!'), "in": "query", "required": required, "schema": kind(of),
        "description": meaning,
    })
}

fn in_path(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let of = if name == "id" {
            kind("count")
        } else {
            kind("text+")
        };
        json!({ "name": name, "in": "path", "required": true, "schema": of })
    };
    names.map(parameter).collect()
}

fn content(shape: &str) -> Value {
    if shape.contains('/') {
        return json!({ shape: { "schema": { "type": "string" } } });
    }
    json!({ "application/json": { "schema": kind(shape) } })
}

impl Operation {
    /// A name for programs that are made of this: `get_hosts_host`.
    fn id(&self) -> String {
        let path = self.path.replace(['{', '}'], "").replace(['/', '.'], "_");
        format!("{}{path}", self.method)
    }

    fn describe(&self) -> Value {
        let mut answers = Map::new();
        let (status, of) = self.answer;
        let good = json!({ "description": "What was asked for", "content": content(of) });
        answers.insert(status.to_string(), good);
        if self.method == "get" {
            let same = json!({ "description": "Nothing has changed since `If-None-Match`" });
            answers.insert("304".to_owned(), same);
        }
        for status in self.refusals.iter().chain(&[401, 403, 421, 503]) {
            let why = json!({ "description": "Why not", "content": content("Error") });
            answers.insert(status.to_string(), why);
        }
        let mut parameters = in_path(self.path);
        parameters.extend(self.query.iter().map(|text| query(text)));
        let mut operation = json!({
            "operationId": self.id(), "summary": self.summary, "parameters": parameters, "responses": answers,
        });
        if let Some(body) = self.body {
            operation["requestBody"] = json!({ "required": true, "content": content(body) });
        }
        operation
    }
}

/// The whole description.
fn description() -> Value {
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let path = paths
            .entry(format!("/api/v1{}", operation.path))
            .or_insert_with(|| json!({}));
        path[operation.method] = operation.describe();
    }
    let shapes: Map<String, Value> = SHAPES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), shape(text)))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ravenry", "version": "1",
            "description": "Times are UTC seconds, unknown is null. docs/api.md says more for people.",
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Answers it.
pub(crate) async fn answer(
    State(_): State<Arc<Site>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    super::answer(&headers, &description())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_is_named_is_there_once_and_used() {
        let text = description().to_string();
        let named = |name: &str| format!("#/components/schemas/{name}\"");
        for (name, _) in SHAPES {
            assert!(text.contains(&named(name)), "{name} is not used");
            let same = SHAPES.iter().filter(|(other, _)| *other == name);
            assert_eq!(same.count(), 1, "{name}");
        }
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(SHAPES.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
