//! What a graph was declared as, once in memory for all hosts that declare the same: thousands of them do.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use ravenry_alerts::rate::Scale;
use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::graph::Graph;

use crate::store::layout;

/// Shapes that nobody has any more are looked for when there are this many more than at the last look.
const SWEEP_EVERY: usize = 1_000;

/// A declaration and what it means.
#[derive(Debug)]
pub struct Shape {
    /// As it came, without the host.
    pub declaration: Declaration,
    /// What that means.
    pub graph: Arc<Graph>,
    /// How the readings of each of the graph's fields become values.
    pub(super) scales: Box<[Scale]>,
}

impl Shape {
    /// Of a declaration; whose it is does not matter here.
    #[must_use]
    pub fn new(mut declaration: Declaration) -> Self {
        declaration.host = None;
        let graph = Graph::resolve(&declaration).0;
        let step = layout::interval(&graph);
        let scales = graph.fields.iter().map(|field| Scale::of(field, step));
        Self {
            scales: scales.collect(),
            graph: Arc::new(graph),
            declaration,
        }
    }

    /// Whether it is that of `declaration`, of whichever host.
    #[must_use]
    pub fn is_of(&self, declaration: &Declaration) -> bool {
        let Declaration {
            host: _,
            graph,
            attributes,
            fields,
        } = declaration;
        let own = &self.declaration;
        own.graph == *graph && own.attributes == *attributes && own.fields == *fields
    }
}

/// All shapes that are in use.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    known: HashMap<u64, Vec<Weak<Shape>>>,
    hasher: RandomState,
    sweep_at: usize,
}

impl Shapes {
    /// The shape of a declaration, the one that others have where there is one.
    pub(super) fn of(&mut self, mut declaration: Declaration) -> Arc<Shape> {
        declaration.host = None;
        let hash = self.hasher.hash_one(&declaration);
        let known = self.known.get(&hash).into_iter().flatten();
        let found = known
            .filter_map(Weak::upgrade)
            .find(|shape| shape.is_of(&declaration));
        found.unwrap_or_else(|| {
            let shape = Arc::new(Shape::new(declaration));
            self.keep(hash, &shape);
            shape
        })
    }

    fn keep(&mut self, hash: u64, shape: &Arc<Shape>) {
        self.known
            .entry(hash)
            .or_default()
            .push(Arc::downgrade(shape));
        if self.known.len() > self.sweep_at {
            self.known.retain(|_, shapes| {
                shapes.retain(|shape| shape.strong_count() > 0);
                !shapes.is_empty()
            });
            self.sweep_at = 2 * self.known.len() + SWEEP_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_declare_the_same_share_it() {
        let of = |host: &str, label: &str| -> Declaration {
            let json = format!(
                r#"{{"host":"{host}","graph":"load","fields":[{{"field":"load","attributes":[["label","{label}"]]}}]}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let mut shapes = Shapes::default();
        let (a, b) = (shapes.of(of("a", "Load")), shapes.of(of("b", "Load")));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &shapes.of(of("a", "load"))));
        for label in 0..3 * SWEEP_EVERY {
            drop(shapes.of(of("a", &label.to_string())));
        }
        assert!(
            shapes.known.len() <= SWEEP_EVERY + 2,
            "what nobody has goes"
        );
        assert!(Arc::ptr_eq(&a, &shapes.of(of("c", "Load"))));
    }
}
