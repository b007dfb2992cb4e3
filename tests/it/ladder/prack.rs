//! Provisional responses that are sent reliably, on either leg or both, and their PRACKs.

use super::{answer, body, cancelled, gets_bye, hang_up, invited, lines, pass, refused};
use domain::session::event::EndCause;
use domain::sip::wire::{HeaderName, Message};
use tests::world::{CARRIER, DESKS, NUMBER, PBX, Phone, World};

pub(super) const SUPPORTED: &str = "Max-Forwards: 70\r\nSupported: timer, 100rel\r\n";
pub(super) const REQUIRED: &str = "Max-Forwards: 70\r\nRequire: 100rel\r\n";

/// A caller that calls with these headers, and the INVITE that the callee has.
#[track_caller]
pub(super) fn called(world: &mut World, headers: &str) -> (Phone, Phone, Message) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call_with(world, NUMBER, Some(&offer), headers);
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    assert!(invite.lists_option(HeaderName::Supported, "100rel"));
    assert!(!invite.has(HeaderName::Require));
    (caller, callee, invite)
}

/// The callee says this reliably and gets its PRACK, which has no body.
#[track_caller]
pub(super) fn says_reliably(world: &mut World, callee: &mut Phone, invite: &Message, said: (u16, u32, Option<&str>)) {
    let (status, rseq, sdp) = said;
    callee.respond_reliably(world, invite, status, sdp, rseq);
    let prack = callee.expect(world, "PRACK");
    assert_eq!(prack.header(HeaderName::RAck), Some(&*format!("{rseq} 1 INVITE")));
    assert!(prack.body().is_empty());
    callee.respond(world, &prack, 200, None);
}

#[track_caller]
pub(super) fn assert_reliable(response: &Message) -> u32 {
    assert_eq!(response.header(HeaderName::Require), Some("100rel"));
    let rseq = response.rseq().unwrap().unwrap();
    assert!((1..1 << 31).contains(&rseq), "{rseq}");
    assert!(response.has(HeaderName::Contact) && response.header(HeaderName::Allow).unwrap().contains("PRACK"));
    rseq
}

#[track_caller]
pub(super) fn assert_plain(response: &Message) {
    assert!(!response.has(HeaderName::Require) && !response.has(HeaderName::RSeq));
}

