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
    scheme_text: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    params: &'a str,
    headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Reads a whole URI without angle brackets.
    ///
    /// # Errors
    /// It breaks its scheme's grammar, or a percent-escape is cut.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let colon = memchr::memchr(b':', text.as_bytes()).ok_or(bad("has no scheme"))?;
        let (scheme_text, rest) = (&text[..colon], &text[colon + 1..]);
        let scheme = scheme_of(scheme_text)?;
        let bare = Self { scheme, scheme_text, ..Self::opaque(text) };
        match scheme {
            Scheme::Sip | Scheme::Sips => bare.with_sip_parts(rest),
            Scheme::Tel => bare.with_tel_parts(rest),
            Scheme::Urn | Scheme::Other if rest.is_empty() || !chars::all_escaped(rest, chars::ANY_URI) => {
                Err(bad("has a character it may not have"))
            }
            Scheme::Urn | Scheme::Other => Ok(bare),
        }
    }

    /// A URI of which nothing but its text is known.
    pub(super) const fn opaque(text: &'a str) -> Self {
        Self {
            text,
            scheme: Scheme::Other,
            scheme_text: "",
            user: None,
            password: None,
            host: None,
            port: None,
            params: "",
            headers: None,
        }
    }

    fn with_sip_parts(mut self, rest: &'a str) -> Result<Self, Malformed> {
        let mut rest = rest;
        if let Some(at) = memchr::memchr(b'@', rest.as_bytes()) {
            let (user, password) = match rest[..at].split_once(':') {
                None => (&rest[..at], None),
                Some((user, password)) => (user, Some(password)),
            };
            if user.is_empty() || !chars::all_escaped(user, chars::USER) {
                return Err(bad("the user part is empty or has a character it may not have"));
            }
            if !password.is_none_or(|password| chars::all_escaped(password, chars::PASSWORD)) {
                return Err(bad("the password has a character it may not have"));
            }
            (self.user, self.password) = (Some(user), password);
            rest = &rest[at + 1..];
        }
        if memchr::memchr2(b' ', b'\t', rest.as_bytes()).is_some() {
            return Err(bad("has a blank"));
        }
        let (host, port, rest) = Host::take_with_port(rest, "URI")?;
        let (params, headers) = match memchr::memchr(b'?', rest.as_bytes()) {
            None => (rest, None),
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        };
        check_params(params)?;
        headers.map(check_headers).transpose()?;
        (self.host, self.port, self.params, self.headers) = (Some(host), port, params, headers);
        Ok(self)
    }

    fn with_tel_parts(mut self, rest: &'a str) -> Result<Self, Malformed> {
        let at = memchr::memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
        let (number, params) = rest.split_at(at);
        let digits = number.strip_prefix('+').unwrap_or(number);
        if !chars::all(digits, chars::PHONE) || !digits.bytes().any(|byte| byte.is_ascii_hexdigit() || byte == b'*') {
            return Err(bad("the number has a character it may not have"));
        }
        check_params(params)?;
        (self.user, self.params) = (Some(number), params);
        Ok(self)
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
        self.scheme_text
    }

    /// The user part as written, or a `tel:` number; see [`Uri::user_text`].
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user part with its escapes decoded, NUL and other controls too. `None` if there is none or the escapes
    /// are no UTF-8.
    pub fn user_text(&self) -> Option<String> {
        let user = self.user?;
        let mut bytes = Vec::with_capacity(user.len());
        let mut rest = user.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
                other => other,
            });
        }
        String::from_utf8(bytes).ok()
    }

    /// The password as written (deprecated by RFC 3261 §19.1.1).
    pub fn password(&self) -> Option<&'a str> {
        self.password
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
        self.params.split(';').skip(1).map(pair)
    }

    /// The headers after `?`, as written.
    pub fn headers(&self) -> Option<&'a str> {
        self.headers
    }
}

const fn bad(why: &'static str) -> Malformed {
    Malformed::new("URI", why)
}

fn scheme_of(text: &str) -> Result<Scheme, Malformed> {
    let known = [("sip", Scheme::Sip), ("sips", Scheme::Sips), ("tel", Scheme::Tel), ("urn", Scheme::Urn)];
    if let Some((_, scheme)) = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(*scheme);
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && text.bytes().all(legal) {
        return Ok(Scheme::Other);
    }
    Err(bad("has no scheme"))
}

fn check_params(params: &str) -> Result<(), Malformed> {
    let mut all = params.split(';');
    let whole = |param: &str| {
        let (name, value) = pair(param);
        let legal = |text: &str| !text.is_empty() && chars::all_escaped(text, chars::URI_PARAM);
        legal(name) && value.is_none_or(legal)
    };
    // Before the first `;` stands nothing.
    if all.next() == Some("") && all.all(whole) {
        return Ok(());
    }
    Err(bad("something follows the host that is no parameter"))
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

fn pair(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        None => (text, None),
        Some((name, value)) => (name, Some(value)),
    }
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
