//! The channels: the only part that speaks to the outside. A channel takes one notice and says whether it arrived.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::notice::Links;
use crate::outbox::{Delivery, Failure};
use crate::rule::Address;

mod mail;
mod webhook;

pub use mail::{Mail, MailError, MailSettings, Security, check_mailbox};
pub use webhook::{Webhook, WebhookError};

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
    /// How long a webhook may take, connection included.
    pub webhook_timeout: Duration,
    /// Where pages are found.
    pub links: Links,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mail: None,
            webhook_timeout: Duration::from_secs(15),
            links: Links {
                base: String::from("http://127.0.0.1:4950"),
            },
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
        let webhook = Arc::new(Webhook::new(settings.webhook_timeout, links)?);
        Ok(Self { mail, webhook })
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
            (Address::Webhook { .. }, _) => self.webhook.send(delivery).await,
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
