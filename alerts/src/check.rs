//! The name of a check: something with a severity.

use std::fmt;

use ravenry_plugins::name::{HostName, SeriesName};
use serde::{Deserialize, Serialize};

/// What a check is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckName {
    /// A host's liveness: whether anything is heard of it.
    Host(HostName),
    /// A field with thresholds.
    Field(SeriesName),
}

impl CheckName {
    /// The host that the check belongs to.
    #[must_use]
    pub fn host(&self) -> &HostName {
        match self {
            Self::Host(host) => host,
            Self::Field(series) => &series.host,
        }
    }
}

impl fmt::Display for CheckName {
    /// `host` or `host/graph/field`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host}"),
            Self::Field(series) => write!(f, "{series}"),
        }
    }
}
