//! The side that asks: challenges, and the verdict on what comes back (RFC 3261 §22.2, RFC 8760 §2.3).

use super::challenge::{self, Asker, Realm};
use super::counts::{CountSettings, Counted, Counts};
use super::credentials::{Credentials, Lookup, same_target};
use super::hash::{Algorithm, DigestSecret};
use super::nonce::{NonceId, NonceKey};
use super::params::Wrong;
use crate::sip::wire::{Message, Method};
use crate::time::Moment;
use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// What a [`Challenger`] is told once.
#[derive(Clone)]
pub struct ChallengerSettings {
    /// Which algorithms are offered where a realm says nothing, the most wanted first. Those left out are not accepted
    /// either.
    pub algorithms: Vec<Algorithm>,
    /// Proves nonces. Kept over restarts, so that an old nonce is known as ours and only asked for again; one for each
    /// shard, for counts are not shared.
    pub secret: Zeroizing<[u8; 32]>,
    /// Which start this is: nonces of others are stale, for their counts are gone.
    pub epoch: u32,
    /// How long a nonce serves.
    pub lifetime: Duration,
    /// What is remembered of used nonces.
    pub counts: CountSettings,
    /// Whether answers without `qop` are taken, as RFC 2617 §3.2.2.1 allows. They have no count: for its lifetime a
    /// nonce then takes the same answer again.
    pub without_qop: bool,
}

impl ChallengerSettings {
    /// SHA-256 and MD5, nonces of five minutes, `qop` needed.
    pub fn new(secret: [u8; 32], epoch: u32) -> Self {
        Self {
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            secret: Zeroizing::new(secret),
            epoch,
            lifetime: Duration::from_secs(300),
            counts: CountSettings::default(),
            without_qop: false,
        }
    }
}

impl fmt::Debug for ChallengerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengerSettings")
            .field("algorithms", &self.algorithms)
            .field("epoch", &self.epoch)
            .field("lifetime", &self.lifetime)
            .field("counts", &self.counts)
            .field("without_qop", &self.without_qop)
            .finish_non_exhaustive()
    }
}

/// What a request shows of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its Request-URI.
    pub uri: &'a str,
    /// The values of its Authorization or Proxy-Authorization headers, one a line.
    pub credentials: Vec<&'a str>,
}

impl<'a> Presented<'a> {
    /// What a request shows to a server or a proxy.
    pub fn by(request: &'a Message, asker: Asker) -> Self {
        let lines = request.headers().filter(|header| header.name == asker.credentials());
        Self {
            method: request.method().map_or("", Method::as_str),
            uri: request.request_uri().unwrap_or_default(),
            credentials: lines.map(|header| header.value).collect(),
        }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({} …, {} lines)", self.method, self.credentials.len())
    }
}

/// What became of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are right and new.
    Accepted {
        /// Whose they are.
        username: String,
        /// By which algorithm.
        algorithm: Algorithm,
    },
    /// None for this realm.
    NoCredentials,
    /// Right, but the nonce is too old, of another start, or forgotten.
    Stale,
    /// Right, but the count was used before, or is too far behind to tell. No failed login.
    Replayed,
    /// The response is wrong for this user.
    WrongPassword,
    /// No such user; takes the same work as a wrong password and is answered the same.
    UnknownUser,
    /// The nonce is none of ours at this realm.
    BadNonce,
    /// An algorithm or quality of protection that we did not offer.
    Unsupported,
    /// They could not be read, or were made for another target.
    Malformed(Wrong),
}

/// What to do about a request: all that may be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Let it in.
    Admit,
    /// Answer 401 or 407 with [`Challenger::challenges`].
    Challenge {
        /// Whether the client may try again without asking its user.
        stale: bool,
    },
    /// Answer 400.
    Refuse,
}

impl Verdict {
    /// What follows from it.
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::Accepted { .. } => Reaction::Admit,
            Self::Stale | Self::Replayed => Reaction::Challenge { stale: true },
            Self::NoCredentials | Self::WrongPassword | Self::UnknownUser | Self::BadNonce | Self::Unsupported => {
                Reaction::Challenge { stale: false }
            }
            Self::Malformed(_) => Reaction::Refuse,
        }
    }

    /// Whether somebody guessed wrong: what counts toward a lock-out.
    pub const fn is_failed_login(&self) -> bool {
        match self {
            Self::WrongPassword | Self::UnknownUser => true,
            Self::Accepted { .. }
            | Self::NoCredentials
            | Self::Stale
            | Self::Replayed
            | Self::BadNonce
            | Self::Unsupported
            | Self::Malformed(_) => false,
        }
    }
}

