//! Header field names: case-insensitive, some with a compact form (RFC 3261 §7.3.3, §20).

use std::fmt;

macro_rules! header_names {
    ($($variant:ident $canonical:literal $compact:literal,)*) => {
        /// A header field's name. Unknown ones are [`HeaderName::Other`]; their text stays in the message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names are the headers")]
        pub enum HeaderName {
            $($variant,)*
            /// A name this list does not have.
            Other,
        }

        /// In order of length, so that a name is compared only with its equals in length.
        const NAMES: &[(HeaderName, &str)] = &[$((HeaderName::$variant, $canonical),)*];

        impl HeaderName {
            /// The usual long spelling; `None` for [`HeaderName::Other`].
            pub const fn canonical(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($canonical),)*
                    Self::Other => None,
                }
            }

            fn of_compact(letter: u8) -> Self {
                match letter.to_ascii_lowercase() {
                    0 => Self::Other,
                    $(letter if letter == $compact => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

header_names! {
    To "To" b't',
    Via "Via" b'v',
    From "From" b'f',
    CSeq "CSeq" 0,
    RAck "RAck" 0,
    RSeq "RSeq" 0,
    Date "Date" 0,
    Path "Path" 0,
    Allow "Allow" 0,
    Event "Event" b'o',
    Route "Route" 0,
    MinSe "Min-SE" 0,
    Accept "Accept" 0,
    Server "Server" 0,
    Reason "Reason" 0,
    CallId "Call-ID" b'i',
    Contact "Contact" b'm',
    Expires "Expires" 0,
    Privacy "Privacy" 0,
    Require "Require" 0,
    Subject "Subject" b's',
    Warning "Warning" 0,
    ReferTo "Refer-To" b'r',
    Priority "Priority" 0,
    Replaces "Replaces" 0,
    Diversion "Diversion" 0,
    Supported "Supported" b'k',
    AlertInfo "Alert-Info" 0,
    UserAgent "User-Agent" 0,
    MinExpires "Min-Expires" 0,
    ReferredBy "Referred-By" b'b',
    Unsupported "Unsupported" 0,
    RetryAfter "Retry-After" 0,
    UserToUser "User-to-User" 0,
    AllowEvents "Allow-Events" b'u',
    ContentType "Content-Type" b'c',
    MaxForwards "Max-Forwards" 0,
    RecordRoute "Record-Route" 0,
    TargetDialog "Target-Dialog" 0,
    ProxyRequire "Proxy-Require" 0,
    Authorization "Authorization" 0,
    ServiceRoute "Service-Route" 0,
    ContentLength "Content-Length" b'l',
    SessionExpires "Session-Expires" b'x',
    WwwAuthenticate "WWW-Authenticate" 0,
    ContentEncoding "Content-Encoding" b'e',
    SubscriptionState "Subscription-State" 0,
    ProxyAuthenticate "Proxy-Authenticate" 0,
    AuthenticationInfo "Authentication-Info" 0,
    ContentDisposition "Content-Disposition" 0,
    PAssertedIdentity "P-Asserted-Identity" 0,
    ProxyAuthorization "Proxy-Authorization" 0,
    PPreferredIdentity "P-Preferred-Identity" 0,
}

const LONGEST: usize = NAMES[NAMES.len() - 1].1.len();

/// `STARTS[n]` is where names of `n` letters begin in `NAMES`, `STARTS[n + 1]` where they end.
const STARTS: [u8; LONGEST + 2] = {
    let mut starts = [0u8; LONGEST + 2];
    let mut length = 0;
    let mut at = 0;
    while length < LONGEST + 2 {
        while at < NAMES.len() && NAMES[at].1.len() < length {
            at += 1;
        }
        starts[length] = at as u8;
        length += 1;
    }
    starts
};

impl HeaderName {
    /// The header of this name in any case or its compact form.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        if let [letter] = name {
            return Self::of_compact(*letter);
        }
        if name.len() > LONGEST {
            return Self::Other;
        }
        let Some(first) = name.first() else {
            return Self::Other;
        };
        // The first letter tells nearly all names of a length apart, and most are spelled as usual.
        let range = STARTS[name.len()] as usize..STARTS[name.len() + 1] as usize;
        let same = |known: &&(Self, &str)| {
            let known = known.1.as_bytes();
            known[0] | 0x20 == first | 0x20 && (known == name || known.eq_ignore_ascii_case(name))
        };
        NAMES[range].iter().find(same).map_or(Self::Other, |known| known.0)
    }

    /// One bit for each known name, none for the others.
    pub(super) const fn bit(self) -> u64 {
        match self {
            Self::Other => 0,
            known => 1 << known as u8,
        }
    }
}

// A set of names is a `u64`.
const _: () = assert!(NAMES.len() <= 64);

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical().unwrap_or("header"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (header, name) in NAMES {
            assert_eq!(HeaderName::of(name.as_bytes()), *header);
            assert_eq!(HeaderName::of(name.to_uppercase().as_bytes()), *header);
            assert_eq!(HeaderName::of(name.to_lowercase().as_bytes()), *header);
        }
    }

    #[test]
    fn compact_forms_are_those_of_the_registry() {
        let pairs = "tvfoimrskbuclxe".chars().map(|letter| HeaderName::of(&[letter as u8]).canonical().unwrap_or("?"));
        let names: Vec<_> = pairs.collect();
        assert_eq!(
            names,
            [
                "To",
                "Via",
                "From",
                "Event",
                "Call-ID",
                "Contact",
                "Refer-To",
                "Subject",
                "Supported",
                "Referred-By",
                "Allow-Events",
                "Content-Type",
                "Content-Length",
                "Session-Expires",
                "Content-Encoding"
            ]
        );
        assert_eq!(HeaderName::of(b"L"), HeaderName::ContentLength);
        assert_eq!(HeaderName::of(b"z"), HeaderName::Other);
        assert_eq!(HeaderName::of(&[0]), HeaderName::Other);
    }

    #[test]
    fn names_stand_in_order_of_length() {
        assert!(NAMES.is_sorted_by_key(|(_, name)| name.len()));
        assert_eq!(HeaderName::of(b"C%6Fntact"), HeaderName::Other);
        assert_eq!(HeaderName::of(b""), HeaderName::Other);
        assert_eq!(HeaderName::of(&[b'a'; 300]), HeaderName::Other);
    }
}
