//! Connections by number. A number that is used again gets another token, so that an event of the former is not taken for
//! one of the latter.

use super::connection::Connection;

/// A connection's number.
pub(super) type Slot = u32;

/// See the module.
#[derive(Default)]
pub(super) struct Slab {
    slots: Vec<(u32, Option<Connection>)>,
    free: Vec<Slot>,
}

impl Slab {
    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, connection: Connection) -> Slot {
        if let Some(slot) = self.free.pop()
            && let Some((generation, place)) = self.slots.get_mut(slot as usize)
        {
            *generation = generation.wrapping_add(1);
            *place = Some(connection);
            return slot;
        }
        self.slots.push((0, Some(connection)));
        // There are never more than file descriptors.
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Connection> {
        let connection = self.slots.get_mut(slot as usize)?.1.take()?;
        self.free.push(slot);
        Some(connection)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.1.as_mut()
    }

    pub(super) fn token(&self, slot: Slot) -> u64 {
        let generation = self.slots.get(slot as usize).map_or(0, |(generation, _)| *generation);
        u64::from(generation) << 32 | u64::from(slot)
    }

    /// The connection that a token means, if it is still there.
    pub(super) fn slot(&self, token: u64) -> Option<Slot> {
        let slot = u32::try_from(token & u64::from(u32::MAX)).ok()?;
        let (_, connection) = self.slots.get(slot as usize)?;
        connection.as_ref().filter(|_| self.token(slot) == token).map(|_| slot)
    }
}
