//! The numbers of a picture at each of its moments, for those who point at it: what is drawn, in the form of the legend.

use ravenry_plugins::name::FieldName;

use super::legend::{self, Row, Side};
use super::model::{Input, Model, Options, Plot};
use super::series::{self, Grid};

/// A picture's plot and the numbers in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// Pixels across and upright.
    pub size: [u32; 2],
    /// None when nothing fits.
    pub plot: Option<Plot>,
    /// When the first row begins, in UTC seconds.
    pub start: f64,
    /// Seconds a row.
    pub step: f64,
    /// As in the legend.
    pub lines: Vec<Line>,
}

/// A row of the legend, with a text for each row of the picture; none where nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The legend's row.
    pub row: Row,
    /// The numbers.
    pub texts: Vec<Option<String>>,
}

/// The numbers of `model`, which was made of `input` and `options`.
#[must_use]
pub fn readout(model: &Model, input: &Input<'_>, options: &Options) -> Readout {
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for row in &model.legend.rows {
        columns.push(numbers(input, options, row));
    }
    // As coarse as the picture.
    let grid = Grid::of(input.average);
    let grid = series::reduce(grid, &mut columns, model.width as usize * 2);
    let format = legend::format_of(input.graph);
    let text = |number: &f64| {
        let is_known = number.is_finite();
        is_known.then(|| format.cell(*number).to_string())
    };
    let lines = model.legend.rows.iter().zip(columns);
    Readout {
        size: [model.width, model.height],
        plot: model.plot,
        start: grid.start,
        step: grid.step,
        lines: lines
            .map(|(row, column)| Line {
                row: row.clone(),
                texts: column.iter().map(text).collect(),
            })
            .collect(),
    }
}

fn numbers(input: &Input<'_>, options: &Options, row: &Row) -> Vec<f64> {
    let graph = input.graph;
    let of = |name| {
        let field = graph.field(name)?;
        Some(series::shown(graph, field, input.average)?.into_owned())
    };
    if let Some(name) = &row.field {
        return of(name.as_str()).unwrap_or_default();
    }
    // The total of what is drawn on that side of zero.
    let mut sum = Vec::new();
    for field in graph.fields.iter().filter(|field| options.shows(field)) {
        let name = match row.side {
            Side::Alone | Side::Up => Some(field.name.as_str()),
            Side::Down => field.negative.as_ref().map(FieldName::as_str),
        };
        if let Some(rows) = name.and_then(of) {
            series::add(&mut sum, &rows);
        }
    }
    sum
}
