//! The channels: the only part that speaks to the outside. A channel takes one notice and says whether it arrived.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::notice::{Links, line};
use crate::outbox::{Delivery, Failure};

mod command;
mod mail;
mod tcp;
mod webhook;

pub use command::Command;
pub use mail::{Mail, MailError, MailSettings, Security, check_mailbox};
pub use tcp::Tcp;
pub use webhook::{Webhook, WebhookError};

/// Characters of what a channel said that are kept for the ledger.
const SAID_CHARS_MAX: usize = 200;

/// A way to reach people. Sending the same notice again must be recognisable by its key.
pub trait Channel: Send + Sync {
    /// Sends a notice; ends within the channel's own time-out.
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a>;
}

/// A notice on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// What the channels need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mail server; without it mail is refused with a sentence that says so.
    pub mail: Option<MailSettings>,
    /// How long a webhook or a line may take, connection included.
    pub timeout: Duration,
    /// Where pages are found.
    pub links: Links,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mail: None,
            timeout: Duration::from_secs(15),
            links: Links::default(),
        }
    }
}

/// Why channels cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The mail settings.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The HTTP client.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

/// All channels, one of a kind; cheap to clone.
#[derive(Clone)]
pub struct Channels {
    mail: Option<Arc<dyn Channel>>,
    webhook: Arc<dyn Channel>,
    command: Arc<dyn Channel>,
    line: Arc<dyn Channel>,
}

impl Channels {
    /// Sets up every channel; nothing is connected yet.
    ///
    /// # Errors
    /// When a setting makes no sense; the error names it.
    pub fn new(settings: &Settings) -> Result<Self, ChannelError> {
        let links = &settings.links;
        let mail = match &settings.mail {
            Some(mail) => Some(Arc::new(Mail::new(mail, links)?) as Arc<dyn Channel>),
            None => None,
        };
        Ok(Self {
            mail,
            webhook: Arc::new(Webhook::new(settings.timeout, links)?),
            command: Arc::new(Command::new(links)),
            line: Arc::new(Tcp::new(settings.timeout, links)),
        })
    }

    /// Sends one delivery over the channel that its address names.
    ///
    /// # Errors
    /// When it did not arrive, or nobody can know; the failure says what to do.
    pub async fn send(&self, delivery: &Delivery) -> Result<(), Failure> {
        match (&delivery.address, &self.mail) {
            (Address::Mail { .. }, Some(mail)) => mail.send(delivery).await,
            (Address::Mail { .. }, None) => Err(Failure::Refused(String::from(
                "no mail server is configured",
            ))),
            (Address::Webhook(_), _) => self.webhook.send(delivery).await,
            (Address::Command(_), _) => self.command.send(delivery).await,
            (Address::Line(_), _) => self.line.send(delivery).await,
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("mail", &self.mail.is_some())
            .finish_non_exhaustive()
    }
}

/// A delivery that came to a channel of another kind.
fn misdirected(delivery: &Delivery) -> Failure {
    Failure::Refused(format!("{} is not for this channel", delivery.address))
}

/// The beginning of what a channel said, as one line.
fn said(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes), SAID_CHARS_MAX)
}

/// The text of an error with the texts of its causes: `a: b: c`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
