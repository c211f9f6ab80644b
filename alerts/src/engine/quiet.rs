//! What people do about problems, as the engine carries it out: downtimes, acknowledgements, the mute, comments.

use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Engine, RecordKey};
use crate::action::{Action, Done, Refusal, Subject};
use crate::check::CheckName;
use crate::incident::Incident;
use crate::notice::clock_time;
use crate::quiet::{Acknowledgement, Comment, Downtime, Mute, Plan, Repeats};

/// An acknowledgement ends when the incident has this many times the causes that it was given for.
const WIDER: usize = 3;

/// Downtimes at once, at most.
const DOWNTIMES_MAX: usize = 1000;

/// Comments that are kept; the oldest gives way.
const COMMENTS_MAX: usize = 5000;

/// What somebody writes may have so many characters.
const TEXT_MAX: usize = 2000;

/// A name of whoever does something may have so many characters.
const AUTHOR_MAX: usize = 100;

/// How far ahead anything may be announced, and how long it may last.
const AHEAD_MAX: Duration = Duration::from_secs(2 * 366 * 86_400);

/// What holds for everything: the mute, and which numbers were given out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Nobody is told anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mute: Option<Mute>,
    /// The last number of a downtime or comment; none is used again.
    #[serde(default)]
    pub(super) last_id: u64,
}

impl Engine {
    /// Somebody does something. What it changes is told or not told like any other change.
    ///
    /// # Errors
    /// With one sentence for whoever asked, when it makes no sense; nothing has changed then.
    pub fn act(&mut self, action: &Action, by: &str, now: Timestamp) -> Result<Done, Refusal> {
        let by = one_line("the author", by, AUTHOR_MAX)?;
        let now = self.tick(now);
        let done = match action {
            Action::Acknowledge {
                on,
                comment,
                expires,
            } => self.acknowledge(on, &by, comment, *expires, now),
            Action::Unacknowledge { on } => self.unacknowledge(on),
            Action::AddDowntime(plan) => self.add_downtime(plan, by, now),
            Action::RemoveDowntime { id } => self.remove_downtime(*id),
            Action::AddComment { on, text } => self.add_comment(on, by, text, now),
            Action::RemoveComment { id } => self.remove_comment(*id),
            Action::Mute { comment, expires } => self.set_mute(by, comment, *expires, now),
            Action::Unmute => self.unmute(),
        };
        self.review_all(now);
        done
    }

    /// A downtime is announced, or another one of this number takes its place. What it covers and was told before stays told.
    pub fn handle_downtime(&mut self, downtime: Downtime, now: Timestamp) {
        let now = self.tick(now);
        self.put_downtime(downtime);
        self.review_all(now);
    }

    /// Somebody knows of the incident that this check belongs to. Gives its number; nothing when nothing is wrong with it.
    pub fn handle_acknowledge(
        &mut self,
        name: &CheckName,
        author: &str,
        comment: &str,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<u64> {
        let action = Action::Acknowledge {
            on: Subject::Check(name.clone()),
            comment: comment.to_owned(),
            expires,
        };
        self.act(&action, author, now).ok()?.id
    }

    /// The downtimes that are announced or run.
    pub fn downtimes(&self) -> impl Iterator<Item = &Downtime> {
        self.downtimes.values()
    }

    /// All comments, the oldest first.
    pub fn comments(&self) -> impl Iterator<Item = &Comment> {
        self.comments.values()
    }

    /// Who said that nobody is told anything, while that holds.
    #[must_use]
    pub fn mute(&self) -> Option<&Mute> {
        let now = self.now?;
        self.standing.mute.as_ref().filter(|mute| mute.holds(now))
    }

    fn acknowledge(
        &mut self,
        on: &Subject,
        by: &str,
        comment: &str,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let id = self.incident_of(on)?;
        let comment = text("the comment", comment)?;
        let expires = ahead("the end", expires, now)?;
        let Some(incident) = self.incidents.get(&id) else {
            return Err(no_incident(id));
        };
        let acknowledged = Acknowledgement {
            author: by.to_owned(),
            comment,
            severity: incident.severity,
            scope: self.bad_causes(incident, now).len(),
            at: now,
            expires,
        };
        let until = expires.map_or_else(String::new, |at| format!(" until {}", clock_time(at)));
        let said = format!(
            "incident {id} is acknowledged by {by}{until}, unless it becomes worse or wider: {}",
            incident.summary
        );
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.acknowledged = Some(acknowledged);
        }
        self.deadlines.extend(expires.map(|at| (at, id)));
        self.pass_on_acknowledgement(id, by, now);
        self.changed.insert(RecordKey::Incident(id));
        self.to_review.insert(id);
        Ok(Done { said, id: Some(id) })
    }

