//! Ladder scenarios: every case of the SIP core with both legs' messages, in virtual time.

mod basic;
mod modify;
mod race;
mod refuse;

use bytes::Bytes;
use domain::sip::wire::Message;
use tests::world::{CARRIER, NUMBER, PBX, Phone, World};

/// Caller and callee with an answered call: INVITE to ACK on both legs.
pub(crate) fn answered(world: &mut World) -> (Phone, Phone) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    callee.respond(world, &invite, 180, None);
    caller.expect(world, "180");
    let answer = callee.sdp("sendrecv");
    callee.respond(world, &invite, 200, Some(&answer));
    callee.expect(world, "ACK");
    caller.expect(world, "200");
    caller.ack(world, None);
    (caller, callee)
}

/// One side hangs up, the other is told.
#[track_caller]
pub(crate) fn hang_up(world: &mut World, by: &mut Phone, other: &mut Phone) {
    by.say(world, "BYE");
    by.expect(world, "200");
    let bye = other.expect(world, "BYE");
    other.respond(world, &bye, 200, None);
}

/// The SDP of a message as text.
pub(crate) fn body(message: &Message) -> String {
    String::from_utf8(Bytes::copy_from_slice(message.body()).to_vec()).unwrap()
}
