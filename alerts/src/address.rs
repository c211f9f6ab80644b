//! Where a contact can be reached: one value for each channel of a contact. Plain values; the collector's configuration
//! builds them, [`crate::channel`] sends to them. What may be a secret is never shown: not by `Display`, which the ledger
//! and the pages show, and not by `Debug`.

use std::fmt;
use std::time::Duration;

/// A contact on one channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// By mail to this mailbox.
    Mail {
        /// `ops@example.net` or `Ops <ops@example.net>`.
        to: String,
        /// How much it says.
        form: MailForm,
    },
    /// By an HTTP POST.
    Webhook(Hook),
    /// By running a program.
    Command(Program),
    /// By a line of text over TCP, as irccat takes it.
    Line(Line),
}

/// How much a mail says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailForm {
    /// Text, HTML and the graph.
    #[default]
    Long,
    /// A subject of at most 160 characters and nothing else: for gateways to pagers and phones.
    Short,
}

/// A URL that notices are posted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hook {
    /// The URL, which may hold a secret.
    pub url: Secret,
    /// What is posted.
    pub format: Format,
    /// Signs each request.
    pub secret: Option<Secret>,
    /// What the service knows us by: PagerDuty's routing key; for others a token that is sent as `Authorization: Bearer`.
    pub key: Option<Secret>,
}

impl Hook {
    /// A URL that takes our own JSON.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            format: Format::Ravenry,
            secret: None,
            key: None,
        }
    }
}

/// What a webhook is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Our own JSON.
    Ravenry,
    /// An incoming webhook of Slack.
    Slack,
    /// An incoming webhook of Mattermost.
    Mattermost,
    /// PagerDuty's Events API, version 2.
    PagerDuty,
    /// ntfy, by its JSON.
    Ntfy,
    /// What Alertmanager posts to its webhooks, version 4.
    Alertmanager,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ravenry,
        Self::Slack,
        Self::Mattermost,
        Self::PagerDuty,
        Self::Ntfy,
        Self::Alertmanager,
    ];

    /// As configurations call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ravenry => "ravenry",
            Self::Slack => "slack",
            Self::Mattermost => "mattermost",
            Self::PagerDuty => "pagerduty",
            Self::Ntfy => "ntfy",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// A program that takes notices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// The program and its arguments; no shell reads them.
    pub words: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
}

/// A service that takes lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// `host:port`.
    pub address: String,
    /// What each line begins with: irccat takes a channel (`#ops`) or a person (`@ann`).
    pub to: Option<String>,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for those who send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Address {
    /// A mailbox that gets long mails.
    pub fn mail(to: impl Into<String>) -> Self {
        Self::Mail {
            to: to.into(),
            form: MailForm::Long,
        }
    }

    /// A URL that takes our own JSON.
    pub fn webhook(url: impl Into<String>) -> Self {
        Self::Webhook(Hook::new(url))
    }
}

impl Address {
    /// Whether it is of use to it to hear that somebody knows of an incident: it keeps that, and pages nobody else then.
    #[must_use]
    pub fn takes_acknowledgements(&self) -> bool {
        match self {
            Self::Webhook(hook) => hook.format == Format::PagerDuty,
            Self::Mail { .. } | Self::Command(_) | Self::Line(_) => false,
        }
    }
}

impl fmt::Display for Address {
    /// For the ledger: what may be a secret is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail {
                to,
                form: MailForm::Long,
            } => write!(f, "mail to {to}"),
            Self::Mail {
                to,
                form: MailForm::Short,
            } => write!(f, "short mail to {to}"),
            Self::Webhook(hook) => hook.fmt(f),
            Self::Command(program) => program.fmt(f),
            Self::Line(line) => line.fmt(f),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.reveal();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let place = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
        match self.format {
            Format::Ravenry => write!(f, "webhook {scheme}://{place}"),
            format => write!(f, "{} {scheme}://{place}", format.as_str()),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "command {}",
            self.words.first().map_or("", String::as_str)
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "line to {} for {to}", self.address),
            None => write!(f, "line to {}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let check = |address: Address, expect: &str| {
            assert_eq!(address.to_string(), expect);
            assert!(!format!("{address:?}").contains("hunter2"), "{address:?}");
        };
        let hook = |url: &str, format| {
            Address::Webhook(Hook {
                format,
                secret: Some(Secret::new("hunter2")),
                key: Some(Secret::new("hunter2")),
                ..Hook::new(url)
            })
        };
        check(Address::mail("ops@example.net"), "mail to ops@example.net");
        check(
            Address::Mail {
                to: "49170@sms.example".into(),
                form: MailForm::Short,
            },
            "short mail to 49170@sms.example",
        );
        let url = "https://me:hunter2@hooks.example.net:8443/T0/hunter2?key=hunter2";
        check(
            hook(url, Format::Ravenry),
            "webhook https://hooks.example.net:8443",
        );
        check(
            hook("https://hooks.example.net?hunter2", Format::Slack),
            "slack https://hooks.example.net",
        );
        let words = vec!["/usr/local/bin/sms".into(), "--key=hunter2".into()];
        let program = Program {
            words,
            timeout: Duration::from_secs(5),
        };
        assert_eq!(
            Address::Command(program).to_string(),
            "command /usr/local/bin/sms"
        );
        let line = Line {
            address: "127.0.0.1:12345".into(),
            to: Some("#ops".into()),
        };
        check(Address::Line(line), "line to 127.0.0.1:12345 for #ops");
    }
}
