//! The machine's randomness, a block at a time: one system call serves 512 draws.

use crate::fatal::{self, OnFatal};
use zeroize::Zeroizing;

/// Bytes drawn from the machine at a time.
const BLOCK: usize = 4_096;

/// A source of unguessable bits. What was handed out is wiped from its memory.
pub struct Entropy {
    block: Zeroizing<[u8; BLOCK]>,
    used: usize,
    on_fatal: OnFatal,
}

impl Default for Entropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy {
    /// A source that ends the process where the machine has no randomness.
    pub fn new() -> Self {
        Self { block: Zeroizing::new([0; BLOCK]), used: BLOCK, on_fatal: fatal::exit }
    }

    /// 64 unguessable bits.
    pub fn bits(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    /// 128 unguessable bits.
    pub fn wide_bits(&mut self) -> u128 {
        u128::from_be_bytes(self.bytes())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        if BLOCK - self.used < N {
            self.refill();
        }
        let mut bytes = [0; N];
        if let Some(drawn) = self.block.get_mut(self.used..self.used + N) {
            bytes.copy_from_slice(drawn);
            drawn.fill(0);
        }
        self.used += N;
        bytes
    }

    fn refill(&mut self) {
        if let Err(error) = getrandom::fill(&mut self.block[..]) {
            // Guessable tags and keys would be worse than no service.
            (self.on_fatal)(&format!("the machine gives no randomness ({error}): check /dev/urandom"));
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn bits_do_not_repeat_over_several_blocks() {
        let mut entropy = Entropy::new();
        let drawn: HashSet<u64> = (0..3_000).map(|_| entropy.bits()).collect();
        assert_eq!(drawn.len(), 3_000);
        assert!(!drawn.contains(&0), "a wiped part of the block was handed out");
        let wide: HashSet<u128> = (0..3_000).map(|_| entropy.wide_bits()).collect();
        assert_eq!(wide.len(), 3_000);
        assert!(wide.iter().all(|bits| *bits as u64 != 0 && (bits >> 64) as u64 != 0));
    }

    #[test]
    fn what_was_handed_out_is_wiped() {
        let mut entropy = Entropy::new();
        let bits = entropy.bits().to_be_bytes();
        assert!(!entropy.block.windows(8).any(|part| part == bits));
    }
}
