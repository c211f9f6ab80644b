//! Passwords: argon2id with the parameters that OWASP names (19 MiB, 2 passes, 1 lane), the cost a part of each hash.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// Characters that a password has at least.
pub const LENGTH_MIN: usize = 10;
/// Bytes that it has at most.
pub const BYTES_MAX: usize = 1024;

/// Why a password cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PasswordError {
    /// It is too short.
    #[error("password: expected at least {LENGTH_MIN} characters, found {0}")]
    Short(usize),
    /// It is too long.
    #[error("password: expected at most {BYTES_MAX} bytes, found {0}")]
    Long(usize),
    /// The system has no randomness for a salt.
    #[error("password: it could not be hashed: {0}")]
    Hash(String),
}

/// What is kept of a password: a PHC string with a salt of its own.
///
/// # Errors
/// When it is too short or too long.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(PasswordError::Short(length));
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordError::Long(password.len()));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Hash(error.to_string()))
}

/// What is looked at for a name that nobody has, so that it takes as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash("the password of nobody at all").unwrap_or_default());

/// Whether `password` is the one of `hash`. Takes about as long without one.
pub(super) fn is_right(password: &str, hash: Option<&str>) -> bool {
    let password = if password.len() > BYTES_MAX {
        ""
    } else {
        password
    };
    let known = hash.unwrap_or(&NOBODY);
    let matches = Argon2::default().verify_password(password.as_bytes(), known);
    matches.is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_no_hash_is_the_same_twice() {
        let (one, two) = (
            hash("correct horse").unwrap(),
            hash("correct horse").unwrap(),
        );
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        assert!(is_right("correct horse", Some(&one)));
        assert!(!is_right("correct horsf", Some(&one)));
        assert!(!is_right("correct horse", None));
        assert!(!is_right("the password of nobody at all", None));
        assert!(!is_right("", Some("not a hash")));
    }

    #[test]
    fn a_password_has_ten_characters_to_a_kilobyte() {
        assert_eq!(hash("short"), Err(PasswordError::Short(5)));
        assert_eq!(hash("äöüäöüäöü"), Err(PasswordError::Short(9)));
        assert_eq!(hash(&"x".repeat(1025)), Err(PasswordError::Long(1025)));
    }
}
