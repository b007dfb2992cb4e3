//! The asking side: INVITE, re-INVITE, CANCEL, BYE and what is answered to them (RFC 3261 §9.1, §13.2, §14.1, §15.1.1).
//! Of several answers to a forked INVITE the first is taken: the phones talk to an exchange, which gives only one.

use super::{Audio, Call, Ending, Leaving, Phase, Status};
use crate::demo::phone::dialog::Dialog;
use crate::demo::phone::message::{self, Incoming, Key};
use crate::demo::phone::sdp::{Direction, Local};
use crate::demo::phone::transaction::{Client, Datagram, Repeat, T1};
use rsip::{Header, Method};
use std::time::Instant;
use tokio::sync::watch;

impl Call {
    /// Calls: the INVITE with our offer leaves at once.
    pub fn place(now: Instant, dialog: Dialog, status: watch::Sender<Status>, audio: Audio, t1: T1) -> Self {
        let mut call = Self::new(dialog, status, t1);
        call.take_audio(audio);
        let offer = call.make_offer();
        call.send(now, Method::Invite, offer);
        call
    }

    pub(super) fn take_audio(&mut self, audio: Audio) {
        let session = u32::from(audio.rtp.port());
        self.audio = Some((Local { rtp: audio.rtp, session, version: 0 }, audio.route));
    }

    /// Offers a new direction: `SendOnly` puts the other end on hold, `SendRecv` takes it back.
    pub fn modify(&mut self, now: Instant, wanted: Direction) {
        if self.phase() != Phase::Talking || self.offered.is_some() {
            // What a peer would say to an INVITE that crosses another one.
            self.modified(Some(491));
            return;
        }
        self.wanted_before = std::mem::replace(&mut self.wanted, wanted);
        let offer = self.make_offer();
        self.send(now, Method::Invite, offer);
    }

    /// Asks the other end to call `target` in our place (RFC 3515).
    pub fn transfer(&mut self, now: Instant, target: &str) {
        if self.phase() != Phase::Talking {
            return self.told(481);
        }
        let (key, mut request) = self.dialog.next_request(Method::Refer, None);
        request.headers.push(Header::Other("Refer-To".into(), format!("<{target}>")));
        self.send_request(now, key, request);
    }

    /// What we hear of a transfer.
    pub(super) fn told(&self, news: u16) {
        self.status.send_modify(|status| status.transfer = Some(news));
    }

    fn modified(&self, refusal: Option<u16>) {
        self.status.send_modify(|status| {
            status.modifications += 1;
            status.refusal = refusal;
        });
    }

    /// A re-INVITE failed: what was agreed before still holds (RFC 3261 §14.1).
    fn unmodified(&mut self, status: u16) {
        self.offered = None;
        self.wanted = self.wanted_before;
        self.modified(Some(status));
    }

    pub(super) fn bye(&mut self, now: Instant) {
        self.route(Direction::Inactive);
        let already = self.clients.iter().any(|client| client.key.method == Method::Bye);
        if !already {
            self.send(now, Method::Bye, None);
        }
    }

    /// Gives up a call that is not answered yet. A CANCEL may only follow a provisional response.
    pub(super) fn cancel(&mut self, now: Instant) {
        let may_cancel = self.leaving != Leaving::CancelSent;
        self.leaving = self.leaving.max(Leaving::Wanted);
        let invite = self.clients.iter_mut().find(|client| client.key.method == Method::Invite);
        let Some(invite) = invite.filter(|invite| may_cancel && invite.repeat.is_none()) else { return };
        self.leaving = Leaving::CancelSent;
        invite.repeat = Some(Repeat::patience_only(now, self.t1));
        let request = message::companion(&invite.request, Method::Cancel, None);
        let key = Key { method: Method::Cancel, ..invite.key.clone() };
        let datagram = Datagram { to: invite.datagram.to, bytes: request.to_string().into_bytes() };
        let sequence = invite.sequence;
        self.outbox.push(datagram.clone());
        let repeat = Some(Repeat::of_others(now, self.t1));
        self.clients.push(Client { key, sequence, request, datagram, repeat });
    }

