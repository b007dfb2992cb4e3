//! All calls of a phone, and what belongs to none of them. No socket and no clock, like [`Call`].

use super::call::{Audio, Call, Phase, Status, answer_outside_dialog};
use super::dialog::Dialog;
use super::message::{self, Incoming};
use super::registration::{Account, Registration};
use super::sdp::Direction;
use super::transaction::{Datagram, T1};
use rsip::message::HeadersExt;
use rsip::{Method, Request, SipMessage};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Calls at once, those that ended in the last 32 s included.
const MOST_CALLS: usize = 32;

/// Someone calls.
#[derive(Debug)]
pub struct Ring {
    /// Call-ID of the call.
    pub call_id: String,
    /// User part of the URI in From.
    pub caller: String,
    /// User part of the Request-URI.
    pub called: String,
    /// Its state from now on.
    pub status: watch::Receiver<Status>,
}

/// What the one who holds the phone wants.
#[derive(Debug)]
pub enum Command {
    /// Call.
    Place {
        /// The dialog to be.
        dialog: Box<Dialog>,
        /// Where its state is made known.
        status: watch::Sender<Status>,
        /// Our ends of its audio.
        audio: Audio,
    },
    /// Answer the ringing call.
    Answer {
        /// Which.
        call_id: String,
        /// Our ends of its audio.
        audio: Audio,
    },
    /// Hold or resume.
    Modify {
        /// Which.
        call_id: String,
        /// What we would like from now on.
        direction: Direction,
    },
    /// Ask the other end to call someone else.
    Transfer {
        /// Which.
        call_id: String,
        /// Whom.
        target: String,
    },
    /// Register.
    Register {
        /// As whom.
        account: Account,
        /// Where.
        registrar: SocketAddr,
        /// The status that ends it.
        outcome: watch::Sender<Option<u16>>,
    },
    /// Hang up, cancel or decline.
    HangUp {
        /// Which.
        call_id: String,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Endpoint {
    local: SocketAddr,
    t1: T1,
    calls: HashMap<String, Call>,
    registration: Option<Registration>,
    rings: mpsc::Sender<Ring>,
    outbox: Vec<Datagram>,
}

impl Endpoint {
    /// A phone at `local` that tells of callers through `rings`; while that is full, callers are busy.
    pub fn new(local: SocketAddr, t1: T1, rings: mpsc::Sender<Ring>) -> Self {
        Self { local, t1, calls: HashMap::new(), registration: None, rings, outbox: Vec::new() }
    }

    /// What is to leave now.
    pub fn take_outbox(&mut self) -> Vec<Datagram> {
        let calls = self.calls.values_mut().flat_map(|call| call.outbox.drain(..));
        let registration = self.registration.iter_mut().flat_map(|registration| registration.outbox.drain(..));
        self.outbox.drain(..).chain(calls).chain(registration).collect()
    }

    /// When [`Endpoint::wake`] has something to do.
    pub fn wake_at(&self) -> Option<Instant> {
        let registration = self.registration.as_ref().and_then(Registration::wake_at);
        self.calls.values().filter_map(Call::wake_at).chain(registration).min()
    }

    /// Repeats what is due.
    pub fn wake(&mut self, now: Instant) {
        self.calls.values_mut().for_each(|call| call.wake(now));
        self.registration.iter_mut().for_each(|registration| registration.wake(now));
    }

    /// Does what the phone's owner wants. Commands for calls that are forgotten do nothing.
    pub fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Place { dialog, status, audio } => {
                self.forget(now);
                let call = Call::place(now, *dialog, status, audio, self.t1);
                self.calls.insert(call.id().to_owned(), call);
            }
            Command::Answer { call_id, audio } => self.with(&call_id, |call| call.answer(now, audio)),
            Command::Modify { call_id, direction } => self.with(&call_id, |call| call.modify(now, direction)),
            Command::Transfer { call_id, target } => self.with(&call_id, |call| call.transfer(now, &target)),
            Command::Register { account, registrar, outcome } => {
                let addresses = (self.local, registrar);
                self.registration = Some(Registration::begin(now, addresses, account, outcome, self.t1));
            }
            Command::HangUp { call_id } => self.with(&call_id, |call| call.hang_up(now)),
        }
    }

    /// Takes a datagram. What is no SIP is dropped.
    pub fn receive(&mut self, now: Instant, datagram: &[u8], source: SocketAddr) {
        let Some(incoming) = Incoming::parse(datagram) else { return };
        let known = self.calls.get_mut(&incoming.call_id);
        match (&incoming.message, known) {
            (SipMessage::Request(request), known) if must_refuse(request, &incoming) => {
                let datagram = answer_outside_dialog(request.method, &incoming, source, self.local);
                known.map_or(&mut self.outbox, |call| &mut call.outbox).push(datagram);
            }
            (_, Some(call)) => call.receive(now, &incoming, source),
            (SipMessage::Request(request), None) if request.method == Method::Invite && incoming.to_tag.is_none() => {
                let called = message::user(&request.uri);
                self.ring(now, called, incoming, source);
            }
            (SipMessage::Request(request), None) if request.method != Method::Ack => {
                let datagram = answer_outside_dialog(request.method, &incoming, source, self.local);
                self.outbox.push(datagram);
            }
            (SipMessage::Response(response), None) => {
                let ours = self.registration.as_mut().filter(|registration| registration.id() == incoming.call_id);
                if let Some(registration) = ours {
                    registration.receive(now, response.status_code.code(), &incoming);
                }
            }
            (SipMessage::Request(_), None) => {}
        }
    }

    fn ring(&mut self, now: Instant, called: String, invite: Incoming, source: SocketAddr) {
        self.forget(now);
        let refuse = |status| {
            let response = message::response(&invite, status, &message::token(), source, self.local);
            super::call::reply(&invite, source, response, None)
        };
        let Some(dialog) = Dialog::incoming(self.local, &invite, source) else {
            return self.outbox.push(refuse((400, "From Tag Or Contact Missing")));
        };
        let caller = invite.message.from_header().and_then(|from| from.uri()).map(|uri| message::user(&uri));
        let (sender, status) = watch::channel(Status::new(Phase::Ringing));
        let ring = Ring { call_id: invite.call_id.clone(), caller: caller.unwrap_or_default(), called, status };
        if self.calls.len() >= MOST_CALLS || self.rings.try_send(ring).is_err() {
            return self.outbox.push(refuse((486, "Busy Here")));
        }
        let call = Call::ring(dialog, sender, invite, source, self.t1);
        self.calls.insert(call.id().to_owned(), call);
    }

    fn with(&mut self, call_id: &str, act: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.get_mut(call_id) {
            act(call);
        }
    }

    fn forget(&mut self, now: Instant) {
        self.calls.retain(|_, call| !call.is_forgettable(now));
    }
}

/// Extensions are refused, except where no response is possible or RFC 3261 §8.2.2.3 forbids it.
fn must_refuse(request: &Request, incoming: &Incoming) -> bool {
    !matches!(request.method, Method::Ack | Method::Cancel) && incoming.require().is_some()
}
