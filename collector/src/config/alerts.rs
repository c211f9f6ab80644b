//! `[alerts]`, `[[threshold]]`, `[[host]]`, `[[dependency]]`, `[quorum.NAME]`, `[contact.NAME]` and `[mail]`: what counts as a problem, and who is told how.

use std::ops::Range as Span;
use std::str::FromStr;
use std::time::Duration;

use ravenry_alerts::budget::{Budget, Remind};
use ravenry_alerts::channel::{MailSettings, Security};
use ravenry_alerts::check::CheckName;
use ravenry_alerts::route::{Among, RouteRule};
use ravenry_alerts::rule::{
    Contact, ContactName, DownAfter, FieldRule, HostRule, Limit, Recover, Rules,
};
use ravenry_alerts::severity::Severity;
use ravenry_alerts::topology::{CheckSet, Dependency, Quorum, Share};
use ravenry_plugins::name::{HostName, NameError, SeriesName, VerdictName};
use ravenry_plugins::range::Range;
use ravenry_plugins::settings::{Section, parse_duration};

use super::Given;
use super::calendar::{self, Calendar};
use super::channel;

/// The longest time for which the engine may be told to wait.
const SPAN_MAX: Duration = Duration::from_secs(86_400);

const MINUTE: Duration = Duration::from_secs(60);

/// How often a digest goes out at most, where nothing is said.
const DIGEST_EVERY: Duration = Duration::from_secs(600);

/// How many reminders there are of one severity, where nothing is said.
const REMINDERS: u32 = 3;

/// Everything about alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    /// What is judged, and who is told.
    pub rules: Rules,
    /// `[mail]`; by default the server on this machine.
    pub mail: Option<MailSettings>,
}

/// A contact that a rule names, and where; whether there is one is known when all files are read.
pub(super) struct Named {
    name: ContactName,
    source: usize,
    span: Span<usize>,
    key: String,
}

/// A member of a rota, and where: file number, place and key.
pub(super) type Member = (ContactName, usize, Span<usize>, String);

impl Alerts {
    /// Takes what file number `source` says.
    pub(super) fn read(&mut self, root: &mut Section<'_, '_>, given: &mut Given, source: usize) {
        let calendar = std::mem::take(&mut given.calendar);
        let mut defaults = root.section("alerts");
        if defaults.is_present() && given.first_time(root, "alerts", defaults.span()) {
            read_defaults(&mut self.rules, &mut defaults, &calendar);
            note_contacts(&defaults, &self.rules.route.contacts, given, source);
            defaults.end();
        }
        self.read_checks(root, given, &calendar, source);
        for mut section in root.repeated_sections("route") {
            let rule = read_route(&mut section, &calendar);
            note_contacts(&section, &rule.contacts, given, source);
            self.rules.routes.push(rule);
            section.end();
        }
        for (name, mut section) in root.named_sections("rota") {
            let rota = calendar::read_rota(&name.value, &mut section, given, source);
            // A rota is named as a contact is.
            if given.first_time(root, &format!("contact.{}", name.value), name.span) {
                self.rules.rotas.extend(rota);
            }
            section.end();
        }
        self.read_topology(root, given, source);
        self.read_contacts(root, given, &calendar, source);
        given.once(root, "mail", |section| {
            self.mail = Some(channel::read_mail(section));
        });
        given.calendar = calendar;
    }

    /// `[[threshold]]` and `[[host]]`
    fn read_checks(
        &mut self,
        root: &mut Section<'_, '_>,
        given: &mut Given,
        calendar: &Calendar,
        source: usize,
    ) {
        for mut section in root.repeated_sections("threshold") {
            self.rules
                .fields
                .push(read_threshold(&mut section, calendar));
            note_contacts(
                &section,
                &self
                    .rules
                    .fields
                    .last()
                    .and_then(|rule| rule.contacts.clone()),
                given,
                source,
            );
            section.end();
        }
        for mut section in root.repeated_sections("host") {
            self.rules.hosts.push(read_host(&mut section, calendar));
            note_contacts(
                &section,
                &self
                    .rules
                    .hosts
                    .last()
                    .and_then(|rule| rule.contacts.clone()),
                given,
                source,
            );
            section.end();
        }
    }

