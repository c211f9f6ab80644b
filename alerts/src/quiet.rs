//! What people say so that they are not told: acknowledgements and downtimes. Plain values; pure.

use std::fmt;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::severity::Severity;

/// Somebody knows of an incident. It holds for what they knew: what becomes worse, or three times as wide, is told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub author: String,
    /// What they say.
    pub comment: String,
    /// How bad it was.
    pub severity: Severity,
    /// How many causes it had.
    pub scope: usize,
    /// It ends then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A time in which nobody is told of some checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Its number.
    pub id: u64,
    /// Of which host, by pattern.
    pub host: String,
    /// Of which of its checks, by pattern; `None` is the host and all its checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// From when.
    pub start: Timestamp,
    /// Until when; what is still wrong then is told.
    pub end: Timestamp,
    /// Who said so.
    pub author: String,
    /// Why.
    pub comment: String,
}

impl Downtime {
    /// Whether it is about this check at this time.
    #[must_use]
    pub fn covers(&self, name: &CheckName, now: Timestamp) -> bool {
        use ravenry_plugins::pattern::Pattern;
        if now < self.start || now >= self.end {
            return false;
        }
        if !Pattern::new(&self.host).matches(name.host().as_str()) {
            return false;
        }
        let check = self.check.as_ref().map(|check| Pattern::new(check));
        match (name, check) {
            (_, None) => true,
            (CheckName::Host(_), Some(_)) => false,
            (CheckName::Verdict(verdict), Some(check)) => check.matches(verdict.check.as_str()),
            (CheckName::Field(series), Some(check)) => check.matches(series.graph.as_str()),
        }
    }
}

impl fmt::Display for Downtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.check.as_deref().unwrap_or("everything");
        write!(f, "downtime {} of {what} on {}", self.id, self.host)
    }
}
