//! What happens of itself, as it was planned.

use super::super::carrier::Doing;
use super::super::plan::{self, Event};
use super::super::reach::{self, Watching};
use super::super::station::{By, joins, says};
use super::super::uplink;
use super::{Happening, REMEMBERED, Town};
use crate::simulation::automaton::{Act, Automaton, Errand, Stage};
use bytes::Bytes;
use domain::time::Now;
use tests::world::{Chance, Packet};

impl Town {
    pub(super) fn befalls(&mut self, event: Event) {
        match event {
            Event::Weather(weather) => self.weather = weather,
            Event::Call { station, errand, late } => {
                self.note(if late { "late calls" } else { "calls" });
                let phone = self.stations[station].call(&mut self.world, errand, late);
                if self.chance.percent(20) {
                    self.note("gave up");
                    let millis = self.chance.below(10_000);
                    self.after(millis, Happening::Act(station, phone, Act::Cancel));
                }
            }
            Event::Says => self.says(),
            Event::Joins => self.joins(),
            Event::Replaces { station, errand, late } => self.replaces(station, errand, late),
            Event::Refers(station, errand) => {
                self.note("referred");
                self.stations[station].refer(&mut self.world, errand);
            }
            Event::Uplink(_) | Event::Leaves | Event::Watches(_) | Event::Unwatches if self.world.is_dead() => {
                self.after(1_000, Happening::Event(event));
            }
            Event::Uplink(uplink) => {
                self.trouble = self.world.now().moment;
                uplink.begin(&mut self.world);
            }
            Event::Leaves => self.leaves(),
            Event::Users(_) if self.world.is_dead() => self.after(1_000, Happening::Event(event)),
            Event::Users(change) => {
                self.note("users change");
                change.carry_out(&mut self.world);
            }
            Event::Learns { user, second } => {
                let station = plan::registrants().nth(user).map(|(station, ..)| station).unwrap();
                self.stations[station].registrant.as_mut().unwrap().learn(second);
            }
            Event::Watches(watching) => watching.begin(&mut self.world),
            Event::Does(place, doing) => self.does(place, doing),
            Event::Unwatches => {
                (0..plan::CARRIERS.len()).for_each(|place| self.knows(place));
                Watching::OFF.begin(&mut self.world);
            }
            Event::Text(user) => {
                self.note("texts");
                self.stations[6 + user].text(&mut self.world, plan::TEXTS[user]);
            }
            Event::Garbage(station) => {
                let (from, local) = (self.stations[station].address, tests::world::PUBLIC.parse().unwrap());
                if self.stations[station].by == By::Udp {
                    self.note("garbage");
                    self.world.deliver(Packet { local, from, bytes: garbage(&mut self.chance) });
                }
            }
            Event::Breaks(station) => {
                self.note("breaks");
                let (local, remote) = self.stations[station].reconnect(&mut self.world);
                self.world.disconnect(local, remote);
            }
            // An exchange that is away or about to die is asked for nothing, and does not die twice.
            _ if self.world.is_dead() || self.away.is_some() => {}
            Event::Operator(command) => {
                self.note("commands");
                command.carry_out(&mut self.world);
            }
            Event::Changes(command) => {
                self.note("changes");
                command.carry_out(&mut self.world);
            }
            Event::Erases { all, runs } => self.erases(all, runs),
            Event::Dies(effects, away) => {
                self.away = Some(away);
                self.world.doom(effects);
            }
            Event::DiesUntold(away) => {
                self.note("untold deaths");
                self.world.log.commit_next(usize::MAX);
                self.dies(away);
            }
        }
    }

    /// Somebody who talks says something.
    fn says(&mut self) {
        let act = says(&mut self.chance);
        let up = self.stations.iter_mut().flat_map(|station| &mut station.phones);
        let mut up: Vec<&mut Automaton> = up.filter(|automaton| automaton.stage == Stage::Up).collect();
        if !up.is_empty() {
            let speaker = self.chance.below(up.len() as u64) as usize;
            up[speaker].act(&mut self.world, act);
            self.note("said");
        }
    }

