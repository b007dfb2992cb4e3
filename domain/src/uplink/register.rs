//! How we stay registered at a trunk's registrar (RFC 3261 §10.2): what follows from each answer, and when to ask again.

use super::{UplinkEvent, UplinkLost, UplinkRefreshed, UplinkRefused, UplinkRegistered, back_off};
use crate::sip::wire::{HeaderName, Message, NameAddr, reason_phrase};
use crate::time::Now;
use crate::time::WallTime;
use std::time::Duration;

/// The longest margin before the end of a registration at which it is refreshed, in seconds: two failed attempts fit in.
const MARGIN: u32 = 90;

/// The longest that is ever asked for, in seconds.
const LONGEST: u32 = 86_400;

/// How often a 423 is followed at once.
const MOST_TOO_BRIEF: u8 = 2;

/// After how long a registrar is looked for again that could not be asked.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far the registration is.
#[derive(Debug, Clone)]
pub struct Registering {
    /// How long to ask for, in seconds; a 423 raises it.
    pub asks: u32,
    /// Until when the registrar knows us.
    pub until: Option<WallTime>,
    /// It knew us once and does no more.
    lost: bool,
    /// It has said no since it last knew us.
    refused: bool,
    failures: u32,
    too_brief: u8,
    last_error: Box<str>,
}

/// What a registrar said to a REGISTER of ours.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its final response; none where nothing came.
    pub response: Option<&'a Message>,
    /// The user part of our Contact.
    pub contact: &'a str,
    /// Why a challenge was not answered.
    pub gave_up: Option<&'a str>,
}

impl Registering {
    /// One that asks for so many seconds.
    pub fn new(asks: u32) -> Self {
        Self { asks, until: None, lost: false, refused: false, failures: 0, too_brief: 0, last_error: "".into() }
    }

    /// Whether the registrar may know us without having said so: it has not answered, or only that it cannot now, and what
    /// an earlier start registered may stand there.
    pub const fn may_be_known(&self) -> bool {
        self.until.is_none() && !self.lost && !self.refused
    }

    /// It could not be asked, and after how long that is tried again. That is no refusal, so nothing waits longer for it;
    /// it is told where it is new.
    pub fn unasked(&mut self, now: Now, reason: &str) -> (Option<UplinkEvent>, Duration) {
        let is_new = *self.last_error != *reason;
        self.last_error = reason.into();
        let told = || UplinkRefused { status: None, reason: reason.into(), again: now.wall + LOOK_AGAIN };
        (is_new.then(|| UplinkEvent::UplinkRefused(told())), LOOK_AGAIN)
    }

    /// What follows from an answer, and after how long to ask again. `bits` are drawn.
    pub fn answered(&mut self, now: Now, answer: Answer<'_>, bits: u64) -> (Option<UplinkEvent>, Duration) {
        let status = answer.response.and_then(Message::status);
        match (status, answer.response) {
            (Some(200..300), Some(response)) => match granted(response, answer.contact, self.asks) {
                0 => {
                    self.refused = true;
                    self.failed(now, status, "the registrar granted no time".into(), None, bits)
                }
                seconds => self.granted(now, seconds, bits),
            },
            (Some(423), Some(response)) if self.too_brief < MOST_TOO_BRIEF => match least(response) {
                Some(least) if least > self.asks && least <= LONGEST => {
                    self.asks = least;
                    self.too_brief += 1;
                    (None, Duration::ZERO)
                }
                Some(_) | None => self.failed(now, status, "it wants another time than it names".into(), None, bits),
            },
            (Some(status), Some(response)) => {
                // Of others nothing follows for what it knows already.
                self.refused |= !matches!(status, 408 | 423 | 500..600);
                let reason = match answer.gave_up {
                    Some(why) => format!("{status}: {why}"),
                    None => format!("{status} {}", reason_phrase(status)),
                };
                self.failed(now, Some(status), reason.into(), retry_after(response), bits)
            }
            (_, _) => self.failed(now, None, answer.gave_up.unwrap_or("no answer").into(), None, bits),
        }
    }

    /// The registration lapses where its time is over and nobody refreshed it.
    pub fn lapses(&mut self, now: WallTime) -> Option<UplinkEvent> {
        self.until.filter(|until| *until <= now)?;
        (self.until, self.lost) = (None, true);
        Some(UplinkEvent::UplinkLost(UplinkLost { reason: self.last_error.clone() }))
    }

