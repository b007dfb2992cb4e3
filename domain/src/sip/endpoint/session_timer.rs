//! Session timers of legs (RFC 4028), each dialog's own: what our INVITEs, UPDATEs and their 2xx say of them, when a session
//! is due to be refreshed, and when it is over. A 422 to a request of ours is followed here, as often as is reasonable: who
//! ordered the request hears of it only when that is of no use.

use super::login::Again;
use super::message::RequestParts;
use super::{Endpoint, Fact, SessionHeaders};
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Dialog, DialogState};
use crate::sip::session_timer::{self, Granted, Interval, IntervalFault, TIMER, Terms};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::{HeaderName, Message, Method, Writer};
use crate::time::Moment;
use std::borrow::Cow;
use std::time::Duration;

/// How often one request is sent again after a 422.
const MAX_RETRIES: u8 = 3;

/// What differs in it then: the nonce's count goes on (RFC 7616 §3.4.5).
const CHANGES: [HeaderName; 4] =
    [HeaderName::SessionExpires, HeaderName::MinSe, HeaderName::Authorization, HeaderName::ProxyAuthorization];

/// What the log says of session timers in a turn that is played: what this exchange wants of them may have been set
/// otherwise since, and what was agreed holds (RFC 4028 §7.2).
#[derive(Debug, Clone, Default)]
pub struct TimersThen {
    /// What came into force, by leg.
    pub set: Vec<(LegId, Option<Terms>)>,
    /// Legs of which the log would have told if anything else had: of those that are over it does not.
    pub live: Vec<LegId>,
    /// An interval was refused as too short.
    pub too_short: bool,
}

impl Endpoint {
    /// A turn is played that went like this; nothing where it is to be decided as things are set now.
    pub fn is_set_as_then(&mut self, then: Option<TimersThen>) {
        self.then = then;
    }

    /// All is played: from here on things are as they are set now.
    pub fn is_set_as_now(&mut self) {
        self.then = None;
        self.drop_forgotten_logins();
    }

    /// The status that refuses a request for the interval it asks for.
    pub(super) fn interval_refusal(&self, request: &Message) -> Option<u16> {
        let judged = session_timer::grant(request, self.settings.intervals, None).err();
        match (&self.then, judged) {
            (Some(then), None | Some(IntervalFault::TooShort { .. })) => then.too_short.then_some(422),
            (_, judged) => judged.map(IntervalFault::status),
        }
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
        for (name, value) in self::says(session_timer::asks(dialog.timer, self.settings.intervals)) {
            writer.header(name, &value);
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
        let granted = session_timer::grant(request, self.settings.intervals, dialog.timer.terms).ok();
        // What was granted then is known, whatever would be said now.
        granted.or_else(|| self.then.is_some().then_some(Granted { says: None, requires: false, terms: None }))
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
        let terms = match &self.then {
            None => terms,
            Some(then) => match then.set.iter().rev().find(|(of, _)| *of == leg) {
                Some((_, set)) => *set,
                None if then.live.contains(&leg) => dialog.timer.terms,
                None => terms,
            },
        };
        let before = std::mem::replace(&mut dialog.timer.terms, terms);
        dialog.timer.retries = 0;
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

    /// What goes in place of a request of ours that was refused: with credentials, or for longer.
    pub(super) fn other_request(
        &mut self,
        mint: &mut dyn Mint,
        id: TransactionId,
        response: &Message,
    ) -> Option<Again> {
        self.answer_challenge(mint, id, response).or_else(|| self.ask_for_longer(mint, id, response))
    }

    /// A request that was answered with 422 goes again with the interval that this asks for (§7.3, §7.4); nothing where that
    /// is of no use, or nobody wants its answer any more.
    fn ask_for_longer(&mut self, mint: &mut dyn Mint, id: TransactionId, response: &Message) -> Option<Again> {
        let client = self.clients.get(&id).filter(|client| matches!(client.method, Method::Invite | Method::Update))?;
        let (leg, invite) = (client.key.leg, client.method == Method::Invite);
        let status = response.status().filter(|status| *status >= 300)?;
        let request = Message::scan(client.last.bytes.clone()).ok().filter(|_| status == 422);
        let wanted = !invite || self.is_wanted(leg);
        let intervals = self.settings.intervals;
        let timer = &mut self.dialogs.get_mut(&leg)?.timer;
        let able = wanted && !timer.over && timer.retries < MAX_RETRIES;
        let said = request.as_ref().and_then(|request| session_timer::interval(request).ok().flatten());
        let longer = said.and_then(|said| session_timer::longer(response, said.seconds, *timer));
        let (Some(request), Some(min_se)) = (request, longer.filter(|_| able)) else {
            timer.retries = 0;
            return None;
        };
        timer.retries += 1;
        timer.min_se = min_se;
        let says = says(session_timer::asks(*timer, intervals));
        let headers = [self.credentials_again(mint, leg, &request), says].concat();
        self.prepare(mint, id, &request, (&CHANGES, &headers))
    }
}

/// Session-Expires and Min-SE of a request.
fn says((interval, min_se): (Option<Interval>, Option<u32>)) -> Vec<(HeaderName, String)> {
    let expires = interval.map(|Interval { seconds, refresher }| {
        let by = refresher.map_or_else(String::new, |refresher| format!(";refresher={}", refresher.as_str()));
        (HeaderName::SessionExpires, format!("{seconds}{by}"))
    });
    expires.into_iter().chain(min_se.map(|min_se| (HeaderName::MinSe, min_se.to_string()))).collect()
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
