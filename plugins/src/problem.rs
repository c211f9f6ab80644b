//! Bad input from outside: what is wrong and where. A problem costs the line it is about, not the lines beside it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with an input: where, and in one sentence what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where the input came from: a path, or `config` or `fetch` for a plugin's output.
    pub source: String,
    /// 1-based line of the source; 0 when it is about the source as a whole.
    pub line: u32,
    /// Lowercase, names the thing, what was expected and what was found.
    pub text: String,
}

impl Problem {
    /// A problem at `source:line`.
    pub fn new(source: impl Into<String>, line: u32, text: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.source, self.text),
            line => write!(f, "{}:{line}: {}", self.source, self.text),
        }
    }
}
