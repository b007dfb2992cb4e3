//! Extensions that a request may require, by their option tags (RFC 3261 §19.2).

use crate::sip::wire::{HeaderName, Message, Method};

/// The option tag of calls that take another's place (RFC 3891 §4).
const REPLACES: &str = "replaces";

/// The option tag of a REFER without a subscription (RFC 4488 §4).
const NO_SUBSCRIPTION: &str = "norefersub";

/// What we say in Supported.
pub(super) const SUPPORTED: &str = REPLACES;

/// The extensions that a request requires and that we do not have, or not for its method: what its 420 lists.
pub(super) fn unsupported(request: &Message) -> impl Iterator<Item = &str> {
    let method = request.method();
    request.values(HeaderName::Require).filter(move |option| !has(method, option))
}

fn has(method: Option<&Method>, option: &str) -> bool {
    match method {
        Some(Method::Invite) => option.eq_ignore_ascii_case(REPLACES),
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
}
