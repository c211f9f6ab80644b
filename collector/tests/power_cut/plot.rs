//! A graph of a life: what is pushed of it, and what became of it.

use std::collections::BTreeMap;

use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::wire::Batch;
use serde_json::{Value, json};

use crate::chance::Chance;

/// The first moment that anything is pushed for.
pub(crate) const BASE: i64 = 1_699_920_000;
pub(crate) const DAY: i64 = 86_400;
/// Fields are pushed in groups of so many.
pub(crate) const GROUP: usize = 2;
const FIELDS_MAX: usize = 6;

/// What is special about a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Nothing: a reading for each step.
    Plain,
    /// Several readings for each step.
    Supersampled,
    /// Its second field changes its type now and then: what that field has is not compared.
    Fickle,
    /// Its two fields are read apart and become one row; counts that are never counted twice.
    Skewed,
}

/// Whether a piece is in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    /// It was acknowledged.
    Yes,
    /// It was refused, or nobody answered: it may be there, all of it or nothing.
    Maybe,
}

/// The readings of one group of fields at one moment; they are pushed together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) fields: usize,
    pub(crate) there: There,
    /// Pieces of the same bond are all there or none of them.
    pub(crate) bond: u64,
}

/// A graph.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) host: String,
    pub(crate) graph: String,
    pub(crate) habit: Habit,
    /// `update_rate`
    pub(crate) rate: i64,
    /// Seconds between readings.
    pub(crate) stride: i64,
    pub(crate) fields: usize,
    /// Whether a fickle field is a gauge now.
    pub(crate) flipped: bool,
    /// Where the next reading is.
    pub(crate) next: i64,
    /// By time and group.
    pub(crate) pieces: BTreeMap<(i64, usize), Piece>,
}

impl Plot {
    pub(crate) fn draw(index: usize, chance: &mut Chance) -> Self {
        let habits = [
            Habit::Plain,
            Habit::Plain,
            Habit::Supersampled,
            Habit::Fickle,
            Habit::Skewed,
        ];
        let habit = habits[chance.index(habits.len())];
        // Files of a few kilobytes; with hours there are archives of several steps.
        let rate = if habit != Habit::Skewed && chance.percent(15) {
            7200
        } else {
            DAY
        };
        let stride = match habit {
            Habit::Supersampled => rate / (2 + chance.below(5) as i64),
            Habit::Plain | Habit::Fickle | Habit::Skewed => rate,
        };
        Self {
            host: format!("host{}", index % 2),
            graph: format!("graph{index}"),
            habit,
            rate,
            stride,
            fields: if habit == Habit::Plain {
                1 + chance.index(4)
            } else {
                2
            },
            flipped: false,
            next: BASE,
            pieces: BTreeMap::new(),
        }
    }

    pub(crate) fn host_name(&self) -> HostName {
        HostName::new(&self.host).unwrap()
    }

    pub(crate) fn graph_name(&self) -> GraphName {
        GraphName::new(&self.graph).unwrap()
    }

    /// Adds a field, or changes the type of one.
    pub(crate) fn change(&mut self) {
        match self.habit {
            Habit::Fickle => self.flipped = !self.flipped,
            Habit::Plain | Habit::Supersampled => self.fields = FIELDS_MAX.min(self.fields + 1),
            Habit::Skewed => {}
        }
    }

    pub(crate) fn field_name(&self, field: usize) -> String {
        match field {
            3 => "a_field_with_a_very_long_name".to_owned(),
            field => format!("f{field}"),
        }
    }

    fn kind(&self, field: usize) -> &'static str {
        match (self.habit, field) {
            (Habit::Skewed, _) => "ABSOLUTE",
            (Habit::Fickle, 1) if self.flipped => "GAUGE",
            (_, 1) => "DERIVE",
            (_, 3) => "ABSOLUTE",
            (_, 5) => "COUNTER",
            _ => "GAUGE",
        }
    }

    /// Every reading is another one, and whole.
    fn reading(&self, field: usize, time: i64) -> i64 {
        let nth = (time - BASE) / 600;
        match self.kind(field) {
            "ABSOLUTE" if self.habit == Habit::Skewed => DAY,
            "ABSOLUTE" => 1 + nth * 37 % 977,
            "DERIVE" | "COUNTER" => 5 + nth * nth,
            _ => 8 * nth + field as i64,
        }
    }

    /// The groups of fields there are.
    pub(crate) fn groups(&self) -> usize {
        match self.habit {
            Habit::Skewed => 2,
            _ => self.fields.div_ceil(GROUP),
        }
    }

    /// The fields of a group, for a plot that has so many.
    pub(crate) fn group(&self, group: usize, fields: usize) -> std::ops::Range<usize> {
        match self.habit {
            Habit::Skewed => group..group + 1,
            _ => GROUP * group..fields.min(GROUP * (group + 1)),
        }
    }

    /// When a group is read that belongs to `time`.
    fn moment(&self, group: usize, time: i64) -> i64 {
        match self.habit {
            Habit::Skewed => time + 1000 * group as i64,
            _ => time,
        }
    }

    /// A push of pieces; `lies` pushes other values.
    pub(crate) fn batch(&self, pieces: &[(i64, usize, usize)], lies: bool) -> Batch {
        let mut samples: Vec<(usize, i64, i64)> = Vec::new();
        for &(time, group, fields) in pieces {
            for field in self.group(group, fields) {
                let reading = if lies { -1 } else { self.reading(field, time) };
                samples.push((field, self.moment(group, time), reading));
            }
        }
        samples.sort_unstable();
        let column = |pick: fn(&(usize, i64, i64)) -> i64| -> Vec<i64> {
            samples.iter().map(pick).collect()
        };
        let fields: Vec<String> = (0..self.fields)
            .map(|field| self.field_name(field))
            .collect();
        let graphs = vec![self.graph.clone(); fields.len()];
        let batch = json!({
            "version": 1, "host": self.host,
            "graphs": [self.declaration()],
            "series": {"graph": graphs, "field": fields},
            "samples": {
                "series": column(|sample| sample.0 as i64),
                "time": column(|sample| sample.1),
                "value": column(|sample| sample.2),
            },
        });
        serde_json::from_value(batch).unwrap()
    }

    fn declaration(&self) -> Value {
        let fields: Vec<Value> = (0..self.fields)
            .map(|field| {
                json!({"field": self.field_name(field), "attributes": [["type", self.kind(field)]]})
            })
            .collect();
        let rate = self.rate.to_string();
        json!({"graph": self.graph, "attributes": [["update_rate", rate]], "fields": fields})
    }

    /// The last moment of which a piece may be there.
    pub(crate) fn last(&self) -> Option<i64> {
        let ((time, _), _) = self.pieces.last_key_value()?;
        Some(*time)
    }

    /// Whether the values of a field follow from the pieces alone.
    pub(crate) fn is_compared(&self, field: &str) -> bool {
        self.habit != Habit::Fickle || field != "f1"
    }
}
