//! Answers that no stream holds: to requests outside any dialog that nobody vouches for. The edge's summary counts them.

use super::message::{response_flow, write_capabilities};
use super::{Endpoint, Output, SessionHeaders, Stateless};
use crate::address::Flow;
use crate::hex;
use crate::sip::wire::{HeaderName, Message, Method, WriteError, Writer};
use bytes::Bytes;
use sha2::{Digest, Sha256};

impl Endpoint {
    /// Answers a request without keeping anything. A repeat gets the same bytes again.
    pub fn answer_statelessly(&mut self, flow: Flow, request: &Message, status: u16) {
        self.answer_statelessly_with(flow, request, status, &SessionHeaders::default());
    }

    /// As [`Endpoint::answer_statelessly`], with more headers: a challenge, what would do instead.
    pub fn answer_statelessly_with(&mut self, flow: Flow, request: &Message, status: u16, headers: &SessionHeaders) {
        if request.method() == Some(&Method::Ack) {
            return self.drop_silently(flow, Stateless::StrayAck);
        }
        let (bytes, why) = match self.write_stateless(flow, request, status, headers) {
            Ok(bytes) => (Some(bytes), Stateless::Answered(status)),
            Err(_) => (None, Stateless::Unreadable),
        };
        self.outputs.push_back(Output::Stateless { flow: response_flow(flow, request), bytes, why });
    }

    /// Counts a message that is owed no answer.
    pub fn drop_silently(&mut self, flow: Flow, why: Stateless) {
        self.outputs.push_back(Output::Stateless { flow, bytes: None, why });
    }

    fn write_stateless(
        &self,
        flow: Flow,
        request: &Message,
        status: u16,
        headers: &SessionHeaders,
    ) -> Result<Bytes, WriteError> {
        let tag = self.stateless_tag(request);
        let mut writer = Writer::answer(request, status, flow.remote, Some(&tag));
        write_capabilities(&mut writer, request, status, self.settings.intervals);
        for (name, value) in &headers.0 {
            writer.header_raw(name, value);
        }
        writer.header(HeaderName::Server, &self.settings.software).finish()
    }

    /// The same tag for the same request (RFC 3261 §8.2.7), which a stranger cannot foretell. It has 20 digits, so it
    /// never looks like a leg's.
    fn stateless_tag(&self, request: &Message) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.settings.tag_secret.to_be_bytes());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            if let Some(value) = request.header(name) {
                hasher.update(value.as_bytes());
            }
        }
        let digest = hasher.finalize();
        let mut tag = String::with_capacity(20);
        hex::push(&mut tag, &digest[..10]);
        tag
    }
}
