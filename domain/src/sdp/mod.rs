//! Session descriptions (RFC 8866) as a relay needs them: what a body says about its streams, and the body that the
//! other side gets, with our address in place of the sender's. A scanner over bytes, no document model: what we do
//! not have to change passes byte for byte and in order.
//!
//! **What [`rewrite`] changes.** `o=` becomes ours; `c=` our address, except 0.0.0.0 and `::`, which say "send
//! nothing" (RFC 3264 §8.4) and stay; the port of an m-line the port given for it, or 0; `a=rtcp` our RTCP port.
//! Lines end with CRLF.
//!
//! **What it removes**, because it names the sender or a way around us: `i=`, `u=`, `e=`, `p=`; every ICE attribute
//! (`ice-…`, `candidate`, `remote-candidates`, `end-of-candidates`: we are no ICE agent, and without them the peer
//! uses `c=` and the m-line, RFC 8839 §4.2.5); other addresses (`alt`, `altc`, `ccap`, `source-filter`, `control`,
//! `path`); the sender's identity (`identity`, `cs-correlation`, and `tool`, the `User-Agent` of SDP). Besides, any
//! line whose value still shows an IP address, `user@host`, a URI (but `extmap`, whose URIs are names) or a host
//! name that `o=`, `c=` or `a=rtcp` gave; a session name that does becomes `s=-`. An address that is encoded (base64,
//! percent signs) is not seen.
//!
//! **What it does not repair**: missing `s=` and `t=` lines stay missing.

mod both_ways;
mod compare;
mod describe;
mod each_other;
mod fault;
mod hide;
mod inactive;
mod lines;
mod media_line;
mod multipart;
mod rewrite;
#[cfg(test)]
mod samples;
mod scan;
mod survey;
#[cfg(test)]
mod tests;

pub use both_ways::both_ways;
pub use compare::{Change, answers, change, less_rejected, same_media, stands_for};
pub use describe::{Description, Direction, Origin, StreamDescription, StreamKind, describe, is_reachable};
pub use each_other::suit_each_other;
pub use fault::SdpFault;
pub use inactive::inactive;
pub use lines::{cut, extend};
pub use multipart::find;
pub use rewrite::{Anchor, OurOrigin, reject_all, rewrite};

/// Longest body that is read, bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most lines that are read, blank ones included.
pub const MAX_LINES: usize = 1000;
/// Most m-lines that are read.
pub const MAX_STREAMS: usize = 32;
/// Most m-lines that are anchored; those after them are rejected.
pub const MAX_ANCHORED: usize = 8;
/// Most different host names in `o=`, `c=` and `a=rtcp`, all of which are looked for in all lines.
const MAX_HOSTS: usize = 8;
