//! Who may register, as the log tells it when each REGISTER comes: whose credential is gone by then, or whose domain, is not
//! registered by it, and who knows the password is not turned away.

use super::station::Station;
use bytes::Bytes;
use domain::address::Flow;
use domain::sip::wire::{HeaderName, Message, Method};
use std::collections::HashMap;
use std::net::SocketAddr;
use tests::world::{Packet, World};

/// What a REGISTER showed each time that it came.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    /// Whether there was anything to judge.
    proves: bool,
    /// Once at least what was right by then.
    right: bool,
    /// Once at least nothing, or what was wrong by then.
    wrong: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Admissions {
    /// By the device's address and CSeq.
    shown: HashMap<(SocketAddr, u32), Shown>,
    /// How much it has seen of what came and left.
    came: usize,
    left: usize,
    /// How often somebody was turned away who showed a password.
    pub(super) turned_away: usize,
}

impl Admissions {
    /// Goes through what came and left since.
    #[track_caller]
    pub(super) fn see(&mut self, world: &World, stations: &[Station]) {
        let registers = |bytes: &Bytes| bytes.starts_with(b"REGISTER ");
        for Packet { from, bytes, .. } in world.received()[self.came..].iter().filter(|came| registers(&came.bytes)) {
            let station = stations.iter().find(|station| station.address == *from);
            let Some(registrant) = station.and_then(|station| station.registrant.as_ref()) else { continue };
            let request = Message::scan(bytes.clone()).unwrap();
            let number = request.cseq().unwrap().number;
            let proves = request.has(HeaderName::Authorization);
            let right = proves && world.may_register(registrant.user(), registrant.password_of(number));
            let shown = self.shown.entry((*from, number)).or_default();
            *shown = Shown { proves, right: shown.right || right, wrong: shown.wrong || !right };
        }
        for (Flow { remote, .. }, bytes) in &world.sent()[self.left..] {
            if let Some(wrong) = bytes.starts_with(b"SIP/2.0 ").then(|| self.objects(*remote, bytes)).flatten() {
                panic!("{wrong}\n{}\n{}", String::from_utf8_lossy(bytes), world.ladder);
            }
        }
        (self.came, self.left) = (world.received().len(), world.sent().len());
    }

    /// What is wrong with an answer.
    fn objects(&mut self, to: SocketAddr, bytes: &Bytes) -> Option<&'static str> {
        let answer = Message::scan(bytes.clone()).ok()?;
        let cseq = answer.cseq().ok()?;
        let shown = self.shown.get(&(to, cseq.number)).filter(|_| cseq.method == Method::Register.as_str())?;
        let asks_again = answer.header(HeaderName::WwwAuthenticate).is_some_and(|line| line.contains("stale=true"));
        match answer.status()? {
            200 if !shown.right => Some("somebody registered with what proves nothing any more"),
            401 | 403 | 404 if !asks_again && !shown.wrong => Some("who knows the password was turned away"),
            401 | 403 | 404 => {
                self.turned_away += usize::from(shown.proves && !asks_again);
                None
            }
            _ => None,
        }
    }
}
