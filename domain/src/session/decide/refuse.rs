//! A target says no, or nothing: the next is tried, or the caller is told.

use crate::ids::LegId;
use crate::session::event::{EndCause, LegChallenged, LegReleased, RefusalCause, ReleaseCause, SessionEvent, Target};
use crate::session::leg::LegStatus;
use crate::session::media::MediaFault;
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, Session};
use crate::sip::endpoint::{Proof, SessionHeaders};

impl Session {
    pub(super) fn on_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        match self.leg(leg).map(|leg| leg.status) {
            Some(LegStatus::Inviting | LegStatus::Alerting) => {
                self.leg_failed(context, leg, status, RefusalCause::Response);
                self.fail_over(context);
            }
            Some(LegStatus::Answered | LegStatus::Confirmed | LegStatus::Away) => {
                self.on_offer_refused(context, leg, status)
            }
            Some(LegStatus::Releasing | LegStatus::Gone) => self.on_gone(context, leg),
            None => {}
        }
    }

    /// The far end asked who we are. The wire answers, or lets the refusal stand.
    pub(super) fn on_challenged(&mut self, context: &mut Context<'_>, leg: LegId, proof: &Proof) {
        if self.leg(leg).is_none() {
            return;
        }
        let Proof { method, status, stale, gave_up } = proof.clone();
        let gave_up = gave_up.map(|why| why.to_string().into());
        self.record(context, SessionEvent::LegChallenged(LegChallenged { leg, method, status, stale, gave_up }));
    }

    pub(super) fn on_unanswered(&mut self, context: &mut Context<'_>, leg: LegId) {
        match self.leg(leg).map(|leg| leg.status) {
            Some(LegStatus::Inviting | LegStatus::Alerting) => {
                self.leg_failed(context, leg, 408, RefusalCause::TimedOut);
                self.fail_over(context);
            }
            Some(LegStatus::Answered | LegStatus::Confirmed | LegStatus::Away) => {
                self.on_offer_refused(context, leg, 408)
            }
            Some(LegStatus::Releasing | LegStatus::Gone) => self.on_gone(context, leg),
            None => {}
        }
    }

    /// The ring time-out. The leg is cancelled; should it answer all the same, it gets ACK and BYE.
    pub(super) fn on_no_answer(&mut self, context: &mut Context<'_>, leg: LegId) {
        if !self.leg(leg).is_some_and(crate::session::leg::Leg::is_early) {
            return;
        }
        context.order(Order::Cancel { leg });
        self.leg_failed(context, leg, 408, RefusalCause::NoAnswer);
        self.fail_over(context);
    }

    /// Gives the caller its final response. `heard` is what the far end said, before mapping.
    pub(super) fn refuse_caller(&mut self, context: &mut Context<'_>, status: u16, heard: u16) {
        self.refuse_caller_with(context, status, heard, SessionHeaders::default());
    }

    /// As [`Session::refuse_caller`], with headers.
    pub(super) fn refuse_caller_with(
        &mut self,
        context: &mut Context<'_>,
        status: u16,
        heard: u16,
        headers: SessionHeaders,
    ) {
        let Some(leg) = self.caller().map(|leg| leg.id) else { return };
        context.order(Order::Answer { leg, status, headers, body: None });
        self.ending.get_or_insert(Ending { cause: cause_of(heard), status: Some(status), by: None });
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Refused }));
        self.close_media(context);
        self.end_if_all_gone(context);
    }
}

/// How a session ends that came to nothing, by what the far end said.
pub(super) const fn cause_of(heard: u16) -> EndCause {
    match heard {
        486 | 600 => EndCause::Busy,
        480 => EndCause::NoAnswer,
        _ => EndCause::Failed,
    }
}

/// Whether another target may be tried after this status of a target: 5xx, a 408 that somebody sent, and a challenge that
/// we have no answer to, which says nothing about who was called. What one device
/// of a user says speaks for that device alone, unless it is a 6xx, or a 487 that ends a call we gave up
/// (RFC 3261 §16.7 step 5). [G5]
pub(crate) fn fails_over(status: u16, target: Option<&Target>) -> bool {
    match target.is_some_and(|target| target.binding.is_some()) {
        true => status < 600 && status != 487,
        false => matches!(status, 401 | 407 | 408 | 500..=599),
    }
}

/// The status that a caller is told for what the far end said. What concerns only the other dialog stays there; 503 would
/// make a carrier stop all calls (RFC 3261 §16.7 step 6).
pub(crate) const fn mapped(status: u16) -> u16 {
    match status {
        300..=399 | 430 => 480,
        401 | 407 => 403,
        405 | 422 | 481 | 482 | 501 | 503 | 505 | 513 => 500,
        400..=699 => status,
        _ => 500,
    }
}

impl MediaFault {
    /// The status that says so.
    pub(in crate::session) const fn status(&self) -> u16 {
        match self {
            Self::NoPorts => 500,
            Self::Sdp(_) | Self::Missing => 488,
        }
    }

    /// The cause that says so.
    pub(in crate::session) const fn cause(&self) -> RefusalCause {
        match self {
            Self::NoPorts => RefusalCause::NoPorts,
            Self::Sdp(_) | Self::Missing => RefusalCause::BadSdp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_503_from_below_is_never_passed_up() {
        assert_eq!(mapped(503), 500);
    }

    #[test]
    fn a_challenge_a_redirect_and_a_foreign_dialogs_trouble_stay_on_their_leg() {
        assert_eq!([401, 407, 302, 422, 481, 482].map(mapped), [403, 403, 480, 500, 500, 500]);
    }

    #[test]
    fn what_the_callee_means_passes_unchanged() {
        for status in [400, 404, 486, 487, 488, 491, 500, 504, 600, 603, 699] {
            assert_eq!(mapped(status), status);
        }
    }

    #[test]
    fn only_time_outs_server_failures_and_challenges_try_the_next_target() {
        let fails = |status| fails_over(status, None);
        assert!(fails(408) && fails(500) && fails(503) && fails(401) && fails(407));
        assert!(!fails(404) && !fails(486) && !fails(600) && !fails(302));
    }

    #[test]
    fn what_one_device_says_does_not_keep_the_next_from_ringing_unless_it_speaks_for_its_user() {
        let json = r#"{"uri":"sip:a@b","to":"sip:a@b","local":"192.0.2.1:5060","destination":"192.0.2.2:5060",
            "trunk":null,"binding":"RB00000000000000000000000000000001","media_source":"latch","ring_timeout":60}"#;
        let device: Target = serde_json::from_str(json).unwrap();
        for (status, next) in
            [(302, true), (404, true), (408, true), (486, true), (503, true), (487, false), (603, false)]
        {
            assert_eq!(fails_over(status, Some(&device)), next, "{status}");
        }
    }
}
