//! A call that rings is picked up: INVITE with Replaces names the dialog of the phone that rings (RFC 3891 §3).

use super::prack::SUPPORTED;
use super::refer::{OUTSIDE, allow, hears, outside, refers, rings};
use super::replaces::{asks, newcomer, relayed};
use super::{answer, answered, body, cancelled, gets_bye, hang_up, invited, pass, refused, ringing};
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::wire::Message;
use std::time::Duration;
use tests::world::{A, B, CARRIER, DESKS, NUMBER, PASSWORD, PBX, PUBLIC, Phone, World};

/// The picker has its 200, and so has the caller.
#[track_caller]
fn picked_up(world: &mut World, new: &mut Phone, caller: &mut Phone) -> [Message; 2] {
    new.expect(world, "100");
    let told = [new.expect(world, "200 ("), caller.expect(world, "200 (")];
    new.ack(world, None);
    caller.ack(world, None);
    for message in &told {
        assert!(body(message).contains("c=IN IP4 192.0.2.9"), "{}", body(message));
    }
    relayed(world, [new, caller]);
    told
}

/// The picker is refused, and the call rings on.
#[track_caller]
fn stays(world: &mut World, new: &mut Phone, callee: &Phone, status: &str) {
    new.expect(world, "100");
    refused(world, new, status);
    callee.expect_silence(world);
    assert!(world.watch.story().contains(&"ReplacementRefused"));
}

fn who_names_the_dialog_of_a_phone_that_rings_answers_in_its_place() {
    for more in ["", ";early-only"] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = ringing(&mut world);
        let mut new = newcomer(&mut world);
        let offer = new.sdp("sendrecv");
        asks(&mut world, &mut new, &format!("{}{more}", callee.named()), Some(&offer));
        picked_up(&mut world, &mut new, &mut caller);
        cancelled(&mut world, &mut callee, &invite);
        let story = world.watch.story();
        assert!(
            ["ReplacementAsked", "LegReplaced", "LegsBridged"].iter().all(|kind| story.contains(kind)),
            "{story:?}"
        );
        hang_up(&mut world, &mut new, &mut caller);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Completed);
    }
}

fn who_picked_up_can_be_held_and_hung_up_on() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &callee.named(), Some(&offer));
    picked_up(&mut world, &mut new, &mut caller);
    cancelled(&mut world, &mut callee, &invite);
    super::refer::holds(&mut world, &mut caller, &mut new);
    hang_up(&mut world, &mut caller, &mut new);
    world.assert_nothing_left();
}

fn all_that_ring_beside_it_are_cancelled() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let mut caller = world.phone(CARRIER);
    let mut desks = [0, 1].map(|desk| world.phone(DESKS[desk]));
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER, Some(&offer));
    caller.expect(&mut world, "100");
    let invites = desks.each_mut().map(|desk| desk.expect(&mut world, "INVITE"));
    for (desk, invite) in desks.iter().zip(&invites) {
        desk.respond(&mut world, invite, 180, None);
    }
    caller.expect(&mut world, "180");
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &desks[1].named(), Some(&offer));
    picked_up(&mut world, &mut new, &mut caller);
    for (desk, invite) in desks.iter_mut().zip(&invites) {
        cancelled(&mut world, desk, invite);
    }
    hang_up(&mut world, &mut caller, &mut new);
    world.assert_nothing_left();
}

fn after_early_media_the_picker_is_heard() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let early = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&early));
    caller.expect(&mut world, "183");
    let mut new = newcomer(&mut world);
    new.port = 4_600;
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &callee.named(), Some(&offer));
    picked_up(&mut world, &mut new, &mut caller);
    cancelled(&mut world, &mut callee, &invite);
    hang_up(&mut world, &mut new, &mut caller);
    world.assert_nothing_left();
}

fn what_was_said_reliably_stands_where_it_serves_and_else_the_pickers_offer_follows() {
    for serves in [true, false] {
        let mut world = World::default();
        let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
        let offer = caller.sdp("sendrecv").replace("RTP/AVP 0", "RTP/AVP 0 8");
        caller.call_with(&mut world, NUMBER, Some(&offer), SUPPORTED);
        caller.expect(&mut world, "100");
        let invite = callee.expect(&mut world, "INVITE");
        let early = callee.sdp("sendrecv");
        callee.respond(&mut world, &invite, 183, Some(&early));
        let told = caller.expect(&mut world, "183");
        caller.prack(&mut world, &told, None);
        caller.expect(&mut world, "200 (2 PRACK)");
        let mut new = newcomer(&mut world);
        let plain = new.sdp("sendrecv");
        let other = plain.replace("RTP/AVP 0\r\na=rtpmap:0 PCMU", "RTP/AVP 8\r\na=rtpmap:8 PCMA");
        asks(&mut world, &mut new, &callee.named(), Some(if serves { &plain } else { &other }));
        new.expect(&mut world, "100");
        new.expect(&mut world, "200 (");
        new.ack(&mut world, None);
        assert!(caller.expect(&mut world, "200 (1 INVITE)").body().is_empty(), "the answer was given");
        caller.ack(&mut world, None);
        cancelled(&mut world, &mut callee, &invite);
        if !serves {
            let change = caller.expect(&mut world, "INVITE");
            assert!(body(&change).contains("RTP/AVP 8\r\n"), "{}", body(&change));
            let answer = caller.sdp("sendrecv").replace("RTP/AVP 0\r\na=rtpmap:0 PCMU", "RTP/AVP 8\r\na=rtpmap:8 PCMA");
            caller.respond(&mut world, &change, 200, Some(&answer));
            caller.expect(&mut world, "ACK");
        }
        caller.expect_silence(&mut world);
        hang_up(&mut world, &mut new, &mut caller);
        world.assert_nothing_left();
    }
}

