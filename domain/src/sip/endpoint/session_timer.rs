//! Session timers of legs (RFC 4028), each dialog's own: what our INVITEs, UPDATEs and their 2xx say of them, when a session
//! is due to be refreshed, and when it is over. A 422 to a request of ours is followed here, as often as is reasonable: who
//! ordered the request hears of it only when that is of no use.

use super::message::{RequestParts, write_via};
use super::{BuildError, ClientKey, Endpoint, Fact, SessionHeaders};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Cancelling, Dialog, DialogState, Sent};
use crate::sip::session_timer::{self, Granted, TIMER, Terms};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::{HeaderName, Message, Method, Writer};
use crate::time::Moment;
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;

/// How often one request is sent again after a 422.
const MAX_RETRIES: u8 = 3;

impl Endpoint {
    /// The status that refuses a request for the interval it asks for.
    pub(super) fn interval_refusal(&self, request: &Message) -> Option<u16> {
        let judged = session_timer::grant(request, self.settings.intervals, None);
        judged.err().map(session_timer::IntervalFault::status)
    }

    /// A Min-SE of the peer holds for what we ask in this dialog (§7.4).
    pub(super) fn note_min_se(&mut self, leg: LegId, request: &Message) {
        let heard = session_timer::min_se(request).ok().flatten();
        if let (Some(min_se), Some(dialog)) = (heard, self.dialogs.get_mut(&leg)) {
            dialog.timer.min_se = dialog.timer.min_se.max(min_se);
        }
    }

    /// What a request of ours says of the session's timer. Before an answer there is no session to refresh.
    pub(super) fn write_session_timer(&self, writer: &mut Writer, dialog: &Dialog, method: &Method) {
        let says = match method {
            Method::Invite => true,
            Method::Update => dialog.state == DialogState::Confirmed,
            _ => false,
        };
        if !says {
            return;
        }
        let (interval, min_se) = session_timer::asks(dialog.timer, self.settings.intervals);
        if let Some(interval) = interval {
            let seconds = interval.seconds;
            match interval.refresher {
                Some(by) => {
                    let by = by.as_str();
                    writer.header_fmt(HeaderName::SessionExpires, format_args!("{seconds};refresher={by}"))
                }
                None => writer.header_fmt(HeaderName::SessionExpires, format_args!("{seconds}")),
            };
        }
        if let Some(min_se) = min_se {
            writer.header_fmt(HeaderName::MinSe, format_args!("{min_se}"));
        }
    }

    /// What a response of ours says of the session's timer; nothing where it is no 2xx that begins or refreshes a session.
    pub(super) fn granted(&self, leg: LegId, request: &Message, status: u16) -> Option<Granted> {
        let dialog = self.dialogs.get(&leg).filter(|_| (200..300).contains(&status))?;
        match request.method() {
            Some(Method::Invite) => {}
            Some(Method::Update) if dialog.state == DialogState::Confirmed => {}
            Some(_) | None => return None,
        }
        session_timer::grant(request, self.settings.intervals, dialog.timer.terms).ok()
    }

    /// What is in force after a 2xx of the peer.
    pub(super) fn timer_heard(&self, leg: LegId, response: &Message) -> Option<Terms> {
        let dialog = self.dialogs.get(&leg)?;
        session_timer::heard(response, self.settings.intervals, dialog.timer)
    }

    /// A 2xx to INVITE or UPDATE went or came: the interval begins anew.
    pub(super) fn set_session_timer(&mut self, now: Moment, leg: LegId, terms: Option<Terms>) {
        let confirmed = |dialog: &&mut Box<Dialog>| dialog.state == DialogState::Confirmed && !dialog.timer.over;
        let Some(dialog) = self.dialogs.get_mut(&leg).filter(confirmed) else { return };
        let before = std::mem::replace(&mut dialog.timer.terms, terms);
        dialog.timer.ends = now + terms.map_or(Duration::ZERO, |terms| Duration::from_secs(u64::from(terms.interval)));
        for (timer, after) in [
            (LegTimer::Refresh, terms.and_then(Terms::refresh_after)),
            (LegTimer::Expires, terms.and_then(Terms::over_after)),
        ] {
            match after {
                Some(after) => self.timers.set(Timer::Leg(leg, timer), now + after),
                None => self.timers.stop(Timer::Leg(leg, timer)),
            }
        }
        if before != terms {
            self.learned(leg, Fact::TimerSet(terms));
        }
    }

