//! Escalation by time: who is told when nobody acknowledges, and how somebody came to be told. Plain values; pure.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::notice::words;
use crate::rule::ContactName;
use crate::severity::Severity;

/// What happens while nobody acknowledges an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Its name, as the configuration says it.
    pub name: String,
    /// Whom it reaches when.
    pub steps: Vec<Step>,
}

/// Further people, after a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counted from when the problem was there to be told, and nobody had acknowledged it.
    pub after: Duration,
    /// Who, contacts or rotas.
    pub contacts: Vec<ContactName>,
    /// Of which severities; `None` is all.
    pub severities: Option<Vec<Severity>>,
}

/// How somebody came to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The route names them.
    #[default]
    Route,
    /// They were on call in a rota that the route names.
    OnCall {
        /// Which rota.
        rota: ContactName,
    },
    /// Nobody acknowledged it for so long.
    Escalated {
        /// How long.
        after: Duration,
    },
}

impl Via {
    /// Whether there is nothing to say about it.
    #[must_use]
    pub fn is_route(&self) -> bool {
        *self == Self::Route
    }
}

impl fmt::Display for Via {
    /// One clause: `on call in oncall`, `nobody acknowledged it for 15m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route => f.write_str("by its route"),
            Self::OnCall { rota } => write!(f, "on call in {rota}"),
            Self::Escalated { after } => write!(f, "nobody acknowledged it for {}", words(*after)),
        }
    }
}
