//! What a response takes over from its request (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4).

use super::message::Message;
use super::scan::MAX_VIA_LINES;
use super::{Elements, HeaderName, Rport, Via, WriteError, Writer, chars};
use std::io::Write as _;
use std::net::SocketAddr;

impl Writer {
    /// Copies all Vias of a request that came from `source`. The top one gets `received` if its sender is not that
    /// address or `rport` was asked for, and `rport` gets the source's port; what a client put there itself is
    /// replaced. The others go byte for byte, and so does a top one that cannot be read: its 400 goes to the source.
    pub fn vias_from(&mut self, request: &Message, source: SocketAddr) -> &mut Self {
        if request.fields_of(HeaderName::Via).count() > MAX_VIA_LINES {
            return self.fail(WriteError::Via);
        }
        let mut fields = request.fields_of(HeaderName::Via);
        let Some(first) = fields.next() else {
            return self.fail(WriteError::Via);
        };
        let mut elements = Elements::of(request.view(first).value);
        let Some((Ok(via), text)) = elements.next().map(|text| (Via::parse(text), text)) else {
            return self.copy(request, HeaderName::Via);
        };
        self.top_via(&via, text, source);
        if let Some(others) = elements.rest() {
            self.put(&[b",", others.as_bytes()]);
        }
        self.put(&[b"\r\n"]);
        for field in fields {
            self.put(&[request.line(field), b"\r\n"]);
        }
        self
    }

    /// Begins the answer to a request: Vias, From, To, Call-ID and CSeq (RFC 3261 §8.2.6.2), and Timestamp with a
    /// 100 (§8.2.6.1). `to_tag` is added to a To that has none yet; a 100 needs none.
    pub fn answer(request: &Message, status: u16, source: SocketAddr, to_tag: Option<&str>) -> Self {
        let mut writer = Self::response(status);
        writer.vias_from(request, source).copy_first(request, HeaderName::From);
        let tag = to_tag.filter(|_| request.to().is_ok_and(|to| to.tag().is_none()));
        match (tag, request.fields_of(HeaderName::To).next()) {
            (Some(tag), Some(_)) if !chars::all(tag, chars::TOKEN) => {
                writer.fail(WriteError::Illegal("To tag".to_owned()))
            }
            (Some(tag), Some(to)) => writer.put(&[request.line(to), b";tag=", tag.as_bytes(), b"\r\n"]),
            (_, _) => writer.copy_first(request, HeaderName::To),
        };
        writer.copy_first(request, HeaderName::CallId).copy_first(request, HeaderName::CSeq);
        if status == 100 {
            writer.copy_named(request, "Timestamp");
        }
        writer
    }

