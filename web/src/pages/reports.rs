//! `/reports`: how available hosts, checks and groups were, with downtime apart, and which checks told people most and
//! what they did with it. `/reports.csv` has the availability as a table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use ravenry_alerts::availability::Times;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;

use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{IncidentView, Source};

/// The stretches that a report can be of, in days.
const DAYS: [(&str, u32); 5] = [
    ("a day", 1),
    ("a week", 7),
    ("30 days", 30),
    ("90 days", 90),
    ("a year", 365),
];

/// Lines of the page; the table as a file has all.
const LINES_MAX: usize = 500;

/// Noisy checks that are listed.
const NOISY_MAX: usize = 50;

#[derive(Template)]
#[template(path = "reports.html")]
struct Reports {
    frame: Frame,
    wanted: Wanted,
    start: Timestamp,
    lines: Vec<Line>,
    found: usize,
    noisy: Vec<Noisy>,
    days: &'static [(&'static str, u32)],
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    days: u32,
    per: Per,
    /// Which hosts, by pattern.
    host: String,
    /// Which of their checks, by pattern; only where checks are counted.
    check: String,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Host,
    Group,
    Check,
}

impl Per {
    const ALL: [Self; 3] = [Self::Host, Self::Group, Self::Check];

    fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Group => "group",
            Self::Check => "check",
        }
    }
}

/// One line of the availability.
struct Line {
    name: String,
    path: String,
    times: Times,
}

/// What told people often.
struct Noisy {
    cause: CheckName,
    incidents: usize,
    notices: u64,
    acknowledged: usize,
    /// Ended without anybody having acknowledged it, within ten minutes.
    short: usize,
}

impl Line {
    /// The part of the time that it was ok, for people.
    fn ok(&self) -> String {
        let percent = self.times.ok().map(|ok| ok * 100.0);
        percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.3} %"))
    }

    fn of(&self, severity: Severity) -> String {
        time(self.times.seconds[severity as usize])
    }

    fn downtime(&self) -> String {
        time(self.times.downtime)
    }

    fn no_data(&self) -> String {
        time(self.times.no_data)
    }
}

fn time(seconds: f64) -> String {
    if seconds < 0.5 {
        return "–".to_owned();
    }
    show::duration(seconds)
}

impl Wanted {
    fn take(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let per = parameters.take("per", "host, group or check", |text| {
            Per::ALL.into_iter().find(|per| per.as_str() == text)
        })?;
        let mut text =
            |name| parameters.take(name, "a pattern", |text| Some(text.trim().to_owned()));
        let (host, check) = (text("host")?, text("check")?);
        Ok(Self {
            days: parameters.take_number("days", 1, 3660)?.unwrap_or(7),
            per: per.unwrap_or(Per::Host),
            host: host.unwrap_or_default(),
            check: check.unwrap_or_default(),
        })
    }

    /// Whether this check counts. A host is judged by its own check.
    fn fits(&self, name: &CheckName) -> bool {
        let host = self.host.is_empty() || Pattern::new(&self.host).matches(name.host().as_str());
        let of_check =
            |text: &str| self.check.is_empty() || Pattern::new(&self.check).matches(text);
        host && match (self.per, name) {
            (Per::Host | Per::Group, CheckName::Host(_)) => true,
            (Per::Host | Per::Group, CheckName::Field(_) | CheckName::Verdict(_)) => false,
            (Per::Check, CheckName::Host(_)) => self.check.is_empty(),
            (Per::Check, CheckName::Field(series)) => {
                of_check(series.graph.as_str())
                    || of_check(&format!("{}/{}", series.graph, series.field))
            }
            (Per::Check, CheckName::Verdict(verdict)) => of_check(verdict.check.as_str()),
        }
    }

    /// The same as a file.
    fn csv(&self) -> String {
        let [host, check] = [&self.host, &self.check].map(|text| show::path_segment(text));
        let (days, per) = (self.days, self.per.as_str());
        format!("/reports.csv?days={days}&per={per}&host={host}&check={check}")
    }

    fn start(&self, now: Timestamp) -> Timestamp {
        now - Duration::from_secs(u64::from(self.days) * 86_400)
    }