    pub(super) fn receive_response(&mut self, now: Instant, status: u16, response: &Incoming) {
        let Some(index) = self.clients.iter().position(|client| client.key == response.key) else {
            self.acknowledge_again(status, response);
            return;
        };
        match (response.key.method, status) {
            (Method::Invite, 0..=199) => self.provisional(now, index, status, response),
            (Method::Invite, 200..=299) => {
                let invite = self.clients.remove(index);
                self.accepted(now, &invite, response);
            }
            (Method::Invite, _) => {
                let invite = self.clients.remove(index);
                self.refused(now, &invite, status, response);
            }
            (_, 0..=199) => {}
            (Method::Bye, _) => {
                self.clients.remove(index);
                self.end(now, Ending::WeHungUp);
            }
            (Method::Refer, 300..) => {
                self.clients.remove(index);
                self.told(status);
            }
            (_, _) => {
                self.clients.remove(index);
            }
        }
    }

    fn provisional(&mut self, now: Instant, index: usize, status: u16, response: &Incoming) {
        let is_first = matches!(self.phase(), Phase::Calling | Phase::Ringing);
        if self.leaving == Leaving::CancelSent {
            return;
        }
        if let Some(client) = self.clients.get_mut(index) {
            client.repeat = None;
        }
        if self.leaving == Leaving::Wanted {
            self.cancel(now);
        } else if is_first && status > 100 {
            self.enter(Phase::Ringing);
            // Early media; the offer stays open until the final answer.
            let offered = self.offered;
            self.take_answer(response.message.body());
            self.offered = offered;
        }
    }

    fn accepted(&mut self, now: Instant, invite: &Client, response: &Incoming) {
        let is_first = matches!(self.phase(), Phase::Calling | Phase::Ringing);
        if is_first {
            self.dialog.learn(response)
        } else {
            self.dialog.refresh(response)
        }
        let (_, ack) = self.dialog.request(Method::Ack, invite.sequence, None);
        let ack = self.dialog.datagram(&ack);
        self.acknowledge(invite.sequence, ack);
        let has_audio = self.take_answer(response.message.body());
        match (is_first, has_audio) {
            (true, true) if self.leaving != Leaving::No => self.bye(now),
            (true, true) => self.enter(Phase::Talking),
            (true, false) => {
                self.bye(now);
                self.end(now, Ending::Lost);
            }
            (false, _) => self.modified((!has_audio).then_some(488)),
        }
    }

    fn refused(&mut self, now: Instant, invite: &Client, status: u16, response: &Incoming) {
        let ack = message::companion(&invite.request, Method::Ack, Some(response.to().to_owned()));
        self.acknowledge(invite.sequence, Datagram { to: invite.datagram.to, bytes: ack.to_string().into_bytes() });
        self.offered = None;
        match (self.phase(), status) {
            (Phase::Calling | Phase::Ringing, 487) if self.leaving != Leaving::No => self.end(now, Ending::Cancelled),
            (Phase::Calling | Phase::Ringing, status) => self.end(now, Ending::Refused(status)),
            (_, 408 | 481) => self.end(now, Ending::Lost),
            (_, status) => self.unmodified(status),
        }
    }

    fn acknowledge(&mut self, sequence: u32, ack: Datagram) {
        self.outbox.push(ack.clone());
        self.acks.retain(|(of, _)| *of != sequence && of + 4 > sequence);
        self.acks.push((sequence, ack));
    }

    /// A final response whose ACK was lost (RFC 3261 §13.2.2.4 and §17.1.1.2).
    fn acknowledge_again(&mut self, status: u16, response: &Incoming) {
        if response.key.method == Method::Invite && status >= 200 {
            let ack = self.acks.iter().find(|(of, _)| *of == response.sequence);
            self.outbox.extend(ack.map(|(_, ack)| ack.clone()));
        }
    }

    /// Nobody answered within 64·T1.
    pub(super) fn no_response(&mut self, now: Instant, key: &Key) {
        self.clients.retain(|client| client.key != *key);
        match (key.method, self.phase()) {
            (Method::Invite, Phase::Calling | Phase::Ringing) if self.leaving != Leaving::No => {
                self.end(now, Ending::Cancelled)
            }
            (Method::Invite, Phase::Calling | Phase::Ringing) => self.end(now, Ending::Silence),
            (Method::Invite, _) => self.unmodified(408),
            (Method::Bye, _) => self.end(now, Ending::WeHungUp),
            (Method::Refer, _) => self.told(408),
            (_, _) => {}
        }
    }
}
