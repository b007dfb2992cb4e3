//! Transfers that meet something else: hang-ups, changes of media, lost answers, missing ports.

use super::refer::{
    OUTSIDE, asks, failures, from_either_side, hears, holds, media_of, outside, picks_up, refers, refusals, relayed,
    rings, talking,
};
use super::{body, cancelled, gets_bye, hang_up, lines, pass, refused};
use domain::session::event::{ReleaseCause, SessionEvent};
use domain::sip::wire::Message;
use std::time::Duration;
use tests::world::{OUT, Phone, World};

/// `by` held `other` and has it transferred to `target`, who answered: the INVITE that `other` got for it.
#[track_caller]
fn connecting(world: &mut World, by: &mut Phone, other: &mut Phone, target: &mut Phone) -> Message {
    holds(world, by, other);
    refers(world, by, OUTSIDE);
    let invite = rings(world, by, target);
    picks_up(world, target, &invite);
    other.expect(world, "INVITE")
}

/// `other` says yes to what it is asked, and it is done.
#[track_caller]
fn connected(world: &mut World, by: &mut Phone, other: &mut Phone, target: &mut Phone, change: &Message) {
    let answer = other.sdp("sendrecv");
    other.respond(world, change, 200, Some(&answer));
    other.expect(world, "ACK");
    hears(world, by, 200);
    gets_bye(world, by);
    relayed(world, [&media_of(other), &media_of(target)]);
    hang_up(world, target, other);
}

/// `other` gets another INVITE within the time that RFC 3261 §14.1 sets: 2.1 to 4 s for who made the Call-ID, else 2 s.
#[track_caller]
fn asked_again(world: &mut World, other: &mut Phone) -> Message {
    let (before, since) = (lines(world, "<- INVITE"), world.now().moment);
    while lines(world, "<- INVITE") == before {
        pass(world, 10);
        assert!(world.now().moment.since(since) <= Duration::from_millis(4_010), "{}", world.ladder);
    }
    other.expect(world, "INVITE")
}

fn who_asked_hangs_up_as_we_do_and_the_others_talk_on() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        picks_up(world, &mut target, &invite);
        hears(world, by, 200);
        let bye = by.expect(world, "BYE");
        by.say(world, "BYE");
        by.expect(world, "200 (");
        by.respond(world, &bye, 481, None);
        other.expect_silence(world);
        target.expect_silence(world);
        pass(world, 40_000);
        hang_up(world, other, &mut target);
    });
}

fn who_asked_is_hung_up_on_only_when_it_has_heard_how_its_refer_ended() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        hears(world, by, 100);
        let invite = target.expect(world, "INVITE");
        target.respond(world, &invite, 180, None);
        let ringing = by.expect(world, "NOTIFY");
        picks_up(world, &mut target, &invite);
        // The final NOTIFY waits for the answer to this one, and the BYE for the answer to the final one.
        by.expect_silence(world);
        by.respond(world, &ringing, 200, None);
        let last = by.expect(world, "NOTIFY");
        assert!(body(&last).starts_with("SIP/2.0 200 "));
        by.expect_silence(world);
        by.respond(world, &last, 200, None);
        gets_bye(world, by);
        hang_up(world, other, &mut target);
    });
}

fn who_leaves_the_last_notify_unanswered_is_hung_up_on_all_the_same() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        picks_up(world, &mut target, &invite);
        by.expect(world, "NOTIFY");
        pass(world, 32_100);
        (0..10).for_each(|_| assert!(body(&by.expect(world, "NOTIFY")).contains("200 OK")));
        gets_bye(world, by);
        hang_up(world, other, &mut target);
    });
}

fn the_other_party_refuses_the_targets_media_and_the_call_is_given_back() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let change = connecting(world, by, other, &mut target);
        other.respond(world, &change, 488, None);
        other.expect(world, "ACK");
        hears(world, by, 488);
        gets_bye(world, &mut target);
        // Nothing was given up: who asked resumes.
        let (offer, answer) = (by.sdp("sendrecv"), other.sdp("sendrecv"));
        by.reinvite(world, Some(&offer));
        by.expect(world, "100");
        let resume = other.expect(world, "INVITE");
        other.respond(world, &resume, 200, Some(&answer));
        other.expect(world, "ACK");
        by.expect(world, "200 (");
        by.ack(world, None);
        relayed(world, [&media_of(by), &media_of(other)]);
        hang_up(world, by, other);
    });
}

