//! What is drawn in a turn follows from where the turn stands among all turns: an event's id names node, start, shard and a
//! number, and ids, tags and random values of a turn are drawn from numbers of its own. Who has the secret and one event
//! of a turn draws the same again: so a call is taken up from its events alone.

use crate::ids::EventId;

/// How many numbers a turn has before the next one's begin; a turn that draws more goes on into those.
const OF_A_TURN: u64 = 4_096;

/// See the module.
#[derive(Clone)]
pub struct Draws {
    secret: [u8; 32],
    start: Start,
    next: u64,
}

/// Where numbers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Start {
    node: u16,
    epoch: u32,
    shard: u16,
}

/// The turn that an event was decided in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TurnId {
    start: Start,
    first: u64,
}

impl TurnId {
    /// The turn of an event; of several of the same turn the first is to be asked.
    pub const fn of(event: EventId) -> Self {
        let (node, epoch, shard, number) = event.parts();
        Self { start: Start { node, epoch, shard }, first: number / OF_A_TURN * OF_A_TURN }
    }
}

impl Draws {
    /// Draws of one shard (12 bits) of one start of one node. What is drawn is as unguessable as the secret.
    pub const fn new(secret: [u8; 32], node: u16, epoch: u32, shard: u16) -> Self {
        Self { secret, start: Start { node, epoch, shard }, next: 0 }
    }

    /// A new turn begins.
    pub const fn begin_turn(&mut self) {
        self.next = self.next.next_multiple_of(OF_A_TURN);
    }

    /// A turn is done again: what is drawn from here on is what was drawn in it.
    pub const fn repeat_turn(&mut self, turn: TurnId) {
        (self.start, self.next) = (turn.start, turn.first);
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        (self.wide_bits() >> 64) as u64
    }

    /// 128 bits.
    pub fn wide_bits(&mut self) -> u128 {
        let number = self.number();
        let hash = blake3::keyed_hash(&self.secret, number.uuid().as_bytes());
        hash.as_bytes().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    /// The id of the next event.
    pub const fn event_id(&mut self) -> EventId {
        self.number()
    }

    const fn number(&mut self) -> EventId {
        let Start { node, epoch, shard } = self.start;
        self.next += 1;
        EventId::minted(node, epoch, shard, self.next - 1)
    }
}

/// Shows nothing of the secret.
impl std::fmt::Debug for Draws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draws").field("start", &self.start).field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_done_again_draws_the_same() {
        let mut live = Draws::new([7; 32], 1, 3, 0);
        live.begin_turn();
        live.bits();
        live.begin_turn();
        let drawn = (live.bits(), live.wide_bits(), live.event_id(), live.bits());
        let mut again = Draws::new([7; 32], 1, 4, 0);
        again.repeat_turn(TurnId::of(drawn.2));
        assert_eq!((again.bits(), again.wide_bits(), again.event_id(), again.bits()), drawn);
    }

    #[test]
    fn nothing_is_drawn_twice_and_other_secrets_draw_otherwise() {
        let mut live = Draws::new([7; 32], 1, 3, 0);
        let drawn: std::collections::BTreeSet<u64> = (0..3_000).map(|_| live.bits()).collect();
        assert_eq!(drawn.len(), 3_000);
        assert_ne!(Draws::new([8; 32], 1, 3, 0).bits(), Draws::new([7; 32], 1, 3, 0).bits());
        assert_ne!(Draws::new([7; 32], 1, 4, 0).bits(), Draws::new([7; 32], 1, 3, 0).bits());
    }

    #[test]
    fn events_of_one_turn_name_it_and_others_name_others() {
        let mut live = Draws::new([7; 32], 1, 3, 5);
        live.begin_turn();
        let (first, second) = (live.event_id(), live.event_id());
        live.begin_turn();
        assert_eq!(TurnId::of(first), TurnId::of(second));
        assert_ne!(TurnId::of(first), TurnId::of(live.event_id()));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Draws::new([7; 32], 1, 1, 0)).matches('7').count(), 0);
    }
}