    /// Who has two calls asks in one that it be joined with the other.
    fn joins(&mut self) {
        for station in &mut self.stations {
            let is_up = |automaton: &Automaton| automaton.stage == Stage::Up;
            let mut up: Vec<usize> = (0..station.phones.len()).filter(|phone| is_up(&station.phones[*phone])).collect();
            if let (Some(asks), Some(other)) = (up.pop(), up.pop()) {
                let named = station.phones[other].phone.named();
                station.phones[asks].act(&mut self.world, joins(&named));
                return self.note("joins");
            }
        }
    }

    /// Somebody asks for the place of another, who is in a call or rings.
    fn replaces(&mut self, station: usize, errand: Errand, late: bool) {
        let phones = self.stations.iter().flat_map(|station| &station.phones);
        let dialogs = phones.filter(|automaton| automaton.has_dialog()).map(|automaton| automaton.phone.named());
        let mut dialogs: Vec<String> = dialogs.collect();
        if !dialogs.is_empty() {
            let named = dialogs.swap_remove(self.chance.below(dialogs.len() as u64) as usize);
            self.stations[station].replace(&mut self.world, errand, named, late);
            self.note("replaces");
        }
    }

    /// What is personal goes. A start cannot take up what it cannot open: it forgets what ended a moment ago, and knows nobody
    /// of a call that runs.
    fn erases(&mut self, all: bool, runs: bool) {
        let [mut wanted, mut running] = self.world.erasable();
        if !all && !wanted.is_empty() {
            wanted = vec![wanted.swap_remove(self.chance.below(wanted.len() as u64) as usize)];
        }
        if runs && !running.is_empty() {
            wanted.push(running.swap_remove(self.chance.below(running.len() as u64) as usize));
            self.unknown = true;
            self.note("erased while it ran");
        }
        let newest = wanted.iter().filter_map(|stream| self.world.stream_of(stream).last().map(|event| event.at)).max();
        if let Some(newest) = newest {
            let Now { moment, wall } = self.world.now();
            self.forgets_until = self.forgets_until.max(moment + REMEMBERED.saturating_sub(wall.since(newest)));
            self.world.erase(&wanted);
            self.note("erased");
        }
    }

    /// A carrier is otherwise from now on.
    fn does(&mut self, place: usize, doing: Doing) {
        self.knows(place);
        let now = self.world.now().moment;
        let carrier = self.stations[plan::CARRIERS[place]].carrier.as_mut().unwrap();
        (carrier.doing, carrier.since) = (doing, now);
    }

    /// What a carrier does was to be known by now.
    fn knows(&mut self, place: usize) {
        let carrier = self.stations[plan::CARRIERS[place]].carrier.as_ref().unwrap();
        let trouble = self.trouble.max(self.fair_from);
        match reach::assert_known(&self.world, place, carrier, trouble) {
            Some(true) => self.note("known to be down"),
            Some(false) => self.note("known to be up again"),
            None => {}
        }
    }

    /// The exchange is to be registered at its carrier no longer.
    fn leaves(&mut self) {
        let registrar = self.stations[plan::REGISTRAR].registrar.as_ref().unwrap();
        if uplink::leave(&mut self.world, registrar, self.trouble) {
            self.note("uplinked");
        }
    }
}

/// What is not SIP, or nearly.
fn garbage(chance: &mut Chance) -> Bytes {
    let begins: &[u8] = [&b"INVITE sip:x SIP/2.0\r\n"[..], b"SIP/2.0 200 OK\r\nVia: ", b""][chance.below(3) as usize];
    let random = (0..chance.below(200)).map(|_| chance.below(256) as u8);
    begins.iter().copied().chain(random).collect()
}
