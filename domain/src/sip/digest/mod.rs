//! Digest authentication for SIP, both sides: RFC 3261 §22 with RFC 8760 (algorithms), RFC 7616 and RFC 2617
//! (arithmetic). No clock, no randomness: the time and the unguessable bits are arguments.
//!
//! The side that asks holds a [`Challenger`]: it makes [`Challenger::challenges`], one header line for each algorithm,
//! and judges what comes back by [`Challenger::verify`]. Its nonces carry their own proof, so nothing is remembered
//! until somebody answered one rightly; from then on its counts are ([`CountSettings`]), so that no answer serves twice.
//! What it says outside follows from [`Verdict::reaction`] alone: who guesses learns nothing about who exists.
//!
//! The side that answers holds a [`Session`] for each peer, or calls [`answer`] by itself.
//!
//! Texts in quotes are compared and hashed as what they mean: without the quotes, and without the backslashes that guard
//! a character. Realms of ours have neither ([`Realm`]).

mod challenge;
mod challenger;
mod client;
mod counts;
mod credentials;
mod hash;
mod nonce;
mod params;
mod session;

#[cfg(test)]
mod challenger_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod vector_tests;

pub use challenge::{Asker, BadRealm, Challenge, Qop, Realm};
pub use challenger::{Challenger, ChallengerSettings, Presented, Reaction, Verdict};
pub use client::{Login, Secret, answer};
pub use counts::CountSettings;
pub use credentials::{Credentials, Lookup, same_target};
pub use hash::{Algorithm, DigestSecret, Ha1, MalformedSecret};
pub use params::{MAX_PARAMS, MAX_VALUE_BYTES, Wrong};
pub use session::{GaveUp, Session};
