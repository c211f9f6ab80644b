//! What a request says in its path and behind the `?`. Each part is checked; what is wrong is named with what was
//! expected and what was found, and a parameter that nothing reads is an error, not ignored.

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use crate::refusal::Refusal;

/// The query of a request; each `take` removes a parameter, [`Parameters::finish`] refuses the rest.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| {
                let query = parts.uri.query().unwrap_or_default();
                Refusal::parameter("query", "name=value pairs joined by '&'", query)
            })
    }
}

impl Parameters {
    /// The value of `name` as `parse` understands it; `None` when it is not given.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(at) = self.0.iter().position(|(have, _)| have == name) else {
            return Ok(None);
        };
        let (_, text) = self.0.remove(at);
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Refusal::parameter(name, expected, &text)),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn take_number(
        &mut self,
        name: &str,
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, Refusal> {
        let expected = format!("a whole number from {least} to {most}");
        self.take(name, &expected, |text| {
            text.parse().ok().filter(|n| (least..=most).contains(n))
        })
    }

    /// A time: UTC seconds, `now`, or seconds before now with a minus.
    pub(crate) fn take_time(
        &mut self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let expected = "UTC seconds since 1970, or -N for N seconds ago, or now";
        self.take(name, expected, |text| {
            if text == "now" {
                return Some(Timestamp::from_seconds(now.seconds()));
            }
            let seconds: i64 = text.parse().ok()?;
            let time = if text.starts_with('-') {
                now.seconds().checked_add(seconds)?
            } else {
                seconds
            };
            Timestamp::from_seconds_f64(time as f64)
        })
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self, known: &str) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, value)) => {
                let name = name.chars().take(80).collect::<String>();
                Err(Refusal::parameter(name, known, value))
            }
        }
    }
}

/// The parts of a path that stand for `{name}`, decoded.
pub(crate) struct Segments(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::NoPage(parts.uri.path().to_owned()))?;
        Ok(Self(
            raw.iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}

impl Segments {
    /// The part `{name}`, empty when the route has none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map_or("", |(_, value)| value)
    }

    /// The part `{host}`. What cannot be a host's name is a host that does not exist.
    pub(crate) fn host(&self) -> Result<HostName, Refusal> {
        let text = self.text("host");
        HostName::new(text).map_err(|_| Refusal::NoHost(text.chars().take(80).collect()))
    }

    /// The parts `{graph}` and `{field}`.
    pub(crate) fn series(&self) -> Result<(GraphName, FieldName), Refusal> {
        let (graph, field) = (self.text("graph"), self.text("field"));
        match (GraphName::new(graph), FieldName::new(field)) {
            (Ok(graph), Ok(field)) => Ok((graph, field)),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => {
                let name: String = format!("{graph}/{field}").chars().take(160).collect();
                Err(Refusal::NothingStored(format!(
                    "no field {name:?} on any host"
                )))
            }
        }
    }

    /// The parts `{host}` and `{graph}`.
    pub(crate) fn graph(&self) -> Result<(HostName, GraphName), Refusal> {
        let host = self.host()?;
        let text = self.text("graph");
        match GraphName::new(text) {
            Ok(graph) => Ok((host, graph)),
            Err(_) => Err(Refusal::NoGraph {
                host,
                graph: text.chars().take(80).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(text: &str) -> Parameters {
        Parameters(
            text.split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn times_are_absolute_or_relative() {
        let now = Timestamp::from_seconds(1000);
        let check = |text: &str, expect: Option<i64>| {
            let found = parameters(&format!("t={text}")).take_time("t", now);
            let found = found.ok().flatten().map(Timestamp::seconds);
            assert_eq!(found, expect, "{text}");
        };
        check("500", Some(500));
        check("-60", Some(940));
        check("now", Some(1000));
        check("-2000", None);
        check("1e3", None);
        check("", None);
        check("99999999999999999999", None);
        check("-9223372036854775808", None);
    }

    #[test]
    fn a_refusal_names_parameter_expected_and_found() {
        let error = parameters("width=9")
            .take_number("width", 100, 200)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter width: expected a whole number from 100 to 200, found \"9\""
        );
        let error = parameters("wdith=9").finish("width").unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter wdith: expected width, found \"9\""
        );
    }
}
