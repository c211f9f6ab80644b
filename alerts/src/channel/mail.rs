//! Notices by mail over SMTP: text and HTML, with the graph of the cause in it; or, short, a subject and nothing else.
//!
//! The `Message-ID` is made of the notice's key, so a notice that is sent again after a crash is recognisable as the same.
//! Its first notice to a contact is the head of an incident's thread; the others refer to it. Nothing that a plugin says can
//! become a header: subjects are single lines without control characters, and long or foreign ones are encoded.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{Channel, Sending, chain, misdirected};
use crate::address::{Address, MailForm};
use crate::notice::{Links, Notice};
use crate::outbox::{Delivery, Failure, Picture};
use crate::severity::Severity;

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
    /// A file of certificates (PEM) that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
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
    /// The certificates to trust cannot be used.
    #[error("mail: certificates in {}: expected PEM", path.display())]
    Ca {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
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

/// By which the HTML refers to the picture.
const PICTURE_ID: &str = "graph@ravenry";

impl Mail {
    /// Sets mail up; nothing is connected yet.
    ///
    /// # Errors
    /// When the sender, the server's name or the certificates to trust make no sense.
    pub fn new(settings: &MailSettings, links: &Links) -> Result<Self, MailError> {
        super::webhook::install_tls();
        let from = settings.from.parse().map_err(|source| MailError::From {
            found: settings.from.clone(),
            source,
        })?;
        let tls = match settings.security {
            Security::Plain => Tls::None,
            Security::StartTls => Tls::Required(tls(settings)?),
            Security::Tls => Tls::Wrapper(tls(settings)?),
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

    fn message(&self, delivery: &Delivery, to: &str, form: MailForm) -> Result<Message, Failure> {
        let to: Mailbox = to.parse().map_err(|error| {
            Failure::Refused(format!(
                "mailbox {to:?}: expected an address or `Name <address>`: {error}"
            ))
        })?;
        let head = self.head(delivery, to);
        let message = match form {
            MailForm::Long => self.long(head, delivery),
            MailForm::Short => head
                .subject(delivery.notice.short(delivery.over))
                .header(ContentType::TEXT_PLAIN)
                .body(String::new()),
        };
        let unwritten = |error| format!("mail cannot be written: {}", chain(&error));
        message.map_err(|error| Failure::Refused(unwritten(error)))
    }

    /// Everything above the body but the subject.
    fn head(&self, delivery: &Delivery, to: Mailbox) -> MessageBuilder {
        let notice = &delivery.notice;
        let domain = self.from.email.domain();
        let (id, thread) = (message_id(notice, domain), thread_id(notice, domain));
        let mut head = Message::builder()
            .from(self.from.clone())
            .to(to)
            .message_id(Some(id.clone()));
        if id != thread {
            head = head.in_reply_to(thread.clone()).references(thread);
        }
        let mut headers = vec![
            ("Auto-Submitted", String::from("auto-generated")),
            // Exchange knows this one only: nobody's holidays are answers to us.
            ("X-Auto-Response-Suppress", String::from("All")),
            ("X-Ravenry-Incident", notice.key.incident.to_string()),
            ("X-Ravenry-Kind", notice.kind.as_str().to_owned()),
            ("X-Ravenry-Severity", notice.severity.to_string()),
        ];
        if let Some(check) = &notice.check {
            headers.push(("X-Ravenry-Host", check.host().to_string()));
        }
        if notice.kind.is_problem() && notice.severity == Severity::Critical {
            headers.push(("Importance", String::from("high")));
        }
        headers.into_iter().fold(head, |head, (name, value)| {
            let name = HeaderName::new_from_ascii_str(name);
            head.raw_header(HeaderValue::new(name, value))
        })
    }

    fn long(
        &self,
        head: MessageBuilder,
        delivery: &Delivery,
    ) -> Result<Message, lettre::error::Error> {
        let (notice, over) = (&delivery.notice, delivery.over);
        let picture = delivery.picture.as_ref();
        let text = notice.text(over, &self.links);
        let html = notice.html(over, &self.links, picture.map(|_| PICTURE_ID));
        let both = match picture.and_then(inline) {
            Some(picture) => MultiPart::alternative()
                .singlepart(SinglePart::plain(text))
                .multipart(
                    MultiPart::related()
                        .singlepart(SinglePart::html(html))
                        .singlepart(picture),
                ),
            None => MultiPart::alternative_plain_html(text, html),
        };
        head.subject(notice.subject(over)).multipart(both)
    }

    async fn deliver(&self, delivery: &Delivery, to: &str, form: MailForm) -> Result<(), Failure> {
        let message = self.message(delivery, to, form)?;
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
                Address::Mail { to, form } => self.deliver(delivery, to, *form).await,
                Address::Webhook(_) | Address::Command(_) | Address::Line(_) => {
                    Err(misdirected(delivery))
                }
            }
        })
    }
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let unusable = |source: Box<dyn std::error::Error + Send + Sync>| MailError::Ca {
            path: path.clone(),
            source,
        };
        let pem = fs::read(path).map_err(|error| unusable(error.into()))?;
        let found = Certificate::from_pem(&pem).map_err(|error| unusable(error.into()))?;
        builder = builder.add_root_certificate(found);
    }
    builder.build().map_err(|source| MailError::Tls {
        host: settings.host.clone(),
        source,
    })
}

/// The picture as a part that is shown where the HTML wants it and can be saved under its name.
fn inline(picture: &Picture) -> Option<SinglePart> {
    let kind = ContentType::parse("image/png").ok()?;
    let inline = Attachment::new_inline_with_name(PICTURE_ID.to_owned(), picture.name.clone());
    Some(inline.body(picture.png.clone(), kind))
}

/// The same for the same notice, whenever it is sent, and for no other one.
fn message_id(notice: &Notice, domain: &str) -> String {
    format!(
        "<ravenry.{}.{}@{domain}>",
        notice.key,
        notice.since.micros()
    )
}

/// The id of the first notice about the incident to the contact.
fn thread_id(notice: &Notice, domain: &str) -> String {
    let mut first = notice.key.clone();
    if first.incident != 0 {
        first.sequence = 1;
    }
    format!("<ravenry.{first}.{}@{domain}>", notice.since.micros())
}

fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let why = chain(error);
    if error.is_permanent() {
        Failure::Refused(why)
    } else if error.is_transient() || error.is_client() || error.is_tls() || never_connected(error)
    {
        Failure::later(why)
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
                _ => {
                    is_bad_certificate(error)
                        || error.to_string().contains("failed to lookup address")
                }
            };
        }
        source = cause.source();
    }
    false
}

/// Whether the other side could not prove who it is: nothing has been said to it.
fn is_bad_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}
