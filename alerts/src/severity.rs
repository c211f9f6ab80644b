//! How bad a check is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check says. The order is by how urgently a person is wanted: ok, unknown, warning, critical.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Within its thresholds.
    #[default]
    Ok,
    /// It cannot be told: the reading is unknown or there is none.
    Unknown,
    /// Outside the warning range.
    Warning,
    /// Outside the critical range.
    Critical,
}

impl Severity {
    /// All of them, best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Warning, Self::Critical];

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Whether it cannot be told.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Lowercase, as in the configuration and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known of a host as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// Nothing has been heard of it yet.
    #[default]
    Pending,
    /// Heard of in time.
    Up,
    /// Silent for longer than its freshness.
    Down,
    /// Silent, and so is everything it is reached through.
    Unreachable,
}

impl fmt::Display for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Up => "up",
            Self::Down => "down",
            Self::Unreachable => "unreachable",
        })
    }
}
