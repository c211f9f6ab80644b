//! A threshold that is tried on the history: when it would have told somebody. Pure.
//!
//! A spell begins with the first row outside the good range and ends with the first inside it; an unknown row changes
//! nothing, as absence is not recovery. It is told once it has lasted as long as was asked for. Rows are means, so that what
//! is coarser than a reading may hide a peak; pages say how long a row is.

use std::time::Duration;

use ravenry_alerts::severity::Severity;
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::FieldName;
use ravenry_plugins::range::Range;
use ravenry_plugins::timestamp::Timestamp;

use crate::graph::{Event, EventKind};
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::source::History;

/// What is tried: thresholds for readings, before the graph's formula, as plugins and configuration give them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trial {
    pub(crate) field: FieldName,
    pub(crate) warning: Option<Range>,
    pub(crate) critical: Option<Range>,
    /// How long it must last.
    pub(crate) held: Duration,
}

/// A time outside the good range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spell {
    pub(crate) start: Timestamp,
    /// The first good row's beginning, or the end of what is known.
    pub(crate) end: Timestamp,
    /// When it would have been told; `None` when it was over before.
    pub(crate) told: Option<Timestamp>,
    /// The worst that it was.
    pub(crate) severity: Severity,
}

/// Longest time that a spell can be asked to last.
const HELD_MAX: u64 = 31 * 86_400;

impl Trial {
    /// The names of its parameters.
    pub(crate) const PARAMETERS: &'static str = "field, warning, critical, for";

    /// Takes its parameters. A form that was sent without a threshold tries nothing.
    pub(crate) fn take(parameters: &mut Parameters) -> Result<Option<Self>, Refusal> {
        let field = parameters.take("field", "the name of a field", |text| {
            FieldName::new(text).ok()
        })?;
        let mut range = |name| {
            let expected = "a good range: `max`, `min:max`, `min:` or `:max`";
            let read = |text: &str| match text.trim() {
                "" => Some(None),
                text => Range::parse_munin(text).ok().map(Some),
            };
            parameters.take(name, expected, read).map(Option::flatten)
        };
        let (warning, critical) = (range("warning")?, range("critical")?);
        let expected = "how long it must last, such as 10m, 2h or 1d, at most 31d";
        let held = parameters.take("for", expected, parse_held)?;
        let (Some(field), true) = (field, warning.is_some() || critical.is_some()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            field,
            warning,
            critical,
            held: held.unwrap_or_default(),
        }))
    }

    /// As an address has it.
    pub(crate) fn pairs(&self) -> [(&'static str, String); 4] {
        let range =
            |range: Option<Range>| range.map_or_else(String::new, |range| range_text(&range));
        [
            ("field", self.field.to_string()),
            ("warning", range(self.warning)),
            ("critical", range(self.critical)),
            ("for", held_text(self.held)),
        ]
    }

    /// The graph with what is tried in place of what it has.
    ///
    /// # Errors
    /// When it has no such field.
    pub(crate) fn on(&self, graph: &Graph) -> Result<Graph, Refusal> {
        let mut graph = graph.clone();
        let fields = graph.fields.iter_mut();
        let Some(field) = { fields }.find(|field| field.name == self.field) else {
            let expected = format!("a field of {}", graph.name);
            return Err(Refusal::parameter("field", expected, self.field.as_str()));
        };
        (field.warning, field.critical) = (self.warning, self.critical);
        Ok(graph)
    }

    fn severity(&self, number: f64) -> Severity {
        let outside = |range: &Option<Range>| range.is_some_and(|range| range.violated_by(number));
        match (outside(&self.critical), outside(&self.warning)) {
            (true, _) => Severity::Critical,
            (false, true) => Severity::Warning,
            (false, false) => Severity::Ok,
        }
    }

    /// The spells of `history`, oldest first.
    pub(crate) fn spells(&self, history: &History) -> Vec<Spell> {
        let column = history.columns.iter().find(|(name, _)| *name == self.field);
        let rows = column.map_or(&[][..], |(_, rows)| rows);
        let mut spells = Vec::new();
        let mut running: Option<Spell> = None;
        let mut end = history.start;
        for number in rows {
            let begin = end;
            end = begin + history.step;
            match (self.severity(*number), &mut running) {
                _ if number.is_nan() => {}
                (Severity::Ok, _) => {
                    let spell = running.take().map(|spell| Spell {
                        end: begin,
                        ..spell
                    });
                    spells.extend(spell);
                }
                (severity, None) => {
                    running = Some(Spell {
                        start: begin,
                        end,
                        told: None,
                        severity,
                    });
                }
                (severity, Some(spell)) => spell.severity = spell.severity.max(severity),
            }
            if let Some(spell) = &mut running {
                spell.end = end;
                if spell.told.is_none() && !number.is_nan() && end.since(spell.start) >= self.held {
                    spell.told = Some(end);
                }
            }
        }
        spells.extend(running);
        spells
    }

    /// The spells that would have been told, as marks from the moment of telling on.
    pub(crate) fn events(&self, history: &History) -> Vec<Event> {
        let event = |spell: &Spell| {
            let kind = match spell.severity {
                Severity::Critical => EventKind::TriedCritical,
                Severity::Ok | Severity::Unknown | Severity::Warning => EventKind::TriedWarning,
            };
            Some(Event {
                start: spell.told?,
                end: spell.end,
                kind,
            })
        };
        self.spells(history).iter().filter_map(event).collect()
    }
}

