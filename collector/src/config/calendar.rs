//! `[period.NAME]`, `[escalation.NAME]` and `[rota.NAME]`: when people are told, who is told when nobody acknowledges, and
//! who is on call.
//!
//! Periods and escalations are read from all files before anything else, so that every section may name them.

use std::collections::BTreeMap;
use std::ops::Range as Span;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;
use ravenry_alerts::escalation::{Escalation, Step};
use ravenry_alerts::period::{DayTimes, Period};
use ravenry_alerts::rota::{Handover, Override, Rota};
use ravenry_alerts::rule::ContactName;
use ravenry_alerts::wall::{self, Tz};
use ravenry_plugins::settings::{Document, Section, Templates};
use ravenry_plugins::timestamp::Timestamp;

use super::Given;
use super::alerts::{contacts, note_contacts, severities};

/// The longest time after which an incident escalates.
const AFTER_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What sections may name.
#[derive(Default)]
pub(super) struct Calendar {
    periods: BTreeMap<String, Arc<Period>>,
    escalations: BTreeMap<String, Arc<Escalation>>,
}

/// A period, and what it is still to exclude.
struct Raw {
    period: Period,
    exclude: Vec<String>,
    source: usize,
    span: Span<usize>,
}

impl Calendar {
    /// The periods and escalations of all files.
    pub(super) fn collect<'d, 't>(
        documents: &'d [Document<'t>],
        templates: &'d Templates<'d, 't>,
        given: &mut Given,
    ) -> Self {
        let mut calendar = Self::default();
        let mut raw: Vec<Raw> = Vec::new();
        for (source, document) in documents.iter().enumerate() {
            let mut root = document.root_with(templates);
            for (name, mut section) in root.named_sections("period") {
                let read = read_period(&name.value, &mut section, source);
                if given.first_time(&root, &format!("period.{}", name.value), name.span) {
                    raw.push(read);
                }
                section.end();
            }
            for (name, mut section) in root.named_sections("escalation") {
                let escalation =
                    Arc::new(read_escalation(&name.value, &mut section, given, source));
                if given.first_time(&root, &format!("escalation.{}", name.value), name.span) {
                    calendar.escalations.insert(name.value, escalation);
                }
                section.end();
            }
        }
        calendar.resolve(raw, documents);
        calendar
    }

    /// Gives the periods what they exclude, those first that exclude nothing that is not known yet.
    fn resolve(&mut self, mut raw: Vec<Raw>, documents: &[Document<'_>]) {
        loop {
            let known = |it: &Raw| {
                it.exclude
                    .iter()
                    .all(|name| self.periods.contains_key(name))
            };
            let (ready, left): (Vec<Raw>, Vec<Raw>) = raw.into_iter().partition(known);
            if ready.is_empty() {
                raw = left;
                break;
            }
            for mut it in ready {
                let exclude = it.exclude.iter().filter_map(|name| self.periods.get(name));
                it.period.exclude = exclude.cloned().collect();
                let name = it.period.name.clone();
                self.periods.insert(name, Arc::new(it.period));
            }
            raw = left;
        }
        for it in &raw {
            let names: Vec<&str> = raw.iter().map(|it| it.period.name.as_str()).collect();
            let strange = |name: &&String| {
                !self.periods.contains_key(*name) && !names.contains(&name.as_str())
            };
            let text = match it.exclude.iter().find(strange) {
                Some(name) => format!("no period {name:?}: expected [period.{name}]"),
                None => String::from("expected periods that do not exclude each other in a circle"),
            };
            let text = format!("period.{}.exclude: {text}", it.period.name);
            documents[it.source].report(it.span.clone(), text);
        }
    }

    /// The period that `key` names.
    pub(super) fn period(
        &self,
        section: &mut Section<'_, '_>,
        key: &'static str,
    ) -> Option<Arc<Period>> {
        section.parsed_by(key, |name| {
            let known = self.periods.get(name).cloned();
            known.ok_or_else(|| format!("no period {name:?}: expected [period.{name}]"))
        })
    }

    /// The escalation that `escalation` names.
    pub(super) fn escalation(&self, section: &mut Section<'_, '_>) -> Option<Arc<Escalation>> {
        section.parsed_by("escalation", |name| {
            let known = self.escalations.get(name).cloned();
            known.ok_or_else(|| format!("no escalation {name:?}: expected [escalation.{name}]"))
        })
    }
}

fn read_period(name: &str, section: &mut Section<'_, '_>, source: usize) -> Raw {
    let period = Period {
        name: name.to_owned(),
        zone: zone(section),
        times: section.list::<DayTimes>("times").unwrap_or_default(),
        except: section.list::<DayTimes>("except").unwrap_or_default(),
        exclude: Vec::new(),
    };
    Raw {
        period,
        exclude: section.list("exclude").unwrap_or_default(),
        source,
        span: section.span_of("exclude"),
    }
}

