//! What an overloaded exchange does not take: the little that is looked at of a request before it is refused, and what it is
//! told. [E5]

use super::overload::{NewWork, Overloaded, Waits};
use super::{EdgeRole, Exchange};
use crate::address::Flow;
use crate::sip::endpoint::{SessionHeaders, Stateless, is_stateless_tag};
use crate::sip::wire::{HeaderName, Host, Message, Method};
use crate::time::{Moment, Now};

/// Whose calls are never refused for load: those to emergency services (RFC 5031).
const EMERGENCY: &str = "urn:service:sos";

/// Users of domains may come again after so many seconds.
const USERS_WAIT: u64 = 5;

/// Under overload up to so many more: not all at once.
const AND_UP_TO: u64 = 5;

impl Exchange {
    /// How long waited what is heard next.
    pub fn waits(&mut self, waits: Waits) {
        self.overload.waits(waits);
    }

    /// How long things waited in a turn of the shell that looked at the sockets; see [`super::Overload`].
    pub fn waited(&mut self, now: Moment, waits: Waits) {
        self.overload.waited(now, waits);
    }

    /// When [`Exchange::waited`] is to be called at the latest.
    pub fn next_wait(&self) -> Option<Moment> {
        self.overload.next()
    }

    /// Whether there is overload, and what it cost.
    pub fn overloaded(&self) -> Overloaded {
        self.overload.stands()
    }

    /// Refuses a request that would begin something new, where there is too much of that: with 503 and without keeping
    /// anything. Most of what an overloaded exchange does is this, so it comes before all other checks.
    pub(super) fn sheds(&mut self, now: Now, flow: Flow, request: &Message) -> bool {
        if !self.overload.is_on() {
            return false;
        }
        let work = match request.method() {
            Some(Method::Ack) => return self.ends_here(now, flow, request),
            Some(Method::Invite | Method::Refer) => NewWork::Call,
            Some(Method::Register | Method::Message) => NewWork::Other,
            Some(_) | None => return false,
        };
        let outside = || request.to().is_ok_and(|to| to.tag().is_none());
        if !outside() || self.serves_what_runs(request) || !self.overload.refuses(work, lot(request)) {
            return false;
        }
        self.turn_away(flow, request);
        true
    }

    /// The ACK to a stateless answer, of which there are as many as refusals: counted, and that is all.
    fn ends_here(&mut self, now: Now, flow: Flow, ack: &Message) -> bool {
        let ends = ack.to().is_ok_and(|to| to.tag().is_some_and(is_stateless_tag));
        if ends {
            self.count(now, flow, Stateless::StrayAck);
        }
        ends
    }

    /// Repeats of what was taken, calls that take the place of one that stands, and calls for help.
    fn serves_what_runs(&self, request: &Message) -> bool {
        let sos = request.request_uri().and_then(|uri| uri.get(..EMERGENCY.len()));
        request.has(HeaderName::Replaces)
            || sos.is_some_and(|uri| uri.eq_ignore_ascii_case(EMERGENCY))
            || self.endpoint.knows(request)
    }

    /// 503 for now. Who obeys Retry-After sends nothing at all for so long (RFC 3261 §21.5.4): a trunk is told what it is set
    /// to, by default nothing, since all its tenants' calls would stop; a user of a domain, who is one phone, some
    /// seconds. Where we are about to go nobody is told to come back.
    pub(super) fn turn_away(&mut self, flow: Flow, request: &Message) {
        let name = HeaderName::RetryAfter.canonical().unwrap_or_default();
        let seconds = if self.stage.is_draining() { None } else { self.comes_again_after(flow, request) };
        let headers = seconds.map(|seconds| (name.into(), seconds.to_string().into()));
        self.endpoint.answer_statelessly_with(flow, request, 503, &SessionHeaders(headers.into_iter().collect()));
    }

    fn comes_again_after(&self, flow: Flow, request: &Message) -> Option<u64> {
        let role = self.role_of(flow);
        if let Some(trunk) = self.tables.identify(flow.remote, role) {
            return trunk.settings.retry_after.map(|seconds| seconds.get().into());
        }
        let of_domain = || match request.from().ok()?.uri.host()? {
            Host::Name(name) => self.tables.domain(name),
            Host::V4(_) | Host::V6(_) => None,
        };
        let user = role == EdgeRole::Public && (!self.stage.is_loaded() || of_domain().is_some());
        let spread = if self.overload.is_on() { lot(request) % AND_UP_TO } else { 0 };
        user.then_some(USERS_WAIT + spread)
    }
}

/// FNV-1a of what the copies of a request have in common and other requests have not, stirred: the topmost Via with its
/// branch. Who chose its branch so that it is taken would gain one call.
fn lot(request: &Message) -> u64 {
    let via = request.header(HeaderName::Via).unwrap_or_default();
    let hash = via
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let stirred = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (stirred ^ (stirred >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}
