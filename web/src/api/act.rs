//! What people do: acknowledgements, downtimes, comments and the mute, each with `GET`, `POST` and `DELETE`. The bodies are
//! those of [`Action`] without the word `action`, and may say `for` (seconds) instead of when something ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ravenry_alerts::action::{Action, Done, Subject};
use ravenry_alerts::quiet::{Acknowledgement, Comment, Downtime, Every, Mute, Plan};
use ravenry_plugins::timestamp::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::pages::frame::INCIDENTS_MAX;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::site::Site;

/// A body may have so many bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// When something ends: at a time, or after one.
#[derive(Deserialize)]
struct End {
    #[serde(default)]
    expires: Option<Timestamp>,
    #[serde(default, rename = "for")]
    lasts: Option<f64>,
}

impl End {
    fn from(self, start: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        match (self.expires, self.lasts) {
            (Some(_), Some(_)) => Err(Refusal::Body(String::from(
                "expected a time at which it ends, or for how long it holds, found both",
            ))),
            (expires, None) => Ok(expires),
            (None, Some(seconds)) => {
                let lasts = Duration::try_from_secs_f64(seconds).ok();
                let lasts = lasts.filter(|lasts| !lasts.is_zero());
                let lasts = lasts.ok_or_else(|| {
                    Refusal::Body(format!("for: expected seconds above 0, found {seconds}"))
                })?;
                Ok(Some(start + lasts))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAcknowledgement {
    on: Subject,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    expires: Option<Timestamp>,
    #[serde(default, rename = "for")]
    lasts: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDowntime {
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    check: Option<String>,
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    end: Option<Timestamp>,
    #[serde(default, rename = "for")]
    lasts: Option<f64>,
    #[serde(default)]
    flexible_seconds: Option<u64>,
    #[serde(default)]
    every: Option<Every>,
    #[serde(default)]
    zone: Option<chrono_tz::Tz>,
    comment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewComment {
    on: Subject,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMute {
    comment: String,
    #[serde(default)]
    expires: Option<Timestamp>,
    #[serde(default, rename = "for")]
    lasts: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTest {
    contact: String,
}

#[derive(Serialize)]
struct Acknowledged {
    incident: u64,
    summary: String,
    #[serde(flatten)]
    acknowledgement: Acknowledgement,
}

#[derive(Serialize)]
struct Acknowledgements {
    acknowledgements: Vec<Acknowledged>,
}

#[derive(Serialize)]
struct Downtimes {
    downtimes: Vec<Announced>,
}

#[derive(Serialize)]
struct Announced {
    #[serde(flatten)]
    downtime: Downtime,
    runs: bool,
}

#[derive(Serialize)]
struct Comments {
    comments: Vec<Comment>,
}

#[derive(Serialize)]
struct Muted {
    mute: Option<Mute>,
}

/// `GET /api/v1/acknowledgements`: the open incidents that somebody acknowledged.
pub(crate) async fn acknowledgements(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameter")?;
    site.ask(move |source| {
        let open = source.incidents(INCIDENTS_MAX).into_iter();
        let open = open.filter(|incident| incident.closed.is_none());
        let acknowledgements = open.filter_map(|incident| {
            Some(Acknowledged {
                incident: incident.id,
                summary: incident.summary,
                acknowledgement: incident.acknowledged?,
            })
        });
        let acknowledgements = acknowledgements.collect();
        super::answer(&headers, &Acknowledgements { acknowledgements })
    })
    .await?
}

/// `POST /api/v1/acknowledgements`.
pub(crate) async fn acknowledge(
    State(site): State<Arc<Site>>,
    by: Actor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let NewAcknowledgement {
        on,
        comment,
        expires,
        lasts,
    } = read(&body)?;
    act(&site, by, StatusCode::OK, move |now| {
        let expires = End { expires, lasts }.from(now)?;
        Ok(Action::Acknowledge {
            on,
            comment,
            expires,
        })
    })
    .await
}

/// `DELETE /api/v1/acknowledgements/{incident}`.
pub(crate) async fn unacknowledge(
    State(site): State<Arc<Site>>,
    by: Actor,
    segments: Segments,
) -> Result<Response, Refusal> {
    let on = Subject::Incident(number(&segments)?);
    act(&site, by, StatusCode::OK, move |_| {
        Ok(Action::Unacknowledge { on })
    })
    .await
}

/// `GET /api/v1/downtimes`: those that are announced or run.
pub(crate) async fn downtimes(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameter")?;
    site.ask(move |source| {
        let now = source.now();
        let announced = source.downtimes().into_iter().map(|downtime| Announced {
            runs: downtime.runs(now),
            downtime,
        });
        let downtimes = announced.collect();
        super::answer(&headers, &Downtimes { downtimes })
    })
    .await?
}

/// `POST /api/v1/downtimes`.
pub(crate) async fn announce(
    State(site): State<Arc<Site>>,
    by: Actor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let new: NewDowntime = read(&body)?;
    act(&site, by, StatusCode::CREATED, move |now| {
        let end = End {
            expires: new.end,
            lasts: new.lasts,
        };
        let end = end.from(new.start.unwrap_or(now))?;
        let end = end.ok_or_else(|| {
            Refusal::Body(String::from(
                "expected an end, or for how long it lasts, found neither",
            ))
        })?;
        Ok(Action::AddDowntime(Plan {
            host: new.host,
            group: new.group,
            check: new.check,
            start: new.start,
            end,
            flexible_seconds: new.flexible_seconds,
            every: new.every,
            zone: new.zone,
            comment: new.comment,
        }))
    })
    .await
}

/// `DELETE /api/v1/downtimes/{id}`.
pub(crate) async fn end_downtime(
    State(site): State<Arc<Site>>,
    by: Actor,
    segments: Segments,
) -> Result<Response, Refusal> {
    let id = number(&segments)?;
    act(&site, by, StatusCode::OK, move |_| {
        Ok(Action::RemoveDowntime { id })
    })
    .await
}

/// `GET /api/v1/comments`: the oldest first; `on` keeps those beside one incident, check or host.
pub(crate) async fn comments(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let expected = "an incident's number, HOST, HOST/CHECK or HOST/GRAPH/FIELD";
    let on = parameters.take("on", expected, |text| text.parse::<Subject>().ok())?;
    parameters.finish("on")?;
    site.ask(move |source| {
        let mut comments = source.comments();
        comments.retain(|comment| on.as_ref().is_none_or(|on| comment.on == *on));
        super::answer(&headers, &Comments { comments })
    })
    .await?
}

/// `POST /api/v1/comments`.
pub(crate) async fn comment(
    State(site): State<Arc<Site>>,
    by: Actor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let NewComment { on, text } = read(&body)?;
    act(&site, by, StatusCode::CREATED, move |_| {
        Ok(Action::AddComment { on, text })
    })
    .await
}

/// `DELETE /api/v1/comments/{id}`.
pub(crate) async fn remove_comment(
    State(site): State<Arc<Site>>,
    by: Actor,
    segments: Segments,
) -> Result<Response, Refusal> {
    let id = number(&segments)?;
    act(&site, by, StatusCode::OK, move |_| {
        Ok(Action::RemoveComment { id })
    })
    .await
}

/// `GET /api/v1/mute`: whether all notices are muted, and by whom.
pub(crate) async fn muted(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameter")?;
    site.ask(move |source| {
        let mute = source.muted();
        super::answer(&headers, &Muted { mute })
    })
    .await?
}

/// `POST /api/v1/mute`.
pub(crate) async fn mute(
    State(site): State<Arc<Site>>,
    by: Actor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let NewMute {
        comment,
        expires,
        lasts,
    } = read(&body)?;
    act(&site, by, StatusCode::OK, move |now| {
        let expires = End { expires, lasts }.from(now)?;
        Ok(Action::Mute { comment, expires })
    })
    .await
}

/// `DELETE /api/v1/mute`.
pub(crate) async fn unmute(State(site): State<Arc<Site>>, by: Actor) -> Result<Response, Refusal> {
    act(&site, by, StatusCode::OK, |_| Ok(Action::Unmute)).await
}

/// `POST /api/v1/notify-test`: sends a test message.
pub(crate) async fn notify_test(
    State(site): State<Arc<Site>>,
    _: Actor,
    body: Bytes,
) -> Result<Response, Refusal> {
    let NewTest { contact } = read(&body)?;
    let test = site.source().notify_test(contact);
    done(StatusCode::OK, &test.await.map_err(Refusal::Action)?)
}

/// Carries out the action that `of` makes of the time.
async fn act(
    site: &Arc<Site>,
    by: Actor,
    status: StatusCode,
    of: impl FnOnce(Timestamp) -> Result<Action, Refusal> + Send + 'static,
) -> Result<Response, Refusal> {
    let acted = site
        .ask(move |source| {
            let action = of(source.now())?;
            source.act(&by.name, action).map_err(Refusal::Action)
        })
        .await??;
    done(status, &acted)
}

fn done(status: StatusCode, done: &Done) -> Result<Response, Refusal> {
    let body = serde_json::to_vec(done).map_err(|error| Refusal::Broken(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((status, headers, body).into_response())
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Body(error.to_string()))
}

fn number(segments: &Segments) -> Result<u64, Refusal> {
    let text = segments.text("id");
    let expected = || Refusal::parameter("id", "a number", text);
    text.parse().map_err(|_| expected())
}
