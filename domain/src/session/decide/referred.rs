//! A REFER outside any dialog (RFC 3515) starts a call. Its sender is called first, without an offer; what it offers in its
//! answer is acknowledged at once with nothing to send (RFC 3725 §4.4), for to let it wait for the target (§4.1) would have
//! it hang up. Then it is a blind transfer: the sender is the remaining party, and its REFER the asker that has left.

use crate::codec::personal::Personal;
use crate::ids::LegId;
use crate::sdp;
use crate::session::event::{
    EndCause, LegAlerted, LegAnswered, LegConfirmed, LegsBridged, ModeEntered, RouteChosen, RouteRefused, SessionEvent,
    SessionReferred, Target, TransferFailed,
};
use crate::session::leg::Leg;
use crate::session::media::{MediaFault, sdp_of};
use crate::session::mode::Mode;
use crate::session::order::{Context, Order};
use crate::session::referred::{Referred, Sender};
use crate::session::state::{Ending, Session};
use crate::session::transfer::{Joins, Referral};
use crate::sip::endpoint::{Body, SessionHeaders};
use crate::sip::wire::Message;
use crate::trunk::ReferRule;

/// What decides where the account's configuration does not.
const RULE: &str = "refer";

impl Session {
    /// See the module.
    pub fn on_referred_outside(
        &mut self,
        context: &mut Context<'_>,
        asked: SessionReferred,
        sender: Sender,
        referral: Referral,
    ) {
        let leg = asked.leg;
        self.record(context, SessionEvent::SessionReferred(asked));
        let verdict = match sender.recorded {
            Some(recorded) => recorded.map(|devices| (devices.clone(), onward(devices, &referral))),
            None => verdict(sender.route, &referral),
        };
        let (devices, chosen) = match verdict {
            Ok(both) => both,
            Err(refused) => return self.turn_down(context, &referral, refused),
        };
        self.caller_identity = sender.identity;
        self.record(context, SessionEvent::RouteChosen(devices));
        self.accept_referral(context, leg, &referral);
        self.tell(context, leg, 100);
        if let Some(referred) = &mut self.referred {
            referred.onward = Some(Box::new((referral, chosen)));
        }
        if !self.try_next_group(context) {
            self.fail_referral(context, self.none_begun(), 500, "who asked could not be invited");
        }
    }

    /// The REFER itself is refused: nobody was called.
    fn turn_down(&mut self, context: &mut Context<'_>, referral: &Referral, refused: RouteRefused) {
        let (status, transaction) = (refused.status, referral.transaction);
        let later = refused.retry_after.map(|seconds| ("Retry-After".into(), seconds.to_string().into()));
        self.record(context, SessionEvent::RouteRefused(refused));
        let headers = SessionHeaders(later.into_iter().collect());
        context.order(Order::Respond { transaction, status, headers, body: None });
        self.ending = Some(Ending { cause: EndCause::Failed, status: Some(status), by: None });
        self.end_if_all_gone(context);
    }

    /// Whether the sender of a REFER rings.
    pub(super) fn calls_referrer(&self) -> bool {
        self.referred.as_ref().is_some_and(|referred| referred.open) && self.bridged.is_none()
    }

    /// Whether this is the dialog of the REFER that the session began with, of which nothing has come yet.
    pub(super) fn is_referral(&self, leg: LegId) -> bool {
        self.referred.as_ref().is_some_and(|referred| referred.is_by(leg))
    }

    pub(super) fn on_referrer_progress(&mut self, context: &mut Context<'_>, leg: LegId, response: &Message) {
        if self.leg(leg).is_some_and(Leg::is_early) {
            let (status, early_media) = (response.status().unwrap_or(180), sdp_of(response).is_some());
            self.record(context, SessionEvent::LegAlerted(LegAlerted { leg, status, early_media }));
        }
    }

