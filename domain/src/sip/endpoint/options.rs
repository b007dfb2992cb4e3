//! Extensions that a request may require, by their option tags (RFC 3261 §19.2).

use crate::sip::wire::{HeaderName, Message, Method};

/// The option tag of reliable provisional responses (RFC 3262).
pub const RELIABLE: &str = "100rel";

/// What we say in Supported.
pub(super) const SUPPORTED: &str = RELIABLE;

/// The extensions that a request requires and that we do not have, or not for its method: what its 420 lists.
pub(super) fn unsupported(request: &Message) -> impl Iterator<Item = &str> {
    let provisional = matches!(request.method(), Some(Method::Invite | Method::Prack | Method::Update));
    let known = move |option: &&str| provisional && option.eq_ignore_ascii_case(RELIABLE);
    request.values(HeaderName::Require).filter(move |option| !known(option))
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
    fn reliable_provisional_responses_may_be_required_of_what_has_some_or_is_about_them() {
        for method in ["INVITE", "PRACK", "UPDATE"] {
            assert!(lacks(method, "Require: 100Rel\r\nRequire: 100rel\r\n").is_empty());
        }
        assert_eq!(lacks("OPTIONS", "Require: 100rel\r\n"), ["100rel"]);
        assert_eq!(lacks("INVITE", "Require: a, 100rel\r\nRequire: 100relx\r\n"), ["a", "100relx"]);
        assert!(lacks("BYE", "Require:\r\n").is_empty());
    }
}
