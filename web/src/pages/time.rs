//! The line with which the time that a page shows is chosen: links back, on, closer and wider, the usual stretches, and a
//! form for one's own. It works without the script, which adds dragging and keys on top of these links.

use ravenry_plugins::timestamp::Timestamp;

use crate::pages::address::Address;
use crate::pages::frame::Frame;
use crate::pages::show;
use crate::span::{Move, Span};

/// The usual stretches up to now, in seconds.
const LAST: [(&str, i64); 10] = [
    ("1 h", 3600),
    ("3 h", 3 * 3600),
    ("6 h", 6 * 3600),
    ("12 h", 12 * 3600),
    ("1 d", 86_400),
    ("2 d", 2 * 86_400),
    ("1 w", 7 * 86_400),
    ("1 m", 31 * 86_400),
    ("3 m", 92 * 86_400),
    ("1 y", 366 * 86_400),
];

/// What the template `time.html` shows.
#[derive(Clone, Debug)]
pub(crate) struct TimeLine {
    pub(crate) span: Option<Span>,
    /// From and to, as a browser's field for a local time writes them.
    pub(crate) fields: [String; 2],
    pub(crate) moves: Vec<Step>,
    pub(crate) last: Vec<Step>,
    /// The page without a stretch of its own.
    pub(crate) close: String,
    /// Parameters that stay as they are.
    pub(crate) keep: Vec<(&'static str, String)>,
}

/// A link.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) word: &'static str,
    /// By which the script finds it.
    pub(crate) name: &'static str,
    /// None where it leads nowhere.
    pub(crate) address: Option<String>,
    pub(crate) current: bool,
}

impl TimeLine {
    /// For a page whose address is `here`.
    pub(crate) fn of(span: Option<Span>, here: &Address, frame: &Frame, now: Timestamp) -> Self {
        let keep = here.without(&["start", "end"]);
        let with = |time: Vec<(&'static str, String)>| {
            Address::default()
                .with_all(time)
                .with_all(keep.pairs().to_vec())
                .to_string()
        };
        let step = |word, name, how| Step {
            word,
            name,
            address: span
                .and_then(|span| span.moved(how, now))
                .map(|span| with(span.pairs())),
            current: false,
        };
        let shown = span.map_or(
            [now - std::time::Duration::from_secs(86_400), now],
            |span| [span.start, span.end],
        );
        Self {
            fields: shown.map(|time| show::local_field(time, frame.zone)),
            moves: vec![
                step("◂ earlier", "earlier", Move::Earlier),
                step("later ▸", "later", Move::Later),
                step("zoom in", "closer", Move::Closer),
                step("zoom out", "wider", Move::Wider),
            ],
            last: LAST
                .iter()
                .map(|(word, seconds)| Step {
                    word,
                    name: "last",
                    address: Some(with(vec![("start", format!("-{seconds}"))])),
                    current: span.is_some_and(|span| span.is_last(*seconds)),
                })
                .collect(),
            close: with(Vec::new()),
            span,
            keep: keep.pairs().to_vec(),
        }
    }
}
