//! The session's state: nothing but the fold of its events and of the SDP its messages carried.

use super::event::{
    EndCause, LegInvited, LegRegained, LegTaken, RefusalCause, ReleaseCause, SessionEvent, SessionReferred, Target,
};
use super::leg::{FarEnd, Leg, LegRole, LegStatus};
use super::mode::Mode;
use super::order::{Context, Step};
use super::referred::Referred;
use super::transfer::{Phase, Transfer};
use crate::ids::{AccountId, LegId, SessionId, TransferId};
use crate::media::{MediaSource, PortPair, SideStatistics};
use crate::sip::endpoint::SessionHeaders;
use crate::sip::timer::TransactionId;
use std::net::IpAddr;

/// A re-INVITE on its way from one leg to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingOffer {
    /// The leg whose peer asked.
    pub from: LegId,
    /// The leg that is asked.
    pub to: LegId,
    /// It came without SDP: the offer is in the 2xx and the answer in the ACK.
    pub late: bool,
    /// It came by UPDATE: the request that waits. By INVITE without.
    pub asked_by: Option<TransactionId>,
    /// It went on by UPDATE.
    pub by_update: bool,
    /// The asker gave up: what was agreed before is restored.
    pub cancelled: bool,
    /// Nobody asked: it is ours, to connect or to restore.
    pub ours: bool,
}

/// The offer of a callee in a reliable provisional response, to an INVITE without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyOffer {
    /// The callee's leg.
    pub leg: LegId,
    /// The early dialog: the response's To tag.
    pub tag: Box<str>,
}

/// A re-INVITE of our own, which says what is in force to a leg: it was told otherwise, or its session is to be refreshed.
/// Nobody asked for it, and nobody but us asks again when it is answered with 491.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnOffer {
    /// The leg whose peer's SDP is in force.
    pub from: LegId,
    /// The leg that is asked.
    pub to: LegId,
    /// How often it may still be asked.
    pub tries: u8,
    /// It says nothing new: the session is to be refreshed.
    pub refreshes: bool,
}

impl OwnOffer {
    /// It goes this often at most: a peer that always says 491 is not asked for ever.
    const MAX_TRIES: u8 = 8;

    /// What is in force on `from`, for `to`.
    pub const fn new(from: LegId, to: LegId) -> Self {
        Self { from, to, tries: Self::MAX_TRIES, refreshes: false }
    }

    /// What `to` was told, once more.
    pub const fn refresh(from: LegId, to: LegId) -> Self {
        Self { refreshes: true, ..Self::new(from, to) }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Every leg there was, the caller's first.
    pub legs: Vec<Leg>,
    /// Targets in order.
    pub targets: Vec<Target>,
    /// Index of the next target to try.
    pub next_target: usize,
    /// Index of the first target of those that ring at once now.
    pub group_from: usize,
    /// What the caller was told before an answer.
    pub progress: Progress,
    /// The callee's leg whose early media the caller hears.
    pub early_leg: Option<LegId>,
    /// The mode, once answered.
    pub mode: Option<Mode>,
    /// Caller's and callee's leg that hear each other.
    pub bridged: Option<(LegId, LegId)>,
    /// A re-INVITE on its way.
    pub offer: Option<PendingOffer>,
    /// An offer that a callee made before its answer and that waits for the caller's answer.
    pub early_offer: Option<EarlyOffer>,
    /// An offer of our own that waits to be made, or to be made again.
    pub own_offer: Option<OwnOffer>,
    /// Legs whose sessions are to be refreshed by re-INVITE, once no other offer is on its way.
    pub refreshes: Vec<LegId>,
    /// The REFER that it began with, where no INVITE did.
    pub referred: Option<Referred>,
    /// A transfer on its way.
    pub transfer: Option<Transfer>,
    /// The transfer that joins this session with another.
    pub joins: Option<TransferId>,
    /// How many transfers were begun.
    pub transfers: u32,
    /// Legs whose peers still hear what comes of their REFER.
    pub watchers: Vec<LegId>,
    /// What was dialled: for the call, then for each transfer.
    pub dialled: Box<str>,
    /// The INVITE came without SDP, and the caller has not said any since.
    pub late_offer: bool,
    /// Max-Forwards of what we send.
    pub max_forwards: u8,
    /// From value toward callees.
    pub caller_identity: Box<str>,
    /// From value toward targets of a transfer.
    pub transferred_identity: Box<str>,
    /// Headers of INVITEs to targets of a transfer.
    pub transfer_headers: SessionHeaders,
    /// Headers of the INVITE that pass.
    pub headers: SessionHeaders,
    /// The address that SDP names for our ports.
    pub media_address: Option<IpAddr>,
    /// Our ports in the media paths that are open, by m-line: toward the caller, toward the callee.
    pub paths: Vec<Option<[PortPair; 2]>>,
    /// What was counted on paths that are closed, by m-line; recorded when the session ends.
    pub measures: Vec<(u8, [(LegId, SideStatistics); 2])>,
    /// How it ended, decided when the first leg went.
    pub ending: Option<Ending>,
    /// The end is recorded.
    pub ended: bool,
}

/// What the caller was told before an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last status.
    pub status: Option<u16>,
    /// It was told 180, and has not heard early media end since.
    pub ringing: bool,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub cause: EndCause,
    /// The final status of the caller's INVITE.
    pub status: Option<u16>,
    /// Whose doing.
    pub by: Option<LegId>,
}

