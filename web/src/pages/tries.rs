//! The part of a graph's page on which a threshold is tried on the history before it is written into a configuration.

use std::time::Duration;

use ravenry_alerts::severity::Severity;
use ravenry_plugins::timestamp::Timestamp;

use crate::drawing;
use crate::pages::address::Address;
use crate::pages::show;
use crate::period::Stretch;
use crate::picture;
use crate::source::{Consolidation, GraphDetail, Source};
use crate::trial::{self, Spell, Trial};

/// What the template `tries.html` shows.
pub(crate) struct Tries {
    /// The form's fields: name, label, whether it is the one.
    pub(crate) fields: Vec<(String, String, bool)>,
    pub(crate) warning: String,
    pub(crate) critical: String,
    pub(crate) held: String,
    /// What else the page's address says.
    pub(crate) keep: Vec<(&'static str, String)>,
    /// What came of it, for each picture.
    pub(crate) results: Vec<Outcome>,
    /// The page without it.
    pub(crate) close: String,
    /// What makes it so.
    pub(crate) settings: String,
}

/// What a threshold would have told in a stretch of time.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) period: String,
    /// The length of a row, whose mean was judged.
    pub(crate) row: String,
    /// How many would have been told.
    pub(crate) told: usize,
    /// Those of them that were critical.
    pub(crate) critical: usize,
    /// Those that were over too soon to be told.
    pub(crate) short: usize,
    /// How long those that were told lasted, together and at most.
    pub(crate) lasted: String,
    pub(crate) longest: String,
    pub(crate) last: Option<Timestamp>,
    pub(crate) sentence: String,
}

impl Tries {
    pub(crate) fn of(
        source: &dyn Source,
        graph: &GraphDetail,
        trial: Option<&Trial>,
        here: &Address,
        (periods, stretches): (&[String], &[Stretch]),
    ) -> Self {
        let of_graph = &graph.graph.fields;
        let chosen = trial
            .and_then(|trial| graph.graph.field(trial.field.as_str()))
            .or_else(|| {
                of_graph
                    .iter()
                    .find(|field| field.warning.is_some() || field.critical.is_some())
            })
            .or_else(|| of_graph.first());
        let [_, warning, critical, held] = match (trial, chosen) {
            (Some(trial), _) => trial.pairs().map(|(_, value)| value),
            (None, Some(field)) => {
                let now = Trial {
                    field: field.name.clone(),
                    warning: field.warning,
                    critical: field.critical,
                    held: Duration::ZERO,
                };
                now.pairs().map(|(_, value)| value)
            }
            (None, None) => Default::default(),
        };
        let options = of_graph.iter().map(|field| {
            let is_chosen = chosen.is_some_and(|chosen| chosen.name == field.name);
            (field.name.to_string(), field.label.clone(), is_chosen)
        });
        let rest = here.without(&["field", "warning", "critical", "for"]);
        let outcomes = trial.map(|trial| {
            let outcome = |(period, stretch): (&String, &Stretch)| {
                let query = picture::query(graph, stretch, Consolidation::Average);
                let history = drawing::fetch(source, graph, &query).ok()?;
                let spells = trial.spells(&history);
                Some(Outcome::of(period.clone(), history.step, &spells))
            };
            periods.iter().zip(stretches).filter_map(outcome).collect()
        });
        Self {
            fields: options.collect(),
            settings: trial.map_or_else(String::new, |trial| settings(graph, trial)),
            warning,
            critical,
            held,
            close: rest.to_string(),
            keep: rest.pairs().to_vec(),
            results: outcomes.unwrap_or_default(),
        }
    }
}

/// The lines of a configuration that set what was tried. Names hold no quotes.
fn settings(graph: &GraphDetail, trial: &Trial) -> String {
    let mut text = format!(
        "[[threshold]]\nhost = \"{}\"\ngraph = \"{}\"\nfield = \"{}\"\n",
        graph.host, graph.graph.name, trial.field
    );
    for (name, range) in [("warning", trial.warning), ("critical", trial.critical)] {
        let value = range.map_or_else(|| "none".to_owned(), |range| trial::range_text(&range));
        text.push_str(&format!("{name} = \"{value}\"\n"));
    }
    let readings = trial.held.as_secs().div_ceil(graph.step.as_secs().max(1));
    if readings > 1 {
        text.push_str(&format!("attempts = {readings}\n"));
    }
    text
}

impl Outcome {
    fn of(period: String, row: Duration, spells: &[Spell]) -> Self {
        let told: Vec<&Spell> = spells.iter().filter(|spell| spell.told.is_some()).collect();
        let critical = told
            .iter()
            .filter(|spell| spell.severity == Severity::Critical)
            .count();
        let seconds = |spell: &&Spell| spell.end.since(spell.start).as_secs_f64();
        let together: f64 = told.iter().map(seconds).sum();
        let longest = told.iter().map(seconds).fold(0.0, f64::max);
        let short = spells.len() - told.len();
        let times = |count: usize| match count {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let mut sentence = match told.len() {
            0 => "nobody would have been told".to_owned(),
            count => format!(
                "somebody would have been told {}, {critical} of them critical; {} altogether, {} at most",
                times(count),
                show::duration(together),
                show::duration(longest)
            ),
        };
        if short > 0 {
            sentence.push_str(&format!("; {} it was over too soon", times(short)));
        }
        Self {
            period,
            row: show::duration(row.as_secs_f64()),
            told: told.len(),
            critical,
            short,
            lasted: show::duration(together),
            longest: show::duration(longest),
            last: told.last().and_then(|spell| spell.told),
            sentence,
        }
    }
}

/// How long a threshold is tried for, as the form's placeholder says it.
pub(crate) fn held_example() -> String {
    trial::held_text(Duration::from_secs(600))
}
