//! A REGISTER as it is judged: everything that counts, out of the message.

use super::{Aor, Rejection};
use crate::address::Flow;
use crate::sip::wire::{CSeq, HeaderName, Message, NameAddr, Scheme, Uri, UriBuf};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most contacts of one REGISTER.
const MOST_CONTACTS: usize = 100;
/// The longest contact, with its parameters, in bytes.
const LONGEST_CONTACT: usize = 1_024;
/// The longest URI of a contact, in bytes.
const LONGEST_URI: usize = 512;
/// The longest instance id, in bytes.
const LONGEST_INSTANCE: usize = 128;
/// The most elements of a Path, and the longest of all together, in bytes.
const PATH: (usize, usize) = (8, 1_024);
/// What is kept of a User-Agent, in characters.
const USER_AGENT: usize = 128;
/// Option tags that a REGISTER may require of us.
const UNDERSTOOD: [&str; 4] = ["path", "outbound", "gruu", "gin"];
/// What an expiry means that is no number (RFC 3261 §10.2.1.1, §20.10).
const UNREADABLE: u32 = 3_600;

/// A contact's priority in thousandths, 0 to 1,000 (RFC 3261 §20.10 `q`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Q(u16);

impl Q {
    /// The highest, which is also that of a contact without one.
    pub const HIGHEST: Self = Self(1_000);

    /// Reads `0`, `0.5`, `1.000` and their like.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        let whole: u16 = match whole {
            "0" => 0,
            "1" => 1_000,
            _ => return None,
        };
        let part: u16 = format!("{part:0<3}").parse().ok()?;
        (digits && whole + part <= 1_000).then_some(Self(whole + part))
    }

    /// Thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Q {
    type Error = &'static str;

    fn try_from(thousandths: u16) -> Result<Self, &'static str> {
        if thousandths <= 1_000 { Ok(Self(thousandths)) } else { Err("expected 0 to 1000 thousandths") }
    }
}

impl From<Q> for u16 {
    fn from(q: Q) -> Self {
        q.0
    }
}

impl fmt::Display for Q {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1_000, self.0 % 1_000) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) => f.write_str(format!("{whole}.{part:03}").trim_end_matches('0')),
        }
    }
}

/// One contact of a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterContact {
    /// Its URI, as sent.
    pub uri: UriBuf,
    /// Its own `expires`, in seconds.
    pub expires: Option<u32>,
    /// Its priority.
    pub q: Option<Q>,
    /// Its `+sip.instance`, without quotes and brackets.
    pub instance: Option<Box<str>>,
    /// Its `reg-id`.
    pub reg_id: Option<u32>,
    /// Its other parameters, each with its `;`.
    pub params: Box<str>,
}

/// What a REGISTER says of contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// Nothing: it asks what there is.
    Fetch,
    /// `*`, with `Expires: 0`: all go.
    All,
    /// These.
    Some(Vec<RegisterContact>),
}

/// Extensions that a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Supported {
    /// RFC 3327.
    pub path: bool,
    /// RFC 5626.
    pub outbound: bool,
    /// RFC 5627.
    pub gruu: bool,
    /// RFC 6140.
    pub gin: bool,
}

/// A REGISTER as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRequest {
    /// The address of record.
    pub aor: Aor,
    /// Call-ID.
    pub call_id: Box<str>,
    /// CSeq number.
    pub cseq: u32,
    /// The contacts.
    pub contacts: Contacts,
    /// The Expires header, in seconds.
    pub expires: Option<u32>,
    /// The Path, topmost first, each element as sent.
    pub path: Vec<Box<str>>,
    /// Whether the way between the device and us keeps flows (RFC 5626 §6): it came straight to us, or the first proxy of
    /// its Path says so.
    pub keeps_flows: bool,
    /// What the device speaks: Supported and Require together.
    pub supported: Supported,
    /// Whether it registers for all numbers of a trunk: it requires `gin`, or has a contact with `bnc` (RFC 6140 §5).
    pub bulk: bool,
    /// User-Agent, cut to 128 characters.
    pub user_agent: Option<Box<str>>,
    /// The way it came.
    pub flow: Flow,
}

