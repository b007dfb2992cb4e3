//! Character classes of RFC 3261 §25.1, one bit each, looked up by byte.

/// `token`: methods, header names, parameter names, tags, branches.
pub(super) const TOKEN: u16 = 1;
/// `word`: one or two, with `@` between, are a Call-ID.
pub(super) const WORD: u16 = 1 << 1;
/// The user part of a SIP URI, escapes apart. `#` comes from RFC 2806's telephone-subscriber (`*21#`).
pub(super) const USER: u16 = 1 << 2;
/// The password part of a SIP URI, escapes apart.
pub(super) const PASSWORD: u16 = 1 << 3;
/// `paramchar` of a SIP URI, escapes apart.
pub(super) const URI_PARAM: u16 = 1 << 4;
/// `hnv-unreserved` and `unreserved` of a SIP URI's headers, escapes apart.
pub(super) const URI_HEADER: u16 = 1 << 5;
/// A host name or IPv4 address. `_` is no host name character, but names in use have it.
pub(super) const HOST: u16 = 1 << 6;
/// An unquoted parameter value: `token`, or a host with brackets and colons.
pub(super) const VALUE: u16 = 1 << 7;
/// Unreserved and reserved characters of any other URI (`absoluteURI`), escapes apart. `#` is for fragments.
pub(super) const ANY_URI: u16 = 1 << 8;
/// Digits and visual separators of a `tel:` number (RFC 3966 §3), local forms included.
pub(super) const PHONE: u16 = 1 << 9;
/// Space and tab.
pub(super) const BLANK: u16 = 1 << 10;
/// An unquoted display name: `token`s between blanks. Bytes above ASCII are no token, but names in use have them.
pub(super) const DISPLAY: u16 = 1 << 11;
/// A decimal digit.
pub(super) const DIGIT: u16 = 1 << 12;

static CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0u16; 256];
    let alphanumeric = TOKEN | WORD | USER | PASSWORD | URI_PARAM | URI_HEADER | HOST | VALUE | ANY_URI | DISPLAY;
    let mut byte = 0usize;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = alphanumeric;
        }
        if (byte as u8).is_ascii_digit() {
            table[byte] |= DIGIT;
        }
        if byte >= 0x80 {
            table[byte] = DISPLAY;
        }
        byte += 1;
    }
    table = add(table, b"-.!%*_+`'~", TOKEN | WORD | VALUE | DISPLAY);
    table = add(table, b"()<>:\\\"/[]?{}", WORD);
    // `mark` of the URI classes; `%` is left out: it only begins an escape.
    table = add(table, b"-_.!~*'()", USER | PASSWORD | URI_PARAM | URI_HEADER | ANY_URI);
    table = add(table, b"&=+$,;?/#", USER);
    table = add(table, b"&=+$,", PASSWORD);
    table = add(table, b"[]/:&+$", URI_PARAM);
    table = add(table, b"[]/?:+$", URI_HEADER);
    table = add(table, b";/?:@&=+$,#[]", ANY_URI);
    table = add(table, b"-_.", HOST);
    table = add(table, b"[]:", VALUE);
    table = add(table, b"0123456789abcdefABCDEFpPwW*#-.()", PHONE);
    add(table, b" \t", BLANK | DISPLAY)
}

const fn add(mut table: [u16; 256], bytes: &[u8], class: u16) -> [u16; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
    table
}

/// Whether `byte` is in `class`.
#[inline]
pub(super) fn is(byte: u8, class: u16) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// How many bytes at the front of `bytes` are in `class`.
#[inline]
pub(super) fn run(bytes: &[u8], class: u16) -> usize {
    bytes.iter().position(|byte| !is(*byte, class)).unwrap_or(bytes.len())
}

/// Whether `text` is one or more characters of `class`.
#[inline]
pub(super) fn all(text: &str, class: u16) -> bool {
    !text.is_empty() && run(text.as_bytes(), class) == text.len()
}

/// Whether `text` is made of characters of `class` and whole percent-escapes; it may be empty.
#[inline]
pub(super) fn all_escaped(text: &str, class: u16) -> bool {
    split_escaped(text, class).1.is_empty()
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Whether `byte` may not stand in a header value as it is: controls other than tab.
#[inline]
pub(super) fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Removes blanks at both ends.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    let text = trim_start(text);
    let end = text.bytes().rposition(|byte| !is(byte, BLANK)).map_or(0, |last| last + 1);
    &text[..end]
}

/// Removes blanks at the front.
#[inline]
pub(super) fn trim_start(text: &str) -> &str {
    match text.as_bytes() {
        [b' ' | b'\t', ..] => split_class(text, BLANK).1,
        _ => text,
    }
}

/// Splits `text` after its leading characters of an ASCII `class`.
#[inline]
pub(super) fn split_class(text: &str, class: u16) -> (&str, &str) {
    text.split_at(run(text.as_bytes(), class))
}

/// Splits `text` after its leading characters of an ASCII `class` and whole percent-escapes.
#[inline]
pub(super) fn split_escaped(text: &str, class: u16) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = run(bytes, class);
    while let Some([b'%', a, b]) = bytes.get(at..at + 3) {
        if !hex(*a) || !hex(*b) {
            break;
        }
        at += 3 + run(&bytes[at + 3..], class);
    }
    text.split_at(at)
}

/// The index of the quote that closes the quoted string which `text` begins with, a backslash guarding the byte
/// after it (RFC 3261 §25.1 `quoted-string`).
pub(super) fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_needs_two_hex_digits() {
        assert!(all_escaped("a%20b%fF", USER));
        for cut in ["%", "%2", "a%2", "%2g", "%%20"] {
            assert!(!all_escaped(cut, USER), "{cut}");
        }
    }

    #[test]
    fn a_guarded_quote_does_not_close() {
        assert_eq!(closing_quote(r#""a\"b" rest"#), Some(5));
        assert_eq!(closing_quote(r#""a\\" rest"#), Some(4));
        assert_eq!(closing_quote(r#""a\""#), None);
        assert_eq!(closing_quote(r#""a\"#), None);
    }

    #[test]
    fn a_token_is_exactly_the_ten_marks_and_alphanumerics() {
        let tokens: String = (0u8..128).filter(|byte| is(*byte, TOKEN)).map(char::from).collect();
        assert_eq!(tokens, "!%'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_`abcdefghijklmnopqrstuvwxyz~");
    }
}
