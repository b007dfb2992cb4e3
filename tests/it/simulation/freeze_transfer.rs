//! The log never takes one of the appends of an attended transfer: the session whose stream that is says nothing any more,
//! and the others come to an end without it.

use crate::ladder::attended::{Calls, accepts, asked, joined, refer, two_calls};
use crate::ladder::refer::hears;
use crate::ladder::{gets_bye, hang_up, pass};
use domain::log::{AppendError, StreamName};
use tests::world::{Phone, World};

/// The append with this event is refused, for each reason and with the REFER in either call.
fn refused(kind: &'static str, scenario: fn(&mut World, &mut Calls)) {
    for why in [AppendError::Invalid("it has no events".into()), AppendError::Unknown(StreamName::new("session", 1))] {
        for outgoing in [false, true] {
            let mut world = World::default();
            let mut calls = two_calls(&mut world, outgoing);
            world.refuse_append(kind, &why);
            scenario(&mut world, &mut calls);
            world.assert_frozen(&why);
        }
    }
}

/// Nobody answers these phones any more, whatever they say.
fn dumb<const N: usize>(world: &mut World, phones: [&mut Phone; N]) {
    for phone in phones {
        phone.say(world, "BYE");
        phone.expect_silence(world);
    }
}

/// The same where the next process begins meanwhile, to which no stream is frozen.
fn refused_before_a_start(kind: &'static str, scenario: fn(&mut World, &mut Calls)) {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        world.refuse_append(kind, &AppendError::Invalid("it has no events".into()));
        scenario(&mut world, &mut calls);
        world.dies_unnoticed();
        world.assert_nothing_left();
    }
}

/// Both parties agree to be joined; the second call is hung up on.
fn agreed_in_vain(world: &mut World, calls: &mut Calls) {
    let invite = asked(world, calls);
    accepts(world, &mut calls.remaining, &invite);
    let invite = calls.moved.expect(world, "INVITE");
    let sdp = calls.moved.sdp("sendrecv");
    calls.moved.respond(world, &invite, 200, Some(&sdp));
    gets_bye(world, &mut calls.second);
}

fn ask(world: &mut World, calls: &mut Calls) {
    let named = calls.second.named();
    refer(world, &mut calls.asker, &named);
}

#[test]
fn a_transfer_that_cannot_be_asked_for_is_none_and_the_second_call_is_as_it_was() {
    refused("TransferLinked", |world, calls| {
        ask(world, calls);
        calls.asker.expect_silence(world);
        calls.moved.expect_silence(world);
        hang_up(world, &mut calls.second, &mut calls.moved);
        dumb(world, [&mut calls.asker, &mut calls.remaining]);
    });
}

#[test]
fn a_transfer_whose_own_stream_is_frozen_joins_the_calls_all_the_same() {
    refused("TransferBegun", |world, calls| {
        joined(world, calls);
        hears(world, &mut calls.asker, 200);
        gets_bye(world, &mut calls.asker);
        gets_bye(world, &mut calls.second);
        hang_up(world, &mut calls.remaining, &mut calls.moved);
    });
}

#[test]
fn a_transfer_whose_end_cannot_be_written_has_ended_all_the_same() {
    refused("TransferEnded", |world, calls| {
        joined(world, calls);
        hears(world, &mut calls.asker, 200);
        gets_bye(world, &mut calls.asker);
        gets_bye(world, &mut calls.second);
        hang_up(world, &mut calls.moved, &mut calls.remaining);
    });
}

#[test]
fn a_call_that_cannot_give_its_leg_is_lost_and_the_first_is_as_it_was() {
    refused("LegGivenAway", |world, calls| {
        ask(world, calls);
        calls.asker.expect(world, "202");
        hears(world, &mut calls.asker, 100);
        hears(world, &mut calls.asker, 480);
        calls.remaining.expect_silence(world);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
        dumb(world, [&mut calls.second, &mut calls.moved]);
    });
}

