//! INVITE with Replaces (RFC 3891): somebody takes the place of a party of a call.

use super::{answered, body, cancelled, gets_bye, hang_up, lines, pass, refused, ringing};
use domain::session::event::{EndCause, LegReplaced, ReleaseCause, SessionEvent};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{A, B, NUMBER, PASSWORD, PUBLIC, Phone, World};

/// Another phone of the carrier.
pub(super) fn newcomer(world: &mut World) -> Phone {
    world.name("198.51.100.2:5060", "new");
    world.phone("198.51.100.2:5060")
}

/// `new` asks for the place of the phone whose dialog is named.
pub(super) fn asks(world: &mut World, new: &mut Phone, named: &str, offer: Option<&str>) {
    new.call_with(world, NUMBER, offer, &format!("Max-Forwards: 70\r\nRequire: replaces\r\nReplaces: {named}\r\n"));
}

/// `new` asks for the place of `old`, by its SDP; gives the re-INVITE that `other` has.
#[track_caller]
fn asked(world: &mut World, new: &mut Phone, old: &Phone, other: &mut Phone) -> Message {
    let offer = new.sdp("sendrecv");
    asks(world, new, &old.named(), Some(&offer));
    new.expect(world, "100");
    other.expect(world, "INVITE")
}

/// `other` accepts: `new` is in the call, `old` is not.
#[track_caller]
fn taken(world: &mut World, new: &mut Phone, old: &mut Phone, other: &mut Phone, invite: &Message) {
    let answer = other.sdp("sendrecv");
    other.respond(world, invite, 200, Some(&answer));
    other.expect(world, "ACK");
    let ok = new.expect(world, "200 (");
    assert!(body(&ok).contains("c=IN IP4 192.0.2.9"));
    assert!(ok.values(HeaderName::Supported).any(|option| option == "replaces"));
    new.ack(world, None);
    gets_bye(world, old);
    relayed(world, [new, other]);
}

/// The last relay is between these two.
#[track_caller]
pub(super) fn relayed(world: &World, between: [&Phone; 2]) {
    let last = world.ladder.lines().rfind(|line| line.contains("| relay ")).unwrap();
    let ends = between.map(|phone| format!("{}:{}", phone.address.ip(), phone.port));
    assert!(ends.iter().all(|end| last.contains(end)), "{last}\n{}", world.ladder);
    assert!(!last.contains("deaf") && !last.contains("silent"), "{last}");
}

/// A call in which `new` wants the place of the caller, then one in which it wants the callee's.
fn of_either_side(scenario: fn(&mut World, &mut Phone, &mut Phone, &mut Phone)) {
    for callee in [false, true] {
        let mut world = World::default();
        let (mut one, mut two) = answered(&mut world);
        let mut new = newcomer(&mut world);
        let (old, other) = if callee { (&mut two, &mut one) } else { (&mut one, &mut two) };
        scenario(&mut world, &mut new, old, other);
        world.assert_nothing_left();
    }
}

fn replaced(world: &World) -> Vec<LegReplaced> {
    let found = world.watch.events().filter_map(|event| match event {
        SessionEvent::LegReplaced(replaced) => Some(replaced.clone()),
        _ => None,
    });
    found.collect()
}

fn who_names_the_dialog_of_a_party_takes_its_place() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        assert!(invite.values(HeaderName::Supported).any(|option| option == "replaces"));
        old.expect_silence(world);
        taken(world, new, old, other, &invite);
        assert_eq!(replaced(world).len(), 1);
        let causes = world.watch.events().filter_map(|event| match event {
            SessionEvent::LegReleased(released) => Some(released.cause),
            _ => None,
        });
        assert_eq!(causes.collect::<Vec<_>>(), [ReleaseCause::Replaced]);
        hang_up(world, new, other);
    });
}

fn who_took_a_place_can_hold_and_be_replaced_in_turn() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        taken(world, new, old, other, &invite);
        let hold = new.sdp("sendonly");
        new.reinvite(world, Some(&hold));
        new.expect(world, "100");
        let held = other.expect(world, "INVITE");
        assert!(body(&held).contains("a=sendonly"));
        let answer = other.sdp("recvonly");
        other.respond(world, &held, 200, Some(&answer));
        other.expect(world, "ACK");
        new.expect(world, "200 (");
        new.ack(world, None);
        world.name("198.51.100.2:5064", "newer");
        let mut newer = world.phone("198.51.100.2:5064");
        newer.port = 4200;
        let invite = asked(world, &mut newer, new, other);
        taken(world, &mut newer, new, other, &invite);
        hang_up(world, other, &mut newer);
    });
}

