//! `/ack/INCIDENT?contact=...`: where the link in a notice leads. Looking changes nothing, since what reads mail follows
//! links; the button does.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ravenry_alerts::action::{Action, Subject};
use ravenry_alerts::link::{AckLinks, Claim};
use ravenry_plugins::timestamp::Timestamp;
use serde::Deserialize;

use crate::pages::frame::{Frame, INCIDENTS_MAX};
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{IncidentView, Source};

#[derive(Template)]
#[template(path = "ack.html")]
struct Page {
    frame: Frame,
    incident: IncidentView,
    contact: String,
    /// What was just done.
    said: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    comment: String,
    /// For so many hours; nothing is for as long as it lasts.
    #[serde(default)]
    hours: String,
}

/// Shows what would be acknowledged.
pub(crate) async fn form(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let claim = claim(&segments, parameters)?;
    let frame = Frame::without_counts(&site, site.viewer_zone(&headers), "");
    let links = site.options.ack_links.clone();
    site.ask(move |source| {
        verify(links.as_ref(), &claim, source.now())?;
        page(source, frame, claim, None)
    })
    .await?
}

/// Acknowledges it.
pub(crate) async fn acknowledge(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
    filled: Result<Form<Filled>, FormRejection>,
) -> Result<Response, Refusal> {
    let claim = claim(&segments, parameters)?;
    let Form(filled) = filled.map_err(|error| Refusal::Body(error.body_text()))?;
    let hours = match filled.hours.as_str() {
        "" => None,
        hours => {
            let known = hours.parse().ok().filter(|hours| (1..=168).contains(hours));
            let expected = || Refusal::parameter("hours", "1 to 168", hours);
            Some(known.ok_or_else(expected)?)
        }
    };
    let frame = Frame::without_counts(&site, site.viewer_zone(&headers), "");
    let links = site.options.ack_links.clone();
    site.ask(move |source| {
        let now = source.now();
        verify(links.as_ref(), &claim, now)?;
        let action = Action::Acknowledge {
            on: Subject::Incident(claim.incident),
            comment: filled.comment,
            expires: hours.map(|hours: u64| now + Duration::from_secs(3600 * hours)),
        };
        let done = source
            .act(&claim.contact, action)
            .map_err(Refusal::Action)?;
        page(source, frame, claim, Some(done.said))
    })
    .await?
}

fn page(
    source: &dyn Source,
    frame: Frame,
    claim: Claim,
    said: Option<String>,
) -> Result<Response, Refusal> {
    let mut incidents = source.incidents(INCIDENTS_MAX).into_iter();
    let incident = incidents.find(|incident| incident.id == claim.incident);
    let Some(incident) = incident else {
        let why = format!("incident {} is too long ago to be shown", claim.incident);
        return Err(Refusal::NothingStored(why));
    };
    let html = Page {
        frame,
        incident,
        contact: claim.contact,
        said,
    }
    .render()?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, html).into_response())
}

fn claim(segments: &Segments, mut parameters: Parameters) -> Result<Claim, Refusal> {
    let id = segments.text("id");
    let incident = id.parse();
    let text = |text: &str| Some(text.to_owned());
    let contact = parameters.take("contact", "who was told", text)?;
    let until = parameters.take("until", "UTC seconds", |text| text.parse().ok())?;
    let signature = parameters.take("signature", "what the link had", text)?;
    parameters.finish("contact, until, signature")?;
    Ok(Claim {
        incident: incident.map_err(|_| Refusal::parameter("incident", "a number", id))?,
        contact: contact.unwrap_or_default(),
        until: Timestamp::from_seconds(until.unwrap_or(0)),
        signature: signature.unwrap_or_default(),
    })
}

fn verify(links: Option<&AckLinks>, claim: &Claim, now: Timestamp) -> Result<(), Refusal> {
    let Some(links) = links else {
        let why = String::from("these pages acknowledge nothing by links");
        return Err(Refusal::NothingStored(why));
    };
    links.verify(claim, now).map_err(Refusal::Link)
}
