//! Targets are tried: those of a group at once, groups one after the other. The first to answer wins; when none does, the
//! caller hears the best of all responses (RFC 3261 §16.7 step 6).

use crate::address::Flow;
use crate::ids::LegId;
use crate::session::event::{LegInvited, LegRefused, RefusalCause, SessionEvent, Target};
use crate::session::leg::{Leg, LegRole, LegStatus};
use crate::session::media::MediaFault;
use crate::session::order::{Context, Order};
use crate::session::state::Session;
use crate::sip::endpoint::{Body, InvitePlan, SessionHeaders};
use std::time::Duration;

/// The most targets that ring at once; a larger group rings in several turns of so many.
const MAX_AT_ONCE: usize = 10;

impl Session {
    /// Begins legs toward every target of the next group; `false` when no group is left of which one can be begun.
    pub(super) fn try_next_group(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            let before = self.next_target;
            let group = group_of(&self.targets, before);
            let Some(first) = group.first() else { return false };
            self.group_from = *first;
            let begun = group.into_iter().filter(|index| self.try_target(context, *index)).count();
            if begun > 0 {
                return true;
            }
            if self.next_target == before {
                // Beyond what an event can name.
                return false;
            }
        }
    }

    /// Devices whose way has failed are tried by their next; whether one could be.
    fn try_other_ways(&mut self, context: &mut Context<'_>) -> bool {
        let (mut begun, mut last) = (false, None);
        while let Some(way) = self.next_way().filter(|way| last != Some(*way)) {
            last = Some(way);
            begun |= self.try_target(context, way);
        }
        begun
    }

    /// The targets of this hunt that have failed, and how.
    fn refused(&self) -> impl Iterator<Item = (usize, (u16, RefusalCause))> {
        self.legs.iter().filter(|leg| leg.hunt == self.transfers).filter_map(|leg| Some((leg.target, leg.refused?)))
    }

    /// Whether all that failed of the group at hand lets the next be tried.
    fn group_lets_hunt(&self) -> bool {
        let mut of_group = self.refused().filter(|(target, _)| *target >= self.group_from);
        of_group.all(|(target, refused)| lets_hunt(refused, self.targets.get(target)))
    }

    fn next_way(&self) -> Option<usize> {
        let of_hunt = || self.legs.iter().filter(|leg| leg.role == LegRole::Callee && leg.hunt == self.transfers);
        let is_spare = |index: usize| self.targets.get(index).is_some_and(|target| target.spare);
        let mut next = self.refused().filter(|(_, refused)| way_has_failed(*refused)).map(|(target, _)| target + 1);
        next.find(|next| is_spare(*next) && !of_hunt().any(|leg| leg.target == *next))
    }

    /// The status where no leg could be begun: what lacks is something of ours, unless there is no target, or each has a
    /// trunk that takes no more calls.
    pub(super) fn none_begun(&self) -> u16 {
        let at_limit = best(self.refused().map(|(_, refused)| refused)) == AT_LIMIT;
        if at_limit || self.targets.is_empty() { 480 } else { 500 }
    }

    /// Begins a leg toward a target; `false` where that cannot be.
    fn try_target(&mut self, context: &mut Context<'_>, index: usize) -> bool {
        let Some(target) = self.targets.get(index).cloned() else { return false };
        let (Some(caller), Ok(place)) = (self.caller().map(|leg| leg.id), u8::try_from(index)) else { return false };
        let leg = LegId::from_bits(context.mint.bits());
        let invited = LegInvited { leg, target: place, trunk: target.trunk };
        self.record(context, SessionEvent::LegInvited(invited));
        if target.trunk.is_some_and(|trunk| context.full.contains(&trunk)) {
            self.leg_failed(context, leg, 480, RefusalCause::AtLimit);
            return false;
        }
        self.expect_early(leg);
        let body = match self.offer_for(context, caller, leg) {
            Ok(body) => body,
            Err(fault) => {
                self.leg_failed(context, leg, fault.status(), fault.cause());
                return false;
            }
        };
        let (identity, headers) = match self.transfer {
            None => (&self.caller_identity, self.headers.clone()),
            Some(_) => (&self.transferred_identity, self.transfer_headers.clone()),
        };
        let call_id = format!("{:032x}", context.mint.wide_bits());
        let plan = InvitePlan {
            leg,
            call_id: call_id.into(),
            uri: target.uri.as_str().into(),
            from: identity.clone(),
            to: format!("<{}>", target.to).into(),
            flow: Flow { transport: target.transport, local: target.local, remote: target.destination },
            large_by_tcp: target.large_by_tcp,
            keeps_flow: target.binding.is_some(),
            routes: target.routes.iter().map(|route| route.as_str().into()).collect(),
            max_forwards: self.max_forwards,
            ring_timeout: Duration::from_secs(u64::from(target.ring_timeout)),
            headers,
            takes_reliable: self.takes_reliable(leg),
            body,
            trunk: target.trunk,
            login: None,
        };
        context.order(Order::Invite(Box::new(plan)));
        true
    }

    fn offer_for(&mut self, context: &mut Context<'_>, caller: LegId, leg: LegId) -> Result<Option<Body>, MediaFault> {
        if let Some(transfer) = self.transfer {
            return self.offer_to_target(context, transfer.remaining, leg).map(Some);
        }
        if self.late_offer || self.calls_referrer() {
            return Ok(None);
        }
        let described = self.describe_heard(caller)?;
        self.reserve(context, leg, &described)?;
        self.rewrite_heard(caller, leg).map(Some)
    }

    /// Callees' legs that have neither answered nor ended.
    pub(super) fn early_callees(&self) -> impl Iterator<Item = LegId> {
        self.legs.iter().filter(|leg| leg.role == LegRole::Callee && leg.is_early()).map(|leg| leg.id)
    }

    /// A leg came to nothing.
    pub(super) fn leg_failed(&mut self, context: &mut Context<'_>, leg: LegId, status: u16, cause: RefusalCause) {
        self.record(context, SessionEvent::LegRefused(LegRefused { leg, status, cause }));
        self.return_ports(context, leg);
    }

    /// After a leg has failed: the others of its group ring on; after the last the next group is tried, if every failure
    /// lets it, or the caller is told. A 6xx ends it for all (RFC 3261 §16.7 step 5).
    pub(super) fn fail_over(&mut self, context: &mut Context<'_>) {
        let transfers = self.hunts_for_transfer();
        let refers = self.calls_referrer();
        let waiting = transfers || refers || self.caller().is_some_and(Leg::is_early);
        if !waiting {
            return self.end_if_all_gone(context);
        }
        let decisive = self.refused().any(|(_, (status, _))| status >= 600);
        if !decisive && (self.try_other_ways(context) || self.early_callees().next().is_some()) {
            return self.lose_early_media(context);
        }
        let allowed = !decisive && self.group_lets_hunt();
        if allowed && self.try_next_group(context) {
            return self.lose_early_media(context);
        }
        self.give_up_callees(context);
        let heard = best(self.refused().map(|(_, refused)| refused));
        match transfers {
            true if heard == AT_LIMIT => self.fail_transfer(context, 480, "no target could be invited"),
            true => self.fail_transfer(context, super::refuse::mapped(heard), "no target answered"),
            false if refers && heard == AT_LIMIT => self.referrer_refused(context, 480, 500),
            false if refers => self.referrer_refused(context, super::refuse::mapped(heard), heard),
            // That nothing was free is no answer of anybody.
            false if heard == AT_LIMIT => self.refuse_caller(context, 480, heard),
            false => self.refuse_caller(context, super::refuse::mapped(heard), heard),
        }
    }

    /// Every callee's leg without an answer is cancelled: another one answered, or refused for all. Should it answer all
    /// the same, it gets ACK and BYE.
    pub(super) fn give_up_callees(&mut self, context: &mut Context<'_>) {
        let early: Vec<LegId> = self.early_callees().collect();
        for leg in early {
            context.order(Order::Cancel { leg });
            self.leg_failed(context, leg, 487, RefusalCause::Cancelled);
        }
    }

    /// Where the leg has failed whose early media the caller heard, the next that sends some takes its place. Where none
    /// does but one rings, the caller's phone is to ring again.
    fn lose_early_media(&mut self, context: &mut Context<'_>) {
        let lost = self.early_leg.is_some_and(|leg| !self.leg(leg).is_some_and(Leg::is_early));
        if !lost {
            return;
        }
        self.early_leg = None;
        self.progress.ringing = false;
        let Some(caller) = self.caller().map(|leg| leg.id) else { return };
        let sends = |leg: &&Leg| leg.role == LegRole::Callee && leg.is_early() && leg.heard.is_some();
        if let Some(next) = self.legs.iter().find(sends).map(|leg| leg.id) {
            self.connect_early_media(context, caller, next);
        } else if self.legs.iter().any(|leg| leg.role == LegRole::Callee && leg.status == LegStatus::Alerting) {
            self.tell_progress(context, caller, 180, SessionHeaders::default(), None);
        }
    }

    /// Tells the caller that it rings.
    pub(super) fn tell_progress(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        status: u16,
        headers: SessionHeaders,
        body: Option<Body>,
    ) {
        self.progress.status = Some(status);
        self.progress.ringing |= status == 180;
        context.order(Order::Answer { leg: caller, status, headers, body });
    }
}

