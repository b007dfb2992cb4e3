//! One call of a phone: a dialog, its open transactions and what was agreed about audio. No socket and no clock:
//! messages and the time come in, datagrams go out through [`Call::outbox`].

mod uac;
mod uas;

pub use uas::{answer_outside_dialog, reply};

use super::dialog::Dialog;
use super::media::{Route, Speech};
use super::message::{Incoming, Key};
use super::sdp::{Direction, Local, Remote};
use super::transaction::{Client, Datagram, Due, Repeat, Server, T1};
use rsip::{Method, Request, SipMessage};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::watch;

/// Answered requests remembered for their repeats.
const REMEMBERED: usize = 16;

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// We called; nobody rings yet.
    Calling,
    /// It rings there, or here.
    Ringing,
    /// We answered; their ACK has not come.
    Answering,
    /// Both sides agreed.
    Talking,
    /// Over.
    Ended(Ending),
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// We sent BYE.
    WeHungUp,
    /// They sent BYE.
    TheyHungUp,
    /// The caller gave up before an answer.
    Cancelled,
    /// The call was refused with this status.
    Refused(u16),
    /// Nobody answered our INVITE, or our 200 got no ACK.
    Silence,
    /// The other end does not know the dialog any more, or described no audio that we can use.
    Lost,
}

/// What is known of a call from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// How far it is.
    pub phase: Phase,
    /// Which way audio may flow, seen from here.
    pub direction: Direction,
    /// How many re-INVITEs of ours have been answered.
    pub modifications: u32,
    /// The status with which the last of them was refused.
    pub refusal: Option<u16>,
    /// What we last heard of a transfer that we asked for.
    pub transfer: Option<u16>,
}

impl Status {
    /// A call in `phase` about which nothing else is known.
    pub fn new(phase: Phase) -> Self {
        Self { phase, direction: Direction::Inactive, modifications: 0, refusal: None, transfer: None }
    }
}

/// Our ends of a call's audio.
#[derive(Debug)]
pub struct Audio {
    /// Where we hear.
    pub rtp: SocketAddr,
    /// Where the agreement is made known.
    pub route: watch::Sender<Route>,
}

/// Whether we gave up a call before it could be ended with BYE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leaving {
    No,
    /// As soon as the other end allows it: with CANCEL after its first provisional response, with BYE after its ACK.
    Wanted,
    CancelSent,
}

/// See the module.
#[derive(Debug)]
pub struct Call {
    /// What leaves at once.
    pub outbox: Vec<Datagram>,
    dialog: Dialog,
    status: watch::Sender<Status>,
    t1: T1,
    clients: Vec<Client>,
    servers: Vec<Server>,
    /// ACKs by the number of their INVITE, for repeats of its final response.
    acks: Vec<(u32, Datagram)>,
    /// Their first INVITE until we answer it, and where from.
    unanswered: Option<(Incoming, SocketAddr)>,
    audio: Option<(Local, watch::Sender<Route>)>,
    remote: Option<Remote>,
    /// What we would like.
    wanted: Direction,
    /// What we liked before the re-INVITE that is open.
    wanted_before: Direction,
    /// What we last offered, while that offer has no answer.
    offered: Option<Direction>,
    /// What holds.
    agreed: Direction,
    leaving: Leaving,
    ended_at: Option<Instant>,
}

impl Call {
    fn new(dialog: Dialog, status: watch::Sender<Status>, t1: T1) -> Self {
        Self {
            outbox: Vec::new(),
            dialog,
            status,
            t1,
            clients: Vec::new(),
            servers: Vec::new(),
            acks: Vec::new(),
            unanswered: None,
            audio: None,
            remote: None,
            wanted: Direction::SendRecv,
            wanted_before: Direction::SendRecv,
            offered: None,
            agreed: Direction::Inactive,
            leaving: Leaving::No,
            ended_at: None,
        }
    }

    /// Its Call-ID.
    pub fn id(&self) -> &str {
        &self.dialog.call_id
    }

    /// A message with this call's Call-ID.
    pub fn receive(&mut self, now: Instant, message: &Incoming, source: SocketAddr) {
        match &message.message {
            SipMessage::Request(request) => self.receive_request(now, request.method, message, source),
            SipMessage::Response(response) => self.receive_response(now, response.status_code.code(), message),
        }
    }

