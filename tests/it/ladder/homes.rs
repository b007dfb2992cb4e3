//! Bindings whose domain goes, and comes again as another.

use std::time::Duration;
use tests::world::{Device, KNOWN, KNOWN_SOURCE, World};

/// A device of a user of [`KNOWN`], which asks for no password, registered there for 100 seconds.
fn erin(world: &mut World) -> Device {
    let mut device = Device { domain: KNOWN.to_owned(), ..Device::of("erin", KNOWN_SOURCE) };
    registers(world, &mut device);
    device
}

#[track_caller]
fn registers(world: &mut World, device: &mut Device) {
    let wanted = device.for_seconds(100);
    device.send(world, &wanted);
    device.expect(world, 200);
}

fn erins(world: &World) -> Vec<String> {
    world.contacts_of(&format!("erin@{KNOWN}"))
}

fn bindings_in_a_domain_that_is_no_more_end_in_the_log_all_the_same() {
    let mut world = World::with_users();
    erin(&mut world);
    world.remove_domain(4, KNOWN);
    world.pass(Duration::from_secs(120));
    assert_eq!(world.registered(), ["received", "added", "200", "Expired"]);
    assert_eq!(world.open_registrations(), 0);
    world.assert_nothing_left();
}

fn who_registers_in_a_domain_of_the_same_name_is_found_there_and_what_was_before_has_ended() {
    let mut world = World::with_users();
    let mut device = erin(&mut world);
    world.remove_domain(4, KNOWN);
    world.add_domain(9, KNOWN, &[KNOWN_SOURCE.rsplit_once(':').unwrap().0]);
    registers(&mut world, &mut device);
    assert_eq!(world.registered(), ["received", "added", "200", "Api", "received", "added", "200"]);
    assert_eq!((erins(&world).len(), world.open_registrations()), (1, 1));
    world.dies();
    assert_eq!(erins(&world).len(), 1);
    world.pass(Duration::from_secs(120));
    assert_eq!((erins(&world).len(), world.open_registrations()), (0, 0));
    world.assert_nothing_left();
}

super::scenarios![
    bindings_in_a_domain_that_is_no_more_end_in_the_log_all_the_same,
    who_registers_in_a_domain_of_the_same_name_is_found_there_and_what_was_before_has_ended,
];
