//! Who asks: what they may do, and under which name it is remembered.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::access::{ApiToken, User};
use crate::refusal::Refusal;

/// The header in which somebody with the secret of the data directory, or without accounts anybody on this machine, says
/// who they are.
pub const AUTHOR: &str = "ravenry-author";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See everything, change nothing.
    Viewer,
    /// Acknowledge, plan downtimes, comment.
    Operator,
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            _ => Err(format!("expected viewer or operator, found {text:?}")),
        }
    }
}

/// Who asks: an extension of every request that [`crate::access`] let through, and an extractor of handlers. A handler of
/// a method that changes something gets operators only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account's name, `token NAME` for a script, what [`AUTHOR`] says where no account is needed.
    pub name: String,
    /// What may be done.
    pub role: Role,
}

impl Actor {
    /// Somebody on this machine who may all, and says a name or not.
    pub(crate) fn local(headers: &HeaderMap) -> Self {
        let author = headers
            .get(AUTHOR)
            .and_then(|name| std::str::from_utf8(name.as_bytes()).ok())
            .map(str::trim)
            .filter(|name| !name.is_empty());
        Self {
            name: author
                .unwrap_or("somebody on the collector's machine")
                .to_owned(),
            role: Role::Operator,
        }
    }

    pub(crate) fn user(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            role: user.role,
        }
    }

    pub(crate) fn token(token: &ApiToken) -> Self {
        Self {
            name: format!("token {}", token.name),
            role: token.role,
        }
    }

    /// Whether anything may be changed.
    #[must_use]
    pub fn may_act(&self) -> bool {
        match self.role {
            Role::Viewer => false,
            Role::Operator => true,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Refusal::SignIn.into_response())
    }
}