/// The places of the next targets that are tried at once, from one place on: the rest of a group, at most
/// [`MAX_AT_ONCE`], without other ways to the same devices.
pub(crate) fn group_of(targets: &[Target], from: usize) -> Vec<usize> {
    let mut devices = targets.iter().enumerate().skip(from).filter(|(_, target)| !target.spare).peekable();
    let group = devices.peek().map(|(_, target)| target.group);
    let of_group = devices.take_while(|(_, target)| Some(target.group) == group);
    of_group.take(MAX_AT_ONCE).map(|(index, _)| index).collect()
}

/// Whether a device that another way leads to is tried by that: the flow has failed, or nothing came by it (RFC 5626 §7).
const fn way_has_failed((status, cause): (u16, RefusalCause)) -> bool {
    match cause {
        RefusalCause::Response => flow_failed(status),
        RefusalCause::TimedOut => true,
        RefusalCause::NoAnswer
        | RefusalCause::AtLimit
        | RefusalCause::NoPorts
        | RefusalCause::Cancelled
        | RefusalCause::Unacknowledged
        | RefusalCause::BadSdp => false,
    }
}

/// Whether a status says that a flow is gone, rather than anything of the device behind it.
pub(crate) const fn flow_failed(status: u16) -> bool {
    matches!(status, 408 | 430)
}

