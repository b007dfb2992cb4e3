//! Header values that are numbers or words: CSeq, RSeq, RAck, Max-Forwards, Call-ID.

use super::{Malformed, chars};

/// The CSeq header (RFC 3261 §20.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method's token.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads `8 INVITE`.
    ///
    /// # Errors
    /// No number, a number of 2^31 or more, or no method.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let (digits, rest) = chars::split_class(text, chars::DIGIT);
        let number = decimal(digits.as_bytes()).ok_or(Malformed::new("CSeq", "has no number"))?;
        let number = u32::try_from(number).ok().filter(|number| *number < 1 << 31);
        let number = number.ok_or(Malformed::new("CSeq", "the number is 2^31 or more"))?;
        let method = chars::trim_start(rest);
        if method.len() == rest.len() || !chars::all(method, chars::TOKEN) {
            return Err(Malformed::new("CSeq", "has no method"));
        }
        Ok(Self { number, method })
    }
}

/// The RAck header (RFC 3262 §7.2): which reliable provisional response a PRACK is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RAck<'a> {
    /// The response's RSeq.
    pub rseq: u32,
    /// The response's CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Reads `776656 1 INVITE`.
    ///
    /// # Errors
    /// A number that RSeq cannot be, or no CSeq after it.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let (digits, rest) = chars::split_class(text, chars::DIGIT);
        let rseq = response_number("RAck", digits)?;
        let cseq = chars::trim_start(rest);
        if cseq.len() == rest.len() {
            return Err(Malformed::new("RAck", "has no CSeq"));
        }
        let cseq = CSeq::parse(cseq).map_err(|_| Malformed::new("RAck", "has no CSeq"))?;
        Ok(Self { rseq, cseq })
    }
}

/// RSeq: 1 to 2^32 - 1 (RFC 3262 §7.1).
pub(super) fn rseq(text: &str) -> Result<u32, Malformed> {
    response_number("RSeq", text)
}

fn response_number(part: &'static str, text: &str) -> Result<u32, Malformed> {
    let number = decimal(text.as_bytes()).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(Malformed::new(part, "is no number from 1 to 2^32 - 1"))
}

/// A decimal number of any length; what exceeds a `u64` is its maximum. `None` if there is anything but digits.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

/// Max-Forwards: 0 to 255 (RFC 3261 §20.22).
pub(super) fn max_forwards(text: &str) -> Result<u8, Malformed> {
    let number = decimal(text.as_bytes()).ok_or(Malformed::new("Max-Forwards", "is no number"))?;
    u8::try_from(number).map_err(|_| Malformed::new("Max-Forwards", "is above 255"))
}

/// Call-ID: a word, or two with `@` between (RFC 3261 §20.8).
pub(super) fn call_id(text: &str) -> Result<&str, Malformed> {
    let (first, rest) = chars::split_class(text, chars::WORD);
    let second = rest.strip_prefix('@');
    if first.is_empty() || !second.map_or(rest.is_empty(), |second| chars::all(second, chars::WORD)) {
        return Err(Malformed::new("Call-ID", "is no word"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_is_a_number_below_two_to_the_31_and_a_method() {
        assert_eq!(CSeq::parse("0009   INVITE"), Ok(CSeq { number: 9, method: "INVITE" }));
        assert_eq!(CSeq::parse("2147483647 ACK").map(|cseq| cseq.number), Ok(2_147_483_647));
        for text in ["2147483648 ACK", "36893488147419103232 REGISTER", "-1 ACK", "1", "1ACK", " ACK", "1 A B", ""] {
            assert!(CSeq::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_rseq_is_1_to_two_to_the_32_less_1() {
        assert_eq!([rseq("1"), rseq("0988789"), rseq("4294967295")], [Ok(1), Ok(988_789), Ok(u32::MAX)]);
        for text in ["0", "000", "4294967296", "99999999999999999999999", "-1", "+1", "1 ", "1;x", "0x1", "", "١"] {
            assert!(rseq(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_rack_is_an_rseq_a_cseq_number_and_a_method() {
        let read = RAck { rseq: 776_656, cseq: CSeq { number: 1, method: "INVITE" } };
        assert_eq!(RAck::parse("776656 1 INVITE"), Ok(read));
        assert_eq!(RAck::parse("00776656 \t01   INVITE"), Ok(read));
        for text in [
            "0 1 INVITE",
            "4294967296 1 INVITE",
            "1 2147483648 INVITE",
            "1 1",
            "1 INVITE",
            "1 1INVITE",
            "11 INVITE",
            "1\u{a0}1 INVITE",
            "-1 1 INVITE",
            "1 -1 INVITE",
            "1 1 INVITE 1",
            "1,1 INVITE",
            " 1 1 INVITE",
            "1 1 INV<ITE",
            "",
        ] {
            assert!(RAck::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn max_forwards_is_0_to_255() {
        assert_eq!(max_forwards("0068"), Ok(68));
        assert_eq!(max_forwards("255"), Ok(255));
        for text in ["256", "300", "-1", "7a", ""] {
            assert!(max_forwards(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_call_id_is_one_or_two_words() {
        assert!(call_id("a.b@192.0.2.1").is_ok());
        assert!(call_id(r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#).is_ok());
        for text in ["", "@", "a@", "@b", "a@b@c", "a b", "a,b", "a;b"] {
            assert!(call_id(text).is_err(), "{text}");
        }
    }
}
