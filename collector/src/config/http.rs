//! `[http]`: where pages, API and pushes are served.

use std::net::{Ipv4Addr, SocketAddr};

use ravenry_plugins::settings::Section;

/// How the collector is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `listen`: address and port.
    pub listen: SocketAddr,
    /// `url`: how people reach the pages, for links in notices; by default made of `listen`.
    pub url: Option<String>,
    /// `push_bytes_max`: a larger push is refused.
    pub push_bytes_max: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 4950).into(),
            url: None,
            push_bytes_max: 16 << 20,
        }
    }
}

impl Http {
    /// The settings that differ from those of `running` and are read at a start only. The others are in force at once.
    pub(super) fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self {
            listen,
            url: _,
            push_bytes_max,
        } = self;
        super::changed([
            ("http.listen", *listen != running.listen),
            (
                "http.push_bytes_max",
                *push_bytes_max != running.push_bytes_max,
            ),
        ])
    }

    /// Takes what the section says.
    pub fn read(&mut self, section: &mut Section<'_, '_>) {
        if let Some(listen) = section.parsed_by("listen", parse_listen) {
            self.listen = listen;
        }
        if let Some(url) = section.parsed_by("url", parse_url) {
            self.url = Some(url);
        }
        if let Some(bytes) = section.size_bytes("push_bytes_max", 64 << 10..=256 << 20) {
            self.push_bytes_max = bytes;
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("expected an address and port such as \"127.0.0.1:4950\", found {text:?}")
    })
}

/// Checks an address of the web; a trailing slash is dropped.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!(
            "expected an address such as \"https://ravenry.example.net\", found {text:?}"
        )),
    }
}
