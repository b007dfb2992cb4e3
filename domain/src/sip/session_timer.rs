//! Session timers (RFC 4028), as pure rules: what a message asks for, what is granted, when a session is refreshed and when
//! it is over. Nobody calls them yet: the endpoint neither offers nor grants timers.

use super::wire::{HeaderName, Message};
use std::time::Duration;

/// No interval may be shorter, in seconds (RFC 4028 §5).
pub const SHORTEST: u32 = 90;

/// Whose task the refreshes are, as the message says it: the sender of the request or its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request that the interval stands in.
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
    /// Not a number of seconds, or an unknown refresher: 400.
    #[error("Session-Expires or Min-SE cannot be read: send seconds, and uac or uas as refresher")]
    Unreadable,
    /// Shorter than we allow: 422 with this as Min-SE (§9).
    #[error("the session interval is too short: ask for at least {min} s")]
    TooShort {
        /// The shortest that is granted, in seconds.
        min: u32,
    },
}

/// Between which intervals we grant what is asked for, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalLimits {
    /// The shortest; never below [`SHORTEST`].
    pub min: u32,
    /// The longest; what is longer is granted as this.
    pub max: u32,
}

impl Default for IntervalLimits {
    fn default() -> Self {
        Self { min: SHORTEST, max: 7_200 }
    }
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

/// The Min-SE of a message, [`SHORTEST`] where it has none.
///
/// # Errors
/// It cannot be read.
pub fn min_se(message: &Message) -> Result<u32, IntervalFault> {
    let Some(value) = message.header(HeaderName::MinSe) else { return Ok(SHORTEST) };
    Ok(read_seconds(value.split(';').next().unwrap_or_default())?.max(SHORTEST))
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
    let mut options = message.values(HeaderName::Supported).chain(message.values(HeaderName::Require));
    options.any(|option| option.eq_ignore_ascii_case("timer"))
}

/// What the 2xx to a request says, which always names who refreshes (§9, table 2). None where the request asks for nothing.
///
/// # Errors
/// The request is to be refused: 400, or 422 where its sender knows what that means.
pub fn grant(request: &Message, limits: IntervalLimits) -> Result<Option<(u32, Refresher)>, IntervalFault> {
    let Some(asked) = interval(request)? else { return Ok(None) };
    let min = limits.min.max(SHORTEST);
    let supported = supports_timer(request);
    if asked.seconds < min && supported {
        return Err(IntervalFault::TooShort { min });
    }
    let least = min.max(min_se(request)?);
    let seconds = asked.seconds.min(limits.max).max(least);
    let refresher = match (supported, asked.refresher) {
        (true, Some(refresher)) => refresher,
        (true, None) => Refresher::Uac,
        // A proxy asked for it: who sent the request cannot refresh.
        (false, _) => Refresher::Uas,
    };
    Ok(Some((seconds, refresher)))
}

/// When whoever refreshes does so, after the last 2xx (§10).
pub fn refresh_after(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds / 2))
}

/// When the other side gives the session up, after the last 2xx: a third of the interval before its end, 32 s at most, so
/// that the BYE arrives before everybody else has forgotten (§10).
pub fn give_up_after(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds - (seconds / 3).min(32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &str) -> Message {
        Message::scan(format!("INVITE sip:a@b SIP/2.0\r\n{headers}\r\n").into()).unwrap()
    }

    fn granted(headers: &str) -> Result<Option<(u32, Refresher)>, IntervalFault> {
        grant(&request(headers), IntervalLimits::default())
    }

    #[test]
    fn who_asks_for_nothing_gets_no_timer() {
        assert_eq!(granted(""), Ok(None));
        assert_eq!(granted("Supported: timer\r\nMin-SE: 120\r\n"), Ok(None));
    }

    #[test]
    fn the_answer_always_names_a_refresher() {
        for (headers, refresher) in [
            ("x: 1800\r\nk: 100rel, Timer\r\n", Refresher::Uac),
            ("Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n", Refresher::Uac),
            ("Session-Expires: 1800 ; a=b ; Refresher = UAS\r\nSupported: timer\r\n", Refresher::Uas),
            ("Session-Expires: 1800\r\n", Refresher::Uas),
            ("Session-Expires: 1800;refresher=uac\r\n", Refresher::Uas),
        ] {
            assert_eq!(granted(headers), Ok(Some((1800, refresher))), "{headers}");
        }
    }

    #[test]
    fn what_is_too_short_is_422_to_who_knows_it_and_lengthened_for_others() {
        assert_eq!(granted("x: 89\r\nk: timer\r\n"), Err(IntervalFault::TooShort { min: 90 }));
        assert_eq!(granted("x: 60\r\n"), Ok(Some((90, Refresher::Uas))));
        assert_eq!(granted("x: 90\r\nMin-SE: 300\r\nk: timer\r\n"), Ok(Some((300, Refresher::Uac))));
        let strict = IntervalLimits { min: 600, max: 7_200 };
        assert_eq!(grant(&request("x: 599\r\nk: timer\r\n"), strict), Err(IntervalFault::TooShort { min: 600 }));
        let careless = IntervalLimits { min: 1, max: 7_200 };
        assert_eq!(grant(&request("x: 80\r\nk: timer\r\n"), careless), Err(IntervalFault::TooShort { min: 90 }));
    }

    #[test]
    fn what_is_too_long_is_granted_for_the_longest_time() {
        assert_eq!(granted("x: 99999999999999\r\nk: timer\r\n"), Ok(Some((7_200, Refresher::Uac))));
        assert_eq!(granted("x: 7201;refresher=uas\r\nk: timer\r\n"), Ok(Some((7_200, Refresher::Uas))));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for broken in
            ["x:\r\n", "x: soon\r\n", "x: -90\r\n", "x: +90\r\n", "x: 90;refresher=me\r\n", "x: 90;refresher\r\n"]
        {
            assert_eq!(granted(broken), Err(IntervalFault::Unreadable), "{broken}");
        }
        assert_eq!(granted("x: 90\r\nMin-SE: x\r\n"), Err(IntervalFault::Unreadable));
    }

    #[test]
    fn a_session_is_refreshed_at_half_its_time_and_given_up_before_its_end() {
        assert_eq!([90, 91, 1800].map(|seconds| refresh_after(seconds).as_secs()), [45, 45, 900]);
        assert_eq!([90, 96, 1800, 0].map(|seconds| give_up_after(seconds).as_secs()), [60, 64, 1768, 0]);
    }
}
