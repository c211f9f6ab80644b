//! `[channel.NAME]`, what a contact says of its channels, and `[mail]`: by which means people are told.
//!
//! A channel with settings of its own has a name, by which contacts ask for it. What needs none stands in the contact:
//! `mail`, `pager` and `webhook`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range as Span;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ravenry_alerts::address::{Address, Format, Hook, Line, MailForm, Program, Secret};
use ravenry_alerts::channel::{MailSettings, Security, check_mailbox};
use ravenry_alerts::rule::{Contact, ContactName};
use ravenry_plugins::settings::Section;

use super::Given;
use super::http::parse_url;

/// What a contact that says nothing of channels is told to say.
pub(super) const CONTACT_SAYS: &str =
    "expected a way to reach it: channels, mail, pager or webhook, found none";

/// How long one mail may take.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a program may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The channels that have names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named(BTreeMap<String, Address>);

/// That a contact asks for a channel, and where.
pub(super) struct Wanted {
    contact: ContactName,
    channels: Vec<String>,
    source: usize,
    span: Span<usize>,
    key: String,
}

impl Named {
    /// Takes what a file says.
    pub(super) fn read(&mut self, root: &mut Section<'_, '_>, given: &mut Given) {
        for (name, mut section) in root.named_sections("channel") {
            let address = read_channel(&mut section);
            if given.first_time(root, &format!("channel.{}", name.value), name.span)
                && let Some(address) = address
            {
                self.0.insert(name.value, address);
            }
            section.end();
        }
    }

    /// Gives contacts the channels that they ask for, before their others. Gives those that do not exist: file number,
    /// place and sentence of each.
    pub(super) fn hand_out(
        &self,
        wanted: &[Wanted],
        contacts: &mut [Contact],
    ) -> Vec<(usize, Span<usize>, String)> {
        let mut missing = Vec::new();
        for wanted in wanted {
            let mut found = Vec::new();
            for name in &wanted.channels {
                match self.0.get(name) {
                    Some(address) => found.push(address.clone()),
                    None => {
                        let text = format!(
                            "{}: no channel {name:?}: expected [channel.{name}]",
                            wanted.key
                        );
                        missing.push((wanted.source, wanted.span.clone(), text));
                    }
                }
            }
            let contact = contacts.iter_mut().find(|it| it.name == wanted.contact);
            if let Some(contact) = contact {
                contact.channels.splice(0..0, found);
            }
        }
        missing
    }
}

/// The channels that a contact asks for by name.
pub(super) fn read_wanted(
    contact: &str,
    section: &mut Section<'_, '_>,
    source: usize,
) -> Option<Wanted> {
    let channels: Vec<String> = section.list("channels")?;
    (!channels.is_empty()).then(|| Wanted {
        contact: ContactName::new(contact),
        channels,
        source,
        span: section.span_of("channels"),
        key: section.path("channels"),
    })
}

/// The channels that a contact says itself, in the order in which they are tried.
pub(super) fn read_of_contact(section: &mut Section<'_, '_>) -> Vec<Address> {
    let mails: Vec<Mailbox> = section.list("mail").unwrap_or_default();
    let pagers: Vec<Mailbox> = section.list("pager").unwrap_or_default();
    let webhooks: Vec<Url> = section.list("webhook").unwrap_or_default();
    let mails = mails.into_iter().map(|Mailbox(to)| Address::mail(to));
    let pagers = pagers.into_iter().map(|Mailbox(to)| Address::Mail {
        to,
        form: MailForm::Short,
    });
    let webhooks = webhooks.into_iter().map(|Url(url)| Address::webhook(url));
    mails.chain(pagers).chain(webhooks).collect()
}

/// Reads a channel of one kind.
type Read = fn(&mut Section<'_, '_>) -> Option<Address>;

fn read_channel(section: &mut Section<'_, '_>) -> Option<Address> {
    let readers: [(&str, Read); 4] = [
        ("mail", read_mailbox),
        ("webhook", |section| {
            read_hook(section).map(Address::Webhook)
        }),
        ("command", |section| {
            read_command(section).map(Address::Command)
        }),
        ("line", |section| read_line(section).map(Address::Line)),
    ];
    let given = readers.iter().filter(|(key, _)| section.has(key));
    let given: Vec<_> = given.collect();
    if let [(_, read)] = given[..] {
        return read(section);
    }
    let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
    let found = match keys[..] {
        [] => "none".to_owned(),
        _ => keys.join(" and "),
    };
    let text = format!("expected one of mail, webhook, command, line, found {found}");
    section.report(&section.span(), "mail", text);
    for (_, read) in given {
        read(section);
    }
    None
}