    /// The least available first.
    fn lines(&self, source: &dyn Source, start: Timestamp) -> Vec<Line> {
        let times = source.availability(&|name| self.fits(name), start);
        let mut lines: Vec<Line> = match self.per {
            Per::Host | Per::Check => times
                .into_iter()
                .map(|(name, times)| Line {
                    path: show::check_path(&name),
                    name: name.to_string(),
                    times,
                })
                .collect(),
            Per::Group => by_group(source, times),
        };
        lines.sort_by(|a, b| {
            let key = |line: &Line| line.times.ok().unwrap_or(2.0);
            key(a).total_cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        lines
    }
}

/// The sum over the hosts of each group.
fn by_group(source: &dyn Source, times: Vec<(CheckName, Times)>) -> Vec<Line> {
    let hosts = source.hosts();
    let groups: BTreeMap<_, _> = hosts
        .iter()
        .map(|host| (&host.name, host.groups.as_slice()))
        .collect();
    let mut sums: BTreeMap<String, Times> = BTreeMap::new();
    for (name, times) in times {
        for group in groups.get(name.host()).copied().unwrap_or_default() {
            *sums.entry(group.to_string()).or_default() += times;
        }
    }
    let line = |(name, times): (String, Times)| Line {
        path: format!(
            "/group/{}",
            name.split('/')
                .map(show::path_segment)
                .collect::<Vec<_>>()
                .join("/")
        ),
        name,
        times,
    };
    sums.into_iter().map(line).collect()
}

/// Incidents by their cause, the most notices first.
fn noisy(incidents: Vec<(IncidentView, u64)>) -> Vec<Noisy> {
    let mut by_cause: BTreeMap<CheckName, Noisy> = BTreeMap::new();
    for (incident, notices) in incidents {
        let short = |closed: Timestamp| closed.since(incident.opened) < Duration::from_secs(600);
        let known = incident.acknowledged.is_some();
        let cause = incident.cause.clone();
        let noisy = by_cause.entry(cause.clone()).or_insert(Noisy {
            cause,
            incidents: 0,
            notices: 0,
            acknowledged: 0,
            short: 0,
        });
        noisy.incidents += 1;
        noisy.notices += notices;
        noisy.acknowledged += usize::from(known);
        noisy.short += usize::from(!known && incident.closed.is_some_and(short));
    }
    let mut noisy: Vec<Noisy> = by_cause.into_values().collect();
    noisy.sort_by_key(|noisy| std::cmp::Reverse(noisy.notices));
    noisy.truncate(NOISY_MAX);
    noisy
}

/// Answers `/reports`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let wanted = Wanted::take(&mut parameters)?;
    parameters.finish("days, per, host or check")?;
    let frame = Frame::without_counts(&site, viewer.zone, "reports").seen_by(&viewer);
    site.ask(move |source| {
        let start = wanted.start(source.now());
        let mut lines = wanted.lines(source, start);
        let found = lines.len();
        lines.truncate(LINES_MAX);
        let page = Reports {
            frame: frame.with_counts(source),
            noisy: noisy(source.noise(start)),
            days: &DAYS,
            wanted,
            start,
            lines,
            found,
        };
        super::answer(&headers, &page)
    })
    .await?
}

/// Answers `/reports.csv`: seconds.
pub(crate) async fn csv(
    State(site): State<Arc<Site>>,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let wanted = Wanted::take(&mut parameters)?;
    parameters.finish("days, per, host or check")?;
    site.ask(move |source| {
        let mut text =
            String::from("name,ok,unknown,warning,critical,downtime,no_data,availability\r\n");
        for line in wanted.lines(source, wanted.start(source.now())) {
            let Times {
                seconds,
                downtime,
                no_data,
            } = line.times;
            let [ok, unknown, warning, critical] =
                Severity::ALL.map(|it| seconds[it as usize].round());
            let part = line
                .times
                .ok()
                .map_or_else(String::new, |ok| format!("{ok:.6}"));
            // No name has a quote, a comma or a line's end in it; groups may have anything.
            let name = line.name.replace('"', "\"\"");
            text.push_str(&format!(
                "\"{name}\",{ok},{unknown},{warning},{critical},{},{},{part}\r\n",
                downtime.round(),
                no_data.round()
            ));
        }
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, text).into_response()
    })
    .await
}
