//! What is set otherwise while calls run does not end them at the next start: what was agreed, and who we said to be, holds.

use crate::ladder::{answer, answered, called_out, gets_bye, hang_up};
use serde_json::{Value, json};
use std::time::Duration;
use tests::world::{CARRIER, NUMBER, OUT, OUT_LOGIN, PBX, World, login};

const CHALLENGE: &str = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";

/// A carrier's trunk, with a login or without.
fn out(index: usize, login: Option<Value>) -> Value {
    let destination = format!("sip:{}", OUT[index]);
    json!({
        "name": "out", "kind": "carrier", "destination": destination, "prefixes": ["+1"], "priority": index + 1,
        "ring_timeout": 20, "login": login,
    })
}

#[test]
fn a_session_timer_that_was_agreed_holds_whatever_is_asked_for_since() {
    for peer_refreshes in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee) = match peer_refreshes {
            false => answered(&mut world),
            true => {
                let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
                let offer = caller.sdp("sendrecv");
                let asks = "Max-Forwards: 70\r\nSupported: timer\r\nSession-Expires: 100;refresher=uac\r\n";
                caller.call_with(&mut world, NUMBER, Some(&offer), asks);
                caller.expect(&mut world, "100");
                let invite = callee.expect(&mut world, "INVITE");
                answer(&mut world, &mut caller, &mut callee, &invite);
                (caller, callee)
            }
        };
        world.dies_and_is_set_otherwise(|settings| {
            settings.endpoint.intervals.wanted = 600;
            settings.endpoint.intervals.min = 200;
        });
        world.pass(Duration::from_secs(30));
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

#[test]
fn a_call_whose_challenge_was_answered_goes_on_where_the_login_is_gone() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, second], invite) = called_out(&mut world);
    first.respond_saying(&mut world, &invite, 407, CHALLENGE);
    first.expect(&mut world, "ACK");
    let invite = first.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut first, &invite);
    world.set_trunk(3, out(0, None));
    world.dies_unnoticed();
    first.expect(&mut world, "ACK");
    second.expect_silence(&mut world);
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut first);
    assert!(!bye.has(domain::sip::wire::HeaderName::ProxyAuthorization), "there is nothing to prove it with: {bye:?}");
    world.assert_nothing_left();
}

#[test]
fn a_call_whose_challenge_was_not_answered_goes_on_where_there_is_a_login_now() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    first.respond_saying(&mut world, &invite, 407, CHALLENGE);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    world.set_trunk(3, out(0, Some(login(OUT_LOGIN))));
    world.dies_unnoticed();
    first.expect_silence(&mut world);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}