/// Whether the next group may be tried after a target has failed like this.
fn lets_hunt((status, cause): (u16, RefusalCause), target: Option<&Target>) -> bool {
    match cause {
        RefusalCause::Response => super::refuse::fails_over(status, target),
        RefusalCause::TimedOut
        | RefusalCause::NoAnswer
        | RefusalCause::AtLimit
        | RefusalCause::NoPorts
        | RefusalCause::Cancelled
        | RefusalCause::Unacknowledged => true,
        RefusalCause::BadSdp => false,
    }
}

/// What a failure says to the caller, before mapping. Nothing for what we gave up ourselves.
const fn verdict((status, cause): (u16, RefusalCause)) -> Option<u16> {
    match cause {
        RefusalCause::Response | RefusalCause::NoPorts | RefusalCause::BadSdp => Some(status),
        RefusalCause::TimedOut => Some(504),
        RefusalCause::Unacknowledged if matches!(status, 408 | 481) => Some(504),
        RefusalCause::Unacknowledged => Some(status),
        RefusalCause::NoAnswer => Some(480),
        RefusalCause::AtLimit => Some(AT_LIMIT),
        RefusalCause::Cancelled => None,
    }
}

/// Stands for a trunk that takes no more calls, among what targets said: worse than all that. The caller hears 480, for
/// 503 would make a carrier stop all calls.
const AT_LIMIT: u16 = 0;