impl Session {
    /// A session before its first event.
    pub fn new(id: SessionId) -> Self {
        Self {
            id,
            account: AccountId::from_bits(0),
            legs: Vec::new(),
            targets: Vec::new(),
            next_target: 0,
            group_from: 0,
            progress: Progress::default(),
            early_leg: None,
            mode: None,
            bridged: None,
            offer: None,
            early_offer: None,
            own_offer: None,
            refreshes: Vec::new(),
            referred: None,
            transfer: None,
            joins: None,
            transfers: 0,
            watchers: Vec::new(),
            dialled: "".into(),
            late_offer: false,
            max_forwards: 70,
            caller_identity: "".into(),
            transferred_identity: "".into(),
            transfer_headers: SessionHeaders::default(),
            headers: SessionHeaders::default(),
            media_address: None,
            paths: Vec::new(),
            measures: Vec::new(),
            ending: None,
            ended: false,
        }
    }

    /// The leg of that id.
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    /// The leg of that id, to change.
    pub fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    /// The caller's leg.
    pub fn caller(&self) -> Option<&Leg> {
        self.legs.first()
    }

    /// The leg that this one is bridged with.
    pub fn peer_of(&self, leg: LegId) -> Option<LegId> {
        match self.bridged {
            Some((caller, callee)) if caller == leg => Some(callee),
            Some((caller, callee)) if callee == leg => Some(caller),
            Some(_) | None => None,
        }
    }

    /// Records an event: state changes by it, and by nothing else.
    pub fn record(&mut self, context: &mut Context<'_>, event: SessionEvent) {
        self.evolve(&event);
        context.steps.push(Step::Record(event));
    }