    /// `[[dependency]]` and `[quorum.NAME]`
    fn read_topology(&mut self, root: &mut Section<'_, '_>, given: &mut Given, source: usize) {
        for mut section in root.repeated_sections("dependency") {
            self.rules
                .dependencies
                .extend(read_dependency(&mut section));
            section.end();
        }
        for (name, mut section) in root.named_sections("quorum") {
            let quorum = read_quorum(&name.value, &name.span, &mut section);
            note_contacts(
                &section,
                &quorum.as_ref().and_then(|it| it.contacts.clone()),
                given,
                source,
            );
            if given.first_time(root, &format!("quorum.{}", name.value), name.span) {
                self.rules.quorums.extend(quorum);
            }
            section.end();
        }
    }

    /// `[contact.NAME]`
    fn read_contacts(
        &mut self,
        root: &mut Section<'_, '_>,
        given: &mut Given,
        calendar: &Calendar,
        source: usize,
    ) {
        for (name, mut section) in root.named_sections("contact") {
            let contact = read_contact(&name.value, &mut section, calendar);
            let wanted = channel::read_wanted(&name.value, &mut section, source);
            if contact.channels.is_empty() && wanted.is_none() && !section.has_problems() {
                section.report(&section.span(), "channels", channel::CONTACT_SAYS);
            }
            given.channels.extend(wanted);
            if given.first_time(root, &format!("contact.{}", name.value), name.span) {
                self.rules.contacts.push(contact);
            }
            section.end();
        }
    }

    /// The rules' contacts that do not exist: file number, place and sentence of each.
    pub(super) fn missing_contacts(&self, named: &[Named]) -> Vec<(usize, Span<usize>, String)> {
        let exists = |name: &ContactName| {
            self.rules
                .contacts
                .iter()
                .any(|contact| contact.name == *name)
                || self.rules.rotas.iter().any(|rota| rota.name == *name)
        };
        let missing = named.iter().filter(|named| !exists(&named.name));
        missing
            .map(|named| {
                let text = format!(
                    "{}: no contact {:?}: expected [contact.{}]",
                    named.key,
                    named.name.as_str(),
                    named.name
                );
                (named.source, named.span.clone(), text)
            })
            .collect()
    }

    /// The rotas' members that are no contacts.
    pub(super) fn missing_members(&self, members: &[Member]) -> Vec<(usize, Span<usize>, String)> {
        let exists = |name: &ContactName| self.rules.contacts.iter().any(|it| it.name == *name);
        let missing = members.iter().filter(|(name, ..)| !exists(name));
        missing
            .map(|(name, source, span, key)| {
                let text = format!(
                    "{key}: no contact {:?}: expected [contact.{name}]",
                    name.as_str()
                );
                (*source, span.clone(), text)
            })
            .collect()
    }

    /// How mail is sent.
    #[must_use]
    pub fn mail(&self) -> MailSettings {
        self.mail
            .clone()
            .unwrap_or_else(|| channel::mail_settings(Security::Plain))
    }
}

pub(super) fn note_contacts(
    section: &Section<'_, '_>,
    names: &Option<Vec<ContactName>>,
    given: &mut Given,
    source: usize,
) {
    for name in names.iter().flatten() {
        let (span, key) = (section.span_of("contacts"), section.path("contacts"));
        given.contacts.push(Named {
            name: name.clone(),
            source,
            span,
            key,
        });
    }
}

fn read_defaults(rules: &mut Rules, section: &mut Section<'_, '_>, calendar: &Calendar) {
    rules.route.contacts = contacts(section);
    rules.route.escalation = calendar.escalation(section);
    rules.route.period = calendar.period(section, "told_in");
    let patience = &mut rules.patience;
    patience.attempts = count(section, "attempts").unwrap_or(patience.attempts);
    patience.unknown_limit = count(section, "unknown_limit").unwrap_or(patience.unknown_limit);
    rules.muted = section.boolean("mute").unwrap_or(rules.muted);
    let memory = &mut rules.memory;
    memory.settle = span(section, "settle").unwrap_or(memory.settle);
    memory.all_clear = span(section, "all_clear").unwrap_or(memory.all_clear);
    memory.flapping_clear = 3 * memory.all_clear;
    memory.hold = span(section, "hold").unwrap_or(memory.hold);
    memory.fold = span(section, "fold").unwrap_or(memory.fold);
}

/// What a threshold that says nothing is told to say.
const THRESHOLD_SAYS: &str = "expected at least one of warning, critical, recover, attempts, unknown_limit, freshness, contacts, severities, escalation, told_in, judged_in, mute";