fn a_reliable_callee_gets_pracks_and_its_early_answer_counts() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    says_reliably(&mut world, &mut callee, &invite, (180, 4_000_000_000, None));
    assert_plain(&caller.expect(&mut world, "180"));
    let sdp = callee.sdp("sendrecv");
    says_reliably(&mut world, &mut callee, &invite, (183, 4_000_000_001, Some(&sdp)));
    let told = caller.expect(&mut world, "183");
    assert_plain(&told);
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.1:4000"), 1);
    // Its 2xx need not say it again.
    callee.respond(&mut world, &invite, 200, None);
    let ack = callee.expect(&mut world, "ACK");
    assert_eq!((ack.header(HeaderName::CSeq), ack.body().len()), (Some("1 ACK"), 0));
    assert_eq!(body(&caller.expect(&mut world, "200 (1 INVITE)")), body(&told));
    caller.ack(&mut world, None);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut callee);
    assert_eq!(bye.header(HeaderName::CSeq), Some("4 BYE"));
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn sdp_after_a_reliable_answer_is_ignored() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let sdp = callee.sdp("sendrecv");
    says_reliably(&mut world, &mut callee, &invite, (183, 7, Some(&sdp)));
    let told = body(&caller.expect(&mut world, "183"));
    callee.port = 4400;
    let other = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&other));
    callee.respond(&mut world, &invite, 200, Some(&other));
    callee.expect(&mut world, "ACK");
    assert_eq!(body(&caller.expect(&mut world, "200 (1 INVITE)")), told);
    caller.ack(&mut world, None);
    assert_eq!((lines(&world, "<-> 203.0.113.1:4000"), lines(&world, ":4400")), (2, 0), "{}", world.ladder);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn repeats_are_absorbed_and_what_comes_ahead_of_its_turn_is_as_if_it_had_not_come() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond_reliably(&mut world, &invite, 180, None, 10);
    let prack = callee.expect(&mut world, "PRACK");
    caller.expect(&mut world, "180");
    let sdp = callee.sdp("sendrecv");
    callee.respond_reliably(&mut world, &invite, 180, None, 10);
    callee.respond_reliably(&mut world, &invite, 183, Some(&sdp), 12);
    callee.respond_reliably(&mut world, &invite, 180, None, 9);
    callee.expect_silence(&mut world);
    caller.expect_silence(&mut world);
    callee.respond(&mut world, &prack, 200, None);
    says_reliably(&mut world, &mut callee, &invite, (181, 11, None));
    says_reliably(&mut world, &mut callee, &invite, (183, 12, Some(&sdp)));
    caller.expect(&mut world, "183");
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_prack_goes_again_until_it_is_answered_and_uses_its_own_cseq() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond_reliably(&mut world, &invite, 180, None, 1);
    let prack = callee.expect(&mut world, "PRACK");
    assert_eq!(prack.header(HeaderName::CSeq), Some("2 PRACK"));
    caller.expect(&mut world, "180");
    pass(&mut world, 1_600);
    assert_eq!(callee.expect(&mut world, "PRACK").bytes(), prack.bytes());
    assert_eq!(callee.expect(&mut world, "PRACK").bytes(), prack.bytes());
    callee.respond(&mut world, &prack, 200, None);
    pass(&mut world, 10_000);
    callee.expect_silence(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    let cancel = callee.expect(&mut world, "CANCEL");
    assert_eq!(
        (cancel.header(HeaderName::CSeq), cancel.header(HeaderName::Via)),
        (Some("1 CANCEL"), invite.header(HeaderName::Via))
    );
    callee.respond(&mut world, &cancel, 200, None);
    callee.respond(&mut world, &invite, 487, None);
    assert_eq!(callee.expect(&mut world, "ACK").header(HeaderName::CSeq), Some("1 ACK"));
    world.assert_nothing_left();
}

fn a_callee_that_says_no_to_our_prack_or_nothing_is_given_up() {
    for status in [Some(481), Some(500), None] {
        let mut world = World::default();
        world.ring_instead(&[&[PBX]], 90);
        let (mut caller, mut callee, invite) = invited(&mut world);
        callee.respond_reliably(&mut world, &invite, 180, None, 1);
        let prack = callee.expect(&mut world, "PRACK");
        caller.expect(&mut world, "180");
        match status {
            Some(status) => callee.respond(&mut world, &prack, status, None),
            None => {
                pass(&mut world, 32_000);
                (0..10).for_each(|_| drop(callee.expect(&mut world, "PRACK")));
            }
        }
        cancelled(&mut world, &mut callee, &invite);
        refused(&mut world, &mut caller, if status == Some(500) { "500" } else { "504" });
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Failed);
    }
}

