//! Attended transfer (RFC 5589 §7): a PBX has two calls, and asks by REFER with Replaces that their other parties be joined.

use super::refer::hears;
use super::{answer, answered, body, gets_bye, hang_up, lines, pass, refused};
use domain::ids::TransferId;
use domain::log::{Revision, StreamName};
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use serde_json::json;
use tests::world::{B, OUT, PASSWORD, PBX, PUBLIC, Phone, World};

/// The two calls of the PBX: a carrier called it, and it called another carrier.
pub(crate) struct Calls {
    /// The PBX in its first call, where it sends REFER, and the other party.
    pub(crate) asker: Phone,
    pub(crate) remaining: Phone,
    /// The PBX in its second call, and the other party.
    pub(crate) second: Phone,
    pub(crate) moved: Phone,
}

/// What the PBX may have transferred.
fn allow(world: &mut World, rule: &str) {
    world.set_trunk(
        2,
        json!({ "name": "pbx", "kind": "pbx", "addresses": [PBX], "media_source": "latch", "refer": rule }),
    );
}

/// Both calls; `outgoing`: the REFER is to come in the one that the PBX began.
#[track_caller]
pub(crate) fn two_calls(world: &mut World, outgoing: bool) -> Calls {
    allow(world, "internal");
    let (carrier, pbx) = answered(world);
    let mut calling = Phone::on_line(PBX.parse().unwrap(), 77);
    calling.exchange = PUBLIC.parse().unwrap();
    calling.port = 4_400;
    let mut out = world.phone(OUT[0]);
    out.exchange = PUBLIC.parse().unwrap();
    let offer = calling.sdp("sendrecv");
    calling.call(world, "+12025550199", Some(&offer));
    calling.expect(world, "100");
    let invite = out.expect(world, "INVITE");
    answer(world, &mut calling, &mut out, &invite);
    match outgoing {
        false => Calls { asker: pbx, remaining: carrier, second: calling, moved: out },
        true => Calls { asker: calling, remaining: out, second: pbx, moved: carrier },
    }
}

/// Each of the two calls in turn is the one that the REFER comes in.
fn from_either_call(scenario: fn(&mut World, &mut Calls)) {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        scenario(&mut world, &mut calls);
        world.assert_nothing_left();
    }
}

fn refer_to(named: &str) -> String {
    let escaped = named.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
    format!("Refer-To: <sip:+12025550199@exchange.example?Replaces={escaped}>")
}

pub(crate) fn refer(world: &mut World, asker: &mut Phone, named: &str) {
    let headers = format!("{}\r\nContact: <sip:phone@{}>\r\n", refer_to(named), asker.address);
    asker.say_with(world, "REFER", &headers, "");
}

/// The REFER is accepted; gives the re-INVITE that the remaining party has.
#[track_caller]
pub(crate) fn asked(world: &mut World, calls: &mut Calls) -> Message {
    let named = calls.second.named();
    refer(world, &mut calls.asker, &named);
    calls.asker.expect(world, "202");
    hears(world, &mut calls.asker, 100);
    calls.remaining.expect(world, "INVITE")
}

/// A party accepts a re-INVITE.
#[track_caller]
pub(crate) fn accepts(world: &mut World, party: &mut Phone, invite: &Message) {
    let sdp = party.sdp("sendrecv");
    party.respond(world, invite, 200, Some(&sdp));
    party.expect(world, "ACK");
}

#[track_caller]
fn relayed(world: &World, between: [&Phone; 2]) {
    let last = world.ladder.lines().rfind(|line| line.contains("<->")).unwrap();
    let ends = between.map(|phone| format!("{}:{}", phone.address.ip(), phone.port));
    assert!(ends.iter().all(|end| last.contains(end)), "{last}\n{}", world.ladder);
    assert!(!last.contains("deaf") && !last.contains("silent"), "{last}");
}

fn the_other_parties_of_two_calls_are_joined() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        accepts(world, &mut calls.moved, &invite);
        hears(world, &mut calls.asker, 200);
        gets_bye(world, &mut calls.asker);
        gets_bye(world, &mut calls.second);
        relayed(world, [&calls.remaining, &calls.moved]);
        hang_up(world, &mut calls.moved, &mut calls.remaining);
    });
}

/// One side holds the other, as phones do before they ask for a transfer.
#[track_caller]
fn hold(world: &mut World, holds: &mut Phone, held: &mut Phone) {
    let offer = holds.sdp("sendonly");
    holds.reinvite(world, Some(&offer));
    holds.expect(world, "100");
    let invite = held.expect(world, "INVITE");
    let answer = held.sdp("recvonly");
    held.respond(world, &invite, 200, Some(&answer));
    held.expect(world, "ACK");
    holds.expect(world, "200 (");
    holds.ack(world, None);
}

