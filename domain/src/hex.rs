//! Lower-case hex without the machinery of `core::fmt`, which every message's tags, ids and hashes would pay for.

use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends two digits for each byte.
pub(crate) fn push(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push(digit(byte >> 4).into());
        text.push(digit(byte & 0xf).into());
    }
}

/// Writes two digits for each byte into `room`, as far as it goes, and shows it as text.
pub(crate) fn write<'a>(room: &'a mut [u8], bytes: &[u8]) -> &'a str {
    for (pair, byte) in room.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
    // Digits are ASCII, and so is the zero that room without a byte would keep.
    std::str::from_utf8(room).unwrap_or_default()
}

/// Reads two digits, upper or lower case, for each of so many bytes.
pub(crate) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = [pair.first(), pair.last()].map(|digit| digit.map_or(NO_DIGIT, |digit| value(*digit)));
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong & NO_DIGIT == 0).then_some(bytes)
}

/// What no digit is worth.
const NO_DIGIT: u8 = 0xf0;

/// What every byte is worth as a digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut nibble = 0;
    while nibble < 16 {
        let digit = DIGITS[nibble];
        values[digit as usize] = nibble as u8;
        values[digit.to_ascii_uppercase() as usize] = nibble as u8;
        nibble += 1;
    }
    values
};

const fn value(digit: u8) -> u8 {
    VALUES[digit as usize]
}

fn digit(nibble: u8) -> u8 {
    DIGITS[usize::from(nibble & 0xf)]
}

/// Bytes that text shows as hex digits; with [`hexed!`], members of JSON: `#[serde(with = "hex")]`.
pub(crate) trait Hexed: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// Makes a newtype of so many bytes [`Hexed`].
macro_rules! hexed {
    ($name:ident, $bytes:literal) => {
        impl crate::hex::Hexed for $name {
            fn write(&self) -> String {
                crate::hex::write(&mut [0; 2 * $bytes], &self.0).to_owned()
            }

            fn read(text: &str) -> Option<Self> {
                crate::hex::parse(text).map(Self)
            }
        }
    };
}
pub(crate) use hexed;

pub(crate) fn serialize<S: Serializer>(value: &impl Hexed, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.write())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Hexed>(from: D) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(from)?;
    T::read(&text).ok_or_else(|| serde::de::Error::custom("not as many hex digits as it needs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reads_as_the_formatter_writes_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = String::from("=");
        push(&mut text, &bytes);
        assert_eq!(text, format!("={expected}"));
        assert_eq!(write(&mut [0; 512], &bytes), expected);
        assert_eq!(parse::<256>(&expected).unwrap()[..], bytes);
        assert_eq!(parse::<2>("0aFF"), Some([0x0a, 0xff]));
        assert_eq!([parse::<2>("0aF"), parse("0aFg"), parse("0a f"), parse("éé"), parse("+1+1")], [None; 5]);
    }
}
