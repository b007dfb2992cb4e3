//! Messages on the wire, as events.

use crate::address::Flow;
use crate::codec::personal::Personal;
use crate::ids::{EventId, LegId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A message on the wire. Method, status and timing stand clear; bytes and addresses are sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SipMessage {
    /// The leg it belongs to.
    pub leg: LegId,
    /// The request's method, or for a response the method of its CSeq.
    pub method: Box<str>,
    /// Status of a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// CSeq number.
    pub cseq: u32,
    /// The bytes and where they came from or go to.
    #[serde(skip)]
    pub wire: Personal<Wire>,
}

/// Bytes and their path.
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    /// Whence or whither.
    pub flow: Flow,
    /// The message, byte for byte as on the wire, but for credentials: `masked` stands in their place
    /// ([`Message::without_credentials`](crate::sip::wire::Message::without_credentials)).
    pub bytes: Bytes,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A retransmission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SipMessageRepeated {
    /// The leg.
    pub leg: LegId,
    /// Which way.
    pub way: Way,
    /// The event that holds the bytes.
    pub of: EventId,
    /// How often since the last such note.
    pub times: u32,
}