    fn granted(&mut self, now: Now, expires: u32, bits: u64) -> (Option<UplinkEvent>, Duration) {
        let until = now.wall + Duration::from_secs(u64::from(expires));
        let event = match self.until.replace(until) {
            Some(_) => UplinkEvent::UplinkRefreshed(UplinkRefreshed { expires, until }),
            None => UplinkEvent::UplinkRegistered(UplinkRegistered { expires, until, back: self.lost }),
        };
        (self.lost, self.refused, self.failures, self.too_brief) = (false, false, 0, 0);
        self.last_error = "".into();
        (Some(event), refresh_after(expires, bits))
    }

    fn failed(
        &mut self,
        now: Now,
        status: Option<u16>,
        reason: Box<str>,
        retry_after: Option<u32>,
        bits: u64,
    ) -> (Option<UplinkEvent>, Duration) {
        (self.failures, self.too_brief) = (self.failures.saturating_add(1), 0);
        let wait = back_off(self.failures, retry_after, bits);
        self.last_error = reason.clone();
        let refused = UplinkRefused { status, reason, again: now.wall + wait };
        (Some(UplinkEvent::UplinkRefused(refused)), wait)
    }
}

/// When a registration of so many seconds is refreshed: before its end by a margin of up to half of it, and by up to half
/// of the margin more at random, so that many do not come at once.
fn refresh_after(expires: u32, bits: u64) -> Duration {
    let margin = u64::from((expires / 2).min(MARGIN)) * 1_000;
    Duration::from_millis(u64::from(expires) * 1_000 - margin - bits % (margin / 2 + 1))
}

/// How long the registrar granted: what stands at our Contact, else in Expires, else what was asked for (RFC 3261
/// §10.2.4).
fn granted(response: &Message, contact: &str, asked: u32) -> u32 {
    let ours = |value: &&str| {
        NameAddr::parse(value).is_ok_and(|contact_of| contact_of.uri.user_text().is_some_and(|user| *user == *contact))
    };
    let own = response.values(HeaderName::Contact).find(ours);
    let own = own.and_then(|value| NameAddr::parse(value).ok()?.params.value("expires")?.parse().ok());
    let seconds = own.or_else(|| response.header(HeaderName::Expires)?.trim().parse().ok());
    seconds.unwrap_or(asked).min(LONGEST)
}

fn least(response: &Message) -> Option<u32> {
    response.header(HeaderName::MinExpires)?.trim().parse().ok()
}

