//! What the sender of a REFER hears of it: the subscription that its acceptance made (RFC 3515 §2.4.4, RFC 6665). It is a
//! use of the dialog of its own and outlives the call (RFC 5057 §3.1). One NOTIFY is on its way at a time: what happens
//! meanwhile is told by the next, the newest alone.

use super::message::RequestParts;
use super::{Body, Endpoint, Fact, SessionHeaders};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::{EventType, HeaderName, Message, Method, reason_phrase};
use crate::time::Moment;
use std::time::Duration;

/// How long a subscription holds that nobody refreshes, in seconds.
pub const NOTICE_EXPIRES: u32 = 300;

/// The longest that a SUBSCRIBE may ask for, in seconds.
const LONGEST: u32 = 3_600;

/// What a peer hears of its REFER.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// CSeq of the REFER.
    pub id: u32,
    /// The status so far.
    pub status: u16,
    /// How it ends, once it does: the reason in Subscription-State.
    pub ends: Option<&'static str>,
    /// Until when it holds.
    pub until: Moment,
    /// Whether a NOTIFY has no final response yet.
    pub notifying: bool,
    /// Whether something happened since that was sent.
    pub news: bool,
}

impl Endpoint {
    /// From here on the peer of a leg hears what comes of its REFER. [`Fact::Unwatched`] says when it does no more.
    pub fn watch(&mut self, now: Moment, leg: LegId, id: u32) {
        let until = now + Duration::from_secs(u64::from(NOTICE_EXPIRES));
        match self.dialogs.get_mut(&leg) {
            Some(dialog) => {
                let subscription = Subscription { id, status: 100, ends: None, until, notifying: false, news: false };
                dialog.subscription = Some(Box::new(subscription));
                self.timers.set(Timer::Leg(leg, LegTimer::Unwatched), until);
            }
            None => self.learned(leg, Fact::Unwatched),
        }
    }

    /// Tells the peer of a leg what comes of its REFER; a final status ends the subscription (RFC 3515 §2.4.7).
    pub fn notify(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, status: u16) {
        let Some(subscription) = self.subscription(leg).filter(|subscription| subscription.ends.is_none()) else {
            return;
        };
        subscription.status = status;
        subscription.ends = (status >= 200).then_some("noresource");
        self.tell_news(now, mint, leg);
    }

    fn subscription(&mut self, leg: LegId) -> Option<&mut Subscription> {
        self.dialogs.get_mut(&leg)?.subscription.as_deref_mut()
    }

    /// Sends a NOTIFY, or sees to it that one follows the one on its way.
    fn tell_news(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(subscription) = self.subscription(leg) else { return };
        if subscription.notifying {
            subscription.news = true;
            return;
        }
        (subscription.notifying, subscription.news) = (true, false);
        let Subscription { id, status, ends, until, .. } = *subscription;
        if ends.is_some() {
            self.timers.stop(Timer::Leg(leg, LegTimer::Unwatched));
        }
        let state = match ends {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", until.since(now).as_secs()),
        };
        let headers = SessionHeaders(vec![
            ("Event".into(), format!("refer;id={id}").into()),
            ("Subscription-State".into(), state.into()),
        ]);
        let line = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        let body = Body { content_type: "message/sipfrag;version=2.0".into(), bytes: line.into() };
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let parts = RequestParts {
            method: Method::Notify,
            branch,
            cseq,
            max_forwards: 70,
            headers: &headers,
            body: Some(&body),
        };
        if self.begin_client(now, mint, leg, &parts).is_none() {
            self.end_subscription(now, mint, leg);
        }
    }

    /// A NOTIFY has its final response; any but a 2xx ends the subscription.
    pub(super) fn notified(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId, status: u16) {
        let Some(subscription) = self.subscription(leg) else { return };
        subscription.notifying = false;
        match (status < 300, subscription.news, subscription.ends) {
            (true, true, _) => self.tell_news(now, mint, leg),
            (true, false, None) => {}
            (true, false, Some(_)) | (false, _, _) => self.end_subscription(now, mint, leg),
        }
    }

    /// The peer hears nothing more of its REFER.
    pub(super) fn end_subscription(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        if dialog.subscription.take().is_none() {
            return;
        }
        dialog.slim_if_done();
        self.timers.stop(Timer::Leg(leg, LegTimer::Unwatched));
        self.learned(leg, Fact::Unwatched);
        self.send_waiting_bye(now, mint, leg);
        self.forget_if_over(leg);
    }

    /// Nobody refreshed the subscription, or its subscriber gave it up (RFC 6665 §4.4.1).
    pub(super) fn subscription_expires(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(subscription) = self.subscription(leg).filter(|subscription| subscription.ends.is_none()) else {
            return;
        };
        subscription.ends = Some("timeout");
        self.tell_news(now, mint, leg);
    }

    /// SUBSCRIBE within a dialog: refreshes the subscription of a REFER, or ends it with `Expires: 0`. There are no others.
    pub(super) fn receive_subscribe(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        id: TransactionId,
        flow: Flow,
        request: &Message,
    ) {
        let Some(event) = EventType::of(request).filter(|event| event.package.eq_ignore_ascii_case("refer")) else {
            return self.respond_other(now, mint, id, 489);
        };
        let fits = |subscription: &&mut Subscription| {
            let named = event.id.is_none_or(|id| id.parse() == Ok(subscription.id));
            named && subscription.ends.is_none()
        };
        let Some(subscription) = self.subscription(leg).filter(fits) else {
            return self.respond_other(now, mint, id, 481);
        };
        let asked = request.header(HeaderName::Expires).map(|seconds| seconds.trim().parse::<u32>());
        let Ok(seconds) = asked.unwrap_or(Ok(NOTICE_EXPIRES)) else {
            return self.respond_other(now, mint, id, 400);
        };
        let seconds = seconds.min(LONGEST);
        subscription.until = now + Duration::from_secs(u64::from(seconds));
        let until = subscription.until;
        self.refresh_target(leg, flow, request);
        let headers = SessionHeaders(vec![("Expires".into(), seconds.to_string().into())]);
        self.respond(now, mint, id, 200, &headers, None);
        if seconds == 0 {
            return self.subscription_expires(now, mint, leg);
        }
        self.timers.set(Timer::Leg(leg, LegTimer::Unwatched), until);
        self.tell_news(now, mint, leg);
    }
}
