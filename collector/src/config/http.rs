//! `[http]`: where pages, API and pushes are served, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ravenry_plugins::settings::Section;
use ravenry_web::access::{Door, Network};

/// How the collector is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `listen`: address and port.
    pub listen: SocketAddr,
    /// `url`: how people reach the pages, for links in notices, which have none without it.
    pub url: Option<String>,
    /// `hosts`: further names that the pages answer to.
    pub hosts: Vec<String>,
    /// `proxy`: what these say of the client (`X-Forwarded-For`, `X-Forwarded-Proto`) is believed.
    pub proxy: Vec<Network>,
    /// `without_tls`: passwords may cross the network readable.
    pub without_tls: bool,
    /// `session`: who has signed in is signed out so long after the last use.
    pub session: Duration,
    /// `push_bytes_max`: a larger push is refused.
    pub push_bytes_max: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 4950).into(),
            url: None,
            hosts: Vec::new(),
            proxy: Vec::new(),
            without_tls: false,
            session: Duration::from_secs(12 * 3600),
            push_bytes_max: 16 << 20,
        }
    }
}

impl Http {
    /// The settings that differ from those of `running` and are read at a start only. What `url` is for links is in force at once, the name in it is not.
    pub(super) fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self {
            listen,
            url,
            hosts,
            proxy,
            without_tls,
            session,
            push_bytes_max,
        } = self;
        super::changed([
            ("http.listen", *listen != running.listen),
            ("http.url", *url != running.url),
            ("http.hosts", *hosts != running.hosts),
            ("http.proxy", *proxy != running.proxy),
            ("http.without_tls", *without_tls != running.without_tls),
            ("http.session", *session != running.session),
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
        if let Some(hosts) = section.list::<Name>("hosts") {
            self.hosts = hosts.into_iter().map(|Name(name)| name).collect();
        }
        if let Some(proxy) = section.list("proxy") {
            self.proxy = proxy;
        }
        if let Some(without_tls) = section.boolean("without_tls") {
            self.without_tls = without_tls;
        }
        let minute = Duration::from_secs(60);
        if let Some(session) = section.duration("session", minute..=43_200 * minute) {
            self.session = session;
        }
        if let Some(bytes) = section.size_bytes("push_bytes_max", 64 << 10..=256 << 20) {
            self.push_bytes_max = bytes;
        }
        if !self.is_loopback() && self.proxy.is_empty() && !self.without_tls {
            let text = format!(
                "{} is more than this machine, and pages there need TLS: name the proxy that does it \
                 (proxy = [\"ADDRESS\"]), or let passwords cross the network readable (without_tls = true); pushes \
                 alone have an address of their own, [push] listen",
                self.listen
            );
            section.report(&section.span_of("listen"), "listen", text);
        }
    }

    /// Whether only this machine reaches the pages.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Why pages are not served as this says while there are so many accounts.
    #[must_use]
    pub fn refusal(&self, accounts: usize) -> Option<String> {
        let is_open = accounts == 0 && !self.is_loopback();
        is_open.then(|| {
            format!(
                "http.listen: pages on {} need an account, and there is none: `ravenry user add NAME` makes one",
                self.listen
            )
        })
    }

    /// How requests reach the pages on `listen`.
    #[must_use]
    pub fn door(&self, listen: SocketAddr) -> Door {
        Door {
            listen,
            names: self.hosts.clone(),
            origin: self.url.as_deref().map(origin),
            proxies: self.proxy.clone(),
            without_tls: self.without_tls,
        }
    }
}

/// Scheme, name and port of an address of the web.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    format!("{scheme}://{}", authority.to_ascii_lowercase())
}

/// A name of this machine, without scheme or port.
struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_bare = !text.is_empty() && !text.contains([':', '/', '*']) && text.is_ascii();
        let is_address = text.parse::<IpAddr>().is_ok();
        if (is_bare && !text.contains(char::is_whitespace)) || is_address {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "expected a name such as \"ravenry.example.net\", without scheme and port, found {text:?}"
        ))
    }
}

pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
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
