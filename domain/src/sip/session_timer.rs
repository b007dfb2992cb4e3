//! Session timers (RFC 4028), as pure rules: what a message asks for, what is granted, what a request of ours says, when a
//! session is refreshed and when it is over.

use super::wire::{HeaderName, Message};
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The option tag.
pub const TIMER: &str = "timer";

/// No interval may be shorter, in seconds (RFC 4028 §5).
pub const SHORTEST: u32 = 90;

/// What is longer than this is granted as this, in seconds, unless we want longer ones ourselves.
pub const LONGEST_GRANTED: u32 = 7_200;

/// A Min-SE in a 422 beyond this is not followed, in seconds: who says so does not want timers.
pub const LONGEST_MIN_SE: u32 = 86_400;

/// What this exchange wants of intervals, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionIntervals {
    /// What we ask for of our own accord; 0 asks for nothing.
    pub wanted: u32,
    /// The shortest that we accept; never below [`SHORTEST`].
    pub min: u32,
}

impl Default for SessionIntervals {
    fn default() -> Self {
        Self { wanted: 1_800, min: SHORTEST }
    }
}

impl SessionIntervals {
    /// The shortest that we accept, and say in Min-SE.
    pub fn least(self) -> u32 {
        self.min.max(SHORTEST)
    }

    fn longest(self) -> u32 {
        LONGEST_GRANTED.max(self.wanted)
    }

    /// The interval that we ask for in a dialog, where one has heard of `min_se`; none where we ask for none.
    fn asked(self, terms: Option<Terms>, min_se: u32) -> Option<u32> {
        let own = (self.wanted > 0).then_some(self.wanted);
        Some(terms.map(|terms| terms.interval).or(own)?.max(min_se).max(self.least()))
    }
}

/// Whose task the refreshes are, as a message says it: the sender of the request or its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    /// The value of the parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// Who refreshes a leg's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshedBy {
    /// The peer: where it does not, its session is over.
    Peer,
    /// We do, and the peer counts on it.
    Exchange,
    /// We do, and the peer knows nothing of it: that it answers tells that it is there.
    ExchangeAlone,
}

/// A timer in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Seconds from a 2xx until the session is over.
    #[serde(rename = "interval_s")]
    pub interval: u32,
    /// Who refreshes it before.
    pub by: RefreshedBy,
}

impl Terms {
    const fn new(interval: u32, by: RefreshedBy) -> Self {
        Self { interval, by }
    }

    /// When it is refreshed after the last 2xx (§7.2, §9); nothing where that is the peer's task.
    pub fn refresh_after(self) -> Option<Duration> {
        let ours = matches!(self.by, RefreshedBy::Exchange | RefreshedBy::ExchangeAlone);
        ours.then(|| seconds(self.interval / 2))
    }

    /// When the session is over after the last 2xx. Where the peer refreshes that is a third of the interval before its
    /// end, 32 s at most, so that our BYE arrives before everybody else has forgotten the call (§10). Never where only we
    /// know of the timer.
    pub fn over_after(self) -> Option<Duration> {
        match self.by {
            RefreshedBy::Peer => Some(seconds(self.interval - (self.interval / 3).min(32))),
            RefreshedBy::Exchange => Some(seconds(self.interval)),
            RefreshedBy::ExchangeAlone => None,
        }
    }
}

const fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds as u64)
}

/// The timer of a dialog.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionTimer {
    /// What the last 2xx to an INVITE or UPDATE made of it.
    pub terms: Option<Terms>,
    /// When the interval ends.
    pub ends: Moment,
    /// The longest Min-SE that was heard in this dialog, in seconds; 0 where none was.
    pub min_se: u32,
    /// How often the request on its way was sent again after a 422.
    pub retries: u8,
    /// An UPDATE of ours that refreshes has no final response yet.
    pub refreshing: bool,
    /// BYE came or went: nothing is refreshed any more.
    pub over: bool,
}

/// What a request or a 2xx says of the session's interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Seconds.
    pub seconds: u32,
    /// Who refreshes, where it is said.
    pub refresher: Option<Refresher>,
}

