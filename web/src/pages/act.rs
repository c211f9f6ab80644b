//! `POST /act`: what people do by the forms of the pages, which work without the script. The API has the same at addresses
//! of its own (`crate::api::act`).
//!
//! A form says `do`, what it is about (`on`, any number of times), and `back`, the page to return to.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use ravenry_alerts::action::{self, Action, Done, Subject};
use ravenry_alerts::check::CheckName;
use ravenry_alerts::quiet::{Every, Plan};
use ravenry_plugins::timestamp::Timestamp;

use crate::actor::Actor;
use crate::pages::frame::{Frame, Viewer};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::Source;
use crate::span;

/// A form may have so many bytes.
pub(crate) const BODY_BYTES_MAX: usize = 512 << 10;

/// It may be about so many problems.
const SUBJECTS_MAX: usize = 1000;

/// How long something holds, as the forms offer it.
pub(crate) const LENGTHS: [(&str, u64); 9] = [
    ("30 min", 1800),
    ("1 h", 3600),
    ("2 h", 2 * 3600),
    ("4 h", 4 * 3600),
    ("8 h", 8 * 3600),
    ("1 day", 86_400),
    ("3 days", 3 * 86_400),
    ("1 week", 7 * 86_400),
    ("30 days", 30 * 86_400),
];

#[derive(Template)]
#[template(path = "acted.html")]
struct Acted {
    frame: Frame,
    back: String,
    refused: usize,
    /// What was done or refused, one sentence each.
    said: Vec<(bool, String)>,
}

/// Answers `POST /act`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    by: Actor,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(fields) = form.map_err(|error| Refusal::Body(error.body_text()))?;
    let zone = viewer.zone;
    let frame = Frame::without_counts(&site, zone, "").seen_by(&viewer);
    site.ask(move |source| {
        let form = Fields(fields);
        let back = form.back();
        let done: Vec<_> = form
            .actions(source, zone)?
            .into_iter()
            .map(|action| source.act(&by.name, action))
            .collect();
        say(source, frame, back, done)
    })
    .await?
}

/// Back to the page when all was done; else what was not.
fn say(
    source: &dyn Source,
    frame: Frame,
    back: String,
    mut done: Vec<Result<Done, action::Refusal>>,
) -> Result<Response, Refusal> {
    let refused = done.iter().filter(|done| done.is_err()).count();
    if refused == 0 {
        return Ok(Redirect::to(&back).into_response());
    }
    if let (1, Some(Err(refusal))) = (done.len(), done.last()) {
        return Err(Refusal::Action(refusal.clone()));
    }
    done.sort_by_key(Result::is_ok);
    let said = done.into_iter().map(|done| match done {
        Ok(done) => (true, done.said),
        Err(refusal) => (false, refusal.to_string()),
    });
    let page = Acted {
        frame: frame.with_counts(source),
        said: said.collect(),
        back,
        refused,
    };
    let html = page.render()?;
    Ok((StatusCode::CONFLICT, axum::response::Html(html)).into_response())
}