fn an_answer_that_crosses_the_pickup_is_hung_up_on() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &callee.named(), Some(&offer));
    picked_up(&mut world, &mut new, &mut caller);
    let cancel = callee.expect(&mut world, "CANCEL");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    gets_bye(&mut world, &mut callee);
    callee.respond(&mut world, &cancel, 481, None);
    relayed(&world, [&new, &caller]);
    hang_up(&mut world, &mut caller, &mut new);
    world.assert_nothing_left();
}

fn a_picker_that_never_acknowledges_ends_the_call_as_lost() {
    for caller_too in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = ringing(&mut world);
        let mut new = newcomer(&mut world);
        let offer = new.sdp("sendrecv");
        asks(&mut world, &mut new, &callee.named(), Some(&offer));
        new.expect(&mut world, "100");
        cancelled(&mut world, &mut callee, &invite);
        caller.expect(&mut world, "200 (");
        if !caller_too {
            caller.ack(&mut world, None);
        }
        world.pass(Duration::from_millis(32_100));
        for phone in [&mut new, &mut caller] {
            phone.ignore_all(&mut world);
        }
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Lost);
    }
}

fn an_offer_that_does_not_suit_the_callers_is_488_and_it_rings_on() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let mut new = newcomer(&mut world);
    let plain = new.sdp("sendrecv");
    let other_codec = plain.replace("AVP 0", "AVP 96").replace("0 PCMU", "96 opus");
    let secure = plain.replace("RTP/AVP", "RTP/SAVP");
    let video = plain.replace("m=audio", "m=video");
    for offer in [Some(other_codec), Some(secure), Some(video), None] {
        asks(&mut world, &mut new, &callee.named(), offer.as_deref());
        stays(&mut world, &mut new, &callee, "488");
    }
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_caller_without_an_offer_is_not_picked_up() {
    let mut world = World::default();
    let mut caller = world.phone(CARRIER);
    let mut callee = world.phone(PBX);
    caller.call(&mut world, NUMBER, None);
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &callee.named(), Some(&offer));
    stays(&mut world, &mut new, &callee, "488");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
}

fn a_stream_that_the_picker_lacks_is_rejected_toward_the_caller() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let two = format!("{}m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", caller.sdp("sendrecv"));
    caller.call(&mut world, NUMBER, Some(&two));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &callee.named(), Some(&offer));
    let [to_new, to_caller] = picked_up(&mut world, &mut new, &mut caller);
    assert!(!body(&to_new).contains("m=video"), "{}", body(&to_new));
    assert!(body(&to_caller).contains("m=video 0 "), "{}", body(&to_caller));
    cancelled(&mut world, &mut callee, &invite);
    hang_up(&mut world, &mut new, &mut caller);
    world.assert_nothing_left();
}

fn what_rings_for_a_transfer_is_not_picked_up() {
    let mut world = World::default();
    allow(&mut world, PBX, "any");
    let (mut caller, mut callee) = answered(&mut world);
    let mut target = outside(&mut world);
    refers(&mut world, &mut callee, OUTSIDE);
    let invite = rings(&mut world, &mut callee, &mut target);
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &target.named(), Some(&offer));
    stays(&mut world, &mut new, &target, "481");
    target.respond(&mut world, &invite, 486, None);
    target.expect(&mut world, "ACK");
    hears(&mut world, &mut callee, 486);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn another_tenants_call_that_rings_is_as_unknown_as_none() {
    let mut world = World::with_users();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let ask = |world: &mut World, address: &str, domain: &str| {
        let mut user = world.phone(address);
        user.exchange = PUBLIC.parse().unwrap();
        user.extra = format!("Replaces: {}\r\n", callee.named());
        let offer = user.sdp("sendrecv");
        user.call_as(world, &format!("alice@{domain}"), &format!("sip:{NUMBER}@{domain}"), Some(&offer));
        let challenge = user.expect(world, "407");
        user.prove(world, &challenge, ("alice", PASSWORD), Some(&offer));
        user
    };
    let mut stranger = ask(&mut world, "198.51.100.51:40000", B);
    refused(&mut world, &mut stranger, "481");
    let mut alice = ask(&mut world, "198.51.100.50:40000", A);
    alice.extra.clear();
    picked_up(&mut world, &mut alice, &mut caller);
    cancelled(&mut world, &mut callee, &invite);
    hang_up(&mut world, &mut alice, &mut caller);
    pass(&mut world, 1_000);
    assert!(
        world
            .watch
            .events()
            .any(|event| matches!(event, SessionEvent::ReplacementAsked(asked) if asked.user.is_some()))
    );
    world.assert_nothing_left();
}

super::scenarios![
    who_names_the_dialog_of_a_phone_that_rings_answers_in_its_place,
    who_picked_up_can_be_held_and_hung_up_on,
    all_that_ring_beside_it_are_cancelled,
    after_early_media_the_picker_is_heard,
    what_was_said_reliably_stands_where_it_serves_and_else_the_pickers_offer_follows,
    an_answer_that_crosses_the_pickup_is_hung_up_on,
    a_picker_that_never_acknowledges_ends_the_call_as_lost,
    an_offer_that_does_not_suit_the_callers_is_488_and_it_rings_on,
    a_caller_without_an_offer_is_not_picked_up,
    a_stream_that_the_picker_lacks_is_rejected_toward_the_caller,
    what_rings_for_a_transfer_is_not_picked_up,
    another_tenants_call_that_rings_is_as_unknown_as_none,
];
