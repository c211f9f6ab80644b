//! How the judge carries out deliveries: draws the graph that goes with a mail, sends, notes the outcome; sends tests; and says
//! whether all that works.
//!
//! A picture is never waited for long: what is not drawn by then goes without one, and drawings that hang take no more than
//! their two threads.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ravenry_alerts::address::{Address, MailForm};
use ravenry_alerts::channel::Channels;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::notice::Notice;
use ravenry_alerts::outbox::{Delivery, Failure, LedgerEntry, LedgerEvent, Picture};
use ravenry_alerts::rule::ContactName;
use ravenry_plugins::timestamp::Timestamp;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{self, JoinSet};
use tracing::{debug, info, warn};

use super::{Judge, lock};
use crate::config::dead_man::PATIENCE;
use crate::health::Part;

/// How long a picture is waited for.
const PICTURE_WITHIN: Duration = Duration::from_secs(3);

/// Drawings at once.
const DRAWINGS_MAX: usize = 2;

/// A larger picture is left out.
const PICTURE_BYTES_MAX: usize = 512 << 10;

/// Tests at once, at most.
const TESTS_MAX: usize = 8;

/// How often it is asked whether notices wait too long.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Draws the graph of a check as of now; nothing where there is none.
pub type Draw = Arc<dyn Fn(&CheckName) -> Option<Picture> + Send + Sync>;

/// Draws pictures for notices, once somebody has said how.
#[derive(Clone)]
pub(super) struct Pictures {
    draw: Arc<OnceLock<Draw>>,
    permits: Arc<Semaphore>,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            draw: Arc::default(),
            permits: Arc::new(Semaphore::new(DRAWINGS_MAX)),
        }
    }
}

impl Pictures {
    /// Says how, once for all.
    pub(super) fn draw_by(&self, draw: Draw) {
        let _ = self.draw.set(draw);
    }

    /// The picture that goes with a delivery, if it wants one and it is there in time.
    async fn of(&self, delivery: &Delivery) -> Option<Picture> {
        let check = delivery.notice.check.clone()?;
        let draw = Arc::clone(self.draw.get()?);
        if !wants_picture(&delivery.address) {
            return None;
        }
        let drawn = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            let drawn = task::spawn_blocking(move || {
                let picture = draw(&check);
                drop(permit);
                picture
            });
            drawn.await.ok()?
        };
        let Ok(picture) = tokio::time::timeout(PICTURE_WITHIN, drawn).await else {
            warn!(notice = %delivery.notice.key, "its graph was not drawn in time: it goes without");
            return None;
        };
        picture.filter(|picture| picture.png.len() <= PICTURE_BYTES_MAX)
    }
}

fn wants_picture(address: &Address) -> bool {
    match address {
        Address::Mail {
            form: MailForm::Long,
            ..
        } => true,
        Address::Mail {
            form: MailForm::Short,
            ..
        }
        | Address::Webhook(_)
        | Address::Command(_)
        | Address::Line(_) => false,
    }
}

/// How a test went over one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// Which channel, without its secrets: `mail to ops@example.net`.
    pub over: String,
    /// Whether the channel took it; else why not, one sentence.
    pub outcome: Result<(), String>,
}

/// Where the outcomes of a test go, or why there was none.
pub(super) type TestAnswer = oneshot::Sender<Result<Vec<TestOutcome>, String>>;

/// A test that has gone over every channel.
pub(super) struct Tested {
    notice: Notice,
    outcomes: Vec<TestOutcome>,
    answer: TestAnswer,
}

/// Whether the judge and its delivery work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// What does not, one sentence each; nothing when all does.
    pub troubles: Vec<String>,
}

/// What asks for a pulse.
pub(super) struct PulseWanted {
    pub(super) patience: Duration,
    pub(super) answer: oneshot::Sender<Pulse>,
}

pub(super) type Ended = Result<(task::Id, Result<(), Failure>), task::JoinError>;

