//! Notices as one line of text over TCP, as irccat takes it: `#ops [critical] web1: df / is 99.1 % https://...`.
//!
//! Such a service says nothing back. A line counts as delivered when it has been handed over and the connection was closed
//! in good order; that is all that can be known.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Channel, Sending, misdirected};
use crate::address::{Address, Line};
use crate::notice::{Links, line};
use crate::outbox::{Delivery, Failure};

/// A line of IRC has 512 bytes with all that the server puts before it.
const LINE_CHARS_MAX: usize = 380;

/// How long the service may take to close its side when ours is closed; one that never does has taken the line all the same.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The channel of lines.
#[derive(Debug)]
pub struct Tcp {
    timeout: Duration,
    links: Links,
}

impl Tcp {
    /// Nothing is connected yet. A line may take `timeout`, connection included.
    #[must_use]
    pub fn new(timeout: Duration, links: &Links) -> Self {
        Self {
            timeout,
            links: links.clone(),
        }
    }

    fn text(&self, delivery: &Delivery, to: Option<&str>) -> String {
        let notice = &delivery.notice;
        let to = to.map_or_else(String::new, |to| format!("{to} "));
        let link = self.links.acknowledge(notice).or_else(|| {
            let check = notice.check.as_ref()?;
            self.links.check(check)
        });
        let link = link.map_or_else(String::new, |link| format!(" {link}"));
        let taken = to.chars().count() + link.chars().count();
        let subject = notice.subject(delivery.over);
        let subject = line(&subject, LINE_CHARS_MAX.saturating_sub(taken).max(80));
        format!("{}\n", line(&format!("{to}{subject}{link}"), usize::MAX))
    }

    async fn deliver(&self, delivery: &Delivery, service: &Line) -> Result<(), Failure> {
        let text = self.text(delivery, service.to.as_deref());
        let connect = tokio::time::timeout(self.timeout, TcpStream::connect(&service.address));
        let mut stream = match connect.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::later(error.to_string())),
            Err(_) => return Err(Failure::later("no connection in time")),
        };
        let write = async {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        };
        match tokio::time::timeout(self.timeout, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::Doubtful(error.to_string())),
            Err(_) => return Err(Failure::Doubtful(String::from("not taken in time"))),
        }
        let mut answer = [0; 256];
        match tokio::time::timeout(CLOSE_WITHIN, stream.read(&mut answer)).await {
            Ok(Err(error)) => Err(Failure::Doubtful(error.to_string())),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

impl Channel for Tcp {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            match &delivery.address {
                Address::Line(service) => self.deliver(delivery, service).await,
                Address::Mail { .. } | Address::Webhook(_) | Address::Command(_) => {
                    Err(misdirected(delivery))
                }
            }
        })
    }
}
