//! Phone numbers and short codes, in eight bytes.

use crate::decider::serde_as_text;
use std::fmt;
use std::str::FromStr;

/// An E.164 number (`+` and 2 to 15 digits, the first not 0) or a short code (3 to 8 digits).
///
/// Packed: the digits' value in the low 50 bits, their count in bits 56 to 60, bit 63 for short codes; so a table
/// of ten million of them is small, and comparing two is one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneNumber(u64);

/// A phone number that breaks the rules of [`PhoneNumber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an E.164 number (+ and 2 to 15 digits, such as +15550100000) or a short code of 3 to 8 digits")]
pub struct MalformedNumber;

const SHORT: u64 = 1 << 63;
const COUNT: u32 = 56;
const VALUE: u64 = (1 << 50) - 1;

impl PhoneNumber {
    /// The E.164 number of these digits (without `+`).
    pub fn international(digits: &[u8]) -> Result<Self, MalformedNumber> {
        if !(2..=15).contains(&digits.len()) || digits.first() == Some(&b'0') {
            return Err(MalformedNumber);
        }
        pack(digits).map(Self)
    }

    /// The short code of these digits.
    pub fn short(digits: &[u8]) -> Result<Self, MalformedNumber> {
        if !(3..=8).contains(&digits.len()) {
            return Err(MalformedNumber);
        }
        pack(digits).map(|packed| Self(packed | SHORT))
    }

    /// Whether it is a short code.
    pub const fn is_short(self) -> bool {
        self.0 & SHORT != 0
    }
}

fn pack(digits: &[u8]) -> Result<u64, MalformedNumber> {
    let mut value = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(MalformedNumber);
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    Ok(value | (digits.len() as u64) << COUNT)
}

impl FromStr for PhoneNumber {
    type Err = MalformedNumber;

    fn from_str(text: &str) -> Result<Self, MalformedNumber> {
        match text.strip_prefix('+') {
            Some(digits) => Self::international(digits.as_bytes()),
            None => Self::short(text.as_bytes()),
        }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = usize::try_from((self.0 & !SHORT) >> COUNT).unwrap_or_default();
        let plus = if self.is_short() { "" } else { "+" };
        write!(f, "{plus}{:0count$}", self.0 & VALUE)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(PhoneNumber);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_short_codes_read_back_what_they_print() {
        for text in ["+15550000001", "+12", "+999999999999999", "112", "00012", "12345678"] {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().to_string(), text);
        }
        assert_eq!(size_of::<PhoneNumber>(), 8);
    }

    #[test]
    fn digits_alone_never_equal_the_same_digits_after_a_plus() {
        assert_ne!("123456".parse::<PhoneNumber>(), "+123456".parse());
        assert_ne!("0012".parse::<PhoneNumber>(), "012".parse());
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["", "+", "+1", "+1234567890123456", "+01234", "12", "123456789", "+1 555", "+1x", "１２３", "alice"]
        {
            assert_eq!(text.parse::<PhoneNumber>(), Err(MalformedNumber), "{text}");
        }
    }
}