fn the_other_party_does_not_know_the_call_any_more() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let change = connecting(world, by, other, &mut target);
        other.respond(world, &change, 481, None);
        other.expect(world, "ACK");
        other.expect(world, "BYE");
        hears(world, by, 487);
        gets_bye(world, by);
        gets_bye(world, &mut target);
    });
}

fn a_change_of_the_other_partys_own_that_meets_ours_is_waited_for() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let change = connecting(world, by, other, &mut target);
        let crossing = other.sdp("sendrecv");
        other.reinvite(world, Some(&crossing));
        refused(world, other, "491");
        other.respond(world, &change, 491, None);
        other.expect(world, "ACK");
        by.expect_silence(world);
        let again = asked_again(world, other);
        connected(world, by, other, &mut target, &again);
    });
}

fn a_party_that_always_meets_us_with_a_change_of_its_own_is_not_transferred() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let mut change = connecting(world, by, other, &mut target);
        for _ in 0..3 {
            other.respond(world, &change, 491, None);
            other.expect(world, "ACK");
            change = asked_again(world, other);
        }
        other.respond(world, &change, 491, None);
        other.expect(world, "ACK");
        hears(world, by, 491);
        gets_bye(world, &mut target);
        hang_up(world, by, other);
    });
}

fn the_target_hangs_up_before_it_is_connected() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let change = connecting(world, by, other, &mut target);
        target.say(world, "BYE");
        target.expect(world, "200");
        hears(world, by, 480);
        // The other party took the target's media: it is asked back to what was.
        let answer = other.sdp("sendrecv");
        other.respond(world, &change, 200, Some(&answer));
        other.expect(world, "ACK");
        let back = other.expect(world, "INVITE");
        assert!(body(&back).contains("a=sendonly"), "{}", body(&back));
        let held = other.sdp("recvonly");
        other.respond(world, &back, 200, Some(&held));
        other.expect(world, "ACK");
        hang_up(world, other, by);
        assert_eq!(failures(world), [(480, "the target hung up at once".to_owned())]);
    });
}

fn the_target_hangs_up_while_it_rings() {
    from_either_side(|world, by, other| {
        let [mut first, second] = OUT.map(|address| world.phone(address));
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut first);
        first.say(world, "BYE");
        first.expect(world, "200");
        first.respond(world, &invite, 487, None);
        first.expect(world, "ACK");
        second.expect_silence(world);
        hears(world, by, 487);
        hang_up(world, by, other);
    });
}

fn the_other_party_hangs_up_while_it_is_connected() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let change = connecting(world, by, other, &mut target);
        other.say(world, "BYE");
        other.expect(world, "200");
        other.respond(world, &change, 487, None);
        other.expect(world, "ACK");
        hears(world, by, 487);
        gets_bye(world, by);
        gets_bye(world, &mut target);
    });
}

fn a_target_that_answers_our_cancel_is_hung_up_on() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        other.say(world, "BYE");
        other.expect(world, "200");
        let cancel = target.expect(world, "CANCEL");
        target.respond(world, &cancel, 200, None);
        picks_up(world, &mut target, &invite);
        gets_bye(world, &mut target);
        hears(world, by, 487);
        gets_bye(world, by);
    });
}

