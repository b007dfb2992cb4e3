//! A carrier for calls out that is not always there: to what is new it says nothing for a while, or that it has no time.

use bytes::Bytes;
use domain::sip::wire::Message;
use domain::time::Moment;
use std::collections::HashMap;
use std::net::SocketAddr;
use tests::world::{Chance, Phone, World};

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// It answers.
    Well,
    /// It says nothing.
    Silent,
    /// It has no time, and says for how many seconds, or does not.
    Overloaded(Option<u64>),
    /// It answers that whom it asks does not: it is there.
    TimesOut,
}

impl Doing {
    pub(super) const fn draw(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0..=2 => Self::Silent,
            3..=4 => Self::Overloaded(None),
            5..=6 => Self::Overloaded(Some(chance.below(60))),
            _ => Self::TimesOut,
        }
    }

    /// Whether calls have no chance there.
    pub(super) const fn is_down(self) -> bool {
        matches!(self, Self::Silent | Self::Overloaded(_))
    }
}

/// See the module.
pub(super) struct Carrier {
    phone: Phone,
    pub(super) doing: Doing,
    /// Since when.
    pub(super) since: Moment,
    /// What it said to each request, by its branch.
    answers: HashMap<String, Bytes>,
}

impl Carrier {
    pub(super) fn new(address: SocketAddr) -> Self {
        let since = Moment::from_micros(0);
        Self { phone: Phone::new(address), doing: Doing::Well, since, answers: HashMap::new() }
    }

    /// Whether it takes care of a request that belongs to no call of its phones.
    pub(super) fn is_for(&self, message: &Message) -> bool {
        let known = message.top_via().is_ok_and(|via| via.branch().is_some_and(|it| self.answers.contains_key(it)));
        let new = message.to().is_ok_and(|to| to.tag().is_none());
        match message.method().map(|method| method.as_str()) {
            Some("OPTIONS") => new,
            Some("INVITE") => new && (known || self.doing != Doing::Well),
            Some("ACK") => known,
            Some(_) | None => false,
        }
    }

    /// A request came.
    pub(super) fn hear(&mut self, world: &mut World, request: &Message) {
        let via = request.top_via().unwrap();
        let branch = via.branch().unwrap().to_owned();
        self.phone.exchange = format!("{}:{}", via.sent_by, via.port.unwrap_or(5060)).parse().unwrap();
        if request.method().is_some_and(|method| method.as_str() == "ACK") {
            return;
        }
        if let Some(known) = self.answers.get(&branch) {
            return world.send_to(self.phone.exchange, self.phone.from(), known.clone());
        }
        let (status, line) = match self.doing {
            Doing::Silent => return,
            Doing::Well => (200, "Accept: application/sdp".to_owned()),
            Doing::TimesOut => (408, "Reason: none".to_owned()),
            Doing::Overloaded(None) => (503, "Reason: none".to_owned()),
            Doing::Overloaded(Some(seconds)) => (503, format!("Retry-After: {seconds}")),
        };
        self.phone.respond_saying(world, request, status, &line);
        self.answers.insert(branch, world.network.as_ref().unwrap().last().unwrap().bytes.clone());
    }
}
