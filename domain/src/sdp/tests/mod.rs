//! What a session description says, what the other side gets, and what hostile ones do.

mod comparing;
mod describing;
mod hostile;
mod rewriting;

use super::{Anchor, Description, OurOrigin, describe, rewrite};
use crate::media::PortPair;
use std::net::IpAddr;

const OURS: &str = "198.51.100.1";

/// One audio stream; `{session}` and `{media}` are lines of their level.
fn audio(session: &str, media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n{session}m=audio 4000 RTP/AVP 0\r\n{media}")
}

fn described(body: &str) -> Description {
    describe(body.as_bytes()).unwrap()
}

fn pairs() -> Vec<Option<PortPair>> {
    (0..8).map(|index| PortPair::at(20000 + 2 * index)).collect()
}

fn rewritten_to(address: &str, body: &str) -> String {
    let address: IpAddr = address.parse().unwrap();
    let anchor = Anchor { address, ports: &pairs(), origin: OurOrigin { id: 77, version: 3 } };
    String::from_utf8(rewrite(body.as_bytes(), &anchor).unwrap()).unwrap()
}

fn rewritten(body: &str) -> String {
    rewritten_to(OURS, body)
}