fn read_threshold(section: &mut Section<'_, '_>, calendar: &Calendar) -> FieldRule {
    let rule = FieldRule {
        host: section.parsed("host").unwrap_or_default(),
        graph: section.parsed("graph").unwrap_or_default(),
        field: section.parsed("field").unwrap_or_default(),
        warning: section.scalar_by("warning", parse_limit),
        critical: section.scalar_by("critical", parse_limit),
        recover: section.scalar_by("recover", parse_recover),
        attempts: count(section, "attempts"),
        unknown_limit: count(section, "unknown_limit"),
        freshness: span(section, "freshness").filter(|it| !it.is_zero()),
        contacts: contacts(section),
        severities: severities(section),
        muted: section.boolean("mute"),
        among: among(section),
        told_in: calendar.period(section, "told_in"),
        judged_in: calendar.period(section, "judged_in"),
        escalation: calendar.escalation(section),
    };
    let says = rule.warning.is_some()
        || rule.critical.is_some()
        || rule.recover.is_some()
        || rule.attempts.is_some()
        || rule.unknown_limit.is_some()
        || rule.freshness.is_some()
        || rule.severities.is_some()
        || rule.contacts.is_some()
        || rule.told_in.is_some()
        || rule.judged_in.is_some()
        || rule.escalation.is_some()
        || rule.muted.is_some();
    if !says && !section.has_problems() {
        section.report(&section.span(), "warning", THRESHOLD_SAYS);
    }
    rule
}

fn read_host(section: &mut Section<'_, '_>, calendar: &Calendar) -> HostRule {
    HostRule {
        host: section.parsed("host").unwrap_or_default(),
        down_after: section.scalar_by("down_after", parse_down_after),
        alive: section.parsed("alive"),
        attempts: count(section, "attempts"),
        parents: section.list("parents"),
        contacts: contacts(section),
        muted: section.boolean("mute"),
        among: among(section),
        tags: section.list("tags"),
        told_in: calendar.period(section, "told_in"),
        escalation: calendar.escalation(section),
    }
}

fn among(section: &mut Section<'_, '_>) -> Among {
    Among {
        group: section.parsed("group"),
        tag: section.parsed("tag"),
    }
}

fn read_route(section: &mut Section<'_, '_>, calendar: &Calendar) -> RouteRule {
    let checks: Option<Vec<String>> = section.list("checks");
    let rule = RouteRule {
        host: section.parsed("host").unwrap_or_default(),
        among: among(section),
        checks: checks.map(CheckSet::new),
        severities: severities(section),
        contacts: contacts(section),
        period: calendar.period(section, "told_in"),
        escalation: calendar.escalation(section),
    };
    let says = rule.contacts.is_some() || rule.period.is_some() || rule.escalation.is_some();
    if !says && !section.has_problems() {
        let text = "expected at least one of contacts, told_in, escalation";
        section.report(&section.span(), "contacts", text);
    }
    rule
}

fn read_dependency(section: &mut Section<'_, '_>) -> Option<Dependency> {
    let on = section.parsed_by("on", parse_check);
    let of: Option<Vec<String>> = section.list("of");
    if (on.is_none() || of.is_none()) && !section.has_problems() {
        section.report(
            &section.span(),
            "on",
            "expected the check that others need as on, and these as of",
        );
    }
    let of = CheckSet::new(of?);
    on.map(|on| Dependency { on, of })
}

fn read_quorum(name: &str, at: &Span<usize>, section: &mut Section<'_, '_>) -> Option<Quorum> {
    let members: Option<Vec<String>> = section.list("members");
    let critical = section.scalar_by("critical", parse_share);
    let contacts = contacts(section);
    if (members.is_none() || critical.is_none()) && !section.has_problems() {
        section.report(
            &section.span(),
            "members",
            "expected members, and from how many bad ones on it is critical",
        );
    }
    match HostName::new(name) {
        Err(error) => {
            section.report(at, "", error);
            None
        }
        Ok(name) => Some(Quorum {
            name,
            members: CheckSet::new(members?),
            critical: critical?,
            contacts,
        }),
    }
}

/// `host`, `host/check` or `host/graph/field`, without patterns.
fn parse_check(text: &str) -> Result<CheckName, String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let (host, rest) = match text.split_once('/') {
        Some((host, rest)) => (host, Some(rest)),
        None => (text, None),
    };
    let host = HostName::new(host).map_err(|error| wrong(&error))?;
    let Some(rest) = rest else {
        return Ok(CheckName::Host(host));
    };
    match rest.split_once('/') {
        None => Ok(CheckName::Verdict(VerdictName {
            host,
            check: rest.parse().map_err(|error: NameError| wrong(&error))?,
        })),
        Some((graph, field)) => Ok(CheckName::Field(SeriesName {
            host,
            graph: graph.parse().map_err(|error: NameError| wrong(&error))?,
            field: field.parse().map_err(|error: NameError| wrong(&error))?,
        })),
    }
}

