//! What the program that serves the pages may choose.

use chrono_tz::Tz;
use ravenry_alerts::link::AckLinks;

/// Choices with defaults that need no thought.
#[derive(Clone, Debug)]
pub struct Options {
    /// The word at the top of every page.
    pub title: String,
    /// The zone in which times are shown to a browser that has not said where it is.
    pub zone: Tz,
    /// Memory for drawn pictures; the least recently used give way.
    pub picture_cache_bytes: usize,
    /// Knows the links in notices by which incidents are acknowledged.
    pub ack_links: Option<AckLinks>,
    /// Questions and drawings that run at the same time, each on a blocking thread.
    pub working_max: usize,
    /// Requests that wait for one of these; more are answered with 503.
    pub waiting_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            title: "Ravenry".to_owned(),
            zone: Tz::UTC,
            picture_cache_bytes: 32 << 20,
            ack_links: None,
            working_max: cores.clamp(2, 16),
            waiting_max: 512,
        }
    }
}
