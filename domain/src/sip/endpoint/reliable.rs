//! Provisional responses that we send reliably (RFC 3262 §3): numbered, repeated until their PRACK comes, one at a time. Those
//! with SDP whenever the caller takes them so, all of them where it requires it.

use super::message::{ALLOW, Body, SessionHeaders};
use super::options::RELIABLE;
use super::{Endpoint, Fact};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sdp;
use crate::sip::dialog::{Dialog, DialogState, Sent};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::{HeaderName, Message};
use crate::time::Moment;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// The most provisional responses that wait for a PRACK.
const MAX_QUEUED: usize = 4;

/// What the caller says of reliable provisional responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    Supported,
    Required,
}

/// A response that is not written yet.
#[derive(Debug)]
struct Waiting {
    status: u16,
    headers: SessionHeaders,
    body: Option<Body>,
}

/// The one that waits for its PRACK.
#[derive(Debug)]
struct Unacknowledged {
    rseq: u32,
    /// CSeq of the INVITE.
    cseq: u32,
    sent: Sent,
    interval: Duration,
    /// It carries SDP: a 2xx waits for its PRACK.
    described: bool,
}

/// Provisional responses to an INVITE whose sender takes them reliably.
#[derive(Debug)]
pub(super) struct Provisionals {
    demand: Demand,
    /// The INVITE carried an offer.
    offered: bool,
    /// The last RSeq; 0 before the first.
    rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    queue: VecDeque<Waiting>,
    /// A 2xx that waits for the PRACK.
    held: Option<Waiting>,
    /// The SDP that went reliably: it is not said again.
    told: Option<Bytes>,
    /// Offer and answer have been exchanged reliably.
    settled: bool,
}

/// How a response goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// As RFC 3261 has it.
    Plainly,
    Reliably,
    /// After a PRACK.
    Later,
    /// It may not go unreliably, and has not the offer that the first reliable one must have (RFC 3261 §13.2.1).
    Never,
}

impl Provisionals {
    fn course_of(&self, status: u16, described: bool, updating: bool) -> Course {
        let waits = self.unacknowledged.as_ref();
        match status {
            101..=199 if described || (self.demand == Demand::Required && (self.offered || self.told.is_some())) => {
                if waits.is_some() {
                    Course::Later
                } else {
                    Course::Reliably
                }
            }
            101..=199 if self.demand == Demand::Required => Course::Never,
            200..=299 if updating || waits.is_some_and(|waits| waits.described) => Course::Later,
            _ => Course::Plainly,
        }
    }

    /// What waits for its PRACK.
    pub(super) fn sent(&self) -> Option<&Sent> {
        self.unacknowledged.as_ref().map(|waits| &waits.sent)
    }

    /// What waits for its PRACK, as it was sent.
    pub(super) fn sent_mut(&mut self) -> Option<&mut Sent> {
        self.unacknowledged.as_mut().map(|waits| &mut waits.sent)
    }

    /// What is to be said after what waits for its PRACK. Of those without SDP only the newest tells anything.
    fn push(&mut self, waiting: Waiting) {
        if waiting.status >= 200 {
            self.queue.clear();
            self.held = Some(waiting);
            return;
        }
        if self.queue.back().is_some_and(|last| last.body.is_none()) || self.queue.len() >= MAX_QUEUED {
            self.queue.pop_back();
        }
        self.queue.push_back(waiting);
    }
}

impl Endpoint {
    /// Notes what a new INVITE says of reliable provisional responses.
    pub(super) fn expect_provisionals(&mut self, leg: LegId, invite: &Message) {
        let demand = match () {
            () if invite.lists_option(HeaderName::Require, RELIABLE) => Demand::Required,
            () if invite.lists_option(HeaderName::Supported, RELIABLE) => Demand::Supported,
            () => return,
        };
        let provisionals = Provisionals {
            demand,
            offered: describes(invite),
            rseq: 0,
            unacknowledged: None,
            queue: VecDeque::new(),
            held: None,
            told: None,
            settled: false,
        };
        self.provisionals.insert(leg, Box::new(provisionals));
    }

    /// Responds to the INVITE of the peer that waits on this leg; nothing happens where none does. A 2xx waits for the
    /// PRACK to a provisional response that carried SDP.
    pub fn answer(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        status: u16,
        headers: &SessionHeaders,
        body: Option<&Body>,
    ) {
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        let (Some(id), updating) = (dialog.incoming, dialog.updating.is_some()) else { return };
        let body = self.untold(leg, body);
        let course = self.provisionals.get(&leg).map(|waits| waits.course_of(status, body.is_some(), updating));
        match course.unwrap_or(Course::Plainly) {
            Course::Plainly => drop(self.respond(now, mint, id, status, headers, body)),
            Course::Reliably => self.respond_reliably(now, mint, id, status, headers, body),
            Course::Later => {
                let waiting = Waiting { status, headers: headers.clone(), body: body.cloned() };
                if let Some(provisionals) = self.provisionals.get_mut(&leg) {
                    provisionals.push(waiting);
                }
            }
            Course::Never => {}
        }
    }

