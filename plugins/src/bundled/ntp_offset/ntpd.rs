//! ntpd's control messages (RFC 9327): which of its associations is the system peer, and that one's variables.
//!
//! A message has a head of 12 bytes in network order: version 2 and mode 6, bits and operation, sequence, status,
//! association, offset and count of the data; then the data, here cut into packets by the daemon.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Timing, exchange, socket_to};

const VERSION_AND_MODE: u8 = 2 << 3 | 6;
const READ_STATUS: u8 = 1;
const READ_VARIABLES: u8 = 2;
const IS_RESPONSE: u8 = 0x80;
const IS_ERROR: u8 = 0x40;
const OPERATION: u8 = 0x1f;
const HEAD_BYTES: usize = 12;
/// The peer that the clock follows: by the network, or by a pulse.
const SYSTEM_PEER: std::ops::RangeInclusive<u16> = 6..=7;

pub(super) fn ask(address: SocketAddr, timeout: Duration) -> Result<Timing, String> {
    let socket = socket_to(address, timeout)?;
    let ask = |operation, association| {
        let question = question(operation, association);
        exchange(&socket, &question, |packet| parse(packet, operation))
    };
    let peers = ask(READ_STATUS, 0)?;
    let peer = system_peer(&peers).ok_or("it follows no peer (yet)")?;
    let variables = ask(READ_VARIABLES, peer)?;
    let text = String::from_utf8_lossy(&variables);
    Ok(Timing {
        delay_ms: variable(&text, "delay"),
        offset_ms: variable(&text, "offset"),
        jitter_ms: variable(&text, "jitter"),
    })
}

fn question(operation: u8, association: u16) -> Vec<u8> {
    let mut question = vec![VERSION_AND_MODE, operation, 0, operation];
    question.extend([0, 0]);
    question.extend(association.to_be_bytes());
    question.resize(HEAD_BYTES, 0);
    question
}

/// The data of the first packet of an answer: of a longer list it holds more peers than a daemon keeps.
fn parse(packet: &[u8], operation: u8) -> Option<Vec<u8>> {
    let (head, data) = packet.split_at_checked(HEAD_BYTES)?;
    let is_answer = head[0] & 0x07 == VERSION_AND_MODE & 0x07
        && head[1] & (IS_RESPONSE | IS_ERROR) == IS_RESPONSE
        && head[1] & OPERATION == operation
        && head[3] == operation
        && head[8..10] == [0, 0];
    let count = usize::from(u16::from_be_bytes([head[10], head[11]]));
    data.get(..count).filter(|_| is_answer).map(<[u8]>::to_vec)
}

/// Of pairs of an association and its status, the one that the clock follows.
fn system_peer(pairs: &[u8]) -> Option<u16> {
    pairs.chunks_exact(4).find_map(|pair| {
        let [id_high, id_low, status, _] = *pair else {
            return None;
        };
        let selection = u16::from(status & 0x07);
        SYSTEM_PEER
            .contains(&selection)
            .then(|| u16::from_be_bytes([id_high, id_low]))
    })
}

/// The number of `name=NUMBER` among variables separated by commas.
fn variable(text: &str, name: &str) -> Option<f64> {
    text.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn answer(question: &[u8]) -> Vec<u8> {
        let data: &[u8] = match question[1] {
            READ_STATUS => &[0, 7, 0x14, 0, 0x12, 0x34, 0x96, 0x1a, 0, 9, 0x13, 0],
            READ_VARIABLES if question[6..8] == [0x12, 0x34] => {
                b"srcadr=192.0.2.1, stratum=2,\r\nrootdelay=3.000, delay=12.500, offset=-0.125,\r\njitter=0.750"
            }
            _ => b"",
        };
        let mut answer = question[..HEAD_BYTES].to_vec();
        answer[1] |= IS_RESPONSE;
        answer[10..12].copy_from_slice(&(data.len() as u16).to_be_bytes());
        answer.extend(data);
        answer
    }

    #[test]
    fn a_daemon_without_a_peer_says_so() {
        assert_eq!(system_peer(&[0, 7, 0x14, 0, 0, 9, 0x13, 0]), None);
        assert_eq!(system_peer(&[0, 7, 0x17, 0, 1]), Some(7));
    }

    #[test]
    fn errors_and_cut_answers_are_none() {
        let whole = answer(&question(READ_STATUS, 0));
        assert!(parse(&whole, READ_STATUS).is_some());
        assert_eq!(parse(&whole, READ_VARIABLES), None);
        assert_eq!(parse(&whole[..whole.len() - 1], READ_STATUS), None);
        let mut error = whole;
        error[1] |= IS_ERROR;
        assert_eq!(parse(&error, READ_STATUS), None);
    }
}
