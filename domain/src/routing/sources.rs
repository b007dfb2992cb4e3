//! Which trunk a source is: exact socket before longest network.

use crate::ids::TrunkId;
use crate::trunk::{Network, TrunkAddress, TrunkKind};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Trunks of both kinds by source. A look-up costs one probe, and one more for each length of network in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sources {
    endpoints: HashMap<(TrunkKind, SocketAddr), TrunkId>,
    networks: HashMap<(TrunkKind, Network), TrunkId>,
    /// How many networks of each length there are, longest first.
    lengths: Vec<(u8, usize)>,
}

impl Sources {
    pub(super) fn find(&self, kind: TrunkKind, source: SocketAddr) -> Option<TrunkId> {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        self.endpoints.get(&(kind, source)).copied().or_else(|| {
            self.lengths.iter().find_map(|(length, _)| {
                let network = Network::of(source.ip(), *length)?;
                self.networks.get(&(kind, network)).copied()
            })
        })
    }

    pub(super) fn insert(&mut self, kind: TrunkKind, address: TrunkAddress, trunk: TrunkId) {
        let network = match address {
            TrunkAddress::Endpoint(endpoint) => {
                self.endpoints.insert((kind, endpoint), trunk);
                return;
            }
            TrunkAddress::Network(network) => network,
        };
        if self.networks.insert((kind, network), trunk).is_some() {
            return;
        }
        let length = network.length();
        match self.lengths.binary_search_by(|(known, _)| length.cmp(known)) {
            Ok(at) => self.lengths[at].1 += 1,
            Err(at) => self.lengths.insert(at, (length, 1)),
        }
    }

    /// Takes an address of `trunk` away; one that meanwhile identifies another trunk stays.
    pub(super) fn remove(&mut self, kind: TrunkKind, address: TrunkAddress, trunk: TrunkId) {
        let network = match address {
            TrunkAddress::Endpoint(endpoint) => {
                if self.endpoints.get(&(kind, endpoint)) == Some(&trunk) {
                    self.endpoints.remove(&(kind, endpoint));
                }
                return;
            }
            TrunkAddress::Network(network) => network,
        };
        if self.networks.get(&(kind, network)) != Some(&trunk) {
            return;
        }
        self.networks.remove(&(kind, network));
        if let Some(at) = self.lengths.iter().position(|(length, _)| *length == network.length()) {
            self.lengths[at].1 -= 1;
            if self.lengths[at].1 == 0 {
                self.lengths.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TrunkId = TrunkId::from_bits(1);
    const TWO: TrunkId = TrunkId::from_bits(2);
    const THREE: TrunkId = TrunkId::from_bits(3);

    fn sources(rows: &[(&str, TrunkId)]) -> Sources {
        let mut sources = Sources::default();
        for (address, trunk) in rows {
            sources.insert(TrunkKind::Carrier, address.parse().unwrap(), *trunk);
        }
        sources
    }

    fn find(sources: &Sources, source: &str) -> Option<TrunkId> {
        sources.find(TrunkKind::Carrier, source.parse().unwrap())
    }

    #[test]
    fn an_exact_socket_beats_its_host_and_a_host_beats_its_network() {
        let sources = sources(&[("192.0.2.0/24", ONE), ("192.0.2.7", TWO), ("192.0.2.7:5080", THREE)]);
        assert_eq!(find(&sources, "192.0.2.7:5080"), Some(THREE));
        assert_eq!(find(&sources, "192.0.2.7:5060"), Some(TWO));
        assert_eq!(find(&sources, "192.0.2.8:5060"), Some(ONE));
        assert_eq!(find(&sources, "192.0.3.8:5060"), None);
    }

    #[test]
    fn ipv6_and_ipv4_inside_ipv6_are_found() {
        let sources = sources(&[("2001:db8::/32", ONE), ("192.0.2.7", TWO)]);
        assert_eq!(find(&sources, "[2001:db8::9]:5060"), Some(ONE));
        assert_eq!(find(&sources, "[::ffff:192.0.2.7]:5060"), Some(TWO));
    }

    #[test]
    fn a_source_of_one_kind_is_unknown_to_the_other() {
        assert_eq!(sources(&[("192.0.2.7", ONE)]).find(TrunkKind::Pbx, "192.0.2.7:1".parse().unwrap()), None);
    }

    #[test]
    fn what_was_removed_is_no_longer_found_and_leaves_nothing_behind() {
        let mut sources = sources(&[("192.0.2.0/24", ONE), ("192.0.3.0/24", TWO), ("192.0.2.7:5060", THREE)]);
        sources.remove(TrunkKind::Carrier, "192.0.2.0/24".parse().unwrap(), TWO);
        assert_eq!(find(&sources, "192.0.2.1:5060"), Some(ONE));
        sources.remove(TrunkKind::Carrier, "192.0.2.0/24".parse().unwrap(), ONE);
        assert_eq!(find(&sources, "192.0.2.1:5060"), None);
        assert_eq!(find(&sources, "192.0.3.1:5060"), Some(TWO));
        sources.remove(TrunkKind::Carrier, "192.0.3.0/24".parse().unwrap(), TWO);
        sources.remove(TrunkKind::Carrier, "192.0.2.7:5060".parse().unwrap(), THREE);
        assert!(sources.lengths.is_empty() && sources.networks.is_empty() && sources.endpoints.is_empty());
    }
}
