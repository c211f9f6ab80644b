//! One conversation with the collector: a batch at a time, the oldest first, until each is taken. Pure: what the collector
//! answered and when goes in; what becomes of the batch and when to try again comes out.
//!
//! ```text
//!            handle_sent              handle_reply
//!   idle ───────────────► in flight ───────────────► idle      taken, refused: the batch is done
//!    ▲                                     └───────► waiting   everything else: the batch is kept
//!    └───────────────────────── until the pause has passed ────────┘
//! ```
//!
//! A pause doubles with each failure up to [`PAUSE_MAX`] and is shortened by up to half, by a hash of the agent's id and
//! the count of failures, so that many agents do not come back at the same moment.

use std::time::{Duration, Instant};

use ravenry_plugins::wire::Ack;

use crate::schedule::hash;

#[cfg(test)]
mod tests;

/// The first pause.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause that we choose ourselves.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause of an agent that the collector does not know.
pub const PAUSE_STRANGER: Duration = Duration::from_secs(60);
/// The longest pause that a collector may ask for.
pub const PAUSE_ASKED_MAX: Duration = Duration::from_secs(600);
/// How often a lasting trouble is told again.
const TELL_AGAIN: Duration = Duration::from_secs(3600);

/// What became of a batch that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is on stable storage.
    Taken(Ack),
    /// The collector will never take it.
    Refused {
        /// What it said.
        why: String,
    },
    /// The collector does not know us.
    Unauthorized {
        /// What it said.
        why: String,
    },
    /// The collector cannot take it now.
    Busy {
        /// What it said.
        why: String,
        /// The pause that it asked for.
        retry_after: Option<Duration>,
    },
    /// No answer.
    Unreachable {
        /// What was in the way.
        why: String,
    },
}

/// What to do with the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It is to be dropped and counted.
    Drop,
    /// It is to be sent again.
    Keep,
}

/// What a person should read in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Nothing is taken since `since`; told at the first failure and then each hour.
    Trouble {
        /// One sentence.
        why: String,
        /// How long it has lasted.
        lasted: Duration,
    },
    /// The collector takes batches again.
    Over {
        /// How long it had lasted.
        lasted: Duration,
    },
    /// A batch was refused for good.
    Refused {
        /// What the collector said.
        why: String,
        /// Batches refused since the start.
        count: u64,
    },
}

/// The state of the conversation.
#[derive(Debug)]
pub struct Session {
    seed: u64,
    state: State,
    failures: u32,
    trouble: Option<Trouble>,
    refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InFlight,
    Waiting { until: Instant },
}

#[derive(Clone, Debug)]
struct Trouble {
    since: Instant,
    told: Instant,
    why: String,
}

impl Session {
    /// Before the first batch. `agent` is the agent's id.
    #[must_use]
    pub fn new(agent: &str) -> Self {
        Self {
            seed: hash(agent),
            state: State::Idle,
            failures: 0,
            trouble: None,
            refused: 0,
        }
    }

    /// Whether the oldest batch, if there is one, is to be sent now.
    #[must_use]
    pub fn may_send(&self, now: Instant) -> bool {
        match self.state {
            State::Idle => true,
            State::InFlight => false,
            State::Waiting { until } => until <= now,
        }
    }

    /// The oldest batch is on its way.
    pub fn handle_sent(&mut self) {
        self.state = State::InFlight;
    }

    /// What the collector answered.
    pub fn handle_reply(&mut self, now: Instant, reply: &Reply) -> (Verdict, Option<Tell>) {
        match reply {
            Reply::Taken(_) => (Verdict::Done, self.recover(now)),
            Reply::Refused { why } => {
                self.recover(now);
                self.refused += 1;
                (
                    Verdict::Drop,
                    Some(Tell::Refused {
                        why: why.clone(),
                        count: self.refused,
                    }),
                )
            }
            Reply::Unauthorized { why } => {
                (Verdict::Keep, self.fail(now, why, Some(PAUSE_STRANGER)))
            }
            Reply::Busy { why, retry_after } => (Verdict::Keep, self.fail(now, why, *retry_after)),
            Reply::Unreachable { why } => (Verdict::Keep, self.fail(now, why, None)),
        }
    }

    /// When a pause ends; `None` when there is none.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Idle | State::InFlight => None,
        }
    }

    /// Batches refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn recover(&mut self, now: Instant) -> Option<Tell> {
        self.state = State::Idle;
        self.failures = 0;
        let trouble = self.trouble.take()?;
        Some(Tell::Over {
            lasted: now.saturating_duration_since(trouble.since),
        })
    }

    fn fail(&mut self, now: Instant, why: &str, asked: Option<Duration>) -> Option<Tell> {
        self.failures = self.failures.saturating_add(1);
        let pause = self.pause(asked);
        self.state = State::Waiting { until: now + pause };
        let trouble = self.trouble.get_or_insert(Trouble {
            since: now,
            told: now,
            why: String::new(),
        });
        let again = now.saturating_duration_since(trouble.told) >= TELL_AGAIN;
        if trouble.why == why && !again {
            return None;
        }
        trouble.told = now;
        why.clone_into(&mut trouble.why);
        Some(Tell::Trouble {
            why: why.to_owned(),
            lasted: now.saturating_duration_since(trouble.since),
        })
    }

    /// The pause after the failures so far: at least what was asked for, else doubling.
    fn pause(&self, asked: Option<Duration>) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let own = PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX);
        let jitter = hash(&format!("{}/{}", self.seed, self.failures)) % 500;
        let shorten = own.mul_f64(jitter as f64 / 1000.0);
        match asked {
            None => own - shorten,
            Some(asked) => asked.min(PAUSE_ASKED_MAX) + shorten,
        }
    }
}
