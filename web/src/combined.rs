//! A graph whose lines are made of other graphs' lines: one field over many hosts beside each other, their sum or their
//! mean. It is a [`Source`] in front of another, so that pictures, tables and numbers are made as of any graph.
//!
//! An unknown number adds nothing; where all are unknown, so is the sum. A mean is of those that are known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::graph::{Draw, Field, Graph};
use ravenry_plugins::name::{FieldName, GraphName, GroupName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use crate::pages::overview::is_within;
use crate::refusal::Refusal;
use crate::source::{
    FetchError, GraphDetail, Happening, History, HostDetail, HostSummary, IncidentView, Latest,
    Query, Source,
};

/// Hosts that are drawn each for itself; the others are one line.
const LINES_MAX: usize = 20;
/// Hosts whose files are read for one picture: those with the greatest last numbers.
const HOSTS_MAX: usize = 1000;

/// How hosts are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// On top of each other.
    Stack,
    /// A line each.
    Lines,
    /// One line of the sum.
    Sum,
    /// One line of the mean.
    Mean,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Stack, Self::Lines, Self::Sum, Self::Mean];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Lines => "lines",
            Self::Sum => "sum",
            Self::Mean => "average",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }
}

/// A line: the same field of these hosts.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    name: FieldName,
    hosts: Vec<HostName>,
    is_mean: bool,
}

/// One field over many hosts.
#[derive(Clone, Debug)]
pub(crate) struct Combined {
    /// As a graph of its own; the host is one of them.
    pub(crate) detail: GraphDetail,
    field: FieldName,
    parts: Vec<Part>,
    /// All hosts that have the field, the greatest last number first.
    pub(crate) hosts: Vec<(HostName, Option<f64>)>,
}

impl Combined {
    /// `field` of `graph` over the hosts of `group`, or over all.
    pub(crate) fn of(
        source: &dyn Source,
        (graph, field): (&GraphName, &FieldName),
        group: Option<&GroupName>,
        form: Form,
    ) -> Result<Self, Refusal> {
        let wanted = group.map(|group| {
            let hosts = source.hosts().into_iter();
            let hosts = hosts.filter(|host| host.groups.iter().any(|own| is_within(own, group)));
            hosts.map(|host| host.name).collect::<HashSet<HostName>>()
        });
        let mut hosts = source.latest(graph, field);
        hosts.retain(|(host, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(host)));
        let key = |value: &Option<f64>| value.filter(|value| !value.is_nan());
        hosts.sort_by(|(a, x), (b, y)| {
            let greater = key(y).partial_cmp(&key(x));
            greater
                .unwrap_or(std::cmp::Ordering::Equal)
                .then_with(|| a.cmp(b))
        });
        let first = hosts.iter().find_map(|(host, _)| source.graph(host, graph));
        let nothing = || Refusal::NothingStored(format!("no {graph}/{field} on any such host"));
        let mut detail = first.ok_or_else(nothing)?;
        let like = detail
            .graph
            .field(field.as_str())
            .ok_or_else(nothing)?
            .clone();
        let names: Vec<HostName> = hosts.iter().map(|(host, _)| host.clone()).collect();
        let lines = lines(&names, form);
        let fields = lines.iter().enumerate().map(|(at, (part, label))| Field {
            name: part.name.clone(),
            label: label.clone(),
            draw: match (form, at) {
                (Form::Stack, 0) | (Form::Sum, _) => Draw::Area,
                (Form::Stack, _) => Draw::StackedArea,
                (Form::Lines | Form::Mean, _) => Draw::Line(1.0),
            },
            cdef: like
                .cdef
                .as_ref()
                .map(|cdef| renamed(cdef, field, &part.name)),
            colour: None,
            negative: None,
            line: None,
            drawn: true,
            ..like.clone()
        });
        let fields: Vec<Field> = fields.collect();
        let place = group.map_or_else(|| "all hosts".to_owned(), ToString::to_string);
        detail.graph = Arc::new(Graph {
            title: format!("{}: {} of {place}", detail.graph.title, like.label),
            total: None,
            order: fields.iter().map(|field| field.name.clone()).collect(),
            fields,
            ..Graph::clone(&detail.graph)
        });
        detail.checks.clear();
        detail.first_update = None;
        detail.latest = latest(&lines, &hosts, detail.last_update);
        Ok(Self {
            detail,
            field: field.clone(),
            parts: lines.into_iter().map(|(part, _)| part).collect(),
            hosts,
        })
    }

    /// Everything that its pictures depend on beside the graph.
    pub(crate) fn key(&self) -> String {
        format!("{:?}", self.parts)
    }

    /// In front of `source`.
    pub(crate) fn over<'a>(&'a self, source: &'a dyn Source) -> Over<'a> {
        Over {
            source,
            combined: self,
        }
    }
}

