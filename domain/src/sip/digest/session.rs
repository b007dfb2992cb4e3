//! What a client remembers between requests to one peer: the challenge it answers, and how often it may be asked.

use super::challenge::Challenge;
use super::client::{Login, answer_one, chosen};
use crate::sip::wire::HeaderName;
use std::fmt;

/// How often a request is sent again because its credentials were not taken, where the server does not say that only
/// the nonce was at fault. Some servers never say so; more often the password is wrong.
const MOST_RETRIES: u8 = 2;
/// How often at most, whatever the server says.
const MOST_STALE: u8 = 6;

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// No challenge is one that we can answer.
    #[error("no challenge is Digest with a known algorithm and qop auth: the peer wants something we do not speak")]
    NothingKnown,
    /// The very credentials that the server asked for were refused.
    #[error("the peer refused the credentials: check user name and password")]
    Refused,
    /// Asked again too often.
    #[error("the peer asked for credentials again and again: check user name and password")]
    TooOften,
}

/// The client's side of authentication with one peer. It outlives requests: a nonce serves until the peer refuses it.
#[derive(Clone, Default)]
pub struct Session {
    challenge: Option<Challenge>,
    /// How often the nonce was used.
    used: u32,
    /// Whether the request at hand was sent with this nonce.
    sent: bool,
    retries: u8,
    stale: u8,
}

impl Session {
    /// A new request begins. The header for it, where the peer has asked before: it saves a round trip (RFC 3261
    /// §22.3 allows it). `cnonce` is 64 unguessable bits.
    pub fn begin(&mut self, login: &Login<'_>, method: &str, uri: &str, cnonce: u64) -> Option<(HeaderName, String)> {
        (self.retries, self.stale, self.sent) = (0, 0, false);
        self.credentials(login, method, uri, cnonce)
    }

    /// The request got a 401 or 407 with these challenges. The header to send it again with.
    ///
    /// # Errors
    /// It is not to be sent again.
    pub fn challenged(
        &mut self,
        challenges: &[Challenge],
        login: &Login<'_>,
        method: &str,
        uri: &str,
        cnonce: u64,
    ) -> Result<(HeaderName, String), GaveUp> {
        let Some(challenge) = chosen(challenges) else {
            self.forget();
            return Err(GaveUp::NothingKnown);
        };
        let known = self.challenge.as_ref().filter(|known| known.asker == challenge.asker);
        let same = known.is_some_and(|known| known.nonce == challenge.nonce && known.realm == challenge.realm);
        if self.sent {
            // RFC 3261 §22.1: what was just refused is not tried again.
            let wrong = same.then_some(GaveUp::Refused).or_else(|| self.count(challenge.stale));
            if let Some(gave_up) = wrong {
                self.forget();
                return Err(gave_up);
            }
        }
        if !same {
            self.used = 0;
        }
        self.challenge = Some(challenge.clone());
        self.credentials(login, method, uri, cnonce).ok_or(GaveUp::NothingKnown)
    }

    /// The request at hand goes again for another reason than this session's challenge. The header for it.
    pub fn again(&mut self, login: &Login<'_>, method: &str, uri: &str, cnonce: u64) -> Option<(HeaderName, String)> {
        self.credentials(login, method, uri, cnonce)
    }

    /// Forgets the nonce: the next request goes without credentials.
    pub fn forget(&mut self) {
        (self.challenge, self.used, self.sent) = (None, 0, false);
    }

    fn count(&mut self, stale: bool) -> Option<GaveUp> {
        let (count, most) = if stale { (&mut self.stale, MOST_STALE) } else { (&mut self.retries, MOST_RETRIES) };
        *count += 1;
        (*count > most).then_some(GaveUp::TooOften)
    }

    fn credentials(&mut self, login: &Login<'_>, method: &str, uri: &str, cnonce: u64) -> Option<(HeaderName, String)> {
        let challenge = self.challenge.as_ref()?;
        let Some(used) = self.used.checked_add(1) else {
            self.forget();
            return None;
        };
        self.used = used;
        self.sent = true;
        answer_one(challenge, login, method, uri, cnonce, used)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("used", &self.used).field("sent", &self.sent).finish_non_exhaustive()
    }
}