    /// The sender picked up: now whom it named is called.
    pub(super) fn on_referrer_answered(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        let Ok(answer) = self.answer_meanwhile(context, leg) else { return self.give_up_answer(context, leg) };
        self.agree(leg);
        context.order(Order::Acknowledge { leg, body: Some(answer) });
        self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg }));
        self.give_up_callees(context);
        let onward = self.referred.as_mut().and_then(|referred| Some((referred.by, referred.onward.take()?)));
        if let Some((by, onward)) = onward {
            let (referral, chosen) = *onward;
            self.begin_hunt(context, by, referral, chosen);
        }
    }

    /// The answer to the sender's offer while nobody else is there: our ports, and nothing to send.
    fn answer_meanwhile(&mut self, context: &mut Context<'_>, leg: LegId) -> Result<Body, MediaFault> {
        let described = self.describe_heard(leg)?;
        self.reserve(context, leg, &described)?;
        let heard = self.leg(leg).and_then(|leg| leg.heard.clone()).ok_or(MediaFault::Missing)?;
        self.rewrite(&sdp::inactive(&heard), leg)
    }

    /// Sender and target agreed: from here on they are in a call as any.
    pub(super) fn connect_referred(&mut self, context: &mut Context<'_>, sender: LegId, target: LegId) {
        self.record(context, SessionEvent::LegsBridged(LegsBridged { caller: sender, callee: target }));
        let entered = ModeEntered { mode: Mode::Trunking, cause: RULE.into(), by: target };
        self.record(context, SessionEvent::ModeEntered(entered));
    }

    /// No device of the sender answered.
    pub(super) fn referrer_refused(&mut self, context: &mut Context<'_>, status: u16, heard: u16) {
        self.fail_referral(context, status, heard, "who asked did not answer");
    }

    /// It comes to nothing before the sender has answered.
    fn fail_referral(&mut self, context: &mut Context<'_>, status: u16, heard: u16, reason: &str) {
        let Some(by) = self.referred.as_ref().map(|referred| referred.by) else { return };
        self.ending.get_or_insert(Ending { cause: super::refuse::cause_of(heard), status: Some(status), by: None });
        let failed = TransferFailed { leg: by, status, reason: reason.into() };
        self.record(context, SessionEvent::TransferFailed(failed));
        self.tell(context, by, status);
        self.close_media(context);
        self.end_if_all_gone(context);
    }

    /// Every leg is about to go while the sender rings.
    pub(super) fn abandon_referral(&mut self, context: &mut Context<'_>) {
        let Some(by) = self.referred.as_ref().filter(|_| self.calls_referrer()).map(|referred| referred.by) else {
            return;
        };
        let failed = TransferFailed { leg: by, status: 487, reason: "the call ended".into() };
        self.record(context, SessionEvent::TransferFailed(failed));
        self.tell(context, by, 487);
    }

    /// The sender's leg is complete: until the target is there its REFER is the other party.
    pub(in crate::session) fn await_target(&mut self, leg: LegId) {
        if let Some(Referred { by, open: true, .. }) = self.referred
            && self.bridged.is_none()
        {
            self.bridged = Some((leg, by));
        }
    }
}

/// Where the sender is and where it goes from there, or why the REFER is refused. Whether its sender may ask at all is
/// known by then.
fn verdict(
    sender: Result<RouteChosen, RouteRefused>,
    referral: &Referral,
) -> Result<(RouteChosen, RouteChosen), RouteRefused> {
    let refused = |status, reason: &str| {
        Err(RouteRefused { status, rule: RULE.into(), reason: reason.into(), retry_after: None })
    };
    if let Err(fault) = &referral.target {
        return refused(fault.status(), &fault.to_string());
    }
    match &referral.joins {
        Joins::Nothing | Joins::Elsewhere(_) => {}
        Joins::Ours(_) => return refused(403, "a call through us is joined by a REFER within one"),
        Joins::Never(status, why) => return refused(*status, why),
    }
    let leaves = !referral.inside && matches!(referral.route, Some(Ok(_)));
    match referral.rule {
        ReferRule::Refuse => return refused(403, "who asks may start no calls"),
        ReferRule::Internal if leaves => {
            return refused(403, "who asks may start calls to numbers and users of the account alone");
        }
        ReferRule::Internal | ReferRule::Any => {}
    }
    let chosen = match &referral.route {
        None => return refused(404, "the target cannot be called"),
        Some(Err(no_route)) => return Err(no_route.clone()),
        Some(Ok(chosen)) => chosen.clone(),
    };
    let devices = sender?;
    let own = places(&devices);
    if places(&chosen).iter().all(|target| own.iter().any(|own| own.to == target.to)) {
        return refused(403, "the target is who asks");
    }
    let reason = format!("who asks is called first; {}", devices.reason).into();
    Ok((RouteChosen { reason, ..devices }, chosen))
}

