//! How things stand now, for `ravenry explain`: what a check needs, to which incident it belongs, and what each gate says of
//! each person. Asks the same questions as who is told, and changes nothing.

use ravenry_plugins::timestamp::Timestamp;

use super::Engine;
use crate::action::{Refusal, Subject};
use crate::check::CheckName;
use crate::explain::{Explained, GateSaid, Judged};
use crate::gate::{GATES, Question};
use crate::incident::Incident;
use crate::notice::clock_time;
use crate::rule::{Contact, ContactName};

impl Engine {
    /// How a check or an incident stands at `now`, and why each person is told of it or not.
    ///
    /// # Errors
    /// When there is no such check, or no such open incident.
    pub fn explain_subject(&self, of: &Subject, now: Timestamp) -> Result<Explained, Refusal> {
        match of {
            Subject::Incident(id) => {
                let Some(incident) = self.incidents.get(id) else {
                    let why = format!("incident {id} is not open");
                    return Err(Refusal::Unknown(why));
                };
                let mut explained = Explained {
                    of: format!("incident {id}"),
                    at: now,
                    ..Explained::default()
                };
                self.explain_incident(incident, &mut explained, now);
                Ok(explained)
            }
            Subject::Check(name) => self.explain_check(name, now),
        }
    }

    /// What each gate says of each open incident to this person.
    ///
    /// # Errors
    /// When nobody of that name is configured.
    pub fn explain_person(&self, name: &ContactName, now: Timestamp) -> Result<Explained, Refusal> {
        let mut contacts = self.rules.contacts.iter();
        let Some(contact) = contacts.find(|contact| contact.name == *name) else {
            let why = format!("no contact {name}: expected the name of a configured one");
            return Err(Refusal::Unknown(why));
        };
        let mut explained = Explained {
            of: format!("contact {name}"),
            at: now,
            ..Explained::default()
        };
        for incident in self.incidents.values() {
            if self.concerned(incident, now).contains(name) {
                explained.people.push(self.judged(incident, contact, now));
            } else {
                let why = format!("incident {} does not concern {name}", incident.id);
                explained.said.push(why);
            }
        }
        if self.incidents.is_empty() {
            explained.said.push(String::from("no incident is open"));
        }
        Ok(explained)
    }

    fn explain_check(&self, name: &CheckName, now: Timestamp) -> Result<Explained, Refusal> {
        let Some(view) = self.snapshot(name.clone()) else {
            return Err(self.no_check(name));
        };
        let mut explained = Explained {
            of: name.to_string(),
            at: now,
            ..Explained::default()
        };
        let said = &mut explained.said;
        said.push(match view.since {
            None => format!("{name} has not been judged yet"),
            Some(since) => format!("{name} is {} since {}", view.severity, clock_time(since)),
        });
        if let Some(value) = view.value {
            let threshold = match view.threshold.as_str() {
                "" => String::new(),
                threshold => format!(" ({threshold})"),
            };
            said.push(format!(
                "its value is {}{threshold}",
                crate::notice::number(value)
            ));
        }
        for master in self.masters(name) {
            let stands = self.check(&master).and_then(|check| {
                let since = check.state.since?;
                Some(format!(
                    "{} since {}",
                    check.state.severity,
                    clock_time(since)
                ))
            });
            let stands = stands.unwrap_or_else(|| String::from("never heard of"));
            said.push(format!("it needs {master}, which is {stands}"));
        }
        let downtimes = self.downtimes.values();
        let groups = &self.rules.groups;
        for downtime in downtimes.filter(|it| it.covers(name, groups, now)) {
            let until = clock_time(downtime.over_at());
            said.push(format!(
                "{downtime} covers it until {until}: {}",
                downtime.comment
            ));
        }
        match view.incident.and_then(|id| self.incidents.get(&id)) {
            None => said.push(view.reason),
            Some(incident) => {
                if !incident.causes().any(|cause| cause == name) {
                    said.push(view.reason);
                }
                self.explain_incident(incident, &mut explained, now);
            }
        }
        Ok(explained)
    }

    fn explain_incident(&self, incident: &Incident, explained: &mut Explained, now: Timestamp) {
        let said = &mut explained.said;
        said.push(format!(
            "incident {} is {} since {}: {}",
            incident.id,
            incident.severity,
            clock_time(incident.opened),
            incident.summary
        ));
        if !incident.folded.is_empty() {
            said.push(format!(
                "{} checks began to fail together with {} and are told as one",
                incident.folded.len(),
                incident.cause
            ));
        }
        if !incident.explains.is_empty() {
            said.push(format!(
                "it explains {} further checks, of which nobody is told",
                incident.explains.len()
            ));
        }
        if let Some(since) = incident.ok_since {
            said.push(format!(
                "no cause is bad since {}; the all-clear waits until that has lasted",
                clock_time(since)
            ));
        }
        if !self.knows_route_of(&incident.cause) {
            said.push(String::from(
                "whom it concerns is known when its graph has been declared again after the start",
            ));
            return;
        }
        let concerned = self.concerned(incident, now);
        let contacts = self.rules.contacts.iter();
        for contact in contacts.filter(|contact| concerned.contains(&contact.name)) {
            let judged = self.judged(incident, contact, now);
            explained.people.push(judged);
        }
        if concerned.is_empty() {
            explained
                .said
                .push(crate::gate::Reason::NoContact.to_string());
        }
    }

    /// Those whom an incident concerns by now.
    fn concerned(&self, incident: &Incident, now: Timestamp) -> Vec<ContactName> {
        let route = self.route_of(&incident.cause);
        let (severity, due) = (incident.severity, incident.due);
        let concerned = self.rules.concerned(&route, severity, due, now);
        let names = concerned
            .into_iter()
            .map(|(contact, _)| contact.name.clone());
        names.collect()
    }

    fn judged(&self, incident: &Incident, contact: &Contact, now: Timestamp) -> Judged {
        let route = self.route_of(&incident.cause);
        let above = self.cause_above(incident);
        let question = self.question(incident, contact, &route, above.as_ref(), now);
        let gates: Vec<GateSaid> = GATES
            .into_iter()
            .map(|gate| gate_said(gate.name(), gate.ask(&question).map(|it| it.to_string())))
            .collect();
        Judged {
            incident: incident.id,
            contact: contact.name.clone(),
            said: verdict(incident, &question, &gates),
            gates,
        }
    }
}

fn gate_said(gate: &'static str, reason: Option<String>) -> GateSaid {
    GateSaid {
        gate,
        holds: reason.is_some(),
        said: reason.unwrap_or_else(|| String::from("does not keep them from being told")),
    }
}

/// The outcome in one sentence.
fn verdict(incident: &Incident, question: &Question<'_>, gates: &[GateSaid]) -> String {
    let told = question.told.map_or_else(String::new, |told| {
        format!("told of {} at {}; ", told.severity, clock_time(told.at))
    });
    let holding = gates.iter().find(|gate| gate.holds);
    match holding {
        _ if incident.severity.is_ok() => format!("{told}nothing is wrong any more"),
        Some(gate) => format!("{told}not told now: {}", gate.said),
        None => format!("{told}to be told now"),
    }
}
