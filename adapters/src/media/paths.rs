//! The paths of one thread, found by port for every packet and by name for every order.

use super::path::RelayPath;
use domain::media::{PathId, PortPair};
use std::collections::HashMap;

/// Paths in a slab; lookups neither hash nor allocate on the packet's way.
pub(super) struct Paths {
    slab: Vec<Option<RelayPath>>,
    vacant: Vec<usize>,
    by_id: HashMap<PathId, usize>,
    /// By pair (half the RTP port).
    ends: Box<[End]>,
}

/// Which side of which path a pair belongs to; `slot` is one more than the index, 0 is none.
#[derive(Clone, Copy, Default)]
struct End {
    slot: u32,
    side: u8,
}

impl Paths {
    pub fn new() -> Self {
        let ends = vec![End::default(); 1 << 15].into_boxed_slice();
        Self { slab: Vec::new(), vacant: Vec::new(), by_id: HashMap::new(), ends }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The path that a port belongs to, and the index of its side.
    pub fn at(&mut self, port: u16) -> Option<(&mut RelayPath, usize)> {
        let end = self.ends[usize::from(port / 2)];
        let path = self.slab.get_mut(usize::try_from(end.slot.checked_sub(1)?).ok()?)?.as_mut()?;
        Some((path, usize::from(end.side)))
    }

    pub fn get(&mut self, id: PathId) -> Option<&mut RelayPath> {
        self.slab.get_mut(*self.by_id.get(&id)?)?.as_mut()
    }

    /// Adds a path, or puts it in place of the one of its name; the ports of both are wired anew.
    pub fn put(&mut self, path: RelayPath) {
        self.remove(path.id);
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slab.push(None);
            self.slab.len() - 1
        });
        for (side, end) in path.sides.iter().zip(0..) {
            self.ends[pair_index(side.ports)] = End { slot: index as u32 + 1, side: end };
        }
        self.by_id.insert(path.id, index);
        self.slab[index] = Some(path);
    }

    /// Takes a path out; its ports belong to none then.
    pub fn remove(&mut self, id: PathId) -> Option<RelayPath> {
        let index = self.by_id.remove(&id)?;
        let path = self.slab.get_mut(index)?.take()?;
        self.vacant.push(index);
        for side in &path.sides {
            self.ends[pair_index(side.ports)] = End::default();
        }
        Some(path)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut RelayPath> {
        self.slab.iter_mut().flatten()
    }
}

fn pair_index(ports: PortPair) -> usize {
    usize::from(ports.rtp() / 2)
}
