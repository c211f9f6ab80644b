//! `POST /api/v1/enroll`: a one-time token becomes an agent's own.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | `{"token": "..."}`: the agent's own token, which speaks for the hosts that the one-time token was made for |
//! | 400 | not `{"host": "NAME"}` |
//! | 401 | no one-time token, or one that is unknown, used or too old |
//! | 403 | a one-time token that is not for that host |
//! | 500 | the state database fails: the one-time token is as good as before |

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use ravenry_plugins::clock;
use ravenry_plugins::name::HostName;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::task::spawn_blocking;

use crate::database::{Database, Token};
use crate::refusal::refusal;
use crate::token::{draw, hash};

/// Agents of one host that have enrolled at most.
const NAMES_MAX: u32 = 1000;

/// The route; the database should be nobody else's.
pub fn router(database: Database) -> Router {
    Router::new()
        .route("/api/v1/enroll", post(enroll))
        .with_state(Arc::new(Mutex::new(database)))
}

#[derive(Deserialize)]
struct Wish {
    host: HostName,
}

type Answer = (StatusCode, Json<Value>);

async fn enroll(
    State(database): State<Arc<Mutex<Database>>>,
    headers: HeaderMap,
    body: String,
) -> Answer {
    let header = headers.get(header::AUTHORIZATION);
    let bearer = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(once) = bearer.map(hash) else {
        let text = "expected the header `Authorization: Bearer TOKEN` with a one-time token";
        return refusal(StatusCode::UNAUTHORIZED, text);
    };
    let wish = match serde_json::from_str::<Wish>(&body) {
        Ok(wish) => wish,
        Err(error) => {
            let text = format!("expected {{\"host\": \"NAME\"}}: {error}");
            return refusal(StatusCode::BAD_REQUEST, &text);
        }
    };
    let done = spawn_blocking(move || {
        let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
        exchange(&mut database, &once, &wish.host, clock::now())
    });
    done.await.unwrap_or_else(|_| {
        refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "it failed, and the log says how",
        )
    })
}

/// Gives an agent's own token for a one-time token.
fn exchange(database: &mut Database, once: &[u8; 32], host: &HostName, now: Timestamp) -> Answer {
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!("enrolment of {host}: {error}");
        refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the state database fails, and the log says how",
        )
    };
    let unknown = || {
        let text = "nobody knows this one-time token, or it was used or is too old; `ravenry token new NAME --once` makes another";
        refusal(StatusCode::UNAUTHORIZED, text)
    };
    let enrolments = match database.enrolments() {
        Ok(enrolments) => enrolments,
        Err(error) => return broken(&error),
    };
    let is_it = |token: &Token| bool::from(token.sha256.ct_eq(once));
    let found = enrolments
        .into_iter()
        .find(|(token, expires)| is_it(token) && now <= *expires);
    let Some((found, _)) = found else {
        return unknown();
    };
    if !Pattern::new(&found.hosts).matches(host.as_str()) {
        let text = format!(
            "this one-time token is for hosts {}, not for {host}",
            found.hosts
        );
        return refusal(StatusCode::FORBIDDEN, &text);
    }
    let secret = match draw() {
        Ok(secret) => secret,
        Err(error) => return broken(&error),
    };
    let names = (1..=NAMES_MAX).map(|count| match count {
        1 => host.to_string(),
        count => format!("{host} ({count})"),
    });
    let known: Vec<String> = match database.tokens() {
        Ok(tokens) => tokens.into_iter().map(|token| token.name).collect(),
        Err(error) => return broken(&error),
    };
    let Some(name) = names.into_iter().find(|name| !known.contains(name)) else {
        return refusal(
            StatusCode::FORBIDDEN,
            "too many agents have enrolled for this host",
        );
    };
    let token = Token {
        name,
        sha256: hash(&secret),
        hosts: found.hosts,
        created: now,
    };
    match database.enroll(once, &token) {
        Ok(true) => {
            tracing::info!(
                "{host} is enrolled with token {:?}, by {:?}",
                token.name,
                found.name
            );
            (StatusCode::OK, Json(json!({ "token": secret })))
        }
        Ok(false) => unknown(),
        Err(error) => broken(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_one_time_token_is_good_once_for_its_hosts_and_for_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("state.sqlite")).unwrap();
        let now = Timestamp::from_seconds(1_800_000_000);
        let once = hash("once");
        let token = Token {
            name: "rack 7".to_owned(),
            sha256: once,
            hosts: "web*".to_owned(),
            created: now,
        };
        let expires = now + Duration::from_secs(60);
        let add = |database: &Database| assert!(database.add_enrolment(&token, expires).unwrap());
        add(&database);
        assert_eq!(database.tokens().unwrap(), [], "nobody can push with it");
        let mut status = |secret: &str, host: &str, now: Timestamp| {
            let host = HostName::new(host).unwrap();
            exchange(&mut database, &hash(secret), &host, now)
                .0
                .as_u16()
        };
        assert_eq!(status("other", "web1", now), 401);
        assert_eq!(status("once", "db1", now), 403);
        assert_eq!(status("once", "web1", now + Duration::from_secs(61)), 401);
        assert_eq!(status("once", "web1", now), 200);
        assert_eq!(status("once", "web1", now), 401, "it was used");
        add(&database);
        let host = HostName::new("web1").unwrap();
        assert_eq!(exchange(&mut database, &once, &host, now).0, StatusCode::OK);
        let tokens = database.tokens().unwrap();
        let names: Vec<(&str, &str)> = tokens
            .iter()
            .map(|token| (token.name.as_str(), token.hosts.as_str()))
            .collect();
        assert_eq!(names, [("web1", "web*"), ("web1 (2)", "web*")]);
    }
}
