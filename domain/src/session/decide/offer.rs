//! An INVITE from a known peer: a session begins, and the first target is tried.

use crate::address::{EdgeRole, Flow};
use crate::codec::personal::Personal;
use crate::ids::{AccountId, LegId, TrunkId};
use crate::media::MediaSource;
use crate::session::event::{LegInvited, Parties, RouteChosen, RouteRefused, SessionEvent, SessionOffered};
use crate::session::media::sdp_of;
use crate::session::order::{Context, Order};
use crate::session::state::Session;
use crate::sip::endpoint::{Body, InvitePlan, SessionHeaders, content_refusal};
use crate::sip::wire::Message;
use std::time::Duration;

/// Headers that pass from leg to leg: what the caller wants the callee to know, and nothing that reveals where it is.
const PASSED: [&str; 4] = ["Subject", "Priority", "User-to-User", "Recv-Info"];

/// Who asks, as the edge and the routing tables know it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The caller's leg.
    pub leg: LegId,
    /// Whose session it becomes.
    pub account: AccountId,
    /// The edge it came in on.
    pub edge: EdgeRole,
    /// The trunk it came from.
    pub trunk: TrunkId,
    /// How the caller's media is recognised.
    pub media_source: MediaSource,
    /// Who talks to whom.
    pub parties: Parties,
    /// From value toward the callee: the caller's user with the platform's domain (R5).
    pub identity: Box<str>,
    /// Where it goes.
    pub route: Result<RouteChosen, RouteRefused>,
}

impl Session {
    /// See the module.
    pub fn on_offer(&mut self, context: &mut Context<'_>, offer: Offer, request: &Message) {
        let sdp = sdp_of(request);
        let max_forwards = request.max_forwards().ok().flatten().unwrap_or(70);
        self.caller_identity = offer.identity;
        self.headers = passed_headers(request);
        let offered = SessionOffered {
            leg: offer.leg,
            account: offer.account,
            edge: offer.edge,
            trunk: offer.trunk,
            media_source: offer.media_source,
            late_offer: sdp.is_none(),
            max_forwards,
            parties: Personal::Known(offer.parties),
        };
        self.record(context, SessionEvent::SessionOffered(offered));
        self.hear(offer.leg, request);
        match offer.route {
            Ok(chosen) => {
                self.record(context, SessionEvent::RouteChosen(chosen));
                match content_refusal(request) {
                    None => self.begin(context, offer.leg),
                    Some(status) => self.refuse_caller(context, status, status),
                }
            }
            Err(refused) => {
                let status = refused.status;
                self.record(context, SessionEvent::RouteRefused(refused));
                self.refuse_caller(context, status, status);
            }
        }
    }

    fn begin(&mut self, context: &mut Context<'_>, caller: LegId) {
        if !self.late_offer {
            let reserved = self.describe_heard(caller).and_then(|sdp| self.reserve(context, caller, &sdp));
            if let Err(fault) = reserved {
                return self.refuse_caller(context, fault.status(), fault.status());
            }
            self.agree(caller);
        }
        if !self.try_next_target(context) {
            // Targets there are: what lacks is something of ours.
            self.refuse_caller(context, 500, 500);
        }
    }

    /// Begins a leg toward the next target; `false` when none is left.
    pub(super) fn try_next_target(&mut self, context: &mut Context<'_>) -> bool {
        let index = self.next_target;
        let Some(target) = self.targets.get(index).cloned() else { return false };
        let Some(caller) = self.caller().map(|leg| leg.id) else { return false };
        let leg = LegId::from_bits(context.mint.bits());
        let invited = LegInvited { leg, target: u8::try_from(index).unwrap_or(u8::MAX), trunk: target.trunk };
        self.record(context, SessionEvent::LegInvited(invited));
        let body = match self.offer_for(context, caller, leg) {
            Ok(body) => body,
            Err(fault) => {
                self.leg_failed(context, leg, fault.status(), fault.cause());
                return self.try_next_target(context);
            }
        };
        let call_id = format!("{:032x}", context.mint.wide_bits());
        let plan = InvitePlan {
            leg,
            call_id: call_id.into(),
            uri: target.uri.as_str().into(),
            from: self.caller_identity.clone(),
            to: format!("<{}>", target.to).into(),
            flow: Flow { transport: target.transport, local: target.local, remote: target.destination },
            large_by_tcp: target.large_by_tcp,
            routes: target.routes.iter().map(|route| route.as_str().into()).collect(),
            max_forwards: self.max_forwards,
            ring_timeout: Duration::from_secs(u64::from(target.ring_timeout)),
            headers: self.headers.clone(),
            body,
        };
        context.order(Order::Invite(Box::new(plan)));
        true
    }

    fn offer_for(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        leg: LegId,
    ) -> Result<Option<Body>, crate::session::media::MediaFault> {
        if self.late_offer {
            return Ok(None);
        }
        let described = self.describe_heard(caller)?;
        self.reserve(context, leg, &described)?;
        self.rewrite_heard(caller, leg).map(Some)
    }
}

fn passed_headers(request: &Message) -> SessionHeaders {
    let headers =
        request.headers().filter(|header| PASSED.iter().any(|name| header.raw_name.eq_ignore_ascii_case(name)));
    SessionHeaders(headers.map(|header| (header.raw_name.into(), header.value.into())).collect())
}