/// The lines with their labels.
fn lines(hosts: &[HostName], form: Form) -> Vec<(Part, String)> {
    let all = &hosts[..hosts.len().min(HOSTS_MAX)];
    let left_out = if hosts.len() > HOSTS_MAX {
        format!(", {} more left out", hosts.len() - HOSTS_MAX)
    } else {
        String::new()
    };
    let counted = |count: usize| match count {
        1 => "1 host".to_owned(),
        count => format!("{count} hosts"),
    };
    let mut taken = HashSet::new();
    let mut lines = Vec::new();
    let mut line = |(name, label): (&str, String), hosts: &[HostName], is_mean| {
        let numbered = || FieldName::clean(&format!("h{}", taken.len()));
        let name = FieldName::clean(name).filter(|name| !taken.contains(name));
        if let Some(name) = name.or_else(numbered) {
            taken.insert(name.clone());
            let hosts = hosts.to_vec();
            let part = Part {
                name,
                hosts,
                is_mean,
            };
            lines.push((part, label));
        }
    };
    match form {
        Form::Sum => {
            let label = format!("sum of {}{left_out}", counted(all.len()));
            line(("sum", label), all, false);
        }
        Form::Mean => {
            let label = format!("mean of {}{left_out}", counted(all.len()));
            line(("mean", label), all, true);
        }
        Form::Stack | Form::Lines => {
            let (own, others) = all.split_at(all.len().min(LINES_MAX));
            for host in own {
                line(
                    (host.as_str(), host.to_string()),
                    std::slice::from_ref(host),
                    false,
                );
            }
            if form == Form::Stack && !others.is_empty() {
                let label = format!("{} more{left_out}", counted(others.len()));
                line(("more", label), others, false);
            }
        }
    }
    lines
}

/// A formula over `from` as one over `to`.
fn renamed(cdef: &str, from: &FieldName, to: &FieldName) -> String {
    let word = |word: &str| match word == from.as_str() {
        true => to.to_string(),
        false => word.to_owned(),
    };
    cdef.split(',').map(word).collect::<Vec<String>>().join(",")
}

/// The last numbers of the lines, as of one moment.
fn latest(
    lines: &[(Part, String)],
    hosts: &[(HostName, Option<f64>)],
    time: Option<Timestamp>,
) -> Vec<Latest> {
    let values: HashMap<&HostName, Option<f64>> =
        hosts.iter().map(|(host, value)| (host, *value)).collect();
    let of = |part: &Part| {
        let known = part.hosts.iter().filter_map(|host| *values.get(host)?);
        let known: Vec<f64> = known.filter(|value| !value.is_nan()).collect();
        let sum: f64 = known.iter().sum();
        let count = if part.is_mean {
            known.len() as f64
        } else {
            1.0
        };
        (!known.is_empty()).then_some(sum / count)
    };
    let time = time.unwrap_or_default();
    let latest = lines.iter().map(|(part, _)| Latest {
        field: part.name.clone(),
        time,
        value: of(part),
    });
    latest.collect()
}

/// The combined graph in front of the source of its parts.
pub(crate) struct Over<'a> {
    source: &'a dyn Source,
    combined: &'a Combined,
}

impl Source for Over<'_> {
    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn hosts(&self) -> Vec<HostSummary> {
        self.source.hosts()
    }

    fn host(&self, host: &HostName) -> Option<HostDetail> {
        self.source.host(host)
    }

    fn graph(&self, _: &HostName, _: &GraphName) -> Option<GraphDetail> {
        Some(self.combined.detail.clone())
    }

    fn fetch(&self, query: &Query) -> Result<History, FetchError> {
        let parts = &self.combined.parts;
        let mut histories: BTreeMap<&HostName, History> = BTreeMap::new();
        for host in parts.iter().flat_map(|part| &part.hosts) {
            let query = Query {
                host: host.clone(),
                ..query.clone()
            };
            match self.source.fetch(&query) {
                Ok(history) => drop(histories.insert(host, history)),
                Err(FetchError::NotStored { .. }) => {}
                Err(error @ FetchError::Unreadable { .. }) => tracing::debug!(%error, "left out"),
            }
        }
        let step = histories.values().map(|history| history.step).max();
        let step = step.unwrap_or(query.resolution).max(Duration::from_secs(1));
        let start = query.start.floor_to(step);
        let rows = query.end.floor_to(step).since(start).as_secs() / step.as_secs().max(1);
        let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(ROWS_MAX);
        let column = |part: &Part| {
            let mut sum = Adder::of(rows, part.is_mean);
            for history in part.hosts.iter().filter_map(|host| histories.get(host)) {
                sum.add(history, &self.combined.field, (start, step));
            }
            (part.name.clone(), sum.numbers())
        };
        Ok(History {
            start,
            end: start + step * u32::try_from(rows).unwrap_or(u32::MAX),
            step,
            columns: parts.iter().map(column).collect(),
        })
    }

    fn incidents(&self, limit: usize) -> Vec<IncidentView> {
        self.source.incidents(limit)
    }

    fn happenings(&self, _: &GraphDetail) -> Vec<Happening> {
        Vec::new()
    }
}

