//! What keeps flows alive (RFC 5626 §3.5, §4.4, §5.4): empty lines and STUN are answered, and a device that began to keep its
//! flow alive, as it was told by Flow-Timer, and then stops is gone.

use super::Exchange;
use super::held::Effect;
use crate::address::{Flow, Transport};
use crate::ports::Mint;
use crate::registration::flow_timer;
use crate::sip::endpoint::Stateless;
use crate::sip::stun::Stun;
use crate::time::{Moment, Now};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Two empty lines ask, one answers.
const PING: &[u8] = b"\r\n\r\n";
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// Flows that their devices promised to keep alive.
#[derive(Debug, Default)]
pub(super) struct Kept {
    flows: HashMap<Flow, Heard>,
    /// When a flow may be overdue, at the earliest; whether it is is found out then, so that traffic moves nothing.
    due: BTreeSet<(Moment, Flow)>,
}

#[derive(Debug)]
struct Heard {
    at: Moment,
    /// Whether it has been kept alive since it was promised. Some devices promise and do nothing.
    kept: bool,
}

/// After so long without a sign of life a flow is gone. A datagram may get lost, so that by UDP three in a row are missed.
fn patience(transport: Transport) -> Duration {
    let promised = Duration::from_secs(flow_timer(transport).into());
    match transport {
        Transport::Udp => promised * 3 + Duration::from_secs(5),
        Transport::Tcp => promised + Duration::from_secs(30),
    }
}

impl Kept {
    /// A device promised to keep a flow alive.
    pub(super) fn promise(&mut self, now: Moment, flow: Flow) {
        match self.flows.get_mut(&flow) {
            Some(heard) => heard.at = now,
            None => {
                self.flows.insert(flow, Heard { at: now, kept: false });
                self.due.insert((now + patience(flow.transport), flow));
            }
        }
    }

    /// Something came by a flow: a keep-alive, or a message.
    fn heard(&mut self, now: Moment, flow: Flow, keep_alive: bool) {
        if let Some(heard) = self.flows.get_mut(&flow) {
            heard.at = now;
            heard.kept |= keep_alive;
        }
    }

    fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out those that are overdue.
    fn overdue(&mut self, now: Moment) -> Vec<Flow> {
        let mut overdue = Vec::new();
        while let Some((_, flow)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(heard) = self.flows.get(&flow) else { continue };
            let deadline = heard.at + patience(flow.transport);
            if deadline > now {
                self.due.insert((deadline, flow));
                continue;
            }
            overdue.extend(heard.kept.then_some(flow));
            self.flows.remove(&flow);
        }
        overdue
    }
}

impl Exchange {
    /// Takes in a datagram that only keeps its flow alive; `false` where it is something else.
    pub(super) fn keep_alive(&mut self, now: Now, flow: Flow, datagram: &Bytes) -> bool {
        let empty = datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let (answer, what) = match empty {
            true => ((**datagram == *PING).then_some(PONG), Stateless::KeepAlive),
            false => match Stun::read(datagram, flow.remote) {
                Some(Stun::Request(answer)) => (Some(answer), Stateless::Stun),
                Some(Stun::Indication) => (None, Stateless::Stun),
                Some(Stun::Other) => (None, Stateless::Unreadable),
                None => {
                    self.kept.heard(now.moment, flow, false);
                    return false;
                }
            },
        };
        self.kept.heard(now.moment, flow, what != Stateless::Unreadable);
        self.count(now, flow, what);
        self.effects.extend(answer.map(|bytes| Effect::Transmit { flow, bytes }));
        true
    }

    /// A connection was kept alive by empty lines; whoever serves it has answered them.
    pub fn pinged(&mut self, now: Now, flow: Flow) {
        self.kept.heard(now.moment, flow, true);
    }

    /// When a flow may be overdue.
    pub(super) fn next_overdue(&self) -> Option<Moment> {
        self.kept.next()
    }

    /// Flows that their devices no longer keep alive are gone.
    pub(super) fn miss_flows(&mut self, now: Now, mint: &mut dyn Mint) {
        for flow in self.kept.overdue(now.moment) {
            self.lose_flow(now, mint, flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport, port: u16) -> Flow {
        let [local, remote] = [5060, port].map(|port| ([192, 0, 2, 1], port).into());
        Flow { transport, local, remote }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(1_000_000 * seconds)
    }

    #[test]
    fn only_who_began_to_keep_a_flow_alive_is_missed() {
        let mut kept = Kept::default();
        let [kept_up, silent, begun] = [1, 2, 3].map(|port| flow(Transport::Udp, port));
        [kept_up, silent, begun].iter().for_each(|flow| kept.promise(at(0), *flow));
        kept.heard(at(20), begun, true);
        for seconds in (20..=200).step_by(20) {
            kept.heard(at(seconds), kept_up, true);
        }
        // A flow of nobody's.
        kept.heard(at(20), flow(Transport::Udp, 4), true);
        assert_eq!((kept.overdue(at(79)), kept.next()), (vec![], Some(at(80))));
        assert_eq!((kept.overdue(at(99)), kept.next()), (vec![], Some(at(100))));
        assert_eq!(kept.overdue(at(100)), [begun]);
        assert_eq!((kept.overdue(at(279)), kept.overdue(at(280))), (vec![], vec![kept_up]));
        assert_eq!((kept.flows.len(), kept.due.len()), (0, 0));
    }

    #[test]
    fn a_message_is_a_sign_of_life_and_a_promise_holds_until_the_next() {
        let mut kept = Kept::default();
        let flow = flow(Transport::Tcp, 1);
        kept.promise(at(0), flow);
        kept.heard(at(10), flow, true);
        kept.heard(at(100), flow, false);
        kept.promise(at(200), flow);
        assert_eq!((kept.overdue(at(349)), kept.overdue(at(350))), (vec![], vec![flow]));
    }
}
