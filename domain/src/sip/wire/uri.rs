//! URIs (RFC 3261 §19.1 and §25.1): `sip:` and `sips:` to the last character, `tel:` (RFC 3966) as far as routing
//! needs, all others by their character set only.

use super::{Host, Malformed, chars};
use std::fmt;

/// A URI's scheme, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// `urn:`, as `urn:service:sos` (RFC 5031).
    Urn,
    /// Any other.
    Other,
}

/// A URI, checked when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme,
    /// User and password, or a telephone number.
    user_info: Option<&'a str>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    /// Parameters and headers, with the first `;` or `?`.
    tail: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a whole URI without angle brackets.
    ///
    /// # Errors
    /// It breaks its scheme's grammar, or a percent-escape is cut.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let colon = text.bytes().position(|byte| byte == b':').ok_or(bad("has no scheme"))?;
        let (scheme, rest) = (scheme_of(&text[..colon])?, &text[colon + 1..]);
        let (user_info, host, port, tail) = match scheme {
            Scheme::Sip | Scheme::Sips => {
                let (user_info, rest) = take_user_info(rest)?;
                let (host, port, rest) = Host::take_with_port(rest, "URI")?;
                (user_info, Some(host), port, rest)
            }
            Scheme::Tel => {
                let (number, rest) = take_number(rest)?;
                (Some(number), None, None, rest)
            }
            Scheme::Urn | Scheme::Other if rest.is_empty() || !chars::all_escaped(rest, chars::ANY_URI) => {
                return Err(bad("has a character it may not have"));
            }
            Scheme::Urn | Scheme::Other => (None, None, None, ""),
        };
        check_tail(tail)?;
        Ok(Self { text, scheme, user_info, host, port, tail })
    }

    /// A URI of which nothing but its text is known.
    pub(super) const fn opaque(text: &'a str) -> Self {
        Self { text, scheme: Scheme::Other, user_info: None, host: None, port: None, tail: "" }
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its scheme as written, without the colon.
    pub fn scheme_str(&self) -> &'a str {
        self.text.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The user part as written, or a `tel:` number; see [`Uri::user_text`].
    pub fn user(&self) -> Option<&'a str> {
        self.user_info.map(|user_info| user_info.split_once(':').map_or(user_info, |(user, _)| user))
    }

    /// The user part with its escapes decoded, NUL and other controls too. `None` if there is none or the escapes
    /// are no UTF-8.
    pub fn user_text(&self) -> Option<String> {
        unescaped(self.user()?)
    }

    /// The password as written (deprecated by RFC 3261 §19.1.1).
    pub fn password(&self) -> Option<&'a str> {
        self.user_info?.split_once(':').map(|(_, password)| password)
    }

    /// The host of a `sip:` or `sips:` URI; others have none.
    pub fn host(&self) -> Option<Host<'a>> {
        self.host
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port, the port by default 5060, for `sips:` 5061.
    pub fn host_port(&self) -> Option<(Host<'a>, u16)> {
        let default = if self.scheme == Scheme::Sips { 5061 } else { 5060 };
        self.host.map(|host| (host, self.port.unwrap_or(default)))
    }

    /// The value of a URI parameter as written, names compared without case; empty for one without `=`.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
    }

    /// The URI parameters as written, in order.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let params = self.tail.split_once('?').map_or(self.tail, |(params, _)| params);
        params.split(';').skip(1).map(|param| match param.split_once('=') {
            None => (param, None),
            Some((name, value)) => (name, Some(value)),
        })
    }

    /// The headers after `?`, as written.
    pub fn headers(&self) -> Option<&'a str> {
        self.tail.split_once('?').map(|(_, headers)| headers)
    }
}

const fn bad(why: &'static str) -> Malformed {
    Malformed::new("URI", why)
}

fn scheme_of(text: &str) -> Result<Scheme, Malformed> {
    match text.as_bytes() {
        [b's' | b'S', b'i' | b'I', b'p' | b'P'] => return Ok(Scheme::Sip),
        [b't' | b'T', b'e' | b'E', b'l' | b'L'] => return Ok(Scheme::Tel),
        [b'u' | b'U', b'r' | b'R', b'n' | b'N'] => return Ok(Scheme::Urn),
        [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S'] => return Ok(Scheme::Sips),
        _ => {}
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && text.bytes().all(legal) {
        return Ok(Scheme::Other);
    }
    Err(bad("has no scheme"))
}

/// User and password, and what follows their `@`. What breaks their grammar is left to be refused as a host.
fn take_user_info(text: &str) -> Result<(Option<&str>, &str), Malformed> {
    let (user, mut rest) = chars::split_escaped(text, chars::USER);
    if let Some(password) = rest.strip_prefix(':') {
        rest = chars::split_escaped(password, chars::PASSWORD).1;
    }
    match rest.strip_prefix('@') {
        Some(_) if user.is_empty() => Err(bad("the user part is empty")),
        Some(after) => Ok((Some(&text[..text.len() - rest.len()]), after)),
        None => Ok((None, text)),
    }
}

/// A telephone number and what follows it.
fn take_number(text: &str) -> Result<(&str, &str), Malformed> {
    let (digits, rest) = chars::split_class(text.strip_prefix('+').unwrap_or(text), chars::PHONE);
    if !digits.bytes().any(|byte| byte.is_ascii_hexdigit() || byte == b'*') {
        return Err(bad("has no telephone number"));
    }
    match rest.as_bytes().first() {
        None | Some(b';') => Ok(text.split_at(text.len() - rest.len())),
        Some(_) => Err(bad("the number has a character it may not have")),
    }
}

/// Checks parameters and headers.
fn check_tail(tail: &str) -> Result<(), Malformed> {
    let mut rest = tail;
    while let Some(param) = rest.strip_prefix(';') {
        let (name, after) = chars::split_escaped(param, chars::URI_PARAM);
        let (value, after) = match after.strip_prefix('=') {
            None => (name, after),
            Some(after) => chars::split_escaped(after, chars::URI_PARAM),
        };
        if name.is_empty() || value.is_empty() {
            return Err(bad("a parameter has no name or an empty value"));
        }
        rest = after;
    }
    match rest.strip_prefix('?') {
        None if rest.is_empty() => Ok(()),
        None => Err(bad("something follows that is no parameter")),
        Some(headers) => check_headers(headers),
    }
}

fn check_headers(headers: &str) -> Result<(), Malformed> {
    let whole = |header: &str| {
        header.split_once('=').is_some_and(|(name, value)| {
            !name.is_empty()
                && chars::all_escaped(name, chars::URI_HEADER)
                && chars::all_escaped(value, chars::URI_HEADER)
        })
    };
    headers.split('&').all(whole).then_some(()).ok_or(bad("something after ? is no header"))
}

/// Text with its percent-escapes decoded; nothing where one is cut or they are no UTF-8.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The URI at the front of an address without brackets: up to the first `;`, which begins the header's parameters
/// (RFC 3261 §20.10), and what follows.
pub(super) fn take_bare(text: &str) -> Result<(Uri<'_>, &str), Malformed> {
    let end = text.bytes().position(|byte| matches!(byte, b';' | b',' | b'?' | b' ' | b'\t')).unwrap_or(text.len());
    let (uri, rest) = text.split_at(end);
    if rest.starts_with([',', '?']) {
        return Err(bad("a comma or question mark needs angle brackets around the URI"));
    }
    Ok((Uri::parse(uri)?, rest))
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
