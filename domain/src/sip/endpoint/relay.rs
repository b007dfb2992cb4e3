//! Requests within a dialog that pass from leg to leg: INFO (RFC 6086) and MESSAGE (RFC 3428 §4). Each is taken in here and
//! answered with what the other leg says; the request toward the other leg is a transaction of its own.

use super::message::RequestParts;
use super::{Body, Endpoint, Fact, SessionHeaders};
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::DialogState;
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Message, Method};
use crate::time::Moment;
use std::borrow::Cow;

/// The longest body that passes, in bytes: with 8 KiB of our headers it still fits into a datagram and into
/// [`MAX_MESSAGE_BYTES`](crate::sip::wire::MAX_MESSAGE_BYTES).
pub const MAX_PASSED_BODY: usize = 57_344;

/// The most requests of one dialog that may wait for the other leg at once.
const MAX_WAITING: usize = 8;

/// A request toward a leg, sent for another leg's.
#[derive(Debug, Clone)]
pub struct RequestPlan {
    /// The leg that gets it.
    pub leg: LegId,
    /// Its method.
    pub method: Method,
    /// The request of the other leg that it is sent for.
    pub asked_by: TransactionId,
    /// Max-Forwards.
    pub max_forwards: u8,
    /// Headers that pass.
    pub headers: SessionHeaders,
    /// The body as it came.
    pub body: Option<Body>,
}

impl Endpoint {
    /// Takes a request in that another leg has to answer, within limits.
    pub(super) fn receive_passing(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        request: Message,
    ) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if request.max_forwards().is_ok_and(|hops| hops == Some(0)) {
            return self.respond_other(now, mint, id, 483);
        }
        if request.body().len() > MAX_PASSED_BODY {
            return self.respond_other(now, mint, id, 413);
        }
        if dialog.waiting.len() >= MAX_WAITING {
            return self.respond_other(now, mint, id, 500);
        }
        dialog.waiting.push(id);
        self.learned(leg, Fact::Requested(id, request));
    }

    /// Sends a request within a dialog. What comes of it is [`Fact::Responded`].
    pub fn request(&mut self, now: Moment, mint: &mut dyn Mint, plan: RequestPlan) {
        let RequestPlan { leg, method, asked_by, max_forwards, headers, body } = plan;
        let Some(dialog) = self.dialogs.get_mut(&leg).filter(|dialog| dialog.state != DialogState::Over) else {
            return self.learned(leg, Fact::Responded(asked_by, None));
        };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let parts = RequestParts { method, branch, cseq, max_forwards, headers: &headers, body: body.as_ref() };
        if let Some(id) = self.begin_client(now, mint, leg, &parts)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.asked_by = Some(asked_by);
        }
    }

    /// Gives a request that waits ([`Fact::Requested`], [`Endpoint::accept_request`]) its final response; nothing happens
    /// where it has one.
    pub fn respond_to(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        transaction: TransactionId,
        status: u16,
        headers: &SessionHeaders,
        body: Option<&Body>,
    ) {
        let leg = self.servers.get(&transaction).map(|server| server.leg);
        self.respond(now, mint, transaction, status, headers, body);
        if let Some(leg) = leg {
            self.proceed(now, mint, leg);
        }
    }

    /// The dialog ends while requests of the peer wait (RFC 3261 §15.1.2).
    pub(super) fn refuse_waiting(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let waiting = self.dialogs.get_mut(&leg).map(|dialog| std::mem::take(&mut dialog.waiting));
        for id in waiting.unwrap_or_default() {
            self.respond_other(now, mint, id, 487);
        }
    }

    /// A request of the peer has its final response.
    pub(super) fn waits_no_more(&mut self, leg: LegId, id: TransactionId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.waiting.retain(|waiting| *waiting != id);
            dialog.updating = dialog.updating.filter(|updating| *updating != id);
        }
    }
}

/// A 500 to what may be tried again says after how many seconds: at random 0 to 10 (RFC 3261 §14.2, RFC 3311 §5.2).
pub(super) fn with_retry<'a>(
    mint: &mut dyn Mint,
    request: &Message,
    status: u16,
    headers: &'a SessionHeaders,
) -> Cow<'a, SessionHeaders> {
    let again = [Method::Invite, Method::Update, Method::Info, Method::Message];
    if status != 500 || !request.method().is_some_and(|method| again.contains(method)) {
        return Cow::Borrowed(headers);
    }
    let mut headers = headers.clone();
    headers.0.push(("Retry-After".into(), (mint.bits() % 11).to_string().into()));
    Cow::Owned(headers)
}
