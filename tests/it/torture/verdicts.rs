//! What an exchange that serves calls owes to each message of RFC 4475 and RFC 5118, as their texts say. Where a text
//! leaves a choice, all of it stands here. What depends on the build: methods that are not served (REGISTER on an edge for carriers) are
//! answered with 405, which RFC 4475 §3.3.7 has for who is no registrar; once there is one, these verdicts change.

use super::Owes::{Answer, Routed, Silence};
use super::{Owes, Torture};

/// OPTIONS is answered for ourselves, or, by RFC 3261 §11.2, as an INVITE to the same user would be.
const OPTIONS: Owes = Answer(&[200, 404], &[]);
/// A user that nobody has.
const NOBODY: Owes = Answer(&[404], &[]);
const BAD: Owes = Answer(&[400], &[]);
/// Known methods that are not served; who gets 405 is told what is (RFC 3261 §20.5).
const NOT_SERVED: Owes = Answer(&[405], &[("Allow", "INVITE")]);
/// Methods that are nobody's: 501, or 405 by RFC 3261 §8.2.1.
const UNKNOWN_METHOD: Owes = Answer(&[501, 405], &[("Allow", "INVITE")]);

/// A message without a second run.
const fn message(section: &'static str, name: &'static str, owes: Owes) -> Torture {
    Torture { section, name, as_is: owes, routable: None, edits: &[] }
}

/// An INVITE: what is owed as it is, and once its Request-URI has a number that rings somebody.
const fn invite(section: &'static str, name: &'static str, as_is: Owes, routable: Owes) -> Torture {
    Torture { section, name, as_is, routable: Some(routable), edits: &[] }
}

/// An INVITE that is refused whomever it is for.
const fn bad_invite(section: &'static str, name: &'static str) -> Torture {
    invite(section, name, BAD, BAD)
}

