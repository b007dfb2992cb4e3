//! Credentials leave no trace: what a request proved becomes a verdict, and the message is kept without them.

use super::message::Span;
use super::{HeaderName, Message};
use bytes::{Bytes, BytesMut};

/// Stands where credentials stood.
const MASK: &[u8] = b"masked";

impl Message {
    /// The message's bytes with `masked` as the value of every Authorization and Proxy-Authorization header; every other
    /// byte is as it came. Without such a header it is the message's own memory.
    pub fn without_credentials(&self) -> Bytes {
        self.with_credentials(MASK)
    }

    /// The same with another text in place of each value.
    pub fn with_credentials(&self, value: &[u8]) -> Bytes {
        let secret = |name| matches!(name, HeaderName::Authorization | HeaderName::ProxyAuthorization);
        if !self.has(HeaderName::Authorization) && !self.has(HeaderName::ProxyAuthorization) {
            return self.bytes.clone();
        }
        let mut kept = BytesMut::with_capacity(self.bytes.len());
        let mut from = 0;
        for field in self.fields.iter().filter(|field| secret(field.id)) {
            kept.extend_from_slice(Span { start: from, end: field.value.start }.of(&self.bytes));
            from = field.value.end;
            kept.extend_from_slice(value);
        }
        kept.extend_from_slice(self.bytes.get(usize::from(from)..).unwrap_or_default());
        kept.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let message = Message::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        String::from_utf8(message.without_credentials().to_vec()).unwrap()
    }

    #[test]
    fn the_values_of_both_headers_are_masked_wherever_they_stand_and_nothing_else_changes() {
        let text = |one: &str, two: &str| {
            format!(
                "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nAuthorization: {one}\r\n\
                 Subject: Digest authorization: x\r\nproxy-authorization :  {two}\r\nAuthorization:{one}\r\n\
                 Content-Length: 21\r\n\r\nAuthorization: body\r\n"
            )
        };
        let digest = "Digest username=\"alice\", response=\"0123\"";
        assert_eq!(masked(&text(digest, "Digest a=b")), text("masked", "masked"));
        assert_eq!(masked(&text("Digest a=\"b\",\r\n\tresponse=\"c\"", "Basic x")), text("masked", "masked"));
    }

    #[test]
    fn a_masked_message_is_masked_already_and_reads_as_before() {
        let text = "REGISTER sip:b SIP/2.0\r\nAuthorization: masked\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(masked(text), text);
        let empty = "REGISTER sip:b SIP/2.0\r\nAuthorization:\r\nContent-Length: 0\r\n\r\n";
        assert!(!masked(empty).contains('"'));
        let message = Message::scan(Bytes::from(masked(empty))).unwrap();
        assert_eq!(message.request_uri(), Some("sip:b"));
    }

    #[test]
    fn a_message_without_credentials_keeps_its_memory() {
        let message = Message::scan(Bytes::from_static(b"BYE sip:b SIP/2.0\r\nContent-Length: 0\r\n\r\n")).unwrap();
        assert_eq!(message.without_credentials().as_ptr(), message.bytes().as_ptr());
    }
}