    fn top_via(&mut self, via: &Via<'_>, text: &str, source: SocketAddr) {
        let asked = via.rport() != Rport::Absent;
        let address = source.ip().to_canonical();
        let sender = via.sent_by.ip().map(|ip| ip.to_canonical());
        let head = text.len() - via.params.as_str().len();
        self.put(&[b"Via: ", text[..head].trim_end().as_bytes()]);
        for param in via.params.iter() {
            if param.name.eq_ignore_ascii_case("received") {
                continue;
            }
            if param.name.eq_ignore_ascii_case("rport") {
                let _ = write!(self.text, ";rport={}", source.port());
                continue;
            }
            self.put(&[b";", param.name.as_bytes()]);
            if let Some(value) = param.value {
                self.put(&[b"=", value.as_bytes()]);
            }
        }
        if asked || sender != Some(address) {
            let _ = write!(self.text, ";received={address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(vias: &str) -> Message {
        let text = format!(
            "OPTIONS sip:a@b SIP/2.0\r\n{vias}From: <sip:c@d>;tag=1\r\nt: \"x, y\" <sip:a@b>\r\nCall-ID: 1@d\r\n\
             CSeq: 1 OPTIONS\r\nTimestamp: 54\r\n\r\n"
        );
        Message::scan(Bytes::from(text)).unwrap()
    }

    fn vias(vias: &str, source: &str) -> String {
        let written = Writer::response(200).vias_from(&request(vias), source.parse().unwrap()).finish().unwrap();
        let text = String::from_utf8(written.to_vec()).unwrap();
        text.strip_prefix("SIP/2.0 200 OK\r\n").unwrap().strip_suffix("Content-Length: 0\r\n\r\n").unwrap().to_owned()
    }

    #[test]
    fn rport_asked_for_is_filled_and_received_goes_with_it() {
        assert_eq!(
            vias("Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1\r\n", "192.0.2.1:9000"),
            "Via: SIP/2.0/UDP 192.0.2.1:5060;rport=9000;branch=z9hG4bK1;received=192.0.2.1\r\n"
        );
    }

    #[test]
    fn a_sender_that_is_not_the_source_gets_received() {
        assert_eq!(
            vias("Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n", "192.0.2.9:5060"),
            "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;received=192.0.2.9\r\n"
        );
        assert_eq!(
            vias("v: SIP/2.0/UDP [2001:db8::1]\r\n", "[2001:db8::2]:5060"),
            "Via: SIP/2.0/UDP [2001:db8::1];received=2001:db8::2\r\n"
        );
        assert_eq!(vias("Via: SIP/2.0/UDP 192.0.2.1\r\n", "[::ffff:192.0.2.1]:5060"), "Via: SIP/2.0/UDP 192.0.2.1\r\n");
    }

    #[test]
    fn what_a_client_claims_to_be_received_is_replaced() {
        assert_eq!(
            vias("Via: SIP/2.0/UDP 192.0.2.1;received=10.0.0.1;RPORT=1;branch=z9hG4bK1\r\n", "192.0.2.1:7"),
            "Via: SIP/2.0/UDP 192.0.2.1;rport=7;branch=z9hG4bK1;received=192.0.2.1\r\n"
        );
    }

    #[test]
    fn the_other_vias_go_as_they_came() {
        assert_eq!(
            vias(
                "Via: SIP/2.0/UDP 192.0.2.1 ; branch=z9hG4bK1 , SIP / 2.0/TCP b;received=10.0.0.1\r\nv : SIP/2.0/UDP c\r\n",
                "192.0.2.1:5060"
            ),
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP / 2.0/TCP b;received=10.0.0.1\r\nv : SIP/2.0/UDP c\r\n"
        );
    }

    #[test]
    fn an_answer_takes_over_what_rfc_3261_says() {
        let request = request("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n");
        let source = "192.0.2.1:5060".parse().unwrap();
        let answer = Message::scan(Writer::answer(&request, 486, source, Some("t9")).finish().unwrap()).unwrap();
        assert_eq!(crate::sip::wire::validate_response(&answer), Ok(()));
        assert_eq!((answer.status(), answer.to().unwrap().tag()), (Some(486), Some("t9")));
        assert_eq!(answer.header(HeaderName::From), request.header(HeaderName::From));
        assert_eq!(answer.header_named("Timestamp"), None);
        let trying = Message::scan(Writer::answer(&request, 100, source, None).finish().unwrap()).unwrap();
        assert_eq!((trying.to().unwrap().tag(), trying.header_named("Timestamp")), (None, Some("54")));
        assert!(Writer::answer(&request, 200, source, Some("a\r\nb")).finish().is_err());
    }

    #[test]
    fn what_stands_twice_is_answered_once_and_too_many_vias_not_at_all() {
        let twice = request("From: <sip:x@y>\r\nCSeq: 9 OPTIONS\r\nVia: SIP/2.0/UDP a\r\n");
        let source = "192.0.2.1:5060".parse().unwrap();
        let answer = Message::scan(Writer::answer(&twice, 400, source, Some("t")).finish().unwrap()).unwrap();
        assert_eq!(answer.headers().filter(|header| header.name == HeaderName::From).count(), 1);
        assert_eq!(answer.header(HeaderName::From), Some("<sip:x@y>"));
        let many = request(&"Via: SIP/2.0/UDP a\r\n".repeat(MAX_VIA_LINES + 1));
        assert_eq!(Writer::answer(&many, 400, source, Some("t")).finish(), Err(WriteError::Via));
    }

    #[test]
    fn an_unreadable_via_goes_back_as_it_came_and_a_missing_one_makes_no_answer() {
        let bad = "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n";
        assert_eq!(vias(bad, "192.0.2.1:5060"), bad);
        let written = Writer::response(400).vias_from(&request(""), "192.0.2.1:5060".parse().unwrap()).finish();
        assert_eq!(written, Err(WriteError::Via));
    }
}
