//! What the journal holds: a batch as it was taken, and when it arrived.

use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{self, Batch, Tables};
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

    /// The same bytes for a batch that came as MessagePack and of which nothing was refused: `packed` as it came.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_packed(received: Timestamp, packed: &[u8]) -> Result<Vec<u8>, String> {
        let received = rmp_serde::to_vec(&received)
            .map_err(|error| format!("time cannot be encoded: {error}"))?;
        let mut bytes =
            Vec::with_capacity(RECEIVED.len() + received.len() + BATCH.len() + packed.len());
        bytes.extend_from_slice(RECEIVED);
        bytes.extend_from_slice(&received);
        bytes.extend_from_slice(BATCH);
        bytes.extend_from_slice(packed);
        Ok(bytes)
    }

    /// The reverse of both; `tables` are those of the entries before.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8], tables: &Tables) -> Result<Self, String> {
        if let Some(entry) = Self::unpack(bytes, tables) {
            return Ok(entry);
        }
        rmp_serde::from_slice(bytes)
            .map_err(|error| format!("journal entry cannot be read: {error}"))
    }

    fn unpack(bytes: &[u8], tables: &Tables) -> Option<Self> {
        let rest = bytes.strip_prefix(RECEIVED)?;
        let length = match rest.first()? {
            0xce => 5,
            0xcb | 0xcf => 9,
            _ => return None,
        };
        let (received, rest) = rest.split_at_checked(length)?;
        let received = rmp_serde::from_slice(received).ok()?;
        let batch = wire::unpack(rest.strip_prefix(BATCH)?, tables)?;
        Some(Self { received, batch })
    }
}

/// How an entry begins as MessagePack: a map of two, with the time as the value of the first.
const RECEIVED: &[u8] = b"\x82\xa8received";
/// What stands between the time and the batch.
const BATCH: &[u8] = b"\xa5batch";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_an_entry_are_the_same_bytes() {
        let json = r#"{"version":1,"host":"a","series":{"graph":["g"],"field":["f"]},
            "samples":{"series":[0],"time":[1700000000],"value":[1.5]}}"#;
        let batch: Batch = serde_json::from_str(json).unwrap();
        let packed = wire::encode(&batch, wire::Encoding::MessagePack);
        for micros in [1_700_000_000_000_000, 1_700_000_000_250_000] {
            let received = Timestamp::from_micros(micros);
            let entry = Entry {
                received,
                batch: batch.clone(),
            };
            let bytes = Entry::encode_packed(received, &packed).unwrap();
            assert_eq!(bytes, entry.encode().unwrap());
            assert_eq!(
                Entry::unpack(&bytes, &Tables::default()),
                Some(entry.clone())
            );
            assert_eq!(Entry::decode(&bytes, &Tables::default()), Ok(entry));
        }
    }
}