fn read_mailbox(section: &mut Section<'_, '_>) -> Option<Address> {
    let to: Option<Mailbox> = section.parsed("mail");
    let form = section.parsed_by("form", |text| match text {
        "long" => Ok(MailForm::Long),
        "short" => Ok(MailForm::Short),
        _ => Err(format!("expected \"long\" or \"short\", found {text:?}")),
    });
    to.map(|Mailbox(to)| Address::Mail {
        to,
        form: form.unwrap_or_default(),
    })
}

fn read_hook(section: &mut Section<'_, '_>) -> Option<Hook> {
    let url: Option<Url> = section.parsed("webhook");
    let format = section.parsed_by("format", parse_format);
    let secret = section.text("secret").map(Secret::new);
    let key = section.text("key").map(Secret::new);
    if format == Some(Format::PagerDuty) && key.is_none() && !section.has_problems() {
        let text = "expected the integration key of PagerDuty (its routing key), found none";
        section.report(&section.span(), "key", text);
    }
    if section.has_problems() {
        return None;
    }
    let Url(url) = url?;
    Some(Hook {
        format: format.unwrap_or(Format::Ravenry),
        secret,
        key,
        ..Hook::new(url)
    })
}

fn read_command(section: &mut Section<'_, '_>) -> Option<Program> {
    let words: Vec<String> = section.list("command")?;
    let timeout = section.duration("timeout", Duration::from_secs(1)..=Duration::from_secs(300));
    if words.first().is_none_or(String::is_empty) {
        let text = "expected a program and its arguments, found nothing";
        section.report(&section.span_of("command"), "command", text);
        return None;
    }
    Some(Program {
        words,
        timeout: timeout.unwrap_or(COMMAND_TIMEOUT),
    })
}

fn read_line(section: &mut Section<'_, '_>) -> Option<Line> {
    let address = section.parsed_by("line", parse_place);
    let to = section.parsed_by("to", |text| {
        let plain = !text.is_empty() && !text.contains(|c: char| c.is_control());
        match plain {
            true => Ok(text.to_owned()),
            false => Err(format!(
                "expected a channel such as \"#ops\", found {text:?}"
            )),
        }
    });
    Some(Line {
        address: address?,
        to,
    })
}

/// `host:port`
fn parse_place(text: &str) -> Result<String, String> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected a host and port such as \"127.0.0.1:12345\", found {text:?}"
        )),
    }
}

fn parse_format(text: &str) -> Result<Format, String> {
    let found = Format::ALL
        .into_iter()
        .find(|format| format.as_str() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        format!("expected one of {}, found {text:?}", known.join(", "))
    })
}

/// A mail address, with or without a name before it.
struct Mailbox(String);

impl FromStr for Mailbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check_mailbox(text)
            .map(|()| Self(text.to_owned()))
            .map_err(|why| {
                format!(
                    "expected a mail address such as \"ops@example.net\", found {text:?}: {why}"
                )
            })
    }
}

struct Url(String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_url(text).map(Self)
    }
}

/// How mail is sent when nothing but its security is said.
pub(super) fn mail_settings(security: Security) -> MailSettings {
    let port = match security {
        Security::Plain => 25,
        Security::StartTls => 587,
        Security::Tls => 465,
    };
    MailSettings {
        host: "localhost".to_owned(),
        port,
        security,
        login: None,
        ca_file: None,
        from: "Ravenry <ravenry@localhost>".to_owned(),
        timeout: MAIL_TIMEOUT,
    }
}

