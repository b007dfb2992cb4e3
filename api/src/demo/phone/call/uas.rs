//! The answering side (RFC 3261 §9.2, §12.2.2, §13.3, §14.2, §15.1.2).

use super::{Audio, Call, Ending, Leaving, Phase, REMEMBERED, Status};
use crate::demo::phone::dialog::Dialog;
use crate::demo::phone::message::{self, Incoming};
use crate::demo::phone::sdp::Remote;
use crate::demo::phone::transaction::{Datagram, Repeat, Server, T1};
use rsip::{Header, Method, Response};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::watch;

impl Call {
    /// It rings: 100 and 180 leave at once.
    pub fn ring(dialog: Dialog, status: watch::Sender<Status>, invite: Incoming, source: SocketAddr, t1: T1) -> Self {
        let mut call = Self::new(dialog, status, t1);
        call.respond(&invite, source, (100, "Trying"), None, None);
        call.respond(&invite, source, (180, "Ringing"), None, None);
        call.unanswered = Some((invite, source));
        call
    }

    /// Answers the ringing call with 200. Nothing happens where it does not ring any more.
    pub fn answer(&mut self, now: Instant, audio: Audio) {
        let Some((invite, source)) = self.unanswered.take() else { return };
        self.take_audio(audio);
        // Before the 200, since the ACK may be here before this function's caller runs again.
        self.enter(Phase::Answering);
        match invite.message.body().is_empty() {
            true => self.respond_with_offer(now, &invite, source),
            false => self.respond_with_answer(now, &invite, source),
        }
    }

    /// Refuses the ringing call.
    pub(super) fn decline(&mut self, now: Instant, status: (u16, &str), ending: Ending) {
        if let Some((invite, source)) = self.unanswered.take() {
            self.respond(&invite, source, status, None, Some(Repeat::of_others(now, self.t1)));
            self.end(now, ending);
        }
    }

    fn respond_with_offer(&mut self, now: Instant, invite: &Incoming, source: SocketAddr) {
        let offer = self.make_offer();
        self.respond(invite, source, (200, "OK"), offer, Some(Repeat::of_others(now, self.t1)));
    }

    fn respond_with_answer(&mut self, now: Instant, invite: &Incoming, source: SocketAddr) {
        let answer = Remote::parse(invite.message.body()).and_then(|offer| self.take_offer(offer));
        let repeat = Some(Repeat::of_others(now, self.t1));
        match answer {
            Some(answer) => self.respond(invite, source, (200, "OK"), Some(answer), repeat),
            None => {
                self.respond(invite, source, (488, "Not Acceptable Here"), None, repeat);
                if self.phase() == Phase::Answering {
                    self.end(now, Ending::Refused(488));
                }
            }
        }
    }

    /// Sends a response and remembers it for repeats of its request. `repeat` is for final responses to INVITE.
    fn respond(
        &mut self,
        request: &Incoming,
        source: SocketAddr,
        status: (u16, &str),
        sdp: Option<String>,
        repeat: Option<Repeat>,
    ) {
        let response = message::response(request, status, &self.dialog.our_tag, source, self.dialog.local);
        let datagram = reply(request, source, response, sdp);
        self.outbox.push(datagram.clone());
        self.servers.retain(|server| server.key != request.key);
        if self.servers.len() == REMEMBERED {
            self.servers.remove(0);
        }
        self.servers.push(Server {
            key: request.key.clone(),
            sequence: request.sequence,
            datagram,
            is_final: status.0 >= 200,
            must_be_acknowledged: repeat.is_some() && status.0 < 300,
            repeat,
        });
    }

    pub(super) fn receive_request(&mut self, now: Instant, method: Method, request: &Incoming, source: SocketAddr) {
        if method == Method::Ack {
            return self.acknowledged(now, request);
        }
        if let Some(server) = self.servers.iter().find(|server| server.key == request.key) {
            return self.outbox.push(server.datagram.clone());
        }
        if method == Method::Cancel {
            return self.cancelled(now, request, source);
        }
        // What comes of a transfer is told for as long as it takes, also after the call (RFC 5057 §4.2).
        if !self.dialog.owns(request) || self.is_over() && method != Method::Notify {
            return self.respond(request, source, (481, "Call/Transaction Does Not Exist"), None, None);
        }
        if self.dialog.their_sequence.is_some_and(|last| request.sequence <= last) {
            return self.respond(request, source, (500, "CSeq Out Of Order"), None, None);
        }
        self.dialog.their_sequence = Some(request.sequence);
        match method {
            Method::Invite => self.reinvited(now, request, source),
            Method::Notify => self.notified(request, source),
            Method::Bye => {
                self.respond(request, source, (200, "OK"), None, None);
                self.decline(now, (487, "Request Terminated"), Ending::TheyHungUp);
                self.end(now, Ending::TheyHungUp);
            }
            _ => {
                let datagram = answer_outside_dialog(method, request, source, self.dialog.local);
                self.outbox.push(datagram);
            }
        }
    }

