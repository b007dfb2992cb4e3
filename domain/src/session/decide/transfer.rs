//! Blind transfer (RFC 3515, RFC 5589 §6): a party asks by REFER that the other one be connected elsewhere. Targets ring
//! as for a call; who answers takes the asker's place, and until then nothing changes for the two that talk.

use super::refuse::mapped;
use crate::codec::personal::Personal;
use crate::ids::LegId;
use crate::sdp;
use crate::session::event::{
    EndCause, LegAlerted, LegAnswered, LegConfirmed, LegReplaced, OfferRefused, ReleaseCause, RouteChosen,
    SessionEvent, TransferAsked, TransferCompleted, TransferFailed, TransferRefused,
};
use crate::session::leg::Leg;
use crate::session::media::{MediaFault, sdp_of};
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, PendingOffer, Session};
use crate::session::transfer::{Joins, Phase, Referral, Transfer};
use crate::sip::endpoint::{Body, SessionHeaders};
use crate::sip::wire::{Message, NameAddr};
use crate::trunk::ReferRule;

/// The most transfers of one session.
pub const MAX_TRANSFERS: u32 = 8;

/// How often the other party is asked again whose own re-INVITE met ours.
const MAX_RETRIES: u8 = 3;

/// A status and why, in one sentence without personal data.
type Refusal = (u16, Box<str>);

impl Session {
    /// The peer of a leg sent REFER.
    pub fn on_referred(&mut self, context: &mut Context<'_>, leg: LegId, referral: Referral) {
        if let Ok(target) = &referral.target {
            let target = Personal::Known(target.uri.to_string());
            let asked = TransferAsked { leg, notified: referral.notified, target };
            self.record(context, SessionEvent::TransferAsked(asked));
        }
        if let Some((status, reason)) = self.refusal(leg, &referral) {
            self.record(context, SessionEvent::TransferRefused(TransferRefused { leg, status, reason }));
            return self.respond(context, referral.transaction, status);
        }
        self.accept_referral(context, leg, &referral);
        if let Joins::Ours(joined) = referral.joins {
            return self.begin_join(context, leg, joined);
        }
        match outcome(referral.target.as_ref().err().copied(), &referral) {
            Ok(chosen) => self.begin_hunt(context, leg, referral, chosen),
            Err((status, reason)) => {
                self.record(context, SessionEvent::TransferFailed(TransferFailed { leg, status, reason }));
                self.tell(context, leg, status);
            }
        }
    }

    /// Why a REFER is refused, if it is. Statuses that would end the dialog it came in are not among them
    /// (RFC 5057 §5.1): what comes of an accepted one is told by NOTIFY.
    fn refusal(&self, leg: LegId, referral: &Referral) -> Option<Refusal> {
        if referral.refused.is_some() {
            return referral.refused.clone();
        }
        if let Err(fault) = referral.target
            && fault.is_malformed()
        {
            return Some((fault.status(), fault.to_string().into()));
        }
        let peer = self.peer_of(leg).filter(|peer| self.is_confirmed(*peer) && self.is_confirmed(leg));
        let refused = |status, reason: &str| Some((status, reason.into()));
        let joins = matches!(referral.joins, Joins::Ours(_));
        let leaves = !joins && referral.route.as_ref().is_some_and(Result::is_ok) && !referral.inside;
        match (referral.rule, peer) {
            (ReferRule::Refuse, _) => refused(403, "no transfers are allowed to who asks"),
            (ReferRule::Internal, _) if leaves => {
                refused(403, "who asks may transfer to numbers and users of the account alone")
            }
            (ReferRule::Internal | ReferRule::Any, None) => refused(491, "the call is not answered"),
            (ReferRule::Internal | ReferRule::Any, Some(peer)) => {
                if self.transfer.is_some() || self.watchers.contains(&leg) {
                    return refused(491, "another transfer is on its way");
                }
                if self.offer.is_some() {
                    return refused(491, "a change of media is on its way");
                }
                if self.transfers >= MAX_TRANSFERS {
                    return refused(403, "the call was transferred too often");
                }
                if joins {
                    return None;
                }
                if self.leads_to(peer, referral) {
                    return refused(403, "the target is the party that is to be transferred");
                }
                let unheard = outcome(referral.target.as_ref().err().copied(), referral).err();
                // Nobody would hear of it otherwise.
                unheard.filter(|_| !referral.notified).map(|(_, reason)| (403, reason))
            }
        }
    }

