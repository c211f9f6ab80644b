//! The numbers beside a picture: for each field the current, least, mean and greatest number of the period.

use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::FieldName;

use super::number::{Base, Cell, Format};
use super::palette::Paint;

/// The names of [`Row::numbers`].
pub const COLUMNS: [&str; 4] = ["Cur", "Min", "Avg", "Max"];

/// The legend of a picture, as data: pages show it as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Legend {
    /// A row a drawn field in drawing order, a mirrored one behind its partner; the total last.
    pub rows: Vec<Row>,
}

/// A row of the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The field; none for the total.
    pub field: Option<FieldName>,
    /// Its label.
    pub label: String,
    /// The colour that it is drawn in.
    pub paint: Paint,
    /// On which side of zero it is drawn when the field is one of a mirrored pair.
    pub side: Side,
    /// Current, least, mean, greatest; NaN is unknown.
    pub numbers: [f64; 4],
    /// The same in the graph's format.
    pub cells: [Cell; 4],
}

/// On which side of zero a field is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// It is not mirrored and has no mirrored partner.
    #[default]
    Alone,
    /// Upwards, with a partner downwards.
    Up,
    /// Mirrored.
    Down,
}

impl Side {
    /// A sign to put behind the label; empty when there is no partner.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Alone => "",
            Self::Up => " (+)",
            Self::Down => " (−)",
        }
    }
}

impl Row {
    /// One line for those who cannot see the picture.
    #[must_use]
    pub fn in_words(&self) -> String {
        let [current, min, average, max] = &self.cells;
        format!(
            "{}{}: now {current}, least {min}, mean {average}, greatest {max}",
            self.label,
            self.side.sign()
        )
    }
}

/// What a row is made of: numbers of the period from the archives of means, least and greatest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Archives<'a> {
    pub(super) average: &'a [f64],
    pub(super) min: Option<&'a [f64]>,
    pub(super) max: Option<&'a [f64]>,
    /// How many rows at the end may hold the current number.
    pub(super) current_rows: usize,
}

impl Archives<'_> {
    pub(super) fn numbers(&self) -> [f64; 4] {
        let known = |rows: &[f64]| {
            rows.iter()
                .copied()
                .filter(|number| !number.is_nan())
                .collect::<Vec<f64>>()
        };
        let average = known(self.average);
        let newest = self.average.iter().rev().take(self.current_rows).copied();
        let mean = |numbers: &[f64]| {
            numbers
                .iter()
                .map(|number| number / numbers.len() as f64)
                .sum::<f64>()
        };
        let pick = |rows: Option<&[f64]>, wider: fn(f64, f64) -> f64| {
            let own = rows.and_then(|rows| known(rows).into_iter().reduce(wider));
            own.or_else(|| average.iter().copied().reduce(wider))
                .unwrap_or(f64::NAN)
        };
        [
            newest
                .into_iter()
                .find(|number| !number.is_nan())
                .unwrap_or(f64::NAN),
            pick(self.min, f64::min),
            if average.is_empty() {
                f64::NAN
            } else {
                mean(&average)
            },
            pick(self.max, f64::max),
        ]
    }
}

/// The format of the graph's numbers: `graph_printf`, or Munin's default; SI prefixes unless `graph_scale` says no.
pub(super) fn format_of(graph: &Graph) -> Format {
    let base = base_of(graph);
    let printf = graph.printf.as_deref().unwrap_or("%.2lf");
    Format::parse(printf, graph.scale, base)
}

pub(super) fn base_of(graph: &Graph) -> Base {
    if graph.args.base == 1024 {
        Base::Binary
    } else {
        Base::Thousand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_and_greatest_come_from_their_own_archives() {
        let check = |archives: Archives<'_>, expect: &str| {
            assert_eq!(
                format!("{:?}", archives.numbers()).replace(".0", ""),
                expect
            );
        };
        let average = &[f64::NAN, 2.0, 4.0, f64::NAN][..];
        let plain = Archives {
            average,
            current_rows: 2,
            ..Archives::default()
        };
        check(plain, "[4, 2, 3, 4]");
        check(
            Archives {
                min: Some(&[1.0, f64::NAN]),
                max: Some(&[9.0]),
                ..plain
            },
            "[4, 1, 3, 9]",
        );
        check(
            Archives {
                current_rows: 1,
                ..plain
            },
            "[NaN, 2, 3, 4]",
        );
        check(Archives::default(), "[NaN, NaN, NaN, NaN]");
    }
}
