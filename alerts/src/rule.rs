//! The rules: by what a check is judged, and who is told. Plain values; the collector's configuration builds them.
//!
//! Defaults come first, then what the plugin declares (`warning`, `critical`, `unknown_limit`), then the overrides in
//! their order: each sets what it names, so the last one that matches wins, setting by setting. Pure.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::graph::Field;
use ravenry_plugins::name::{GraphName, HostName, SeriesName, VerdictName};
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::range::Range;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::budget::{Budget, Remind};
use crate::check::{CheckName, Patience, Verdict};
use crate::escalation::Escalation;
use crate::notice::number;
use crate::period::Period;
use crate::rota::Rota;
use crate::route::{Among, Place, RouteRule};
use crate::severity::Severity;
use crate::topology::{Dependency, Group, Memory, Quorum};

pub use crate::route::Route;

/// Everything that the engine is told about what to judge and whom to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Three results in a row for a worse severity, three unknown readings for unknown, where nothing else is said: with
    /// the default step a problem of three minutes is told, a spike is not.
    pub patience: Patience,
    /// Overrides for fields, in order.
    pub fields: Vec<FieldRule>,
    /// Overrides for hosts, in order.
    pub hosts: Vec<HostRule>,
    /// Everybody who can be told, in order.
    pub contacts: Vec<Contact>,
    /// People who take turns, by names that no contact has.
    pub rotas: Vec<Rota>,
    /// Who is told where no route and no override says otherwise.
    pub route: Route,
    /// Who is told of what, in order.
    pub routes: Vec<RouteRule>,
    /// Nobody is told anything.
    pub muted: bool,
    /// The time between readings where a graph does not say.
    pub step: Duration,
    /// A host is down when nothing was heard of it for so many of its shortest steps (5).
    pub host_steps: u32,
    /// A field is unknown when its host spoke, but not of it, for so many of its steps (3).
    pub field_steps: u32,
    /// Nothing is silent that was heard of within this (3 minutes), however short its step.
    pub silence_min: Duration,
    /// Added to every silence after a start (2 minutes): those who speak need time to find us again.
    pub start_grace: Duration,
    /// A problem that is confirmed by readings older than this (5 minutes, or 3 steps) is not told before fresh ones
    /// confirm it, or [`Self::settle`] has passed.
    pub late_after: Duration,
    /// How long fresh readings are awaited (2 minutes).
    pub settle: Duration,
    /// Named sets of hosts.
    pub groups: Vec<Group>,
    /// What needs what.
    pub dependencies: Vec<Dependency>,
    /// What stands for many.
    pub quorums: Vec<Quorum>,
    /// How long problems are remembered and gathered.
    pub memory: Memory,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            patience: Patience {
                attempts: 3,
                unknown_limit: 3,
            },
            fields: Vec::new(),
            hosts: Vec::new(),
            contacts: Vec::new(),
            rotas: Vec::new(),
            route: Route::default(),
            routes: Vec::new(),
            muted: false,
            step: Duration::from_secs(60),
            host_steps: 5,
            field_steps: 3,
            silence_min: Duration::from_secs(180),
            start_grace: Duration::from_secs(120),
            late_after: Duration::from_secs(300),
            settle: Duration::from_secs(120),
            groups: Vec::new(),
            dependencies: Vec::new(),
            quorums: Vec::new(),
            memory: Memory::default(),
        }
    }
}

/// Settings for the fields whose names match; `None` leaves what was said before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldRule {
    /// Which hosts.
    pub host: Pattern,
    /// And of these, which.
    pub among: Among,
    /// Which graphs.
    pub graph: Pattern,
    /// Which fields.
    pub field: Pattern,
    /// When it is a warning.
    pub warning: Option<Limit>,
    /// When it is critical.
    pub critical: Option<Limit>,
    /// When a problem is over.
    pub recover: Option<Recover>,
    /// Results in a row before a worse severity counts.
    pub attempts: Option<u32>,
    /// Unknown readings in a row before it is unknown.
    pub unknown_limit: Option<u32>,
    /// It is silent when its host spoke, but not of it, for this long.
    pub freshness: Option<Duration>,
    /// Who is told; an empty list is nobody.
    pub contacts: Option<Vec<ContactName>>,
    /// Of which severities anybody is told.
    pub severities: Option<Vec<Severity>>,
    /// Whether nobody is told.
    pub muted: Option<bool>,
    /// When people are told.
    pub told_in: Option<Arc<Period>>,
    /// When it is judged.
    pub judged_in: Option<Arc<Period>>,
    /// Who else while nobody acknowledges.
    pub escalation: Option<Arc<Escalation>>,
}

