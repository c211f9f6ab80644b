//! How the collector's own routes say no: one sentence, and one word for programs, as the API does.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The answer with `status` that says why.
pub fn refusal(status: StatusCode, error: &str) -> (StatusCode, Json<Value>) {
    let code = code(status);
    (status, Json(json!({ "error": error, "code": code })))
}

/// What a status means here.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "bad_body",
        401 => "unknown_token",
        403 => "other_host",
        404 => "no_page",
        405 => "bad_method",
        408 => "too_slow",
        413 => "too_large",
        415 => "bad_type",
        503 => "busy",
        507 => "disk_full",
        _ => "broken",
    }
}
