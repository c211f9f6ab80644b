//! Pushes as a person with curl, or an agent, would make them in JSON.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http::{self, Answer};

/// Who pushes where.
#[derive(Clone, Debug)]
pub struct Pusher {
    /// The collector.
    pub address: SocketAddr,
    /// What it knows the pusher by.
    pub token: String,
}

impl Pusher {
    /// Pushes JSON.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn push(&self, batch: &Value) -> io::Result<Answer> {
        self.send("application/json", &[], batch.to_string().as_bytes())
    }

    /// Pushes bytes of any kind.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn send(
        &self,
        content_type: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![
            ("authorization", bearer.as_str()),
            ("content-type", content_type),
        ];
        all.extend_from_slice(headers);
        http::send(self.address, "POST", "/api/v1/push", &all, body)
    }
}

/// A batch of one gauge, field `value` of `graph`, in rows of `step` seconds.
#[must_use]
pub fn gauge(host: &str, graph: &str, step: u32, samples: &[(i64, f64)]) -> Value {
    let step = step.to_string();
    let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    json!({
        "version": 1,
        "host": host,
        "graphs": [{
            "graph": graph,
            "attributes": [["graph_title", graph], ["update_rate", step]],
            "fields": [{"field": "value"}],
        }],
        "series": {"graph": [graph], "field": ["value"]},
        "samples": {"series": vec![0; times.len()], "time": times, "value": values},
    })
}

/// The same batch with a key, by which it is known when it comes again.
#[must_use]
pub fn keyed(mut batch: Value, agent: &str, incarnation: u64, sequence: u64) -> Value {
    batch["key"] = json!({"agent": agent, "incarnation": incarnation, "sequence": sequence});
    batch
}
