//! How many connections there may be, in all and of one host.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places for connections. A host is an IPv4 address or an IPv6 network of 64 bits.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_per_host: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_host: HashMap<IpAddr, usize>,
    refused: u64,
}

/// There is no place left. Each says which setting it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// For anybody.
    #[error("as many are open as http.connections and the limit on file descriptors allow")]
    All,
    /// For this host.
    #[error("this host has as many open as http.connections_per_host allows")]
    Host,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// `None` where nobody counts.
    host: Option<IpAddr>,
}

impl Places {
    /// So many in all, and of one host.
    pub fn new(most: usize, most_per_host: usize) -> Self {
        Self { most, most_per_host, taken: Mutex::default() }
    }

    /// How many are taken, and how often none was left.
    pub fn figures(&self) -> (usize, u64) {
        let taken = self.taken();
        (taken.all, taken.refused)
    }

    /// Takes a place. Of this machine only all together are counted: a proxy on it speaks for many hosts.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Full> {
        let host = host(peer);
        let mut taken = self.taken();
        let here = host.and_then(|host| taken.by_host.get(&host)).copied().unwrap_or(0);
        let full = if taken.all >= self.most {
            Some(Full::All)
        } else if here >= self.most_per_host {
            Some(Full::Host)
        } else {
            None
        };
        if let Some(full) = full {
            taken.refused += 1;
            return Err(full);
        }
        taken.all += 1;
        if let Some(host) = host {
            taken.by_host.insert(host, here + 1);
        }
        drop(taken);
        Ok(Place { places: Arc::clone(self), host })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let Some(host) = self.host else { return };
        let left = taken.by_host.get(&host).map_or(0, |count| count - 1);
        if left == 0 {
            taken.by_host.remove(&host);
        } else {
            taken.by_host.insert(host, left);
        }
    }
}

/// As whom a peer is counted.
fn host(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        peer if peer.is_loopback() => None,
        IpAddr::V4(ip) => Some(IpAddr::V4(ip)),
        IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str) -> IpAddr {
        peer.parse().unwrap()
    }

    #[test]
    fn a_host_has_its_share_and_a_place_that_is_given_back_is_free_again() {
        let places = Arc::new(Places::new(4, 2));
        let _first = places.take(from("192.0.2.1")).unwrap();
        let second = places.take(from("::ffff:192.0.2.1")).unwrap();
        assert_eq!(places.take(from("192.0.2.1")).unwrap_err(), Full::Host);
        let _other = places.take(from("192.0.2.2")).unwrap();
        drop(second);
        let _again = places.take(from("192.0.2.1")).unwrap();
        assert_eq!(places.figures(), (3, 1));
    }

    #[test]
    fn a_network_of_64_bits_is_one_host() {
        let places = Arc::new(Places::new(4, 1));
        let _first = places.take(from("2001:db8::1")).unwrap();
        assert_eq!(places.take(from("2001:db8::2")).unwrap_err(), Full::Host);
        assert!(places.take(from("2001:db8:0:1::2")).is_ok());
    }

    #[test]
    fn this_machine_may_take_every_place_and_no_more() {
        let places = Arc::new(Places::new(3, 1));
        let taken: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1"].map(|peer| places.take(from(peer)).unwrap()).into();
        for peer in ["127.0.0.1", "192.0.2.1"] {
            assert_eq!(places.take(from(peer)).unwrap_err(), Full::All);
        }
        drop(taken);
        assert_eq!(places.figures(), (0, 2));
        assert!(places.taken().by_host.is_empty());
    }
}
