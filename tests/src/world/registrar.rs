//! The exchange as a registrar: its end and next start, streams that are read anew, commands of the API.

use super::seed::SeedKeys;
use super::{ACCOUNT, Packet, World, autopsy, settings, tables};
use domain::exchange::{
    Commanded, Decided, EdgeCount, EdgeSource, EdgeSummarised, Exchange, ExchangeSettings, GuardSettings,
    MAY_NOT_HAVE_LEFT,
};
use domain::log::{Direction, EventLog, Recorded, Revision, StreamName};
use domain::registration::{Aor, CommandRejection, RegistrationCommand, RegistrationEvent, Restored};
use domain::time::WallTime;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

impl World {
    /// A world whose exchange limits strangers so.
    pub fn guarded(guard: GuardSettings) -> Self {
        let settings = ExchangeSettings { guard, ..settings(1) };
        let mut world = Self::default();
        world.exchange = Exchange::new(settings, tables());
        world.serve();
        world
    }

    /// A world whose exchange pings devices behind NAT every half minute.
    pub fn pinging() -> Self {
        let mut world = Self::default();
        world.ping = Some(Duration::from_secs(30));
        let settings = ExchangeSettings { ping: world.ping, ..settings(1) };
        world.exchange = Exchange::new(settings, tables());
        world.serve();
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
        self.begin_again();
        if restores {
            self.restore_open();
            let lasts = self.cut_off();
            self.exchange.end_cut_off(self.now, &mut self.mint, &lasts);
        }
        self.serve();
    }

    /// Everything is loaded: the exchange serves from here on.
    pub fn serve(&mut self) {
        self.exchange.serve(self.now, &mut self.mint);
        self.settle();
    }

    /// The process ends and starts again, but is told nothing yet of registrations, and serves nobody.
    pub fn begin_again(&mut self) {
        let _ = writeln!(self.ladder, "        | restart");
        self.epoch += 1;
        let settings = ExchangeSettings { ping: self.ping, ..settings(self.epoch) };
        self.exchange = Exchange::new(settings, tables());
        self.watch.restarted();
    }

    /// The open streams of registrations are taken up.
    pub fn restore_open(&mut self) {
        let open = autopsy::now(self.log.open_streams()).unwrap();
        let newest =
            autopsy::everything(&self.log).last().map_or(WallTime::default(), |event| event.at - MAY_NOT_HAVE_LEFT);
        for stream in open.iter().filter(|stream| stream.category() == Aor::CATEGORY) {
            let events = self.tail_of(stream);
            self.watch.restored(stream, &events, &SeedKeys);
            let restored = Restored::read(&events, &*self.keys, newest);
            self.exchange.restore_bindings(self.now, stream, restored).unwrap();
        }
        self.watch.check_bindings(&self.exchange);
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
        let events = self.tail_of(stream);
        self.watch.restored(stream, &events, &SeedKeys);
        self.exchange.restore_registration(self.now, &mut self.mint, (stream, &events), &*self.keys).unwrap();
        self.watch.check_bindings(&self.exchange);
    }

    /// A stream from its last summary on.
    fn tail_of(&mut self, stream: &StreamName) -> Vec<Recorded> {
        let tail = Box::pin(domain::registration::read_tail(&*self.log, stream, Revision(u64::MAX)));
        let events = autopsy::now(tail).unwrap();
        self.most_read = self.most_read.max(events.len());
        events
    }

    /// A stream as the log has it.
    pub fn stream_of(&self, stream: &StreamName) -> Vec<Recorded> {
        autopsy::now(self.log.read_stream(stream, Revision(0), Direction::Forwards, usize::MAX)).unwrap()
    }

    /// The API asks something of a user's bindings; `None` where that cannot be done now.
    pub fn command(&mut self, aor: &str, command: &RegistrationCommand) -> Result<Option<Decided>, CommandRejection> {
        let aor = aor.parse().unwrap();
        let mut commanded = self.exchange.command_binding(self.now, &mut self.mint, ACCOUNT, &aor, command);
        if commanded == Ok(Commanded::Reading) && self.read_unread() {
            commanded = self.exchange.command_binding(self.now, &mut self.mint, ACCOUNT, &aor, command);
        }
        self.settle();
        commanded.map(|commanded| match commanded {
            Commanded::Decided(decided) => Some(decided),
            Commanded::Reading | Commanded::Away => None,
        })
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
        RegistrationEvent::BindingReachChanged(changed) => format!("by {:?}", changed.reach),
        RegistrationEvent::BindingsStated(stated) => format!("{} stated", stated.bindings.len()),
    }
}