/// `10m`, `90s`, `2h`, `1d`; a lone number is seconds, nothing is no time.
fn parse_held(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let unit = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = if text.is_empty() {
        0
    } else {
        number.parse().ok()?
    };
    let seconds = number.checked_mul(unit)?;
    (seconds <= HELD_MAX).then(|| Duration::from_secs(seconds))
}

/// As people write it: a lone number is the greatest good value.
pub(crate) fn range_text(range: &Range) -> String {
    let text = range.to_string();
    text.strip_prefix(':').map_or(text.clone(), str::to_owned)
}

/// The shortest text that is read back as the same.
pub(crate) fn held_text(held: Duration) -> String {
    let seconds = held.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    match units.iter().find(|(unit, _)| seconds.is_multiple_of(*unit)) {
        _ if seconds == 0 => String::new(),
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter a minute: `.` 0, `w` 15, `c` 25, `?` unknown; warning above 10, critical above 20.
    fn check(held: u64, rows: &str, expect: &str) {
        let field = FieldName::new("a").unwrap();
        let number = |letter| match letter {
            'w' => 15.0,
            'c' => 25.0,
            '?' => f64::NAN,
            _ => 0.0,
        };
        let numbers: Vec<f64> = rows.chars().map(number).collect();
        let start = Timestamp::from_seconds(0);
        let history = History {
            start,
            end: Timestamp::from_seconds(60 * numbers.len() as i64),
            step: Duration::from_secs(60),
            columns: vec![(field.clone(), numbers)],
        };
        let trial = Trial {
            field,
            warning: Range::parse_munin("10").ok(),
            critical: Range::parse_munin("20").ok(),
            held: Duration::from_secs(60 * held),
        };
        let minute = |time: Timestamp| time.seconds() / 60;
        let words = trial.spells(&history).into_iter().map(|spell| {
            let told = spell
                .told
                .map_or_else(|| "-".to_owned(), |told| minute(told).to_string());
            format!(
                "{}-{} {} told {told}",
                minute(spell.start),
                minute(spell.end),
                spell.severity
            )
        });
        let found: Vec<String> = words.collect();
        assert_eq!(found.join(", "), expect, "{rows:?} for {held} min");
    }

    #[test]
    fn a_spell_lasts_from_the_first_bad_row_to_the_first_good_one() {
        check(0, "..ww..", "2-4 warning told 3");
        check(0, "ww", "0-2 warning told 1");
        check(0, ".wcw.c", "1-4 critical told 2, 5-6 critical told 6");
        check(0, "....", "");
        check(0, "", "");
    }

    #[test]
    fn what_is_over_before_it_lasted_long_enough_is_not_told() {
        check(
            3,
            ".ww.www.wwww",
            "1-3 warning told -, 4-7 warning told 7, 8-12 warning told 11",
        );
    }

    #[test]
    fn an_unknown_row_is_no_recovery_and_tells_nothing() {
        check(0, ".w??w.", "1-5 warning told 2");
        check(2, ".w??w.", "1-5 warning told 5");
        check(0, "??", "");
    }

    #[test]
    fn times_are_numbers_with_a_unit() {
        let check = |text: &str, expect: Option<(u64, &str)>| {
            let found = parse_held(text).map(|held| (held.as_secs(), held_text(held)));
            let expect = expect.map(|(seconds, text)| (seconds, text.to_owned()));
            assert_eq!(found, expect, "{text:?}");
        };
        check("", Some((0, "")));
        check("10m", Some((600, "10m")));
        check(" 90 ", Some((90, "90s")));
        check("120 min", Some((7200, "2h")));
        check("31d", Some((31 * 86_400, "31d")));
        for text in ["32d", "m", "-1m", "1.5h", "1x", "99999999999999999999d"] {
            check(text, None);
        }
    }
}
