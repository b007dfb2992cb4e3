//! Ladder scenarios: every case of the SIP core with both legs' messages, in virtual time.

/// The tests of a file of scenarios, by name: each as it is written, and each under doubt (`simulation::doubt`). Only
/// this makes a scenario a test, so none is left out of the simulations: a function that is not listed is dead code.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        /// Every scenario of this file.
        pub(super) const ALL: &[super::Scenario] = &[$((stringify!($name), $name)),*];

        mod scenario {
            $(#[test] fn $name() { super::$name(); })*
        }

        mod reborn {
            $(#[test] fn $name() { crate::simulation::reborn((stringify!($name), super::$name)); })*
        }

        mod taken_up {
            $(#[test] fn $name() { crate::simulation::taken_up((stringify!($name), super::$name)); })*
        }

        mod doubted {
            $(#[test] fn $name() { crate::simulation::doubt((stringify!($name), super::$name)); })*
        }
    };
}
use scenarios;

pub(crate) mod attended;
mod basic;
mod early;
mod fork;
mod guard;
mod health;
mod homes;
mod lessons;
mod limits;
mod login;
mod messages;
mod modify;
mod pass;
mod paths;
mod pbx;
mod pending;
mod pickup;
mod pings;
mod prack;
mod race;
mod reach;
pub(crate) mod refer;
pub(crate) mod refer_outside;
mod refer_race;
mod refer_rules;
mod refuse;
mod register;
mod replaces;
mod session_intervals;
mod session_timer;
mod streams;
mod update;
mod uplinks;
mod users;

/// A scenario and its name.
pub(crate) type Scenario = (&'static str, fn());

/// Every scenario.
pub(crate) fn all() -> impl Iterator<Item = Scenario> {
    [
        attended::ALL,
        basic::ALL,
        fork::ALL,
        guard::ALL,
        lessons::ALL,
        limits::ALL,
        modify::ALL,
        early::ALL,
        health::ALL,
        homes::ALL,
        login::ALL,
        messages::ALL,
        pass::ALL,
        paths::ALL,
        pbx::ALL,
        pending::ALL,
        pickup::ALL,
        pings::ALL,
        prack::ALL,
        race::ALL,
        reach::ALL,
        refer::ALL,
        refer_outside::ALL,
        refer_race::ALL,
        refer_rules::ALL,
        refuse::ALL,
        register::ALL,
        replaces::ALL,
        session_intervals::ALL,
        session_timer::ALL,
        streams::ALL,
        update::ALL,
        uplinks::ALL,
        users::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[test]
fn scenarios_become_tests_by_their_files_list_alone() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/it/ladder");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "rs") || path.ends_with("mod.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("#[test]"),
            "{path:?}: list the scenario in `scenarios!` instead, or it is never doubted"
        );
        assert_eq!(text.matches("scenarios![").count(), 1, "{path:?} has no list of its scenarios");
        assert!(!text.contains("dead_code"), "{path:?}: a scenario that is not listed must not compile");
        files += 1;
    }
    assert!(files >= 5, "the scenarios are elsewhere");
}

use bytes::Bytes;
use domain::sip::wire::Message;
use std::time::Duration;
use tests::world::{CARRIER, NUMBER, OUT, PBX, PUBLIC, Phone, World};

/// Caller and callee with a call that rings, and the INVITE that the callee has.
#[track_caller]
pub(crate) fn ringing(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, callee, invite) = invited(world);
    callee.respond(world, &invite, 180, None);
    caller.expect(world, "180");
    callee.expect_silence(world);
    (caller, callee, invite)
}

/// Caller and callee with a call whose INVITE the callee has, unanswered.
#[track_caller]
pub(crate) fn invited(world: &mut World) -> (Phone, Phone, Message) {
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call(world, NUMBER, Some(&offer));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    (caller, callee, invite)
}

/// A PBX that calls out, the two carriers that it may go by, and the INVITE that the first has.
#[track_caller]
pub(crate) fn called_out(world: &mut World) -> (Phone, [Phone; 2], Message) {
    let [mut pbx, mut first, mut second] = [PBX, OUT[0], OUT[1]].map(|address| world.phone(address));
    for phone in [&mut pbx, &mut first, &mut second] {
        phone.exchange = PUBLIC.parse().unwrap();
    }
    let offer = pbx.sdp("sendrecv");
    pbx.call(world, "+12025550199", Some(&offer));
    pbx.expect(world, "100");
    let invite = first.expect(world, "INVITE sip:+12025550199@198.51.100.11:5060");
    (pbx, [first, second], invite)
}

/// One side offers a change, the other agrees: what the first one hears.
#[track_caller]
pub(crate) fn changed(world: &mut World, by: &mut Phone, other: &mut Phone, [offer, answer]: [&str; 2]) -> Message {
    by.reinvite(world, Some(offer));
    by.expect(world, "100");
    let invite = other.expect(world, "INVITE");
    other.respond(world, &invite, 200, Some(answer));
    other.expect(world, "ACK");
    let ok = by.expect(world, "200 (");
    by.ack(world, None);
    ok
}

/// The callee's 200, the caller's ACK.
#[track_caller]
pub(crate) fn answer(world: &mut World, caller: &mut Phone, callee: &mut Phone, invite: &Message) {
    let answer = callee.sdp("sendrecv");
    callee.respond(world, invite, 200, Some(&answer));
    callee.expect(world, "ACK");
    caller.expect(world, "200 (");
    caller.ack(world, None);
}

/// The caller gets this refusal and acknowledges it.
#[track_caller]
pub(crate) fn refused(world: &mut World, caller: &mut Phone, status: &str) -> Message {
    let response = caller.expect(world, status);
    caller.ack_refusal(world, &response);
    response
}

/// The callee gets a CANCEL, answers it and its INVITE, and gets the ACK.
#[track_caller]
pub(crate) fn cancelled(world: &mut World, callee: &mut Phone, invite: &Message) {
    let cancel = callee.expect(world, "CANCEL");
    callee.respond(world, &cancel, 200, None);
    callee.respond(world, invite, 487, None);
    callee.expect(world, "ACK");
}

/// A phone gets BYE and answers it.
#[track_caller]
pub(crate) fn gets_bye(world: &mut World, phone: &mut Phone) -> Message {
    let bye = phone.expect(world, "BYE");
    phone.respond(world, &bye, 200, None);
    bye
}

/// Time passes.
pub(crate) fn pass(world: &mut World, millis: u64) {
    world.pass(Duration::from_millis(millis));
}

/// Time passes until something comes for a phone, so many milliseconds at most: this, and after how long it came.
#[track_caller]
pub(crate) fn comes(world: &mut World, phone: &mut Phone, what: &str, most: u64) -> (Message, u64) {
    let mut passed = 0;
    while !world.has_for(phone.from()) && passed < most {
        pass(world, 100);
        passed += 100;
    }
    (phone.expect(world, what), passed)
}

/// How many lines of the ladder contain this.
pub(crate) fn lines(world: &World, what: &str) -> usize {
    world.ladder.lines().filter(|line| line.contains(what)).count()
}

/// Caller and callee with an answered call: INVITE to ACK on both legs.
#[track_caller]
pub(crate) fn answered(world: &mut World) -> (Phone, Phone) {
    let (mut caller, mut callee, invite) = ringing(world);
    answer(world, &mut caller, &mut callee, &invite);
    (caller, callee)
}

/// One side hangs up, the other is told.
#[track_caller]
pub(crate) fn hang_up(world: &mut World, by: &mut Phone, other: &mut Phone) {
    by.say(world, "BYE");
    by.expect(world, "200");
    gets_bye(world, other);
}

/// The SDP of a message as text.
pub(crate) fn body(message: &Message) -> String {
    String::from_utf8(Bytes::copy_from_slice(message.body()).to_vec()).unwrap()
}