fn an_answer_that_overtakes_our_pracks_refusal_stands() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.respond_reliably(&mut world, &invite, 180, None, 1);
    let prack = callee.expect(&mut world, "PRACK");
    caller.expect(&mut world, "180");
    answer(&mut world, &mut caller, &mut callee, &invite);
    callee.respond(&mut world, &prack, 481, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn each_fork_gets_its_pracks_by_its_own_tag_contact_and_route() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    let sdp = callee.sdp("sendrecv");
    let says = |world: &mut World, callee: &mut Phone, tag: &str, status: u16, rseq: u32, sdp: Option<&str>| {
        callee.contact = format!("<sip:{tag}@203.0.113.1:5060>");
        callee.extra =
            format!("Record-Route: <sip:203.0.113.1:5060;lr;fork={tag}>\r\nRequire: 100rel\r\nRSeq: {rseq}\r\n");
        callee.respond_tagged(world, &invite, status, sdp, tag);
        callee.extra.clear();
        let prack = callee.expect(world, &format!("PRACK sip:{tag}@203.0.113.1:5060"));
        assert!(prack.header(HeaderName::To).unwrap().ends_with(&format!(";tag={tag}")));
        assert_eq!(prack.header(HeaderName::Route), Some(&*format!("<sip:203.0.113.1:5060;lr;fork={tag}>")));
        assert_eq!(prack.header(HeaderName::RAck), Some(&*format!("{rseq} 1 INVITE")));
        callee.respond(world, &prack, 200, None);
    };
    says(&mut world, &mut callee, "one", 183, 70, Some(&sdp));
    let told = caller.expect(&mut world, "183");
    says(&mut world, &mut callee, "two", 183, 5, Some(&sdp.replace("audio 4000", "audio 4444")));
    says(&mut world, &mut callee, "one", 180, 71, None);
    says(&mut world, &mut callee, "two", 180, 6, None);
    let rings = caller.expect(&mut world, "180");
    assert_eq!(told.header(HeaderName::To), rings.header(HeaderName::To), "one dialog");
    caller.expect_silence(&mut world);
    callee.respond_tagged(&mut world, &invite, 200, None, "one");
    callee.expect(&mut world, "ACK sip:");
    let ok = caller.expect(&mut world, "200 (1 INVITE)");
    assert_eq!((ok.header(HeaderName::To), body(&ok)), (told.header(HeaderName::To), body(&told)));
    caller.ack(&mut world, None);
    assert_eq!(lines(&world, "4444"), 0, "{}", world.ladder);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn more_early_dialogs_than_are_told_apart_get_no_pracks() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = invited(&mut world);
    callee.extra = "Require: 100rel\r\nRSeq: 1\r\n".into();
    for fork in 0..12 {
        callee.respond_tagged(&mut world, &invite, 180, None, &format!("f{fork}"));
    }
    callee.extra.clear();
    for _ in 0..8 {
        let prack = callee.expect(&mut world, "PRACK");
        callee.respond(&mut world, &prack, 200, None);
    }
    callee.expect_silence(&mut world);
    caller.expect(&mut world, "180");
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn what_only_looks_reliable_is_heard_as_it_is() {
    for headers in
        ["RSeq: 5\r\n", "Require: 100rel\r\n", "Require: 100rel\r\nRSeq: 0\r\n", "Require: 100rel\r\nRSeq: x\r\n"]
    {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = invited(&mut world);
        callee.extra = headers.into();
        callee.respond(&mut world, &invite, 180, None);
        callee.extra.clear();
        callee.expect_silence(&mut world);
        caller.expect(&mut world, "180");
        answer(&mut world, &mut caller, &mut callee, &invite);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn a_caller_that_supports_it_gets_sdp_reliably_and_the_rest_plainly() {
    for callee_too in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
        let sdp = callee.sdp("sendrecv");
        match callee_too {
            true => says_reliably(&mut world, &mut callee, &invite, (180, 1, None)),
            false => callee.respond(&mut world, &invite, 180, None),
        }
        assert_plain(&caller.expect(&mut world, "180"));
        match callee_too {
            true => says_reliably(&mut world, &mut callee, &invite, (183, 2, Some(&sdp))),
            false => callee.respond(&mut world, &invite, 183, Some(&sdp)),
        }
        let told = caller.expect(&mut world, "183");
        assert_reliable(&told);
        assert!(body(&told).contains("c=IN IP4 192.0.2.9"));
        caller.prack(&mut world, &told, None);
        caller.expect(&mut world, "200 (2 PRACK)");
        callee.respond(&mut world, &invite, 200, (!callee_too).then_some(&sdp));
        callee.expect(&mut world, "ACK");
        let ok = caller.expect(&mut world, "200 (1 INVITE)");
        assert!(ok.body().is_empty(), "the answer was given");
        caller.ack(&mut world, None);
        caller.expect_silence(&mut world);
        pass(&mut world, 5_000);
        caller.expect_silence(&mut world);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn a_caller_that_requires_it_gets_everything_reliably_one_at_a_time() {
    for callee_too in [false, true] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = called(&mut world, REQUIRED);
        let sdp = callee.sdp("sendrecv");
        for (rseq, status, sdp) in [(1, 180, None), (2, 181, None), (3, 183, Some(&*sdp))] {
            match callee_too {
                true => says_reliably(&mut world, &mut callee, &invite, (status, rseq, sdp)),
                false => callee.respond(&mut world, &invite, status, sdp),
            }
        }
        let first = caller.expect(&mut world, "180");
        let rseq = assert_reliable(&first);
        caller.expect_silence(&mut world);
        caller.prack(&mut world, &first, None);
        caller.expect(&mut world, "200 (2 PRACK)");
        let second = caller.expect(&mut world, "183");
        assert_eq!(assert_reliable(&second), rseq + 1);
        assert_eq!(first.header(HeaderName::To), second.header(HeaderName::To));
        caller.prack(&mut world, &second, None);
        caller.expect(&mut world, "200 (3 PRACK)");
        callee.respond(&mut world, &invite, 200, Some(&sdp));
        callee.expect(&mut world, "ACK");
        caller.expect(&mut world, "200 (1 INVITE)");
        caller.ack(&mut world, None);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn a_reliable_response_goes_again_with_doubling_gaps_until_its_prack() {
    let mut world = World::default();
    world.ring_instead(&[&[PBX]], 90);
    let (mut caller, callee, invite) = called(&mut world, REQUIRED);
    callee.respond(&mut world, &invite, 180, None);
    pass(&mut world, 20_000);
    let at: Vec<&str> =
        world.ladder.lines().filter(|line| line.contains("carrier <- 180")).map(|line| line[..7].trim()).collect();
    assert_eq!(at, ["0.000", "0.500", "1.500", "3.500", "7.500", "15.500"]);
    let rings = caller.expect(&mut world, "180");
    (0..5).for_each(|_| assert_eq!(caller.expect(&mut world, "180").bytes(), rings.bytes()));
    caller.prack(&mut world, &rings, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    pass(&mut world, 30_000);
    caller.expect_silence(&mut world);
    callee.respond(&mut world, &invite, 486, None);
    refused(&mut world, &mut caller, "486");
    world.assert_nothing_left();
}

fn without_a_prack_the_invite_is_refused_after_64_t1() {
    let mut world = World::default();
    world.ring_instead(&[&[PBX]], 90);
    let (mut caller, mut callee, invite) = called(&mut world, REQUIRED);
    callee.respond(&mut world, &invite, 180, None);
    pass(&mut world, 31_900);
    (0..7).for_each(|_| drop(caller.expect(&mut world, "180")));
    caller.expect_silence(&mut world);
    pass(&mut world, 200);
    refused(&mut world, &mut caller, "504");
    cancelled(&mut world, &mut callee, &invite);
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Failed, Some(504)));
}

fn an_answer_waits_for_the_prack_to_sdp_and_not_for_others() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&sdp));
    let told = caller.expect(&mut world, "183");
    callee.respond(&mut world, &invite, 200, Some(&sdp));
    callee.expect(&mut world, "ACK");
    caller.expect_silence(&mut world);
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    caller.expect(&mut world, "200 (1 INVITE)");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();

    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, REQUIRED);
    callee.respond(&mut world, &invite, 180, None);
    let rings = caller.expect(&mut world, "180");
    callee.respond(&mut world, &invite, 181, None);
    answer(&mut world, &mut caller, &mut callee, &invite);
    // Its PRACK may still come.
    caller.prack(&mut world, &rings, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    pass(&mut world, 40_000);
    caller.expect_silence(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

/// A call whose answer waits for the caller's PRACK to this.
#[track_caller]
fn held(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, mut callee, invite) = called(world, SUPPORTED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(world, &invite, 183, Some(&sdp));
    let told = caller.expect(world, "183");
    callee.respond(world, &invite, 200, Some(&sdp));
    callee.expect(world, "ACK");
    caller.expect_silence(world);
    (caller, callee, told)
}

fn a_cancel_while_the_answer_waits_for_a_prack_ends_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee, told) = held(&mut world);
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    gets_bye(&mut world, &mut callee);
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "481 (2 PRACK)");
    world.assert_nothing_left();
    assert_eq!((world.ended().cause, world.ended().status), (EndCause::Cancelled, Some(487)));
}

