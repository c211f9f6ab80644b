//! From the configuration to what the engine and the channels are told.

use std::time::Duration;

use ravenry_alerts::channel::{MailSettings, Security, Settings};
use ravenry_alerts::notice::Links;
use ravenry_alerts::rule::{Address, Contact, ContactName, DownAfter, FieldRule, HostRule, Limit, Rules};

use crate::config::alerts::{self, Alerts, Channel, Setting, Threshold};

/// How long one mail may take.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// What counts as a problem, and who is told.
#[must_use]
pub fn rules(alerts: &Alerts) -> Rules {
    let mut rules = Rules {
        fields: alerts.thresholds.iter().map(field_rule).collect(),
        hosts: vec![HostRule {
            down_after: Some(DownAfter::Silence(alerts.defaults.host_silence)),
            ..HostRule::default()
        }],
        contacts: alerts.contacts.iter().map(contact).collect(),
        muted: alerts.defaults.mute,
        ..Rules::default()
    };
    rules.patience.attempts = alerts.defaults.attempts;
    rules
}

/// How people are reached, and where notices say that the pages are.
#[must_use]
pub fn settings(alerts: &Alerts, public_url: &str) -> Settings {
    Settings {
        mail: Some(MailSettings {
            host: alerts.mail.server.clone(),
            port: alerts.mail.port,
            security: match alerts.mail.security {
                alerts::Security::None => Security::Plain,
                alerts::Security::StartTls => Security::StartTls,
                alerts::Security::Tls => Security::Tls,
            },
            login: alerts.mail.login.clone(),
            from: alerts.mail.from.clone(),
            timeout: MAIL_TIMEOUT,
        }),
        links: Links {
            base: public_url.trim_end_matches('/').to_owned(),
        },
        ..Settings::default()
    }
}

fn field_rule(threshold: &Threshold) -> FieldRule {
    FieldRule {
        host: threshold.host.clone(),
        graph: threshold.graph.clone(),
        field: threshold.field.clone(),
        warning: limit(threshold.warning),
        critical: limit(threshold.critical),
        attempts: threshold.attempts,
        unknown_limit: threshold.unknown_limit,
        contacts: None,
        muted: None,
    }
}

fn limit(setting: Setting) -> Option<Limit> {
    match setting {
        Setting::Plugin => None,
        Setting::Off => Some(Limit::Off),
        Setting::Range(range) => Some(Limit::Range(range)),
    }
}

fn contact(contact: &alerts::Contact) -> Contact {
    let address = |channel: &Channel| match channel {
        Channel::Mail(to) => Address::Mail { to: to.clone() },
        Channel::Webhook(url) => Address::Webhook { url: url.clone() },
    };
    Contact {
        name: ContactName::new(&contact.name),
        channels: contact.channels.iter().map(address).collect(),
        severities: contact.severities.clone(),
    }
}
