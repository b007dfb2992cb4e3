//! A world with a call in every state, and what was said until it was there.

use super::Sample;
use crate::ladder::{answer, cancelled, hang_up};
use domain::sip::wire::Message;
use std::net::SocketAddr;
use tests::world::{CARRIER, EXCHANGE, NUMBER, OUT, PBX, PUBLIC, Phone, World};

/// A caller of the carrier, the PBX, and the INVITE that it has.
fn invited(world: &mut World, line: u16, late: bool) -> (Phone, Phone, Message) {
    let mut caller = Phone::on_line(CARRIER.parse().unwrap(), line);
    let mut callee = Phone::on_line(PBX.parse().unwrap(), line);
    caller.ignore_all(world);
    callee.ignore_all(world);
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, (!late).then_some(offer.as_str()));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    (caller, callee, invite)
}

fn ringing(world: &mut World, line: u16) -> (Phone, Phone, Message) {
    let (mut caller, callee, invite) = invited(world, line, false);
    callee.respond(world, &invite, 180, None);
    caller.expect(world, "180");
    (caller, callee, invite)
}

fn talking(world: &mut World, line: u16) -> (Phone, Phone) {
    let (mut caller, mut callee, invite) = ringing(world, line);
    answer(world, &mut caller, &mut callee, &invite);
    (caller, callee)
}

/// Calls in every state. The same seed makes the same world, down to its tags and branches.
pub(super) fn busy_world() -> World {
    let mut world = World::new(77);
    invited(&mut world, 1, false);
    ringing(&mut world, 2);
    talking(&mut world, 3);
    unacknowledged(&mut world);
    changing(&mut world);
    let (caller, callee, _) = ringing(&mut world, 6);
    caller.cancel(&mut world);
    caller.ignore_all(&mut world);
    callee.ignore_all(&mut world);
    let (mut caller, mut callee) = talking(&mut world, 7);
    hang_up(&mut world, &mut callee, &mut caller);
    over(&mut world);
    late(&mut world);
    outward(&mut world);
    world
}

/// The callee has answered, the caller says nothing to that.
fn unacknowledged(world: &mut World) {
    let (mut caller, mut callee, invite) = ringing(world, 4);
    let body = callee.sdp("sendrecv");
    callee.respond(world, &invite, 200, Some(&body));
    callee.expect(world, "ACK");
    caller.expect(world, "200");
}

/// A re-INVITE of the caller waits for the callee.
fn changing(world: &mut World) {
    let (mut caller, mut callee) = talking(world, 5);
    let offer = caller.sdp("sendonly");
    caller.reinvite(world, Some(&offer));
    caller.expect(world, "100");
    callee.expect(world, "INVITE");
}

/// Cancelled, refused, and all of it acknowledged.
fn over(world: &mut World) {
    let (mut caller, mut callee, invite) = ringing(world, 8);
    caller.cancel(world);
    caller.expect(world, "200 (1 CANCEL)");
    let refusal = caller.expect(world, "487");
    caller.ack_refusal(world, &refusal);
    cancelled(world, &mut callee, &invite);
}

/// The callee offers, the caller has not answered with its ACK yet.
fn late(world: &mut World) {
    let (mut caller, callee, invite) = invited(world, 9, true);
    let body = callee.sdp("sendrecv");
    callee.respond(world, &invite, 200, Some(&body));
    caller.expect(world, "200");
}

/// A call of the PBX that went to the second carrier after the first refused it.
fn outward(world: &mut World) {
    let [mut pbx, mut first, mut second] =
        [PBX, OUT[0], OUT[1]].map(|address| Phone::on_line(address.parse().unwrap(), 10));
    pbx.ignore_all(world);
    for phone in [&mut pbx, &mut first, &mut second] {
        phone.exchange = PUBLIC.parse().unwrap();
    }
    let offer = pbx.sdp("sendrecv");
    pbx.call(world, "+12025550199", Some(&offer));
    pbx.expect(world, "100");
    let invite = first.expect(world, "INVITE");
    first.respond(world, &invite, 503, None);
    first.expect(world, "ACK");
    let invite = second.expect(world, "INVITE");
    second.respond(world, &invite, 183, Some(&offer));
}

/// Requests that no call of the world has.
const OTHERS: [&str; 4] = [
    "REGISTER sip:exchange.example SIP/2.0\r\nv: SIP/2.0/UDP 198.51.100.1:5200;branch=z9hG4bKreg;rport\r\n\
     f: \"B\" <sip:b@exchange.example>;tag=1\r\nt: sip:b@exchange.example\r\ni: reg@a\r\nCSeq: 1 REGISTER\r\n\
     m: <sip:b@198.51.100.1:5200;transport=udp>;expires=60;q=0.5, \"x, y\" <sips:c@d?Subject=z>\r\n\
     Authorization: Digest username=\"b\", realm=\"exchange.example\", nonce=\"abc\", uri=\"sip:exchange.example\", \
     response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, qop=auth, cnonce=\"q\", nc=00000001\r\nl: 0\r\n\r\n",
    "INVITE sip:+15550001111@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5201;branch=z9hG4bKmulti,\r\n \
     SIP/2.0/TCP [2001:db8::1]:5061;received=2001:db8::2;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=m\r\n\
     To: <sip:+15550001111@192.0.2.1>\r\nCall-ID: multi@a\r\nCSeq: 1 INVITE\r\nContact: <sip:a@198.51.100.1:5201>\r\n\
     Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nMax-Forwards: 3\r\nContent-Type: multipart/mixed;boundary=\"b\"\r\n\r\n\
     --b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=a 1 1 IN IP4 h.example\r\n\
     s=x\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtcp:4001 IN IP4 198.51.100.1\r\n\
     a=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\nm=video 4002 RTP/SAVPF 96\r\nc=IN IP6 ::1\r\na=sendonly\r\n--b--\r\n",
    "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKopt;rport\r\nFrom: <sip:a@b>;tag=o\r\n\
     To: <sip:192.0.2.1>\r\nCall-ID: opt@a\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nAccept: application/sdp\r\n\r\n",
    "SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
     To: <sip:c@d>;tag=2\r\nCall-ID: 407@a\r\nCSeq: 1 INVITE\r\nProxy-Authenticate: Digest realm=\"r\", nonce=\"n\", \
     qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"\\\"o\\\"\", stale=true\r\nRetry-After: 5 (x);duration=6\r\n\r\n",
];

/// What is said in the busy world, to the exchange and by it, and the others.
pub(super) fn samples() -> Vec<Sample> {
    let mut world = busy_world();
    let samples = said_in(&world);
    world.release_all();
    world.assert_nothing_left();
    samples
}

fn said_in(world: &World) -> Vec<Sample> {
    let (exchange, carrier): (SocketAddr, SocketAddr) = (EXCHANGE.parse().unwrap(), CARRIER.parse().unwrap());
    let heard = world.received().iter().map(|packet| (packet.local, packet.from, packet.bytes.clone()));
    // What the exchange said comes back from whom it said it to.
    let said = world.sent().iter().map(|(flow, bytes)| (flow.local, flow.remote, bytes.clone()));
    let others = OTHERS.iter().map(|text| (exchange, carrier, text.as_bytes().into()));
    heard.chain(said).chain(others).map(|(local, from, bytes)| Sample { local, from, bytes }).collect()
}