fn without_an_offer_the_other_party_makes_it_and_the_ack_answers() {
    of_either_side(|world, new, old, other| {
        asks(world, new, &old.named(), None);
        new.expect(world, "100");
        let invite = other.expect(world, "INVITE");
        assert!(invite.body().is_empty());
        let offer = other.sdp("sendrecv");
        other.respond(world, &invite, 200, Some(&offer));
        let ok = new.expect(world, "200 (");
        assert!(body(&ok).contains("c=IN IP4 192.0.2.9"));
        old.expect_silence(world);
        let answer = new.sdp("sendrecv");
        new.ack(world, Some(&answer));
        let ack = other.expect(world, "ACK");
        assert!(body(&ack).contains("m=audio"));
        gets_bye(world, old);
        relayed(world, [new, other]);
        hang_up(world, new, other);
    });
}

fn an_ack_that_answers_no_offer_leaves_the_call_as_it_was() {
    of_either_side(|world, new, old, other| {
        asks(world, new, &old.named(), None);
        new.expect(world, "100");
        let invite = other.expect(world, "INVITE");
        let offer = other.sdp("sendrecv");
        other.respond(world, &invite, 200, Some(&offer));
        new.expect(world, "200 (");
        new.ack(world, None);
        let ack = other.expect(world, "ACK");
        assert!(body(&ack).contains("m=audio"), "an answer is owed");
        gets_bye(world, new);
        hang_up(world, old, other);
    });
}

fn an_answer_that_is_never_acknowledged_leaves_the_call_as_it_was() {
    of_either_side(|world, new, old, other| {
        asks(world, new, &old.named(), None);
        new.expect(world, "100");
        let invite = other.expect(world, "INVITE");
        let offer = other.sdp("sendrecv");
        other.respond(world, &invite, 200, Some(&offer));
        pass(world, 32_100);
        other.expect(world, "ACK");
        (0..11).for_each(|_| drop(new.expect(world, "200 (")));
        gets_bye(world, new);
        old.expect_silence(world);
        hang_up(world, old, other);
    });
}

fn a_refusal_of_the_other_party_leaves_the_call_as_it_was() {
    of_either_side(|world, new, old, other| {
        let relays = lines(world, "| relay");
        let invite = asked(world, new, old, other);
        other.respond(world, &invite, 488, None);
        other.expect(world, "ACK");
        refused(world, new, "488");
        old.expect_silence(world);
        assert_eq!(lines(world, "| relay"), relays);
        hang_up(world, old, other);
    });
}

fn an_answer_that_cannot_be_relayed_is_taken_back() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        other.respond(world, &invite, 200, None);
        other.expect(world, "ACK");
        let back = other.expect(world, "INVITE");
        let answer = other.sdp("sendrecv");
        other.respond(world, &back, 200, Some(&answer));
        other.expect(world, "ACK");
        refused(world, new, "488");
        relayed(world, [old, other]);
        hang_up(world, old, other);
    });
}

fn another_party_that_is_gone_ends_the_call_for_all() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        other.respond(world, &invite, 481, None);
        other.expect(world, "ACK");
        let bye = other.expect(world, "BYE");
        other.respond(world, &bye, 481, None);
        refused(world, new, "480");
        gets_bye(world, old);
    });
}

fn a_call_that_is_answered_is_not_replaced_early_only() {
    of_either_side(|world, new, old, other| {
        let offer = new.sdp("sendrecv");
        asks(world, new, &format!("{};early-only", old.named()), Some(&offer));
        new.expect(world, "100");
        refused(world, new, "486");
        other.expect_silence(world);
        assert!(world.watch.story().contains(&"ReplacementRefused"));
        hang_up(world, old, other);
    });
}

fn what_names_no_dialog_is_481() {
    of_either_side(|world, new, old, other| {
        let named = old.named();
        let (id, tags) = named.split_once(';').unwrap();
        let (to, from) = tags.split_once(';').unwrap();
        let (theirs, ours) = (from.strip_prefix("from-tag=").unwrap(), to.strip_prefix("to-tag=").unwrap());
        for wrong in [
            format!("x{id};{tags}"),
            format!("{id};{to};from-tag=x"),
            format!("{id};{to};from-tag=0"),
            format!("{id};to-tag=x;{from}"),
            format!("{id};to-tag=0123456789abcdef;{from}"),
            format!("{id};to-tag={theirs};from-tag={ours}"),
        ] {
            let offer = new.sdp("sendrecv");
            asks(world, new, &wrong, Some(&offer));
            refused(world, new, "481");
        }
        other.expect_silence(world);
        hang_up(world, old, other);
    });
}