/// Asks, and judges answers, at any number of realms. One a shard.
pub struct Challenger {
    settings: ChallengerSettings,
    key: NonceKey,
    counts: Counts,
    /// Stands in for the secret of a user that there is not.
    nobody: DigestSecret,
}

impl Challenger {
    /// One that has asked nobody yet. An algorithm that is named twice counts once.
    pub fn new(mut settings: ChallengerSettings) -> Self {
        let named = std::mem::take(&mut settings.algorithms);
        for algorithm in named {
            if !settings.algorithms.contains(&algorithm) {
                settings.algorithms.push(algorithm);
            }
        }
        let key = NonceKey::new(&settings.secret);
        let nobody = DigestSecret::from_password("", "", &Zeroizing::new(key.derive("nobody", "")));
        Self { counts: Counts::new(settings.counts), key, nobody, settings }
    }

    /// The values of the WWW-Authenticate or Proxy-Authenticate headers of a challenge, one a line, in the order that
    /// the realm or else the settings have them (RFC 8760 §2.3). `bits` are 64 that nobody can guess; all lines share one nonce.
    pub fn challenges(&self, now: Moment, bits: u64, realm: &Realm, stale: bool) -> Vec<String> {
        let nonce = self.key.write(self.settings.epoch, NonceId::new(now, bits), realm.as_str());
        let opaque = self.key.derive("opaque", realm.as_str());
        let line = |algorithm: &Algorithm| challenge::write(realm, &nonce, &opaque, *algorithm, stale);
        realm.algorithms(&self.settings.algorithms).iter().map(line).collect()
    }

    /// Judges what a request shows. `lookup` finds the secret of a user at this realm. Only right answers leave a
    /// trace: their nonce's counts.
    pub fn verify<S: Borrow<DigestSecret>>(
        &mut self,
        now: Moment,
        realm: &Realm,
        presented: &Presented<'_>,
        lookup: impl FnOnce(&str) -> Option<S>,
    ) -> Verdict {
        match Credentials::for_realm(realm.as_str(), presented.credentials.iter().copied()) {
            Lookup::None => Verdict::NoCredentials,
            Lookup::Malformed(wrong) => Verdict::Malformed(wrong),
            Lookup::Found(credentials) => match self.judge(now, realm, presented, &credentials, lookup) {
                Ok(verdict) => verdict,
                Err(wrong) => Verdict::Malformed(wrong),
            },
        }
    }

    /// Of how many nonces the counts are remembered.
    pub fn remembered(&self) -> usize {
        self.counts.len()
    }

    fn judge<S: Borrow<DigestSecret>>(
        &mut self,
        now: Moment,
        realm: &Realm,
        presented: &Presented<'_>,
        credentials: &Credentials,
        lookup: impl FnOnce(&str) -> Option<S>,
    ) -> Result<Verdict, Wrong> {
        let offered = |algorithm: &Algorithm| realm.algorithms(&self.settings.algorithms).contains(algorithm);
        let Some(algorithm) = credentials.algorithm.filter(offered) else { return Ok(Verdict::Unsupported) };
        let counted = match &credentials.qop {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => true,
            None if self.settings.without_qop => false,
            Some(_) | None => return Ok(Verdict::Unsupported),
        };
        let exchange = credentials.exchange(presented.method)?;
        if !same_target(&credentials.uri, presented.uri) {
            return Err(Wrong::OtherTarget);
        }
        let Some(nonce) = self.key.open(&credentials.nonce, realm.as_str()) else { return Ok(Verdict::BadNonce) };
        let secret = lookup(&credentials.username);
        // A user that there is not costs the same sums, and its answer is thrown away.
        let ha1 = secret.as_ref().map_or(&self.nobody, Borrow::borrow).ha1(algorithm);
        let right = ha1.agrees(&exchange, &credentials.response);
        match (secret.is_some(), right) {
            (false, _) => return Ok(Verdict::UnknownUser),
            (true, false) => return Ok(Verdict::WrongPassword),
            (true, true) => {}
        }
        let of_this_start = nonce.epoch == self.settings.epoch && nonce.id.issued <= now;
        if !of_this_start || now.since(nonce.id.issued) > self.settings.lifetime {
            return Ok(Verdict::Stale);
        }
        self.counts.expire(now, self.settings.lifetime);
        if counted {
            match self.counts.take(nonce.id, credentials.count().ok_or(Wrong::Missing("nc"))?) {
                Counted::Fresh => {}
                Counted::Used => return Ok(Verdict::Replayed),
                Counted::Unknown => return Ok(Verdict::Stale),
            }
        }
        Ok(Verdict::Accepted { username: credentials.username.clone(), algorithm })
    }
}

impl fmt::Debug for Challenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenger")
            .field("settings", &self.settings)
            .field("remembered", &self.counts.len())
            .finish_non_exhaustive()
    }
}