/// Settings for the liveness of the hosts whose names match; `None` leaves what was said before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostRule {
    /// Which hosts.
    pub host: Pattern,
    /// And of these, which.
    pub among: Among,
    /// What they are tagged with, beside what other rules say.
    pub tags: Option<Vec<String>>,
    /// When it is down.
    pub down_after: Option<DownAfter>,
    /// The Nagios check whose verdict says whether it is up.
    pub alive: Option<GraphName>,
    /// Results in a row of that check before it is down.
    pub attempts: Option<u32>,
    /// Through which hosts it is reached.
    pub parents: Option<Vec<HostName>>,
    /// Who is told; an empty list is nobody.
    pub contacts: Option<Vec<ContactName>>,
    /// Whether nobody is told.
    pub muted: Option<bool>,
    /// When people are told.
    pub told_in: Option<Arc<Period>>,
    /// Who else while nobody acknowledges.
    pub escalation: Option<Arc<Escalation>>,
}

/// A threshold as an override sets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Readings that the range says alert.
    Range(Range),
    /// None, whatever the plugin says.
    Off,
}

/// When a problem of a field is over, beside its being within its thresholds again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recover {
    /// Its value lies within the threshold by this part of it.
    Part(f64),
    /// Its value lies within this range.
    Within(Range),
}

/// How long a host may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownAfter {
    /// That long.
    Silence(Duration),
    /// For ever: it speaks when it likes.
    Never,
}

/// The name of a contact, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactName(String);

impl ContactName {
    /// The contact of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ContactName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// By which rules and the ledger name them.
    pub name: ContactName,
    /// By which means, in the order in which they are tried.
    pub channels: Vec<Address>,
    /// Of which severities they hear.
    pub severities: Vec<Severity>,
    /// When they are told; what cannot wait goes to others by an escalation.
    pub period: Option<Arc<Period>>,
    /// How many notices they get one by one.
    pub budget: Option<Budget>,
    /// How often they are told again of what nobody has acknowledged.
    pub remind: Option<Remind>,
}

impl Contact {
    /// A contact without channels who hears of every problem.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: ContactName::new(name),
            channels: Vec::new(),
            severities: vec![Severity::Unknown, Severity::Warning, Severity::Critical],
            period: None,
            budget: None,
            remind: None,
        }
    }
}

/// By what one field is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    /// When it is a warning.
    pub warning: Option<Range>,
    /// When it is critical; asked first.
    pub critical: Option<Range>,
    /// When a problem is over; `None` is as soon as no threshold is violated.
    pub recover: Option<Recover>,
    /// How many results it takes.
    pub patience: Patience,
    /// How long it may be missing; `None` is [`Rules::field_steps`] steps.
    pub freshness: Option<Duration>,
    /// When it is judged: at other times it stays as it was.
    pub judged_in: Option<Arc<Period>>,
    /// Who is told.
    pub route: Arc<Route>,
}

/// By what a host's liveness is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSpec {
    /// How long it may be silent; `None` is [`Rules::host_steps`] steps.
    pub down_after: Option<DownAfter>,
    /// The Nagios check whose verdict says whether it is up.
    pub alive: Option<GraphName>,
    /// How many results of that check it takes.
    pub patience: Patience,
    /// Through which hosts it is reached.
    pub parents: Vec<HostName>,
    /// Who is told.
    pub route: Arc<Route>,
}

impl Rules {
    /// By what a field is judged: the plugin's word, then the overrides.
    #[must_use]
    pub fn resolve(&self, series: &SeriesName, field: &Field) -> CheckSpec {
        let place = self.place(&series.host);
        let mut spec = CheckSpec {
            warning: field.warning,
            critical: field.critical,
            recover: None,
            patience: self.patience,
            freshness: None,
            judged_in: None,
            route: Arc::default(),
        };
        let mut route = self.base_route(&CheckName::Field(series.clone()), &place);
        if let Some(limit) = field.unknown_limit {
            spec.patience.unknown_limit = limit;
        }
        let matching = |rule: &&FieldRule| rule.matches(series, &place);
        for rule in self.fields.iter().filter(matching) {
            rule.apply(&mut spec, &mut route);
        }
        spec.route = Arc::new(route);
        spec
    }

