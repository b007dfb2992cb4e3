//! Requests that are too long for a datagram (RFC 3261 §18.1.1). Where the settings of a trunk say so they take a detour by
//! TCP, each for itself: the dialog stays with UDP, and so does its Contact. Where no connection comes about, the same
//! request with the same branch goes by UDP, in fragments.

use super::message::{RequestParts, sent_by};
use super::{BuildError, Endpoint};
use crate::address::{Flow, Transport};
use crate::sip::dialog::Dialog;
use crate::sip::wire::Method;
use bytes::Bytes;
use std::net::SocketAddr;

/// The longest request that goes by datagram where it could go otherwise, in bytes (RFC 3261 §18.1.1).
const LONGEST_DATAGRAM: usize = 1_300;

impl Endpoint {
    /// A request of a dialog, and the path that its length demands.
    pub(super) fn write_fitting(&self, dialog: &Dialog, parts: &RequestParts<'_>) -> Result<(Flow, Bytes), BuildError> {
        let bytes = self.write_request(dialog, dialog.flow, parts)?;
        match detour(dialog.flow, dialog.large_by_tcp, bytes.len()).filter(|_| parts.method == Method::Invite) {
            None => Ok((dialog.flow, bytes)),
            Some(path) => Ok((path, self.write_request(dialog, path, parts)?)),
        }
    }
}

/// The path of a request that its own would have to cut to pieces; nothing where it stays there.
pub(super) fn detour(flow: Flow, large_by_tcp: Option<SocketAddr>, length: usize) -> Option<Flow> {
    let local = large_by_tcp.filter(|_| flow.transport == Transport::Udp && length > LONGEST_DATAGRAM)?;
    Some(Flow { transport: Transport::Tcp, local, ..flow })
}

/// A request of ours as it goes by another path: only its Via says which. Nothing where it is none of ours.
pub(super) fn rerouted(request: &Bytes, from: Flow, to: Flow) -> Option<Bytes> {
    let line_end = memchr::memchr(b'\n', request)? + 1;
    let (start, rest) = request.split_at_checked(line_end)?;
    let rest = rest.strip_prefix(format!("Via: {};", sent_by(from)).as_bytes())?;
    Some([start, format!("Via: {};", sent_by(to)).as_bytes(), rest].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport) -> Flow {
        Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), remote: "198.51.100.7:5060".parse().unwrap() }
    }

    #[test]
    fn only_what_is_too_long_for_a_datagram_takes_a_detour_and_only_where_there_is_one() {
        let tcp = "192.0.2.1:5062".parse().ok();
        let path = detour(flow(Transport::Udp), tcp, 1_301).unwrap();
        assert_eq!((path.transport, Some(path.local), path.remote), (Transport::Tcp, tcp, flow(Transport::Udp).remote));
        assert_eq!(detour(flow(Transport::Udp), tcp, 1_300), None);
        assert_eq!(detour(flow(Transport::Udp), None, 60_000), None);
        assert_eq!(detour(flow(Transport::Tcp), tcp, 60_000), None);
    }

    #[test]
    fn a_rerouted_request_differs_in_its_via_alone() {
        let request = |via: &str| Bytes::from(format!("INVITE sip:a@b SIP/2.0\r\nVia: {via};branch=z9hG4bK1\r\n\r\n"));
        let (tcp, udp) = (flow(Transport::Tcp), flow(Transport::Udp));
        let rerouted = rerouted(&request("SIP/2.0/TCP 192.0.2.1:5060"), tcp, udp);
        assert_eq!(rerouted, Some(request("SIP/2.0/UDP 192.0.2.1:5060")));
        assert_eq!(super::rerouted(&request("SIP/2.0/UDP 192.0.2.1:5060"), tcp, udp), None);
    }
}
