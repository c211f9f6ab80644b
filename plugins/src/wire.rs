//! The wire form of a push, version 1: `POST /api/v1/push` with a [`Batch`] as MessagePack (named) or JSON.
//!
//! Samples are columns and name their series by index, so that a name travels once a batch however many readings it has.
//! [`encode`] and [`decode`] are the only ways to and from bytes; what arrives is hostile until `decode` has taken it.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;
use crate::nagios::Verdict;
use crate::name::{FieldName, GraphName, HostName};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::timestamp::Timestamp;

mod bounded;
mod codec;
mod pack;

pub(crate) use bounded::bounded;
pub use codec::{Encoding, Limits, Received, WireError, decode, encode, gzip, receive, unpack};
pub use pack::Tables;

/// Graphs that one batch declares at most; an agent with more sends them over several batches.
pub const GRAPHS_MAX: usize = 5_000;
/// Fields of one graph at most.
pub const FIELDS_MAX: usize = 1_000;
/// Attributes of one graph or field at most.
pub const ATTRIBUTES_MAX: usize = 100;
/// Graphs, fields and attributes that one batch declares at most, all together.
pub const DECLARED_MAX: usize = 500_000;
/// Series of one batch at most.
pub const SERIES_MAX: usize = 50_000;
/// Samples of one batch at most.
pub const SAMPLES_MAX: usize = 100_000;
/// Runs that one batch reports at most.
pub const RUNS_MAX: usize = 5_000;
/// Verdicts of one batch at most.
pub const VERDICTS_MAX: usize = 5_000;
/// Things that one batch says are gone, at most.
pub const GONE_MAX: usize = 50_000;
/// Bytes of what a check says for people at most, all its lines together.
pub const VERDICT_TEXT_BYTES_MAX: usize = 4 << 10;
/// Bytes of an agent's id or a plugin's name at most.
pub const ID_BYTES_MAX: usize = 255;

/// The only version there is.
pub const VERSION: u32 = 1;

/// What an agent (or curl) pushes at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// [`VERSION`]; any other number is refused.
    pub version: u32,
    /// The host that the batch is about, unless a series says otherwise.
    pub host: HostName,
    /// By which a batch that arrives twice is known; without it samples are known by (series, time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Graphs that are new or changed, and all of them after a start.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::graphs"
    )]
    pub graphs: Vec<Declaration>,
    /// The series that `samples` refers to; batches that have the same ones share them.
    #[serde(default, with = "table")]
    pub series: Arc<Series>,
    /// The readings.
    #[serde(default)]
    pub samples: Samples,
    /// How the plugins ran that this batch stems from.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::runs"
    )]
    pub runs: Vec<RunReport>,
    /// What Nagios checks found.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::verdicts"
    )]
    pub verdicts: Vec<VerdictReport>,
    /// What the agent had and has no more, as when a plugin was removed: it is not missed.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::gone"
    )]
    pub gone: Vec<Gone>,
}

/// Something that is there no more. Readings that come all the same bring it back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gone {
    /// The host that it was of, where that is not the batch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// What it was.
    pub what: GoneWhat,
}

/// What can be gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoneWhat {
    /// A graph with all its fields; its history stays.
    Graph(GraphName),
    /// A Nagios check.
    Check(GraphName),
    /// A plugin, of whose runs nothing more will be heard.
    Plugin(String),
}

/// Identity of a batch: the same key is the same batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The agent's own id, drawn when it first starts and kept in its state directory.
    pub agent: String,
    /// Counts the agent's starts.
    pub incarnation: u64,
    /// Counts batches within an incarnation, from 1.
    pub sequence: u64,
}

/// Columns of equal length: the series of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Graph of each series.
    #[serde(default, deserialize_with = "bounded::series")]
    pub graph: Vec<GraphName>,
    /// Field of each series.
    #[serde(default, deserialize_with = "bounded::series")]
    pub field: Vec<FieldName>,
    /// Host of each series where it is not the batch's; empty when all are.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::series"
    )]
    pub host: Vec<Option<HostName>>,
}

impl Series {
    /// The same table with each name once in memory, however many series have it.
    #[must_use]
    pub(crate) fn with_shared_names(mut self) -> Self {
        fn share<N: Clone + Eq + std::hash::Hash>(names: &mut [N]) {
            let mut known: HashSet<N> = HashSet::new();
            for name in names {
                match known.get(name) {
                    Some(same) => *name = same.clone(),
                    None => drop(known.insert(name.clone())),
                }
            }
        }
        share(&mut self.graph);
        share(&mut self.field);
        share(&mut self.host);
        self
    }
}

/// A table of series as the other columns are written and read.
mod table {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Series;

    pub(super) fn serialize<S: Serializer>(
        series: &Arc<Series>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Series::serialize(series, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Series>, D::Error> {
        Series::deserialize(deserializer).map(Arc::new)
    }
}

/// Columns of equal length: the samples of a batch, times of one series in increasing order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Index into [`Series`].
    #[serde(default, deserialize_with = "bounded::samples")]
    pub series: Vec<u32>,
    /// When it was read.
    #[serde(default, deserialize_with = "bounded::samples")]
    pub time: Vec<Timestamp>,
    /// What was read; null is unknown.
    #[serde(default, deserialize_with = "bounded::samples")]
    pub value: Vec<Reading>,
}

/// How one run of a plugin went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The plugin's name in its directory.
    pub plugin: String,
    /// When it was started.
    pub time: Timestamp,
    /// How long it took.
    pub duration_seconds: f64,
    /// Nothing when it went well, else one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Lines of its output that were not understood; at most [`PROBLEMS_MAX`].
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::problems"
    )]
    pub problems: Vec<Problem>,
}

/// What a Nagios check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReport {
    /// The host that was checked, where it is not the batch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The check's name on that host.
    pub check: GraphName,
    /// When it was made.
    pub time: Timestamp,
    /// What it found.
    pub verdict: Verdict,
    /// What it says for people, its first line first; at most [`VERDICT_TEXT_BYTES_MAX`].
    #[serde(default)]
    pub text: String,
    /// How often it is made; nothing where no further one is expected (a verdict pushed by hand).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<f64>,
}

/// Problems that a run reports at most; the rest are counted in the last one's text.
pub const PROBLEMS_MAX: usize = 20;

/// What the collector answers: 200 when the batch is on stable storage (or was before).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Samples taken.
    #[serde(default)]
    pub accepted: u64,
    /// Samples and graphs refused, each counted; the first few are named in `problems`.
    #[serde(default)]
    pub refused: u64,
    /// Whether this key had been seen: nothing was changed.
    #[serde(default)]
    pub duplicate: bool,
    /// Graphs that the collector has no declaration of: send them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<GraphName>,
    /// What was wrong, one sentence each, at most [`PROBLEMS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