impl Judge {
    pub(super) fn send(&mut self, mut delivery: Delivery) {
        let (channels, pictures) = (self.channels.clone(), self.pictures.clone());
        let key = delivery.notice.key.clone();
        let send = self.sends.spawn(async move {
            delivery.picture = pictures.of(&delivery).await;
            channels.send(&delivery).await
        });
        self.on_their_way.insert(send.id(), key);
    }

    pub(super) fn ended(&mut self, ended: Ended, now: Timestamp) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (
                error.id(),
                Err(Failure::Doubtful(format!("the channel failed: {error}"))),
            ),
        };
        let Some(key) = self.on_their_way.remove(&id) else {
            return;
        };
        match outcome {
            Ok(()) => self.outbox.handle_sent(&key, now),
            Err(failure) => {
                warn!(notice = %key, "not delivered: {}", failure.why());
                self.outbox.handle_failed(&key, &failure, now);
            }
        }
    }

    /// Sends a test over every channel of a contact, all at once: somebody waits for it, so it is not tried again.
    pub(super) fn test(&mut self, contact: ContactName, answer: TestAnswer, now: Timestamp) {
        let channels = lock(&self.engine).rules().channels();
        let addresses = channels.get(&contact).cloned().unwrap_or_default();
        let refused = if addresses.is_empty() {
            Some(format!("contact {contact} has no channel"))
        } else if self.tests.len() >= TESTS_MAX {
            Some(format!("{TESTS_MAX} tests are on their way already"))
        } else {
            None
        };
        if let Some(why) = refused {
            // Whoever asked may have gone.
            let _ = answer.send(Err(why));
            return;
        }
        let notice = Notice::test(contact, now);
        for address in &addresses {
            let over = address.to_string();
            self.note_test(&notice, LedgerEvent::Sending { over }, now);
        }
        let channels = self.channels.clone();
        self.tests.spawn(async move {
            let outcomes = send_to_all(&channels, &notice, addresses).await;
            Tested {
                notice,
                outcomes,
                answer,
            }
        });
    }

    pub(super) fn tested(&mut self, ended: Result<Tested, task::JoinError>, now: Timestamp) {
        let Ok(tested) = ended else {
            return;
        };
        for TestOutcome { over, outcome } in tested.outcomes.clone() {
            let event = match outcome {
                Ok(()) => LedgerEvent::Sent { over },
                Err(why) => LedgerEvent::Failed { over, why },
            };
            self.note_test(&tested.notice, event, now);
        }
        // Whoever asked may have gone.
        let _ = tested.answer.send(Ok(tested.outcomes));
    }

    fn note_test(&mut self, notice: &Notice, event: LedgerEvent, now: Timestamp) {
        let entry = LedgerEntry {
            at: now,
            key: notice.key.clone(),
            kind: notice.kind,
            event,
        };
        info!(notice = %entry.key, "{entry}");
        self.writes.ledger.push(entry);
    }

    /// Shows on the collector's own pages when a notice has waited too long.
    pub(super) fn look_at_delivery(&mut self, now: Timestamp) {
        let recent = |looked: Timestamp| looked <= now && now.since(looked) < LOOK_EVERY;
        if self.looked_at_delivery.is_some_and(recent) {
            return;
        }
        self.looked_at_delivery = Some(now);
        let outcome = self.undelivered(PATIENCE, now).map_or(Ok(()), Err);
        if self.health.report(Part::Delivery, outcome, now) {
            debug!("whether notices arrive has changed");
        }
    }

    fn undelivered(&self, patience: Duration, now: Timestamp) -> Option<String> {
        let late = self.outbox.late(patience, now)?;
        let waits = ravenry_alerts::notice::words(now.since(late.since));
        let why = late.why.map_or_else(String::new, |why| format!(": {why}"));
        Some(format!(
            "a notice to {} has waited for {waits} and no channel takes it{why}",
            late.contact
        ))
    }

    /// Says whether all works, once what was asked to be written is.
    pub(super) fn answer_pulses(&mut self, is_committed: bool, now: Timestamp) {
        for wanted in std::mem::take(&mut self.pulses) {
            let mut pulse = Pulse::default();
            if !is_committed {
                let text = "what is decided about alerts cannot be written down";
                pulse.troubles.push(text.to_owned());
            }
            pulse
                .troubles
                .extend(self.undelivered(wanted.patience, now));
            // Whoever asked may have gone.
            let _ = wanted.answer.send(pulse);
        }
    }
}

