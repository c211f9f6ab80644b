//! What `ravenry` asks a running collector to do: only who can read the data directory may.
//!
//! The collector writes a secret to `admin.token` in its data directory, readable by its user alone; the command line
//! sends it along with `POST /api/v1/admin/...`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::keeper::Keeper;
use crate::refusal::refusal;
use crate::{secret, token};

const NAME: &str = "admin.token";
/// What the endpoints need.
#[derive(Clone)]
pub struct Admin {
    secret_hash: [u8; 32],
    keeper: Arc<Keeper>,
}

impl Admin {
    /// Reads the secret in the data directory, or draws one and writes it there. A full disk is no obstacle once there is
    /// one.
    ///
    /// # Errors
    /// When there is none and the directory cannot be written.
    pub fn new(data: &Path, keeper: Arc<Keeper>) -> io::Result<Self> {
        Ok(Self {
            secret_hash: token::hash(&secret_or_new(data)?),
            keeper,
        })
    }
}

/// The secret of `data`, drawn and written there when there is none.
///
/// # Errors
/// When there is none and the directory cannot be written.
pub fn secret_or_new(data: &Path) -> io::Result<String> {
    secret::keep(data, NAME)
}

/// The secret of the collector that works in `data`.
///
/// # Errors
/// When this user may not read it.
pub fn secret(data: &Path) -> io::Result<String> {
    fs::read_to_string(data.join(NAME))
}

/// The routes.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/api/v1/admin/flush", post(flush))
        .with_state(admin)
}

impl Admin {
    /// Whether a request bears the secret.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let header = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        header
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|secret| bool::from(token::hash(secret).ct_eq(&self.secret_hash)))
    }
}

/// Writes everything that is pending to the history files.
async fn flush(State(admin): State<Admin>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    if !admin.is_known(&headers) {
        let error = "expected the secret of admin.token in the data directory";
        return refusal(StatusCode::UNAUTHORIZED, error);
    }
    match admin.keeper.flush().await {
        Ok(report) => {
            let answer = json!({
                "files": report.files, "rows": report.rows, "unwritten": report.unwritten,
                "problems": report.problems,
            });
            (StatusCode::OK, Json(answer))
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

/// A client for the routes: it talks to this machine only.
///
/// # Errors
/// When the HTTP client cannot be set up.
pub fn client() -> anyhow::Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(120))
        .build()?)
}
