//! Links by which whoever was told of an incident acknowledges it without signing in: signed, for one contact and one
//! incident, and good for a week. Pure.
//!
//! `/ack/INCIDENT?contact=NAME&until=SECONDS&signature=HEX`; the signature is HMAC-SHA256 over the other three, cut to 128
//! bits. A link is good as long as the secret is.

use std::fmt::{self, Write as _};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use ravenry_plugins::timestamp::Timestamp;
use sha2::Sha256;

/// How long a link is good.
pub const GOOD_FOR: Duration = Duration::from_secs(7 * 86_400);

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 16;

/// Signs links, and knows its own again.
#[derive(Clone)]
pub struct AckLinks {
    secret: Vec<u8>,
}

/// What a link says, before it is known whether that is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which incident.
    pub incident: u64,
    /// Who was told.
    pub contact: String,
    /// It is good until then.
    pub until: Timestamp,
    /// The signature, in hexadecimal.
    pub signature: String,
}

/// Why a link is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was never one.
    #[error("this link was not made here, or was changed on its way")]
    Forged,
    /// It was one.
    #[error("this link is older than a week: open the incident's page instead")]
    Expired,
}

impl AckLinks {
    /// Links under a secret of at least 16 random bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_vec(),
        }
    }

    /// The path and query of the link by which `contact` acknowledges the incident, as of `now`.
    #[must_use]
    pub fn ack_link(&self, incident: u64, contact: &str, now: Timestamp) -> String {
        let until = (now + GOOD_FOR).seconds();
        let signature = self.signature(incident, contact, until);
        let mut link = format!("/ack/{incident}?contact=");
        escape_into(&mut link, contact);
        let _ = write!(link, "&until={until}&signature=");
        for byte in &signature {
            let _ = write!(link, "{byte:02x}");
        }
        link
    }

    /// Whether a link is one of these and still good.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self, claim: &Claim, now: Timestamp) -> Result<(), LinkError> {
        let signature = bytes(&claim.signature).ok_or(LinkError::Forged)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(LinkError::Forged);
        }
        let until = claim.until.seconds();
        self.mac(claim.incident, &claim.contact, until)
            .and_then(|mac| mac.verify_truncated_left(&signature).ok())
            .ok_or(LinkError::Forged)?;
        if now >= claim.until {
            return Err(LinkError::Expired);
        }
        Ok(())
    }

    fn signature(&self, incident: u64, contact: &str, until: i64) -> Vec<u8> {
        let mac = self.mac(incident, contact, until);
        let whole = mac.map(|mac| mac.finalize().into_bytes().to_vec());
        let mut whole = whole.unwrap_or_default();
        whole.truncate(SIGNATURE_BYTES);
        whole
    }

    /// Every length of a key is good, so there is always one.
    fn mac(&self, incident: u64, contact: &str, until: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(format!("ravenry acknowledge 1\n{incident}\n{until}\n{contact}").as_bytes());
        Some(mac)
    }
}

impl fmt::Debug for AckLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckLinks").finish_non_exhaustive()
    }
}

/// Percent-encodes what does not stand for itself in a query.
fn escape_into(link: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                link.push(char::from(byte));
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let pairs = digits?;
    let pairs = pairs.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

    fn claim(link: &str) -> Claim {
        let (path, query) = link.split_once('?').unwrap();
        let mut values = query.split('&').map(|it| it.split_once('=').unwrap().1);
        let mut next = || values.next().unwrap().replace("%20", " ");
        Claim {
            incident: path.strip_prefix("/ack/").unwrap().parse().unwrap(),
            contact: next(),
            until: Timestamp::from_seconds(next().parse().unwrap()),
            signature: next(),
        }
    }

    #[test]
    fn a_link_is_good_for_a_week_for_its_contact_and_incident_only() {
        let links = AckLinks::new(b"0123456789abcdef");
        let link = links.ack_link(12, "night shift", NOW);
        assert_eq!(
            link,
            "/ack/12?contact=night%20shift&until=1767830400&signature=b1a9c3605d627010aaaef197500a697c"
        );
        let good = claim(&link);
        let check = |claim: Claim, now: Timestamp, expect: Result<(), LinkError>| {
            assert_eq!(links.verify(&claim, now), expect, "{claim:?}");
        };
        let day = Duration::from_secs(86_400);
        check(good.clone(), NOW + 6 * day, Ok(()));
        check(good.clone(), NOW + 7 * day, Err(LinkError::Expired));
        let forged = |change: fn(&mut Claim)| {
            let mut claim = good.clone();
            change(&mut claim);
            check(claim, NOW, Err(LinkError::Forged));
        };
        forged(|it| it.incident = 13);
        forged(|it| it.contact = String::from("nightshift"));
        forged(|it| it.until = it.until + Duration::from_secs(1));
        forged(|it| it.signature.truncate(30));
        forged(|it| it.signature.clear());
        forged(|it| it.signature = "0".repeat(32));
        forged(|it| it.signature.push('0'));
        forged(|it| it.signature = "é".repeat(16));
        let others = AckLinks::new(b"another secret..");
        assert_eq!(others.verify(&good, NOW), Err(LinkError::Forged));
    }
}
