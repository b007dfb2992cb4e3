//! Calls taken up from the log, beside the exchange that runs them.

use super::autopsy::everything;
use super::seed::SeedKeys;
use super::surroundings::{committed, received, without_credentials};
use super::{Packet, World, autopsy, doubt, summary};
use bytes::Bytes;
use domain::exchange::{ExchangeSettings, Histories, needs};
use domain::log::{EventLog, Recorded, StreamName};
use domain::pager::PagerEvent;
use domain::session::event::SessionEvent;
use domain::sip::wire::{Message, Method};
use domain::uplink::UplinkEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

impl World {
    /// Whether a death now is one that its phones could overlook: what they said by datagrams they would say again, and
    /// no uplink had something on its way, which begins anew.
    pub(super) fn can_be_reborn(&self) -> bool {
        let census = self.exchange.census();
        self.by_tcp.is_empty() && [census.uplinks, census.flows] == [0; 2]
    }

    /// The process dies now, and begins anew: phones hear again whatever they are told again.
    pub fn dies(&mut self) {
        self.take_up();
        self.exchange.serve(self.now, &mut self.mint);
        self.settle();
    }

    /// The same, and what phones have heard before goes unheard.
    pub fn dies_unnoticed(&mut self) {
        self.returns = true;
        self.dies();
        self.returns = false;
    }

    /// The same, and the configuration is another then.
    pub fn dies_and_is_set_otherwise(&mut self, change: impl FnOnce(&mut ExchangeSettings)) {
        self.exchange.set_otherwise(change);
        self.dies_unnoticed();
    }

    /// The process dies, and begins anew: what the log does not have is lost, and calls go on.
    pub(super) fn reborn(&mut self) {
        doubt::note(|course| course.effects += 1);
        self.returns = true;
        self.dies();
        if let Some(packet) = self.received.last().cloned().filter(|packet| self.comes_again(packet)) {
            self.deliver_again(packet);
        }
        self.returns = false;
    }

    fn take_up(&mut self) {
        self.log.lose_waiting();
        self.outcomes.0.lock().unwrap().clear();
        self.epoch += 1;
        self.mint.restart(self.epoch);
        self.paths.clear();
        self.unread.clear();
        self.frozen.clear();
        self.finish_erasures();
        let histories = self.recent_histories();
        self.exchange = self.exchange.anew(self.epoch, !self.mortal.was_killed());
        self.start_writer();
        self.watch.reborn(&everything(&self.log), &SeedKeys);
        self.restore_open();
        let lasts = self.cut_off();
        self.exchange.end_cut_off(self.now, &mut self.mint, &lasts);
        let taken = self.exchange.take_up(self.now, &mut self.mint, Histories::read(&histories, &*self.keys));
        if let Some(unlike) = taken.unlike.iter().find(|unlike| !self.needs_erased(&unlike.stream)) {
            panic!("{unlike:?}\n{}{}", self.told(&unlike.stream), self.ladder);
        }
        self.given_up.extend(taken.unlike.into_iter().map(|unlike| unlike.stream));
    }

    /// A stream's events, each in a line, and those of all that it shares legs with.
    fn told(&self, stream: &StreamName) -> String {
        let streams = self.with_needed(vec![stream.clone()]);
        streams
            .iter()
            .map(|events| format!("{}\n{}", events[0].stream, events.iter().map(line).collect::<String>()))
            .collect()
    }

    /// The last events of uplinks that are open.
    pub(super) fn cut_off(&self) -> Vec<Recorded> {
        let open = autopsy::now(self.log.open_streams()).unwrap();
        let uplinks = open.iter().filter(|stream| stream.category() == UplinkEvent::CATEGORY);
        uplinks.filter_map(|stream| self.stream_of(stream).pop()).collect()
    }

    /// Whether a phone has these bytes already, and has them again because the process came back.
    pub(super) fn was_said(&self, to: SocketAddr, bytes: &Bytes) -> bool {
        self.returns && self.said.contains(&(to, bytes.clone()))
    }

    /// Whether who said this last says it again: it has no answer, as far as it knows.
    fn comes_again(&self, packet: &Packet) -> bool {
        if self.answered {
            return false;
        }
        let Ok(message) = Message::scan(packet.bytes.clone()) else { return false };
        match (message.method(), message.status()) {
            (Some(Method::Ack), _) | (None, Some(..200) | None) => !self.is_logged(packet),
            (Some(_), _) | (None, Some(_)) => true,
        }
    }