/// The best of all responses: a 6xx, else what the caller can act on, else what a person did (nobody picked up before
/// busy: a call counts as busy only if it rang nowhere in vain), then other 4xx, then the rest; 503 last, since it is
/// not told. Of equals the last.
fn best(refused: impl Iterator<Item = (u16, RefusalCause)>) -> u16 {
    refused.filter_map(verdict).max_by_key(|status| std::cmp::Reverse(rank(*status))).unwrap_or(500)
}

/// The best of these final responses, by the same order; 500 of none.
pub(crate) fn best_of(statuses: &[u16]) -> u16 {
    best(statuses.iter().map(|status| (*status, RefusalCause::Response)))
}

const fn rank(status: u16) -> u8 {
    match status {
        600..=699 => 0,
        415 | 420 | 484 => 1,
        480 => 2,
        486 => 3,
        401 | 407 => 5,
        408 | 430 => 6,
        400..=499 => 4,
        300..=399 => 7,
        504 => 9,
        AT_LIMIT => 11,
        503 => 10,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(statuses: &[u16]) -> u16 {
        best(statuses.iter().map(|status| (*status, RefusalCause::Response)))
    }

    #[test]
    fn a_6xx_is_the_best_response_and_a_4xx_better_than_a_5xx() {
        assert_eq!(heard(&[486, 603, 500]), 603);
        assert_eq!(heard(&[503, 404, 500]), 404);
    }

    #[test]
    fn a_response_that_the_caller_can_act_on_is_better_than_others_of_its_class() {
        assert_eq!([heard(&[404, 484]), heard(&[415, 486]), heard(&[420, 480])], [484, 415, 420]);
    }

    #[test]
    fn it_is_busy_only_where_it_rang_nowhere_in_vain() {
        let no_answer = (408, RefusalCause::NoAnswer);
        let busy = (486, RefusalCause::Response);
        assert_eq!(best([busy, no_answer].into_iter()), 480);
        assert_eq!(best([busy, (408, RefusalCause::TimedOut), (503, RefusalCause::Response)].into_iter()), 486);
    }

    #[test]
    fn a_challenge_a_redirect_and_a_503_are_heard_only_where_there_is_nothing_else() {
        assert_eq!([heard(&[401, 404]), heard(&[407, 302]), heard(&[503, 500]), heard(&[503])], [404, 407, 500, 503]);
    }

    #[test]
    fn a_trunk_at_its_limit_is_heard_of_only_where_nobody_said_anything() {
        let full = (480, RefusalCause::AtLimit);
        assert_eq!(best([full, (503, RefusalCause::Response)].into_iter()), 503);
        assert_eq!(best([(404, RefusalCause::Response), full].into_iter()), 404);
        assert_eq!(best([full, full].into_iter()), AT_LIMIT);
        assert!(lets_hunt(full, None));
    }

    #[test]
    fn what_we_gave_up_ourselves_is_no_response() {
        assert_eq!(best([(487, RefusalCause::Cancelled), (404, RefusalCause::Response)].into_iter()), 404);
        assert_eq!(best(std::iter::empty()), 500);
    }

    #[test]
    fn a_target_that_rang_in_vain_or_could_not_be_reached_lets_the_next_group_be_tried() {
        for cause in [RefusalCause::NoAnswer, RefusalCause::TimedOut, RefusalCause::NoPorts] {
            assert!(lets_hunt((408, cause), None));
        }
        assert!(lets_hunt((503, RefusalCause::Response), None) && !lets_hunt((486, RefusalCause::Response), None));
        assert!(!lets_hunt((502, RefusalCause::BadSdp), None));
    }
}