    /// A body, unless the peer has it reliably.
    fn untold<'a>(&self, leg: LegId, body: Option<&'a Body>) -> Option<&'a Body> {
        let told = self.provisionals.get(&leg).and_then(|provisionals| provisionals.told.as_ref());
        body.filter(|body| told != Some(&body.bytes))
    }

    fn respond_reliably(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        status: u16,
        headers: &SessionHeaders,
        body: Option<&Body>,
    ) {
        let Some((leg, cseq)) = self.servers.get(&id).map(|server| (server.leg, server.cseq)) else { return };
        let Some(provisionals) = self.provisionals.get_mut(&leg) else { return };
        let rseq = match provisionals.rseq {
            0 => first_rseq(mint.bits()),
            last => last + 1,
        };
        let mut headers = headers.clone();
        let own = [("Require", RELIABLE.to_owned()), ("RSeq", rseq.to_string()), ("Allow", ALLOW.to_owned())];
        headers.0.extend(own.map(|(name, value)| (name.into(), value.into())));
        let Some(sent) = self.respond(now, mint, id, status, &headers, body) else { return };
        let values = self.settings.timers;
        self.timers.set(Timer::Leg(leg, LegTimer::RepeatProvisional), now + values.t1);
        self.timers.set(Timer::Leg(leg, LegTimer::PrackMissing), now + values.timeout());
        if let Some(provisionals) = self.provisionals.get_mut(&leg) {
            provisionals.rseq = rseq;
            let described = body.is_some();
            provisionals.unacknowledged = Some(Unacknowledged { rseq, cseq, sent, interval: values.t1, described });
            provisionals.told = body.map(|body| body.bytes.clone()).or(provisionals.told.take());
        }
    }

    /// RFC 3262 §3: T1, doubling without a bound. Where the INVITE's connection is gone it goes where responses go now.
    pub(super) fn repeat_provisional(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let moved = self.provisional_path(leg);
        let provisionals = self.provisionals.get_mut(&leg);
        let Some(waits) = provisionals.and_then(|provisionals| provisionals.unacknowledged.as_mut()) else { return };
        waits.interval *= 2;
        let at = now + waits.interval;
        if let Some(flow) = moved {
            waits.sent = Sent { event: mint.event_id(), flow, bytes: waits.sent.bytes.clone() };
        }
        let (sent, cseq) = (waits.sent.clone(), waits.cseq);
        self.timers.set(Timer::Leg(leg, LegTimer::RepeatProvisional), at);
        match moved {
            None => self.repeat(leg, sent),
            Some(_) => {
                let status = Message::scan(sent.bytes.clone()).ok().and_then(|response| response.status());
                self.send(leg, &sent, "INVITE".into(), status, cseq);
            }
        }
    }

    /// Whether the next repetition goes by another way than the response went.
    pub(super) fn provisional_moves(&self, leg: LegId) -> bool {
        self.provisional_path(leg).is_some()
    }

    /// Where the next repetition goes, if not where the response went.
    fn provisional_path(&self, leg: LegId) -> Option<Flow> {
        let incoming = self.dialogs.get(&leg).and_then(|dialog| dialog.incoming);
        let path = incoming.and_then(|id| self.servers.get(&id)).map(|server| server.flow)?;
        let sent = &self.provisionals.get(&leg)?.unacknowledged.as_ref()?.sent;
        Some(path).filter(|path| sent.flow.transport.is_reliable() && *path != sent.flow)
    }

    /// 64·T1 and no PRACK: the INVITE is to be refused (RFC 3262 §3).
    pub(super) fn prack_missing(&mut self, leg: LegId) {
        self.timers.stop(Timer::Leg(leg, LegTimer::RepeatProvisional));
        if let Some(provisionals) = self.provisionals.get_mut(&leg) {
            provisionals.unacknowledged = None;
            provisionals.queue.clear();
            provisionals.held = None;
        }
        self.learned(leg, Fact::PrackMissing);
    }

    /// A PRACK: RFC 3262 §3. SDP in it answers the offer that we made reliably, or is an offer of its own once one was
    /// answered (§5); that one waits for what the other leg says, as an UPDATE's does.
    pub(super) fn receive_prack(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        request: Message,
    ) {
        let Ok(rack) = request.rack() else { return self.respond_other(now, mint, id, 400) };
        let (rseq, cseq, invite) = (rack.rseq, rack.cseq.number, rack.cseq.method == "INVITE");
        let fits = |waits: &mut Unacknowledged| invite && waits.rseq == rseq && waits.cseq == cseq;
        let provisionals = self.provisionals.get_mut(&leg);
        let found = provisionals.and_then(|known| known.unacknowledged.take_if(fits).map(|waits| (waits, known)));
        let Some((acknowledged, known)) = found else { return self.respond_other(now, mint, id, 481) };
        let describes = describes(&request);
        let owes_answer = acknowledged.described && !known.offered && !known.settled;
        known.settled |= acknowledged.described && (known.offered || describes);
        let (settled, answers, offers) = (known.settled, describes && owes_answer, describes && !owes_answer);
        self.timers.stop(Timer::Leg(leg, LegTimer::RepeatProvisional));
        self.timers.stop(Timer::Leg(leg, LegTimer::PrackMissing));
        let open = |dialog: &&mut Box<Dialog>| dialog.incoming.is_some() && dialog.updating.is_none();
        match (offers, self.dialogs.get_mut(&leg).filter(open).filter(|_| settled)) {
            (false, _) => {
                self.respond_other(now, mint, id, 200);
                self.learned(leg, Fact::Pracked { settled, answers, request });
            }
            (true, Some(dialog)) => {
                dialog.waiting.push(id);
                dialog.updating = Some(id);
                self.learned(leg, Fact::Pracked { settled, answers, request: request.clone() });
                self.learned(leg, Fact::Requested(id, request));
            }
            (true, None) => {
                self.respond_other(now, mint, id, 488);
                self.learned(leg, Fact::Pracked { settled, answers, request });
            }
        }
        self.proceed(now, mint, leg);
    }

    /// What waited for a PRACK, or for the answer to an offer in one, goes.
    pub(super) fn proceed(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        let (Some(id), updating) = (dialog.incoming, dialog.updating.is_some()) else { return };
        let Some(provisionals) = self.provisionals.get_mut(&leg) else { return };
        if provisionals.unacknowledged.is_some() || updating && provisionals.held.is_some() {
            return;
        }
        let held = provisionals.held.take();
        if let Some(Waiting { status, headers, body }) = held.or_else(|| provisionals.queue.pop_front()) {
            let body = self.untold(leg, body.as_ref());
            match status {
                200.. => drop(self.respond(now, mint, id, status, &headers, body)),
                _ => self.respond_reliably(now, mint, id, status, &headers, body),
            }
        }
    }

    /// The INVITE has its final response. What was not acknowledged is not sent again, but its PRACK may come.
    pub(super) fn provisionals_over(&mut self, leg: LegId) {
        self.timers.stop(Timer::Leg(leg, LegTimer::RepeatProvisional));
        self.timers.stop(Timer::Leg(leg, LegTimer::PrackMissing));
        let Some(provisionals) = self.provisionals.get_mut(&leg) else { return };
        provisionals.queue.clear();
        provisionals.held = None;
        provisionals.settled = false;
        match &mut provisionals.unacknowledged {
            Some(waits) => waits.sent.bytes = Bytes::new(),
            None => drop(self.provisionals.remove(&leg)),
        }
    }

    /// The dialog is to end while its 2xx waits for a PRACK: the INVITE is refused instead. `false` where none waits.
    pub(super) fn refuse_held(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) -> bool {
        let held = self.provisionals.get(&leg).is_some_and(|provisionals| provisionals.held.is_some());
        let early = self.dialogs.get(&leg).filter(|dialog| dialog.state == DialogState::Early);
        let Some(id) = early.and_then(|dialog| dialog.incoming).filter(|_| held) else { return false };
        self.respond_other(now, mint, id, 480);
        self.refuse_waiting(now, mint, leg);
        self.learned(leg, Fact::ByeDone);
        self.end_dialog(leg);
        true
    }

    /// Whether the caller has an answer to its offer, or we to ours, before any final response.
    pub(super) fn has_settled_early(&self, leg: LegId) -> bool {
        self.provisionals.get(&leg).is_some_and(|provisionals| provisionals.settled)
    }
}

/// RFC 3262 §3: at random from 1 to 2^31 - 1; half of that will do.
const fn first_rseq(bits: u64) -> u32 {
    (bits % (1 << 30)) as u32 + 1
}

/// Whether a message carries SDP.
pub(super) fn describes(message: &Message) -> bool {
    let content_type = message.header(HeaderName::ContentType).filter(|_| !message.body().is_empty());
    content_type.is_some_and(|content_type| sdp::find(content_type, message.body()).is_some())
}