fn a_refer_during_a_change_of_media_is_491_and_a_change_during_a_transfer_passes() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        let offer = other.sdp("sendonly");
        other.reinvite(world, Some(&offer));
        other.expect(world, "100");
        let change = by.expect(world, "INVITE");
        asks(world, by, &format!("Refer-To: {OUTSIDE}"));
        by.expect(world, "491");
        assert!(refusals(world)[0].1.contains("change of media"));
        let answer = by.sdp("recvonly");
        by.respond(world, &change, 200, Some(&answer));
        by.expect(world, "ACK");
        other.expect(world, "200 (");
        other.ack(world, None);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        // The change is on its way when the target answers: that waits.
        let offer = other.sdp("sendrecv");
        other.reinvite(world, Some(&offer));
        other.expect(world, "100");
        let change = by.expect(world, "INVITE");
        picks_up(world, &mut target, &invite);
        let answer = by.sdp("sendrecv");
        by.respond(world, &change, 200, Some(&answer));
        by.expect(world, "ACK");
        other.expect(world, "200 (");
        other.ack(world, None);
        hears(world, by, 200);
        gets_bye(world, by);
        relayed(world, [&media_of(other), &media_of(&target)]);
        hang_up(world, other, &mut target);
    });
}

fn a_change_that_who_asked_leaves_unanswered_is_given_back_to_who_wanted_it() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        let offer = other.sdp("sendrecv");
        other.reinvite(world, Some(&offer));
        other.expect(world, "100");
        let change = by.expect(world, "INVITE");
        by.say(world, "BYE");
        by.expect(world, "200");
        by.respond(world, &change, 487, None);
        by.expect(world, "ACK");
        refused(world, other, "491");
        picks_up(world, &mut target, &invite);
        hears(world, by, 200);
        relayed(world, [&media_of(other), &media_of(&target)]);
        hang_up(world, other, &mut target);
    });
}

fn a_change_of_who_asked_that_it_leaves_behind_is_taken_back() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        let offer = by.sdp("sendonly");
        by.reinvite(world, Some(&offer));
        by.expect(world, "100");
        let change = other.expect(world, "INVITE");
        by.say(world, "BYE");
        by.expect(world, "200");
        by.expect(world, "487 (");
        other.respond(world, &change, 100, None);
        cancelled(world, other, &change);
        picks_up(world, &mut target, &invite);
        let connect = other.expect(world, "INVITE");
        let answer = other.sdp("sendrecv");
        other.respond(world, &connect, 200, Some(&answer));
        other.expect(world, "ACK");
        hears(world, by, 200);
        relayed(world, [&media_of(other), &media_of(&target)]);
        hang_up(world, other, &mut target);
    });
}

fn who_does_not_know_its_subscription_hears_no_more_and_is_transferred_for_all_the_same() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let notify = by.expect(world, "NOTIFY");
        by.respond(world, &notify, 481, None);
        let invite = target.expect(world, "INVITE");
        target.respond(world, &invite, 180, None);
        picks_up(world, &mut target, &invite);
        gets_bye(world, by);
        by.expect_silence(world);
        hang_up(world, other, &mut target);
    });
}

fn who_answers_no_notify_is_told_the_same_until_its_time_is_up() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        by.say(world, "BYE");
        by.expect(world, "NOTIFY");
        by.expect(world, "200");
        let invite = target.expect(world, "INVITE");
        picks_up(world, &mut target, &invite);
        // What happens meanwhile waits for the answer to what was told first.
        pass(world, 32_100);
        (0..10).for_each(|_| assert!(body(&by.expect(world, "NOTIFY")).contains("100 Trying")));
        by.expect_silence(world);
        hang_up(world, other, &mut target);
    });
}

fn news_that_comes_while_a_notify_waits_is_told_at_once_when_it_is_answered_and_only_the_newest() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let first = by.expect(world, "NOTIFY");
        let invite = target.expect(world, "INVITE");
        for status in [180, 183, 180] {
            target.respond(world, &invite, status, None);
        }
        target.respond(world, &invite, 486, None);
        target.expect(world, "ACK");
        by.expect_silence(world);
        by.respond(world, &first, 200, None);
        hears(world, by, 486);
        by.expect_silence(world);
        hang_up(world, by, other);
    });
}

fn without_ports_for_a_target_the_call_is_given_back() {
    from_either_side(|world, by, other| {
        world.leave_ports(0);
        refers(world, by, OUTSIDE);
        hears(world, by, 100);
        hears(world, by, 500);
        outside(world).expect_silence(world);
        hang_up(world, by, other);
    });
}

