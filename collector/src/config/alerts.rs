//! `[alerts]`, `[[threshold]]`, `[contact.NAME]` and `[mail]`: what counts as a problem, and who is told how.

use std::time::Duration;

use ravenry_alerts::severity::Severity;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::range::Range;
use ravenry_plugins::settings::Section;

use super::Given;
use super::http::parse_url;

/// Everything about alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    /// `[alerts]`
    pub defaults: Defaults,
    /// `[[threshold]]`, in the order of the files; a later one goes before an earlier one.
    pub thresholds: Vec<Threshold>,
    /// `[contact.NAME]`
    pub contacts: Vec<Contact>,
    /// `[mail]`
    pub mail: Mail,
}

/// What holds unless a threshold says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `attempts`: readings in a row before a worse severity counts.
    pub attempts: u32,
    /// `host_silence`: how long nothing is heard of a host before it counts as down.
    pub host_silence: Duration,
    /// `mute`: nothing is sent to anybody; what would have been is recorded with that reason.
    pub mute: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { attempts: 3, host_silence: Duration::from_secs(300), mute: false }
    }
}

/// Thresholds for some fields, beside or instead of those of the plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// `host`
    pub host: Pattern,
    /// `graph`
    pub graph: Pattern,
    /// `field`
    pub field: Pattern,
    /// `warning`
    pub warning: Setting,
    /// `critical`
    pub critical: Setting,
    /// `attempts`
    pub attempts: Option<u32>,
    /// `unknown_limit`: unknown readings in a row before the check is unknown.
    pub unknown_limit: Option<u32>,
    /// Where it stands, for messages: `file:line`.
    pub place: String,
}

/// A limit in a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Setting {
    /// As the plugin says.
    #[default]
    Plugin,
    /// No such limit: the text `none`.
    Off,
    /// This range instead.
    Range(Range),
}

/// A person, or a programme, that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name.
    pub name: String,
    /// `mail` and `webhook`, in that order: the ways to reach it; the next is tried when one fails.
    pub channels: Vec<Channel>,
    /// `severities`: of which problems it is told. Default: warning, critical and unknown.
    pub severities: Vec<Severity>,
}

/// A way to reach a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A mail address.
    Mail(String),
    /// An address that notices are posted to.
    Webhook(String),
}

/// The mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `server`
    pub server: String,
    /// `port`; by default that of the security.
    pub port: u16,
    /// `security`
    pub security: Security,
    /// `from`
    pub from: String,
    /// `user` and `password`
    pub login: Option<(String, String)>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            server: "localhost".to_owned(),
            port: Security::None.default_port(),
            security: Security::None,
            from: "ravenry@localhost".to_owned(),
            login: None,
        }
    }
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// `none`: not at all; port 25.
    None,
    /// `starttls`: begun in clear, then TLS; port 587.
    StartTls,
    /// `tls`: TLS from the first byte; port 465.
    Tls,
}

