//! What happened in the time of a picture, as marks: incidents and downtimes, and what a threshold that is tried would
//! have told. Strips along the top of the plot leave the numbers alone; a downtime shades the plot, too.

use ravenry_plugins::timestamp::Timestamp;

/// Something that lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// Since when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// What it was.
    pub kind: EventKind,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was announced that things would not be well.
    Downtime,
    /// A check could not be judged.
    Unknown,
    /// A check was in warning.
    Warning,
    /// A check was critical.
    Critical,
    /// A threshold that is tried would have told a warning.
    TriedWarning,
    /// It would have told a critical problem.
    TriedCritical,
}

/// How high a strip is; the worse, the higher, so that it is not told by colour alone.
const HIGH: f32 = 6.0;
const LOW: f32 = 3.0;
/// Where the strip of what is tried begins, below that of what happened.
const TRIED_TOP: f32 = 8.0;

/// Where a kind's strip is, from the plot's upper edge: top and height.
pub(super) const fn strip(kind: EventKind) -> (f32, f32) {
    match kind {
        EventKind::Downtime | EventKind::Unknown | EventKind::Warning => (0.0, LOW),
        EventKind::Critical => (0.0, HIGH),
        EventKind::TriedWarning => (TRIED_TOP, LOW),
        EventKind::TriedCritical => (TRIED_TOP, HIGH),
    }
}

/// What the legend says of such marks, once each.
pub(super) fn notes(events: &[Event]) -> Vec<String> {
    let is_there = |of: fn(EventKind) -> bool| events.iter().any(|event| of(event.kind));
    let happened = |kind| {
        matches!(
            kind,
            EventKind::Unknown | EventKind::Warning | EventKind::Critical
        )
    };
    let tried = |kind| matches!(kind, EventKind::TriedWarning | EventKind::TriedCritical);
    let notes = [
        (is_there(happened), "strip at the top: incidents"),
        (
            is_there(|kind| kind == EventKind::Downtime),
            "shaded: downtime",
        ),
        (
            is_there(tried),
            "strip below: what the tried threshold would have told",
        ),
    ];
    let notes = notes.into_iter().filter(|(is_there, _)| *is_there);
    notes.map(|(_, note)| note.to_owned()).collect()
}
