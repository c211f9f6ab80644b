//! Routes: who is told of a check, by its severity and at what times, and who is told when nobody acknowledges. Pure.
//!
//! The defaults come first, then the routes in their order, then what a threshold's or a host's own rule says: each sets
//! what it names, so the last one that is about the check wins, setting by setting.

use std::fmt::Write as _;
use std::sync::Arc;

use ravenry_plugins::name::HostName;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;

use crate::check::CheckName;
use crate::escalation::{Escalation, Via};
use crate::period::Period;
use crate::rota::Rota;
use crate::rule::{Contact, ContactName, Rules};
use crate::severity::Severity;
use crate::topology::CheckSet;

/// Who is told of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// These contacts and rotas; `None` is all contacts.
    pub contacts: Option<Vec<ContactName>>,
    /// These instead, for problems of some severities; the last one that is about a severity wins.
    pub of_severity: Vec<(Vec<Severity>, Vec<ContactName>)>,
    /// Of these severities; `None` is all of them.
    pub severities: Option<Vec<Severity>>,
    /// Nobody, for now.
    pub muted: bool,
    /// Only in this period.
    pub period: Option<Arc<Period>>,
    /// Who else while nobody acknowledges.
    pub escalation: Option<Arc<Escalation>>,
}

/// Settings for the routes of some checks; `None` leaves what was said before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteRule {
    /// Of which hosts.
    pub host: Pattern,
    /// And of these, which.
    pub among: Among,
    /// Of which of their checks; `None` is all.
    pub checks: Option<CheckSet>,
    /// For problems of which severities; `None` is all.
    pub severities: Option<Vec<Severity>>,
    /// Who is told.
    pub contacts: Option<Vec<ContactName>>,
    /// Only in this period.
    pub period: Option<Arc<Period>>,
    /// Who else while nobody acknowledges.
    pub escalation: Option<Arc<Escalation>>,
}

/// Some hosts: those that fit all that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// By the groups that they are in, and those around these.
    pub group: Option<Pattern>,
    /// By what they are tagged with.
    pub tag: Option<Pattern>,
}

/// A host with what it may be known by.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// The groups that it is in, and those around these.
    pub groups: Vec<&'a str>,
    /// What it is tagged with.
    pub tags: Vec<&'a str>,
}

impl Among {
    /// Whether the host is one of these.
    #[must_use]
    pub fn holds(&self, place: &Place<'_>) -> bool {
        let fits = |pattern: &Option<Pattern>, names: &[&str]| {
            let any = |pattern: &Pattern| names.iter().any(|name| pattern.matches(name));
            pattern.as_ref().is_none_or(any)
        };
        fits(&self.group, &place.groups) && fits(&self.tag, &place.tags)
    }
}

impl RouteRule {
    fn is_about(&self, name: &CheckName, place: &Place<'_>) -> bool {
        let named = |checks: &CheckSet| checks.contains(name);
        self.host.matches(place.host.as_str())
            && self.among.holds(place)
            && self.checks.as_ref().is_none_or(named)
    }

    fn apply(&self, route: &mut Route) {
        match (&self.contacts, &self.severities) {
            (Some(contacts), None) => route.tell(contacts),
            (Some(contacts), Some(severities)) => {
                let of = (severities.clone(), contacts.clone());
                route.of_severity.push(of);
            }
            (None, _) => {}
        }
        if self.period.is_some() {
            route.period.clone_from(&self.period);
        }
        if self.escalation.is_some() {
            route.escalation.clone_from(&self.escalation);
        }
    }
}

impl Route {
    /// From now on these are told, of whatever severity.
    pub fn tell(&mut self, contacts: &[ContactName]) {
        self.of_severity.clear();
        self.contacts = Some(contacts.to_vec());
    }

    /// Who is told of a severity; `None` is all contacts.
    #[must_use]
    pub fn contacts_of(&self, severity: Severity) -> Option<&[ContactName]> {
        let mut of = self.of_severity.iter().rev();
        let of = of.find(|(severities, _)| severities.contains(&severity));
        of.map(|(_, contacts)| &contacts[..])
            .or(self.contacts.as_deref())
    }

