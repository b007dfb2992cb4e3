//! The ladder: what was said, in order, a line each.

use super::World;
use bytes::Bytes;
use domain::ids::LegId;
use domain::sip::wire::Message;
use std::fmt::Write;
use std::net::SocketAddr;

impl World {
    /// Names an address in the ladder.
    pub fn name(&mut self, address: &str, name: &'static str) {
        self.names.insert(address.parse().unwrap(), name);
    }

    /// Names an address in the ladder as another one.
    pub(super) fn alias(&mut self, address: SocketAddr, of: SocketAddr) {
        if let Some(name) = self.names.get(&of).copied() {
            self.names.insert(address, name);
        }
    }

    pub(super) fn draw(&mut self, peer: SocketAddr, arrives: bool, bytes: &Bytes) {
        let name = self.names.get(&peer).copied().unwrap_or("somebody");
        let at = self.now.moment.since(self.started);
        let arrow = if arrives { "->" } else { "<-" };
        let lost = if !arrives && self.deaf.contains(&peer) { " (lost)" } else { "" };
        let _ = writeln!(self.ladder, "{:>7.3} {name:>7} {arrow} {}{lost}", at.as_secs_f64(), summary(bytes));
    }
}

/// Method or status with CSeq, and what the SDP says.
pub fn summary(bytes: &Bytes) -> String {
    let Ok(message) = Message::scan(bytes.clone()) else { return "(not SIP)".to_owned() };
    let cseq = message.cseq().map_or(String::new(), |cseq| format!("{} {}", cseq.number, cseq.method));
    let start = match message.method() {
        Some(method) => format!("{} {}", method.as_str(), message.request_uri().unwrap_or_default()),
        None => message.status().map_or(String::new(), |status| format!("{status} ({cseq})")),
    };
    let sdp = if message.body().is_empty() { "" } else { " +SDP" };
    let start = mask_legs(&start);
    format!("{start}{sdp}")
}

/// Leg ids differ by seed: they are shown by their place only.
fn mask_legs(text: &str) -> String {
    let is_leg = |word: &str| LegId::from_tag(word).is_some();
    text.split_inclusive([':', '@', ' '])
        .map(|part| {
            let word = part.trim_end_matches([':', '@', ' ']);
            if is_leg(word) { part.replace(word, "LEG") } else { part.to_owned() }
        })
        .collect()
}
