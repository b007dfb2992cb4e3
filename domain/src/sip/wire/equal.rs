//! When two URIs are the same (RFC 3261 §19.1.4).

use super::{Scheme, Uri};

/// Parameters that must stand in both URIs or in neither, whatever their default is.
const TELLING: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

impl Uri<'_> {
    /// Whether both lead to the same resource by RFC 3261 §19.1.4: user and password as they are spelled, all else in
    /// any case; a port or one of `transport`, `user`, `ttl`, `method` and `maddr` in one of them alone makes a
    /// difference, other parameters only where they stand in both. URIs of other schemes are the same when their texts
    /// are.
    pub fn same(&self, other: &Uri<'_>) -> bool {
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => self.same_sip(other),
            Scheme::Tel | Scheme::Urn | Scheme::Other => self.as_str() == other.as_str(),
        }
    }

    fn same_sip(&self, other: &Uri<'_>) -> bool {
        let spelled = |one: Option<&str>, two: Option<&str>| match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => unescaped(one).eq(unescaped(two)),
            (Some(_), None) | (None, Some(_)) => false,
        };
        let hosts = match (self.host(), other.host()) {
            (Some(one), Some(two)) => one.same(&two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        hosts
            && self.port() == other.port()
            && spelled(self.user(), other.user())
            && spelled(self.password(), other.password())
            && TELLING.iter().all(|name| self.param(name).is_some() == other.param(name).is_some())
            && self.params().all(|(name, value)| match other.param(name) {
                None => true,
                Some(theirs) => alike(value.unwrap_or_default(), theirs),
            })
            && same_headers(self.headers(), other.headers())
    }
}

/// Each header of one stands in the other, with the same value, in any order.
fn same_headers(one: Option<&str>, two: Option<&str>) -> bool {
    let (Some(one), Some(two)) = (one, two) else { return one.is_none() && two.is_none() };
    let holds = |all: &str, header: &str| all.split('&').any(|other| alike(other, header));
    one.split('&').count() == two.split('&').count()
        && one.split('&').all(|header| holds(two, header))
        && two.split('&').all(|header| holds(one, header))
}

/// The same in any case, escaped or not.
fn alike(one: &str, two: &str) -> bool {
    let lower = |(escaped, byte): (bool, u8)| (escaped, byte.to_ascii_lowercase());
    unescaped(one).map(lower).eq(unescaped(two).map(lower))
}

/// The bytes of a text, with escapes decoded where the byte is one that needs none (RFC 2396 `unreserved`); others are
/// told apart from the byte itself.
fn unescaped(text: &str) -> impl Iterator<Item = (bool, u8)> + '_ {
    let mut rest = text.bytes();
    std::iter::from_fn(move || {
        let byte = rest.next()?;
        if byte != b'%' {
            return Some((false, byte));
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        // Cut escapes do not pass `Uri::parse`.
        let byte = high.zip(low).map_or(b'%', |(high, low)| high << 4 | low);
        let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
        Some((!plain, byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, two: &str) -> bool {
        let [a, b] = [one, two].map(|text| Uri::parse(text).unwrap());
        assert_eq!(a.same(&b), b.same(&a), "{one} {two}");
        a.same(&b)
    }

    #[test]
    fn rfc_3261s_equal_uris_are_equal() {
        for (one, two) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:[2001:db8::1]", "sip:[2001:DB8:0::1]"),
            ("sip:a@b;lr", "sip:a@b;LR"),
        ] {
            assert!(same(one, two), "{one} {two}");
        }
    }

    #[test]
    fn rfc_3261s_different_uris_are_different() {
        for (one, two) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
            ("sip:a@b", "sip:b"),
            ("sip:a:x@b", "sip:a:y@b"),
            ("sip:a%40b@c", "sip:a%41b@c"),
            ("sip:a%2Fb@c", "sip:a/b@c"),
            ("sip:a@b;maddr=192.0.2.1", "sip:a@b"),
            ("sip:a@b?x=1&x=1", "sip:a@b?x=1"),
            ("tel:+1", "tel:+2"),
        ] {
            assert!(!same(one, two), "{one} {two}");
        }
    }
}
