//! An address with as many phones as there are calls at it. Each message goes to the phone whose call it belongs to.

use super::super::automaton::{Act, Automaton, Errand, Manners};
use super::carrier::Carrier;
use super::device::Registrant;
use super::registrar::Registrar;
use super::weather::manners;
use bytes::Bytes;
use domain::sip::wire::Message;
use domain::time::Moment;
use std::net::SocketAddr;
use tests::world::{Chance, Phone, World};

/// By what it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Datagrams.
    Udp,
    /// Connections that it opens, the present one from this port.
    Opened(u16),
    /// Connections that the exchange opens.
    Accepted,
}

/// See the module.
pub(super) struct Station {
    pub(super) address: SocketAddr,
    /// The exchange's listener that it calls.
    calls_at: SocketAddr,
    pub(super) by: By,
    pub(super) phones: Vec<Automaton>,
    /// Where it is a user's.
    pub(super) registrant: Option<Registrant>,
    /// Where it is a carrier's that the exchange registers at.
    pub(super) registrar: Option<Registrar>,
    /// Where it is a carrier's for calls out.
    pub(super) carrier: Option<Carrier>,
    /// No packet by connection overtakes another.
    pub(super) newest: [Moment; 2],
    chance: Chance,
}

impl Station {
    pub(super) fn new(world: &mut World, (address, calls_at): (&str, &str), by: By, seed: u64) -> Self {
        let mut station = Self {
            address: address.parse().unwrap(),
            calls_at: calls_at.parse().unwrap(),
            by,
            phones: vec![],
            registrant: None,
            registrar: None,
            carrier: None,
            newest: [Moment::from_micros(0); 2],
            chance: Chance::new(seed),
        };
        station.connect(world);
        station
    }

    /// Where its messages come from.
    pub(super) fn from(&self) -> SocketAddr {
        match self.by {
            By::Udp | By::Accepted => self.address,
            By::Opened(port) => SocketAddr::new(self.address.ip(), port),
        }
    }

    /// Where messages for it may arrive.
    pub(super) fn hears_at(&self) -> Vec<SocketAddr> {
        let mut all = vec![self.address, self.from()];
        all.dedup();
        all
    }

    fn port(&self) -> Option<u16> {
        match self.by {
            By::Opened(port) => Some(port),
            By::Udp | By::Accepted => None,
        }
    }

    fn connect(&mut self, world: &mut World) {
        let port = self.port();
        if self.by == By::Udp {
            return;
        }
        Phone::new(self.address).connect(world, port);
        for automaton in &mut self.phones {
            automaton.phone.connect(world, port);
            automaton.reconnected(world.now().moment);
        }
    }

    /// Its connection is gone: it opens another one. Answers the end of the old one.
    pub(super) fn reconnect(&mut self, world: &mut World) -> (SocketAddr, SocketAddr) {
        let gone = (self.calls_at, self.from());
        if let By::Opened(port) = &mut self.by {
            *port += 1;
        }
        self.connect(world);
        gone
    }

    /// A phone for a new call.
    fn phone(&mut self, world: &mut World) -> &mut Automaton {
        let line = self.address.port() + 1 + self.phones.len() as u16;
        let mut phone = Phone::on_line(self.address, line);
        (phone.exchange, phone.port) = (self.calls_at, 10_000 + 2 * self.phones.len() as u16);
        if self.by != By::Udp {
            phone.connect(world, self.port());
        }
        let talks = if self.chance.percent(10) { 95_000 } else { 4_000 };
        let mut automaton = Automaton::new(phone, self.chance.draw(), talks);
        automaton.by_connection = self.by != By::Udp;
        automaton.manners = manners(&mut self.chance);
        self.phones.push(automaton);
        self.phones.last_mut().unwrap()
    }

    /// Another of its phones calls, with an offer unless it is `late`; answers which.
    pub(super) fn call(&mut self, world: &mut World, errand: Errand, late: bool) -> usize {
        let automaton = self.phone(world);
        (automaton.errand, automaton.late_offer) = (errand, late);
        automaton.act(world, Act::Call);
        self.phones.len() - 1
    }

    /// Another of its phones asks for the place of who has this dialog. It behaves, but that one in eight that are `late`,
    /// without an offer, leave the other's unanswered.
    pub(super) fn replace(&mut self, world: &mut World, errand: Errand, named: String, late: bool) {
        let forgets = late && self.chance.percent(12);
        let automaton = self.phone(world);
        (automaton.errand, automaton.replaces, automaton.late_offer) = (errand, Some(named), late);
        automaton.manners = if forgets { Manners::AnswersNoOffer } else { Manners::Good };
        automaton.act(world, Act::Call);
    }

    /// Another of its phones says something outside any call.
    pub(super) fn text(&mut self, world: &mut World, errand: Errand) {
        let automaton = self.phone(world);
        automaton.errand = errand;
        automaton.act(world, Act::Text);
    }

    /// Another of its phones, which behaves, asks for a call between this station and another.
    pub(super) fn refer(&mut self, world: &mut World, errand: Errand) {
        let automaton = self.phone(world);
        (automaton.errand, automaton.manners) = (errand, Manners::Good);
        automaton.act(world, Act::Refer);
    }

    /// A message came for one of its phones.
    pub(super) fn hear(&mut self, world: &mut World, bytes: Bytes) {
        let message = Message::scan(bytes.clone()).unwrap();
        let call = message.call_id().unwrap().to_owned();
        if let Some(registrant) = self.registrant.as_mut().filter(|registrant| registrant.is_for(&call)) {
            return registrant.hear(world, &message);
        }
        if let Some(registrar) = self.registrar.as_mut().filter(|registrar| registrar.is_for(&message)) {
            return registrar.hear(world, &message);
        }
        if let Some(automaton) = self.phones.iter_mut().find(|automaton| automaton.phone.call_id() == call) {
            return automaton.hear(world, bytes);
        }
        if let Some(carrier) = self.carrier.as_mut().filter(|carrier| carrier.is_for(&message)) {
            return carrier.hear(world, &message);
        }
        if message.is_request() {
            let from = message.top_via().unwrap();
            let automaton = self.phone(world);
            automaton.phone.exchange = format!("{}:{}", from.sent_by, from.port.unwrap_or(5060)).parse().unwrap();
            if message.method().is_some_and(|method| matches!(method.as_str(), "INVITE" | "MESSAGE")) {
                automaton.hear(world, bytes);
            } else {
                automaton.manners = Manners::NeverAnswers;
                automaton.phone.respond(world, &message, 481, None);
            }
        }
    }
}

/// What asks that a call be joined with the one named so.
pub(super) fn joins(named: &str) -> Act {
    let named = named.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
    let target = format!("Refer-To: <sip:+12025550199@exchange.example?Replaces={named}>\r\n");
    Act::Say("REFER", format!("{target}Contact: <sip:phone@asker.example>\r\n"))
}

/// What a phone asks of its own accord while it talks.
pub(super) fn says(chance: &mut Chance) -> Act {
    let contact = "Contact: <sip:phone@asker.example>\r\n";
    match chance.below(5) {
        0 => Act::Say("INFO", String::new()),
        1 => Act::Say("OPTIONS", String::new()),
        2 => Act::Say("REFER", format!("Refer-To: <sip:+12025550199@exchange.example>\r\n{contact}")),
        3 => Act::Say("REFER", format!("Refer-To: <sip:+15550007777@exchange.example>\r\n{contact}")),
        _ => Act::Change,
    }
}
