//! Sources that identify a trunk.

use crate::decider::serde_as_text;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A source of calls: `ip:port`, `ip`, or a network `ip/length` without host bits. IPv4 inside IPv6 is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrunkAddress {
    /// One socket of one host: stronger than any network.
    Endpoint(SocketAddr),
    /// A network; a whole-length one is one host with any port. Longer ones are stronger.
    Network(Network),
}

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Why a text is no [`TrunkAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAddress {
    /// Not an address at all.
    #[error("expected an IP address, IP:port ([IPv6]:port) or a network such as 192.0.2.0/24")]
    Syntax,
    /// Bits beyond the length are set.
    #[error("the network's address has bits set beyond its length: write its first address")]
    HostBits,
    /// So wide that it would take strangers for the trunk.
    #[error("the network is too wide: at least /8 for IPv4 and /19 for IPv6")]
    TooWide,
    /// Nobody sends from there.
    #[error("nobody sends from an unspecified or multicast address, or from port 0")]
    NoSource,
}

impl Network {
    /// The network of that length which `address` lies in; `None` where the length exceeds the address.
    pub fn of(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(ip) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4((ip.to_bits() & mask).into())
            }
            IpAddr::V6(ip) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6((ip.to_bits() & mask).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { address, length })
    }

    /// The network of one host.
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// How many leading bits count.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.length) == Some(self)
    }
}

impl TrunkAddress {
    /// Whether a source is one of those that this names; IPv4 inside IPv6 is IPv4.
    pub fn covers(&self, source: SocketAddr) -> bool {
        let ip = source.ip().to_canonical();
        match self {
            Self::Endpoint(endpoint) => *endpoint == SocketAddr::new(ip, source.port()),
            Self::Network(network) => network.contains(ip),
        }
    }

    /// Whether some source could be both: equal, or one lies within the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Endpoint(a), Self::Endpoint(b)) => a == b,
            (Self::Endpoint(endpoint), Self::Network(network)) | (Self::Network(network), Self::Endpoint(endpoint)) => {
                network.contains(endpoint.ip())
            }
            (Self::Network(a), Self::Network(b)) => a.contains(b.address) || b.contains(a.address),
        }
    }
}

impl FromStr for TrunkAddress {
    type Err = MalformedAddress;

    fn from_str(text: &str) -> Result<Self, MalformedAddress> {
        // Scoped IPv6 addresses mean something on one machine only.
        if text.contains('%') {
            return Err(MalformedAddress::Syntax);
        }
        if let Ok(endpoint) = text.parse::<SocketAddr>() {
            let endpoint = SocketAddr::new(source(endpoint.ip())?, endpoint.port());
            return if endpoint.port() == 0 { Err(MalformedAddress::NoSource) } else { Ok(Self::Endpoint(endpoint)) };
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Network(Network::host(source(ip)?)));
        }
        let (ip, length) = text.split_once('/').ok_or(MalformedAddress::Syntax)?;
        if length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MalformedAddress::Syntax);
        }
        let ip: IpAddr = ip.parse().map_err(|_| MalformedAddress::Syntax)?;
        if ip.to_canonical() != ip {
            return Err(MalformedAddress::Syntax);
        }
        let length: u8 = length.parse().map_err(|_| MalformedAddress::Syntax)?;
        let network = Network::of(ip, length).ok_or(MalformedAddress::Syntax)?;
        if length < if ip.is_ipv4() { 8 } else { 19 } {
            return Err(MalformedAddress::TooWide);
        }
        if network.address != ip {
            return Err(MalformedAddress::HostBits);
        }
        source(ip).map(|_| Self::Network(network))
    }
}

fn source(ip: IpAddr) -> Result<IpAddr, MalformedAddress> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() { Err(MalformedAddress::NoSource) } else { Ok(ip) }
}

impl fmt::Display for TrunkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => write!(f, "{endpoint}"),
            Self::Network(network) if *network == Network::host(network.address) => write!(f, "{}", network.address),
            Self::Network(network) => write!(f, "{}/{}", network.address, network.length),
        }
    }
}

serde_as_text!(TrunkAddress);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> TrunkAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_reads_back_what_it_prints() {
        for text in
            ["192.0.2.1", "192.0.2.1:5060", "192.0.2.0/24", "2001:db8::1", "[2001:db8::1]:5060", "2001:db8::/32"]
        {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("192.0.2.1/32"), address("192.0.2.1"));
    }

    #[test]
    fn what_is_no_source_is_refused_with_its_reason() {
        use MalformedAddress as M;
        for (text, why) in [
            ("", M::Syntax),
            ("pbx.example.com", M::Syntax),
            ("192.0.2.1/33", M::Syntax),
            ("192.0.2.0/+24", M::Syntax),
            ("192.0.2.0/", M::Syntax),
            ("fe80::1%1", M::Syntax),
            ("::ffff:192.0.2.0/120", M::Syntax),
            ("192.0.2.1/24", M::HostBits),
            ("10.0.0.0/7", M::TooWide),
            ("0.0.0.0/0", M::TooWide),
            ("2000::/3", M::TooWide),
            ("0.0.0.0", M::NoSource),
            ("224.0.0.1", M::NoSource),
            ("224.0.0.0/8", M::NoSource),
            ("192.0.2.1:0", M::NoSource),
        ] {
            assert_eq!(text.parse::<TrunkAddress>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn overlap_is_symmetric_and_ports_keep_endpoints_apart() {
        for (a, b, overlap) in [
            ("192.0.2.1", "192.0.2.0/24", true),
            ("192.0.2.1:5060", "192.0.2.1", true),
            ("192.0.2.1:5060", "192.0.2.1:5061", false),
            ("192.0.2.0/24", "192.0.3.0/24", false),
            ("192.0.2.0/24", "2001:db8::/32", false),
            ("2001:db8::/32", "2001:db8:1::/48", true),
        ] {
            assert_eq!(address(a).overlaps(&address(b)), overlap, "{a} {b}");
            assert_eq!(address(b).overlaps(&address(a)), overlap, "{b} {a}");
        }
    }
}