/// Why an interval cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntervalFault {
    /// Not a number of seconds, or an unknown refresher.
    #[error("Session-Expires or Min-SE cannot be read: send seconds, and uac or uas as refresher")]
    Unreadable,
    /// Shorter than we allow (§9).
    #[error("the session interval is too short: ask for at least {min} s")]
    TooShort {
        /// The shortest that is granted, in seconds.
        min: u32,
    },
}

impl IntervalFault {
    /// The status that says so.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unreadable => 400,
            Self::TooShort { .. } => 422,
        }
    }
}

/// What the 2xx to a request says, and what is in force from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Session-Expires: seconds and who refreshes, which it always names (§9).
    pub says: Option<(u32, Refresher)>,
    /// Whether the 2xx requires `timer`: its receiver knows what that is, and has a part in it.
    pub requires: bool,
    /// What is in force.
    pub terms: Option<Terms>,
}

/// The interval that a message names; none where it names none.
///
/// # Errors
/// It cannot be read.
pub fn interval(message: &Message) -> Result<Option<Interval>, IntervalFault> {
    let Some(value) = message.header(HeaderName::SessionExpires) else { return Ok(None) };
    let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
    let mut refresher = None;
    for param in params.split(';') {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        if name.trim().eq_ignore_ascii_case("refresher") {
            refresher = Some(match value.trim() {
                uac if uac.eq_ignore_ascii_case("uac") => Refresher::Uac,
                uas if uas.eq_ignore_ascii_case("uas") => Refresher::Uas,
                _ => return Err(IntervalFault::Unreadable),
            });
        }
    }
    Ok(Some(Interval { seconds: read_seconds(seconds)?, refresher }))
}

/// The Min-SE of a message in seconds, none where it has none; what is below [`SHORTEST`] means that.
///
/// # Errors
/// It cannot be read.
pub fn min_se(message: &Message) -> Result<Option<u32>, IntervalFault> {
    let Some(value) = message.header(HeaderName::MinSe) else { return Ok(None) };
    Ok(Some(read_seconds(value.split(';').next().unwrap_or_default())?.max(SHORTEST)))
}

fn read_seconds(text: &str) -> Result<u32, IntervalFault> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(IntervalFault::Unreadable);
    }
    // More than a number holds is longer than any limit.
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// Whether the sender of a message can refresh.
pub fn supports_timer(message: &Message) -> bool {
    [HeaderName::Supported, HeaderName::Require].into_iter().any(|name| message.lists_option(name, TIMER))
}

/// What the 2xx to a request says (§9, table 2). `before` is what was in force.
///
/// # Errors
/// The request is to be refused: 400, or 422 where its sender knows what that means.
pub fn grant(request: &Message, wishes: SessionIntervals, before: Option<Terms>) -> Result<Granted, IntervalFault> {
    let supports = supports_timer(request);
    let min_se = min_se(request)?.unwrap_or(0);
    let ours = |terms: Terms| terms.by != RefreshedBy::Peer;
    let Some(asked) = interval(request)? else {
        let own = wishes.asked(before, min_se);
        // Who supports timers and asks for none may be given one; that it never refreshes is no fault of it.
        let refresher = if before.is_none_or(ours) { Refresher::Uas } else { Refresher::Uac };
        return Ok(match own {
            Some(interval) if supports => granted(interval, refresher, true),
            // §9 has no word for it: we refresh, and say nothing.
            Some(interval) if wishes.wanted > 0 => {
                let terms = Some(Terms::new(interval, RefreshedBy::ExchangeAlone));
                Granted { says: None, requires: false, terms }
            }
            Some(_) | None => Granted { says: None, requires: false, terms: None },
        });
    };
    if asked.seconds < wishes.least() && supports {
        return Err(IntervalFault::TooShort { min: wishes.least() });
    }
    let interval = asked.seconds.min(wishes.longest()).max(wishes.least()).max(min_se);
    let refresher = match (supports, asked.refresher) {
        (true, Some(refresher)) => refresher,
        (true, None) if before.is_some_and(ours) => Refresher::Uas,
        (true, None) => Refresher::Uac,
        // A proxy asked for it: who sent the request cannot refresh.
        (false, _) => Refresher::Uas,
    };
    Ok(granted(interval, refresher, supports))
}