fn what_breaks_the_grammar_is_400() {
    of_either_side(|world, new, old, other| {
        let named = old.named();
        let once = format!("Replaces: {named}");
        for broken in [
            "Replaces: x".to_owned(),
            "Replaces: ".to_owned(),
            format!("{once};to-tag=x"),
            format!("{once};from-tag=x"),
            format!("{once}, {named}"),
            format!("{once}\r\n{once}"),
            format!("{once}\r\nJoin: {named}"),
        ] {
            let offer = new.sdp("sendrecv");
            new.call_with(world, NUMBER, Some(&offer), &format!("Max-Forwards: 70\r\n{broken}\r\n"));
            refused(world, new, "400");
        }
        other.say_with(world, "INFO", &format!("{once}\r\n"), "");
        other.expect(world, "400");
        other.expect_silence(world);
        hang_up(world, old, other);
    });
}

fn a_call_that_is_over_is_declined() {
    of_either_side(|world, new, old, other| {
        let named = old.named();
        hang_up(world, old, other);
        let offer = new.sdp("sendrecv");
        asks(world, new, &named, Some(&offer));
        refused(world, new, "603");
        pass(world, 100_000);
        asks(world, new, &named, Some(&offer));
        refused(world, new, "481");
    });
}

fn a_call_that_rings_is_its_callers_to_replace() {
    let mut world = World::default();
    let (mut caller, callee, invite) = ringing(&mut world);
    let mut new = newcomer(&mut world);
    let offer = new.sdp("sendrecv");
    asks(&mut world, &mut new, &caller.named(), Some(&offer));
    refused(&mut world, &mut new, "481");
    callee.respond(&mut world, &invite, 486, None);
    refused(&mut world, &mut caller, "486");
    callee.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn who_gives_up_is_487_and_the_call_stays_as_it_was() {
    for answered in [false, true] {
        let mut world = World::default();
        let (mut old, mut other) = super::answered(&mut world);
        let mut new = newcomer(&mut world);
        let invite = asked(&mut world, &mut new, &old, &mut other);
        other.respond(&mut world, &invite, 100, None);
        new.cancel(&mut world);
        new.expect(&mut world, "200 (1 CANCEL)");
        refused(&mut world, &mut new, "487");
        match answered {
            false => cancelled(&mut world, &mut other, &invite),
            true => {
                let cancel = other.expect(&mut world, "CANCEL");
                other.respond(&mut world, &cancel, 200, None);
                let answer = other.sdp("sendrecv");
                other.respond(&mut world, &invite, 200, Some(&answer));
                other.expect(&mut world, "ACK");
                let back = other.expect(&mut world, "INVITE");
                other.respond(&mut world, &back, 200, Some(&answer));
                other.expect(&mut world, "ACK");
                relayed(&world, [&old, &other]);
            }
        }
        hang_up(&mut world, &mut old, &mut other);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Completed);
        assert_eq!(replaced(&world), []);
    }
}

fn who_hangs_up_before_its_ack_leaves_the_call_as_it_was() {
    of_either_side(|world, new, old, other| {
        asks(world, new, &old.named(), None);
        new.expect(world, "100");
        let invite = other.expect(world, "INVITE");
        let offer = other.sdp("sendrecv");
        other.respond(world, &invite, 200, Some(&offer));
        new.expect(world, "200 (");
        new.say(world, "BYE");
        new.expect(world, "200 (2 BYE)");
        other.expect(world, "ACK");
        hang_up(world, old, other);
    });
}

fn a_party_that_leaves_meanwhile_is_replaced_all_the_same() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        old.say(world, "BYE");
        old.expect(world, "200");
        let answer = other.sdp("sendrecv");
        other.respond(world, &invite, 200, Some(&answer));
        other.expect(world, "ACK");
        new.expect(world, "200 (");
        new.ack(world, None);
        old.expect_silence(world);
        relayed(world, [new, other]);
        hang_up(world, other, new);
    });
}

fn a_party_that_leaves_meanwhile_takes_the_call_with_it_if_nobody_replaces_it() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        old.say(world, "BYE");
        old.expect(world, "200");
        other.respond(world, &invite, 488, None);
        other.expect(world, "ACK");
        refused(world, new, "488");
        gets_bye(world, other);
    });
}

fn another_party_that_hangs_up_meanwhile_ends_the_call_for_all() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        other.say(world, "BYE");
        other.expect(world, "200");
        refused(world, new, "480");
        gets_bye(world, old);
        other.respond(world, &invite, 487, None);
        other.expect(world, "ACK");
    });
}