    /// Whether all that would ring is where this leg's peer is already.
    fn leads_to(&self, leg: LegId, referral: &Referral) -> bool {
        let Some(far) = self.leg(leg).map(|leg| &leg.far) else { return false };
        let identity = NameAddr::parse(&referral.identity);
        let here = match &identity {
            Ok(identity) if far.to.is_empty() => identity.uri.as_str(),
            Ok(_) | Err(_) => &far.to,
        };
        let targets = match &referral.route {
            Some(Ok(chosen)) => chosen.targets.known().map_or(&[][..], Vec::as_slice),
            Some(Err(_)) | None => &[],
        };
        !targets.is_empty() && targets.iter().all(|target| target.to == here)
    }

    pub(super) fn accept_referral(&mut self, context: &mut Context<'_>, leg: LegId, referral: &Referral) {
        let Referral { transaction, id, notified, .. } = *referral;
        let (status, headers) = match notified {
            true => (202, SessionHeaders::default()),
            // RFC 4488 §4.2: no subscription was made.
            false => (200, SessionHeaders(vec![("Refer-Sub".into(), "false".into())])),
        };
        context.order(Order::Respond { transaction, status, headers, body: None });
        if notified {
            self.watchers.push(leg);
            context.order(Order::Watch { leg, id });
        }
    }

    pub(super) fn begin_hunt(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        referral: Referral,
        chosen: RouteChosen,
    ) {
        self.dialled = referral.dialled;
        self.transferred_identity = referral.identity;
        self.transfer_headers = match referral.joins {
            // RFC 5589 §7.3: who does not know of it must not ring anew.
            Joins::Elsewhere(named) => {
                SessionHeaders(vec![("Require".into(), "replaces".into()), ("Replaces".into(), named)])
            }
            Joins::Nothing | Joins::Ours(_) | Joins::Never(..) => SessionHeaders::default(),
        };
        let chosen = RouteChosen { asked_by: Some(leg), ..chosen };
        self.record(context, SessionEvent::RouteChosen(chosen));
        // A REFER that began the session has its 100 since before its sender was called.
        if !self.is_referral(leg) {
            self.tell(context, leg, 100);
        }
        if !self.try_next_group(context) {
            self.fail_transfer(context, self.none_begun(), "no target could be invited");
        }
    }

    /// Tells the peer of a leg what comes of its REFER.
    pub(super) fn tell(&self, context: &mut Context<'_>, leg: LegId, status: u16) {
        if self.watchers.contains(&leg) {
            context.order(Order::Notify { leg, status });
        }
    }

    /// Nothing more is told to the peer of a leg.
    pub(super) fn on_unwatched(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.watchers.retain(|watcher| *watcher != leg);
        self.end_if_all_gone(context);
    }

    /// Whether targets of a transfer ring.
    pub(super) fn hunts_for_transfer(&self) -> bool {
        self.transfer.is_some_and(|transfer| transfer.phase == Phase::Hunting)
    }

    /// The offer that a target gets: what is in force with the other party, in both directions. Whoever asks for a
    /// transfer has mostly put it on hold before.
    pub(super) fn offer_to_target(
        &mut self,
        context: &mut Context<'_>,
        remaining: LegId,
        leg: LegId,
    ) -> Result<Body, MediaFault> {
        let agreed = self.leg(remaining).and_then(|leg| leg.agreed.clone()).ok_or(MediaFault::Missing)?;
        let offer = sdp::both_ways(&agreed);
        let described = sdp::describe(&offer)?;
        self.reserve(context, leg, &described)?;
        self.rewrite(&offer, leg)
    }

