//! The exchange as a registrar: its end and next start, streams that are read anew, commands of the API.

use super::seed::SeedKeys;
use super::{ACCOUNT, Packet, World, autopsy, settings, tables};
use domain::exchange::{Decided, EdgeCount, EdgeSource, EdgeSummarised, Exchange, ExchangeSettings, GuardSettings};
use domain::log::{Direction, EventLog, Recorded, Revision, StreamName};
use domain::registration::{Aor, CommandRejection, RegistrationCommand, RegistrationEvent};
use std::collections::BTreeMap;
use std::fmt::Write;

impl World {
    /// A world whose exchange limits strangers so.
    pub fn guarded(guard: GuardSettings) -> Self {
        let settings = ExchangeSettings { guard, ..settings(1) };
        let mut world = Self::default();
        world.exchange = Exchange::new(settings, tables());
        world
    }

    /// A datagram reaches the exchange, and what it says to that is thrown away: for floods.
    pub fn exchange_hears(&mut self, packet: Packet) {
        let Packet { local, from, bytes } = packet;
        let flow = self.flow(local, from);
        self.exchange.receive(self.now, &mut self.mint, flow, bytes);
        drop(self.exchange.effects());
    }

    /// The process ends and starts again. Where `restores`, the open streams of registrations are taken up again, as
    /// every start does; without, nobody has told the exchange of them yet.
    pub fn restart(&mut self, restores: bool) {
        let _ = writeln!(self.ladder, "        | restart");
        self.epoch += 1;
        self.exchange = Exchange::new(settings(self.epoch), tables());
        self.watch.restarted();
        if restores {
            let open = autopsy::now(self.log.open_streams()).unwrap();
            open.iter().filter(|stream| stream.category() == Aor::CATEGORY).for_each(|stream| self.restore(stream));
        }
        self.settle();
    }

    /// Whether streams whose place the exchange does not know are read: where not, they wait until they are.
    pub fn hold_reads(&mut self, hold: bool) {
        self.reads_held = hold;
        self.settle();
    }

    /// Reads what the exchange wants to have read; true where there was something.
    pub(super) fn read_unread(&mut self) -> bool {
        self.unread.extend(self.exchange.take_unread());
        if self.reads_held || self.unread.is_empty() {
            return false;
        }
        for stream in std::mem::take(&mut self.unread) {
            self.restore(&stream);
        }
        true
    }

    fn restore(&mut self, stream: &StreamName) {
        let events = self.stream_of(stream);
        self.watch.restored(stream, &events, &SeedKeys);
        self.exchange.restore_registration(self.now, &mut self.mint, &events, &SeedKeys).unwrap();
        self.watch.check_bindings(&self.exchange);
    }

    /// A stream as the log has it.
    pub fn stream_of(&self, stream: &StreamName) -> Vec<Recorded> {
        autopsy::now(self.log.read_stream(stream, Revision(0), Direction::Forwards, usize::MAX)).unwrap()
    }

    /// The API asks something of a user's bindings; `None` where that cannot be done now.
    pub fn command(&mut self, aor: &str, command: &RegistrationCommand) -> Result<Option<Decided>, CommandRejection> {
        let aor = aor.parse().unwrap();
        let decided = self.exchange.command_binding(self.now, &mut self.mint, ACCOUNT, &aor, command);
        self.settle();
        decided
    }

    /// Contacts of a user that calls can find now.
    pub fn contacts_of(&self, aor: &str) -> Vec<String> {
        let bindings = self.exchange.bindings_of(&aor.parse().unwrap()).cloned().unwrap_or_default();
        bindings.bindings(self.now.wall).map(|binding| binding.device.contact.to_string()).collect()
    }

    /// What the log has of registrations: each event in a word, in order.
    pub fn registered(&self) -> Vec<String> {
        self.registrations().iter().map(told).collect()
    }

    /// How many streams of registrations are open.
    pub fn open_registrations(&self) -> usize {
        let open = autopsy::now(self.log.open_streams()).unwrap();
        open.iter().filter(|stream| stream.category() == Aor::CATEGORY).count()
    }

    /// What the edge's summaries in the log count.
    pub fn edge_counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for EdgeCount { what, times, .. } in self.edge_summaries().into_iter().flat_map(|summary| summary.counts) {
            *counts.entry(what.into_string()).or_default() += times;
        }
        counts
    }

    /// The sources that the edge's summaries name, with the requests of theirs that were dropped, and how many bans.
    pub fn edge_worst(&self) -> (Vec<(String, u32)>, u64) {
        let summaries = self.edge_summaries();
        let bans = summaries.iter().map(|summary| summary.bans).sum();
        let worst = summaries.into_iter().flat_map(|summary| summary.worst);
        (worst.map(|EdgeSource { source, dropped, .. }| (source.into_string(), dropped)).collect(), bans)
    }

    fn edge_summaries(&self) -> Vec<EdgeSummarised> {
        let all = autopsy::everything(&self.log);
        let of = all.iter().filter(|event| event.stream.category() == "edge");
        of.map(|event| serde_json::from_slice(&event.data).unwrap()).collect()
    }

    /// Every stream in the log.
    pub fn streams(&self) -> std::collections::BTreeSet<StreamName> {
        autopsy::everything(&self.log).iter().map(|event| event.stream.clone()).collect()
    }

    /// Every event of registrations in the log.
    pub fn registrations(&self) -> Vec<RegistrationEvent> {
        let all = autopsy::everything(&self.log);
        let of = all.iter().filter(|event| event.stream.category() == Aor::CATEGORY);
        of.map(|event| domain::codec::registration::decode(event, &SeedKeys).unwrap()).collect()
    }
}

fn told(event: &RegistrationEvent) -> String {
    match event {
        RegistrationEvent::RegisterReceived(_) => "received".to_owned(),
        RegistrationEvent::RegisterAnswered(answered) => answered.status.to_string(),
        RegistrationEvent::BindingAdded(_) => "added".to_owned(),
        RegistrationEvent::BindingRefreshed(_) => "refreshed".to_owned(),
        RegistrationEvent::BindingRemoved(removed) => format!("{:?}", removed.cause),
    }
}
