//! Reads everything of a message that anything may read.

use bytes::Bytes;
use domain::media::PortPair;
use domain::sdp::{self, Anchor, OurOrigin};
use domain::sip::digest::{Asker, Challenge, Credentials, Presented};
use domain::sip::endpoint::content_refusal;
use domain::sip::wire::{
    Elements, HeaderName, Message, NameAddr, Uri, UriBuf, Via, Writer, validate_request, validate_response,
};
use std::net::{IpAddr, SocketAddr};

/// What is read must be read, whatever comes of it.
fn black_box<T>(read: T) {
    drop(std::hint::black_box(read));
}

/// Whether it is a message that passes the checks.
pub(super) fn read(bytes: &[u8]) -> bool {
    let scanned = Message::scan(Bytes::copy_from_slice(bytes));
    let message = match &scanned {
        Ok(message) => message,
        Err(unreadable) => match unreadable.partial() {
            Some(partial) => partial,
            None => return false,
        },
    };
    let good = match message.is_request() {
        true => validate_request(message).is_ok(),
        false => validate_response(message).is_ok(),
    };
    read_headers(message);
    read_body(message);
    write_answer(message, good);
    scanned.is_ok() && good
}

fn read_headers(message: &Message) {
    black_box((message.start(), message.version(), message.max_forwards(), message.call_id(), message.cseq()));
    for header in message.headers() {
        black_box((Credentials::parse(header.value), Challenge::parse(Asker::Proxy, header.value)));
        for element in Elements::of(header.value) {
            if let Ok(address) = NameAddr::parse(element) {
                read_address(&address);
            }
            if let Ok(via) = Via::parse(element) {
                black_box((via.branch(), via.unique_branch(), via.received(), via.rport(), via.maddr().is_some()));
            }
        }
    }
    let addresses = message.contacts().chain(message.routes()).chain(message.record_routes());
    addresses.chain([message.from(), message.to()]).flatten().for_each(|address| read_address(&address));
    black_box((message.vias().count(), message.top_via().is_ok(), message.is_wildcard_contact()));
    for name in [HeaderName::Require, HeaderName::Supported, HeaderName::Accept, HeaderName::Other] {
        black_box(message.values(name).count());
    }
    if let Some(Ok(uri)) = message.request_uri().map(Uri::parse) {
        read_uri(uri);
    }
    black_box((Presented::by(message, Asker::Server), Challenge::of(message), content_refusal(message)));
}

fn read_address(address: &NameAddr<'_>) {
    black_box((address.display_text(), address.tag(), address.params.iter().count()));
    read_uri(address.uri);
}

fn read_uri(uri: Uri<'_>) {
    black_box((uri.user_text(), uri.password(), uri.host_port(), uri.params().count(), uri.headers()));
    assert_eq!(UriBuf::from(uri).as_uri(), uri);
}

fn read_body(message: &Message) {
    let body = message.body();
    let content_type = message.header(HeaderName::ContentType).unwrap_or("application/sdp");
    let part = sdp::find(content_type, body).map_or(body, |range| &body[range]);
    let ports: Vec<Option<PortPair>> = (0..4).map(|index| PortPair::at(20_000 + 2 * index)).collect();
    let (address, origin) = (IpAddr::from([192, 0, 2, 9]), OurOrigin { id: 1, version: 2 });
    black_box(sdp::reject_all(part, origin, address));
    let anchor = Anchor { address, ports: &ports, origin };
    let (described, rewritten) = (sdp::describe(part), sdp::rewrite(part, &anchor));
    if let (Ok(before), Ok(rewritten)) = (described, rewritten) {
        let after = sdp::describe(&rewritten).expect("what we write can be read");
        assert_eq!(before.streams.len(), after.streams.len());
        black_box((sdp::change(&before, &after), sdp::answers(&before, &after), sdp::same_media(part, &rewritten)));
    }
}

fn write_answer(message: &Message, good: bool) {
    let source: SocketAddr = "192.0.2.7:7".parse().unwrap();
    if !message.is_answerable() {
        return;
    }
    // A message at the limit has an answer beyond it.
    let Ok(written) = Writer::answer(message, 400, source, Some("t")).finish() else {
        assert!(message.bytes().len() > 60_000);
        return;
    };
    let answer = Message::scan(written).unwrap();
    assert!(!good || validate_response(&answer).is_ok());
}