/// The seconds of a Retry-After (RFC 3261 §20.33), without its comment and parameters.
pub(super) fn retry_after(response: &Message) -> Option<u32> {
    let value = response.header(HeaderName::RetryAfter)?.trim_start();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    value.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;

    fn now(seconds: i64) -> Now {
        Now { wall: WallTime::from_micros(seconds * 1_000_000), moment: Moment::default() }
    }

    fn response(status: u16, headers: &str) -> Message {
        Message::scan(format!("SIP/2.0 {status} x\r\n{headers}\r\n").into()).unwrap()
    }

    fn hears(registering: &mut Registering, at: i64, status: u16, headers: &str) -> (Option<UplinkEvent>, u64) {
        let response = response(status, headers);
        let answer = Answer { response: Some(&response), contact: "u1", gave_up: None };
        let (event, wait) = registering.answered(now(at), answer, 0);
        (event, wait.as_secs())
    }

    fn until(seconds: i64) -> WallTime {
        now(seconds).wall
    }

    #[test]
    fn what_stands_at_our_contact_counts_then_expires_then_what_was_asked_for() {
        let contacts = "Contact: <sip:other@a>;expires=7, <sip:u1@b>;q=1;Expires=300\r\nExpires: 9\r\n";
        assert_eq!(granted(&response(200, contacts), "u1", 3_600), 300);
        assert_eq!(granted(&response(200, "Contact: <sip:u1@b>\r\nExpires: 9\r\n"), "u1", 3_600), 9);
        assert_eq!(granted(&response(200, ""), "u1", 3_600), 3_600);
        assert_eq!(granted(&response(200, "Expires: 4294967295\r\n"), "u1", 60), LONGEST);
    }

    #[test]
    fn a_registration_is_refreshed_before_its_end_at_random() {
        assert_eq!(refresh_after(3_600, 0), Duration::from_secs(3_510));
        assert_eq!(refresh_after(3_600, 45_000), Duration::from_secs(3_465));
        assert_eq!(refresh_after(60, 0), Duration::from_secs(30));
        assert_eq!(refresh_after(2, u64::MAX).as_secs(), 0);
        assert_eq!(refresh_after(1, 9), Duration::from_secs(1));
    }

    #[test]
    fn first_it_is_registered_then_refreshed_and_after_a_loss_back() {
        let mut registering = Registering::new(3_600);
        let registered = |until, back| UplinkEvent::UplinkRegistered(UplinkRegistered { expires: 60, until, back });
        assert_eq!(hears(&mut registering, 0, 200, "Expires: 60\r\n"), (Some(registered(until(60), false)), 30));
        let refreshed = UplinkEvent::UplinkRefreshed(UplinkRefreshed { expires: 60, until: until(90) });
        assert_eq!(hears(&mut registering, 30, 200, "Expires: 60\r\n").0, Some(refreshed));
        assert_eq!(registering.lapses(until(89)), None);
        let (event, wait) = hears(&mut registering, 60, 503, "Retry-After: 20 (soon)\r\n");
        let reason: Box<str> = "503 Service Unavailable".into();
        let refused = UplinkRefused { status: Some(503), reason: reason.clone(), again: until(80) };
        assert_eq!((event, wait), (Some(UplinkEvent::UplinkRefused(refused)), 20));
        assert_eq!(registering.lapses(until(90)), Some(UplinkEvent::UplinkLost(UplinkLost { reason })));
        assert_eq!(registering.lapses(until(91)), None);
        assert_eq!(hears(&mut registering, 99, 200, "Expires: 60\r\n").0, Some(registered(until(159), true)));
    }

    #[test]
    fn a_423_raises_what_is_asked_for_and_is_believed_twice() {
        let mut registering = Registering::new(60);
        assert_eq!(hears(&mut registering, 0, 423, "Min-Expires: 600\r\n"), (None, 0));
        assert_eq!(registering.asks, 600);
        assert_eq!(hears(&mut registering, 0, 423, "Min-Expires: 700\r\n"), (None, 0));
        assert!(hears(&mut registering, 0, 423, "Min-Expires: 800\r\n").0.is_some());
        let mut registering = Registering::new(60);
        for wrong in ["", "Min-Expires: 60\r\n", "Min-Expires: 99999999\r\n", "Min-Expires: x\r\n"] {
            assert!(hears(&mut registering, 0, 423, wrong).0.is_some(), "{wrong}");
        }
    }

    #[test]
    fn until_it_says_no_a_registrar_may_know_us_from_before() {
        let mut registering = Registering::new(60);
        for status in [408, 423, 500, 503] {
            assert!(hears(&mut registering, 0, status, "").0.is_some());
            assert!(registering.may_be_known(), "{status}");
        }
        for (status, headers) in [(200, "Expires: 0\r\n"), (302, ""), (401, ""), (403, ""), (600, "")] {
            let mut registering = Registering::new(60);
            hears(&mut registering, 0, status, headers);
            hears(&mut registering, 0, 503, "");
            assert!(!registering.may_be_known(), "{status}");
        }
        hears(&mut registering, 0, 200, "Expires: 60\r\n");
        assert!(registering.lapses(until(60)).is_some() && !registering.may_be_known());
    }

    #[test]
    fn one_that_cannot_be_asked_did_not_refuse() {
        let mut registering = Registering::new(60);
        assert!(matches!(registering.unasked(now(0), "no way"), (Some(UplinkEvent::UplinkRefused(_)), LOOK_AGAIN)));
        assert_eq!(registering.unasked(now(1), "no way"), (None, LOOK_AGAIN));
        assert!(registering.may_be_known());
        assert_eq!(hears(&mut registering, 0, 503, "").1, 15);
        assert!(registering.unasked(now(1), "no way").0.is_some());
    }

    #[test]
    fn failures_wait_ever_longer_and_a_success_begins_anew() {
        let mut registering = Registering::new(60);
        let waits = [403, 403, 503].map(|status| hears(&mut registering, 0, status, "").1);
        assert_eq!(waits, [15, 30, 60]);
        hears(&mut registering, 0, 200, "");
        assert_eq!(hears(&mut registering, 0, 500, "").1, 15);
        let nothing = Answer { response: None, contact: "u1", gave_up: None };
        let (event, _) = registering.answered(now(0), nothing, 0);
        assert!(matches!(event, Some(UplinkEvent::UplinkRefused(refused)) if refused.status.is_none()));
        assert!(
            hears(&mut registering, 0, 200, "Expires: 0\r\n")
                .0
                .is_some_and(|event| matches!(event, UplinkEvent::UplinkRefused(_)))
        );
    }
}