    /// Ends the call whatever its phase: BYE, CANCEL or 603.
    pub fn hang_up(&mut self, now: Instant) {
        match self.phase() {
            Phase::Ringing if self.unanswered.is_some() => self.decline(now, (603, "Decline"), Ending::Refused(603)),
            Phase::Calling | Phase::Ringing => self.cancel(now),
            // A callee's BYE has to wait for the ACK (RFC 3261 §15).
            Phase::Answering => self.leaving = Leaving::Wanted,
            Phase::Talking => self.bye(now),
            Phase::Ended(_) => {}
        }
    }

    /// When [`Call::wake`] has something to do.
    pub fn wake_at(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(|client| client.repeat.as_ref());
        let servers = self.servers.iter().filter_map(|server| server.repeat.as_ref());
        clients.chain(servers).map(Repeat::wake_at).min()
    }

    /// Repeats what is due, and gives up on what has been repeated long enough.
    pub fn wake(&mut self, now: Instant) {
        let mut silent = Vec::new();
        for client in &mut self.clients {
            match client.repeat.as_mut().map(|repeat| repeat.due(now)) {
                Some(Due::Again) => self.outbox.push(client.datagram.clone()),
                Some(Due::GiveUp) => silent.push(client.key.clone()),
                Some(Due::Nothing) | None => {}
            }
        }
        let mut unacknowledged = false;
        for server in &mut self.servers {
            match server.repeat.as_mut().map(|repeat| repeat.due(now)) {
                Some(Due::Again) => self.outbox.push(server.datagram.clone()),
                Some(Due::GiveUp) => {
                    server.repeat = None;
                    unacknowledged |= server.must_be_acknowledged;
                }
                Some(Due::Nothing) | None => {}
            }
        }
        for key in silent {
            self.no_response(now, &key);
        }
        if unacknowledged {
            self.bye(now);
            self.end(now, Ending::Silence);
        }
    }

    /// Whether the call is over for so long that no repeat of its messages can come any more.
    pub fn is_forgettable(&self, now: Instant) -> bool {
        self.ended_at.is_some_and(|ended| now > ended + self.t1.patience())
    }

    /// Whether anyone still waits for the call.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some()
    }

    fn phase(&self) -> Phase {
        self.status.borrow().phase
    }

    fn enter(&self, phase: Phase) {
        self.status.send_modify(|status| status.phase = phase);
    }

    /// The first reason counts.
    fn end(&mut self, now: Instant, ending: Ending) {
        if self.ended_at.is_none() {
            self.ended_at = Some(now);
            self.route(Direction::Inactive);
            self.enter(Phase::Ended(ending));
        }
    }

    fn send(&mut self, now: Instant, method: Method, sdp: Option<String>) {
        let (key, request) = self.dialog.next_request(method, sdp);
        self.send_request(now, key, request);
    }

    fn send_request(&mut self, now: Instant, key: Key, request: Request) {
        let method = request.method;
        let repeat =
            if method == Method::Invite { Repeat::of_invite(now, self.t1) } else { Repeat::of_others(now, self.t1) };
        let datagram = self.dialog.datagram(&request);
        self.outbox.push(datagram.clone());
        self.clients.push(Client { key, sequence: self.dialog.sequence, request, datagram, repeat: Some(repeat) });
    }

    /// Their offer: what we answer with.
    fn take_offer(&mut self, offer: Remote) -> Option<String> {
        let direction = self.wanted.and(offer.direction.mirrored());
        let answer = self.audio.as_mut()?.0.answer(&offer, direction);
        self.remote = Some(offer);
        self.route(direction);
        Some(answer)
    }

    /// An offer of ours.
    fn make_offer(&mut self) -> Option<String> {
        self.offered = Some(self.wanted);
        let offer = self.audio.as_mut()?.0.offer(self.wanted);
        Some(offer)
    }

    /// Their answer to our offer. `false` where it describes no audio that we can use.
    fn take_answer(&mut self, body: &[u8]) -> bool {
        let Some(answer) = Remote::parse(body) else { return false };
        let direction = self.offered.take().unwrap_or(self.agreed).and(answer.direction.mirrored());
        self.remote = Some(answer);
        self.route(direction);
        true
    }

    fn route(&mut self, direction: Direction) {
        self.agreed = direction;
        let remote = self.remote.as_ref().and_then(|remote| remote.rtp);
        let speech = match (direction.sends(), self.wanted) {
            (false, _) => Speech::Silence,
            (true, Direction::SendRecv) => Speech::Voice,
            (true, Direction::SendOnly | Direction::RecvOnly | Direction::Inactive) => Speech::HoldMusic,
        };
        if let Some((_, route)) = &self.audio {
            route.send_replace(Route { remote, speech });
        }
        self.status.send_modify(|status| status.direction = direction);
    }
}