fn a_line_that_the_target_does_not_take_is_closed_to_who_left() {
    let mut world = World::default();
    let (mut carrier, mut pbx) = talking(&mut world);
    let mut target = outside(&mut world);
    let two = |phone: &Phone| {
        let video = format!("m=video {} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", phone.port + 2);
        format!("{}{video}", phone.sdp("sendrecv"))
    };
    let (offer, answer) = (two(&carrier), two(&pbx));
    carrier.reinvite(&mut world, Some(&offer));
    carrier.expect(&mut world, "100");
    let change = pbx.expect(&mut world, "INVITE");
    pbx.respond(&mut world, &change, 200, Some(&answer));
    pbx.expect(&mut world, "ACK");
    carrier.expect(&mut world, "200 (");
    carrier.ack(&mut world, None);
    assert_eq!(world.media_paths().len(), 2);
    refers(&mut world, &mut pbx, OUTSIDE);
    let invite = rings(&mut world, &mut pbx, &mut target);
    assert!(body(&invite).contains("m=video"));
    let audio_alone = format!("{}m=video 0 RTP/AVP 96\r\n", target.sdp("sendrecv"));
    target.respond(&mut world, &invite, 200, Some(&audio_alone));
    target.expect(&mut world, "ACK");
    let connect = carrier.expect(&mut world, "INVITE");
    assert!(body(&connect).contains("m=video 0 "));
    let audio_alone = format!("{}m=video 0 RTP/AVP 96\r\n", carrier.sdp("sendrecv"));
    carrier.respond(&mut world, &connect, 200, Some(&audio_alone));
    carrier.expect(&mut world, "ACK");
    hears(&mut world, &mut pbx, 200);
    gets_bye(&mut world, &mut pbx);
    assert_eq!(world.media_paths().len(), 1);
    hang_up(&mut world, &mut target, &mut carrier);
    world.assert_nothing_left();
}

fn who_asked_is_released_because_its_transfer_succeeded() {
    from_either_side(|world, by, other| {
        let mut target = outside(world);
        refers(world, by, OUTSIDE);
        let invite = rings(world, by, &mut target);
        picks_up(world, &mut target, &invite);
        hears(world, by, 200);
        gets_bye(world, by);
        hang_up(world, &mut target, other);
        let story = world.watch.story();
        let place = |kind: &str| story.iter().position(|event| *event == kind).unwrap();
        assert!(place("TransferAsked") < place("LegReplaced") && place("LegReplaced") < place("TransferCompleted"));
        let transferred = |event: &&SessionEvent| match event {
            SessionEvent::LegReleased(released) => released.cause == ReleaseCause::Transferred,
            _ => false,
        };
        assert_eq!(world.watch.events().filter(transferred).count(), 1);
    });
}

super::scenarios![
    who_asked_hangs_up_as_we_do_and_the_others_talk_on,
    who_asked_is_hung_up_on_only_when_it_has_heard_how_its_refer_ended,
    who_leaves_the_last_notify_unanswered_is_hung_up_on_all_the_same,
    the_other_party_refuses_the_targets_media_and_the_call_is_given_back,
    the_other_party_does_not_know_the_call_any_more,
    a_change_of_the_other_partys_own_that_meets_ours_is_waited_for,
    a_party_that_always_meets_us_with_a_change_of_its_own_is_not_transferred,
    the_target_hangs_up_before_it_is_connected,
    the_target_hangs_up_while_it_rings,
    the_other_party_hangs_up_while_it_is_connected,
    a_target_that_answers_our_cancel_is_hung_up_on,
    a_refer_during_a_change_of_media_is_491_and_a_change_during_a_transfer_passes,
    a_change_that_who_asked_leaves_unanswered_is_given_back_to_who_wanted_it,
    a_change_of_who_asked_that_it_leaves_behind_is_taken_back,
    who_does_not_know_its_subscription_hears_no_more_and_is_transferred_for_all_the_same,
    who_answers_no_notify_is_told_the_same_until_its_time_is_up,
    news_that_comes_while_a_notify_waits_is_told_at_once_when_it_is_answered_and_only_the_newest,
    without_ports_for_a_target_the_call_is_given_back,
    a_line_that_the_target_does_not_take_is_closed_to_who_left,
    who_asked_is_released_because_its_transfer_succeeded,
];