/// The remaining party is asked back to what it had agreed with the asker, who held it.
#[track_caller]
fn asked_back(world: &mut World, calls: &mut Calls) {
    let back = calls.remaining.expect(world, "INVITE");
    assert!(body(&back).contains("a=sendonly"), "{}", body(&back));
    let held = calls.remaining.sdp("recvonly");
    calls.remaining.respond(world, &back, 200, Some(&held));
    calls.remaining.expect(world, "ACK");
}

/// Asks, and both parties agree.
#[track_caller]
pub(crate) fn joined(world: &mut World, calls: &mut Calls) {
    let invite = asked(world, calls);
    accepts(world, &mut calls.remaining, &invite);
    let invite = calls.moved.expect(world, "INVITE");
    accepts(world, &mut calls.moved, &invite);
}

/// Both calls are as they were, and end as calls do.
#[track_caller]
fn as_before(world: &mut World, calls: &mut Calls) {
    hang_up(world, &mut calls.asker, &mut calls.remaining);
    hang_up(world, &mut calls.moved, &mut calls.second);
}

fn causes(world: &World) -> Vec<EndCause> {
    let ends = world.watch.events().filter_map(|event| match event {
        SessionEvent::SessionEnded(ended) => Some(ended.cause),
        _ => None,
    });
    let mut causes: Vec<_> = ends.collect();
    causes.sort_by_key(|cause| format!("{cause:?}"));
    causes
}

fn transfer(world: &World) -> TransferId {
    let linked = world.watch.events().find_map(|event| match event {
        SessionEvent::TransferLinked(linked) => Some(linked.transfer),
        _ => None,
    });
    linked.expect("no transfer was begun")
}

fn each_session_and_the_transfer_tell_of_it() {
    let mut world = World::default();
    let mut calls = two_calls(&mut world, false);
    joined(&mut world, &mut calls);
    hears(&mut world, &mut calls.asker, 200);
    gets_bye(&mut world, &mut calls.asker);
    gets_bye(&mut world, &mut calls.second);
    hang_up(&mut world, &mut calls.remaining, &mut calls.moved);
    world.assert_nothing_left();
    let stream = StreamName::new("transfer", transfer(&world).uuid());
    assert_eq!(world.watch.last_durable(&stream), Some(Revision(1)));
    let story = world.watch.story();
    for kind in ["TransferLinked", "LegGivenAway", "LegTaken", "LegReplaced", "TransferCompleted"] {
        assert_eq!(story.iter().filter(|told| **told == kind).count(), 1, "{kind}");
    }
    assert_eq!(causes(&world), [EndCause::Completed, EndCause::Transferred]);
}

fn who_was_held_hears_again() {
    from_either_call(|world, calls| {
        hold(world, &mut calls.asker, &mut calls.remaining);
        hold(world, &mut calls.second, &mut calls.moved);
        let invite = asked(world, calls);
        assert!(body(&invite).contains("a=sendrecv"));
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        assert!(body(&invite).contains("a=sendrecv"));
        accepts(world, &mut calls.moved, &invite);
        hears(world, &mut calls.asker, 200);
        gets_bye(world, &mut calls.asker);
        gets_bye(world, &mut calls.second);
        relayed(world, [&calls.remaining, &calls.moved]);
        hang_up(world, &mut calls.remaining, &mut calls.moved);
    });
}

fn an_asker_that_hangs_up_is_not_waited_for() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        for phone in [&mut calls.second, &mut calls.asker] {
            phone.say(world, "BYE");
            phone.expect(world, "200");
        }
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        accepts(world, &mut calls.moved, &invite);
        hears(world, &mut calls.asker, 200);
        relayed(world, [&calls.remaining, &calls.moved]);
        hang_up(world, &mut calls.remaining, &mut calls.moved);
        calls.asker.expect_silence(world);
    });
}

fn an_asker_that_hangs_up_takes_both_calls_with_it_if_they_are_not_joined() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        for phone in [&mut calls.second, &mut calls.asker] {
            phone.say(world, "BYE");
            phone.expect(world, "200");
        }
        calls.remaining.respond(world, &invite, 488, None);
        calls.remaining.expect(world, "ACK");
        hears(world, &mut calls.asker, 488);
        gets_bye(world, &mut calls.remaining);
        gets_bye(world, &mut calls.moved);
    });
}

