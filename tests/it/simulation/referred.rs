//! Calls that a REFER asks for, over the death of the process while who asked rings.

use crate::ladder::gets_bye;
use crate::ladder::refer::hears;
use crate::ladder::refer_outside::{BOB, people, rings_alice, waits};
use tests::world::{A, PASSWORD, World};

#[test]
fn whom_nobody_can_call_any_more_after_a_death_is_not_called_and_who_asked_hears_it() {
    let mut world = World::with_users();
    let [mut alice, mut desk, mut bob] = people(&mut world);
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    bob.register(&mut world, ("bob", A), PASSWORD, ";expires=0");
    world.name(BOB, "bob");
    world.dies_unnoticed();
    waits(&mut world, &mut desk, &invite);
    hears(&mut world, &mut alice, 480);
    gets_bye(&mut world, &mut desk);
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
}

#[test]
fn who_asked_and_rings_goes_on_ringing_over_a_death_though_its_domain_is_gone() {
    let mut world = World::with_users();
    let [mut alice, mut desk, bob] = people(&mut world);
    let invite = rings_alice(&mut world, &mut alice, &mut desk);
    world.remove_domain(1, A);
    world.dies_unnoticed();
    waits(&mut world, &mut desk, &invite);
    hears(&mut world, &mut alice, 480);
    gets_bye(&mut world, &mut desk);
    bob.expect_silence(&mut world);
    world.assert_nothing_left();
}
