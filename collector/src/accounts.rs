//! Keeps what the pages know of accounts as the database has it: `ravenry user` and `ravenry token` change it while the
//! collector runs, and sessions that are signed out are written down.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::clock;
use ravenry_web::access::{Access, End, Key};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::http::Http;
use crate::database::{Database, DatabaseError};
use crate::token::hash;

/// So long somebody who was removed may still be known.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The accounts, and what they are kept in step with.
#[derive(Debug)]
pub struct Accounts {
    access: Arc<Access>,
    ends: mpsc::Receiver<End>,
    ledger: Ledger,
}

/// The database as last read; a connection of its own.
#[derive(Debug)]
struct Ledger {
    database: Database,
    version: Option<i64>,
    /// Whoever can read the data directory may all.
    admin: [u8; 32],
}

impl Accounts {
    /// Reads who may. `secret` is that of the data directory, which signs sessions and opens everything.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open(
        http: &Http,
        listen: std::net::SocketAddr,
        database: Database,
        secret: &str,
    ) -> Result<Self, DatabaseError> {
        let (access, ends) = Access::new(http.door(listen), http.session, Key::derive(secret));
        let access = Arc::new(access);
        let mut ledger = Ledger {
            database,
            version: None,
            admin: hash(secret),
        };
        ledger.bring_to(&access)?;
        Ok(Self {
            access,
            ends,
            ledger,
        })
    }

    /// What the pages ask.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Keeps both in step until `stopped`.
    pub async fn keep(self, mut stopped: watch::Receiver<bool>) {
        let Self {
            access,
            mut ends,
            mut ledger,
        } = self;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let end = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                end = ends.recv() => end,
                _ = look.tick() => None,
            };
            let access = Arc::clone(&access);
            let kept = spawn_blocking(move || {
                ledger.step(&access, end);
                ledger
            });
            match kept.await {
                Ok(kept) => ledger = kept,
                Err(error) => return tracing::error!("accounts are not read any more: {error}"),
            }
        }
    }
}

impl Ledger {
    fn step(&mut self, access: &Access, end: Option<End>) {
        if let Some(End {
            session,
            until,
            done,
        }) = end
        {
            let written = self.database.end_session(&session, until, clock::now());
            drop(done.send(written.map_err(|error| error.to_string())));
        }
        if let Err(error) = self.bring_to(access) {
            tracing::error!("accounts cannot be read: {error}");
        }
    }

    /// Tells `access` who may, when that may be others than before.
    fn bring_to(&mut self, access: &Access) -> Result<(), DatabaseError> {
        let version = self.database.version_of_data()?;
        if self.version == Some(version) {
            return Ok(());
        }
        let mut known = self.database.known(clock::now())?;
        known.admin = Some(self.admin);
        access.replace(known);
        self.version = Some(version);
        Ok(())
    }
}