fn a_refusal_of_the_remaining_party_leaves_both_calls_as_they_were() {
    from_either_call(|world, calls| {
        let relays = lines(world, "<->");
        let invite = asked(world, calls);
        calls.remaining.respond(world, &invite, 488, None);
        calls.remaining.expect(world, "ACK");
        hears(world, &mut calls.asker, 488);
        calls.moved.expect_silence(world);
        assert_eq!(lines(world, "<->"), relays);
        let story = world.watch.story();
        assert!(["LegReturned", "LegRegained", "TransferFailed"].iter().all(|kind| story.contains(kind)), "{story:?}");
        as_before(world, calls);
    });
}

fn a_refusal_of_the_moved_party_asks_the_remaining_one_back() {
    from_either_call(|world, calls| {
        hold(world, &mut calls.asker, &mut calls.remaining);
        let invite = asked(world, calls);
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        calls.moved.respond(world, &invite, 488, None);
        calls.moved.expect(world, "ACK");
        hears(world, &mut calls.asker, 488);
        asked_back(world, calls);
        as_before(world, calls);
    });
}

fn a_moved_party_that_knows_nothing_of_its_call_leaves_the_first_as_it_was() {
    from_either_call(|world, calls| {
        hold(world, &mut calls.asker, &mut calls.remaining);
        let invite = asked(world, calls);
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        calls.moved.respond(world, &invite, 481, None);
        calls.moved.expect(world, "ACK");
        let bye = calls.moved.expect(world, "BYE");
        calls.moved.respond(world, &bye, 481, None);
        hears(world, &mut calls.asker, 480);
        asked_back(world, calls);
        gets_bye(world, &mut calls.second);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
    });
}

fn a_moved_party_that_hangs_up_meanwhile_leaves_the_first_call_as_it_was() {
    from_either_call(|world, calls| {
        hold(world, &mut calls.asker, &mut calls.remaining);
        let invite = asked(world, calls);
        calls.moved.say(world, "BYE");
        calls.moved.expect(world, "200");
        hears(world, &mut calls.asker, 480);
        gets_bye(world, &mut calls.second);
        accepts(world, &mut calls.remaining, &invite);
        asked_back(world, calls);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
    });
}

fn a_remaining_party_that_hangs_up_meanwhile_leaves_the_second_call_as_it_was() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        calls.remaining.say(world, "BYE");
        calls.remaining.expect(world, "200");
        hears(world, &mut calls.asker, 487);
        gets_bye(world, &mut calls.asker);
        calls.remaining.respond(world, &invite, 487, None);
        calls.remaining.expect(world, "ACK");
        hang_up(world, &mut calls.moved, &mut calls.second);
    });
}

fn a_remaining_party_that_hangs_up_late_gives_the_other_back_as_it_was() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        calls.remaining.say(world, "BYE");
        calls.remaining.expect(world, "200");
        hears(world, &mut calls.asker, 487);
        gets_bye(world, &mut calls.asker);
        accepts(world, &mut calls.moved, &invite);
        let back = calls.moved.expect(world, "INVITE");
        accepts(world, &mut calls.moved, &back);
        relayed(world, [&calls.moved, &calls.second]);
        hang_up(world, &mut calls.second, &mut calls.moved);
    });
}

