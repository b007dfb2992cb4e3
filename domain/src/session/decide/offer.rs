//! An INVITE from a known peer: a session begins, and the first targets are tried.

use crate::address::EdgeRole;
use crate::codec::personal::Personal;
use crate::ids::{AccountId, CredentialId, DomainId, LegId, TrunkId};
use crate::media::MediaSource;
use crate::session::event::{Parties, RouteChosen, RouteRefused, SessionEvent, SessionOffered};
use crate::session::media::sdp_of;
use crate::session::order::Context;
use crate::session::state::Session;
use crate::sip::endpoint::{RELIABLE, SessionHeaders, content_refusal};
use crate::sip::wire::{HeaderName, Message};

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
    pub trunk: Option<TrunkId>,
    /// The user who calls.
    pub user: Option<CredentialId>,
    /// The domain whose user calls.
    pub domain: Option<DomainId>,
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
            user: offer.user,
            domain: offer.domain,
            media_source: offer.media_source,
            late_offer: sdp.is_none(),
            max_forwards,
            parties: Personal::Known(offer.parties),
        };
        self.record(context, SessionEvent::SessionOffered(offered));
        self.hear(offer.leg, request);
        if let Some(caller) = self.leg_mut(offer.leg) {
            let says = |name| request.lists_option(name, RELIABLE);
            caller.takes_reliable = says(HeaderName::Supported) || says(HeaderName::Require);
        }
        match offer.route {
            Ok(chosen) => {
                self.record(context, SessionEvent::RouteChosen(chosen));
                match content_refusal(request) {
                    None => self.begin(context, offer.leg),
                    Some(status) => self.refuse_caller(context, status, status),
                }
            }
            Err(refused) => {
                let (status, retry_after) = (refused.status, refused.retry_after);
                self.record(context, SessionEvent::RouteRefused(refused));
                match retry_after {
                    None => self.refuse_caller(context, status, status),
                    Some(seconds) => {
                        let header = ("Retry-After".into(), seconds.to_string().into());
                        // Nobody was asked: it is a failure, whatever its status says of persons.
                        self.refuse_caller_with(context, status, 500, SessionHeaders(vec![header]));
                    }
                }
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
        if !self.try_next_group(context) {
            self.refuse_caller(context, self.none_begun(), 500);
        }
    }
}

fn passed_headers(request: &Message) -> SessionHeaders {
    let headers =
        request.headers().filter(|header| PASSED.iter().any(|name| header.raw_name.eq_ignore_ascii_case(name)));
    SessionHeaders(headers.map(|header| (header.raw_name.into(), header.value.into())).collect())
}