    /// How many results it takes for a Nagios check, and who is told: overrides for its name as that of a graph, whatever
    /// their field is that also matches no field (`*`). Its thresholds are its own business.
    #[must_use]
    pub fn resolve_verdict(&self, name: &VerdictName) -> CheckSpec {
        let place = self.place(&name.host);
        let mut spec = CheckSpec {
            warning: None,
            critical: None,
            recover: None,
            patience: self.patience,
            freshness: None,
            judged_in: None,
            route: Arc::default(),
        };
        let mut route = self.base_route(&CheckName::Verdict(name.clone()), &place);
        let matching = |rule: &&FieldRule| rule.is_about(name, &place);
        for rule in self.fields.iter().filter(matching) {
            rule.apply(&mut spec, &mut route);
        }
        CheckSpec {
            warning: None,
            critical: None,
            route: Arc::new(route),
            ..spec
        }
    }

    /// By what a host's liveness is judged.
    #[must_use]
    pub fn resolve_host(&self, host: &HostName) -> HostSpec {
        let place = self.place(host);
        let mut spec = HostSpec {
            down_after: None,
            alive: None,
            patience: self.patience,
            parents: Vec::new(),
            route: Arc::default(),
        };
        let mut route = self.base_route(&CheckName::Host(host.clone()), &place);
        let matching = |rule: &&HostRule| rule.is_about(&place);
        for rule in self.hosts.iter().filter(matching) {
            spec.down_after = rule.down_after.or(spec.down_after);
            spec.alive = rule.alive.clone().or(spec.alive);
            spec.patience.attempts = rule.attempts.unwrap_or(spec.patience.attempts);
            if let Some(parents) = &rule.parents {
                spec.parents.clone_from(parents);
            }
            let (period, escalation) = (rule.told_in.as_ref(), rule.escalation.as_ref());
            route.apply(rule.contacts.as_deref(), rule.muted, period, escalation);
        }
        spec.route = Arc::new(route);
        spec
    }

    /// What a check needs by the dependencies.
    pub(crate) fn needs_of(&self, name: &CheckName) -> Vec<CheckName> {
        let of = |it: &&Dependency| it.on != *name && it.of.contains(name);
        let needs = self.dependencies.iter().filter(of);
        needs.map(|it| it.on.clone()).collect()
    }

    /// The quorums that a check belongs to.
    pub(crate) fn memberships(&self, name: &CheckName) -> Vec<HostName> {
        let of = |it: &&Quorum| it.members.contains(name);
        let quorums = self.quorums.iter().filter(of);
        quorums.map(|it| it.name.clone()).collect()
    }

    /// The channels of each contact.
    #[must_use]
    pub fn channels(&self) -> BTreeMap<ContactName, Vec<Address>> {
        self.contacts
            .iter()
            .map(|contact| (contact.name.clone(), contact.channels.clone()))
            .collect()
    }
}

impl HostRule {
    /// Whether the rule is about this host.
    #[must_use]
    pub fn is_about(&self, place: &Place<'_>) -> bool {
        self.host.matches(place.host.as_str()) && self.among.holds(place)
    }
}

impl FieldRule {
    /// Whether the rule is about this field, of the host at `place`.
    #[must_use]
    pub fn matches(&self, series: &SeriesName, place: &Place<'_>) -> bool {
        self.host.matches(place.host.as_str())
            && self.among.holds(place)
            && self.graph.matches(series.graph.as_str())
            && self.field.matches(series.field.as_str())
    }

    /// Whether the rule is about this Nagios check.
    fn is_about(&self, name: &VerdictName, place: &Place<'_>) -> bool {
        self.host.matches(place.host.as_str())
            && self.among.holds(place)
            && self.graph.matches(name.check.as_str())
            && self.field.matches("")
    }

    fn apply(&self, spec: &mut CheckSpec, route: &mut Route) {
        if let Some(limit) = self.warning {
            spec.warning = limit.range();
        }
        if let Some(limit) = self.critical {
            spec.critical = limit.range();
        }
        spec.recover = self.recover.or(spec.recover);
        spec.patience.attempts = self.attempts.unwrap_or(spec.patience.attempts);
        spec.patience.unknown_limit = self.unknown_limit.unwrap_or(spec.patience.unknown_limit);
        spec.freshness = self.freshness.or(spec.freshness);
        if self.severities.is_some() {
            route.severities.clone_from(&self.severities);
        }
        if self.judged_in.is_some() {
            spec.judged_in.clone_from(&self.judged_in);
        }
        let (period, escalation) = (self.told_in.as_ref(), self.escalation.as_ref());
        route.apply(self.contacts.as_deref(), self.muted, period, escalation);
    }
}

