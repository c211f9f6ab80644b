//! What a page's address says behind the `?`: all of a page's state. A link differs from it in one thing, and a form
//! carries the rest along.

use std::fmt;

use crate::pages::show;

/// Names with their values, each once, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address(Vec<(&'static str, String)>);

impl Address {
    /// With `name` set; an empty value takes it away.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        let mut pairs = self.0.clone();
        match pairs.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => *have = value,
            None => pairs.push((name, value)),
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs)
    }

    /// With all of these set.
    pub(crate) fn with_all(&self, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let set = |address: Self, (name, value)| address.with(name, value);
        pairs.into_iter().fold(self.clone(), set)
    }

    /// Without any of `names`.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(name));
        Self(kept.cloned().collect())
    }

    /// What is behind the `?`.
    pub(crate) fn query(&self) -> String {
        let pair = |(name, value): &(&str, String)| format!("{name}={}", show::path_segment(value));
        self.0.iter().map(pair).collect::<Vec<String>>().join("&")
    }

    /// For the hidden fields of a form.
    pub(crate) fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// With the `?`, which alone leads to the page without any of it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "?{}", self.query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_differs_in_one_thing() {
        let here = Address::default()
            .with("start", "-3600")
            .with("hide", "a,b");
        let check = |address: Address, expect: &str| assert_eq!(address.to_string(), expect);
        check(here.with("hide", "a b"), "?start=-3600&hide=a%20b");
        check(here.with("hide", ""), "?start=-3600");
        check(here.without(&["start", "end"]), "?hide=a%2Cb");
        check(here.without(&["start", "hide"]), "?");
    }
}