fn a_party_whose_own_change_meets_ours_is_asked_again() {
    from_either_call(|world, calls| {
        let invite = asked(world, calls);
        calls.remaining.respond(world, &invite, 491, None);
        calls.remaining.expect(world, "ACK");
        pass(world, 4_100);
        let invite = calls.remaining.expect(world, "INVITE");
        // It came again while nobody answered.
        calls.remaining.ignore_all(world);
        accepts(world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(world, "INVITE");
        accepts(world, &mut calls.moved, &invite);
        hears(world, &mut calls.asker, 200);
        gets_bye(world, &mut calls.asker);
        gets_bye(world, &mut calls.second);
        hang_up(world, &mut calls.remaining, &mut calls.moved);
    });
}

fn a_call_whose_media_is_being_changed_is_not_joined() {
    from_either_call(|world, calls| {
        let offer = calls.moved.sdp("sendonly");
        calls.moved.reinvite(world, Some(&offer));
        calls.moved.expect(world, "100");
        let held = calls.second.expect(world, "INVITE");
        let named = calls.second.named();
        refer(world, &mut calls.asker, &named);
        calls.asker.expect(world, "202");
        hears(world, &mut calls.asker, 100);
        hears(world, &mut calls.asker, 480);
        let answer = calls.second.sdp("recvonly");
        calls.second.respond(world, &held, 200, Some(&answer));
        calls.second.expect(world, "ACK");
        calls.moved.expect(world, "200 (");
        calls.moved.ack(world, None);
        as_before(world, calls);
    });
}

fn no_call_is_joined_with_itself_and_none_for_whom_it_is_not_allowed() {
    from_either_call(|world, calls| {
        let named = calls.asker.named();
        refer(world, &mut calls.asker, &named);
        calls.asker.expect(world, "403");
        allow(world, "any");
        refer(world, &mut calls.asker, &named);
        calls.asker.expect(world, "202");
        hears(world, &mut calls.asker, 403);
        allow(world, "refuse");
        let named = calls.second.named();
        refer(world, &mut calls.asker, &named);
        calls.asker.expect(world, "403");
        as_before(world, calls);
    });
}

fn a_call_of_another_tenant_is_as_unknown_as_none_and_named_to_the_target_alone() {
    let mut world = World::with_users();
    allow(&mut world, "any");
    let (mut carrier, mut pbx) = answered(&mut world);
    let mut users = ["198.51.100.50:40000", "198.51.100.60:41000"].map(|address| world.phone(address));
    users.iter_mut().for_each(|phone| phone.exchange = PUBLIC.parse().unwrap());
    let [caller, device] = &mut users;
    device.register(&mut world, ("alice", B), PASSWORD, "");
    let offer = caller.sdp("sendrecv");
    caller.call_as(&mut world, &format!("alice@{B}"), &format!("sip:alice@{B}"), Some(&offer));
    let challenge = caller.expect(&mut world, "407");
    caller.prove(&mut world, &challenge, ("alice", PASSWORD), Some(&offer));
    caller.expect(&mut world, "100");
    let invite = device.expect(&mut world, "INVITE");
    answer(&mut world, caller, device, &invite);
    let named = caller.named();
    refer(&mut world, &mut pbx, &named);
    pbx.expect(&mut world, "202");
    hears(&mut world, &mut pbx, 100);
    let mut out = world.phone(OUT[0]);
    let invite = out.expect(&mut world, "INVITE");
    assert_eq!(invite.header(HeaderName::Replaces), Some(named.as_str()));
    assert_eq!(invite.header(HeaderName::Require), Some("replaces"));
    out.respond(&mut world, &invite, 481, None);
    out.expect(&mut world, "ACK");
    hears(&mut world, &mut pbx, 500);
    device.expect_silence(&mut world);
    hang_up(&mut world, caller, device);
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

fn a_call_that_rings_is_not_joined() {
    let mut world = World::default();
    allow(&mut world, "any");
    let (mut carrier, mut pbx) = answered(&mut world);
    let mut calling = Phone::on_line(PBX.parse().unwrap(), 77);
    calling.exchange = PUBLIC.parse().unwrap();
    let mut out = world.phone(OUT[0]);
    out.exchange = PUBLIC.parse().unwrap();
    let offer = calling.sdp("sendrecv");
    calling.call(&mut world, "+12025550199", Some(&offer));
    calling.expect(&mut world, "100");
    let invite = out.expect(&mut world, "INVITE");
    out.respond(&mut world, &invite, 180, None);
    calling.expect(&mut world, "180");
    let named = calling.named();
    refer(&mut world, &mut pbx, &named);
    pbx.expect(&mut world, "202");
    hears(&mut world, &mut pbx, 480);
    out.respond(&mut world, &invite, 486, None);
    out.expect(&mut world, "ACK");
    refused(&mut world, &mut calling, "486");
    hang_up(&mut world, &mut carrier, &mut pbx);
    world.assert_nothing_left();
}

super::scenarios![
    the_other_parties_of_two_calls_are_joined,
    each_session_and_the_transfer_tell_of_it,
    who_was_held_hears_again,
    an_asker_that_hangs_up_is_not_waited_for,
    an_asker_that_hangs_up_takes_both_calls_with_it_if_they_are_not_joined,
    a_refusal_of_the_remaining_party_leaves_both_calls_as_they_were,
    a_refusal_of_the_moved_party_asks_the_remaining_one_back,
    a_moved_party_that_knows_nothing_of_its_call_leaves_the_first_as_it_was,
    a_moved_party_that_hangs_up_meanwhile_leaves_the_first_call_as_it_was,
    a_remaining_party_that_hangs_up_meanwhile_leaves_the_second_call_as_it_was,
    a_remaining_party_that_hangs_up_late_gives_the_other_back_as_it_was,
    a_party_whose_own_change_meets_ours_is_asked_again,
    a_call_whose_media_is_being_changed_is_not_joined,
    no_call_is_joined_with_itself_and_none_for_whom_it_is_not_allowed,
    a_call_of_another_tenant_is_as_unknown_as_none_and_named_to_the_target_alone,
    a_call_that_rings_is_not_joined,
];
