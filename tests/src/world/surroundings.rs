//! The shell, the log and media around the exchange, faithful or sabotaged.

use super::{Death, Outcomes, Sabotage, World, doubt};
use bytes::Bytes;
use domain::address::Transport;
use domain::codec::pager;
use domain::codec::registration;
use domain::codec::session::decode;
use domain::codec::uplink;
use domain::exchange::Effect;
use domain::log::{
    Append, AppendError, Committed, Durable, EventLog, Expected, Outcome, Position, Recorded, Revision, StreamName,
};
use domain::media::{MediaOrder, MediaReport, Side, SideStatistics};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::registration::{Aor, RegistrationEvent};
use domain::session::event::{SessionEvent, Wire};
use domain::sip::wire::Message;
use domain::time::{Moment, Now};
use domain::transfer::TransferEvent;
use domain::uplink::UplinkEvent;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

impl World {
    /// Appends, commits and effects, until nothing moves.
    pub fn settle(&mut self) {
        // What the log refused is submitted again a little later; for a scenario no time passes meanwhile.
        let mut ahead = Duration::ZERO;
        self.go_on_erasing();
        self.go_on_writing();
        while !self.is_dead() {
            let effects = self.exchange.effects();
            let now = Now { moment: self.now.moment + ahead, ..self.now };
            let appends = self.exchange.appends(now, &mut self.mint);
            ahead = Duration::ZERO;
            let outcomes = std::mem::take(&mut *self.outcomes.0.lock().unwrap());
            let read = self.read_unread();
            if effects.is_empty() && appends.is_empty() && outcomes.is_empty() && !read && !self.commit_hesitantly() {
                if !self.exchange.waits_for_log() {
                    let [should, are] = self.exchange.audit_counts();
                    assert_eq!(are, should, "calls are counted otherwise than they run\n{}", self.ladder);
                    if self.fate.replays {
                        if self.exchange.next_wake().is_some_and(|at| at <= self.now.moment) {
                            self.exchange.wake(self.now, &mut self.mint);
                            continue;
                        }
                        self.assert_taken_up();
                    }
                    return;
                }
                ahead = Duration::from_millis(100);
            }
            for effect in effects {
                self.carry_out(effect);
                if self.is_dead() {
                    return;
                }
                if doubt::is_reborn() && self.can_be_reborn() {
                    return self.reborn();
                }
            }
            if !appends.is_empty() {
                self.watch.submitted(&appends, &self.mint);
                self.submit(appends);
            }
            for outcome in outcomes {
                self.watch.landed(&outcome);
                let registration = outcome.stream.category() == Aor::CATEGORY;
                let stream = outcome.stream.clone();
                if let Err(error) = self.exchange.landed(outcome) {
                    self.ever_frozen.insert(stream);
                    // A registration's stream is read, and goes on.
                    self.frozen.extend((!registration).then_some(error));
                }
                self.watch.check_bindings(&self.exchange);
            }
        }
    }

    /// The log commits what waits; what follows from it happens.
    pub fn commit(&mut self, appends: usize) -> usize {
        let committed = self.log.commit_next(appends);
        self.settle();
        committed
    }

    /// A hesitant log commits one append at a time, and now and then none.
    fn commit_hesitantly(&mut self) -> bool {
        if self.log.waiting() == 0 || self.fate.hesitates.is_none() && self.fate.dies_after_commit.is_none() {
            return false;
        }
        if self.fate.hesitates.is_some() && self.chance.percent(25) {
            self.log.fail_next(AppendError::Unavailable("it hesitates".into()));
        }
        self.log.commit_next(1);
        if doubt::count_commit() {
            self.die();
        }
        true
    }

    /// The process dies: what the log does not have is lost, and the rest is examined.
    fn die(&self) -> ! {
        self.log.lose_waiting();
        self.examine();
        std::panic::resume_unwind(Box::new(Death));
    }

    /// What is refused for good never reaches the log.
    fn refuse(&mut self, appends: &mut Vec<Append>) {
        let Some((kind, why)) = self.refused.clone() else { return };
        let has = |append: &Append| append.events.iter().any(|event| &*event.kind == kind);
        if let Some(index) = appends.iter().position(has) {
            self.refused = None;
            let stream = appends.remove(index).stream;
            self.outcomes.committed(vec![Outcome { stream, result: Err(why) }]);
        }
    }