    /// One text for the same people.
    #[must_use]
    pub fn people(&self) -> String {
        let list = |names: &[ContactName]| {
            let names: Vec<&str> = names.iter().map(ContactName::as_str).collect();
            names.join(" ")
        };
        let mut text = self
            .contacts
            .as_deref()
            .map_or_else(|| String::from("*"), list);
        for (severities, names) in &self.of_severity {
            let severities: Vec<&str> = severities.iter().map(|it| it.as_str()).collect();
            // Writing to a string does not fail.
            let _ = write!(text, "; {}: {}", severities.join(" "), list(names));
        }
        text
    }
}

impl Rules {
    /// What a host may be known by.
    #[must_use]
    pub fn place<'a>(&'a self, host: &'a HostName) -> Place<'a> {
        let name = host.as_str();
        let groups = self.groups.iter();
        let mut groups: Vec<&str> = groups
            .filter(|group| group.hosts.iter().any(|pattern| pattern.matches(name)))
            .flat_map(|group| with_those_around(group.name.as_str()))
            .collect();
        if groups.is_empty() {
            groups.push(UNGROUPED);
        }
        let mut place = Place {
            host,
            groups,
            tags: Vec::new(),
        };
        for rule in &self.hosts {
            let tags = rule.tags.iter().flatten().map(String::as_str);
            if rule.is_about(&place) {
                place.tags.extend(tags);
            }
        }
        place
    }

    /// The route of a check before its own rule.
    pub(crate) fn base_route(&self, name: &CheckName, place: &Place<'_>) -> Route {
        let mut route = self.route.clone();
        for rule in self.routes.iter().filter(|rule| rule.is_about(name, place)) {
            rule.apply(&mut route);
        }
        route
    }

    /// Everybody who is named, by their names or by a rota, in the order of the contacts.
    pub fn people<'a>(
        &'a self,
        names: Option<&'a [ContactName]>,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'a Contact, Via)> {
        let rotas = self.rotas.iter();
        let rotas = rotas.filter(move |it| names.is_some_and(|names| names.contains(&it.name)));
        let on_call: Vec<(&ContactName, &Rota)> = rotas
            .filter_map(|rota| Some((rota.on_call(now)?.who, rota)))
            .collect();
        self.contacts.iter().filter_map(move |contact| {
            if names.is_none_or(|names| names.contains(&contact.name)) {
                return Some((contact, Via::Route));
            }
            let (_, rota) = on_call.iter().find(|(who, _)| **who == contact.name)?;
            let rota = rota.name.clone();
            Some((contact, Via::OnCall { rota }))
        })
    }

    /// Whom an incident concerns: those of its route, and those whom it has been escalated to; `due` is since when nobody
    /// has acknowledged it.
    #[must_use]
    pub fn concerned<'a>(
        &'a self,
        route: &'a Route,
        severity: Severity,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<(&'a Contact, Via)> {
        let mut all: Vec<(&Contact, Via)> = self.people(route.contacts_of(severity), now).collect();
        let steps = route.escalation.iter().flat_map(|it| &it.steps);
        for step in steps {
            let reached = due.is_some_and(|due| due + step.after <= now);
            let wanted = step.severities.as_ref();
            if !reached || !wanted.is_none_or(|wanted| wanted.contains(&severity)) {
                continue;
            }
            for (contact, _) in self.people(Some(&step.contacts), now) {
                if all.iter().all(|(known, _)| known.name != contact.name) {
                    let after = step.after;
                    all.push((contact, Via::Escalated { after }));
                }
            }
        }
        all
    }

    /// When it is next to be asked whom an incident concerns: somebody else is on call, the next step is reached.
    #[must_use]
    pub(crate) fn next_concern(
        &self,
        route: &Route,
        severity: Severity,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let steps = route.escalation.iter().flat_map(|it| &it.steps);
        let named = steps.clone().map(|step| &step.contacts[..]);
        let named: Vec<&ContactName> = named.chain(route.contacts_of(severity)).flatten().collect();
        let rotas = self.rotas.iter().filter(|rota| named.contains(&&rota.name));
        let handovers = rotas.filter_map(|rota| Some(rota.on_call(now)?.until));
        let reached = steps.filter_map(|step| Some(due? + step.after));
        handovers.chain(reached).filter(|at| *at > now).min()
    }
}

/// The group of hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";

/// `Berlin/web` and `Berlin`.
fn with_those_around(group: &str) -> impl Iterator<Item = &str> {
    let around = group.match_indices('/').map(|(end, _)| &group[..end]);
    around.chain([group])
}
