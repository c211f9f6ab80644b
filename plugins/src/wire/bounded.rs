//! Lists from outside are counted while they are read: neither a hostile length nor a long list gets its memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{
    DECLARED_MAX, GONE_MAX, GRAPHS_MAX, Gone, PROBLEMS_MAX, RUNS_MAX, RunReport, SAMPLES_MAX,
    SERIES_MAX, VERDICTS_MAX, VerdictReport,
};
use crate::declaration::Declaration;
use crate::problem::Problem;

/// Elements that room is made for on the sender's word.
const TRUSTED_LENGTH: usize = 1_000;

/// A list of at most `max` elements; one more is an error that says `what` they are.
pub(crate) fn bounded<'de, D, T>(
    deserializer: D,
    what: &'static str,
    max: usize,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List {
        what,
        max,
        weight_max: usize::MAX,
        weigh: |_| 1,
        element: PhantomData,
    })
}

struct List<T> {
    what: &'static str,
    max: usize,
    /// Limit of the sum of what `weigh` says of each element.
    weight_max: usize,
    weigh: fn(&T) -> usize,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} {}", self.max, self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let expected = list.size_hint().unwrap_or(0);
        if expected > self.max {
            return Err(self.too_many(expected));
        }
        let mut elements = Vec::with_capacity(expected.min(TRUSTED_LENGTH));
        let mut weight = 0_usize;
        while let Some(element) = list.next_element()? {
            weight = weight.saturating_add((self.weigh)(&element));
            if elements.len() >= self.max {
                return Err(self.too_many("more"));
            }
            if weight > self.weight_max {
                return Err(Error::custom(format_args!(
                    "expected {} with at most {} fields and attributes in all, found more",
                    self.what, self.weight_max
                )));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

impl<T> List<T> {
    fn too_many<E: Error>(&self, found: impl fmt::Display) -> E {
        let Self { what, max, .. } = self;
        E::custom(format_args!("expected at most {max} {what}, found {found}"))
    }
}

pub(super) fn graphs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Declaration>, D::Error> {
    deserializer.deserialize_seq(List {
        what: "graphs",
        max: GRAPHS_MAX,
        weight_max: DECLARED_MAX,
        weigh: |graph: &Declaration| {
            let fields = graph.fields.iter().map(|field| 1 + field.attributes.len());
            1 + graph.attributes.len() + fields.sum::<usize>()
        },
        element: PhantomData,
    })
}

pub(super) fn series<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    bounded(deserializer, "series", SERIES_MAX)
}

pub(super) fn samples<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    bounded(deserializer, "samples", SAMPLES_MAX)
}

pub(super) fn runs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RunReport>, D::Error> {
    bounded(deserializer, "runs", RUNS_MAX)
}

pub(super) fn verdicts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<VerdictReport>, D::Error> {
    bounded(deserializer, "verdicts", VERDICTS_MAX)
}

pub(super) fn gone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Gone>, D::Error> {
    bounded(deserializer, "things that are gone", GONE_MAX)
}

pub(super) fn problems<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Problem>, D::Error> {
    bounded(deserializer, "problems of a run", PROBLEMS_MAX)
}
