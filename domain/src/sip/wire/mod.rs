//! SIP messages on the wire (RFC 3261 §7, §20, §25): a scanner that frames a datagram, a framer for streams, typed views that parse on
//! demand, the checks a message must pass before anything is built on it, and a writer.
//!
//! The scanner only frames; it keeps every byte as it came. [`validate_request`] and [`validate_response`] judge.
//! Nothing here decides whether an extension is supported (420), a method allowed (405) or a target known (404).

mod answer;
mod chars;
mod equal;
mod header_name;
mod host;
mod list;
mod mask;
mod message;
mod method;
mod name_addr;
mod numbers;
mod params;
mod reason;
mod refer;
mod replaces;
mod scan;
mod stream;
mod unreadable;
mod uri;
mod uri_buf;
mod validate;
mod via;
mod writer;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod torture_tests;

pub use header_name::HeaderName;
pub use host::Host;
pub use list::{Elements, Values};
pub use message::{Header, Message, Start};
pub use method::Method;
pub use name_addr::{NameAddr, NameAddrs};
pub use numbers::{CSeq, RAck};
pub use params::{Param, Params};
pub use reason::reason_phrase;
pub use refer::{EventType, ReferFault, ReferTo, wants_notice};
pub use replaces::Replaces;
pub use scan::{MAX_HEADERS, MAX_MESSAGE_BYTES};
pub use stream::{Framed, MAX_HEAD_BYTES, StreamFault, StreamFramer, Unstreamed};
pub use unreadable::{Malformed, Unframed, Unreadable};
pub use uri::{Scheme, Uri};
pub use uri_buf::{UriBuf, escape_user};
pub use validate::{Fault, validate_request, validate_response};
pub use via::{Rport, Via, Vias};
pub use writer::{WriteError, Writer, quoted};
