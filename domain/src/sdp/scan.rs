//! Lines and fields of a session description, read in place (RFC 8866 §5 and §9).

use super::{MAX_BYTES, MAX_LINES, SdpFault};
use memchr::{memchr, memchr3};

/// One `<type>=<value>` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1, blank lines included.
    pub number: u16,
    /// The type letter.
    pub letter: u8,
    /// What follows the equals sign, without the line's end.
    pub value: &'a [u8],
    /// The whole line without its end.
    pub whole: &'a [u8],
}

/// The lines of a body. CRLF, a bare LF and a missing last line end are all taken; blank lines are skipped. After a
/// fault nothing more comes.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: u16,
}

/// Begins to read, unless the body is too long.
pub(super) fn lines(body: &[u8]) -> Result<Lines<'_>, SdpFault> {
    if body.len() > MAX_BYTES {
        return Err(SdpFault::TooLong { bytes: body.len() });
    }
    Ok(Lines { rest: body, number: 0 })
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, SdpFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if usize::from(self.number) == MAX_LINES {
                self.rest = &[];
                return Some(Err(SdpFault::TooManyLines));
            }
            self.number += 1;
            let line = self.take_line();
            if line == Ok(None) {
                continue;
            }
            if line.is_err() {
                self.rest = &[];
            }
            return line.transpose();
        }
    }
}

impl<'a> Lines<'a> {
    /// The next line; `None` for a blank one.
    fn take_line(&mut self) -> Result<Option<Line<'a>>, SdpFault> {
        let body = self.rest;
        let (whole, rest) = match memchr3(b'\n', b'\r', 0, body).map(|end| (&body[..end], &body[end..])) {
            None => (body, &body[body.len()..]),
            Some((whole, [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..])) => (whole, rest),
            Some((whole, [b'\r'])) => (whole, &[][..]),
            // A carriage return alone would be a line end to some readers: they would see lines that we did not.
            Some(_) => return Err(SdpFault::NotALine { line: self.number }),
        };
        self.rest = rest;
        match whole {
            [] => Ok(None),
            [letter, b'=', value @ ..] if letter.is_ascii_alphabetic() => {
                Ok(Some(Line { number: self.number, letter: *letter, value, whole }))
            }
            _ => Err(SdpFault::NotALine { line: self.number }),
        }
    }
}

/// The first line without its end, and what follows it, of a body that may be anything.
pub(super) fn split_line(body: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr(b'\n', body) {
        Some(end) => (&body[..end], &body[end + 1..]),
        None => (body, &body[body.len()..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// The fields of a value, between spaces; doubled and trailing spaces are taken.
pub(super) fn fields(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b' ').filter(|field| !field.is_empty())
}

/// A decimal number of digits only; `None` also when it is too large.
pub(super) fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })?;
    T::try_from(value).ok()
}

/// An attribute's name and its value after the colon; a flag's value is empty.
pub(super) fn attribute(value: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', value) {
        Some(colon) => (&value[..colon], &value[colon + 1..]),
        None => (value.trim_ascii_end(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(body: &[u8]) -> Result<Vec<u8>, SdpFault> {
        lines(body)?.map(|line| line.map(|line| line.letter)).collect()
    }

    #[test]
    fn line_ends_may_be_crlf_or_lf_and_the_last_may_be_missing() {
        assert_eq!(letters(b"v=0\r\no=x\ns=-"), Ok(vec![b'v', b'o', b's']));
    }

    #[test]
    fn blank_lines_are_skipped_but_counted() {
        let all: Vec<_> = lines(b"v=0\r\n\r\ns=-\r\n\r\n").unwrap().map(Result::unwrap).collect();
        assert_eq!(all.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_carriage_return_or_nul_inside_a_line_is_refused() {
        assert_eq!(letters(b"v=0\r\ns=a\rc=IN\r\n"), Err(SdpFault::NotALine { line: 2 }));
        assert_eq!(letters(b"v=0\0\r\n"), Err(SdpFault::NotALine { line: 1 }));
    }

    #[test]
    fn a_line_without_letter_and_equals_sign_is_refused_and_ends_the_reading() {
        for bad in [&b"v\r\nv=0"[..], b"=0\r\nv=0", b" v=0\r\nv=0", b"v =0\r\nv=0", b"1=0\r\nv=0"] {
            let mut lines = lines(bad).unwrap();
            assert_eq!(lines.next(), Some(Err(SdpFault::NotALine { line: 1 })));
            assert_eq!(lines.next(), None);
        }
    }

    #[test]
    fn the_thousand_and_first_line_is_one_too_many() {
        assert!(letters(&b"a=x\n".repeat(MAX_LINES)).is_ok());
        assert_eq!(letters(&b"a=x\n".repeat(MAX_LINES + 1)), Err(SdpFault::TooManyLines));
    }

    #[test]
    fn a_number_has_digits_only() {
        assert_eq!(number::<u16>(b"65535"), Some(65535));
        assert_eq!(number::<u64>(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number::<u64>(b"18446744073709551616"), None);
        for bad in [&b"65536"[..], b"", b"+5", b"-5", b"5 ", b"0x5"] {
            assert_eq!(number::<u16>(bad), None);
        }
    }
}
