//! What other stacks' users had to report: the cases of the fifteen lessons (ARCHITECTURE.md) that no other file has.

use super::refer::holds;
use super::{answer, answered, gets_bye, hang_up, invited, pass, refused, ringing};
use domain::session::event::EndCause;
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, NUMBER, PBX, World};

/// Lesson 1: a 2xx that is repeated after a re-INVITE is still acknowledged as its own INVITE was, not as the last.
fn an_answer_that_comes_again_after_a_change_gets_its_own_ack_again() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    let first = callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200 (");
    caller.ack(&mut world, None);
    holds(&mut world, &mut caller, &mut callee);
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    let again = callee.expect(&mut world, "ACK");
    assert_eq!(again.bytes(), first.bytes());
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// Lessons 1 and 6: nor is the late 2xx of another fork.
fn another_forks_answer_after_a_change_gets_the_ack_of_its_own_invite() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    answer(&mut world, &mut caller, &mut callee, &invite);
    holds(&mut world, &mut caller, &mut callee);
    let sdp = callee.sdp("sendrecv");
    callee.respond_tagged(&mut world, &invite, 200, Some(&sdp), "late");
    let ack = callee.expect(&mut world, "ACK");
    assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
    let bye = callee.expect(&mut world, "BYE");
    assert_eq!((ack.to().unwrap().tag(), bye.to().unwrap().tag()), (Some("late"), Some("late")));
    callee.respond(&mut world, &bye, 200, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// Lesson 2: an ACK that comes as fast as the 200 went is not missed.
fn an_ack_that_comes_at_once_is_heard_and_nothing_is_repeated() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    pass(&mut world, 40_000);
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// Lesson 3: the BYE after an answer that crossed our CANCEL goes by the answer's route set.
fn an_answer_that_crosses_our_cancel_is_hung_up_on_by_its_own_route() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = ringing(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let cancel = callee.expect(&mut world, "CANCEL");
    callee.extra = "Record-Route: <sip:203.0.113.9;lr>, <sip:203.0.113.1;lr>\r\n".into();
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    let by_route = |message: &Message| {
        let routes: Vec<_> = message.values(HeaderName::Route).collect();
        assert_eq!(routes, ["<sip:203.0.113.1;lr>", "<sip:203.0.113.9;lr>"]);
    };
    by_route(&callee.expect(&mut world, "ACK"));
    by_route(&gets_bye(&mut world, &mut callee));
    callee.respond(&mut world, &cancel, 200, None);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Cancelled);
}

/// Lesson 7: a router is loose where its URI has the parameter `lr`, with a value or not, and not where another begins so.
fn a_router_is_loose_by_its_whole_lr_parameter() {
    for (route, loose) in [(";lr", true), (";LR", true), (";lr=on", true), (";lrx", false), (";x=lr", false)] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = invited(&mut world);
        callee.extra = format!("Record-Route: <sip:203.0.113.1{route}>\r\n");
        let sdp = callee.sdp("sendrecv");
        callee.respond(&mut world, &invite, 200, Some(&sdp));
        let ack = callee.expect(&mut world, "ACK");
        let router = format!("sip:203.0.113.1{route}");
        let phone = format!("sip:phone@{PBX}");
        let (target, hop) = if loose { (&phone, &router) } else { (&router, &phone) };
        assert_eq!(ack.request_uri(), Some(target.as_str()), "{route}");
        assert_eq!(ack.header(HeaderName::Route), Some(format!("<{hop}>").as_str()), "{route}");
        caller.expect(&mut world, "200 (");
        caller.ack(&mut world, None);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

/// Lesson 7: who sent the INVITE learns its proxies from every response that makes a dialog, early ones too.
fn responses_that_make_a_dialog_record_the_callers_proxies() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.extra = "Record-Route: <sip:198.51.100.9;lr>\r\n".into();
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER, Some(&offer));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 180, None);
    let ringing = caller.expect(&mut world, "180");
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    let ok = caller.expect(&mut world, "200 (");
    for response in [ringing, ok] {
        assert_eq!(response.header(HeaderName::RecordRoute), Some("<sip:198.51.100.9;lr>"));
    }
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// Lesson 9: a leg hears of one Contact of ours from beginning to end, whoever changes the call, of the scheme it came by.
fn a_leg_hears_of_one_contact_of_ours_from_beginning_to_end() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond(&mut world, &invite, 180, None);
    let mut heard = vec![caller.expect(&mut world, "180")];
    let sdp = [caller.sdp("sendonly"), callee.sdp("recvonly"), callee.sdp("sendrecv")];
    callee.respond(&mut world, &invite, 200, Some(&sdp[2]));
    callee.expect(&mut world, "ACK");
    heard.push(caller.expect(&mut world, "200 ("));
    caller.ack(&mut world, None);
    caller.reinvite(&mut world, Some(&sdp[0]));
    caller.expect(&mut world, "100");
    let change = callee.expect(&mut world, "INVITE");
    let told = [invite.header(HeaderName::Contact), change.header(HeaderName::Contact)];
    assert!(told[0].is_some_and(|contact| contact.starts_with("<sip:")) && told[0] == told[1], "{told:?}");
    callee.respond(&mut world, &change, 200, Some(&sdp[1]));
    callee.expect(&mut world, "ACK");
    heard.push(caller.expect(&mut world, "200 ("));
    caller.ack(&mut world, None);
    callee.reinvite(&mut world, Some(&sdp[2]));
    callee.expect(&mut world, "100");
    heard.push(caller.expect(&mut world, "INVITE"));
    caller.respond(&mut world, &heard[3], 200, Some(&caller.sdp("sendrecv")));
    caller.expect(&mut world, "ACK");
    callee.expect(&mut world, "200 (");
    callee.ack(&mut world, None);
    let contacts: Vec<_> = heard.iter().map(|message| message.header(HeaderName::Contact)).collect();
    assert!(contacts[0].is_some_and(|contact| contact.starts_with("<sip:")), "{contacts:?}");
    assert!(contacts.iter().all(|contact| *contact == contacts[0]), "{contacts:?}");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// Lesson 14: the hops that an INVITE may still go are passed on, less one.
