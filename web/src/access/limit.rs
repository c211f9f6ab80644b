//! How often somebody may try a password: a bucket for each address and one for each name. Trying spends from both, a
//! right password gives back, and time refills. The memory it takes has a limit whatever comes in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;

use super::is_name;

/// Buckets that are kept; when there are more the fullest ones go.
const BUCKETS_MAX: usize = 20_000;
/// Wrong passwords in a row from one address.
const OF_ADDRESS: f64 = 10.0;
/// Wrong passwords in a row for one name, wherever they come from.
const OF_NAME: f64 = 50.0;
/// A bucket that is empty is full again after this.
const REFILL: Duration = Duration::from_secs(600);

/// What is remembered of those who tried.
#[derive(Debug, Default)]
pub(super) struct Tries {
    buckets: HashMap<Who, Bucket>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    /// IPv6 by its first 64 bits: those who have one address there have all.
    Address(IpAddr),
    /// What cannot be a name is one name.
    Name(String),
}

impl Who {
    fn of(address: IpAddr, name: &str) -> [Self; 2] {
        let address = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        };
        let name = if is_name(name) { name } else { "" };
        [Self::Address(address), Self::Name(name.to_owned())]
    }

    fn room(&self) -> f64 {
        match self {
            Self::Address(_) => OF_ADDRESS,
            Self::Name(_) => OF_NAME,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    spent: f64,
    at: Timestamp,
}

impl Bucket {
    /// What is spent of `room` at `now`; a clock that went back refills nothing.
    fn spent_at(&self, room: f64, now: Timestamp) -> f64 {
        let refilled = now.since(self.at).as_secs_f64() * room / REFILL.as_secs_f64();
        (self.spent - refilled).max(0.0)
    }
}

impl Tries {
    /// Spends a try, or says how long it takes until there is one.
    pub(super) fn spend(
        &mut self,
        address: IpAddr,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let both = Who::of(address, name);
        let waits = both.iter().filter_map(|who| {
            let room = who.room();
            let over = self.buckets.get(who)?.spent_at(room, now) + 1.0 - room;
            (over > 0.0).then(|| REFILL.mul_f64(over / room))
        });
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        self.make_room(now);
        for who in both {
            let room = who.room();
            let bucket = self.buckets.entry(who).or_insert(Bucket {
                spent: 0.0,
                at: now,
            });
            *bucket = Bucket {
                spent: bucket.spent_at(room, now) + 1.0,
                at: now,
            };
        }
        Ok(())
    }

    /// The password was right.
    pub(super) fn give_back(&mut self, address: IpAddr, name: &str) {
        for who in Who::of(address, name) {
            if let Some(bucket) = self.buckets.get_mut(&who) {
                bucket.spent = (bucket.spent - 1.0).max(0.0);
            }
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.buckets.len() + 2 <= BUCKETS_MAX {
            return;
        }
        self.buckets
            .retain(|who, bucket| bucket.spent_at(who.room(), now) > 0.0);
        if self.buckets.len() + 2 <= BUCKETS_MAX {
            return;
        }
        let mut shares: Vec<f64> = self
            .buckets
            .iter()
            .map(|(who, bucket)| bucket.spent_at(who.room(), now) / who.room())
            .collect();
        shares.sort_by(f64::total_cmp);
        let least = shares.get(BUCKETS_MAX / 4).copied().unwrap_or_default();
        self.buckets
            .retain(|who, bucket| bucket.spent_at(who.room(), now) / who.room() > least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `tries` are let through at `now`.
    fn let_through(tries: &mut Tries, address: &str, name: &str, now: i64, count: usize) -> usize {
        (0..count)
            .filter(|_| tries.spend(ip(address), name, at(now)).is_ok())
            .count()
    }

    #[test]
    fn an_address_has_ten_tries_and_then_one_a_minute() {
        let mut tries = Tries::default();
        assert_eq!(let_through(&mut tries, "192.0.2.1", "anna", 0, 30), 10);
        assert_eq!(let_through(&mut tries, "192.0.2.1", "berta", 0, 30), 0);
        assert_eq!(let_through(&mut tries, "192.0.2.2", "anna", 0, 1), 1);
        assert_eq!(let_through(&mut tries, "192.0.2.1", "anna", 59, 30), 0);
        assert_eq!(let_through(&mut tries, "192.0.2.1", "anna", 60, 30), 1);
        assert_eq!(
            let_through(&mut tries, "192.0.2.1", "anna", -900, 30),
            0,
            "a clock that went back"
        );
        let wait = tries.spend(ip("192.0.2.1"), "anna", at(90)).unwrap_err();
        assert_eq!(wait.as_secs(), 30);
    }

    #[test]
    fn a_name_has_fifty_from_everywhere() {
        let mut tries = Tries::default();
        let through: usize = (0..200)
            .map(|n| let_through(&mut tries, &format!("192.0.2.{n}"), "anna", 0, 1))
            .sum();
        assert_eq!(through, 50);
        assert_eq!(let_through(&mut tries, "198.51.100.1", "berta", 0, 1), 1);
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let mut tries = Tries::default();
        let through: usize = (0..40)
            .map(|n| {
                let_through(
                    &mut tries,
                    &format!("2001:db8::{n:x}"),
                    &format!("u{n}"),
                    0,
                    1,
                )
            })
            .sum();
        assert_eq!(through, 10);
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let mut tries = Tries::default();
        for _ in 0..100 {
            tries.spend(ip("192.0.2.1"), "anna", at(0)).unwrap();
            tries.give_back(ip("192.0.2.1"), "anna");
        }
    }

    #[test]
    fn memory_has_a_limit_and_those_who_are_shut_out_stay_so() {
        let mut tries = Tries::default();
        assert_eq!(let_through(&mut tries, "192.0.2.1", "anna", 0, 30), 10);
        for n in 0..30_000_u32 {
            let address = IpAddr::V4((0x0b00_0000 + n).into());
            let _ = tries.spend(address, &format!("u{n}"), at(1));
            assert!(tries.buckets.len() <= BUCKETS_MAX);
        }
        assert_eq!(let_through(&mut tries, "192.0.2.1", "anna", 2, 30), 0);
    }
}
