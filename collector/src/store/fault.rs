//! What can be wrong with what a data directory holds, what it means for a person, and what is done about it. Pure.

use std::fmt;

use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::mend::Change;

use super::layout::Shape;

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is something else where a history file should be.
    NoFile {
        /// `a link`, `a directory`.
        found: &'static str,
    },
    /// It cannot be read.
    Unreadable(String),
    /// The collector's user may not read and write it.
    Mode(u32),
    /// Its header makes no sense, and nothing of it can be saved.
    Damaged(String),
    /// It is damaged, and this would set it right.
    Mendable(Vec<Change>),
    /// It was written by a clock that was ahead: nothing is taken before that time has come.
    Future(Timestamp),
    /// It has columns that nobody knows of.
    UnknownSources(Vec<String>),
    /// It keeps other rows than the configuration and its plugin say.
    OtherRows {
        /// What it keeps, in words.
        have: String,
        /// What it should, in words.
        want: String,
        /// What it should.
        shape: Shape,
    },
    /// No graph of that name is known.
    Unclaimed,
    /// A file that was being made when the collector ended.
    Leftover,
    /// A file that could not be used, and was set aside.
    SetAside {
        /// Whether it could be used now.
        is_sound: bool,
        /// Where it belongs, when there is nothing now.
        place: Option<String>,
    },
    /// Nothing of ours.
    Stray,
    /// The graph is known and has history, and its file is not there.
    Gone,
    /// A journal segment that cannot be read to its end.
    Journal(String),
    /// Readings that the next start, or the next checkpoint, writes.
    Waiting {
        /// Batches in the journal.
        batches: u64,
    },
    /// Files that the next start writes again.
    Redo {
        /// How many.
        files: u64,
    },
    /// The state database.
    State(String),
}

impl Fault {
    /// Whether it is wrong; what is not is only worth knowing.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::OtherRows { .. } | Self::Unclaimed | Self::Waiting { .. } | Self::Redo { .. } => {
                false
            }
            Self::NoFile { .. }
            | Self::Unreadable(_)
            | Self::Mode(_)
            | Self::Damaged(_)
            | Self::Mendable(_)
            | Self::Future(_)
            | Self::UnknownSources(_)
            | Self::Leftover
            | Self::SetAside { .. }
            | Self::Stray
            | Self::Gone
            | Self::Journal(_)
            | Self::State(_) => true,
        }
    }

    /// Whether a collector at work may be about to make it right.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::UnknownSources(_)
            | Self::Leftover
            | Self::Gone
            | Self::Journal(_)
            | Self::Unreadable(_)
            | Self::Unclaimed => true,
            Self::NoFile { .. }
            | Self::Mode(_)
            | Self::Damaged(_)
            | Self::Mendable(_)
            | Self::Future(_)
            | Self::OtherRows { .. }
            | Self::SetAside { .. }
            | Self::Stray
            | Self::Waiting { .. }
            | Self::Redo { .. }
            | Self::State(_) => false,
        }
    }

    /// Its name for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoFile { .. } => "no_file",
            Self::Unreadable(_) => "unreadable",
            Self::Mode(_) => "mode",
            Self::Damaged(_) => "damaged",
            Self::Mendable(_) => "mendable",
            Self::Future(_) => "future",
            Self::UnknownSources(_) => "unknown_sources",
            Self::OtherRows { .. } => "other_rows",
            Self::Unclaimed => "unclaimed",
            Self::Leftover => "leftover",
            Self::SetAside { .. } => "set_aside",
            Self::Stray => "stray",
            Self::Gone => "gone",
            Self::Journal(_) => "journal",
            Self::Waiting { .. } => "waiting",
            Self::Redo { .. } => "redo",
            Self::State(_) => "state",
        }
    }

    /// What `ravenry store repair` would do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::NoFile { .. } | Self::Damaged(_) => Some(Remedy::SetAside),
            Self::Mode(_) => Some(Remedy::Permit),
            Self::Mendable(_) => Some(Remedy::Mend),
            Self::Future(_) => Some(Remedy::Rewind),
            Self::Leftover => Some(Remedy::Remove),
            Self::SetAside {
                is_sound: true,
                place: Some(place),
            } => Some(Remedy::MoveBack(place.clone())),
            Self::SetAside { .. }
            | Self::Unreadable(_)
            | Self::UnknownSources(_)
            | Self::OtherRows { .. }
            | Self::Unclaimed
            | Self::Stray
            | Self::Gone
            | Self::Journal(_)
            | Self::Waiting { .. }
            | Self::Redo { .. }
            | Self::State(_) => None,
        }
    }
}

/// What is done about a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It gets another name; a new file is begun when there is something to write.
    SetAside,
    /// Its owner may read and write it.
    Permit,
    /// What is sound of it is kept.
    Mend,
    /// What it has of the future is left out.
    Rewind,
    /// It is removed.
    Remove,
    /// It gets its name back.
    MoveBack(String),
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAside => f.write_str("set it aside; its history begins anew"),
            Self::Permit => f.write_str("let its owner read and write it"),
            Self::Mend => f.write_str("keep what is sound of it"),
            Self::Rewind => f.write_str("leave out what it has of the future"),
            Self::Remove => f.write_str("remove it"),
            Self::MoveBack(place) => write!(f, "move it back to {place}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile { found } => write!(f, "expected a file, found {found}"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Mode(mode) => write!(f, "its owner may not read and write it: mode {mode:03o}"),
            Self::Damaged(why) => write!(f, "damaged: {why}"),
            Self::Mendable(changes) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                write!(f, "damaged, but can be mended: {}", changes.join("; "))
            }
            Self::Future(last_update) => write!(
                f,
                "its last update, {}, is in the future: until then all readings are late",
                date(*last_update)
            ),
            Self::UnknownSources(names) => write!(
                f,
                "data sources that the graph does not have: {}",
                names.join(", ")
            ),
            Self::OtherRows { have, want, .. } => write!(
                f,
                "keeps {have}, and should keep {want} (`ravenry store reshape`)"
            ),
            Self::Unclaimed => {
                f.write_str("no graph of that name is known; who pushes it continues this file")
            }
            Self::Leftover => f.write_str("left over: it was being made when the collector ended"),
            Self::SetAside { is_sound, place } => {
                let sound = if *is_sound {
                    "it can be read"
                } else {
                    "it cannot be used"
                };
                let begun = match place {
                    Some(_) => "nothing has taken its place",
                    None => "a new one was begun: remove this one when you do not need it",
                };
                write!(f, "set aside by the collector: {sound}; {begun}")
            }
            Self::Stray => f.write_str("nothing that Ravenry puts there"),
            Self::Gone => f.write_str("the graph is known, and its history is gone"),
            Self::Journal(why) => f.write_str(why),
            Self::Waiting { batches } => write!(
                f,
                "{batches} batches are not in the files yet: the collector, or its next start, writes them"
            ),
            Self::Redo { files } => write!(
                f,
                "{files} files were being written when the collector ended: its next start writes them again"
            ),
            Self::State(why) => f.write_str(why),
        }
    }
}

/// A time for people, in UTC.
fn date(time: Timestamp) -> String {
    chrono::DateTime::from_timestamp(time.seconds(), 0).map_or_else(
        || time.to_string(),
        |date| date.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}