fn a_callee_that_hangs_up_while_its_answer_waits_for_a_prack_makes_the_caller_hear_480() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = held(&mut world);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    refused(&mut world, &mut caller, "480");
    world.assert_nothing_left();
}

fn a_caller_that_says_bye_while_the_answer_waits_for_its_prack_ends_the_call() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = held(&mut world);
    caller.say(&mut world, "BYE");
    caller.expect(&mut world, "200 (2 BYE)");
    refused(&mut world, &mut caller, "487");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

fn an_answer_whose_prack_never_comes_is_taken_back() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = held(&mut world);
    pass(&mut world, 32_000);
    (0..6).for_each(|_| drop(caller.expect(&mut world, "183")));
    refused(&mut world, &mut caller, "504");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Lost);
}

fn the_operator_ends_a_call_whose_answer_waits_for_a_prack() {
    let mut world = World::default();
    let (mut caller, mut callee, _) = held(&mut world);
    world.release_all();
    refused(&mut world, &mut caller, "480");
    gets_bye(&mut world, &mut callee);
    world.assert_nothing_left();
}

fn a_cancel_ends_what_waits_for_a_prack_and_what_is_queued() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, REQUIRED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 180, None);
    let rings = caller.expect(&mut world, "180");
    callee.respond(&mut world, &invite, 183, Some(&sdp));
    caller.cancel(&mut world);
    caller.expect(&mut world, "200 (1 CANCEL)");
    refused(&mut world, &mut caller, "487");
    cancelled(&mut world, &mut callee, &invite);
    caller.prack(&mut world, &rings, None);
    caller.expect(&mut world, "481 (2 PRACK)");
    pass(&mut world, 40_000);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn a_refusal_does_not_wait_for_a_prack() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, REQUIRED);
    callee.respond(&mut world, &invite, 180, None);
    caller.expect(&mut world, "180");
    callee.respond(&mut world, &invite, 486, None);
    callee.expect(&mut world, "ACK");
    refused(&mut world, &mut caller, "486 (1 INVITE)");
    pass(&mut world, 40_000);
    caller.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Busy);
}