    fn acknowledged(&mut self, now: Instant, ack: &Incoming) {
        let invite = |server: &&mut Server| server.key.method == Method::Invite && server.sequence == ack.sequence;
        let Some(server) = self.servers.iter_mut().find(invite) else { return };
        let is_first_of_2xx = server.repeat.take().is_some() && server.must_be_acknowledged;
        if is_first_of_2xx && self.offered.is_some() && !ack.message.body().is_empty() {
            self.take_answer(ack.message.body());
        }
        if is_first_of_2xx && self.phase() == Phase::Answering {
            self.enter(Phase::Talking);
            if self.leaving == Leaving::Wanted {
                self.bye(now);
            }
        }
    }

    fn cancelled(&mut self, now: Instant, cancel: &Incoming, source: SocketAddr) {
        let is_of_invite =
            |server: &Server| server.key.method == Method::Invite && server.key.branch == cancel.key.branch;
        let known = self.servers.iter().any(is_of_invite);
        let status = if known { (200, "OK") } else { (481, "Call/Transaction Does Not Exist") };
        self.respond(cancel, source, status, None, None);
        if known {
            self.decline(now, (487, "Request Terminated"), Ending::Cancelled);
        }
    }

    /// News of a transfer: the beginning of a response (RFC 3515 §2.4.5).
    fn notified(&mut self, notify: &Incoming, source: SocketAddr) {
        self.respond(notify, source, (200, "OK"), None, None);
        let news = str::from_utf8(notify.message.body()).ok().and_then(|body| body.strip_prefix("SIP/2.0 "));
        if let Some(status) = news.and_then(|news| news.get(..3)?.parse().ok()) {
            self.told(status);
        }
    }

    fn reinvited(&mut self, now: Instant, invite: &Incoming, source: SocketAddr) {
        let repeat = Some(Repeat::of_others(now, self.t1));
        let ours_is_open = self.clients.iter().any(|client| client.key.method == Method::Invite);
        let theirs_is_open = self.servers.iter().any(|server| server.repeat.is_some() || !server.is_final);
        if ours_is_open {
            return self.respond(invite, source, (491, "Request Pending"), None, repeat);
        }
        if theirs_is_open {
            return self.respond(invite, source, (500, "Earlier INVITE Unfinished"), None, repeat);
        }
        self.dialog.refresh(invite);
        match invite.message.body().is_empty() {
            true => self.respond_with_offer(now, invite, source),
            false => self.respond_with_answer(now, invite, source),
        }
    }
}

/// `response` with its body, on its way back.
pub fn reply(request: &Incoming, source: SocketAddr, mut response: Response, sdp: Option<String>) -> Datagram {
    if request.key.method == Method::Invite && (200..300).contains(&response.status_code.code()) {
        response.headers.push(Header::Allow(message::ALLOW.into()));
    }
    message::finish(&mut response.headers, &mut response.body, sdp);
    Datagram { to: message::reply_address(request, source), bytes: response.to_string().into_bytes() }
}

/// Answers what needs no memory: OPTIONS, methods and extensions we do not have, requests of dialogs we do not know.
pub fn answer_outside_dialog(method: Method, request: &Incoming, source: SocketAddr, local: SocketAddr) -> Datagram {
    let status = match (method, request.require()) {
        (_, Some(_)) => (420, "Bad Extension"),
        (Method::Options, None) => (200, "OK"),
        (Method::Invite | Method::Bye | Method::Cancel | Method::Ack, None) => (481, "Call/Transaction Does Not Exist"),
        (_, None) => (405, "Method Not Allowed"),
    };
    let mut response = message::response(request, status, &message::token(), source, local);
    response.headers.push(Header::Allow(message::ALLOW.into()));
    response.headers.push(Header::Accept("application/sdp".into()));
    if let Some(required) = request.require() {
        response.headers.push(Header::Unsupported(required.into()));
    }
    reply(request, source, response, None)
}