impl Route {
    fn apply(
        &mut self,
        contacts: Option<&[ContactName]>,
        muted: Option<bool>,
        period: Option<&Arc<Period>>,
        escalation: Option<&Arc<Escalation>>,
    ) {
        if let Some(contacts) = contacts {
            self.tell(contacts);
        }
        self.muted = muted.unwrap_or(self.muted);
        self.period = period.cloned().or_else(|| self.period.take());
        self.escalation = escalation.cloned().or_else(|| self.escalation.take());
    }
}

impl Limit {
    fn range(self) -> Option<Range> {
        match self {
            Self::Range(range) => Some(range),
            Self::Off => None,
        }
    }
}

impl CheckSpec {
    /// Whether there is anything to judge by.
    #[must_use]
    pub fn judges(&self) -> bool {
        self.warning.is_some() || self.critical.is_some()
    }

    /// Whether results count at this time.
    #[must_use]
    pub fn is_judged(&self, now: Timestamp) -> bool {
        self.judged_in.as_ref().is_none_or(|it| it.contains(now))
    }

    /// What a value is: critical is asked first, then warning; the ends of a range are good.
    #[must_use]
    pub fn judge(&self, value: f64) -> Verdict {
        let violated = |range: Option<Range>| range.is_some_and(|range| range.violated_by(value));
        if violated(self.critical) {
            Verdict::Critical
        } else if violated(self.warning) {
            Verdict::Warning
        } else {
            Verdict::Ok
        }
    }

    /// What a value is of a check that has been `held`: a problem is over only when it is over by what [`Self::recover`] asks.
    #[must_use]
    pub fn judge_held(&self, value: f64, held: Severity) -> Verdict {
        let verdict = self.judge(value);
        let is_problem = matches!(held, Severity::Warning | Severity::Critical);
        let stays = |range: Option<Range>, part: f64| {
            range.is_some_and(|range| range.tightened(part).violated_by(value))
        };
        match (self.recover, verdict) {
            (Some(Recover::Part(part)), Verdict::Ok | Verdict::Warning)
                if held == Severity::Critical && stays(self.critical, part) =>
            {
                Verdict::Critical
            }
            (Some(Recover::Part(part)), Verdict::Ok) if is_problem && stays(self.warning, part) => {
                Verdict::Warning
            }
            (Some(Recover::Within(range)), Verdict::Ok)
                if is_problem && range.violated_by(value) =>
            {
                match self.warning {
                    Some(_) => Verdict::Warning,
                    None => Verdict::Critical,
                }
            }
            (Some(_) | None, verdict) => verdict,
        }
    }

    /// All thresholds in words: `warning above 92, critical above 98`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let both = [("warning", self.warning), ("critical", self.critical)];
        let words: Vec<String> = both
            .into_iter()
            .filter_map(|(name, range)| {
                range.map(|range| format!("{name} {}", limit_words(range, None)))
            })
            .collect();
        words.join(", ")
    }

    /// The threshold that `severity` is about, in words, the side on which `value` lies: `critical above 98`.
    #[must_use]
    pub fn violated_words(&self, severity: Severity, value: Option<f64>) -> String {
        let range = match severity {
            Severity::Ok | Severity::Unknown => None,
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        };
        match range {
            Some(range) => format!("{severity} {}", limit_words(range, value)),
            None => self.in_words(),
        }
    }
}

