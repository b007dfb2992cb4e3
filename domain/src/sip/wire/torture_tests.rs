//! The messages of RFC 4475 and RFC 5118, as far as the wire layer judges them.

#![expect(clippy::disallowed_methods, reason = "test data is read from files")]

use super::{Message, validate_request, validate_response};
use bytes::Bytes;
use std::path::PathBuf;

/// What the wire layer says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Goes on to the endpoint.
    Valid,
    /// A request that is answered so.
    Answered(u16),
    /// A response that is dropped.
    Dropped,
}
use Verdict::{Answered, Dropped, Valid};

/// Section, name, verdict. Where the RFC lets an element choose between rejecting and repairing, we reject; where it
/// says that the choice is another layer's, the message is valid here and the comment says what comes later.
const RFC4475: [(&str, &str, Verdict); 49] = [
    ("3.1.1.1", "wsinv", Valid),
    ("3.1.1.2", "intmeth", Valid), // 405 or 501
    ("3.1.1.3", "esc01", Valid),
    ("3.1.1.4", "escnull", Valid),
    ("3.1.1.5", "esc02", Valid), // 405 or 501
    ("3.1.1.6", "lwsdisp", Valid),
    ("3.1.1.7", "longreq", Valid),
    ("3.1.1.8", "dblreq", Valid),
    ("3.1.1.9", "semiuri", Valid),
    ("3.1.1.10", "transports", Valid),
    ("3.1.1.11", "mpart01", Valid),
    ("3.1.1.12", "unreason", Valid),
    ("3.1.1.13", "noreason", Valid),
    ("3.1.2.1", "badinv01", Answered(400)),
    ("3.1.2.2", "clerr", Answered(400)),
    ("3.1.2.3", "ncl", Answered(400)),
    ("3.1.2.4", "scalar02", Answered(400)),
    ("3.1.2.5", "scalarlg", Dropped),
    ("3.1.2.6", "quotbal", Answered(400)),
    ("3.1.2.7", "ltgtruri", Answered(400)),
    ("3.1.2.8", "lwsruri", Answered(400)),
    ("3.1.2.9", "lwsstart", Answered(400)),
    ("3.1.2.10", "trws", Answered(400)),
    ("3.1.2.11", "escruri", Answered(400)),
    ("3.1.2.12", "baddate", Valid), // who does not read Date ignores it
    ("3.1.2.13", "regbadct", Answered(400)),
    ("3.1.2.14", "badaspec", Answered(400)),
    ("3.1.2.15", "baddn", Answered(400)),
    ("3.1.2.16", "badvers", Answered(505)),
    ("3.1.2.17", "mismatch01", Answered(400)),
    ("3.1.2.18", "mismatch02", Answered(501)),
    ("3.1.2.19", "bigcode", Dropped),
    ("3.2.1", "badbranch", Answered(400)),
    ("3.3.1", "insuf", Answered(400)),
    ("3.3.2", "unkscm", Answered(416)),
    ("3.3.3", "novelsc", Answered(416)),
    ("3.3.4", "unksm2", Valid),   // a registrar answers 400: To is no SIP URI
    ("3.3.5", "bext01", Valid),   // 420
    ("3.3.6", "invut", Valid),    // 415
    ("3.3.7", "regaut01", Valid), // 401
    ("3.3.8", "multi01", Answered(400)),
    ("3.3.9", "mcl01", Answered(400)),
    ("3.3.10", "bcast", Valid),  // an endpoint drops it: the top Via is not ours
    ("3.3.11", "zeromf", Valid), // 483 if it would be forwarded
    ("3.3.12", "cparam01", Valid),
    ("3.3.13", "cparam02", Valid),
    ("3.3.14", "regescrt", Valid),
    ("3.3.15", "sdp01", Valid), // 406
    ("3.4.1", "inv2543", Valid),
];

const RFC5118: [(&str, &str, Verdict); 12] = [
    ("4.1", "ipv6-good", Valid),
    ("4.2", "ipv6-bad", Answered(400)),
    ("4.3", "port-ambiguous", Valid),
    ("4.4", "port-unambiguous", Valid),
    ("4.5", "via-received-param-with-delim", Valid),
    ("4.5", "via-received-param-no-delim", Valid),
    ("4.6", "ipv6-in-sdp", Valid),
    ("4.7", "mult-ip-in-header", Valid),
    ("4.8", "mult-ip-in-sdp", Valid),
    ("4.9", "ipv4-mapped-ipv6", Valid),
    ("4.10", "ipv6-bug-abnf-3-colons", Valid),
    ("4.10", "ipv6-correct-abnf-2-colons", Valid),
];

/// Messages whose verdict is not yet the one above. This list may only shrink.
const OWED: [&str; 0] = [];

fn verdict(datagram: Vec<u8>) -> Verdict {
    let (message, fault) = match Message::scan(Bytes::from(datagram)) {
        Err(unreadable) => {
            return if unreadable.answerable().is_some() { Answered(unreadable.status()) } else { Dropped };
        }
        Ok(message) if message.is_request() => (message.clone(), validate_request(&message)),
        Ok(message) => (message.clone(), validate_response(&message)),
    };
    match fault {
        Ok(()) => Valid,
        Err(fault) if message.is_answerable() => Answered(fault.status),
        Err(_) => Dropped,
    }
}

/// Where the bytes lie beside a checkout.
fn data() -> Option<PathBuf> {
    let beside = ["../../shared/data", "../../../shared/data"];
    beside.iter().map(|place| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(place)).find(|folder| folder.is_dir())
}

fn judge(table: &[(&str, &str, Verdict)], load: impl Fn(&str) -> Vec<u8>) {
    let wrong: Vec<_> = table
        .iter()
        .map(|(section, name, owed)| (section, *name, *owed, verdict(load(name))))
        .filter(|(_, name, owed, got)| (owed != got) != OWED.contains(name))
        .collect();
    assert!(wrong.is_empty(), "section, name, owed, got (or no longer owed): {wrong:#?}");
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict() {
    let Some(data) = data() else {
        println!("not run: ../shared/data is not there");
        return;
    };
    judge(&RFC4475, |name| std::fs::read(data.join(format!("rfc4475/{name}.dat"))).unwrap());
}

#[test]
fn every_message_of_rfc_5118_gets_its_verdict() {
    let Some(data) = data() else {
        println!("not run: ../shared/data is not there");
        return;
    };
    judge(&RFC5118, |name| restored(&std::fs::read(data.join(format!("rfc5118/{name}.dat"))).unwrap()));
}

/// The archive of RFC 5118 has bare LFs, lacks the empty line where there is no body, and counts some bodies wrong.
fn restored(archived: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(archived.to_vec()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let body = body.replace('\n', "\r\n");
    let mut wire = String::new();
    for line in head.lines().filter(|line| !line.starts_with("Content-Length")) {
        wire.push_str(line);
        wire.push_str("\r\n");
    }
    wire.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    wire.into_bytes()
}