fn the_callee_gets_one_hop_less_than_the_caller_sent() {
    for (sent, passed) in [(70, 69), (2, 1)] {
        let mut world = World::default();
        let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
        let offer = caller.sdp("sendrecv");
        caller.call_with(&mut world, NUMBER, Some(&offer), &format!("Max-Forwards: {sent}\r\n"));
        caller.expect(&mut world, "100");
        let invite = callee.expect(&mut world, "INVITE");
        assert_eq!(invite.max_forwards(), Ok(Some(passed)));
        answer(&mut world, &mut caller, &mut callee, &invite);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

/// Lesson 14: a request is merged with one that is in progress, not with one that is over.
fn an_invite_that_is_over_merges_with_none() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486");
    let again = caller.invite.replace("branch=z9hG4bK-", "branch=z9hG4bK-other-");
    world.send(caller.address, again.into());
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "486");
    pass(&mut world, 33_000);
    caller.ignore_all(&mut world);
    world.assert_nothing_left();
}

super::scenarios![
    an_answer_that_comes_again_after_a_change_gets_its_own_ack_again,
    another_forks_answer_after_a_change_gets_the_ack_of_its_own_invite,
    an_ack_that_comes_at_once_is_heard_and_nothing_is_repeated,
    an_answer_that_crosses_our_cancel_is_hung_up_on_by_its_own_route,
    a_router_is_loose_by_its_whole_lr_parameter,
    responses_that_make_a_dialog_record_the_callers_proxies,
    a_leg_hears_of_one_contact_of_ours_from_beginning_to_end,
    the_callee_gets_one_hop_less_than_the_caller_sent,
    an_invite_that_is_over_merges_with_none,
];