impl RegisterRequest {
    /// Reads a REGISTER that passed [`crate::sip::wire::validate_request`].
    ///
    /// # Errors
    /// What it is refused with, whoever sent it: 400, 404 or 420.
    pub fn read(message: &Message, flow: Flow) -> Result<Self, Rejection> {
        let supported = extensions(message)?;
        let aor = aor(message)?;
        let CSeq { number: cseq, .. } = message.cseq().map_err(malformed)?;
        let call_id = message.call_id().map_err(malformed)?.into();
        let expires = message.header(HeaderName::Expires).map(seconds);
        let contacts = contacts(message, expires)?;
        let path = path(message)?;
        let keeps_flows = message.vias().count() == 1 || path.first().is_some_and(|first| says_ob(first));
        let user_agent = message.header(HeaderName::UserAgent).map(|text| text.chars().take(USER_AGENT).collect());
        let bulk = requires_bulk(message) || has_bulk(&contacts);
        Ok(Self { aor, call_id, cseq, contacts, expires, path, keeps_flows, supported, bulk, user_agent, flow })
    }
}

fn malformed(malformed: crate::sip::wire::Malformed) -> Rejection {
    Rejection::Malformed(format!("{malformed}").into())
}

const fn bad(why: &'static str) -> Rejection {
    Rejection::Malformed(std::borrow::Cow::Borrowed(why))
}

/// What the device speaks. What it requires and we do not know is refused by name.
fn extensions(message: &Message) -> Result<Supported, Rejection> {
    let unknown: Vec<&str> = message
        .values(HeaderName::Require)
        .filter(|tag| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    if !unknown.is_empty() {
        return Err(Rejection::BadExtension(unknown.join(", ").into()));
    }
    let speaks = |tag: &str| {
        let both = message.values(HeaderName::Supported).chain(message.values(HeaderName::Require));
        both.into_iter().any(|one| one.eq_ignore_ascii_case(tag))
    };
    Ok(Supported { path: speaks("path"), outbound: speaks("outbound"), gruu: speaks("gruu"), gin: speaks("gin") })
}

fn requires_bulk(message: &Message) -> bool {
    message.values(HeaderName::Require).any(|tag| tag.eq_ignore_ascii_case("gin"))
}

fn has_bulk(contacts: &Contacts) -> bool {
    match contacts {
        Contacts::Fetch | Contacts::All => false,
        Contacts::Some(contacts) => contacts.iter().any(|contact| contact.uri.as_uri().param("bnc").is_some()),
    }
}

/// The address of record in To, which must be one of the domain that the Request-URI names (RFC 3261 §10.3 steps 1
/// and 5).
fn aor(message: &Message) -> Result<Aor, Rejection> {
    let to = message.to().map_err(malformed)?.uri;
    let asked = message.request_uri().and_then(|text| Uri::parse(text).ok()).and_then(|uri| uri.host());
    let aor = Aor::of(&to).map_err(|_| Rejection::NotFound)?;
    let same = asked.is_some_and(|host| host.to_string().trim_end_matches('.').eq_ignore_ascii_case(aor.domain()));
    if same { Ok(aor) } else { Err(Rejection::NotFound) }
}

fn contacts(message: &Message, expires: Option<u32>) -> Result<Contacts, Rejection> {
    if message.is_wildcard_contact() {
        return if expires == Some(0) { Ok(Contacts::All) } else { Err(bad("Contact: * needs Expires: 0")) };
    }
    if message.values(HeaderName::Contact).any(|element| element == "*") {
        return Err(bad("Contact: * stands alone"));
    }
    let mut read = vec![];
    for address in message.contacts() {
        if read.len() == MOST_CONTACTS {
            return Err(bad("Contact: too many"));
        }
        read.push(contact(&address.map_err(malformed)?)?);
    }
    Ok(if read.is_empty() { Contacts::Fetch } else { Contacts::Some(read) })
}

fn contact(address: &NameAddr<'_>) -> Result<RegisterContact, Rejection> {
    if !matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return Err(bad("Contact: only sip and sips URIs can be called"));
    }
    if address.uri.as_str().len() > LONGEST_URI || address.params.as_str().len() > LONGEST_CONTACT - LONGEST_URI {
        return Err(bad("Contact: longer than 1,024 bytes"));
    }
    // RFC 6140 §5.2, §5.3: the number goes there.
    let uri = &address.uri;
    if uri.param("bnc").is_some() && (uri.user().is_some() || uri.param("user").is_some()) {
        return Err(bad("Contact: with bnc there is no user"));
    }
    let mut contact = RegisterContact {
        uri: address.uri.into(),
        expires: None,
        q: None,
        instance: None,
        reg_id: None,
        params: Box::default(),
    };
    let mut others = String::new();
    for param in address.params.iter() {
        match param.name.to_ascii_lowercase().as_str() {
            "expires" => contact.expires = Some(seconds(&param.text())),
            "q" => contact.q = Some(Q::read(&param.text()).ok_or(bad("Contact: q is not 0 to 1"))?),
            "+sip.instance" => contact.instance = Some(instance(&param.text())?),
            "reg-id" => contact.reg_id = Some(reg_id(&param.text())?),
            _ => {
                others.push(';');
                others.push_str(param.name);
                if let Some(value) = param.value {
                    others.push('=');
                    others.push_str(value);
                }
            }
        }
    }
    contact.params = others.into();
    Ok(contact)
}

