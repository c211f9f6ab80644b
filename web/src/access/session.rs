//! A session: a cookie that says who, since when and until when, signed. Nothing of it is kept but those signed out early.
//!
//! `ID.BEGAN.UNTIL.MAC.NAME`: 16 random bytes in hexadecimal, UTC seconds, HMAC-SHA-256 over the rest and the account's
//! password hash, the account. With another password, or without the account, no signature holds.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use ravenry_plugins::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Known, User};

/// A session ends so long after it began, however much it is used.
const SESSION_MAX: Duration = Duration::from_secs(30 * 86_400);
/// A cookie is renewed when it is older than this.
const RENEW_AFTER: Duration = Duration::from_secs(300);

/// What sessions are signed with: a block of HMAC.
#[derive(Clone)]
pub struct Key([u8; 64]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key for sessions alone, made of a secret that has other uses, too.
    #[must_use]
    pub fn derive(secret: &str) -> Self {
        let mut key = [0; 64];
        let (used, _) = key.split_at_mut(32);
        used.copy_from_slice(&Sha256::digest(format!("ravenry web sessions 1\n{secret}")));
        Self(key)
    }

    fn sign(&self, text: &str, user: &User) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new((&self.0).into());
        mac.update(text.as_bytes());
        mac.update(b"\n");
        mac.update(user.hash.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// What tells a session from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionId(pub(super) [u8; 16]);

impl SessionId {
    pub(super) fn draw() -> Result<Self, String> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| format!("the system has no randomness: {error}"))?;
        Ok(Self(id))
    }
}

/// Somebody who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(super) id: SessionId,
    began: i64,
    until: i64,
    pub(super) user: String,
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl Session {
    pub(super) fn new(user: &User, id: SessionId, now: Timestamp, idle: Duration) -> Self {
        Self {
            id,
            began: now.seconds(),
            until: now.seconds() + seconds(idle.min(SESSION_MAX)),
            user: user.name.clone(),
        }
    }

    /// The session of a cookie, if it was signed here, is not over, and its account is as it was.
    pub(super) fn read(cookie: &str, key: &Key, known: &Known, now: Timestamp) -> Option<Self> {
        let mut parts = cookie.splitn(5, '.');
        let mut part = || parts.next();
        let (id, began, until, mac, name) = (part()?, part()?, part()?, part()?, part()?);
        let session = Self {
            id: SessionId(unhex(id)?),
            began: began.parse().ok()?,
            until: until.parse().ok()?,
            user: name.to_owned(),
        };
        let user = known.users.iter().find(|user| user.name == name)?;
        let expected = key.sign(&session.unsigned(), user);
        let signed = unhex::<32>(mac)?;
        let holds = bool::from(expected.ct_eq(&signed));
        let is_ended = known.ended.contains(&session.id.0);
        (holds && now.seconds() < session.until && !is_ended).then_some(session)
    }

    fn unsigned(&self) -> String {
        let Self {
            id,
            began,
            until,
            user,
        } = self;
        format!("{}.{began}.{until}.{user}", hex(&id.0))
    }

    /// The cookie's value.
    pub(super) fn signed(&self, key: &Key, user: &User) -> String {
        let mac = key.sign(&self.unsigned(), user);
        let Self {
            id, began, until, ..
        } = self;
        format!("{}.{began}.{until}.{}.{}", hex(&id.0), hex(&mac), self.user)
    }

    /// With its time counted from `now`; `None` when that is hardly more.
    pub(super) fn renewed(&self, now: Timestamp, idle: Duration) -> Option<Self> {
        let until = (now.seconds() + seconds(idle)).min(self.began + seconds(SESSION_MAX));
        (until > self.until + seconds(RENEW_AFTER)).then(|| Self {
            until,
            ..self.clone()
        })
    }

    /// No cookie of this session is good after this.
    pub(super) fn last_end(&self) -> Timestamp {
        Timestamp::from_seconds(self.began + seconds(SESSION_MAX))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    const IDLE: Duration = Duration::from_secs(3600);

    fn user(hash: &str) -> User {
        User {
            name: "anna.b@example.net".to_owned(),
            hash: hash.to_owned(),
            role: Role::Viewer,
        }
    }

    fn known(hash: &str) -> Known {
        Known {
            users: vec![user(hash)],
            ..Known::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn signed(key: &Key) -> (Session, String) {
        let session = Session::new(&user("h1"), SessionId([7; 16]), at(1000), IDLE);
        let cookie = session.signed(key, &user("h1"));
        (session, cookie)
    }

    #[test]
    fn a_session_holds_until_its_end() {
        let key = Key::derive("secret");
        let (session, cookie) = signed(&key);
        let read = |now| Session::read(&cookie, &key, &known("h1"), at(now));
        assert_eq!(read(1001), Some(session));
        assert!(read(4599).is_some());
        assert!(read(4600).is_none());
    }

    #[test]
    fn nothing_but_what_was_signed_is_a_session() {
        let key = Key::derive("secret");
        let (session, cookie) = signed(&key);
        let is_good = |cookie: &str, key: &Key, known: &Known| {
            Session::read(cookie, key, known, at(1001)).is_some()
        };
        assert!(is_good(&cookie, &key, &known("h1")));
        assert!(!is_good(&cookie, &Key::derive("other"), &known("h1")));
        assert!(!is_good(&cookie, &key, &known("h2")), "another password");
        assert!(!is_good(&cookie, &key, &Known::default()), "no account");
        let mut ended = known("h1");
        ended.ended.insert(session.id.0);
        assert!(!is_good(&cookie, &key, &ended), "signed out");
        for n in 0..cookie.len() {
            let mut other = cookie.clone().into_bytes();
            other[n] = if other[n] == b'1' { b'2' } else { b'1' };
            let other = String::from_utf8(other).unwrap();
            assert!(!is_good(&other, &key, &known("h1")), "{other}");
        }
        for wrong in ["", ".", "....", "é.é.é.é.é"] {
            assert!(!is_good(wrong, &key, &known("h1")), "{wrong}");
        }
    }

    #[test]
    fn use_renews_a_session_for_thirty_days() {
        let (session, _) = signed(&Key::derive("secret"));
        assert_eq!(session.renewed(at(1100), IDLE), None);
        assert_eq!(session.renewed(at(2000), IDLE).unwrap().until, 5600);
        let last = session.renewed(at(1000 + 30 * 86_400 - 60), IDLE).unwrap();
        assert_eq!(last.until, 1000 + 30 * 86_400);
        assert_eq!(last.renewed(at(last.until - 1), IDLE), None);
        assert_eq!(session.last_end(), at(last.until));
    }
}