    fn is_logged(&self, packet: &Packet) -> bool {
        let bytes = without_credentials(&packet.bytes);
        everything(&self.log).iter().any(|event| received(event, &SeedKeys).is_some_and(|wire| wire.bytes == bytes))
    }

    /// The streams of sessions and MESSAGEs that the exchange knows, as the log has them, with all others that these need.
    pub(super) fn histories(&self) -> Vec<Vec<Recorded>> {
        let known = self.exchange.sessions().map(|(session, _)| StreamName::new("session", session.id.uuid()));
        self.with_needed(known.chain(self.exchange.message_streams()).collect())
    }

    /// The streams that a start takes up: of sessions and MESSAGEs that have not ended, or did within 64·T1.
    fn recent_histories(&self) -> Vec<Vec<Recorded>> {
        let since = self.now.wall - Duration::from_secs(34);
        let taken_up = |event: &Recorded| matches!(event.stream.category(), "session" | PagerEvent::CATEGORY);
        let all: Vec<Recorded> = everything(&self.log).into_iter().filter(taken_up).collect();
        let ends = |event: &Recorded| [SessionEvent::ENDED, PagerEvent::ENDED].contains(&&*event.kind);
        let ended = |event: &&Recorded| ends(event) && event.at < since;
        let gone: BTreeSet<&StreamName> = all.iter().filter(ended).map(|event| &event.stream).collect();
        let wanted: BTreeSet<&StreamName> = all.iter().map(|event| &event.stream).collect();
        self.with_needed(wanted.difference(&gone).map(|stream| (*stream).clone()).collect())
    }

    pub(super) fn with_needed(&self, mut wanted: Vec<StreamName>) -> Vec<Vec<Recorded>> {
        let mut all: BTreeMap<StreamName, Vec<Recorded>> = BTreeMap::new();
        for event in everything(&self.log) {
            all.entry(event.stream.clone()).or_default().push(event);
        }
        let (mut taken, mut histories) = (BTreeSet::new(), vec![]);
        while let Some(stream) = wanted.pop() {
            if let Some(events) = all.get(&stream).filter(|_| taken.insert(stream.clone())) {
                wanted.extend(needs(events));
                histories.push(events.clone());
            }
        }
        histories
    }

    /// Another exchange takes up what the log tells, and stands where this one stands.
    #[track_caller]
    pub fn assert_taken_up(&mut self) {
        let histories = self.histories();
        if histories.iter().any(|events| self.given_up.contains(&events[0].stream)) {
            return;
        }
        let taken = self.exchange.taken_up(self.now, &mut self.mint, &SeedKeys, &histories);
        let other =
            taken.unwrap_or_else(|unlike| panic!("{unlike:?}\n{}{}", self.told(&unlike[0].stream), self.ladder));
        let (live, other) = (self.exchange.shown(), other.shown());
        // What a start finds in the log it may keep a little longer than who was there: nothing follows from that.
        let more = other.keys().filter(|_| self.epoch == 1);
        let names: BTreeSet<&String> = live.keys().chain(more).collect();
        for name in names {
            let [here, there] = [&live, &other].map(|shown| shown.get(name).map_or("nothing", String::as_str));
            let [here, there] = [here, there].map(|text| if self.epoch > 1 { timeless(text) } else { text.to_owned() });
            let (here, there) = (&*here, &*there);
            let told = || histories.iter().flatten().map(line).collect::<String>();
            assert!(
                here == there,
                "{name} is taken up otherwise:\n{}\n{}{}",
                difference(here, there),
                told(),
                self.ladder
            );
        }
    }
}

/// An event in a line.
fn line(event: &Recorded) -> String {
    let message = [received(event, &SeedKeys), committed(event, &SeedKeys)].into_iter().flatten().next();
    let message = message.map_or(String::new(), |wire| format!("{} {}", wire.flow.remote, summary(&wire.bytes)));
    format!("{} {:?} {} {message}\n", event.at.micros() % 1_000_000_000, event.id.parts(), event.kind)
}

/// What a start repeats at once is repeated at other times than before, and no event says when.
fn timeless(shown: &str) -> String {
    shown.lines().filter(|line| !line.trim_start().starts_with("interval: ")).collect::<Vec<_>>().join("\n")
}

/// The lines that differ.
fn difference(live: &str, taken: &str) -> String {
    let mut text = String::new();
    let (mut left, mut right) = (live.lines(), taken.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return text,
            (one, other) if one == other => {}
            (one, other) => {
                text.push_str(&format!("  live: {}\n  then: {}\n", one.unwrap_or("-"), other.unwrap_or("-")));
            }
        }
    }
}