const fn granted(interval: u32, refresher: Refresher, requires: bool) -> Granted {
    let by = match refresher {
        Refresher::Uac => RefreshedBy::Peer,
        Refresher::Uas => RefreshedBy::Exchange,
    };
    Granted { says: Some((interval, refresher)), requires, terms: Some(Terms::new(interval, by)) }
}

/// What is in force after a 2xx to a request of ours (§7.2). One that names no interval comes from a peer that knows of
/// none: where we want one, the refreshes are our own affair.
pub fn heard(response: &Message, wishes: SessionIntervals, before: SessionTimer) -> Option<Terms> {
    match interval(response) {
        Ok(Some(said)) => {
            let by = match said.refresher {
                Some(Refresher::Uas) => RefreshedBy::Peer,
                Some(Refresher::Uac) | None => RefreshedBy::Exchange,
            };
            Some(Terms::new(said.seconds.max(SHORTEST), by))
        }
        Ok(None) | Err(_) if wishes.wanted > 0 => {
            let interval = wishes.asked(before.terms, before.min_se)?;
            Some(Terms::new(interval, RefreshedBy::ExchangeAlone))
        }
        Ok(None) | Err(_) => None,
    }
}

/// What an INVITE or UPDATE of ours says (§7.1, §7.4): Session-Expires, and Min-SE where it is not the usual one. The role
/// of who refreshes stays what it is, and is left to the peer where there is none.
pub fn asks(timer: SessionTimer, wishes: SessionIntervals) -> (Option<Interval>, Option<u32>) {
    let min = timer.min_se.max(wishes.least());
    let refresher = timer.terms.map(|terms| match terms.by {
        RefreshedBy::Peer => Refresher::Uas,
        RefreshedBy::Exchange | RefreshedBy::ExchangeAlone => Refresher::Uac,
    });
    let interval = wishes.asked(timer.terms, timer.min_se).map(|seconds| Interval { seconds, refresher });
    (interval, (timer.min_se > 0 || min > SHORTEST).then_some(min))
}