fn zone(section: &mut Section<'_, '_>) -> Tz {
    let zone = section.parsed_by("zone", wall::parse_zone);
    zone.unwrap_or(Tz::UTC)
}

fn read_escalation(
    name: &str,
    section: &mut Section<'_, '_>,
    given: &mut Given,
    source: usize,
) -> Escalation {
    let mut steps = Vec::new();
    for mut section in section.repeated_sections("step") {
        let after = section.duration("after", Duration::ZERO..=AFTER_MAX);
        let contacts = contacts(&mut section);
        note_contacts(&section, &contacts, given, source);
        let severities = severities(&mut section);
        if (after.is_none() || contacts.is_none()) && !section.has_problems() {
            let text = "expected after how long, and contacts that are told then";
            section.report(&section.span(), "after", text);
        }
        steps.extend(after.zip(contacts).map(|(after, contacts)| Step {
            after,
            contacts,
            severities,
        }));
        section.end();
    }
    if steps.is_empty() && !section.has_problems() {
        let text = "expected at least one [[escalation.NAME.step]], found none";
        section.report(&section.span(), "step", text);
    }
    steps.sort_by_key(|step| step.after);
    Escalation {
        name: name.to_owned(),
        steps,
    }
}

/// A rota; its members are contacts.
pub(super) fn read_rota(
    name: &str,
    section: &mut Section<'_, '_>,
    given: &mut Given,
    source: usize,
) -> Option<Rota> {
    let members: Option<Vec<String>> = section.list("members");
    let members: Vec<ContactName> = names(members.unwrap_or_default());
    note_members(section, "members", &members, given, source);
    let zone = zone(section);
    let start = section.parsed_by("start", wall::parse_date);
    let handover = section.parsed_by("handover", parse_handover);
    if (members.is_empty() || start.is_none()) && !section.has_problems() {
        let text = "expected members, and start, the day on which the first one's turn begins";
        section.report(&section.span(), "members", text);
    }
    let mut overrides = Vec::new();
    for mut section in section.repeated_sections("override") {
        overrides.extend(read_override(&mut section, zone, given, source));
        section.end();
    }
    Some(Rota {
        name: ContactName::new(name),
        members,
        zone,
        start: start?,
        handover: handover.unwrap_or(Handover::Weekly(chrono::Weekday::Mon, 9 * 60)),
        overrides,
    })
}

fn names(texts: Vec<String>) -> Vec<ContactName> {
    texts.into_iter().map(ContactName::new).collect()
}

fn note_members(
    section: &Section<'_, '_>,
    key: &str,
    members: &[ContactName],
    given: &mut Given,
    source: usize,
) {
    for member in members {
        let (span, key) = (section.span_of(key), section.path(key));
        given.members.push((member.clone(), source, span, key));
    }
}

fn read_override(
    section: &mut Section<'_, '_>,
    zone: Tz,
    given: &mut Given,
    source: usize,
) -> Option<Override> {
    let from = section.parsed_by("from", |text| parse_moment(text, zone));
    let to = section.parsed_by("to", |text| parse_moment(text, zone));
    let who = section.text("who").map(ContactName::new);
    note_members(section, "who", who.as_slice(), given, source);
    let whole = from.zip(to).zip(who);
    match whole {
        Some(((from, to), who)) if from < to => Some(Override { from, to, who }),
        Some(_) | None => {
            if !section.has_problems() {
                let text = "expected who, and from and to, the later one last";
                section.report(&section.span(), "who", text);
            }
            None
        }
    }
}

/// `mon 09:00` or `daily 09:00`.
fn parse_handover(text: &str) -> Result<Handover, String> {
    let wrong = |why: String| {
        format!(
            "expected a day of the week, or daily, and a time, such as \"mon 09:00\", found {text:?}: {why}"
        )
    };
    let (day, time) = text
        .trim()
        .split_once(' ')
        .ok_or_else(|| wrong(String::from("no time")))?;
    let minute = wall::parse_minute(time).map_err(wrong)?;
    if day == "daily" {
        return Ok(Handover::Daily(minute));
    }
    let day = wall::parse_weekday(day).map_err(wrong)?;
    Ok(Handover::Weekly(day, minute))
}

/// `2026-12-24 09:00` by the clocks of a zone.
fn parse_moment(text: &str, zone: Tz) -> Result<Timestamp, String> {
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M");
    let shown = parsed.map_err(|_| {
        format!("expected a day and a time such as \"2026-12-24 09:00\", found {text:?}")
    })?;
    let minute = wall::minute_of_day(shown);
    Ok(wall::first_moment(zone, shown.date(), minute))
}