fn only_one_at_a_time_may_ask() {
    of_either_side(|world, new, old, other| {
        let invite = asked(world, new, old, other);
        world.name("198.51.100.2:5064", "newer");
        let mut newer = world.phone("198.51.100.2:5064");
        let offer = newer.sdp("sendrecv");
        asks(world, &mut newer, &old.named(), Some(&offer));
        newer.expect(world, "100");
        refused(world, &mut newer, "491");
        taken(world, new, old, other, &invite);
        hang_up(world, new, other);
    });
}

fn media_that_cannot_be_had_is_refused_before_anybody_is_asked() {
    of_either_side(|world, new, old, other| {
        asks(world, new, &old.named(), Some("v=0\r\nnonsense\r\n"));
        new.expect(world, "100");
        refused(world, new, "488");
        world.leave_ports(0);
        let offer = new.sdp("sendrecv");
        asks(world, new, &old.named(), Some(&offer));
        new.expect(world, "100");
        refused(world, new, "500");
        other.expect_silence(world);
        hang_up(world, old, other);
    });
}

fn lines_that_the_newcomer_lacks_are_rejected_toward_the_other_party_alone() {
    of_either_side(|world, new, old, other| {
        let two = |phone: &Phone| {
            format!("{}m=video {} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", phone.sdp("sendrecv"), phone.port + 2)
        };
        let (offer, answer) = (two(old), two(other));
        old.reinvite(world, Some(&offer));
        old.expect(world, "100");
        let invite = other.expect(world, "INVITE");
        other.respond(world, &invite, 200, Some(&answer));
        other.expect(world, "ACK");
        old.expect(world, "200 (");
        old.ack(world, None);
        assert_eq!(world.media_paths().len(), 2);
        let invite = asked(world, new, old, other);
        assert!(body(&invite).contains("m=video 0 "), "{}", body(&invite));
        let answer = answer.replace("m=video 4002", "m=video 0");
        other.respond(world, &invite, 200, Some(&answer));
        other.expect(world, "ACK");
        let ok = new.expect(world, "200 (");
        assert!(!body(&ok).contains("m=video"), "{}", body(&ok));
        new.ack(world, None);
        gets_bye(world, old);
        assert_eq!(world.media_paths().len(), 1);
        hang_up(world, new, other);
    });
}

fn a_user_replaces_within_its_account_and_knows_nothing_of_anothers() {
    let mut world = World::with_users();
    let (mut old, mut other) = answered(&mut world);
    let ask = |world: &mut World, address: &str, domain: &str| {
        let mut user = world.phone(address);
        user.exchange = PUBLIC.parse().unwrap();
        user.extra = format!("Replaces: {}\r\n", old.named());
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
    alice.expect(&mut world, "100");
    let invite = other.expect(&mut world, "INVITE");
    taken(&mut world, &mut alice, &mut old, &mut other, &invite);
    hang_up(&mut world, &mut alice, &mut other);
    world.assert_nothing_left();
}

super::scenarios![
    who_names_the_dialog_of_a_party_takes_its_place,
    who_took_a_place_can_hold_and_be_replaced_in_turn,
    without_an_offer_the_other_party_makes_it_and_the_ack_answers,
    an_ack_that_answers_no_offer_leaves_the_call_as_it_was,
    an_answer_that_is_never_acknowledged_leaves_the_call_as_it_was,
    a_refusal_of_the_other_party_leaves_the_call_as_it_was,
    an_answer_that_cannot_be_relayed_is_taken_back,
    another_party_that_is_gone_ends_the_call_for_all,
    a_call_that_is_answered_is_not_replaced_early_only,
    what_names_no_dialog_is_481,
    what_breaks_the_grammar_is_400,
    a_call_that_is_over_is_declined,
    a_call_that_rings_is_its_callers_to_replace,
    who_gives_up_is_487_and_the_call_stays_as_it_was,
    who_hangs_up_before_its_ack_leaves_the_call_as_it_was,
    a_party_that_leaves_meanwhile_is_replaced_all_the_same,
    a_party_that_leaves_meanwhile_takes_the_call_with_it_if_nobody_replaces_it,
    another_party_that_hangs_up_meanwhile_ends_the_call_for_all,
    only_one_at_a_time_may_ask,
    media_that_cannot_be_had_is_refused_before_anybody_is_asked,
    lines_that_the_newcomer_lacks_are_rejected_toward_the_other_party_alone,
    a_user_replaces_within_its_account_and_knows_nothing_of_anothers,
];