fn parse_share(text: &str) -> Result<Share, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent
            .trim()
            .parse()
            .ok()
            .filter(|percent| *percent > 0.0 && *percent <= 100.0)
            .map(Share::Percent),
        None => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .map(Share::Number),
    };
    share.ok_or_else(|| {
        format!("expected a number of members such as 3, or a part such as \"20%\", found {text:?}")
    })
}

/// A time that may be none at all.
fn span(section: &mut Section<'_, '_>, key: &'static str) -> Option<Duration> {
    section.scalar_by(key, |text| {
        let time = if text == "0" {
            Some(Duration::ZERO)
        } else {
            parse_duration(text)
        };
        time.filter(|time| *time <= SPAN_MAX).ok_or_else(|| {
            format!("expected a duration of at most a day, such as \"5m\", found {text:?}")
        })
    })
}

fn count(section: &mut Section<'_, '_>, key: &'static str) -> Option<u32> {
    section
        .integer(key, 1..=1000)
        .and_then(|number| u32::try_from(number).ok())
}

/// Of which severities.
pub(super) fn severities(section: &mut Section<'_, '_>) -> Option<Vec<Severity>> {
    let told: Option<Vec<Told>> = section.list("severities");
    told.map(|told| told.into_iter().map(|Told(severity)| severity).collect())
}

pub(super) fn contacts(section: &mut Section<'_, '_>) -> Option<Vec<ContactName>> {
    let names: Option<Vec<String>> = section.list("contacts");
    names.map(|names| names.into_iter().map(ContactName::new).collect())
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit::Off),
        nagios if nagios.contains(['@', '~']) => Range::parse_nagios(nagios)
            .map(Limit::Range)
            .map_err(|error| error.to_string()),
        range => Range::parse_munin(range)
            .map(Limit::Range)
            .map_err(|error| error.to_string()),
    }
}

/// `5%`, or a range.
fn parse_recover(text: &str) -> Result<Recover, String> {
    let Some(percent) = text.strip_suffix('%') else {
        return Range::parse_munin(text)
            .map(Recover::Within)
            .map_err(|error| error.to_string());
    };
    let part = percent.trim().parse::<f64>().ok();
    part.filter(|percent| *percent > 0.0 && *percent < 100.0)
        .map(|percent| Recover::Part(percent / 100.0))
        .ok_or_else(|| format!("expected a part such as \"5%\", or a range, found {text:?}"))
}

fn parse_down_after(text: &str) -> Result<DownAfter, String> {
    if text == "never" {
        return Ok(DownAfter::Never);
    }
    let silence = parse_duration(text).filter(|silence| !silence.is_zero());
    silence
        .map(DownAfter::Silence)
        .ok_or_else(|| format!("expected a duration such as \"10m\", or \"never\", found {text:?}"))
}

fn read_contact(name: &str, section: &mut Section<'_, '_>, calendar: &Calendar) -> Contact {
    let mut contact = Contact::new(name);
    contact.channels = channel::read_of_contact(section);
    if let Some(severities) = severities(section) {
        contact.severities = severities;
    }
    contact.period = calendar.period(section, "told_in");
    let digest_every = section.duration("digest", MINUTE..=SPAN_MAX);
    contact.budget = section.parsed_by("budget", parse_budget);
    if let (Some(budget), Some(every)) = (&mut contact.budget, digest_every) {
        budget.digest_every = every;
    }
    let remind = section.duration("remind", MINUTE..=30 * SPAN_MAX);
    let at_most = count(section, "reminders").unwrap_or(REMINDERS);
    contact.remind = remind.map(|every| Remind { every, at_most });
    contact
}

/// `10 per 1h`.
fn parse_budget(text: &str) -> Result<Budget, String> {
    let parsed = text.split_once(" per ").and_then(|(notices, per)| {
        let notices: u32 = notices.trim().parse().ok()?;
        let per = parse_duration(per)?;
        let sane = (1..=1000).contains(&notices) && (MINUTE..=SPAN_MAX).contains(&per);
        sane.then_some(Budget {
            notices,
            per,
            digest_every: DIGEST_EVERY,
        })
    });
    parsed.ok_or_else(|| {
        format!("expected a number of notices and a time, such as \"10 per 1h\", found {text:?}")
    })
}

struct Told(Severity);

impl FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let severity = Severity::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text && *severity != Severity::Ok);
        severity.map(Self).ok_or_else(|| {
            format!("expected \"unknown\", \"warning\" or \"critical\", found {text:?}")
        })
    }
}
