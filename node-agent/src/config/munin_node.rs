//! `[munin_node]`: the port at which a Munin master asks this agent, off unless it is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ravenry_plugins::settings::Section;

/// The port and who may ask there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuninPort {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may ask.
    pub allow: Vec<Network>,
}

/// An address, or all that begin as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` is in it. An IPv4 address is one however the socket shows it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let differ = u32::from(network) ^ u32::from(ip);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let differ = u128::from(network) ^ u128::from(ip);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn of(address: IpAddr) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected an address or a network such as \"10.0.0.0/8\", found {text:?}");
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let whole = Self::of(address.parse().map_err(|_| expected())?);
        if !text.contains('/') {
            return Ok(whole);
        }
        let bits = bits.parse().ok().filter(|bits| *bits <= whole.bits);
        Ok(Self {
            bits: bits.ok_or_else(expected)?,
            ..whole
        })
    }
}

/// Takes what the section says.
pub fn read(section: &mut Section<'_, '_>) -> Option<MuninPort> {
    if !section.is_present() {
        return None;
    }
    let listen = section.parsed_by("listen", |text| {
        text.parse::<SocketAddr>().map_err(|_| {
            format!("expected an address and a port such as \"0.0.0.0:4949\", found {text:?}")
        })
    });
    let own = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let allow = section.list("allow");
    if listen.is_none() && !section.has_problems() {
        section.report(&section.span(), "listen", "expected one, found none");
    }
    Some(MuninPort {
        listen: listen?,
        allow: allow.unwrap_or_else(|| own.map(Network::of).to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_as_it_does() {
        let check = |network: &str, ip: &str, expect: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(ip.parse().unwrap()),
                expect,
                "{ip} in {network:?}"
            );
        };
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::/0", "::1", true);
        for text in [
            "",
            "host",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