    /// The fold.
    pub fn evolve(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::SessionOffered(offered) => {
                self.account = offered.account;
                self.late_offer = offered.late_offer;
                self.max_forwards = offered.max_forwards.saturating_sub(1);
                let far = FarEnd::of_caller(offered.trunk, offered.domain, &offered.parties);
                self.dialled =
                    offered.parties.known().map(|parties| parties.called.as_str()).unwrap_or_default().into();
                self.legs.push(Leg { far, ..Leg::new(offered.leg, LegRole::Caller, offered.media_source) });
            }
            SessionEvent::SessionReferred(asked) => self.refer(asked),
            SessionEvent::RouteChosen(chosen) => {
                self.targets = chosen.targets.known().cloned().unwrap_or_default();
                (self.next_target, self.group_from) = (0, 0);
                if let Some(by) = chosen.asked_by {
                    self.begin_transfer(by, Phase::Hunting);
                }
            }
            SessionEvent::RouteRefused(_) | SessionEvent::LegChallenged(_) => {}
            SessionEvent::LegInvited(invited) => self.invite(invited),
            SessionEvent::LegAlerted(alerted) => self.set_status(alerted.leg, LegStatus::Alerting),
            SessionEvent::LegAnswered(answered) => self.set_status(answered.leg, LegStatus::Answered),
            SessionEvent::LegConfirmed(confirmed) => {
                self.confirm(confirmed.leg);
                self.await_target(confirmed.leg);
            }
            SessionEvent::LegRefused(refused) => {
                self.set_status(refused.leg, after_refusal(refused.cause));
                if let Some(leg) = self.leg_mut(refused.leg) {
                    leg.refused = Some((refused.status, refused.cause));
                    leg.forget_media();
                }
            }
            SessionEvent::LegsBridged(bridged) => {
                self.bridged = Some((bridged.caller, bridged.callee));
                // One answered: no other will be tried.
                self.targets = Vec::new();
            }
            SessionEvent::ModeEntered(entered) => self.mode = Some(entered.mode),
            SessionEvent::LegReleased(released) => self.release(released.leg, released.cause),
            SessionEvent::SessionEnded(_) => self.ended = true,
            SessionEvent::TransferAsked(_)
            | SessionEvent::TransferRefused(_)
            | SessionEvent::ReplacementRefused(_)
            | SessionEvent::SessionTimerSet(_)
            | SessionEvent::ConnectionLost(_) => {}
            SessionEvent::ReplacementAsked(asked) => {
                let far = FarEnd::of_caller(asked.trunk, asked.domain, &asked.parties);
                let leg = Leg::new(asked.leg, LegRole::Caller, asked.media_source);
                self.legs.push(Leg { far, replaces: Some(asked.replaces), ..leg });
            }
            SessionEvent::TransferLinked(linked) => {
                self.joins = Some(linked.transfer);
                self.begin_transfer(linked.leg, Phase::Awaiting);
            }
            SessionEvent::LegGivenAway(given) => self.set_status(given.leg, LegStatus::Away),
            SessionEvent::LegTaken(taken) => self.take(taken),
            SessionEvent::LegReturned(returned) => {
                self.set_status(returned.leg, LegStatus::Gone);
            }
            SessionEvent::LegRegained(regained) => self.regain(regained),
            SessionEvent::LegReplaced(replaced) => self.replace(replaced.leg, replaced.by),
            SessionEvent::TransferCompleted(_) | SessionEvent::TransferFailed(_) => {
                self.transfer = None;
                self.targets = Vec::new();
                if let Some(referred) = &mut self.referred {
                    (referred.open, referred.onward) = (false, None);
                }
            }
            media => self.evolve_media(media),
        }
    }

    /// A REFER begins the session. Its dialog is a leg that never lives: what there is of the call is in others.
    fn refer(&mut self, asked: &SessionReferred) {
        self.account = asked.account;
        self.max_forwards = asked.max_forwards.saturating_sub(1);
        let far = FarEnd::of_caller(asked.trunk, asked.domain, &asked.parties);
        self.dialled = far.dialled.clone();
        let leg = Leg::new(asked.leg, LegRole::Caller, MediaSource::default());
        self.legs.push(Leg { far, status: LegStatus::Gone, ..leg });
        self.referred = Some(Referred::new(asked.leg));
    }

    fn invite(&mut self, invited: &LegInvited) {
        let target = usize::from(invited.target);
        let chosen = self.targets.get(target);
        let source = chosen.map(|target| target.media_source).unwrap_or_default();
        let far = chosen.map_or_else(FarEnd::default, |target| FarEnd {
            trunk: target.trunk,
            domain: None,
            device: target.binding.is_some(),
            to: target.to.as_str().into(),
            dialled: self.dialled.clone(),
        });
        self.next_target = self.next_target.max(target + 1);
        let leg = Leg::new(invited.leg, LegRole::Callee, source);
        self.legs.push(Leg { target, far, hunt: self.transfers, ..leg });
    }

    fn regain(&mut self, regained: &LegRegained) {
        if let Some(leg) = self.leg_mut(regained.leg) {
            leg.status = LegStatus::Confirmed;
            // What it was told there was another description than what it is told here.
            if regained.version > leg.version {
                leg.version = regained.version + 1;
                leg.told_in_vain = true;
            }
        }
    }

    /// A 2xx whose ACK went is confirmed; a leg that is ending stays so.
    fn confirm(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg)
            && leg.status == LegStatus::Answered
        {
            leg.status = LegStatus::Confirmed;
        }
    }

    fn set_status(&mut self, leg: LegId, status: LegStatus) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.status = status;
        }
    }

    fn release(&mut self, leg: LegId, cause: ReleaseCause) {
        // A leg that lost has no part in what the others agree.
        if self.offer.is_some_and(|offer| offer.to == leg || offer.from == leg && !offer.ours) {
            self.offer = None;
        }
        if cause == ReleaseCause::Unusable
            && self.peer_of(leg).is_none()
            && let Some(leg) = self.leg_mut(leg)
        {
            leg.refused = Some((502, RefusalCause::BadSdp));
        }
        self.set_status(
            leg,
            match cause {
                // The peer said it, or our final response did, or another session sees to it: nothing more is awaited.
                ReleaseCause::Bye | ReleaseCause::Cancel | ReleaseCause::Refused | ReleaseCause::Moved => {
                    LegStatus::Gone
                }
                // A BYE or CANCEL of ours is on its way.
                ReleaseCause::OtherLeg
                | ReleaseCause::AckMissing
                | ReleaseCause::DialogGone
                | ReleaseCause::Unusable
                | ReleaseCause::Expired
                | ReleaseCause::Transferred
                | ReleaseCause::Replaced
                | ReleaseCause::Operator => LegStatus::Releasing,
            },
        );
    }

    fn begin_transfer(&mut self, by: LegId, phase: Phase) {
        self.transfers += 1;
        let Some(remaining) = self.peer_of(by) else { return };
        self.transfer = Some(Transfer { by, remaining, told: 100, phase });
    }

    /// A leg of another session is here from now on, with what was agreed with it.
    fn take(&mut self, taken: &LegTaken) {
        let carried = taken.carried.known().cloned().unwrap_or_default();
        let far = FarEnd {
            trunk: taken.trunk,
            domain: taken.domain,
            device: taken.device,
            to: carried.to.into(),
            dialled: carried.dialled.into(),
        };
        let body = |text: String| (!text.is_empty()).then(|| bytes::Bytes::from(text));
        let agreed = body(carried.agreed);
        let leg = Leg::new(taken.leg, LegRole::Callee, taken.media_source);
        self.legs.push(Leg {
            far,
            hunt: self.transfers,
            status: LegStatus::Confirmed,
            taken_from: Some(taken.from),
            heard: agreed.clone(),
            agreed,
            told: body(carried.told),
            version: taken.version,
            ..leg
        });
        if let Some(transfer) = &mut self.transfer {
            transfer.phase = Phase::Answered(taken.leg, 0);
        }
    }

    /// Where a leg was in the call, another is from here on.
    fn replace(&mut self, leg: LegId, by: LegId) {
        let new = |other| if other == leg { by } else { other };
        self.bridged = self.bridged.map(|(caller, callee)| (new(caller), new(callee)));
        self.targets = Vec::new();
    }

    /// Gives back what only a running call needs: the session stays for repeats of its last messages.
    pub fn slim(&mut self) {
        for leg in &mut self.legs {
            leg.forget_media();
            leg.offered = None;
            leg.ports = Vec::new();
            leg.far = FarEnd::default();
        }
        self.targets = Vec::new();
        self.referred = None;
        (self.headers, self.transfer_headers) = (SessionHeaders::default(), SessionHeaders::default());
        (self.caller_identity, self.transferred_identity) = ("".into(), "".into());
        self.dialled = "".into();
    }
}

/// Where a leg is once it came to nothing.
const fn after_refusal(cause: RefusalCause) -> LegStatus {
    match cause {
        // Its CANCEL is on the way: the wire still has to answer.
        RefusalCause::NoAnswer | RefusalCause::Cancelled | RefusalCause::Unacknowledged => LegStatus::Releasing,
        RefusalCause::Response
        | RefusalCause::TimedOut
        | RefusalCause::AtLimit
        | RefusalCause::NoPorts
        | RefusalCause::BadSdp => LegStatus::Gone,
    }
}
