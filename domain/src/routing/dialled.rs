//! What somebody dialled: the user part of a request URI, read as a number as far as it is one.

use crate::number::PhoneNumber;

/// A dialled number: digits as dialled, and `+` before them where the caller said that they are international.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialled {
    /// `+` and the digits; the `+` is there whether dialled or not.
    text: [u8; Self::MAX_DIGITS + 1],
    /// Length with the `+`.
    length: usize,
    /// Whether the caller dialled `+` or `00`.
    international: bool,
}

impl Dialled {
    /// Longer ones are no numbers. (E.164 has 15; national prefixes and carrier codes may add to it.)
    pub const MAX_DIGITS: usize = 32;

    /// The shortest run of digits without `+` that carrier prefixes take for an international number: shorter ones
    /// are service or local numbers, and `112` must never become `+112`.
    const LEAST_BARE_E164: usize = 9;

    /// Reads a user part. Parameters after `;` are dropped, visual separators (RFC 3966 §3) skipped, `%2B` and a
    /// `tel:` before it tolerated, `00` read as `+`. `None` where anything else stands in it.
    pub fn read(user: &str) -> Option<Self> {
        let user = user.split(';').next().unwrap_or_default();
        let user =
            user.get(..4).filter(|s| s.eq_ignore_ascii_case("tel:")).map_or(user, |scheme| &user[scheme.len()..]);
        let escaped = user.get(..3).is_some_and(|s| s.eq_ignore_ascii_case("%2b"));
        let (plus, rest) =
            if escaped { (true, &user[3..]) } else { (user.starts_with('+'), user.trim_start_matches('+')) };
        if user.starts_with("++") {
            return None;
        }
        let mut dialled = Self { text: [b'+'; Self::MAX_DIGITS + 1], length: 1, international: plus };
        for byte in rest.bytes() {
            match byte {
                b'0'..=b'9' if dialled.length <= Self::MAX_DIGITS => {
                    dialled.text[dialled.length] = byte;
                    dialled.length += 1;
                }
                b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
        }
        (dialled.length > 1).then(|| dialled.without_double_zero())
    }

    /// `00` and an international number after it becomes `+` and that number; anything else stays as it is.
    fn without_double_zero(mut self) -> Self {
        let rest = self.digits().strip_prefix(b"00").unwrap_or_default();
        if self.international || PhoneNumber::international(rest).is_err() {
            return self;
        }
        self.text.copy_within(3..self.length, 1);
        self.length -= 2;
        self.international = true;
        self
    }

    fn digits(&self) -> &[u8] {
        &self.text[1..self.length]
    }

    /// The international number that was dialled, with or without `+`.
    pub fn number(&self) -> Option<PhoneNumber> {
        PhoneNumber::international(self.digits()).ok()
    }

    /// The short code that was dialled.
    pub fn short_code(&self) -> Option<PhoneNumber> {
        if self.international { None } else { PhoneNumber::short(self.digits()).ok() }
    }

    /// With `+`; `None` where it is, or may be, a national, local or service number.
    pub fn e164(&self) -> Option<&str> {
        let bare = self.digits().len() >= Self::LEAST_BARE_E164;
        if self.number().is_some() && (self.international || bare) { self.slice(0) } else { None }
    }

    /// The exact digits, without `+`; `None` where the caller dialled a `+` or `00`.
    pub fn exact(&self) -> Option<&str> {
        if self.international { None } else { self.slice(1) }
    }

    /// As dialled, in one spelling: `+` and digits, or digits.
    pub fn as_str(&self) -> &str {
        self.slice(usize::from(!self.international)).unwrap_or_default()
    }

    fn slice(&self, from: usize) -> Option<&str> {
        std::str::from_utf8(&self.text[from..self.length]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(user: &str) -> Option<String> {
        Dialled::read(user).map(|dialled| dialled.as_str().to_owned())
    }

    #[test]
    fn spellings_of_one_international_number_are_one() {
        for user in [
            "+15550000001",
            "0015550000001",
            "+1-555-000-0001",
            "+1.555.000(0001)",
            "%2B15550000001",
            "%2b15550000001",
            "tel:+15550000001",
            "+15550000001;npdi;rn=1",
        ] {
            assert_eq!(read(user).as_deref(), Some("+15550000001"), "{user}");
        }
    }

    #[test]
    fn bare_digits_stay_as_dialled_but_are_found_as_a_number() {
        let dialled = Dialled::read("15550000001").unwrap();
        assert_eq!((dialled.as_str(), dialled.exact()), ("15550000001", Some("15550000001")));
        assert_eq!(dialled.number(), "+15550000001".parse().ok());
        assert_eq!(dialled.e164(), Some("+15550000001"));
    }

    #[test]
    fn an_emergency_or_local_number_is_never_taken_for_an_international_one() {
        for user in ["112", "911", "5550001", "02079460000"] {
            let dialled = Dialled::read(user).unwrap();
            assert_eq!((dialled.e164(), dialled.as_str()), (None, user));
        }
        assert_eq!(Dialled::read("112").unwrap().short_code(), "112".parse().ok());
        assert_eq!(read("000").as_deref(), Some("000"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        let long = "1".repeat(33);
        for user in ["", "+", "alice", "+1x", "1+2", "++1", "*98", "1 2", "１", ";x", "tel:", long.as_str()] {
            assert_eq!(read(user), None, "{user}");
        }
    }
}
