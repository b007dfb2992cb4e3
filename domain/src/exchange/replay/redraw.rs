//! The mint of a turn that is played: it draws what was drawn, and has the ports that were taken.

use crate::codec::seal::{KeyRef, SealKey};
use crate::draws::{Draws, TurnId};
use crate::ids::{AccountId, EventId, LegId};
use crate::media::{PortPair, PortSource};
use crate::ports::Mint;
use crate::session::Session;
use crate::session::event::SessionEvent;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// See the module.
pub(super) struct Redraw {
    draws: Draws,
    turn: Option<TurnId>,
    ports: VecDeque<PortPair>,
    address: IpAddr,
}

impl Redraw {
    pub(super) const fn new(draws: Draws) -> Self {
        Self { draws, turn: None, ports: VecDeque::new(), address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
    }

    /// A turn is played. What a session had of ports before tells which were taken in it.
    pub(super) fn begin(&mut self, turn: TurnId, before: Option<&Session>, events: &[(EventId, SessionEvent)]) {
        self.turn = Some(turn);
        self.again();
        self.ports.clear();
        let mut held: HashMap<LegId, Vec<Option<PortPair>>> = HashMap::new();
        for (_, event) in events {
            let SessionEvent::MediaReserved(reserved) = event else { continue };
            let known = || before.and_then(|session| session.leg(reserved.leg)).map(|leg| leg.ports.clone());
            let ports = held.entry(reserved.leg).or_insert_with(|| known().unwrap_or_default());
            let first = usize::from(reserved.first);
            for (index, pair) in reserved.ports.iter().enumerate() {
                let kept = ports.get(first + index).copied().flatten();
                self.ports.extend(pair.filter(|pair| kept != Some(*pair)));
            }
            ports.truncate(first);
            ports.extend_from_slice(&reserved.ports);
            self.address = reserved.address;
        }
    }
}

impl Redraw {
    /// What was drawn in this turn so far was not: it begins here.
    pub(super) fn again(&mut self) {
        self.turn.into_iter().for_each(|turn| self.draws.repeat_turn(turn));
    }
}

impl Mint for Redraw {
    fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    /// Turns are begun by name.
    fn begin_turn(&mut self) {}

    /// A session that is played has its key.
    fn seal_key(&mut self, _: AccountId) -> Option<(KeyRef, SealKey)> {
        None
    }

    fn ports(&mut self) -> &mut dyn PortSource {
        self
    }
}

impl PortSource for Redraw {
    fn take(&mut self) -> Option<PortPair> {
        self.ports.pop_front()
    }

    /// What a session that is played has is claimed when all are played.
    fn claim(&mut self, _: PortPair) {}

    fn address(&self) -> IpAddr {
        self.address
    }
}
