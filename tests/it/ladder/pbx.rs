//! PBX trunks that register: numbers lead to where they registered, and their calls are theirs. [O10; RFC 6140]

use super::{answer, hang_up, pass, refused};
use domain::ids::TrunkId;
use domain::registration::RegistrationEvent;
use domain::session::event::SessionEvent;
use domain::sip::wire::HeaderName;
use tests::world::{A, ACME, CARRIER, DEVICES, Device, NUMBER_ACME, NUMBER_STOLEN, OUT, PUBLIC, Phone, World};

/// The exchange's own domain.
const OWN: &str = "exchange.example";
const HOST: &str = "198.51.100.80:40000";

/// The PBX behind NAT: its contact names a port at which nobody listens.
fn acme(world: &mut World) -> Phone {
    let mut pbx = world.phone(HOST);
    world.name(HOST, "acme");
    pbx.exchange = PUBLIC.parse().unwrap();
    pbx.contact = "<sip:line@198.51.100.80:9;x=1>".to_owned();
    pbx
}

fn register(world: &mut World, pbx: &mut Phone, params: &str) {
    pbx.register(world, (ACME.0, OWN), ACME.1, params);
}

fn carrier(world: &mut World, number: &str) -> Phone {
    let mut carrier = world.phone(CARRIER);
    let offer = carrier.sdp("sendrecv");
    carrier.call(world, number, Some(&offer));
    carrier.expect(world, "100");
    carrier
}

fn a_number_rings_the_pbx_where_it_registered_and_stands_in_the_request_uri() {
    let mut world = World::with_users();
    let mut pbx = acme(&mut world);
    register(&mut world, &mut pbx, "");
    let mut caller = carrier(&mut world, NUMBER_ACME);
    let invite = pbx.expect(&mut world, "INVITE");
    assert_eq!(invite.request_uri(), Some("sip:+15550003333@198.51.100.80:9;x=1"));
    assert_eq!(invite.header(HeaderName::To), Some("<sip:+15550003333@exchange.example>"));
    assert!(invite.header(HeaderName::From).unwrap().starts_with("\"Alice\" <sip:+14155550100@exchange.example>"));
    answer(&mut world, &mut caller, &mut pbx, &invite);
    hang_up(&mut world, &mut caller, &mut pbx);
    world.assert_nothing_left();
    let chosen = world.watch.events().find_map(|event| match event {
        SessionEvent::RouteChosen(chosen) => chosen.targets.known().cloned(),
        _ => None,
    });
    let target = chosen.unwrap().remove(0);
    assert_eq!((target.trunk, target.binding.is_some()), (Some(TrunkId::from_bits(20)), true));
    let added = world.registrations().into_iter().find_map(|event| match event {
        RegistrationEvent::BindingAdded(added) => Some((added.domain, added.trunk)),
        _ => None,
    });
    assert_eq!(added, Some((None, Some(TrunkId::from_bits(20)))));
}

fn a_bulk_contact_takes_the_number_in_its_place() {
    let mut world = World::with_users();
    let mut pbx = acme(&mut world);
    pbx.contact = "<sip:198.51.100.80:5062;bnc;x=1>".to_owned();
    register(&mut world, &mut pbx, "\r\nSupported: path\r\nRequire: gin\r\nProxy-Require: gin");
    let mut caller = carrier(&mut world, NUMBER_ACME);
    let invite = pbx.expect(&mut world, "INVITE");
    assert_eq!(invite.request_uri(), Some("sip:+15550003333@198.51.100.80:5062;x=1"));
    answer(&mut world, &mut caller, &mut pbx, &invite);
    hang_up(&mut world, &mut caller, &mut pbx);
    world.assert_nothing_left();
}