/// A number of seconds; what is beyond 32 bits is their maximum, what is no number an hour.
pub(super) fn seconds(text: &str) -> u32 {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return UNREADABLE;
    }
    text.parse().unwrap_or(u32::MAX)
}

/// An instance id is a URN in brackets (RFC 5626 §4.1); some devices leave the brackets out.
fn instance(text: &str) -> Result<Box<str>, Rejection> {
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    let legal = (1..=LONGEST_INSTANCE).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic());
    let clean = legal && !bare.contains(['<', '>', '"', '\\']);
    clean.then(|| bare.into()).ok_or(bad("Contact: +sip.instance is no URN in brackets"))
}

/// 1 to 2^31 - 1 (RFC 5626 §4.2).
fn reg_id(text: &str) -> Result<u32, Rejection> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..1 << 31).contains(number));
    number.ok_or(bad("Contact: reg-id is not 1 to 2147483647"))
}

fn path(message: &Message) -> Result<Vec<Box<str>>, Rejection> {
    let mut path: Vec<Box<str>> = vec![];
    let mut bytes = 0;
    for element in message.values(HeaderName::Path) {
        let address = NameAddr::parse(element).map_err(malformed)?;
        if !address.bracketed || !matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(bad("Path: each element is a sip URI in angle brackets"));
        }
        bytes += element.len();
        if path.len() == PATH.0 || bytes > PATH.1 {
            return Err(bad("Path: more than 8 elements or 1,024 bytes"));
        }
        path.push(element.into());
    }
    Ok(path)
}

fn says_ob(element: &str) -> bool {
    NameAddr::parse(element).is_ok_and(|address| address.uri.param("ob").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_0_to_1_with_three_digits() {
        for (text, thousandths, shown) in [
            ("0", 0, "0"),
            ("1", 1_000, "1"),
            ("0.5", 500, "0.5"),
            ("1.000", 1_000, "1"),
            ("0.07", 70, "0.07"),
            ("0.", 0, "0"),
        ] {
            let q = Q::read(text).unwrap();
            assert_eq!((q.thousandths(), q.to_string().as_str()), (thousandths, shown), "{text}");
        }
        for text in ["", ".5", "1.001", "2", "-0", "0.1234", "0,5", "0.x", "+1"] {
            assert_eq!(Q::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_expiry_that_is_no_number_is_an_hour_and_an_endless_one_is_the_longest() {
        for (text, read) in
            [("0", 0), ("60", 60), ("", 3_600), ("soon", 3_600), ("-1", 3_600), ("99999999999", u32::MAX)]
        {
            assert_eq!(seconds(text), read, "{text}");
        }
    }
}