    /// The dialog ends, or is about to: nothing of it is refreshed.
    pub(super) fn timer_over(&mut self, leg: LegId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.timer.over = true;
        }
        self.timers.stop(Timer::Leg(leg, LegTimer::Refresh));
        self.timers.stop(Timer::Leg(leg, LegTimer::Expires));
    }

    /// Half of the interval is over. Where nothing comes of it, it is due again when half of the rest is, as long as that
    /// makes sense; where the peer counts on nothing, every half interval. While an INVITE or UPDATE is on its way on this
    /// leg, that refreshes it.
    pub(super) fn refresh_due(&mut self, now: Moment, leg: LegId) {
        let Some(dialog) = self.dialogs.get(&leg).filter(|dialog| dialog.state == DialogState::Confirmed) else {
            return;
        };
        let Some(terms) = dialog.timer.terms else { return };
        let half = terms.refresh_after();
        let again = match terms.over_after() {
            Some(_) => Some(dialog.timer.ends.since(now) / 2).filter(|rest| half.is_some_and(|half| *rest >= half / 4)),
            None => half,
        };
        if let Some(again) = again {
            self.timers.set(Timer::Leg(leg, LegTimer::Refresh), now + again);
        }
        let free = dialog.outgoing.is_none() && dialog.incoming.is_none() && dialog.answer.is_none();
        if free && dialog.updating.is_none() && !dialog.timer.refreshing {
            self.learned(leg, Fact::RefreshDue);
        }
    }

    /// Refreshes a session by UPDATE without SDP (§7.4); [`Fact::RefreshRefused`] says where that was no use.
    pub fn refresh(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let able = |dialog: &&mut Box<Dialog>| dialog.state == DialogState::Confirmed && !dialog.timer.over;
        let Some(dialog) = self.dialogs.get_mut(&leg).filter(able) else { return };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let headers = SessionHeaders::default();
        let parts =
            RequestParts { method: Method::Update, branch, cseq, max_forwards: 70, headers: &headers, body: None };
        if let Some(id) = self.begin_client(now, mint, leg, &parts)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.refresh = true;
            if let Some(dialog) = self.dialogs.get_mut(&leg) {
                dialog.timer.refreshing = true;
            }
        }
    }

    /// An UPDATE of [`Endpoint::refresh`] has its final response, or none will come.
    pub(super) fn refresh_answered(&mut self, leg: LegId, status: u16) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.timer.refreshing = false;
        }
        if status >= 300 {
            self.learned(leg, Fact::RefreshRefused(status));
        }
    }

    /// A request of ours that is answered with 422, before it is forgotten.
    pub(super) fn asked_too_little(&mut self, id: TransactionId, status: u16) -> Option<Sent> {
        let client = self.clients.get(&id).filter(|client| matches!(client.method, Method::Invite | Method::Update))?;
        if status >= 200
            && status != 422
            && let Some(dialog) = self.dialogs.get_mut(&client.key.leg)
        {
            dialog.timer.retries = 0;
        }
        (status == 422).then(|| client.last.clone())
    }

    /// The request that a 422 answered goes again with the interval that it asks for (§7.3, §7.4); `false` where that is of
    /// no use, or nobody wants its answer any more.
    pub(super) fn ask_for_longer(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        asked: Sent,
        response: &Message,
    ) -> bool {
        let Ok(request) = Message::scan(asked.bytes) else { return false };
        let Some(client) = self.clients.get(&id) else { return false };
        let (leg, method, refresh, asked_by) = (client.key.leg, client.method.clone(), client.refresh, client.asked_by);
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return false };
        let invite = method == Method::Invite;
        let outgoing = dialog.outgoing.as_ref().filter(|outgoing| outgoing.transaction == id);
        let wanted = !invite || outgoing.is_some_and(|outgoing| outgoing.cancelling == Cancelling::No);
        let said = session_timer::interval(&request).ok().flatten();
        let longer = said.and_then(|said| session_timer::longer(response, said.seconds, dialog.timer));
        let able = wanted && !dialog.timer.over && dialog.timer.retries < MAX_RETRIES;
        let Some(min_se) = longer.filter(|_| able) else {
            dialog.timer.retries = 0;
            return false;
        };
        dialog.timer.retries += 1;
        dialog.timer.min_se = min_se;
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        if invite {
            dialog.invite_cseq = cseq;
        }
        if invite && dialog.state == DialogState::Early {
            dialog.begin_anew(&request, asked.flow);
            self.heard.remove(&leg);
        }
        let Ok(bytes) = self.write_again(leg, &request, asked.flow, branch, cseq) else { return false };
        let sent = Sent { event: mint.event_id(), flow: asked.flow, bytes };
        let new = self.open_client(now, ClientKey { leg, branch, cancel: false }, method, cseq, sent);
        if let Some(client) = self.clients.get_mut(&new) {
            (client.refresh, client.asked_by) = (refresh, asked_by);
        }
        if let Some(outgoing) =
            self.dialogs.get_mut(&leg).and_then(|dialog| dialog.outgoing.as_mut()).filter(|_| invite)
        {
            outgoing.transaction = new;
        }
        true
    }

    /// A request of ours once more, as a new one: all that it said but for its branch, its CSeq and the session's interval.
    fn write_again(
        &self,
        leg: LegId,
        request: &Message,
        path: Flow,
        branch: u32,
        cseq: u32,
    ) -> Result<Bytes, BuildError> {
        let (Some(method), Some(uri)) = (request.method(), request.request_uri()) else {
            return Err(BuildError::Unanswerable);
        };
        let dialog = self.dialogs.get(&leg).ok_or(BuildError::Unanswerable)?;
        let mut writer = Writer::request(method, uri);
        write_via(&mut writer, leg, path, branch);
        for header in request.headers() {
            match header.name {
                HeaderName::Via
                | HeaderName::SessionExpires
                | HeaderName::MinSe
                | HeaderName::ContentType
                | HeaderName::ContentLength => {}
                HeaderName::CSeq => {
                    writer.header_fmt(HeaderName::CSeq, format_args!("{cseq} {}", method.as_str()));
                }
                _ => drop(writer.header_raw(header.raw_name, header.value)),
            }
        }
        self.write_session_timer(&mut writer, dialog, method);
        Ok(match request.header(HeaderName::ContentType) {
            Some(content_type) => writer.body(content_type, request.body())?,
            None => writer.finish()?,
        })
    }
}

/// What a 2xx says of the session's timer, beside the rest.
pub(super) fn with_timer(headers: Cow<'_, SessionHeaders>, granted: Option<Granted>) -> Cow<'_, SessionHeaders> {
    let Some(Granted { says: Some((seconds, refresher)), requires, .. }) = granted else { return headers };
    let mut headers = headers.into_owned();
    let value = format!("{seconds};refresher={}", refresher.as_str());
    headers.0.push(("Session-Expires".into(), value.into()));
    if requires {
        headers.0.push(("Require".into(), TIMER.into()));
    }
    Cow::Owned(headers)
}