impl Security {
    const fn default_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

impl Alerts {
    /// Takes what a file says.
    pub(super) fn read(&mut self, root: &mut Section<'_, '_>, given: &mut Given) {
        given.once(root, "alerts", |section| self.defaults.read(section));
        for mut section in root.repeated_sections("threshold") {
            self.thresholds.push(Threshold::read(&mut section));
            section.end();
        }
        for (name, mut section) in root.named_sections("contact") {
            let contact = Contact::read(name.value, &mut section);
            if given.first_time(root, &format!("contact.{}", contact.name), name.span) {
                self.contacts.push(contact);
            }
            section.end();
        }
        given.once(root, "mail", |section| self.mail = Mail::read(section));
    }
}

impl Defaults {
    fn read(&mut self, section: &mut Section<'_, '_>) {
        if let Some(attempts) = attempts(section, "attempts") {
            self.attempts = attempts;
        }
        let silence = section.duration("host_silence", Duration::from_secs(30)..=Duration::from_secs(86_400));
        self.host_silence = silence.unwrap_or(self.host_silence);
        self.mute = section.boolean("mute").unwrap_or(self.mute);
    }
}

impl Threshold {
    fn read(section: &mut Section<'_, '_>) -> Self {
        let threshold = Self {
            host: section.parsed("host").unwrap_or_default(),
            graph: section.parsed("graph").unwrap_or_default(),
            field: section.parsed("field").unwrap_or_default(),
            warning: section.scalar_by("warning", parse_setting).unwrap_or_default(),
            critical: section.scalar_by("critical", parse_setting).unwrap_or_default(),
            attempts: attempts(section, "attempts"),
            unknown_limit: attempts(section, "unknown_limit"),
            place: section.place(),
        };
        let says = [threshold.warning, threshold.critical].iter().any(|limit| *limit != Setting::Plugin);
        if !says && threshold.attempts.is_none() && threshold.unknown_limit.is_none() && !section.has_problems() {
            let wanted = "expected at least one of warning, critical, attempts, unknown_limit, found none";
            section.report(&section.span(), "warning", wanted);
        }
        threshold
    }
}

fn attempts(section: &mut Section<'_, '_>, key: &'static str) -> Option<u32> {
    section.integer(key, 1..=1000).and_then(|number| u32::try_from(number).ok())
}

fn parse_setting(text: &str) -> Result<Setting, String> {
    match text {
        "none" => Ok(Setting::Off),
        range => Range::parse_munin(range).map(Setting::Range).map_err(|error| error.to_string()),
    }
}

impl Contact {
    fn read(name: String, section: &mut Section<'_, '_>) -> Self {
        let mails: Vec<Address> = section.list("mail").unwrap_or_default();
        let webhooks: Vec<Webhook> = section.list("webhook").unwrap_or_default();
        let mails = mails.into_iter().map(|Address(address)| Channel::Mail(address));
        let channels: Vec<Channel> = mails.chain(webhooks.into_iter().map(|Webhook(url)| Channel::Webhook(url))).collect();
        if channels.is_empty() && !section.has_problems() {
            section.report(&section.span(), "mail", "expected a mail address or a webhook, found neither");
        }
        let severities: Option<Vec<Told>> = section.list("severities");
        let told = severities.map(|list| list.into_iter().map(|Told(severity)| severity).collect());
        let all = || vec![Severity::Unknown, Severity::Warning, Severity::Critical];
        Self { name, channels, severities: told.unwrap_or_else(all) }
    }
}

struct Address(String);

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('@').filter(|(user, domain)| !user.is_empty() && !domain.is_empty());
        match parts {
            Some(_) if !text.contains(|c: char| c.is_whitespace() || c.is_control()) => Ok(Self(text.to_owned())),
            _ => Err(format!("expected a mail address such as \"ops@example.net\", found {text:?}")),
        }
    }
}

struct Webhook(String);

impl std::str::FromStr for Webhook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_url(text).map(Self)
    }
}

struct Told(Severity);

impl std::str::FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unknown" => Ok(Self(Severity::Unknown)),
            "warning" => Ok(Self(Severity::Warning)),
            "critical" => Ok(Self(Severity::Critical)),
            _ => Err(format!("expected \"unknown\", \"warning\" or \"critical\", found {text:?}")),
        }
    }
}

impl Mail {
    fn read(section: &mut Section<'_, '_>) -> Self {
        let security = section.parsed_by("security", parse_security).unwrap_or(Security::None);
        let port = section.integer("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
        let from: Option<Address> = section.parsed("from");
        let (user, password) = (section.text("user"), section.text("password"));
        if user.is_some() != password.is_some() {
            section.report(&section.span(), "user", "expected user and password together, found one of them");
        }
        let default = Self::default();
        Self {
            server: section.text("server").unwrap_or(default.server),
            port: port.unwrap_or(security.default_port()),
            security,
            from: from.map_or(default.from, |Address(from)| from),
            login: user.zip(password),
        }
    }
}

fn parse_security(text: &str) -> Result<Security, String> {
    match text {
        "none" => Ok(Security::None),
        "starttls" => Ok(Security::StartTls),
        "tls" => Ok(Security::Tls),
        _ => Err(format!("expected \"none\", \"starttls\" or \"tls\", found {text:?}")),
    }
}
