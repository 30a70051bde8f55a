//! Whose address a request came from, when proxies stand before us.
//!
//! A forwarded address is believed only from a peer that the operator named; otherwise anybody could choose
//! the address that limits and the login log see.

use std::net::IpAddr;
use std::str::FromStr;

use actix_web::http::header::HeaderMap;
use thiserror::Error;

/// An address or a network that is not written as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an IP address or network such as 10.0.0.0/8")]
pub struct InvalidNetwork;

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    prefix: u8,
    is_v6: bool,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let (bits, is_v6) = bits_of(address);
        is_v6 == self.is_v6 && mask(bits, self.prefix) == self.bits
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_not_an_address| InvalidNetwork)?;
        let (bits, is_v6) = bits_of(address);
        let width: u8 = if is_v6 { 128 } else { 32 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().map_err(|_not_a_number| InvalidNetwork)?,
            None => width,
        };
        if prefix > width {
            return Err(InvalidNetwork);
        }
        Ok(Self { bits: mask(bits, prefix), prefix, is_v6 })
    }
}

/// The address in the top bits of 128, and whether it is of version 6. Mapped addresses count as version 4.
fn bits_of(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

fn mask(bits: u128, prefix: u8) -> u128 {
    let dropped = 128_u32.saturating_sub(u32::from(prefix));
    bits.checked_shr(dropped).and_then(|kept| kept.checked_shl(dropped)).unwrap_or(0)
}

/// The proxies whose word is taken for the client's address.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
}

impl TrustedProxies {
    /// Proxies in these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    /// The client of a request: the peer, unless that is one of ours; then the last address of
    /// `X-Forwarded-For` that is not. A word there that is no address ends the trust.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let chain: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = peer;
        for hop in chain.iter().rev().take(HOPS_MAX) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

const HOPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let networks = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(line));
        }
        TrustedProxies::new(networks).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(client(&[], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_is_not_a_proxy_is_the_client() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"]), "1.2.3.4");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "1.2.3.4"]), "1.2.3.4");
        assert_eq!(client(&["::1", "fd00::/8"], "::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client(&["0.0.0.0/0"], "::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn a_word_that_is_no_address_ends_the_trust() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_network_is_read_strictly() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Network>(), Err(InvalidNetwork), "{bad}");
        }
    }
}
