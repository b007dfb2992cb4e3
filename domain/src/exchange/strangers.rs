//! What is remembered of sources that nobody vouches for: a bounded number of them, those that were silent longest go
//! first.

use crate::time::Moment;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Bits of an IPv6 address that name a network; the rest is a host's own choice.
const V6_NETWORK: u8 = 64;

/// Where messages come from: an IPv4 host, or the /64 network of an IPv6 host, which may take any address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source that an address belongs to. IPv4 inside IPv6 is IPv4.
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(host) => Self(IpAddr::V4(host)),
            IpAddr::V6(host) => {
                let mask = u128::MAX << (128 - V6_NETWORK as u32);
                Self(IpAddr::V6(Ipv6Addr::from_bits(host.to_bits() & mask)))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(host) => write!(f, "{host}"),
            IpAddr::V6(network) => write!(f, "{network}/{V6_NETWORK}"),
        }
    }
}

/// What is remembered of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stranger {
    /// When it was last answered.
    pub(super) answered_at: Moment,
    /// When it last failed.
    pub(super) failed_at: Moment,
    /// Requests answered lately, in thousandths; they drain away at the rate that the source is allowed.
    pub(super) requests: u32,
    /// Failed logins and scans lately, in thousandths.
    pub(super) failures: u32,
    /// It is not heard before then.
    pub(super) banned_until: Moment,
    /// A user or trunk proved itself from there: it counts as known until then.
    pub(super) known_until: Moment,
    /// How many of its requests were dropped since the last summary.
    pub(super) dropped: u32,
}

/// The sources, in two generations: when the young one is full it becomes the old one, and the old one is forgotten.
/// Whoever is heard of again is young again.
#[derive(Debug)]
pub(super) struct Strangers {
    half: usize,
    young: HashMap<Source, Stranger>,
    old: HashMap<Source, Stranger>,
}

impl Strangers {
    /// At most so many sources, at least two.
    pub(super) fn new(most: usize) -> Self {
        Self { half: (most / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    pub(super) fn get(&self, source: Source) -> Option<&Stranger> {
        self.young.get(&source).or_else(|| self.old.get(&source))
    }

    pub(super) fn get_mut(&mut self, source: Source) -> Option<&mut Stranger> {
        match self.young.get_mut(&source) {
            Some(stranger) => Some(stranger),
            None => self.old.get_mut(&source),
        }
    }

    /// What is remembered of a source, from now on where nothing was.
    pub(super) fn entry(&mut self, source: Source) -> &mut Stranger {
        if !self.young.contains_key(&source) && self.young.len() >= self.half {
            std::mem::swap(&mut self.young, &mut self.old);
            // The room is kept: nothing is allocated while one flood follows another.
            let mut forgotten = std::mem::take(&mut self.young);
            let carried = forgotten.remove(&source);
            forgotten.clear();
            self.young = forgotten;
            if let Some(stranger) = carried {
                self.young.insert(source, stranger);
            }
        }
        let Self { young, old, .. } = self;
        young.entry(source).or_insert_with(|| old.remove(&source).unwrap_or_default())
    }

    /// How many sources are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Those of whose requests some were dropped; that is forgotten with it.
    pub(super) fn take_dropped(&mut self) -> impl Iterator<Item = (Source, u32, Moment)> {
        let all = self.young.iter_mut().chain(&mut self.old);
        all.filter(|(_, stranger)| stranger.dropped > 0)
            .map(|(source, stranger)| (*source, std::mem::take(&mut stranger.dropped), stranger.banned_until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> Source {
        Source::of(IpAddr::V4(n.into()))
    }

    fn known(strangers: &Strangers, n: u32) -> Option<u32> {
        strangers.get(source(n)).map(|stranger| stranger.requests)
    }

    fn note(strangers: &mut Strangers, n: u32) {
        strangers.entry(source(n)).requests += 1;
    }

    #[test]
    fn a_host_is_one_source_by_ipv4_and_its_network_is_by_ipv6() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn a_hundred_thousand_sources_are_forgotten_but_for_the_newest() {
        let mut strangers = Strangers::new(1_000);
        for n in 0..100_000 {
            note(&mut strangers, n);
            assert!(strangers.len() <= 1_000, "{n}");
        }
        assert_eq!((known(&strangers, 99_999), known(&strangers, 99_500)), (Some(1), Some(1)));
        assert_eq!(known(&strangers, 98_000), None);
        let rooms = strangers.young.capacity() + strangers.old.capacity();
        assert!(rooms <= 4_000, "{rooms} places are kept for 1,000 sources");
        assert!(size_of::<(Source, Stranger)>() <= 72);
    }

    #[test]
    fn who_is_heard_of_again_and_again_stays_remembered() {
        let mut strangers = Strangers::new(10);
        for n in 1..100 {
            note(&mut strangers, 0);
            note(&mut strangers, n);
        }
        assert_eq!(known(&strangers, 0), Some(99));
    }

    #[test]
    fn what_was_dropped_is_told_once() {
        let mut strangers = Strangers::new(4);
        for n in 0..4 {
            strangers.entry(source(n)).dropped = n;
        }
        let mut told: Vec<_> = strangers.take_dropped().map(|(_, dropped, _)| dropped).collect();
        told.sort_unstable();
        assert_eq!(told, [1, 2, 3]);
        assert_eq!(strangers.take_dropped().count(), 0);
    }
}
