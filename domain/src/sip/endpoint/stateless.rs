//! Answers that no stream holds: to requests outside any dialog that nobody vouches for. The edge's summary counts them.

use super::message::{response_flow, write_capabilities};
use super::{Endpoint, Output, SessionHeaders};
use crate::address::Flow;
use crate::hex;
use crate::sip::wire::{HeaderName, Message, Method, WriteError, Writer};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Why a message got an answer that no stream holds, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stateless {
    /// Answered with this status.
    Answered(u16),
    /// A response to nothing we sent.
    StrayResponse,
    /// An ACK to nothing we answered, or to a stateless answer.
    StrayAck,
    /// Not SIP, or too broken to answer.
    Unreadable,
    /// Empty lines: a keep-alive.
    KeepAlive,
    /// STUN: a keep-alive, or somebody who asks where we see it.
    Stun,
    /// A REGISTER or its answer, of others or of our own, that came or went again.
    RegisterRepeat,
    /// A MESSAGE or its answer that came or went again.
    MessageRepeat,
    /// A request that was not heard, and why.
    Dropped(Dropped),
    /// An OPTIONS of ours that asks whether a trunk or a device is there; it leaves without an event of its own.
    Ping,
    /// What came to it.
    PingAnswered,
}

/// Why a request was dropped before it came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dropped {
    /// Its source asks more than it may.
    Flood,
    /// Its source failed to prove itself, or scanned, too often.
    Banned,
    /// A scanner sent it.
    Scanner,
}

/// Bytes of the tag of a stateless answer, two digits each: a leg's has fewer.
const TAG_BYTES: usize = 10;

/// Whether a tag is as long as those of stateless answers are: it is no leg's.
pub const fn is_stateless_tag(tag: &str) -> bool {
    tag.len() == 2 * TAG_BYTES
}

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
        let mut tag = String::with_capacity(2 * TAG_BYTES);
        hex::push(&mut tag, &digest[..TAG_BYTES]);
        tag
    }
}
