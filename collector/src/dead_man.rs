//! The dead man's heartbeat: an address elsewhere is called for as long as this collector decides, can write down what it
//! decides, and its notices arrive. When the calls stop, whoever waits for them tells people by means of their own.
//!
//! Nothing is called to report a trouble: silence is the message, for it also arrives when the machine is gone.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::clock;
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::config::dead_man::DeadMan;
use crate::health::{Health, Part};
use crate::judge::JudgeHandle;

/// How long the alert loop may take to answer: longer than a commit on a slow disk.
const PULSE_WITHIN: Duration = Duration::from_secs(30);

/// How long a call may take.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Calls the address until `stopped`; other settings are in force at once.
pub fn start(
    judge: JudgeHandle,
    health: Arc<Health>,
    settings: watch::Receiver<Option<DeadMan>>,
    stopped: watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let client = Client::builder()
        .timeout(CALL_WITHIN)
        .user_agent(concat!("ravenry/", env!("CARGO_PKG_VERSION")))
        .build();
    match client {
        Ok(client) => {
            let heart = Heart {
                client,
                judge,
                health,
                silent: false,
            };
            Some(tokio::spawn(heart.beat(settings, stopped)))
        }
        Err(error) => {
            error!("the dead man's address cannot be called: {error}");
            None
        }
    }
}

struct Heart {
    client: Client,
    judge: JudgeHandle,
    health: Arc<Health>,
    /// Whether the last beat was left out.
    silent: bool,
}

impl Heart {
    async fn beat(
        mut self,
        mut settings: watch::Receiver<Option<DeadMan>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            let wanted = settings.borrow_and_update().clone();
            let rest = async {
                match &wanted {
                    None => std::future::pending().await,
                    Some(wanted) => {
                        self.beat_once(wanted).await;
                        tokio::time::sleep(wanted.every).await;
                    }
                }
            };
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                changed = settings.changed() => if changed.is_err() { return },
                () = rest => {}
            }
        }
    }

    async fn beat_once(&mut self, wanted: &DeadMan) {
        match self.is_well(wanted.patience).await {
            Ok(()) => {
                if std::mem::take(&mut self.silent) {
                    info!("the dead man's address is called again");
                }
                let called = self.call(&wanted.url).await;
                if let Err(why) = &called {
                    warn!("{why}");
                }
                self.health.report(Part::DeadMan, called, clock::now());
            }
            Err(why) if self.silent => info!("the dead man's address is still not called: {why}"),
            Err(why) => {
                self.silent = true;
                error!("the dead man's address is not called: {why}");
            }
        }
    }

    /// Whether all that a notice needs works; else what does not.
    async fn is_well(&self, patience: Duration) -> Result<(), String> {
        let pulse = match timeout(PULSE_WITHIN, self.judge.pulse(patience)).await {
            Ok(Ok(pulse)) => pulse,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(String::from("the alert loop does not answer")),
        };
        if let Some(trouble) = pulse.troubles.into_iter().next() {
            return Err(trouble);
        }
        match self.health.is_troubled(Part::Journal) {
            true => Err(String::from("pushes cannot be put on stable storage")),
            false => Ok(()),
        }
    }

    async fn call(&self, url: &str) -> Result<(), String> {
        let answer = self.client.get(url).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        // The address may hold a secret.
        let plain = |error: reqwest::Error| {
            let error = error.without_url();
            let first: Option<&dyn std::error::Error> = Some(&error);
            let causes = std::iter::successors(first, |error| error.source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            let causes = causes.join(": ");
            format!("the dead man's address cannot be called: {causes}")
        };
        answer.map(drop).map_err(plain)
    }
}
