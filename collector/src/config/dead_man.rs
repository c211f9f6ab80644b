//! `[dead_man]`: the address that is called for as long as the collector and its delivery work.

use std::time::Duration;

use ravenry_plugins::settings::Section;

use super::http::parse_url;

/// What is called, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMan {
    /// `url`, which may hold a secret.
    pub url: String,
    /// `every`: the time between two calls.
    pub every: Duration,
    /// `patience`: a notice that waits for longer than this means that delivery does not work.
    pub patience: Duration,
}

/// A notice may wait for as long as this, where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Takes what the section says; nothing without a `url`.
pub(super) fn read(section: &mut Section<'_, '_>) -> Option<DeadMan> {
    let url = section.parsed_by("url", parse_url);
    let day = Duration::from_secs(86_400);
    let every = section.duration("every", Duration::from_secs(1)..=day);
    let patience = section.duration("patience", Duration::from_secs(30)..=day);
    if url.is_none() && !section.has_problems() {
        let text = "expected the address that is to be called, found none";
        section.report(&section.span(), "url", text);
    }
    Some(DeadMan {
        url: url?,
        every: every.unwrap_or(Duration::from_secs(60)),
        patience: patience.unwrap_or(PATIENCE),
    })
}
