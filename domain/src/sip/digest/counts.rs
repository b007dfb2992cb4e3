//! Which counts of a nonce were used (RFC 7616 §3.4 `nc`, §5.12): no answer serves twice.

use super::nonce::NonceId;
use crate::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is remembered of used nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountSettings {
    /// The most nonces whose counts are remembered, about 60 bytes each. Beyond it the oldest is forgotten, and whoever
    /// still uses it is asked again.
    pub most_nonces: usize,
}

impl Default for CountSettings {
    fn default() -> Self {
        Self { most_nonces: 100_000 }
    }
}

/// What a count turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Not used before; it is now.
    Fresh,
    /// Used before, or so far behind the highest that it may have been.
    Used,
    /// The nonce may have been forgotten: nothing can be said.
    Unknown,
}

/// The last 64 counts of a nonce: requests that overtake each other do no harm.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    /// Bit n is the count `highest - n`.
    used: u64,
}

impl Window {
    const fn beginning(count: u32) -> Self {
        Self { highest: count, used: 1 }
    }

    fn take(&mut self, count: u32) -> Counted {
        if count > self.highest {
            let ahead = count - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return Counted::Fresh;
        }
        match 1u64.checked_shl(self.highest - count) {
            Some(bit) if self.used & bit == 0 => {
                self.used |= bit;
                Counted::Fresh
            }
            Some(_) | None => Counted::Used,
        }
    }
}

/// The counts of all nonces that were answered rightly and may still be.
#[derive(Debug)]
pub(super) struct Counts {
    most: usize,
    windows: BTreeMap<NonceId, Window>,
    /// Nonces issued until then may have been forgotten before their time.
    forgotten_until: Option<Moment>,
}

impl Counts {
    pub fn new(settings: CountSettings) -> Self {
        Self { most: settings.most_nonces.max(1), windows: BTreeMap::new(), forgotten_until: None }
    }

    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Forgets the nonces that are older than `lifetime`: they are refused by their age alone.
    pub fn expire(&mut self, now: Moment, lifetime: Duration) {
        while let Some(oldest) = self.windows.first_entry()
            && now.since(oldest.key().issued) > lifetime
        {
            oldest.remove();
        }
    }

    /// Uses a count of a nonce.
    pub fn take(&mut self, nonce: NonceId, count: u32) -> Counted {
        if let Some(window) = self.windows.get_mut(&nonce) {
            return window.take(count);
        }
        if self.forgotten_until.is_some_and(|until| nonce.issued <= until) {
            return Counted::Unknown;
        }
        self.windows.insert(nonce, Window::beginning(count));
        if self.windows.len() <= self.most {
            return Counted::Fresh;
        }
        let Some((forgotten, _)) = self.windows.pop_first() else { return Counted::Unknown };
        self.forgotten_until = Some(forgotten.issued);
        if forgotten == nonce { Counted::Unknown } else { Counted::Fresh }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Counted::{Fresh, Unknown, Used};

    fn nonce(second: u64) -> NonceId {
        NonceId::new(Moment::from_micros(second * 1_000_000), 7)
    }

    fn counts(most_nonces: usize) -> Counts {
        Counts::new(CountSettings { most_nonces })
    }

    #[test]
    fn every_count_serves_once_in_any_order_within_the_window() {
        let mut counts = counts(9);
        for count in [1, 3, 2, 70, 7, 8, 69, u32::MAX, u32::MAX - 63] {
            assert_eq!(counts.take(nonce(1), count), Fresh, "{count}");
            assert_eq!(counts.take(nonce(1), count), Used, "{count}");
        }
        assert_eq!(counts.take(nonce(1), u32::MAX - 64), Used, "behind the window");
        assert_eq!(counts.take(nonce(2), 1), Fresh, "another nonce counts by itself");
    }

    #[test]
    fn the_window_is_what_a_set_of_all_counts_would_say() {
        let (mut counts, mut seed) = (counts(9), 1u64);
        let (mut used, mut highest) = (std::collections::HashSet::new(), 0);
        for step in 0..20_000u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let count = 1 + step / 4 + u32::try_from(seed >> 57).unwrap();
            let right = if count + 64 <= highest || !used.insert(count) { Used } else { Fresh };
            highest = highest.max(count);
            assert_eq!(counts.take(nonce(1), count), right, "{count} of {highest}");
        }
    }

    #[test]
    fn a_forgotten_nonce_serves_no_more_and_the_table_never_grows() {
        let mut counts = counts(2);
        assert_eq!([1, 2, 3].map(|second| counts.take(nonce(second), 1)), [Fresh; 3]);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts.take(nonce(1), 2), Unknown, "it was forgotten to make room");
        assert_eq!(counts.take(nonce(2), 2), Fresh);
        assert_eq!(counts.take(NonceId::new(Moment::from_micros(1_500_000), 0), 1), Unknown, "no room for older ones");
        assert_eq!(counts.take(nonce(2), 2), Used, "and none was made");
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn old_nonces_leave_by_themselves() {
        let mut counts = counts(9);
        counts.take(nonce(1), 1);
        counts.take(nonce(5), 1);
        counts.expire(Moment::from_micros(11_000_000), Duration::from_secs(10));
        assert_eq!(counts.len(), 2);
        counts.expire(Moment::from_micros(11_000_001), Duration::from_secs(10));
        assert_eq!(counts.len(), 1);
        assert_eq!(counts.take(nonce(2), 1), Fresh, "nothing was forgotten before its time");
    }
}