fn a_prack_that_fits_nothing_is_481_and_one_that_cannot_be_read_400() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&sdp));
    let told = caller.expect(&mut world, "183");
    let rseq = assert_reliable(&told);
    let racks = [
        (format!("RAck: {} 1 INVITE\r\n", rseq + 1), "481"),
        (format!("RAck: {rseq} 2 INVITE\r\n"), "481"),
        (format!("RAck: {rseq} 1 UPDATE\r\n"), "481"),
        (format!("RAck: {rseq} INVITE\r\n"), "400"),
        ("RAck: 0 1 INVITE\r\n".to_owned(), "400"),
        (String::new(), "400"),
    ];
    for (rack, status) in racks {
        // Whatever it says beside is not taken for the caller's.
        caller.say_with(&mut world, "PRACK", &rack, "v=0\r\n");
        caller.expect(&mut world, status);
    }
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "200 (8 PRACK)");
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "481 (9 PRACK)");
    answer(&mut world, &mut caller, &mut callee, &invite);
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "481 (10 PRACK)");
    hang_up(&mut world, &mut caller, &mut callee);
    callee.ask(&mut world, "PRACK", "<sip:192.0.2.1>", "RAck: 1 1 INVITE\r\n");
    callee.expect(&mut world, "481");
    world.assert_nothing_left();
}