    pub(super) fn on_target_progress(&mut self, context: &mut Context<'_>, leg: LegId, response: &Message) {
        let status = response.status().unwrap_or(180);
        let early_media = sdp_of(response).is_some();
        self.record(context, SessionEvent::LegAlerted(LegAlerted { leg, status, early_media }));
        // RFC 6228: one fork of several is over; the asker knows of none.
        if let Some(transfer) = self.transfer.filter(|transfer| transfer.told != status && status != 199) {
            self.transfer = Some(Transfer { told: status, ..transfer });
            self.tell(context, transfer.by, status);
        }
    }

    pub(super) fn on_target_answered(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        if self.describe_heard(leg).is_err() {
            return self.give_up_answer(context, leg);
        }
        context.order(Order::Acknowledge { leg, body: None });
        self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg }));
        self.set_phase(Phase::Answered(leg, 0));
        self.give_up_callees(context);
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Some(transfer) = &mut self.transfer {
            transfer.phase = phase;
        }
    }

    /// Once a target has answered and no change of media is on its way, the other party hears of the target's media:
    /// by re-INVITE, unless what it was told last serves.
    pub(super) fn connect_transfer(&mut self, context: &mut Context<'_>) {
        let Some(Transfer { remaining, phase: Phase::Answered(leg, tries), .. }) = self.transfer else { return };
        if self.offer.is_some() || !self.is_confirmed(remaining) {
            return;
        }
        let news = match self.taken_from(leg) {
            Some(_) => self.offer_of_taken(context, leg, remaining).map(Some),
            None => self.news_for(remaining, leg),
        };
        match news {
            Err(fault) => self.fail_transfer(context, fault.status(), "its media cannot be relayed"),
            Ok(None) => self.complete_transfer(context, leg),
            Ok(Some(body)) => {
                self.set_phase(Phase::Connecting(leg, tries));
                self.offer_ourselves(context, leg, remaining, body);
            }
        }
    }

    /// What `to` is to be told of what `from` said last; nothing where what it was told before stands, apart from streams
    /// that it does not take. What was refused does not stand.
    fn news_for(&mut self, to: LegId, from: LegId) -> Result<Option<Body>, MediaFault> {
        let before =
            self.leg(to).filter(|leg| !leg.told_in_vain).and_then(|leg| Some((leg.told.clone()?, leg.version)));
        let body = self.rewrite_heard(from, to)?;
        let stands = |told: &[u8], leg: &Leg| {
            let taken = leg.agreed.as_ref().map_or_else(|| told.to_vec(), |agreed| sdp::less_rejected(told, agreed));
            sdp::stands_for(&taken, &body.bytes)
        };
        Ok(match (before, self.leg_mut(to)) {
            (Some((told, version)), Some(leg)) if stands(&told, leg) => {
                (leg.told, leg.version) = (Some(told), version);
                None
            }
            (Some(_) | None, _) => Some(body),
        })
    }

    /// A re-INVITE that no peer asked for: what `from` says goes to `to`.
    pub(super) fn offer_ourselves(&mut self, context: &mut Context<'_>, from: LegId, to: LegId, body: Body) {
        let (asked_by, late, by_update, cancelled) = (None, false, false, false);
        self.offer = Some(PendingOffer { from, to, late, asked_by, by_update, cancelled, ours: true });
        context.order(Order::Reinvite { leg: to, body: Some(body) });
    }

    /// The leg said yes to a re-INVITE of ours.
    pub(super) fn on_own_offer_accepted(&mut self, context: &mut Context<'_>, offer: PendingOffer, described: bool) {
        context.order(Order::Acknowledge { leg: offer.to, body: None });
        (self.offer, self.own_offer) = (None, None);
        let tries = self.transfer.map_or(0, |transfer| transfer.phase.tries());
        let usable = described && self.describe_heard(offer.to).is_ok();
        if usable {
            self.agree(offer.to);
        }
        match self.connecting(offer) {
            Some(leg) if usable && leg == offer.from && self.taken_from(leg).is_some() => {
                self.ask_taken(context, leg, offer.to, tries);
            }
            Some(leg) if usable => self.complete_transfer(context, leg),
            Some(_) => self.fail_transfer(context, 488, "the other party's media cannot be relayed"),
            None => self.relay_bridge(context),
        }
    }

    /// The leg said no to a re-INVITE of ours.
    pub(super) fn on_own_offer_refused(&mut self, context: &mut Context<'_>, offer: PendingOffer, status: u16) {
        self.offer = None;
        let tries = self.transfer.map_or(0, |transfer| transfer.phase.tries());
        match self.connecting(offer) {
            Some(leg) if status == 491 && tries < MAX_RETRIES => {
                self.set_phase(Phase::BackingOff(leg, tries + 1));
                context.order(Order::Retry { leg: offer.to });
            }
            Some(_) => self.fail_transfer(context, mapped(status), "the other party refuses the media"),
            None => self.ask_later(context, offer, status),
        }
    }

    /// The target's leg, if this re-INVITE is to connect it.
    fn connecting(&self, offer: PendingOffer) -> Option<LegId> {
        match self.transfer?.phase {
            Phase::Connecting(leg, _) if leg == offer.from => Some(leg),
            Phase::Joining(leg, _) if leg == offer.to => Some(leg),
            Phase::Hunting
            | Phase::Awaiting
            | Phase::Answered(..)
            | Phase::BackingOff(..)
            | Phase::Connecting(..)
            | Phase::Joining(..) => None,
        }
    }

    /// The other party may be asked again.
    pub(super) fn on_retry(&mut self, context: &mut Context<'_>, leg: LegId) {
        if let Some(Transfer { remaining, phase: Phase::BackingOff(target, tries), .. }) = self.transfer
            && (remaining == leg || target == leg)
        {
            self.own_offer = None;
            return self.set_phase(Phase::Answered(target, tries));
        }
        self.ask_again(context, leg);
    }

    fn complete_transfer(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(Transfer { by, remaining, .. }) = self.transfer else { return };
        self.agree(leg);
        match self.is_referral(by) {
            true => self.connect_referred(context, remaining, leg),
            false => self.record(context, SessionEvent::LegReplaced(LegReplaced { leg: by, by: leg })),
        }
        self.relay_bridge(context);
        self.close_paths_of(context, by);
        self.record(context, SessionEvent::TransferCompleted(TransferCompleted { leg: by }));
        self.tell(context, by, 200);
        self.end_join(context, true, 200);
        if self.leg(by).is_some_and(Leg::is_live) {
            context.order(Order::Bye { leg: by });
            self.release_leg(context, by, ReleaseCause::Transferred);
        }
        self.return_ports(context, by);
        // What the other party made of it may be less than the target was offered and took.
        if let Ok(Some(body)) = self.news_for(leg, remaining) {
            self.offer_ourselves(context, remaining, leg, body);
        }
    }

    /// The transfer comes to nothing: the call is the asker's again. If that has hung up, it is over.
    pub(super) fn fail_transfer(&mut self, context: &mut Context<'_>, status: u16, reason: &str) {
        let Some(ended) = self.transfer else { return };
        self.say_failed(context, ended.by, status, reason);
        self.undo_transfer(context, ended, status);
    }

    /// Who asked is told that it came to nothing.
    pub(super) fn say_failed(&mut self, context: &mut Context<'_>, by: LegId, status: u16, reason: &str) {
        let failed = TransferFailed { leg: by, status, reason: reason.into() };
        self.record(context, SessionEvent::TransferFailed(failed));
        self.tell(context, by, status);
    }

    /// What was done for its sake is taken back.
    pub(super) fn undo_transfer(&mut self, context: &mut Context<'_>, ended: Transfer, status: u16) {
        let Transfer { by, remaining, phase, .. } = ended;
        if let Some(target) = phase.answered() {
            self.let_target_go(context, target, by, remaining);
        }
        self.return_taken(context, ended);
        self.end_join(context, false, status);
        if !self.leg(by).is_some_and(Leg::is_live) {
            let ending = match self.mode {
                Some(_) => Ending { cause: EndCause::Completed, status: Some(200), by: Some(by) },
                // The call that a REFER asked for never came about.
                None => Ending { cause: super::refuse::cause_of(status), status: Some(status), by: None },
            };
            self.ending.get_or_insert(ending);
            self.release_all(context, ReleaseCause::OtherLeg);
        }
    }

    /// A target that answered in vain. What the other party was asked for its sake is taken back.
    fn let_target_go(&mut self, context: &mut Context<'_>, target: LegId, by: LegId, remaining: LegId) {
        let taken = self.taken_from(target).is_some();
        if !taken && self.leg(target).is_some_and(Leg::is_live) {
            context.order(Order::Bye { leg: target });
            self.release_leg(context, target, ReleaseCause::OtherLeg);
        }
        self.return_ports(context, target);
        if let Some(offer) = self.offer.filter(|offer| offer.from == target) {
            context.order(Order::Cancel { leg: remaining });
            self.offer = Some(PendingOffer { from: by, cancelled: true, ..offer });
        }
    }

    /// Every leg is about to go.
    pub(super) fn abandon_transfer(&mut self, context: &mut Context<'_>) {
        let Some(ended @ Transfer { by, .. }) = self.transfer else { return self.abandon_referral(context) };
        self.say_failed(context, by, 487, "the call ended");
        self.return_taken(context, ended);
        self.end_join(context, false, 487);
    }

    /// Whether the call goes on without this leg: its peer asked for a transfer, or somebody is to take its place, and the
    /// other party waits for that.
    pub(super) fn may_leave(&self, leg: LegId) -> bool {
        let asked = self.transfer.is_some_and(|transfer| transfer.by == leg);
        self.is_being_replaced(leg) || asked && !self.offer.is_some_and(|offer| offer.late)
    }

    /// The asker is gone before its transfer came to an end: the other party waits for the target.
    pub(super) fn asker_left(&mut self, context: &mut Context<'_>, leg: LegId, cause: ReleaseCause) {
        let offer = self.offer.filter(|offer| offer.from == leg || offer.to == leg);
        self.release_leg(context, leg, cause);
        match offer {
            Some(offer) if offer.from == leg => {
                context.order(Order::Cancel { leg: offer.to });
                self.offer = Some(PendingOffer { cancelled: true, ..offer });
            }
            Some(offer) => {
                let refused = OfferRefused { leg: offer.from, status: 491 };
                self.record(context, SessionEvent::OfferRefused(refused));
                self.answer_offer(context, offer, 491, None);
            }
            None => {}
        }
        self.relay_bridge(context);
    }

    /// A target hangs up that is not in the call yet.
    pub(super) fn target_left(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.transfer.is_some_and(|transfer| transfer.phase.answered() == Some(leg)) {
            self.fail_transfer(context, 480, "the target hung up at once");
        }
    }
}

/// What comes of an accepted REFER: the route, or the status that says why there is none.
fn outcome(fault: Option<crate::sip::wire::ReferFault>, referral: &Referral) -> Result<RouteChosen, Refusal> {
    if let Some(fault) = fault {
        return Err((fault.status(), fault.to_string().into()));
    }
    if let Joins::Never(status, reason) = referral.joins {
        return Err((status, reason.into()));
    }
    match &referral.route {
        Some(Ok(chosen)) => Ok(chosen.clone()),
        Some(Err(refused)) => Err((refused.status, refused.reason.clone())),
        None => Err((404, "the target cannot be called".into())),
    }
}
