//! Addresses of record.

use super::Home;
use crate::credential::Username;
use crate::domain_name::DomainName;
use crate::ids::RegistrationId;
use crate::log::StreamName;
use crate::sip::wire::{Scheme, Uri};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// `user@domain` in its one spelling (RFC 3261 §10.3 step 5): without scheme, parameters and escapes, the domain in
/// lower case. The user is one that a credential may have. `sip:` and `sips:` of the same user are the same.
///
/// Clones share the text. `Debug` shows it: it is for tests, not for logs of people's doings.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Arc<str>);

/// A text or URI that is no [`Aor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected user@domain, with a DNS name as the domain")]
pub struct MalformedAor;

impl Aor {
    /// The stream category of what happens to bindings.
    pub const CATEGORY: &'static str = "registration";

    /// The address of a user of a domain.
    pub fn new(username: &Username, domain: &DomainName) -> Self {
        Self(format!("{username}@{domain}").into())
    }

    /// The address that a `sip:` or `sips:` URI names.
    ///
    /// # Errors
    /// It has no user, one that nobody can have, or an address as its host.
    pub fn of(uri: &Uri<'_>) -> Result<Self, MalformedAor> {
        if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(MalformedAor);
        }
        let user = uri.user_text().ok_or(MalformedAor)?;
        let host = uri.host().filter(|host| host.ip().is_none()).ok_or(MalformedAor)?;
        Ok(Self::new(&user.parse().map_err(|_| MalformedAor)?, &host.to_string().parse().map_err(|_| MalformedAor)?))
    }

    /// `user@domain`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user.
    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(user, _)| user)
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Its public id under the exchange's hash key: the same as long as the domain or trunk is the same, and nobody
    /// without the key learns the address from it. Whoever adds the domain after that has another one, so that nothing of
    /// the former owner's users is in its streams.
    pub fn id(&self, key: &[u8; 32], home: Home) -> RegistrationId {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&home.bits().to_be_bytes()).update(self.0.as_bytes());
        let bits = hasher.finalize().as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        RegistrationId::from_bits(u128::from_be_bytes(bits))
    }

    /// The stream of its bindings: `registration-<uuid>` of [`Aor::id`], which is also what its events belong to.
    pub fn stream(&self, key: &[u8; 32], home: Home) -> StreamName {
        StreamName::new(Self::CATEGORY, self.id(key, home).uuid())
    }
}

impl FromStr for Aor {
    type Err = MalformedAor;

    fn from_str(text: &str) -> Result<Self, MalformedAor> {
        let (user, domain) = text.rsplit_once('@').ok_or(MalformedAor)?;
        Ok(Self::new(&user.parse().map_err(|_| MalformedAor)?, &domain.parse().map_err(|_| MalformedAor)?))
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

crate::decider::serde_as_text!(Aor);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DomainId;

    fn of(text: &str) -> Result<Aor, MalformedAor> {
        Aor::of(&Uri::parse(text).unwrap())
    }

    #[test]
    fn parameters_escapes_case_and_scheme_make_no_difference() {
        let aor: Aor = "alice@a.example".parse().unwrap();
        for text in [
            "sip:alice@a.example",
            "sips:alice@A.EXAMPLE",
            "sip:%61lice@a.example;user=phone;transport=tcp",
            "sip:alice@a.example.",
            "sip:alice:password@a.example:5060",
        ] {
            assert_eq!(of(text).as_ref(), Ok(&aor), "{text}");
        }
        assert_eq!((aor.user(), aor.domain()), ("alice", "a.example"));
        assert_ne!(of("sip:Alice@a.example").unwrap(), aor);
    }

    #[test]
    fn what_nobody_can_register_as_is_no_address_of_record() {
        for text in ["sip:a.example", "sip:alice@192.0.2.1", "sip:a%20b@a.example", "tel:+15550000001", "urn:x:y"] {
            assert_eq!(of(text), Err(MalformedAor), "{text}");
        }
        for text in ["alice", "@a.example", "alice@", "a b@a.example", "alice@[::1]"] {
            assert_eq!(text.parse::<Aor>(), Err(MalformedAor), "{text}");
        }
    }

    #[test]
    fn a_stream_names_nobody_and_is_the_same_under_the_same_key_alone() {
        let aor: Aor = "alice@a.example".parse().unwrap();
        let [one, two] = [1, 2].map(|bits| Home::Domain(DomainId::from_bits(bits)));
        let stream = aor.stream(&[1; 32], one);
        assert_eq!(stream, aor.stream(&[1; 32], one));
        assert_ne!(stream, aor.stream(&[2; 32], one));
        assert_ne!(stream, aor.stream(&[1; 32], two), "the domain's next owner begins anew");
        assert_eq!((stream.category(), stream.as_str().contains("alice")), ("registration", false));
    }
}