/// RFC 4475, in its order.
pub(super) const RFC4475: [Torture; 49] = [
    // It has a To tag: it belongs to a dialog that is not there (RFC 3261 §12.2.2). Without the tag it is a call.
    Torture {
        edits: &[(";   tag    = 1918181833n", "")],
        ..invite("3.1.1.1", "wsinv", Answer(&[481], &[]), Routed(&[("Max-Forwards", "67")]))
    },
    message("3.1.1.2", "intmeth", UNKNOWN_METHOD),
    // The user is what the escapes mean: an escaped number is that number.
    Torture {
        edits: &[("INVITE sip:sips%3Auser%40example.com@", "INVITE sip:%2B1555000%31111@")],
        ..invite("3.1.1.3", "esc01", NOBODY, Routed(&[("Max-Forwards", "86")]))
    },
    message("3.1.1.4", "escnull", NOT_SERVED),
    // No escapes in methods: this is no REGISTER.
    message("3.1.1.5", "esc02", UNKNOWN_METHOD),
    message("3.1.1.6", "lwsdisp", OPTIONS),
    invite("3.1.1.7", "longreq", NOBODY, Routed(&[("Max-Forwards", "69")])),
    // One answer: what follows in the datagram is ignored.
    message("3.1.1.8", "dblreq", NOT_SERVED),
    message("3.1.1.9", "semiuri", OPTIONS),
    message("3.1.1.10", "transports", OPTIONS),
    // A MESSAGE to a user that nobody has.
    message("3.1.1.11", "mpart01", NOBODY),
    // Two responses to nothing that we sent (RFC 3261 §18.1.2). That their phrases do no harm, our own cases show.
    message("3.1.1.12", "unreason", Silence),
    message("3.1.1.13", "noreason", Silence),
    bad_invite("3.1.2.1", "badinv01"),
    bad_invite("3.1.2.2", "clerr"),
    bad_invite("3.1.2.3", "ncl"),
    message("3.1.2.4", "scalar02", BAD),
    message("3.1.2.5", "scalarlg", Silence),
    bad_invite("3.1.2.6", "quotbal"),
    bad_invite("3.1.2.7", "ltgtruri"),
    bad_invite("3.1.2.8", "lwsruri"),
    bad_invite("3.1.2.9", "lwsstart"),
    message("3.1.2.10", "trws", Answer(&[400, 200, 404], &[])),
    bad_invite("3.1.2.11", "escruri"),
    // Not to be rejected by who does not need the Date.
    invite("3.1.2.12", "baddate", NOBODY, Routed(&[])),
    message("3.1.2.13", "regbadct", Answer(&[400, 405], &[])),
    message("3.1.2.14", "badaspec", BAD),
    message("3.1.2.15", "baddn", BAD),
    message("3.1.2.16", "badvers", Answer(&[505], &[])),
    message("3.1.2.17", "mismatch01", BAD),
    // 400 would do, 501 lasts longer.
    message("3.1.2.18", "mismatch02", Answer(&[501], &[("Allow", "INVITE")])),
    message("3.1.2.19", "bigcode", Silence),
    message("3.2.1", "badbranch", Answer(&[400, 200, 404], &[])),
    bad_invite("3.3.1", "insuf"),
    message("3.3.2", "unkscm", Answer(&[416], &[])),
    message("3.3.3", "novelsc", Answer(&[416], &[])),
    message("3.3.4", "unksm2", Answer(&[400, 405], &[])),
    message(
        "3.3.5",
        "bext01",
        Answer(&[420], &[("Unsupported", "nothingSupportsThis"), ("Unsupported", "nothingSupportsThisEither")]),
    ),
    // An endpoint says 415 (with what it takes, RFC 3261 §21.4.13). The user is judged before the body (§8.2).
    invite("3.3.6", "invut", Answer(&[415, 404], &[]), Answer(&[415], &[("Accept", "application/sdp")])),
    message("3.3.7", "regaut01", NOT_SERVED),
    bad_invite("3.3.8", "multi01"),
    message("3.3.9", "mcl01", BAD),
    message("3.3.10", "bcast", Silence),
    // Whoever answers by itself counts no hops.
    message("3.3.11", "zeromf", OPTIONS),
    message("3.3.12", "cparam01", NOT_SERVED),
    message("3.3.13", "cparam02", NOT_SERVED),
    message("3.3.14", "regescrt", NOT_SERVED),
    invite("3.3.15", "sdp01", Answer(&[406, 400, 404], &[]), Answer(&[406, 400], &[])),
    // No branch, no From tag, no Content-Length, no Max-Forwards, no Contact.
    invite("3.4.1", "inv2543", NOBODY, Routed(&[])),
];

/// RFC 5118, in its order.
pub(super) const RFC5118: [Torture; 12] = [
    message("4.1", "ipv6-good", NOT_SERVED),
    message("4.2", "ipv6-bad", BAD),
    // The port is part of the address; the message is well formed.
    message("4.3", "port-ambiguous", NOT_SERVED),
    message("4.4", "port-unambiguous", NOT_SERVED),
    // A BYE to no dialog of ours (RFC 3261 §15.1.2): both forms of `received` are read.
    message("4.5", "via-received-param-with-delim", Answer(&[481], &[])),
    message("4.5", "via-received-param-no-delim", OPTIONS),
    invite("4.6", "ipv6-in-sdp", NOBODY, Routed(&[("Max-Forwards", "69")])),
    message("4.7", "mult-ip-in-header", Answer(&[481], &[])),
    invite("4.8", "mult-ip-in-sdp", NOBODY, Routed(&[])),
    invite("4.9", "ipv4-mapped-ipv6", NOBODY, Routed(&[])),
    // RFC 3261's grammar made three colons of two: whoever accepts both talks to everybody.
    message("4.10", "ipv6-bug-abnf-3-colons", OPTIONS),
    message("4.10", "ipv6-correct-abnf-2-colons", OPTIONS),
];

/// Messages whose verdict is not met yet. This list may only shrink: the test fails for an entry that is met.
pub(super) const OWED: &[&str] = &[];