fn limit_words(range: Range, value: Option<f64>) -> String {
    let below = |start: f64| format!("below {}", number(start));
    let above = |end: f64| format!("above {}", number(end));
    match (range.inside(), range.start(), range.end()) {
        (false, Some(start), Some(_)) if value.is_some_and(|value| value < start) => below(start),
        (false, Some(_), Some(end)) if value.is_some_and(|value| value > end) => above(end),
        (false, Some(start), Some(end)) => format!("outside {} to {}", number(start), number(end)),
        (false, Some(start), None) => below(start),
        (false, None, Some(end)) => above(end),
        (true, Some(start), Some(end)) => format!("from {} to {}", number(start), number(end)),
        (true, Some(start), None) => format!("from {} up", number(start)),
        (true, None, Some(end)) => format!("up to {}", number(end)),
        (false, None, None) => String::from("never"),
        (true, None, None) => String::from("always"),
    }
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
    use ravenry_plugins::graph::Graph;
    use ravenry_plugins::name::FieldName;

    use super::*;

    fn field(attributes: &[(&str, &str)]) -> Field {
        let mut given = Attributes::default();
        for (name, text) in attributes {
            given.keep_last(name, text);
        }
        let declaration = Declaration {
            host: None,
            graph: GraphName::new("df").unwrap(),
            attributes: Attributes::default(),
            fields: vec![FieldDeclaration {
                field: FieldName::new("root").unwrap(),
                attributes: given,
            }],
        };
        Graph::resolve(&declaration).0.fields.remove(0)
    }

    fn series() -> SeriesName {
        SeriesName {
            host: HostName::new("web1").unwrap(),
            graph: GraphName::new("df").unwrap(),
            field: FieldName::new("root").unwrap(),
        }
    }

    fn rule(host: &str, field: &str) -> FieldRule {
        FieldRule {
            host: Pattern::new(host),
            field: Pattern::new(field),
            ..FieldRule::default()
        }
    }

    #[test]
    fn the_last_override_that_matches_wins_setting_by_setting() {
        let range = |text: &str| Some(Limit::Range(Range::parse_munin(text).unwrap()));
        let rules = Rules {
            fields: vec![
                FieldRule {
                    warning: range("80"),
                    attempts: Some(5),
                    ..rule("web*", "*")
                },
                FieldRule {
                    warning: range("85"),
                    critical: Some(Limit::Off),
                    ..rule("*", "root")
                },
                FieldRule {
                    attempts: Some(1),
                    ..rule("db*", "*")
                },
            ],
            ..Rules::default()
        };
        let spec = rules.resolve(&series(), &field(&[("warning", "92"), ("critical", "98")]));
        assert_eq!(spec.in_words(), "warning above 85");
        assert_eq!(spec.patience.attempts, 5);
        assert_eq!(spec.patience.unknown_limit, 3);
    }

    #[test]
    fn a_problem_is_over_when_it_is_over_by_enough() {
        use Severity::{Critical, Ok, Warning};
        let given = [("warning", "90"), ("critical", "100")];
        let mut spec = Rules::default().resolve(&series(), &field(&given));
        let check = |spec: &CheckSpec, value: f64, held: Severity, expect: Verdict| {
            assert_eq!(spec.judge_held(value, held), expect, "{value} from {held}");
        };
        check(&spec, 89.0, Critical, Verdict::Ok);
        spec.recover = Some(Recover::Part(0.1));
        check(&spec, 89.0, Ok, Verdict::Ok);
        check(&spec, 89.0, Warning, Verdict::Warning);
        check(&spec, 81.0, Warning, Verdict::Ok);
        check(&spec, 95.0, Critical, Verdict::Critical);
        check(&spec, 89.0, Critical, Verdict::Warning);
        check(&spec, 81.0, Critical, Verdict::Ok);
        check(&spec, 101.0, Warning, Verdict::Critical);
        spec.recover = Some(Recover::Within(Range::parse_munin("70").unwrap()));
        check(&spec, 80.0, Critical, Verdict::Warning);
        check(&spec, 70.0, Critical, Verdict::Ok);
        spec.warning = None;
        check(&spec, 80.0, Critical, Verdict::Critical);
    }

    #[test]
    fn the_plugins_word_counts_where_nothing_overrides_it() {
        let given = [
            ("warning", "10:20"),
            ("critical", ":30"),
            ("unknown_limit", "7"),
        ];
        let spec = Rules::default().resolve(&series(), &field(&given));
        assert_eq!(
            spec.in_words(),
            "warning outside 10 to 20, critical above 30"
        );
        assert_eq!(spec.patience.unknown_limit, 7);
        let check = |value: f64, expect: Verdict| assert_eq!(spec.judge(value), expect, "{value}");
        check(9.9, Verdict::Warning);
        check(10.0, Verdict::Ok);
        check(20.0, Verdict::Ok);
        check(20.1, Verdict::Warning);
        check(30.1, Verdict::Critical);
        assert_eq!(
            spec.violated_words(Severity::Warning, Some(9.9)),
            "warning below 10"
        );
        assert!(!Rules::default().resolve(&series(), &field(&[])).judges());
    }
}
