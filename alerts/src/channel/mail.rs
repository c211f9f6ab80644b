//! Notices by mail over SMTP.
//!
//! The `Message-ID` is made of the notice's key and time, so a notice that is sent again after a crash is recognisable as
//! the same; all notices of an incident refer to one id and so are one thread.

use std::io;
use std::time::Duration;

use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{Channel, Sending, chain};
use crate::notice::{Links, Notice};
use crate::outbox::{Delivery, Failure};
use crate::rule::Address;

/// How the mail server is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Its name or address.
    pub host: String,
    /// Its port: 25, 465 and 587 are usual for plain, TLS and STARTTLS.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// User and password, where the server wants them.
    pub login: Option<(String, String)>,
    /// Whom mail comes from: `ravenry@example.net` or `Ravenry <ravenry@example.net>`.
    pub from: String,
    /// How long one mail may take, connection included.
    pub timeout: Duration,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// How a connection to the mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for a server on the same host.
    Plain,
    /// It begins in the clear and must be upgraded.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Checks that `text` is a mailbox: `ops@example.net` or `Ops <ops@example.net>`.
///
/// # Errors
/// When it is not; the text says why.
pub fn check_mailbox(text: &str) -> Result<(), String> {
    text.parse::<Mailbox>()
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender is no mailbox.
    #[error("mail sender {found:?}: expected an address or `Name <address>`")]
    From {
        /// What was found.
        found: String,
        /// Why.
        source: AddressError,
    },
    /// The server's name cannot be used for TLS.
    #[error("mail server {host:?}: expected a name that TLS can check")]
    Tls {
        /// What was found.
        host: String,
        /// Why.
        source: lettre::transport::smtp::Error,
    },
}

/// The mail channel.
#[derive(Debug)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
    links: Links,
}

impl Mail {
    /// Sets mail up; nothing is connected yet.
    ///
    /// # Errors
    /// When the sender or the server's name makes no sense.
    pub fn new(settings: &MailSettings, links: &Links) -> Result<Self, MailError> {
        super::webhook::install_tls();
        let from = settings.from.parse().map_err(|source| MailError::From {
            found: settings.from.clone(),
            source,
        })?;
        let tls = || {
            TlsParameters::new(settings.host.clone()).map_err(|source| MailError::Tls {
                host: settings.host.clone(),
                source,
            })
        };
        let tls = match settings.security {
            Security::Plain => Tls::None,
            Security::StartTls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout));
        if let Some((user, password)) = &settings.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            timeout: settings.timeout,
            links: links.clone(),
        })
    }

    fn message(&self, delivery: &Delivery, to: &str) -> Result<Message, Failure> {
        let refused = |why: String| Failure::Refused(why);
        let to: Mailbox = to.parse().map_err(|error| {
            refused(format!(
                "mailbox {to:?}: expected an address or `Name <address>`: {error}"
            ))
        })?;
        let domain = self.from.email.domain();
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(delivery.notice.subject(delivery.over))
            .message_id(Some(message_id(&delivery.notice, domain)))
            .references(thread_id(&delivery.notice, domain))
            .raw_header(HeaderValue::new(automatic, String::from("auto-generated")))
            .header(ContentType::TEXT_PLAIN)
            .body(delivery.notice.text(delivery.over, &self.links))
            .map_err(|error| refused(format!("mail cannot be written: {}", chain(&error))))
    }

    async fn deliver(&self, delivery: &Delivery, to: &str) -> Result<(), Failure> {
        let message = self.message(delivery, to)?;
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Doubtful(format!(
                "the mail server did not finish within {} s",
                self.timeout.as_secs()
            ))),
        }
    }
}

impl Channel for Mail {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            match &delivery.address {
                Address::Mail { to } => self.deliver(delivery, to).await,
                Address::Webhook { .. } => {
                    Err(Failure::Refused(String::from("not a mail address")))
                }
            }
        })
    }
}

/// The same for the same notice, whenever it is sent, and for no other one.
fn message_id(notice: &Notice, domain: &str) -> String {
    format!("<ravenry.{}.{}@{domain}>", notice.key, notice.at.micros())
}

/// The same for all notices about one incident.
fn thread_id(notice: &Notice, domain: &str) -> String {
    let incident = notice.key.incident;
    format!(
        "<ravenry.incident.{incident}.{}@{domain}>",
        notice.since.micros()
    )
}

fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let why = chain(error);
    if error.is_permanent() {
        Failure::Refused(why)
    } else if error.is_transient() || error.is_client() || error.is_tls() || never_connected(error)
    {
        Failure::Later(why)
    } else {
        Failure::Doubtful(why)
    }
}

/// Whether nothing can have been sent: there was no connection.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable => true,
                _ => error.to_string().contains("failed to lookup address"),
            };
        }
        source = cause.source();
    }
    false
}