/// More rows than any question has.
const ROWS_MAX: usize = 100_000;

/// Adds columns up row by row.
struct Adder {
    sums: Vec<f64>,
    counts: Vec<f64>,
    is_mean: bool,
}

impl Adder {
    fn of(rows: usize, is_mean: bool) -> Self {
        Self {
            sums: vec![0.0; rows],
            counts: vec![0.0; rows],
            is_mean,
        }
    }

    /// Adds `field` of `history`, whose rows are not longer than `step`; several in one row count as their mean.
    fn add(&mut self, history: &History, field: &FieldName, (start, step): (Timestamp, Duration)) {
        let column = history.columns.iter().find(|(name, _)| name == field);
        let Some((_, column)) = column else {
            return;
        };
        let own = history.step.as_secs().max(1);
        let (mut at, mut sum, mut count) = (usize::MAX, 0.0, 0.0);
        let mut end = history.start.seconds();
        for number in column {
            end = end.saturating_add_unsigned(own);
            // The row that holds the moment just before this one's end.
            let since = end - 1 - start.seconds();
            let row = usize::try_from(since / (step.as_secs().max(1) as i64)).unwrap_or(usize::MAX);
            if since < 0 || number.is_nan() {
                continue;
            }
            if row != at {
                self.put(at, sum, count);
                (at, sum, count) = (row, 0.0, 0.0);
            }
            (sum, count) = (sum + number, count + 1.0);
        }
        self.put(at, sum, count);
    }

    fn put(&mut self, row: usize, sum: f64, count: f64) {
        let place = self.sums.get_mut(row).zip(self.counts.get_mut(row));
        if let Some((have, counted)) = place.filter(|_| count > 0.0) {
            *have += sum / count;
            *counted += 1.0;
        }
    }

    fn numbers(self) -> Vec<f64> {
        let number = |(sum, count): (f64, f64)| match (count > 0.0, self.is_mean) {
            (false, _) => f64::NAN,
            (true, false) => sum,
            (true, true) => sum / count,
        };
        self.sums.into_iter().zip(self.counts).map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// `rows` of `step` seconds from `start` on, into rows of a minute from 0 on.
    fn check(is_mean: bool, histories: &[(i64, u64, &[f64])], expect: &[f64]) {
        let field = FieldName::new("a").unwrap();
        let mut adder = Adder::of(expect.len(), is_mean);
        for (start, step, rows) in histories {
            let history = History {
                start: at(*start),
                end: at(start + *step as i64 * rows.len() as i64),
                step: Duration::from_secs(*step),
                columns: vec![(field.clone(), rows.to_vec())],
            };
            adder.add(&history, &field, (at(0), Duration::from_secs(60)));
        }
        let found = adder.numbers();
        let text = |rows: &[f64]| format!("{rows:?}");
        assert_eq!(text(&found), text(expect), "{histories:?}");
    }

    const NAN: f64 = f64::NAN;

    #[test]
    fn what_is_unknown_adds_nothing() {
        let rows: [(i64, u64, &[f64]); 2] = [(0, 60, &[1.0, NAN, NAN]), (0, 60, &[3.0, 5.0, NAN])];
        check(false, &rows, &[4.0, 5.0, NAN]);
        check(true, &rows, &[2.0, 5.0, NAN]);
    }

    #[test]
    fn rows_are_found_by_their_time() {
        check(false, &[(60, 60, &[7.0, 8.0])], &[NAN, 7.0, 8.0]);
        check(false, &[(-60, 60, &[6.0, 7.0, 8.0])], &[7.0, 8.0]);
        check(false, &[(0, 60, &[1.0, 2.0, 3.0])], &[1.0, 2.0]);
    }

    #[test]
    fn finer_rows_count_as_their_mean() {
        let fine: (i64, u64, &[f64]) = (0, 20, &[1.0, 2.0, 3.0, NAN, 4.0, 6.0]);
        check(false, &[fine, (0, 60, &[10.0, 10.0])], &[12.0, 15.0]);
    }

    #[test]
    fn hosts_beyond_the_first_are_one_line() {
        let hosts: Vec<HostName> = (0..25)
            .map(|n| HostName::new(&format!("h{n}.example.net")).unwrap())
            .collect();
        let labels = |form| -> Vec<String> {
            let lines = lines(&hosts, form).into_iter();
            lines.map(|(_, label)| label).collect()
        };
        assert_eq!(labels(Form::Stack).len(), 21);
        assert_eq!(labels(Form::Stack).last().unwrap(), "5 hosts more");
        assert_eq!(labels(Form::Lines).len(), 20);
        assert_eq!(labels(Form::Sum), ["sum of 25 hosts"]);
        assert_eq!(labels(Form::Mean), ["mean of 25 hosts"]);
    }

    #[test]
    fn a_formula_follows_the_name() {
        let name = |text: &str| FieldName::new(text).unwrap();
        assert_eq!(
            renamed("up,8,*,up,+", &name("up"), &name("web1")),
            "web1,8,*,web1,+"
        );
    }
}
