//! The log says that it will never take what was decided: the call is dumb from there on, and forgotten in time.

use crate::ladder::{answered, pass};
use domain::log::{AppendError, StreamName};
use tests::world::{CARRIER, NUMBER, PBX, World};

#[test]
fn nothing_leaves_of_a_call_whose_stream_is_frozen_and_in_time_nobody_remembers_it() {
    for why in [AppendError::Invalid("it has no events".into()), AppendError::Unknown(StreamName::new("session", 1))] {
        let mut world = World::default();
        let (mut caller, callee) = answered(&mut world);
        world.log.fail_next(why.clone());
        for _ in 0..20 {
            let options = caller.say(&mut world, "OPTIONS");
            world.send(caller.address, options);
        }
        let bye = caller.say(&mut world, "BYE");
        world.send(caller.address, bye);
        caller.expect_silence(&mut world);
        callee.expect_silence(&mut world);
        world.assert_frozen(&why);
        assert_eq!(world.media_paths().len(), 1, "an order to close it would be an effect of what is not durable");
    }
}

#[test]
fn a_call_that_the_log_never_took_is_answered_by_nobody() {
    let mut world = World::default();
    let why = AppendError::Invalid("it has no events".into());
    world.log.fail_next(why.clone());
    let (mut caller, callee) = (world.phone(CARRIER), world.phone(PBX));
    let offer = caller.sdp("sendrecv");
    caller.call(&mut world, NUMBER, Some(&offer));
    for _ in 0..7 {
        pass(&mut world, 4_000);
        caller.repeat_invite(&mut world);
    }
    caller.expect_silence(&mut world);
    callee.expect_silence(&mut world);
    world.assert_frozen(&why);
}
