//! Extensions that a request may require, by their option tags (RFC 3261 §19.2).

use crate::sip::session_timer::TIMER;
use crate::sip::wire::{HeaderName, Message, Method};

/// The option tag of calls that take another's place (RFC 3891 §4).
const REPLACES: &str = "replaces";

/// The option tag of a REFER without a subscription (RFC 4488 §4).
const NO_SUBSCRIPTION: &str = "norefersub";

/// The option tag of reliable provisional responses (RFC 3262).
pub const RELIABLE: &str = "100rel";

/// What we say in Supported.
pub(super) const SUPPORTED: &str = "replaces, timer, 100rel";

/// What an INVITE says in it, which does not always take provisional responses reliably.
pub(super) const fn announced(takes_reliable: bool) -> &'static str {
    if takes_reliable { SUPPORTED } else { "replaces, timer" }
}

/// The extensions that a request requires and that we do not have, or not for its method: what its 420 lists.
pub(super) fn unsupported(request: &Message) -> impl Iterator<Item = &str> {
    let method = request.method();
    request.values(HeaderName::Require).filter(move |option| !has(method, option))
}

fn has(method: Option<&Method>, option: &str) -> bool {
    // What began a dialog is required in all of it (RFC 4028 §7.4).
    if option.eq_ignore_ascii_case(TIMER) {
        return true;
    }
    match method {
        Some(Method::Invite) => [REPLACES, RELIABLE].iter().any(|known| option.eq_ignore_ascii_case(known)),
        Some(Method::Prack | Method::Update) => option.eq_ignore_ascii_case(RELIABLE),
        Some(Method::Refer) => option.eq_ignore_ascii_case(NO_SUBSCRIPTION),
        Some(_) | None => false,
    }
}

/// Whether a request requires what we do not have.
pub(super) fn requires_too_much(request: &Message) -> bool {
    unsupported(request).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(method: &str, require: &str) -> Vec<String> {
        let text = format!("{method} sip:a SIP/2.0\r\n{require}\r\n");
        unsupported(&Message::scan(text.into()).unwrap()).map(str::to_owned).collect()
    }

    #[test]
    fn replacing_may_be_required_of_an_invite_and_no_subscription_of_a_refer() {
        assert!(lacks("INVITE", "Require: Replaces\r\n").is_empty());
        assert!(lacks("REFER", "Require: norefersub\r\n").is_empty());
        assert_eq!(lacks("OPTIONS", "Require: replaces\r\n"), ["replaces"]);
        assert_eq!(lacks("INVITE", "Require: a, replaces\r\nRequire: norefersub\r\n"), ["a", "norefersub"]);
        assert!(lacks("BYE", "Require:\r\n").is_empty());
    }

    #[test]
    fn session_timers_may_be_required_of_anything() {
        for method in ["INVITE", "UPDATE", "BYE", "OPTIONS"] {
            assert!(lacks(method, "Require: Timer\r\n").is_empty());
        }
    }

    #[test]
    fn reliable_provisional_responses_may_be_required_of_what_has_some_or_is_about_them() {
        for method in ["INVITE", "PRACK", "UPDATE"] {
            assert!(lacks(method, "Require: 100Rel\r\nRequire: 100rel\r\n").is_empty());
        }
        assert_eq!(lacks("OPTIONS", "Require: 100rel\r\n"), ["100rel"]);
        assert_eq!(lacks("INVITE", "Require: a, 100rel\r\nRequire: 100relx\r\n"), ["a", "100relx"]);
    }
}
