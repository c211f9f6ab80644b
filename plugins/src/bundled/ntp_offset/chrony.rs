//! chrony's command protocol, version 6: the question `tracking` and its answer, in network order.
//!
//! Question: version, 1, two bytes of nothing, command 33 (u16), attempt (u16), sequence (u32), eight bytes of nothing, and
//! as many zeros as the longest answer has, so that nobody gains by asking under another's name.
//! Answer: version, 2, two bytes, command (u16), kind of answer 5 (u16), status (u16), six bytes, sequence (u32), eight bytes;
//! then reference (u32), its address (20 bytes), stratum and leap (u16 each), time of the reference (12 bytes), and floats:
//! correction, last offset, mean offset, frequency, its residue, its skew, delay, dispersion, interval.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Timing, exchange, socket_to};

const VERSION: u8 = 6;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const TRACKING: u16 = 33;
const TRACKING_REPLY: u16 = 5;
const QUESTION_BYTES: usize = 104;
const HEAD_BYTES: usize = 28;
/// Offsets behind the head.
const LAST_OFFSET: usize = 4 + 20 + 2 + 2 + 12 + 4;
const MEAN_OFFSET: usize = LAST_OFFSET + 4;
const ROOT_DELAY: usize = MEAN_OFFSET + 4 * 4;
const SEQUENCE: u32 = 0x7261_7665;

pub(super) fn ask(address: SocketAddr, timeout: Duration) -> Result<Timing, String> {
    exchange(&socket_to(address, timeout)?, &question(), parse)
}

fn question() -> Vec<u8> {
    let mut question = vec![VERSION, REQUEST, 0, 0];
    question.extend(TRACKING.to_be_bytes());
    question.extend(0u16.to_be_bytes());
    question.extend(SEQUENCE.to_be_bytes());
    question.resize(QUESTION_BYTES, 0);
    question
}

fn parse(packet: &[u8]) -> Option<Timing> {
    let (head, tracking) = packet.split_at_checked(HEAD_BYTES)?;
    let two = |at: usize| Some(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let is_answer = head[..2] == [VERSION, REPLY]
        && two(4)? == TRACKING
        && two(6)? == TRACKING_REPLY
        && two(8)? == 0
        && head[16..20] == SEQUENCE.to_be_bytes();
    if !is_answer {
        return None;
    }
    let ms = |at: usize| {
        let bytes = tracking.get(at..at + 4)?.try_into().ok()?;
        Some(float(u32::from_be_bytes(bytes)) * 1e3)
    };
    Some(Timing {
        delay_ms: Some(ms(ROOT_DELAY)?),
        offset_ms: Some(ms(LAST_OFFSET)?),
        jitter_ms: Some(ms(MEAN_OFFSET)?),
    })
}

/// chrony's own float: an exponent of 7 bits, a coefficient of 25, both in two's complement; the point is before it.
fn float(bits: u32) -> f64 {
    let signed = bits.cast_signed();
    let exponent = (signed >> 25) - 25;
    let coefficient = signed << 7 >> 7;
    f64::from(coefficient) * f64::from(exponent).exp2()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Encodes as chrony does, for numbers whose coefficient is a power of two.
    fn bits(number: f64) -> u32 {
        let exponent = number.abs().log2() as i32 + 2;
        let coefficient = number * f64::from(25 - exponent).exp2();
        (exponent << 25 | (coefficient as i32 & 0x01ff_ffff)).cast_unsigned()
    }

    pub(in super::super) fn answer(question: &[u8]) -> Vec<u8> {
        assert_eq!(question.len(), QUESTION_BYTES);
        let mut answer = vec![VERSION, REPLY, 0, 0];
        answer.extend(TRACKING.to_be_bytes());
        answer.extend(TRACKING_REPLY.to_be_bytes());
        answer.resize(16, 0);
        answer.extend(&question[8..12]);
        answer.resize(HEAD_BYTES + LAST_OFFSET, 0);
        for number in [-0.5 / 1024.0, 0.25 / 1024.0, 1.0, 1.0, 1.0, 0.03125] {
            answer.extend(bits(number).to_be_bytes());
        }
        answer.resize(answer.len() + 8, 0);
        answer
    }

    #[test]
    fn floats_are_those_of_chrony() {
        let check = |bits: u32, expect: f64| assert_eq!(float(bits), expect, "{bits:#x}");
        check(0, 0.0);
        check(2 << 25 | 1 << 23, 1.0);
        check(2 << 25 | (0x0200_0000 - (1 << 23)), -1.0);
        check((0x80 - 3) << 25 | 1 << 23, 0.03125);
    }

    #[test]
    fn a_cut_answer_is_none() {
        let whole = answer(&question());
        for length in 0..HEAD_BYTES + ROOT_DELAY {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
    }
}