    pub(super) fn submit(&mut self, mut appends: Vec<Append>) {
        self.refuse(&mut appends);
        let begins = |append: &&Append| append.expected == Expected::NoStream && append.stream.category() != "edge";
        let joins = |append: &&Append| append.stream.category() == TransferEvent::CATEGORY;
        doubt::note(|course| {
            course.streams += appends.iter().filter(begins).count();
            course.summaries += appends.iter().filter(|append| append.stream.category() == "edge").count();
            course.joins += appends.iter().filter(joins).count();
        });
        if self.fate.is_kind() {
            // Counted in the run without any doubt alone: it costs reading everything.
            let events = appends.iter().flat_map(|append| (0..append.events.len()).map(|at| recorded(append, at)));
            let messages = events.filter(|event| committed(event, &self.mint).is_some()).count();
            doubt::note(|course| course.messages += messages);
        }
        if self.fate.hesitates.is_some() || self.fate.dies_after_commit.is_some() {
            self.log.hold();
        }
        let reply = Arc::clone(&self.outcomes) as Arc<dyn Committed>;
        match self.fate.sabotage {
            Some(Sabotage::DurableBeforeStored) => {
                let outcomes = appends.iter().map(promised).collect();
                self.outcomes.committed(outcomes);
            }
            Some(Sabotage::DroppedEvent) => {
                let outcomes = appends.iter().map(promised).collect();
                let stored = appends.into_iter().map(|mut append| {
                    append.events.pop();
                    append
                });
                let stored: Vec<Append> = stored.filter(|append| !append.events.is_empty()).collect();
                self.log.submit(stored, Arc::<Outcomes>::default() as Arc<dyn Committed>);
                self.outcomes.committed(outcomes);
            }
            Some(Sabotage::SentBeforeLanded) => {
                for append in &appends {
                    self.send_at_once(append);
                }
                self.log.submit(appends, reply);
            }
            Some(Sabotage::ClosedUnreported | Sabotage::LostWake) | None => self.log.submit(appends, reply),
        }
    }

    /// What a shell would do that does not wait for the log.
    fn send_at_once(&mut self, append: &Append) {
        let messages: Vec<_> =
            (0..append.events.len()).filter_map(|index| committed(&recorded(append, index), &self.mint)).collect();
        for wire in messages {
            self.carry_out(Effect::Transmit { flow: wire.flow, bytes: wire.bytes });
        }
    }

    /// Whether a sabotaged shell loses this deadline, for good unless something else wakes it.
    pub(super) fn loses_wake(&mut self, at: Moment) -> bool {
        if self.fate.sabotage != Some(Sabotage::LostWake) {
            return false;
        }
        self.lost_wake = Some(at);
        true
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Transmit { flow, bytes } => {
                let logged = without_credentials(&bytes);
                self.watch.left(flow, &logged);
                self.sent.push((flow, logged));
                let again = self.was_said(flow.remote, &bytes);
                self.answered |= self.received.last().is_some_and(|packet| packet.from == flow.remote);
                self.said.insert((flow.remote, bytes.clone()));
                if !again {
                    self.draw(flow.remote, false, &bytes);
                }
                if flow.transport == Transport::Tcp && self.refusing.contains(&flow.remote) {
                    let _ = writeln!(self.ladder, "        | no connection");
                    self.exchange.flow_failed(self.now, &mut self.mint, flow);
                } else if !self.deaf.contains(&flow.remote) && !again {
                    self.mailboxes.entry(flow.remote).or_default().push_back(bytes);
                }
            }
            Effect::Media(MediaOrder::Relay { path, sides }) => {
                let ends = [0, 1].map(|index| (sides[index].leg, sides[index].ports));
                doubt::note(|course| course.relays += 1);
                self.watch.ordered(&StreamName::new("session", path.session.uuid()), ends);
                let before = self.relayed.iter().any(|known| known.0 == path && known.1 == sides);
                self.relayed.push((path, sides.clone()));
                self.latched = [0, 1].map(|index| sides[index].latched);
                for (_, replaced) in self.paths.insert(path, ends).into_iter().flatten() {
                    if !ends.iter().any(|(_, ports)| *ports == replaced) {
                        self.mint.ports.give_back(replaced);
                    }
                }
                if !self.returns || !before {
                    let _ = writeln!(self.ladder, "        | relay {} <-> {}", shown(&sides[0]), shown(&sides[1]));
                }
            }
            Effect::Media(MediaOrder::Close { path }) => {
                let Some(ends) = self.paths.remove(&path) else { return };
                ends.iter().for_each(|(_, ports)| self.mint.ports.give_back(*ports));
                let _ = writeln!(self.ladder, "        | relay closed");
                let sides = ends.map(|(leg, _)| (leg, SideStatistics::default()));
                if self.fate.sabotage != Some(Sabotage::ClosedUnreported) {
                    let report = MediaReport::Closed { path, sides };
                    self.exchange.report(self.now, &mut self.mint, &report);
                }
            }
            Effect::Bind(_) | Effect::Proceed(..) | Effect::Stand(_) => panic!("the exchange does that by itself"),
            Effect::Media(MediaOrder::Return { ports }) => self.mint.ports.give_back(ports),
        }
        self.age();
        if doubt::count_effect() {
            self.die();
        }
    }
}

