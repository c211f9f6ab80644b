//! The last readings of a graph as text, as the graph shows them. They are there before the first row is stored.

use ravenry_alerts::check::CheckName;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::FieldName;

use crate::drawing;
use crate::graph::{Paint, Row};
use crate::source::{CheckView, GraphDetail};

/// A field's last reading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Live {
    pub(crate) label: String,
    pub(crate) paint: Paint,
    pub(crate) text: String,
    pub(crate) severity: Severity,
}

/// One for each row of the legend, when anything was read.
pub(crate) fn readings(detail: &GraphDetail) -> Vec<Live> {
    if detail.latest.is_empty() {
        return Vec::new();
    }
    drawing::legend_of_latest(detail)
        .rows
        .iter()
        .map(|row| Live {
            label: label(row),
            paint: row.paint,
            text: text(row),
            severity: row
                .field
                .as_ref()
                .and_then(|field| check_of(&detail.checks, field))
                .map_or(Severity::Ok, |check| check.severity),
        })
        .collect()
}

/// The check of a field.
pub(crate) fn check_of<'a>(checks: &'a [CheckView], field: &FieldName) -> Option<&'a CheckView> {
    checks.iter().find(|check| match &check.name {
        CheckName::Host(_) | CheckName::Verdict(_) => false,
        CheckName::Field(series) => series.field == *field,
    })
}

pub(crate) fn label(row: &Row) -> String {
    format!("{}{}", row.label, row.side.sign())
}

/// The current number.
pub(crate) fn text(row: &Row) -> String {
    let [current, ..] = &row.cells;
    current.to_string()
}