#[test]
fn a_call_that_freezes_when_it_has_given_its_leg_hinders_nothing() {
    for outgoing in [false, true] {
        let why = AppendError::Invalid("it has no events".into());
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        let invite = asked(&mut world, &mut calls);
        world.refuse_append("SipMessageReceived", &why);
        calls.second.say(&mut world, "OPTIONS");
        calls.second.expect_silence(&mut world);
        accepts(&mut world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(&mut world, "INVITE");
        accepts(&mut world, &mut calls.moved, &invite);
        hears(&mut world, &mut calls.asker, 200);
        gets_bye(&mut world, &mut calls.asker);
        hang_up(&mut world, &mut calls.remaining, &mut calls.moved);
        dumb(&mut world, [&mut calls.second]);
        world.assert_frozen(&why);
    }
}

#[test]
fn a_call_that_cannot_take_a_leg_is_lost_with_it_and_the_second_is_hung_up_on() {
    refused("LegTaken", |world, calls| {
        ask(world, calls);
        calls.asker.expect(world, "202");
        hears(world, &mut calls.asker, 100);
        gets_bye(world, &mut calls.second);
        dumb(world, [&mut calls.asker, &mut calls.remaining, &mut calls.moved]);
    });
}

#[test]
fn a_start_explains_a_join_whose_own_stream_was_frozen_before_it_began_or_ended() {
    for kind in ["TransferBegun", "TransferEnded"] {
        refused_before_a_start(kind, |world, calls| {
            joined(world, calls);
            hears(world, &mut calls.asker, 200);
            gets_bye(world, &mut calls.asker);
            gets_bye(world, &mut calls.second);
            world.dies_unnoticed();
            hang_up(world, &mut calls.remaining, &mut calls.moved);
        });
    }
}

#[test]
fn after_a_start_a_call_that_could_not_take_a_leg_is_as_it_was_and_its_party_hears_of_it() {
    refused_before_a_start("LegTaken", |world, calls| {
        ask(world, calls);
        calls.asker.expect(world, "202");
        let notify = calls.asker.expect(world, "NOTIFY");
        gets_bye(world, &mut calls.second);
        world.dies_unnoticed();
        gets_bye(world, &mut calls.moved);
        calls.asker.respond(world, &notify, 200, None);
        hears(world, &mut calls.asker, 500);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
    });
}

#[test]
fn after_a_start_a_leg_that_nobody_takes_back_is_hung_up_on() {
    refused_before_a_start("LegReplaced", |world, calls| {
        agreed_in_vain(world, calls);
        world.dies_unnoticed();
        hears(world, &mut calls.asker, 500);
        gets_bye(world, &mut calls.moved);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
    });
}

#[test]
fn two_that_agreed_and_cannot_be_joined_are_lost_and_the_second_call_is_hung_up_on() {
    refused("LegReplaced", |world, calls| {
        agreed_in_vain(world, calls);
        dumb(world, [&mut calls.asker, &mut calls.remaining, &mut calls.moved]);
    });
}

#[test]
fn a_leg_that_cannot_be_returned_is_lost_and_the_second_call_is_hung_up_on() {
    refused("LegReturned", |world, calls| {
        let invite = asked(world, calls);
        calls.remaining.respond(world, &invite, 488, None);
        gets_bye(world, &mut calls.second);
        dumb(world, [&mut calls.asker, &mut calls.remaining, &mut calls.moved]);
    });
}

#[test]
fn a_call_that_cannot_have_its_leg_back_is_lost_and_the_first_is_as_it_was() {
    refused("LegRegained", |world, calls| {
        let invite = asked(world, calls);
        calls.remaining.respond(world, &invite, 488, None);
        calls.remaining.expect(world, "ACK");
        hears(world, &mut calls.asker, 488);
        hang_up(world, &mut calls.asker, &mut calls.remaining);
        dumb(world, [&mut calls.second, &mut calls.moved]);
        pass(world, 1_000);
    });
}

#[test]
fn a_start_finds_a_leg_given_of_which_the_log_never_said_so_and_both_calls_as_they_were() {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        world.log.hold();
        ask(&mut world, &mut calls);
        // What accepts the REFER, and the transfer's beginning. Then the leg is given: stored, and nobody knows.
        assert_eq!([world.commit(1), world.commit(1)], [1; 2]);
        world.log.lose_next_answer();
        assert_eq!(world.commit(1), 1);
        world.log.release();
        world.settle();
        calls.asker.expect(&mut world, "202");
        hears(&mut world, &mut calls.asker, 100);
        hears(&mut world, &mut calls.asker, 480);
        world.dies_unnoticed();
        hang_up(&mut world, &mut calls.asker, &mut calls.remaining);
        hang_up(&mut world, &mut calls.second, &mut calls.moved);
        world.assert_nothing_left();
    }
}

#[test]
fn a_start_finds_two_joined_of_which_nobody_knew_and_whose_transfer_could_not_say_so() {
    for outgoing in [false, true] {
        let mut world = World::default();
        let mut calls = two_calls(&mut world, outgoing);
        let invite = asked(&mut world, &mut calls);
        accepts(&mut world, &mut calls.remaining, &invite);
        let invite = calls.moved.expect(&mut world, "INVITE");
        world.refuse_append("TransferEnded", &AppendError::Invalid("it has no events".into()));
        world.log.hold();
        let sdp = calls.moved.sdp("sendrecv");
        calls.moved.respond(&mut world, &invite, 200, Some(&sdp));
        // They are joined: stored, and nobody knows.
        world.log.lose_next_answer();
        assert_eq!(world.commit(1), 1);
        world.log.release();
        world.settle();
        gets_bye(&mut world, &mut calls.second);
        world.dies_unnoticed();
        calls.moved.expect(&mut world, "ACK");
        hears(&mut world, &mut calls.asker, 200);
        gets_bye(&mut world, &mut calls.asker);
        hang_up(&mut world, &mut calls.remaining, &mut calls.moved);
        world.assert_nothing_left();
    }
}