/// The fields of a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    /// What `name` says, without blanks around it; `None` when it is not there or empty.
    fn text(&self, name: &str) -> Option<&str> {
        let (_, text) = self.0.iter().find(|(have, _)| have == name)?;
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = || Refusal::parameter(name, expected, text);
        parse(text).map(Some).ok_or_else(wrong)
    }

    fn needed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Refusal> {
        self.read(name, expected, parse)?
            .ok_or_else(|| Refusal::parameter(name, expected, ""))
    }

    /// A page of ours.
    fn back(&self) -> String {
        let ours = |text: &&str| {
            text.starts_with('/')
                && !text.starts_with("//")
                && text
                    .bytes()
                    .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\')
        };
        let back = self.text("back").filter(ours);
        back.unwrap_or("/incidents").to_owned()
    }

    fn subjects(&self) -> Result<Vec<Subject>, Refusal> {
        let said = self.0.iter().filter(|(name, _)| name == "on");
        let subjects: Result<Vec<Subject>, Refusal> = said
            .map(|(_, text)| {
                let expected = "the number of an incident, HOST, HOST/CHECK or HOST/GRAPH/FIELD";
                text.parse()
                    .map_err(|_| Refusal::parameter("on", expected, text))
            })
            .collect();
        let subjects = subjects?;
        match subjects.len() {
            1..=SUBJECTS_MAX => Ok(subjects),
            0 => Err(Refusal::Body(String::from(
                "expected at least one problem that is ticked, found none",
            ))),
            many => Err(Refusal::Body(format!(
                "expected at most {SUBJECTS_MAX} problems at once, found {many}"
            ))),
        }
    }

    fn lasts(&self) -> Result<Option<Duration>, Refusal> {
        self.read("lasts", "seconds above 0", |text| {
            let seconds: u64 = text.parse().ok()?;
            (1..=u64::from(u32::MAX))
                .contains(&seconds)
                .then(|| Duration::from_secs(seconds))
        })
    }

    fn actions(&self, source: &dyn Source, zone: Tz) -> Result<Vec<Action>, Refusal> {
        let now = source.now();
        let comment = self.text("comment").unwrap_or_default().to_owned();
        let expires = self.lasts()?.map(|lasts| now + lasts);
        let each = |of: &dyn Fn(Subject) -> Action| {
            Ok(self.subjects()?.into_iter().map(of).collect::<Vec<_>>())
        };
        let number = || self.needed("id", "a number", |text| text.parse().ok());
        match self.text("do").unwrap_or_default() {
            "acknowledge" => each(&|on| Action::Acknowledge {
                on,
                comment: comment.clone(),
                expires,
            }),
            "unacknowledge" => each(&|on| Action::Unacknowledge { on }),
            "comment" => each(&|on| Action::AddComment {
                on,
                text: comment.clone(),
            }),
            "remove-comment" => Ok(vec![Action::RemoveComment { id: number()? }]),
            "downtime" => {
                let plan = self.plan(comment, zone, now)?;
                if plan.host.is_some() || plan.group.is_some() {
                    return Ok(vec![Action::AddDowntime(plan)]);
                }
                let about = self.subjects()?;
                let about = about.into_iter().flat_map(|on| checks(source, on));
                Ok(about
                    .map(|check| Action::AddDowntime(of_check(plan.clone(), &check)))
                    .collect())
            }
            "end-downtime" => Ok(vec![Action::RemoveDowntime { id: number()? }]),
            "mute" => Ok(vec![Action::Mute { comment, expires }]),
            "unmute" => Ok(vec![Action::Unmute]),
            other => Err(Refusal::parameter(
                "do",
                "acknowledge, unacknowledge, comment, remove-comment, downtime, end-downtime, mute or unmute",
                other,
            )),
        }
    }

    fn plan(&self, comment: String, zone: Tz, now: Timestamp) -> Result<Plan, Refusal> {
        let start = self.read("start", "a time such as 2026-11-20T18:30", |text| {
            span::moment(text, zone)
        })?;
        let lasts = self
            .lasts()?
            .ok_or_else(|| Refusal::parameter("lasts", "how long it lasts", ""))?;
        let flexible = self.read("flexible", "seconds above 0", |text| {
            text.parse().ok().filter(|seconds| *seconds > 0)
        })?;
        let every = self.read("every", "day or week", |text| match text {
            "day" => Some(Every::Day),
            "week" => Some(Every::Week),
            _ => None,
        })?;
        let text = |name| self.text(name).map(str::to_owned);
        Ok(Plan {
            host: text("host"),
            group: text("group"),
            check: text("check"),
            start,
            end: start.unwrap_or(now) + lasts,
            flexible_seconds: flexible,
            every,
            zone: every.map(|_| zone),
            comment,
        })
    }
}

/// What a downtime of this is of: a check, or all causes of an incident.
fn checks(source: &dyn Source, on: Subject) -> Vec<CheckName> {
    match on {
        Subject::Check(check) => vec![check],
        Subject::Incident(id) => source
            .incident(id)
            .map(|incident| incident.causes)
            .unwrap_or_default(),
    }
}

/// The plan, of one check only. No name has a character that a pattern gives a meaning.
fn of_check(plan: Plan, check: &CheckName) -> Plan {
    Plan {
        host: Some(check.host().to_string()),
        check: match check {
            CheckName::Host(_) => None,
            CheckName::Field(series) => Some(format!("{}/{}", series.graph, series.field)),
            CheckName::Verdict(verdict) => Some(verdict.check.to_string()),
        },
        ..plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_pages_of_ours_only() {
        let check = |back: &str, expect: &str| {
            let form = Fields(vec![("back".to_owned(), back.to_owned())]);
            assert_eq!(form.back(), expect, "{back}");
        };
        check("/problems?state=critical", "/problems?state=critical");
        check("", "/incidents");
        check("https://evil.example/", "/incidents");
        check("//evil.example/", "/incidents");
        check("/\\evil.example", "/incidents");
        check("/a b", "/incidents");
        check("/a\r\nset-cookie: x", "/incidents");
    }
}
