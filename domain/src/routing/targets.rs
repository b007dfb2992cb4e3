//! Targets of numbers, each kept once however many numbers share it.

use crate::number::Target;
use std::collections::HashMap;
use std::sync::Arc;

/// A target's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TargetIndex(u32);

/// Targets with a count of how many numbers go there.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    slots: Vec<Option<(Arc<Target>, u32)>>,
    index: HashMap<Arc<Target>, u32>,
    free: Vec<u32>,
}

impl Targets {
    /// Makes room for so many more. Where they turn out to be fewer, nothing touches the rest of it.
    pub(super) fn reserve(&mut self, more: usize) {
        self.slots.reserve(more);
        self.index.reserve(more);
    }

    pub(super) fn get(&self, at: TargetIndex) -> Option<&Target> {
        self.slots.get(at.0 as usize)?.as_ref().map(|(target, _)| target.as_ref())
    }

    pub(super) fn take(&mut self, target: &Target) -> TargetIndex {
        if let Some(&at) = self.index.get(target) {
            if let Some(Some((_, users))) = self.slots.get_mut(at as usize) {
                *users += 1;
            }
            return TargetIndex(at);
        }
        let target = Arc::new(target.clone());
        let slot = Some((Arc::clone(&target), 1));
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(target, at);
        TargetIndex(at)
    }

    pub(super) fn give_back(&mut self, at: TargetIndex) {
        let Some(slot) = self.slots.get_mut(at.0 as usize) else { return };
        let Some((target, users)) = slot else { return };
        *users -= 1;
        if *users == 0 {
            self.index.remove(target);
            *slot = None;
            self.free.push(at.0);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Target> {
        self.index.keys().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_kept_once_and_its_place_used_again_when_nobody_goes_there() {
        let [a, b] = ["sip:10.0.0.1", "sip:10.0.0.2"].map(|uri| Target::Sip(uri.parse().unwrap()));
        let mut targets = Targets::default();
        let first = targets.take(&a);
        assert_eq!(targets.take(&a), first);
        targets.give_back(first);
        assert_eq!(targets.get(first), Some(&a));
        targets.give_back(first);
        assert_eq!(targets.get(first), None);
        assert_eq!(targets.take(&b), first);
        assert_eq!(targets.iter().collect::<Vec<_>>(), [&b]);
    }
}
