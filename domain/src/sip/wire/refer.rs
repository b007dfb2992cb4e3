//! Refer-To (RFC 3515 §2.1), Refer-Sub (RFC 4488 §4), Event (RFC 6665 §8.2.1) as their readers need them.

use super::{HeaderName, Message, NameAddr, Scheme, Uri};

/// Whither a REFER points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferTo {
    /// The request URI to call, without the headers that stood in it.
    pub uri: Box<str>,
    /// The Replaces header in the URI, its escapes decoded (RFC 3891 §3): the call that the new one takes the place of.
    pub replaces: Option<Box<str>>,
}

/// Why a REFER points nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferFault {
    /// RFC 3515 §2.4.2: exactly one.
    #[error("there is not exactly one Refer-To")]
    Count,
    /// It breaks the grammar.
    #[error("its Refer-To cannot be read")]
    Unreadable,
    /// RFC 3515 §2.4.2 would allow it; nothing but calls can be transferred.
    #[error("its Refer-To asks for another method than INVITE")]
    Method,
    /// Neither `sip:`, `sips:` nor `tel:`.
    #[error("its Refer-To has a scheme that cannot be called")]
    Scheme,
}

impl ReferFault {
    /// The status that says so. The first two refuse the REFER itself, the others are what comes of it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Count | Self::Unreadable => 400,
            Self::Scheme => 416,
            Self::Method => 501,
        }
    }

    /// Whether the REFER itself is malformed.
    pub const fn is_malformed(self) -> bool {
        match self {
            Self::Count | Self::Unreadable => true,
            Self::Scheme | Self::Method => false,
        }
    }
}

impl ReferTo {
    /// Reads where a REFER points.
    ///
    /// # Errors
    /// It points nowhere that can be called.
    pub fn of(request: &Message) -> Result<Self, ReferFault> {
        let mut headers = request.headers().filter(|header| header.name == HeaderName::ReferTo);
        let value = headers.next().ok_or(ReferFault::Count)?.value;
        if headers.next().is_some() {
            return Err(ReferFault::Count);
        }
        Self::read(value)
    }

    fn read(value: &str) -> Result<Self, ReferFault> {
        let address = NameAddr::parse(value).map_err(|_| ReferFault::Unreadable)?;
        let uri = address.uri;
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Urn | Scheme::Other => return Err(ReferFault::Scheme),
        }
        if uri.param("method").is_some_and(|method| method != "INVITE") {
            return Err(ReferFault::Method);
        }
        let replaces = uri.headers().map(replaces_in).transpose()?.flatten();
        let text = uri.as_str().split_once('?').map_or(uri.as_str(), |(before, _)| before);
        Ok(Self { uri: text.into(), replaces })
    }

    /// The URI, read.
    pub fn uri(&self) -> Option<Uri<'_>> {
        Uri::parse(&self.uri).ok()
    }
}

/// The Replaces among a URI's headers; one at most.
fn replaces_in(headers: &str) -> Result<Option<Box<str>>, ReferFault> {
    let mut found = None;
    for (name, value) in headers.split('&').filter_map(|header| header.split_once('=')) {
        let decoded = |text: &str| super::uri::unescaped(text).filter(|text| !text.chars().any(char::is_control));
        if !decoded(name).is_some_and(|name| name.eq_ignore_ascii_case("Replaces")) {
            continue;
        }
        let value = decoded(value).filter(|_| found.is_none()).ok_or(ReferFault::Unreadable)?;
        found = Some(value.into());
    }
    Ok(found)
}

/// Whether the sender of a REFER wants to hear what comes of it (RFC 4488 §4).
pub fn wants_notice(request: &Message) -> bool {
    let header = request.headers().find(|header| header.raw_name.eq_ignore_ascii_case("Refer-Sub"));
    let value = header.map(|header| header.value.split(';').next().unwrap_or_default().trim().to_owned());
    !value.is_some_and(|value| value.eq_ignore_ascii_case("false"))
}

/// What a SUBSCRIBE is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType<'a> {
    /// The package, in any case.
    pub package: &'a str,
    /// Which of several in the dialog.
    pub id: Option<&'a str>,
}

impl<'a> EventType<'a> {
    /// Reads the Event header.
    pub fn of(request: &'a Message) -> Option<Self> {
        let mut parts = request.header(HeaderName::Event)?.split(';');
        let package = parts.next()?.trim();
        let id = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("id"));
        Some(Self { package, id: id.map(|(_, id)| id.trim()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &str) -> Message {
        Message::scan(format!("REFER sip:a@b SIP/2.0\r\n{headers}\r\n").into()).unwrap()
    }

    fn read(value: &str) -> Result<ReferTo, ReferFault> {
        ReferTo::of(&request(&format!("Refer-To: {value}\r\n")))
    }

    #[test]
    fn a_target_is_read_without_its_headers_and_with_what_it_replaces() {
        let replaces = "<sip:bob@a.example?Subject=x&replaces=1%40b%3Bto-tag%3D2%3Bfrom-tag%3D3>";
        let read_to = |value| read(value).unwrap();
        assert_eq!(&*read_to(replaces).uri, "sip:bob@a.example");
        assert_eq!(read_to(replaces).replaces.as_deref(), Some("1@b;to-tag=2;from-tag=3"));
        assert_eq!(&*read_to("\"B\" <sip:%2b1555@a.example;user=phone>").uri, "sip:%2b1555@a.example;user=phone");
        assert_eq!(&*read_to("tel:+1-555-000-1111").uri, "tel:+1-555-000-1111");
        assert_eq!(read_to("sip:bob@a.example").replaces, None);
        assert_eq!(&*ReferTo::of(&request("r: <sip:bob@a.example>\r\n")).unwrap().uri, "sip:bob@a.example");
    }

    #[test]
    fn what_points_nowhere_says_why() {
        assert_eq!(ReferTo::of(&request("")), Err(ReferFault::Count));
        assert_eq!(ReferTo::of(&request("Refer-To: sip:a@b\r\nr: sip:c@d\r\n")), Err(ReferFault::Count));
        for unreadable in ["", "<sip:a@b", "bob", "<sip:a@b>, <sip:c@d>", "<sip:a@b?Replaces=1%0D%0Ax>"] {
            assert_eq!(read(unreadable), Err(ReferFault::Unreadable), "{unreadable}");
        }
        assert_eq!(read("<http://a.example>"), Err(ReferFault::Scheme));
        assert_eq!(read("<sip:a@b;method=BYE>"), Err(ReferFault::Method));
        let twice = "<sip:a@b?Replaces=1%3Bto-tag%3D2&Replaces=3%3Bto-tag%3D4>";
        assert_eq!(read(twice), Err(ReferFault::Unreadable));
    }

    #[test]
    fn only_a_false_refer_sub_wants_no_notice() {
        assert!(wants_notice(&request("")) && wants_notice(&request("Refer-Sub: true\r\n")));
        assert!(!wants_notice(&request("refer-sub: False;x=y\r\n")));
    }

    #[test]
    fn an_event_is_its_package_and_its_id() {
        let message = request("o: refer ; id=7\r\n");
        assert_eq!(EventType::of(&message), Some(EventType { package: "refer", id: Some("7") }));
        assert_eq!(EventType::of(&request("Event: presence\r\n")).map(|event| event.id), Some(None));
        assert_eq!(EventType::of(&request("")), None);
    }
}
