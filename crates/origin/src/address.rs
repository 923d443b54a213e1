//! Which addresses may be connected to. The check is of the address itself, at the moment of connecting: what a name
//! promised earlier, or how an address was spelled, does not matter.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Self {
        Self { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Self {
        Self { network: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), bits }
    }

    /// Whether `address` lies in it. An IPv4 address never lies in a range of IPv6, nor the other way round: an IPv6 address
    /// that embeds an IPv4 address has to be allowed as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of addresses; write one like 10.0.0.0/8 or fd00::/8");
        let (network, bits) = match text.split_once('/') {
            Some((network, bits)) => (network, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| wrong())?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
            None => most,
        };
        if bits > most { Err(wrong()) } else { Ok(Self { network, bits }) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// Why an address may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What it is, in words: "loopback".
    pub kind: &'static str,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, kind } = self;
        write!(f, "{address} is {kind} and not in the ranges allowed for this origin")
    }
}

/// IPv4 ranges that no public server lives in (the IANA special-purpose registry, RFC 6890 and after), and one address that
/// looks public and is not.
const SPECIAL_V4: [(Cidr, &str); 16] = [
    (Cidr::v4(0, 0, 0, 0, 8), "unspecified"),
    (Cidr::v4(10, 0, 0, 0, 8), "private"),
    (Cidr::v4(100, 64, 0, 0, 10), "shared by a carrier (CGNAT)"),
    (Cidr::v4(127, 0, 0, 0, 8), "loopback"),
    (Cidr::v4(169, 254, 0, 0, 16), "link-local"),
    (Cidr::v4(172, 16, 0, 0, 12), "private"),
    (Cidr::v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (Cidr::v4(192, 0, 2, 0, 24), "for documentation"),
    (Cidr::v4(192, 88, 99, 0, 24), "a relay into IPv6"),
    (Cidr::v4(192, 168, 0, 0, 16), "private"),
    (Cidr::v4(198, 18, 0, 0, 15), "for benchmarks"),
    (Cidr::v4(198, 51, 100, 0, 24), "for documentation"),
    (Cidr::v4(203, 0, 113, 0, 24), "for documentation"),
    (Cidr::v4(224, 0, 0, 0, 4), "multicast"),
    // Azure's host agent: it answers every virtual machine there with that machine's own secrets.
    (Cidr::v4(168, 63, 129, 16, 32), "a cloud's own service"),
    (Cidr::v4(240, 0, 0, 0, 4), "reserved or broadcast"),
];

/// IPv6 ranges outside global unicast, named where a person would want to know; everything else outside 2000::/3 is refused
/// too.
const SPECIAL_V6: [(Cidr, &str); 15] = [
    (Cidr { network: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 128 }, "unspecified"),
    (Cidr { network: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 }, "loopback"),
    (Cidr { network: IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), bits: 96 }, "an IPv4 address in IPv6"),
    (Cidr::v6(0, 0, 0, 96), "an IPv4 address in IPv6"),
    (Cidr::v6(0x64, 0xff9b, 0, 32), "an IPv4 address translated into IPv6"),
    (Cidr::v6(0x100, 0, 0, 64), "a black hole"),
    (Cidr::v6(0x2001, 0, 0, 23), "reserved for protocols, Teredo among them"),
    (Cidr::v6(0x2001, 0xdb8, 0, 32), "for documentation"),
    (Cidr::v6(0x2002, 0, 0, 16), "an IPv4 address in IPv6 (6to4)"),
    (Cidr::v6(0x3fff, 0, 0, 20), "for documentation"),
    (Cidr::v6(0xfc00, 0, 0, 7), "private (unique local)"),
    (Cidr::v6(0xfe80, 0, 0, 10), "link-local"),
    (Cidr::v6(0xfec0, 0, 0, 10), "private (site-local)"),
    (Cidr::v6(0xff00, 0, 0, 8), "multicast"),
    (Cidr::v6(0x5f00, 0, 0, 16), "for segment routing"),
];

const GLOBAL_UNICAST: Cidr = Cidr::v6(0x2000, 0, 0, 3);

/// The addresses that may be connected to: the public ones, and the ranges that the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Ranges allowed beside the public addresses.
    pub allow: Vec<Cidr>,
}

impl Addresses {
    /// Whether `address` may be connected to.
    ///
    /// # Errors
    /// [`Forbidden`] says what kind of address it is.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        if self.allow.iter().any(|range| range.contains(address)) {
            return Ok(());
        }
        let special: &[(Cidr, &'static str)] = if address.is_ipv4() { &SPECIAL_V4 } else { &SPECIAL_V6 };
        if let Some((_, kind)) = special.iter().find(|(range, _)| range.contains(address)) {
            return Err(Forbidden { address, kind });
        }
        if address.is_ipv6() && !GLOBAL_UNICAST.contains(address) {
            return Err(Forbidden { address, kind: "not a public address" });
        }
        Ok(())
    }
}