/// The Min-SE to ask again with after a 422 to a request that asked for `asked` seconds (§7.4); none where that is of no
/// use.
pub fn longer(response: &Message, asked: u32, timer: SessionTimer) -> Option<u32> {
    let min = min_se(response).ok()??;
    (min > asked && min <= LONGEST_MIN_SE).then(|| min.max(timer.min_se))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISHES: SessionIntervals = SessionIntervals { wanted: 1_800, min: 90 };
    const NONE: SessionIntervals = SessionIntervals { wanted: 0, min: 90 };

    fn request(headers: &str) -> Message {
        Message::scan(format!("INVITE sip:a@b SIP/2.0\r\n{headers}\r\n").into()).unwrap()
    }

    fn response(status: u16, headers: &str) -> Message {
        Message::scan(format!("SIP/2.0 {status} Said\r\n{headers}\r\n").into()).unwrap()
    }

    fn says(headers: &str, wishes: SessionIntervals) -> Result<Option<(u32, Refresher)>, IntervalFault> {
        grant(&request(headers), wishes, None).map(|granted| granted.says)
    }

    fn in_force(by: RefreshedBy) -> Option<Terms> {
        Some(Terms::new(600, by))
    }

    #[test]
    fn who_asks_for_nothing_is_given_what_we_want_and_refresh_and_only_told_of_it_where_it_knows_timers() {
        let given = grant(&request("Supported: timer\r\nMin-SE: 2000\r\n"), WISHES, None).unwrap();
        assert_eq!((given.says, given.requires), (Some((2_000, Refresher::Uas)), true));
        let untold = grant(&request(""), WISHES, None).unwrap();
        assert_eq!((untold.says, untold.terms), (None, Some(Terms::new(1_800, RefreshedBy::ExchangeAlone))));
        for headers in ["", "Supported: timer\r\n"] {
            let nothing = grant(&request(headers), NONE, None).unwrap();
            assert_eq!((nothing.says, nothing.terms, nothing.requires), (None, None, false));
        }
    }

    #[test]
    fn the_answer_always_names_a_refresher() {
        for (headers, refresher) in [
            ("x: 1200\r\nk: 100rel, Timer\r\n", Refresher::Uac),
            ("Session-Expires: 1200;refresher=uac\r\nRequire: timer\r\n", Refresher::Uac),
            ("Session-Expires: 1200 ; a=b ; Refresher = UAS\r\nSupported: timer\r\n", Refresher::Uas),
            ("Session-Expires: 1200\r\n", Refresher::Uas),
            ("Session-Expires: 1200;refresher=uac\r\n", Refresher::Uas),
        ] {
            for wishes in [WISHES, NONE] {
                assert_eq!(says(headers, wishes), Ok(Some((1_200, refresher))), "{headers}");
            }
        }
    }

    #[test]
    fn who_refreshes_stays_the_same_unless_the_request_says_otherwise() {
        for (by, refresher) in [(RefreshedBy::Peer, Refresher::Uac), (RefreshedBy::Exchange, Refresher::Uas)] {
            for headers in ["k: timer\r\n", "k: timer\r\nx: 600\r\n"] {
                let granted = grant(&request(headers), NONE, in_force(by)).unwrap();
                assert_eq!(granted.says, Some((600, refresher)), "{headers}");
            }
            let other = grant(&request("k: timer\r\nx: 600;refresher=uas\r\n"), NONE, in_force(by)).unwrap();
            assert_eq!(other.terms, in_force(RefreshedBy::Exchange));
        }
    }

    #[test]
    fn a_request_without_a_word_of_timers_ends_the_one_that_was_agreed() {
        let before = in_force(RefreshedBy::Peer);
        assert_eq!(grant(&request(""), NONE, before).unwrap().terms, None);
        let ours = grant(&request(""), WISHES, before).unwrap();
        assert_eq!((ours.says, ours.terms), (None, in_force(RefreshedBy::ExchangeAlone)));
    }

    #[test]
    fn what_is_too_short_is_422_to_who_knows_it_and_lengthened_for_others() {
        assert_eq!(says("x: 89\r\nk: timer\r\n", WISHES), Err(IntervalFault::TooShort { min: 90 }));
        assert_eq!(says("x: 60\r\n", WISHES), Ok(Some((90, Refresher::Uas))));
        assert_eq!(says("x: 90\r\nMin-SE: 300\r\nk: timer\r\n", WISHES), Ok(Some((300, Refresher::Uac))));
        let strict = SessionIntervals { min: 600, ..WISHES };
        assert_eq!(says("x: 599\r\nk: timer\r\n", strict), Err(IntervalFault::TooShort { min: 600 }));
        let careless = SessionIntervals { min: 1, ..WISHES };
        assert_eq!(says("x: 80\r\nk: timer\r\n", careless), Err(IntervalFault::TooShort { min: 90 }));
        assert_eq!(
            [IntervalFault::Unreadable, IntervalFault::TooShort { min: 90 }].map(IntervalFault::status),
            [400, 422]
        );
    }

    #[test]
    fn what_is_too_long_is_granted_for_the_longest_time() {
        assert_eq!(says("x: 99999999999999\r\nk: timer\r\n", WISHES), Ok(Some((7_200, Refresher::Uac))));
        assert_eq!(says("x: 7201;refresher=uas\r\nk: timer\r\n", NONE), Ok(Some((7_200, Refresher::Uas))));
        let patient = SessionIntervals { wanted: 10_000, ..WISHES };
        assert_eq!(says("x: 9000\r\nk: timer\r\n", patient), Ok(Some((9_000, Refresher::Uac))));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for broken in
            ["x:\r\n", "x: soon\r\n", "x: -90\r\n", "x: +90\r\n", "x: 90;refresher=me\r\n", "x: 90;refresher\r\n"]
        {
            assert_eq!(says(broken, WISHES), Err(IntervalFault::Unreadable), "{broken}");
        }
        assert_eq!(says("x: 90\r\nMin-SE: x\r\n", WISHES), Err(IntervalFault::Unreadable));
    }

    #[test]
    fn a_2xx_says_who_refreshes_and_without_a_word_that_is_us_if_we_want_it() {
        let heard = |headers: &str, wishes| super::heard(&response(200, headers), wishes, SessionTimer::default());
        assert_eq!(heard("x: 600;refresher=uas\r\n", WISHES), in_force(RefreshedBy::Peer));
        for unclear in ["x: 600;refresher=uac\r\n", "x: 600\r\n"] {
            assert_eq!(heard(unclear, NONE), in_force(RefreshedBy::Exchange));
        }
        assert_eq!(heard("x: 1;refresher=uac\r\n", WISHES), Some(Terms::new(90, RefreshedBy::Exchange)));
        for nothing in ["", "x: soon\r\n"] {
            assert_eq!(heard(nothing, WISHES), Some(Terms::new(1_800, RefreshedBy::ExchangeAlone)));
            assert_eq!(heard(nothing, NONE), None);
        }
    }

    #[test]
    fn a_request_of_ours_keeps_interval_and_role_and_says_what_it_heard_of_min_se() {
        let asked = |terms, min_se, wishes| asks(SessionTimer { terms, min_se, ..SessionTimer::default() }, wishes);
        let interval = |seconds, refresher| Some(Interval { seconds, refresher });
        assert_eq!(asked(None, 0, WISHES), (interval(1_800, None), None));
        assert_eq!(asked(None, 0, NONE), (None, None));
        assert_eq!(asked(None, 3_000, WISHES), (interval(3_000, None), Some(3_000)));
        assert_eq!(asked(None, 0, SessionIntervals { min: 300, ..WISHES }), (interval(1_800, None), Some(300)));
        for (by, refresher) in [
            (RefreshedBy::Peer, Refresher::Uas),
            (RefreshedBy::Exchange, Refresher::Uac),
            (RefreshedBy::ExchangeAlone, Refresher::Uac),
        ] {
            assert_eq!(asked(in_force(by), 90, WISHES), (interval(600, Some(refresher)), Some(90)));
        }
    }

    #[test]
    fn a_422_is_followed_where_it_asks_for_more_than_was_asked_and_not_for_ever() {
        let timer = SessionTimer { min_se: 2_500, ..SessionTimer::default() };
        let longer = |headers: &str| super::longer(&response(422, headers), 1_800, timer);
        assert_eq!(longer("Min-SE: 3600\r\n"), Some(3_600));
        assert_eq!(longer("Min-SE: 2000\r\n"), Some(2_500));
        for useless in ["", "Min-SE: 1800\r\n", "Min-SE: 90\r\n", "Min-SE: 86401\r\n", "Min-SE: much\r\n"] {
            assert_eq!(longer(useless), None, "{useless}");
        }
    }

    #[test]
    fn a_session_is_refreshed_at_half_its_time_and_given_up_before_its_end() {
        let refreshed = |by| [90, 91, 1_800].map(|interval| Terms::new(interval, by).refresh_after());
        let over = |by| [90, 96, 1_800].map(|interval| Terms::new(interval, by).over_after());
        let after = |times: [u64; 3]| times.map(|time| Some(Duration::from_secs(time)));
        for by in [RefreshedBy::Exchange, RefreshedBy::ExchangeAlone] {
            assert_eq!(refreshed(by), after([45, 45, 900]));
        }
        assert_eq!(refreshed(RefreshedBy::Peer), [None; 3]);
        assert_eq!(over(RefreshedBy::Peer), after([60, 64, 1_768]));
        assert_eq!(over(RefreshedBy::Exchange), after([90, 96, 1_800]));
        assert_eq!(over(RefreshedBy::ExchangeAlone), [None; 3]);
    }
}