/// `[mail]`
pub(super) fn read_mail(section: &mut Section<'_, '_>) -> MailSettings {
    let security = section
        .parsed_by("security", parse_security)
        .unwrap_or(Security::Plain);
    let mut settings = mail_settings(security);
    if let Some(host) = section.text("server") {
        settings.host = host;
    }
    if let Some(port) = section
        .integer("port", 1..=65_535)
        .and_then(|port| u16::try_from(port).ok())
    {
        settings.port = port;
    }
    if let Some(Mailbox(from)) = section.parsed("from") {
        settings.from = from;
    }
    settings.ca_file = section.text("ca_file").map(PathBuf::from);
    let (user, password) = (section.text("user"), section.text("password"));
    if user.is_some() != password.is_some() {
        section.report(
            &section.span(),
            "user",
            "expected user and password together, found one of them",
        );
    }
    settings.login = user.zip(password);
    if settings.login.is_some() && security == Security::Plain && !is_this_machine(&settings.host) {
        let text = "expected \"starttls\" or \"tls\": without it the password crosses the network in the clear";
        section.report(&section.span_of("security"), "security", text);
    }
    settings
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn parse_security(text: &str) -> Result<Security, String> {
    match text {
        "none" => Ok(Security::Plain),
        "starttls" => Ok(Security::StartTls),
        "tls" => Ok(Security::Tls),
        _ => Err(format!(
            "expected \"none\", \"starttls\" or \"tls\", found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::config::parse;

    /// The channels of each contact, then the problems.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test reads as lines of data"
    )]
    fn check(text: &str, expect: Expect) {
        let (config, problems) = parse(&[("r.toml".to_owned(), text.to_owned())]);
        let mut found = String::new();
        for contact in &config.alerts.rules.contacts {
            let channels = contact.channels.iter().map(ToString::to_string);
            let channels: Vec<String> = channels.collect();
            found.push_str(&format!("{}: {}\n", contact.name, channels.join(", ")));
        }
        for problem in problems {
            found.push_str(&format!("{problem}\n"));
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn a_contact_is_told_over_named_channels_first() {
        check(
            r##"
            [contact.ann]
            mail = ["ann@example.net", "Ann <ann@home.example>"]
            pager = "49170@sms.example"
            channels = ["pd", "irc"]
            [channel.pd]
            webhook = "https://events.pagerduty.com/v2/enqueue"
            format = "pagerduty"
            key = "R0"
            [channel.irc]
            line = "127.0.0.1:12345"
            to = "#ops"
            [channel.script]
            command = ["/usr/local/bin/sms", "-q"]
            timeout = "10s"
            [channel.phone]
            mail = "49@sms.example"
            form = "short"
            [contact.bob]
            channels = ["script", "phone"]
            webhook = "https://hooks.example/x"
            "##,
            expect![[r#"
                ann: pagerduty https://events.pagerduty.com, line to 127.0.0.1:12345 for #ops, mail to ann@example.net, mail to Ann <ann@home.example>, short mail to 49170@sms.example
                bob: command /usr/local/bin/sms, short mail to 49@sms.example, webhook https://hooks.example
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_with_a_channel_is_said_with_its_place() {
        check(
            r#"
            [contact.ann]
            channels = ["nowhere"]
            [contact.bob]
            severities = ["critical"]
            [channel.two]
            mail = "a@example.net"
            webhook = "https://hooks.example"
            [channel.none]
            [channel.pd]
            webhook = "https://events.pagerduty.com/v2/enqueue"
            format = "pagerduty"
            [channel.bad]
            webhook = "ftp://x"
            format = "telegram"
            [channel.run]
            command = []
            [channel.irc]
            line = "nowhere"
            [mail]
            server = "mail.example.net"
            user = "u"
            password = "p"
            "#,
            expect![[r#"
                ann: 
                bob: 
                r.toml:3: contact.ann.channels: no channel "nowhere": expected [channel.nowhere]
                r.toml:4: contact.bob.channels: expected a way to reach it: channels, mail, pager or webhook, found none
                r.toml:6: channel.two.mail: expected one of mail, webhook, command, line, found mail and webhook
                r.toml:9: channel.none.mail: expected one of mail, webhook, command, line, found none
                r.toml:10: channel.pd.key: expected the integration key of PagerDuty (its routing key), found none
                r.toml:14: channel.bad.webhook: expected an address such as "https://ravenry.example.net", found "ftp://x"
                r.toml:15: channel.bad.format: expected one of ravenry, slack, mattermost, pagerduty, ntfy, alertmanager, found "telegram"
                r.toml:17: channel.run.command: expected a program and its arguments, found nothing
                r.toml:19: channel.irc.line: expected a host and port such as "127.0.0.1:12345", found "nowhere"
                r.toml:20: mail.security: expected "starttls" or "tls": without it the password crosses the network in the clear
            "#]],
        );
    }
}
