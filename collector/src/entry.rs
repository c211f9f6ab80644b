//! What the journal holds: a batch as it was taken, and when it arrived.

use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::Batch;
use serde::{Deserialize, Serialize};

/// One entry of the journal. Everything behind the journal is a function of its entries in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When the collector got it: what a host's last contact is.
    pub received: Timestamp,
    /// What was pushed, without what was refused.
    pub batch: Batch,
}

impl Entry {
    /// MessagePack with names, so that later versions read what earlier ones wrote.
    ///
    /// # Errors
    /// Does not happen for values that were decoded; the text names the cause.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        rmp_serde::to_vec_named(self).map_err(|error| format!("batch cannot be encoded: {error}"))
    }

    /// The reverse of [`Self::encode`].
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        rmp_serde::from_slice(bytes)
            .map_err(|error| format!("journal entry cannot be read: {error}"))
    }
}
