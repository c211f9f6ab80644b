//! Where each attribute of what a plugin declared stands in its output.

use std::collections::HashMap;

use crate::name::{FieldName, GraphName};

/// Of one graph: the field, if it is about one, the attribute and the line. Of a field's attribute the last counts.
pub(super) type GraphLines = Vec<(Option<FieldName>, &'static str, u32)>;

/// The lines of attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(HashMap<GraphName, GraphLines>);

impl Lines {
    pub(super) fn insert(&mut self, graph: &GraphName, lines: GraphLines) {
        self.0.insert(graph.clone(), lines);
    }

    /// The line of an attribute of a graph or of a field of it. Where it was not said: the first line about the field, for
    /// a graph the first about anything of it; 0 where nothing was said.
    #[must_use]
    pub fn of(&self, graph: &GraphName, field: Option<&FieldName>, attribute: &str) -> u32 {
        let Some(lines) = self.0.get(graph) else {
            return 0;
        };
        let same_field = |of: &Option<FieldName>| field.is_none() || of.as_ref() == field;
        let said = lines
            .iter()
            .rfind(|(of, name, _)| of.as_ref() == field && *name == attribute);
        // What a field does not say itself may be the graph's.
        let inherited = || {
            let of_graph =
                |(of, name, _): &&(_, &str, _)| Option::is_none(of) && *name == attribute;
            lines.iter().find(of_graph)
        };
        said.or_else(inherited)
            .or_else(|| lines.iter().find(|(of, ..)| same_field(of)))
            .map_or(0, |(.., line)| *line)
    }
}
