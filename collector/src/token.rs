//! Tokens: the secrets by which agents, and people with curl, are known. Only their hashes are kept.

use std::time::Duration;

use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::database::Token;

/// How often an unknown token may make the database be read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long known tokens are believed without a look: so long a removed one may still be used.
const BELIEVED: Duration = Duration::from_secs(30);
/// Random bytes in a secret.
const SECRET_BYTES: usize = 24;

/// The tokens there are, as last read.
#[derive(Debug, Default)]
pub struct Tokens {
    known: Vec<Token>,
    looked: Option<Timestamp>,
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The token's name.
    pub name: String,
    /// The hosts that may be spoken for.
    pub hosts: Pattern,
}

impl Tokens {
    /// What who knows `secret` may do.
    #[must_use]
    pub fn allowed(&self, secret: &str) -> Option<Allowed> {
        let hash = hash(secret);
        let found = self
            .known
            .iter()
            .find(|token| bool::from(token.sha256.ct_eq(&hash)));
        found.map(|token| Allowed {
            name: token.name.clone(),
            hosts: Pattern::new(&token.hosts),
        })
    }

    /// Whether the database may be read for a secret that is not known; says so once a second.
    pub fn may_look_again(&mut self, now: Timestamp) -> bool {
        let may = self
            .looked
            .is_none_or(|looked| now < looked || now.since(looked) >= LOOK_EVERY);
        if may {
            self.looked = Some(now);
        }
        may
    }

    /// Whether what is known is too old to be believed.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.looked
            .is_none_or(|looked| now < looked || now.since(looked) >= BELIEVED)
    }

    /// The tokens as the database has them now.
    pub fn replace(&mut self, known: Vec<Token>) {
        self.known = known;
    }
}

/// What is kept of a secret.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Makes a secret of `random` bytes: `rvn_` and hexadecimal digits.
#[must_use]
pub fn secret(random: [u8; SECRET_BYTES]) -> String {
    random.iter().fold("rvn_".to_owned(), |text, byte| {
        text + &format!("{byte:02x}")
    })
}

/// Draws a secret from the system's randomness.
///
/// # Errors
/// When the system has none.
pub fn draw() -> std::io::Result<String> {
    use std::io::Read;
    let mut random = [0; SECRET_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(secret(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash() {
        let secret = secret([0xab; SECRET_BYTES]);
        assert_eq!(secret.len(), 4 + 2 * SECRET_BYTES);
        let mut tokens = Tokens::default();
        assert_eq!(tokens.allowed(&secret), None);
        let created = Timestamp::EPOCH;
        let token = Token {
            name: "web".to_owned(),
            sha256: hash(&secret),
            hosts: "web*".to_owned(),
            created,
        };
        tokens.replace(vec![token]);
        let allowed = tokens.allowed(&secret).unwrap();
        assert_eq!(
            (allowed.name.as_str(), allowed.hosts.as_str()),
            ("web", "web*")
        );
        assert_eq!(tokens.allowed("rvn_other"), None);
    }

    #[test]
    fn the_database_is_asked_once_a_second() {
        let mut tokens = Tokens::default();
        let at = Timestamp::from_seconds;
        assert!(tokens.may_look_again(at(10)));
        assert!(!tokens.may_look_again(at(10)));
        assert!(tokens.may_look_again(at(11)));
        assert!(
            tokens.may_look_again(at(5)),
            "a clock that steps back locks nobody out"
        );
    }
}
