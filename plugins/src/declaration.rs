//! What a plugin declares: a graph and its fields, each with the attributes it printed, in their order and unresolved.
//! What they mean, with defaults filled in, is [`crate::graph`]'s part.

use serde::{Deserialize, Deserializer, Serialize};

use crate::name::{FieldName, GraphName, HostName};
use crate::wire::{ATTRIBUTES_MAX, FIELDS_MAX, bounded};

/// Attribute names and their texts, in the order in which the plugin printed them; a name appears once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(#[serde(deserialize_with = "attributes")] Vec<(String, String)>);

impl Attributes {
    /// The text of attribute `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, text)| text.as_str())
    }

    /// Adds an attribute, or keeps the text it has (Munin's rule for a graph: the first wins). Says whether it was added.
    pub fn keep_first(&mut self, name: &str, text: &str) -> bool {
        let new = self.text(name).is_none();
        if new {
            self.0.push((name.to_owned(), text.to_owned()));
        }
        new
    }

    /// Adds an attribute, or replaces its text (Munin's rule for a field: the last wins).
    pub fn keep_last(&mut self, name: &str, text: &str) {
        match self.0.iter_mut().find(|(have, _)| have == name) {
            Some((_, have)) => text.clone_into(have),
            None => self.0.push((name.to_owned(), text.to_owned())),
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A graph as a plugin declared it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Declaration {
    /// The host that the graph is about, when it is not the one the plugin runs on (`host_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The graph's name: the plugin's, or what `multigraph` said.
    pub graph: GraphName,
    /// Attributes of the graph (`graph_title`, `graph_args`, ...).
    #[serde(default)]
    pub attributes: Attributes,
    /// Its fields in the order in which they appeared.
    #[serde(default, deserialize_with = "fields")]
    pub fields: Vec<FieldDeclaration>,
}

/// A field as a plugin declared it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldDeclaration {
    /// The field's name, cleaned.
    pub field: FieldName,
    /// Attributes of the field (`label`, `type`, `warning`, ...).
    #[serde(default)]
    pub attributes: Attributes,
}

fn attributes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, String)>, D::Error> {
    bounded(deserializer, "attributes", ATTRIBUTES_MAX)
}

fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FieldDeclaration>, D::Error> {
    bounded(deserializer, "fields of a graph", FIELDS_MAX)
}