/// A message as the log has it.
pub(super) fn without_credentials(bytes: &Bytes) -> Bytes {
    Message::scan(bytes.clone()).map_or_else(|_| bytes.clone(), |message| message.without_credentials())
}

/// Events with messages that came, and with such as leave: others need not be opened, which is what costs.
const CAME: [&str; 4] = ["SipMessageReceived", "RegisterReceived", "UplinkHeard", "MessageHeard"];
const LEAVE: [&str; 4] = ["SipMessageCommitted", "RegisterAnswered", "UplinkSent", "MessageSent"];

/// The message that leaves when this event is durable.
pub(super) fn committed(recorded: &Recorded, keyring: &dyn Keyring) -> Option<Wire> {
    if !LEAVE.contains(&&*recorded.kind) {
        return None;
    }
    if recorded.stream.category() == PagerEvent::CATEGORY {
        return match pager::decode(recorded, keyring) {
            Ok(PagerEvent::MessageSent(message)) => message.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    if recorded.stream.category() == UplinkEvent::CATEGORY {
        return match uplink::decode(recorded, keyring) {
            Ok(UplinkEvent::UplinkSent(message)) => message.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    if recorded.stream.category() == Aor::CATEGORY {
        return match registration::decode(recorded, keyring) {
            Ok(RegistrationEvent::RegisterAnswered(answered)) => answered.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    match decode(recorded, keyring) {
        Ok(SessionEvent::SipMessageCommitted(message)) => message.wire.known().cloned(),
        Ok(_) | Err(_) => None,
    }
}

/// The message that this event says has come.
pub(super) fn received(recorded: &Recorded, keyring: &dyn Keyring) -> Option<Wire> {
    if !CAME.contains(&&*recorded.kind) {
        return None;
    }
    if recorded.stream.category() == PagerEvent::CATEGORY {
        return match pager::decode(recorded, keyring) {
            Ok(PagerEvent::MessageHeard(message)) => message.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    if recorded.stream.category() == UplinkEvent::CATEGORY {
        return match uplink::decode(recorded, keyring) {
            Ok(UplinkEvent::UplinkHeard(message)) => message.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    if recorded.stream.category() == Aor::CATEGORY {
        return match registration::decode(recorded, keyring) {
            Ok(RegistrationEvent::RegisterReceived(received)) => received.wire.known().cloned(),
            Ok(_) | Err(_) => None,
        };
    }
    match decode(recorded, keyring) {
        Ok(SessionEvent::SipMessageReceived(message)) => message.wire.known().cloned(),
        Ok(_) | Err(_) => None,
    }
}

fn shown(side: &Side) -> String {
    let to = side.rtp.map_or("nowhere".to_owned(), |address| address.to_string());
    format!("{to}{}{}", if side.expects { "" } else { " silent" }, if side.sends { "" } else { " deaf" })
}

/// What a log says of an append that it has stored.
fn promised(append: &Append) -> Outcome {
    let last = Revision(append.expected.next().0 + append.events.len() as u64 - 1);
    Outcome {
        stream: append.stream.clone(),
        result: Ok(Durable::after_commit(append.stream.clone(), last, Position(last.0 + 1))),
    }
}

/// An event of an append as it will be read.
pub(super) fn recorded(append: &Append, index: usize) -> Recorded {
    let draft = &append.events[index];
    Recorded {
        position: Position(0),
        stream: append.stream.clone(),
        revision: Revision(append.expected.next().0 + index as u64),
        id: draft.id,
        kind: Arc::from(&*draft.kind),
        version: draft.version,
        at: draft.at,
        correlation: append.correlation,
        cause: draft.cause,
        node: append.node,
        previous: draft.previous,
        life: append.life,
        data: draft.data.clone(),
    }
}