/// Where a sender whose past is played goes on to. It was somewhere then; where it is nowhere any more, nobody is called.
fn onward(devices: RouteChosen, referral: &Referral) -> RouteChosen {
    match referral.route.clone() {
        Some(Ok(chosen)) => chosen,
        Some(Err(RouteRefused { rule, reason, .. })) => RouteChosen { rule, reason, ..to_nobody(devices) },
        None => to_nobody(devices),
    }
}

fn to_nobody(chosen: RouteChosen) -> RouteChosen {
    RouteChosen { number: None, passed_over: vec![], targets: Personal::Known(vec![]), ..chosen }
}

fn places(chosen: &RouteChosen) -> &[Target] {
    chosen.targets.known().map_or(&[][..], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::timer::TransactionId;
    use crate::sip::wire::{ReferFault, ReferTo};

    fn route(to: &[&str]) -> RouteChosen {
        let target = |to: &&str| Target {
            spare: false,
            uri: (*to).to_owned(),
            to: (*to).to_owned(),
            local: "192.0.2.1:5060".parse().unwrap(),
            destination: "192.0.2.2:5060".parse().unwrap(),
            transport: crate::address::Transport::Udp,
            large_by_tcp: None,
            group: 0,
            routes: vec![],
            trunk: None,
            binding: None,
            media_source: crate::media::MediaSource::Latch,
            ring_timeout: 60,
        };
        RouteChosen {
            rule: "user".into(),
            rule_version: 1,
            number: None,
            reason: "its devices ring".into(),
            asked_by: None,
            passed_over: vec![],
            targets: Personal::Known(to.iter().map(target).collect()),
        }
    }

    /// What may be asked for by this rule, of a target within the account or outside.
    fn referral(rule: ReferRule, inside: bool) -> Referral {
        Referral {
            transaction: TransactionId(1),
            id: 1,
            notified: true,
            target: Ok(ReferTo { uri: "sip:bob@a.example".into(), replaces: None }),
            rule,
            route: Some(Ok(route(&["sip:bob@a.example"]))),
            refused: None,
            joins: Joins::Nothing,
            inside,
            dialled: "bob".into(),
            identity: "<sip:alice@a.example>".into(),
        }
    }

    fn status(referral: &Referral) -> u16 {
        verdict(Ok(route(&["sip:alice@a.example"])), referral).err().map_or(202, |refused| refused.status)
    }

    #[test]
    fn the_rule_says_how_far_a_call_may_go() {
        let asked = [ReferRule::Refuse, ReferRule::Internal, ReferRule::Any]
            .map(|rule| [true, false].map(|inside| status(&referral(rule, inside))));
        assert_eq!(asked, [[403, 403], [202, 403], [202, 202]]);
    }

    #[test]
    fn what_cannot_be_called_is_refused_whoever_asks() {
        let fine = || referral(ReferRule::Any, true);
        let no_route = RouteRefused { status: 480, rule: "user".into(), reason: "nobody".into(), retry_after: None };
        let never = Joins::Never(400, "unreadable");
        assert_eq!(status(&Referral { target: Err(ReferFault::Scheme), route: None, ..fine() }), 416);
        assert_eq!(status(&Referral { route: None, ..fine() }), 404);
        assert_eq!(status(&Referral { route: Some(Err(no_route.clone())), ..fine() }), 480);
        assert_eq!(status(&Referral { joins: never, ..fine() }), 400);
        assert_eq!(status(&Referral { joins: Joins::Elsewhere("1;to-tag=2".into()), ..fine() }), 202);
        assert_eq!(verdict(Err(no_route), &fine()).unwrap_err().status, 480);
    }

    #[test]
    fn nobody_is_called_by_itself_but_beside_others() {
        let to = |to: &[&str]| Referral { route: Some(Ok(route(to))), ..referral(ReferRule::Any, true) };
        assert_eq!(status(&to(&["sip:alice@a.example", "sip:alice@a.example"])), 403);
        assert_eq!(status(&to(&["sip:alice@a.example", "sip:bob@a.example"])), 202);
    }

    #[test]
    fn the_first_route_says_whom_it_leads_to() {
        let (devices, chosen) = verdict(Ok(route(&["sip:alice@a.example"])), &referral(ReferRule::Any, true)).unwrap();
        assert_eq!((&*devices.reason, devices.asked_by), ("who asks is called first; its devices ring", None));
        assert_eq!(places(&chosen)[0].to, "sip:bob@a.example");
    }
}
