//! Provisional responses that callees send reliably (RFC 3262 §4): taken in their order, by early dialog, and acknowledged
//! there by PRACK.

use super::message::RequestParts;
use super::options::RELIABLE;
use super::reliable::describes;
use super::{Body, Endpoint, Fact, Output, SessionHeaders};
use crate::ids::{EventId, LegId};
use crate::ports::Mint;
use crate::sip::dialog::{Dialog, DialogState, MAX_FORKS, Sent};
use crate::sip::wire::{HeaderName, Message, Method};
use crate::time::Moment;

/// How far reliable provisional responses of one early dialog came.
#[derive(Debug)]
pub(super) struct Heard {
    tag: Box<str>,
    /// The newest in their order.
    rseq: u32,
    /// The event that holds it.
    event: EventId,
    /// One of them carried SDP.
    described: bool,
    /// It offers, and its PRACK waits for our answer.
    owed: bool,
}

/// What is to be done with a provisional response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is not reliable.
    Plain,
    /// The next of its early dialog.
    Next,
    /// It came before: its PRACK is on its way.
    Again(EventId),
    /// One before it has not come, or its early dialog is one too many: it is as if it had not come.
    Ahead,
}

impl Endpoint {
    /// Judges a provisional response to an INVITE of ours by its RSeq.
    pub(super) fn arrival(&self, leg: LegId, response: &Message) -> Arrival {
        let asked = self.dialogs.get(&leg).and_then(|dialog| dialog.outgoing.as_ref());
        let reliable = asked.is_some_and(|invite| invite.takes_reliable) && is_reliable(response);
        let (true, Some(tag), Ok(Some(rseq))) = (reliable, tag_of(response), response.rseq()) else {
            return Arrival::Plain;
        };
        let heard = self.heard.get(&leg).map_or(&[][..], Vec::as_slice);
        match heard.iter().find(|heard| *heard.tag == *tag) {
            None if heard.len() >= MAX_FORKS => Arrival::Ahead,
            None => Arrival::Next,
            Some(heard) if rseq <= heard.rseq => Arrival::Again(heard.event),
            Some(heard) if rseq - heard.rseq == 1 => Arrival::Next,
            Some(_) => Arrival::Ahead,
        }
    }

    /// Takes the next reliable response of an early dialog, which `event` holds, and acknowledges it: at once, unless it
    /// offers, which the PRACK has to answer ([`Endpoint::acknowledge_provisional`]).
    pub(super) fn take_reliable(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        response: &Message,
        event: EventId,
    ) {
        let (Some(tag), Ok(Some(rseq))) = (tag_of(response), response.rseq()) else { return };
        let outgoing = self.dialogs.get(&leg).and_then(|dialog| dialog.outgoing.as_ref());
        let Some(offers) = outgoing.map(|invite| invite.offers) else { return };
        let described = describes(response);
        let all = self.heard.entry(leg).or_default();
        let owed = match all.iter_mut().find(|heard| *heard.tag == *tag) {
            Some(heard) => {
                let owed = described && !heard.described && !offers;
                (heard.rseq, heard.event, heard.owed) = (rseq, event, owed);
                heard.described |= described;
                owed
            }
            None => {
                let owed = described && !offers;
                all.push(Heard { tag: tag.into(), rseq, event, described, owed });
                owed
            }
        };
        if !owed {
            self.send_prack(now, mint, leg, tag, rseq, None);
        }
    }

    /// Acknowledges the offer in a reliable response of an early dialog with our answer; nothing happens where none waits.
    pub fn acknowledge_provisional(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        tag: &str,
        body: Option<&Body>,
    ) {
        let mut heard = self.heard.get_mut(&leg).into_iter().flatten();
        let Some(heard) = heard.find(|heard| *heard.tag == *tag && heard.owed) else { return };
        heard.owed = false;
        let rseq = heard.rseq;
        self.send_prack(now, mint, leg, tag, rseq, body);
    }

    /// A PRACK in the early dialog of its response: by the tag, Contact and route set of that one (RFC 3262 §4).
    fn send_prack(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, tag: &str, rseq: u32, body: Option<&Body>) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let headers = SessionHeaders(vec![("RAck".into(), format!("{rseq} {} INVITE", dialog.invite_cseq).into())]);
        let mut fork = Dialog::clone(dialog);
        fork.turn_to(tag);
        let parts = RequestParts { method: Method::Prack, branch, cseq, max_forwards: 70, headers: &headers, body };
        let proven = self.with_credentials_to(mint, leg, &fork, &parts);
        let parts = RequestParts { headers: &proven, ..parts };
        match self.write_fitting(&fork, &parts) {
            Ok((flow, bytes)) => {
                let sent = Sent { event: mint.event_id(), flow, bytes };
                self.open_request(now, leg, &parts, sent);
            }
            Err(why) => self.outputs.push_back(Output::Unbuildable { leg, why }),
        }
    }

    /// A PRACK was refused, or nothing came to it: the early dialog is of no use. Where it is the only one so is the leg.
    pub(super) fn prack_refused(&mut self, leg: LegId, status: u16) {
        let alone = self.dialogs.get(&leg).is_some_and(|dialog| {
            dialog.state == DialogState::Early && dialog.outgoing.is_some() && dialog.forks.is_empty()
        });
        if alone {
            self.learned(leg, Fact::PrackRefused(status));
        }
    }

    /// Whether offer and answer have been exchanged reliably with the early dialog that a request comes from.
    pub(super) fn has_settled_fork(&self, leg: LegId, request: &Message) -> bool {
        let from = request.from().ok();
        let Some(tag) = from.as_ref().and_then(|from| from.tag()) else { return false };
        let mut heard = self.heard.get(&leg).into_iter().flatten();
        heard.any(|heard| *heard.tag == *tag && heard.described && !heard.owed)
    }
}

/// Whether a provisional response asks for a PRACK.
fn is_reliable(response: &Message) -> bool {
    response.lists_option(HeaderName::Require, RELIABLE)
}

fn tag_of(response: &Message) -> Option<&str> {
    let to = response.to().ok()?;
    to.tag()
}
