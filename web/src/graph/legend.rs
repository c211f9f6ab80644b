//! The numbers beside a picture: for each field the current, least, mean and greatest number of the period.

use ravenry_plugins::graph::{Field, Graph};
use ravenry_plugins::name::FieldName;

use super::formula;
use super::number::{Base, Cell, Format};
use super::palette::Paint;

/// The names of [`Row::numbers`].
pub const COLUMNS: [&str; 4] = ["Cur", "Min", "Avg", "Max"];
/// The names of [`Billing::cells`].
pub const BILLING_COLUMNS: [&str; 2] = ["95%", "Total"];

/// The legend of a picture, as data: pages show it as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Legend {
    /// A row a drawn field in drawing order, a mirrored one behind its partner; the total last.
    pub rows: Vec<Row>,
    /// What else is to be said of the picture, a line each.
    pub notes: Vec<String>,
    /// Whether the rows have [`Row::billing`].
    pub billing: bool,
}

impl Legend {
    /// The names of the columns of numbers.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let more: &[&str] = if self.billing { &BILLING_COLUMNS } else { &[] };
        COLUMNS.iter().chain(more).copied().collect()
    }
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
    /// 95th percentile and total, where they are asked for.
    pub billing: Option<Billing>,
}

/// What traffic is charged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Billing {
    /// The least row that 95 of 100 rows do not exceed; NaN is unknown.
    pub percentile95: f64,
    /// What a rate adds up to over the period, unknown time left out; NaN for gauges.
    pub total: f64,
    /// Both in the graph's format.
    pub cells: [Cell; 2],
}

impl Billing {
    /// Of the means; `seconds` is what a row counts for in the total.
    pub(super) fn of(archives: &Archives<'_>, seconds: Option<f64>, format: &Format) -> Self {
        let [percentile95, total] = billing_numbers(archives.average, seconds);
        Self {
            percentile95,
            total,
            cells: [percentile95, total].map(|number| format.cell(number)),
        }
    }
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
        let mut words = format!(
            "{}{}: now {current}, least {min}, mean {average}, greatest {max}",
            self.label,
            self.side.sign()
        );
        if let Some(billing) = &self.billing {
            let [percentile, total] = &billing.cells;
            words.push_str(&format!(", 95th percentile {percentile}, total {total}"));
        }
        words
    }

    /// The cells of [`Legend::columns`].
    pub fn shown_cells(&self) -> impl Iterator<Item = &Cell> {
        let more = self.billing.iter().flat_map(|billing| &billing.cells);
        self.cells.iter().chain(more)
    }
}

/// A reading of `field` as `graph` shows it, in the legend's form; as it is where its formula needs other fields.
pub(crate) fn shown_reading(graph: &Graph, field: &Field, number: f64) -> String {
    let shown = formula::of_number(graph, field, number).unwrap_or(number);
    format_of(graph).cell(shown).to_string()
}

/// The least of `rows` that 95 of 100 do not exceed, and what they add up to when a row counts for `seconds`.
pub(crate) fn billing_numbers(rows: &[f64], seconds: Option<f64>) -> [f64; 2] {
    let known = rows.iter().copied();
    let mut known: Vec<f64> = known.filter(|number| !number.is_nan()).collect();
    let total = match seconds {
        Some(seconds) if !known.is_empty() => known.iter().map(|rate| rate * seconds).sum(),
        Some(_) | None => f64::NAN,
    };
    known.sort_by(f64::total_cmp);
    let rank = (known.len() * 95).div_ceil(100).saturating_sub(1);
    [known.get(rank).copied().unwrap_or(f64::NAN), total]
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
    fn billing_is_the_95th_percentile_and_what_rates_add_up_to() {
        let check = |average: &[f64], seconds, expect: (f64, f64)| {
            let archives = Archives {
                average,
                ..Archives::default()
            };
            let format = Format::parse("%.0lf", true, Base::Thousand);
            let found = Billing::of(&archives, seconds, &format);
            let found = format!("{:?}", (found.percentile95, found.total));
            assert_eq!(found, format!("{expect:?}"));
        };
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        check(&hundred, Some(60.0), (95.0, 303_000.0));
        check(&hundred, None, (95.0, f64::NAN));
        check(&[f64::NAN, 3.0, 7.0], Some(1.0), (7.0, 10.0));
        check(&[f64::NAN], Some(1.0), (f64::NAN, f64::NAN));
    }

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