async fn send_to_all(
    channels: &Channels,
    notice: &Notice,
    addresses: Vec<Address>,
) -> Vec<TestOutcome> {
    let mut sends = JoinSet::new();
    let mut outcomes: Vec<TestOutcome> = Vec::new();
    for (place, address) in addresses.into_iter().enumerate() {
        outcomes.push(TestOutcome {
            over: address.to_string(),
            outcome: Err(String::from("the channel failed")),
        });
        let channels = channels.clone();
        let delivery = Delivery {
            notice: notice.clone(),
            over: None,
            address,
            picture: None,
        };
        sends.spawn(async move { (place, channels.send(&delivery).await) });
    }
    while let Some(ended) = sends.join_next().await {
        if let Ok((place, outcome)) = ended {
            outcomes[place].outcome = outcome.map_err(|failure| failure.why().to_owned());
        }
    }
    outcomes
}

impl fmt::Display for TestOutcome {
    /// `mail to ops@example.net: taken`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(()) => write!(f, "{}: taken", self.over),
            Err(why) => write!(f, "{}: not taken: {why}", self.over),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn to(address: Address) -> Delivery {
        let mut notice = Notice::test(ContactName::new("ops"), Timestamp::EPOCH);
        notice.check = Some(CheckName::Host("web1".parse().unwrap()));
        Delivery {
            notice,
            over: None,
            address,
            picture: None,
        }
    }

    fn picture(bytes: usize) -> Picture {
        Picture {
            name: String::from("web1.png"),
            png: vec![0; bytes],
        }
    }

    async fn drawn(draw: Draw, address: Address) -> Option<usize> {
        let pictures = Pictures::default();
        pictures.draw_by(draw);
        let picture = pictures.of(&to(address)).await;
        picture.map(|picture| picture.png.len())
    }

    #[tokio::test]
    async fn a_long_mail_has_its_graph_if_it_can_be_drawn_and_is_not_too_large() {
        let mail = || Address::mail("ops@example.net");
        let of = |bytes| -> Draw { Arc::new(move |_| Some(picture(bytes))) };
        assert_eq!(drawn(of(5), mail()).await, Some(5));
        assert_eq!(drawn(of(5), Address::webhook("http://h")).await, None);
        assert_eq!(drawn(of(PICTURE_BYTES_MAX + 1), mail()).await, None);
        assert_eq!(drawn(Arc::new(|_| None), mail()).await, None);
        assert_eq!(drawn(Arc::new(|_| panic!("broken")), mail()).await, None);
    }

    #[tokio::test]
    async fn drawings_that_hang_hold_up_no_notice_and_take_two_threads() {
        let (release, released) = mpsc::sync_channel::<()>(0);
        let released = Arc::new(std::sync::Mutex::new(released));
        let begun = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let pictures = Pictures::default();
        pictures.draw_by(Arc::new(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = released.lock().unwrap().recv();
            None
        }));
        let mail = to(Address::mail("ops@example.net"));
        let all = [(); 5].map(|()| {
            let (pictures, mail) = (pictures.clone(), mail.clone());
            tokio::spawn(async move { pictures.of(&mail).await })
        });
        for one in all {
            assert_eq!(one.await.unwrap(), None);
        }
        assert_eq!(
            begun.load(std::sync::atomic::Ordering::SeqCst),
            DRAWINGS_MAX
        );
        drop(release);
    }
}
