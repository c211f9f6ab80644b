//! `[push]`: where pushes are taken besides the address of the pages.

use std::net::SocketAddr;

use ravenry_plugins::settings::Section;

use super::http::parse_listen;

/// How agents reach the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// `listen`: an address and port for pushes and enrolment alone.
    pub listen: Option<SocketAddr>,
}

impl Push {
    /// The settings that differ from those of `running` and are read at a start only.
    pub(super) fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self { listen } = self;
        super::changed([("push.listen", *listen != running.listen)])
    }

    /// Takes what the section says.
    pub fn read(&mut self, section: &mut Section<'_, '_>) {
        if let Some(listen) = section.parsed_by("listen", parse_listen) {
            self.listen = Some(listen);
        }
    }
}
