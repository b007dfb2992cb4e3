//! A process that dies at any moment, is away for a while, and begins anew. Where scenarios die by a fate and whole (see
//! `doubt` and `reborn`), this one is told when, and its phones live through the time without it.

use super::{Packet, World};
use domain::address::Transport;
use std::fmt::Write;

/// How many packets the kernel keeps for sockets that nobody reads.
const KEPT: usize = 200;

/// Whether the process lives.
#[derive(Default)]
pub(super) struct Mortal {
    dead: bool,
    /// It died once, and phones notice.
    was_killed: bool,
    /// It dies when so many more effects have left.
    left: Option<usize>,
    /// What came by datagram meanwhile: the parent holds the sockets.
    kept: Vec<Packet>,
}

impl Mortal {
    /// Whether a process died that was told to.
    pub(super) const fn was_killed(&self) -> bool {
        self.was_killed
    }
}

impl World {
    /// The process dies when so many more effects have left: in the midst of what it does.
    pub const fn doom(&mut self, effects: usize) {
        self.mortal.left = Some(effects);
    }

    /// The process dies now. What the log has not committed is lost, and so is every connection.
    pub fn kill(&mut self) {
        let _ = writeln!(self.ladder, "        | dies");
        (self.mortal.dead, self.mortal.was_killed) = (true, true);
        self.mortal.left = None;
        self.log.lose_waiting();
    }

    /// Nobody is there.
    pub const fn is_dead(&self) -> bool {
        self.mortal.dead
    }

    /// The next process begins: it takes up what the log tells, serves, and reads what waited for it.
    pub fn come_back(&mut self) {
        let _ = writeln!(self.ladder, "        | begins anew");
        self.mortal.dead = false;
        self.dies();
        for packet in std::mem::take(&mut self.mortal.kept) {
            self.deliver(packet);
        }
    }

    /// A packet for a process that is not there; true where it is so.
    pub(super) fn keeps(&mut self, packet: &Packet) -> bool {
        let by_datagram = self.flow(packet.local, packet.from).transport == Transport::Udp;
        if self.mortal.dead && by_datagram && self.mortal.kept.len() < KEPT {
            self.mortal.kept.push(packet.clone());
        }
        self.mortal.dead
    }

    /// An effect has left.
    pub(super) fn age(&mut self) {
        let Some(left) = &mut self.mortal.left else { return };
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => self.kill(),
        }
    }
}