fn a_prack_that_comes_again_is_answered_again_and_done_once() {
    let mut world = World::default();
    let (mut caller, mut callee, invite) = called(&mut world, SUPPORTED);
    let sdp = callee.sdp("sendrecv");
    callee.respond(&mut world, &invite, 183, Some(&sdp));
    let told = caller.expect(&mut world, "183");
    let rack = format!("RAck: {} 1 INVITE\r\n", assert_reliable(&told));
    let prack = caller.say_with(&mut world, "PRACK", &rack, "");
    world.send(caller.from(), prack);
    let ok = caller.expect(&mut world, "200 (2 PRACK)");
    assert_eq!(caller.expect(&mut world, "200 (2 PRACK)").bytes(), ok.bytes());
    answer(&mut world, &mut caller, &mut callee, &invite);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn callees_of_a_group_are_one_reliable_dialog_to_the_caller() {
    let mut world = World::default();
    world.ring_instead(&[&DESKS[..2]], 20);
    let mut caller = world.phone(CARRIER);
    let offer = caller.sdp("sendrecv");
    caller.call_with(&mut world, NUMBER, Some(&offer), REQUIRED);
    caller.expect(&mut world, "100");
    let [mut first, mut second] = [DESKS[0], DESKS[1]].map(|address| world.phone(address));
    let invites = [&mut first, &mut second].map(|desk| desk.expect(&mut world, "INVITE"));
    let sdp = first.sdp("sendrecv");
    says_reliably(&mut world, &mut first, &invites[0], (183, 500, Some(&sdp)));
    let told = caller.expect(&mut world, "183");
    let rseq = assert_reliable(&told);
    let early = second.sdp("sendrecv");
    says_reliably(&mut world, &mut second, &invites[1], (183, 3, Some(&early)));
    caller.prack(&mut world, &told, None);
    caller.expect(&mut world, "200 (2 PRACK)");
    first.respond(&mut world, &invites[0], 500, None);
    first.expect(&mut world, "ACK");
    assert_eq!(lines(&world, "| relay 198.51.100.1:4000 <-> 203.0.113.22:4000"), 1, "{}", world.ladder);
    says_reliably(&mut world, &mut second, &invites[1], (180, 4, None));
    let rings = caller.expect(&mut world, "180");
    assert_eq!((assert_reliable(&rings), rings.body().len()), (rseq + 1, 0));
    assert_eq!(told.header(HeaderName::To), rings.header(HeaderName::To));
    caller.prack(&mut world, &rings, None);
    caller.expect(&mut world, "200 (3 PRACK)");
    second.respond(&mut world, &invites[1], 200, None);
    second.expect(&mut world, "ACK");
    let ok = caller.expect(&mut world, "200 (1 INVITE)");
    assert_eq!((ok.header(HeaderName::To), ok.body().len()), (told.header(HeaderName::To), 0));
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

super::scenarios![
    a_reliable_callee_gets_pracks_and_its_early_answer_counts,
    sdp_after_a_reliable_answer_is_ignored,
    repeats_are_absorbed_and_what_comes_ahead_of_its_turn_is_as_if_it_had_not_come,
    a_prack_goes_again_until_it_is_answered_and_uses_its_own_cseq,
    a_callee_that_says_no_to_our_prack_or_nothing_is_given_up,
    an_answer_that_overtakes_our_pracks_refusal_stands,
    each_fork_gets_its_pracks_by_its_own_tag_contact_and_route,
    more_early_dialogs_than_are_told_apart_get_no_pracks,
    what_only_looks_reliable_is_heard_as_it_is,
    a_caller_that_supports_it_gets_sdp_reliably_and_the_rest_plainly,
    a_caller_that_requires_it_gets_everything_reliably_one_at_a_time,
    a_reliable_response_goes_again_with_doubling_gaps_until_its_prack,
    without_a_prack_the_invite_is_refused_after_64_t1,
    an_answer_waits_for_the_prack_to_sdp_and_not_for_others,
    a_cancel_while_the_answer_waits_for_a_prack_ends_the_call,
    a_callee_that_hangs_up_while_its_answer_waits_for_a_prack_makes_the_caller_hear_480,
    a_caller_that_says_bye_while_the_answer_waits_for_its_prack_ends_the_call,
    an_answer_whose_prack_never_comes_is_taken_back,
    the_operator_ends_a_call_whose_answer_waits_for_a_prack,
    a_cancel_ends_what_waits_for_a_prack_and_what_is_queued,
    a_refusal_does_not_wait_for_a_prack,
    a_prack_that_fits_nothing_is_481_and_one_that_cannot_be_read_400,
    a_prack_that_comes_again_is_answered_again_and_done_once,
    callees_of_a_group_are_one_reliable_dialog_to_the_caller,
];