fn a_pbx_that_is_not_there_is_480_and_anothers_is_not_there() {
    let mut world = World::with_users();
    let mut caller = carrier(&mut world, NUMBER_ACME);
    refused(&mut world, &mut caller, "480");
    let mut pbx = acme(&mut world);
    register(&mut world, &mut pbx, "");
    pass(&mut world, 40_000);
    let mut caller = carrier(&mut world, NUMBER_STOLEN);
    refused(&mut world, &mut caller, "404");
    pbx.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn of_two_halves_of_a_pbx_the_next_is_tried_when_one_fails() {
    let mut world = World::with_users();
    let mut first = acme(&mut world);
    register(&mut world, &mut first, ";q=1");
    let mut second = Phone::on_line("198.51.100.81:40000".parse().unwrap(), 2);
    second.exchange = PUBLIC.parse().unwrap();
    second.contact = "<sip:acme@198.51.100.81:9>".to_owned();
    register(&mut world, &mut second, ";q=0.5");
    let mut caller = carrier(&mut world, NUMBER_ACME);
    let invite = first.expect(&mut world, "INVITE");
    second.expect_silence(&mut world);
    first.respond(&mut world, &invite, 503, None);
    first.expect(&mut world, "ACK");
    let invite = second.expect(&mut world, "INVITE sip:+15550003333@198.51.100.81:9");
    answer(&mut world, &mut caller, &mut second, &invite);
    hang_up(&mut world, &mut caller, &mut second);
    world.assert_nothing_left();
}

fn only_trunks_register_in_bulk_and_without_a_user() {
    let mut world = World::with_users();
    let mut device = Device::of("alice", DEVICES[0]);
    let wanted = format!("{}Require: gin\r\n", device.for_seconds(600));
    device.send(&mut world, &wanted);
    let refusal = device.expect(&mut world, 420);
    assert_eq!(refusal.header(HeaderName::Unsupported), Some("gin"));
    device.contact = "sip:198.51.100.70;bnc".to_owned();
    let wanted = device.for_seconds(600);
    device.send(&mut world, &wanted);
    device.expect(&mut world, 420);
    let mut pbx = Device::of(ACME.0, DEVICES[1]);
    (pbx.domain, pbx.password) = (OWN.to_owned(), ACME.1.to_owned());
    for contact in ["sip:acme@198.51.100.71;bnc", "sip:198.51.100.71;bnc;user=phone"] {
        pbx.contact = contact.to_owned();
        let wanted = pbx.for_seconds(600);
        pbx.send(&mut world, &wanted);
        pbx.expect(&mut world, 400);
    }
    // Who is no trunk is nobody there, and nobody registers as another.
    pbx.contact = "sip:198.51.100.71".to_owned();
    let wanted = pbx.for_seconds(600);
    let mut stranger = Device::of("alice", DEVICES[0]);
    stranger.domain = OWN.to_owned();
    stranger.send(&mut world, &wanted);
    stranger.expect(&mut world, 404);
    pbx.password = "guessed".to_owned();
    pbx.cseq = 0;
    pbx.register(&mut world, &wanted, 401);
    assert_eq!((world.registered(), world.exchange.binding_count()), (vec![], 0));
    world.assert_nothing_left();
}

fn what_comes_by_the_connection_that_a_pbx_registered_by_is_its_own() {
    let mut world = World::with_users();
    let (mut pbx, mut out) = (acme(&mut world), world.phone(OUT[0]));
    pbx.connect(&mut world, Some(40_001));
    register(&mut world, &mut pbx, "");
    let offer = pbx.sdp("sendrecv");
    pbx.call_as(&mut world, "+15550001111@pbx.acme.example", "sip:+12025550199@192.0.2.1:5070", Some(&offer));
    pbx.expect(&mut world, "100");
    let invite = out.expect(&mut world, "INVITE sip:+12025550199@");
    answer(&mut world, &mut pbx, &mut out, &invite);
    hang_up(&mut world, &mut pbx, &mut out);
    world.assert_nothing_left();
    let offered = world.watch.events().find_map(|event| match event {
        SessionEvent::SessionOffered(offered) => Some(offered.trunk),
        _ => None,
    });
    assert_eq!(offered, Some(Some(TrunkId::from_bits(20))));
}

fn what_comes_by_datagram_must_prove_itself_though_its_source_registered() {
    let mut world = World::with_users();
    let mut pbx = acme(&mut world);
    register(&mut world, &mut pbx, "");
    let offer = pbx.sdp("sendrecv");
    pbx.call_as(&mut world, "+15550001111@pbx.acme.example", "sip:+12025550199@192.0.2.1:5070", Some(&offer));
    let challenge = pbx.expect(&mut world, "407");
    pbx.ack_refusal(&mut world, &challenge);
    // The same source as a user of a domain is one.
    pbx.forget_call();
    pbx.call_as(&mut world, &format!("alice@{A}"), &format!("sip:bob@{A}"), Some(&offer));
    let challenge = pbx.expect(&mut world, "407");
    assert!(challenge.header(HeaderName::ProxyAuthenticate).unwrap().contains("realm=\"a.example\""));
    pbx.ack_refusal(&mut world, &challenge);
    world.assert_nothing_left();
}

fn a_trunk_that_is_switched_off_does_not_register_and_is_not_called() {
    let mut world = World::with_users();
    let mut pbx = acme(&mut world);
    register(&mut world, &mut pbx, "");
    world.switch_off_acme();
    let mut caller = carrier(&mut world, NUMBER_ACME);
    refused(&mut world, &mut caller, "480");
    let mut device = Device::of(ACME.0, DEVICES[1]);
    device.domain = OWN.to_owned();
    let wanted = device.for_seconds(600);
    device.send(&mut world, &wanted);
    device.expect(&mut world, 403);
    world.assert_nothing_left();
}

super::scenarios![
    a_number_rings_the_pbx_where_it_registered_and_stands_in_the_request_uri,
    a_bulk_contact_takes_the_number_in_its_place,
    a_pbx_that_is_not_there_is_480_and_anothers_is_not_there,
    of_two_halves_of_a_pbx_the_next_is_tried_when_one_fails,
    only_trunks_register_in_bulk_and_without_a_user,
    what_comes_by_the_connection_that_a_pbx_registered_by_is_its_own,
    what_comes_by_datagram_must_prove_itself_though_its_source_registered,
    a_trunk_that_is_switched_off_does_not_register_and_is_not_called,
];