    fn unacknowledge(&mut self, on: &Subject) -> Result<Done, Refusal> {
        let id = self.incident_of(on)?;
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Err(no_incident(id));
        };
        if incident.acknowledged.take().is_none() {
            let why = format!("incident {id} is not acknowledged");
            return Err(Refusal::Conflict(why));
        }
        self.changed.insert(RecordKey::Incident(id));
        self.to_review.insert(id);
        let said = format!("incident {id} is no longer acknowledged");
        Ok(Done { said, id: Some(id) })
    }

    /// The open incident that is meant.
    fn incident_of(&self, on: &Subject) -> Result<u64, Refusal> {
        match on {
            Subject::Incident(id) if self.incidents.contains_key(id) => Ok(*id),
            Subject::Incident(id) if *id > 0 && *id < self.next_incident => Err(Refusal::Conflict(
                format!("incident {id} is over: there is nothing to acknowledge"),
            )),
            Subject::Incident(id) => Err(no_incident(*id)),
            Subject::Check(name) => {
                let Some(check) = self.check(name) else {
                    return Err(self.no_check(name));
                };
                check.incident.ok_or_else(|| {
                    Refusal::Conflict(format!(
                        "nothing is wrong with {name}: it is in no incident"
                    ))
                })
            }
        }
    }

    /// A check is not known: those whose names begin so are named.
    pub(super) fn no_check(&self, name: &CheckName) -> Refusal {
        let Some(host) = self.hosts.get(name.host()) else {
            return Refusal::Unknown(format!("no host {}: nothing is known of it", name.host()));
        };
        let begin = format!("{name}/");
        let all = host.check_names(name.host());
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let below: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|it| it.starts_with(&begin))
            .take(5)
            .collect();
        let hint = match below[..] {
            [] => String::from("; `ravenry status` lists what is judged"),
            _ => format!("; there is {}", below.join(", ")),
        };
        Refusal::Unknown(format!("no check {name}{hint}"))
    }

    fn add_downtime(&mut self, plan: &Plan, by: String, now: Timestamp) -> Result<Done, Refusal> {
        let downtime = self.plan_downtime(plan, by, now)?;
        let (id, start, end) = (downtime.id, downtime.start, downtime.end);
        let mut hosts = self.hosts.keys();
        let host = |name: &&_| downtime.is_of_host(name, &self.rules.groups);
        let nobody = if hosts.any(|name| host(&name)) {
            ""
        } else {
            "; no host that is known now is meant"
        };
        let how = match (downtime.flexible_seconds, downtime.repeats) {
            (Some(seconds), _) => format!(
                "for {} from the first problem between {} and {}",
                crate::notice::words(Duration::from_secs(seconds)),
                clock_time(start),
                clock_time(end)
            ),
            (None, _) => format!("from {} to {}", clock_time(start), clock_time(end)),
        };
        let said = format!("{downtime} {how}{nobody}");
        self.standing.last_id = id;
        self.changed.insert(RecordKey::Standing);
        self.put_downtime(downtime);
        Ok(Done { said, id: Some(id) })
    }

    fn plan_downtime(&self, plan: &Plan, by: String, now: Timestamp) -> Result<Downtime, Refusal> {
        let invalid = |why: &str| Err(Refusal::Invalid(String::from(why)));
        if self.downtimes.len() >= DOWNTIMES_MAX {
            let why =
                format!("there are {DOWNTIMES_MAX} downtimes, the most there can be: remove some");
            return Err(Refusal::Conflict(why));
        }
        let pattern = |what: &str, text: &Option<String>| {
            let line = text.as_ref().map(|it| one_line(what, it, 200));
            line.transpose()
        };
        let host = pattern("host", &plan.host)?;
        let group = pattern("group", &plan.group)?;
        let Some(host) = host.or_else(|| group.as_ref().map(|_| String::from("*"))) else {
            return invalid("expected a host or a group that the downtime is of, found neither");
        };
        if let Some(name) = &group
            && !self.rules.groups.iter().any(|group| group.is_below(name))
        {
            let why = format!("no group {name}: expected the name of a configured one");
            return Err(Refusal::Unknown(why));
        }
        let start = plan.start.unwrap_or(now);
        let end = plan.end;
        if end <= start.max(now) {
            return invalid("expected an end after the start and after now");
        }
        if start > now + AHEAD_MAX || end > start + AHEAD_MAX {
            return invalid("expected a start and an end within two years");
        }
        if plan
            .flexible_seconds
            .is_some_and(|lasts| lasts == 0 || lasts > AHEAD_MAX.as_secs())
        {
            return invalid("expected a flexible downtime to last between a second and two years");
        }
        let repeats = plan.every.map(|every| Repeats {
            every,
            zone: plan.zone.unwrap_or(chrono_tz::UTC),
            first_start: start,
            first_end: end,
            round: 0,
        });
        if repeats.is_some_and(|it| end > start + it.every.span()) {
            return invalid("expected a downtime that comes again to end before it does");
        }
        let comment = text("the comment", &plan.comment)?;
        if comment.is_empty() {
            return invalid("expected a comment that says why, found none");
        }
        Ok(Downtime {
            id: self.standing.last_id.max(self.last_downtime()) + 1,
            host,
            group,
            check: pattern("check", &plan.check)?,
            start,
            end,
            flexible_seconds: plan.flexible_seconds,
            begun: None,
            repeats,
            author: by,
            comment,
        })
    }

    fn last_downtime(&self) -> u64 {
        self.downtimes.keys().next_back().copied().unwrap_or(0)
    }

    fn remove_downtime(&mut self, id: u64) -> Result<Done, Refusal> {
        let Some(downtime) = self.downtimes.get(&id) else {
            return Err(Refusal::Unknown(format!("no downtime {id}")));
        };
        let said = format!("{downtime} is taken back; what is wrong is told");
        self.drop_downtime(id);
        Ok(Done { said, id: Some(id) })
    }

    fn add_comment(
        &mut self,
        on: &Subject,
        by: String,
        said: &str,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        match on {
            Subject::Incident(id) if *id == 0 || *id >= self.next_incident => {
                return Err(no_incident(*id));
            }
            Subject::Check(name) if self.check(name).is_none() => return Err(self.no_check(name)),
            Subject::Incident(_) | Subject::Check(_) => {}
        }
        let text = text("the comment", said)?;
        if text.is_empty() {
            return Err(Refusal::Invalid(String::from(
                "expected a comment, found none",
            )));
        }
        if self.comments.len() >= COMMENTS_MAX
            && let Some((oldest, _)) = self.comments.pop_first()
        {
            self.changed.insert(RecordKey::Comment(oldest));
        }
        let id = self.standing.last_id.max(self.last_downtime()) + 1;
        self.standing.last_id = id;
        let comment = Comment {
            id,
            on: on.clone(),
            author: by,
            text,
            at: now,
        };
        self.comments.insert(id, comment);
        self.changed.insert(RecordKey::Standing);
        self.changed.insert(RecordKey::Comment(id));
        let said = format!("comment {id} stands beside {on}");
        Ok(Done { said, id: Some(id) })
    }

    fn remove_comment(&mut self, id: u64) -> Result<Done, Refusal> {
        if self.comments.remove(&id).is_none() {
            return Err(Refusal::Unknown(format!("no comment {id}")));
        }
        self.changed.insert(RecordKey::Comment(id));
        let said = format!("comment {id} is removed");
        Ok(Done { said, id: Some(id) })
    }

    fn set_mute(
        &mut self,
        author: String,
        why: &str,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let comment = text("the comment", why)?;
        if comment.is_empty() {
            let why = "expected a comment that says why, found none";
            return Err(Refusal::Invalid(String::from(why)));
        }
        let expires = ahead("the end", expires, now)?;
        let until = expires.map_or_else(
            || String::from("until somebody takes it back"),
            |at| format!("until {}", clock_time(at)),
        );
        self.standing.mute = Some(Mute {
            author,
            comment,
            since: now,
            expires,
        });
        self.changed.insert(RecordKey::Standing);
        self.to_review.extend(self.incidents.keys());
        let said = format!("nobody is told anything {until}");
        Ok(Done { said, id: None })
    }

    fn unmute(&mut self) -> Result<Done, Refusal> {
        if self.standing.mute.take().is_none() {
            let why = "nothing is muted, so nothing is to be taken back";
            return Err(Refusal::Conflict(String::from(why)));
        }
        self.changed.insert(RecordKey::Standing);
        self.to_review.extend(self.incidents.keys());
        let said =
            String::from("people are told again; what is wrong and was not told is told now");
        Ok(Done { said, id: None })
    }

    /// What people said is over: what it kept from being told is asked about again.
    pub(super) fn end_quiet(&mut self, now: Timestamp) {
        if self.standing.mute.as_ref().is_some_and(|it| !it.holds(now)) {
            self.standing.mute = None;
            self.changed.insert(RecordKey::Standing);
            self.to_review.extend(self.incidents.keys());
        }
        let over = |downtime: &&Downtime| downtime.over_at() <= now;
        let over: Vec<u64> = self
            .downtimes
            .values()
            .filter(over)
            .map(|it| it.id)
            .collect();
        for id in over {
            let next = self.downtimes.get(&id).cloned().and_then(|it| it.next(now));
            self.drop_downtime(id);
            if let Some(next) = next {
                self.put_downtime(next);
            }
        }
    }

    fn put_downtime(&mut self, downtime: Downtime) {
        self.changed.insert(RecordKey::Downtime(downtime.id));
        self.downtimes.insert(downtime.id, downtime);
    }

    fn drop_downtime(&mut self, id: u64) {
        if self.downtimes.remove(&id).is_some() {
            self.changed.insert(RecordKey::Downtime(id));
            self.to_review.extend(self.incidents.keys());
        }
    }

    /// A problem begins the flexible downtimes that wait for one.
    pub(super) fn begin_downtimes(&mut self, id: u64, now: Timestamp) {
        let waits: Vec<u64> = self
            .downtimes
            .values()
            .filter(|downtime| downtime.awaits(now))
            .map(|downtime| downtime.id)
            .collect();
        let Some(incident) = self.incidents.get(&id).filter(|_| !waits.is_empty()) else {
            return;
        };
        let bad: Vec<CheckName> = self
            .bad_causes(incident, now)
            .into_iter()
            .cloned()
            .collect();
        for id in waits {
            let groups = &self.rules.groups;
            if let Some(downtime) = self.downtimes.get_mut(&id)
                && bad.iter().any(|name| downtime.is_about(name, groups))
            {
                downtime.begun = Some(now);
                self.changed.insert(RecordKey::Downtime(id));
            }
        }
    }

    /// When the first thing that people said ends.
    pub(super) fn next_quiet_end(&self) -> Option<Timestamp> {
        let mute = self.standing.mute.as_ref().and_then(|mute| mute.expires);
        let downtime = self.downtimes.values().map(Downtime::over_at).min();
        mute.into_iter().chain(downtime).min()
    }

    pub(super) fn is_in_downtime(&self, name: &CheckName, now: Timestamp) -> bool {
        let groups = &self.rules.groups;
        self.downtimes
            .values()
            .any(|it| it.covers(name, groups, now))
    }

    /// The causes that are bad and not in a downtime.
    pub(super) fn bad_causes<'a>(
        &self,
        incident: &'a Incident,
        now: Timestamp,
    ) -> Vec<&'a CheckName> {
        let bad = |name: &&CheckName| {
            let check = self.check(name);
            check.is_some_and(|check| !check.state.severity.is_ok())
        };
        let causes = incident.causes().filter(bad);
        causes
            .filter(|name| !self.is_in_downtime(name, now))
            .collect()
    }

    /// Until when downtimes cover every cause that is bad; nothing where one is covered by none.
    pub(super) fn downtime_until(&self, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
        if self.downtimes.is_empty() || !self.bad_causes(incident, now).is_empty() {
            return None;
        }
        let covering = self.downtimes.values().filter(|downtime| {
            let mut causes = incident.causes();
            causes.any(|name| downtime.covers(name, &self.rules.groups, now))
        });
        covering.map(Downtime::over_at).max()
    }

    /// The acknowledgement, where it holds for what the incident has become.
    pub(super) fn acknowledgement<'a>(
        &self,
        incident: &'a Incident,
        scope: usize,
        now: Timestamp,
    ) -> Option<&'a Acknowledgement> {
        incident.acknowledged.as_ref().filter(|it| {
            incident.severity <= it.severity
                && scope < (WIDER * it.scope).max(2)
                && it.expires.is_none_or(|expires| now < expires)
        })
    }
}

fn no_incident(id: u64) -> Refusal {
    Refusal::Unknown(format!("no incident {id}"))
}

/// A time that must lie ahead, and not too far.
fn ahead(what: &str, at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    match at {
        Some(at) if at <= now || at > now + AHEAD_MAX => Err(Refusal::Invalid(format!(
            "expected {what} to be after now and within two years, found {}",
            clock_time(at)
        ))),
        Some(_) | None => Ok(at),
    }
}

/// What somebody wrote: control characters other than line ends become blanks.
fn text(what: &str, text: &str) -> Result<String, Refusal> {
    let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let text: String = text.trim().chars().map(clean).collect();
    if text.chars().count() > TEXT_MAX {
        let why = format!("expected {what} to have at most {TEXT_MAX} characters");
        return Err(Refusal::Invalid(why));
    }
    Ok(text)
}

fn one_line(what: &str, text: &str, max: usize) -> Result<String, Refusal> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= max && !text.contains(char::is_control);
    if !fits {
        let found: String = text.chars().take(80).collect();
        return Err(Refusal::Invalid(format!(
            "expected {what} as one line of 1 to {max} characters, found {found:?}"
        )));
    }
    Ok(text.to_owned())
}
