//! Who may look and who may act: the names this program answers to, the people who sign in, and the tokens of scripts.
//!
//! | where it listens | accounts | who may |
//! |---|---|---|
//! | loopback | none | everybody on this machine, everything |
//! | anywhere | some | who has signed in or sends a token: viewers look, operators act |
//! | elsewhere | none | nobody |
//!
//! [`guard`] stands before every page and the API. The collector keeps accounts and tells them by [`Access::replace`];
//! what is decided here reads no file. A session is a signed cookie that holds as long as the account's password does.

mod door;
mod guard;
mod limit;
mod network;
pub mod password;
mod session;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use ravenry_plugins::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use door::Door;
pub(crate) use door::Visitor;
pub(crate) use guard::{carry_over, cookie, guard, rejected};
pub use network::Network;
pub use session::Key;

use crate::actor::Actor;
pub use crate::actor::Role;
use crate::refusal::Refusal;
use limit::Tries;
use session::{Session, SessionId};

/// Who is at the other end of a connection: an extension of each request, set by who accepted it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Somebody with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As [`is_name`] wants it.
    pub name: String,
    /// As [`password::hash`] makes it.
    pub hash: String,
    /// What may be done.
    pub role: Role,
}

/// A script's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// What may be done.
    pub role: Role,
}

/// Everybody who may, as the collector last read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// People.
    pub users: Vec<User>,
    /// Scripts.
    pub tokens: Vec<ApiToken>,
    /// SHA-256 of the secret with which whoever can read the data directory may all.
    pub admin: Option<[u8; 32]>,
    /// Sessions that were signed out before their time.
    pub ended: HashSet<[u8; 16]>,
}

/// A session that somebody signed out, for the collector to remember; it answers when it is written down.
#[derive(Debug)]
pub struct End {
    /// The session.
    pub session: [u8; 16],
    /// After this it is not good anyway.
    pub until: Timestamp,
    /// Told once it is safe, or why it is not.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// Sign-outs that wait to be written down.
pub const ENDS_MAX: usize = 64;
/// Passwords that are looked at at the same time: each takes 19 MiB and some 20 ms of a processor.
const LOOKS_MAX: usize = 2;
/// Who waits for a look; more are asked to come again.
const LOOKS_WAITING: usize = 32;

/// The door, the accounts, and what is remembered of those who tried.
#[derive(Debug)]
pub struct Access {
    pub(crate) door: Door,
    /// A session ends so long after it was last used.
    session: Duration,
    key: Key,
    known: RwLock<Arc<Known>>,
    tries: Mutex<Tries>,
    looks: Semaphore,
    places: Semaphore,
    ends: mpsc::Sender<End>,
    /// Of the session's cookie: without and with TLS.
    names_of_cookie: (String, String),
}

/// An account's or token's name: 1 to 64 letters, digits and `.`, `_`, `-`, `@`, `+`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}

impl Access {
    /// A door with nobody known yet, and where it tells of sessions that were signed out.
    #[must_use]
    pub fn new(door: Door, session: Duration, key: Key) -> (Self, mpsc::Receiver<End>) {
        let (ends, ended) = mpsc::channel(ENDS_MAX);
        let port = door.listen.port();
        let access = Self {
            door,
            session,
            key,
            known: RwLock::default(),
            tries: Mutex::default(),
            looks: Semaphore::new(LOOKS_MAX),
            places: Semaphore::new(LOOKS_MAX + LOOKS_WAITING),
            ends,
            names_of_cookie: (format!("ravenry-{port}"), format!("__Host-ravenry-{port}")),
        };
        (access, ended)
    }

    /// From now on these may, and no others.
    pub fn replace(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sends a token, or has the cookie `session`.
    fn actor(
        &self,
        headers: &HeaderMap,
        session: Option<&str>,
        now: Timestamp,
    ) -> Result<(Actor, Option<Session>), Refusal> {
        let known = self.known();
        if let Some(secret) = guard::bearer(headers)? {
            let actor = known.bearer(secret, headers);
            return Ok((actor.ok_or(Refusal::UnknownToken)?, None));
        }
        if known.users.is_empty() {
            return if self.door.is_loopback() {
                Ok((Actor::local(headers), None))
            } else {
                Err(Refusal::NoAccount)
            };
        }
        let session = session.and_then(|cookie| Session::read(cookie, &self.key, &known, now));
        let found = session.and_then(|session| {
            let user = known.users.iter().find(|user| user.name == session.user)?;
            Some((Actor::user(user), Some(session)))
        });
        found.ok_or(Refusal::SignIn)
    }

    /// The session of somebody who says name and password, or why there is none. Unknown names take as long as known ones.
    pub(crate) async fn sign_in(
        self: Arc<Self>,
        address: IpAddr,
        name: String,
        secret: String,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        self.tries()
            .spend(address, &name, now)
            .map_err(Refusal::TooOften)?;
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| Refusal::Busy(LOOKS_WAITING))?;
        let look = self.looks.acquire().await;
        let _look = look.map_err(|error| Refusal::Broken(error.to_string()))?;
        let known = self.known();
        let user = known.users.iter().find(|user| user.name == name).cloned();
        let hash = user.as_ref().map(|user| user.hash.clone());
        let right =
            tokio::task::spawn_blocking(move || password::is_right(&secret, hash.as_deref()));
        let right = right.await.unwrap_or(false);
        let Some(user) = user.filter(|_| right) else {
            tracing::warn!(%address, "somebody could not sign in");
            return Err(Refusal::WrongPassword);
        };
        self.tries().give_back(address, &name);
        tracing::info!(%address, name, "signed in");
        let id = SessionId::draw().map_err(Refusal::Broken)?;
        let session = Session::new(&user, id, now, self.session);
        Ok(session.signed(&self.key, &user))
    }

    /// The same session with its time renewed, when enough of that is over to be worth a cookie.
    fn renewed(&self, session: &Session, now: Timestamp) -> Option<String> {
        let known = self.known();
        let user = known.users.iter().find(|user| user.name == session.user)?;
        let renewed = session.renewed(now, self.session)?;
        Some(renewed.signed(&self.key, user))
    }

    /// Ends the session of a cookie, here at once and for good when this returns.
    pub(crate) async fn sign_out(&self, cookie: &str, now: Timestamp) -> Result<(), Refusal> {
        let Some(session) = Session::read(cookie, &self.key, &self.known(), now) else {
            return Ok(());
        };
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut known).ended.insert(session.id.0);
        }
        let (done, told) = oneshot::channel();
        let end = End {
            session: session.id.0,
            until: session.last_end(),
            done,
        };
        let sent = self.ends.send(end).await.is_ok();
        match told.await {
            Ok(Ok(())) if sent => Ok(()),
            Ok(Err(why)) => Err(Refusal::Broken(format!(
                "signed out, but that could not be written down: {why}"
            ))),
            Ok(Ok(())) | Err(_) => Err(Refusal::Broken("the collector is stopping".to_owned())),
        }
    }
}

impl Known {
    fn bearer(&self, secret: &str, headers: &HeaderMap) -> Option<Actor> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let is_it = |known: &[u8; 32]| bool::from(known.ct_eq(&hash));
        if self.admin.as_ref().is_some_and(is_it) {
            return Some(Actor::local(headers));
        }
        let token = self.tokens.iter().find(|token| is_it(&token.sha256));
        token.map(Actor::token)
    }
}
