//! Ways that messages and media take: NAT, proxies, IPv6, several lines, what media reports.

use super::{answered, body, changed, gets_bye, hang_up};
use domain::media::MediaReport;
use domain::session::event::SessionEvent;
use domain::sip::wire::HeaderName;
use std::time::Duration;
use tests::world::{CARRIER, CARRIER_V6, EXCHANGE_V6, NUMBER, NUMBER_V6, PBX, PBX_V6, Phone, World};

/// A call between these two, to this number.
#[track_caller]
fn connected(world: &mut World, caller: &mut Phone, callee: &mut Phone, number: &str, sdp: [&str; 2]) {
    caller.call(world, number, Some(sdp[0]));
    caller.expect(world, "100");
    let invite = callee.expect(world, "INVITE");
    callee.respond(world, &invite, 180, None);
    caller.expect(world, "180");
    callee.respond(world, &invite, 200, Some(sdp[1]));
    callee.expect(world, "ACK");
    caller.expect(world, "200");
    caller.ack(world, None);
}

fn requests_to_a_phone_behind_nat_go_where_it_was_heard_from() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.contact = "<sip:phone@10.0.0.5:5062>".into();
    callee.contact = "<sip:phone@192.168.1.9>".into();
    let sdp = [caller.sdp("sendrecv"), callee.sdp("sendrecv")];
    connected(&mut world, &mut caller, &mut callee, NUMBER, [&sdp[0], &sdp[1]]);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    caller.expect(&mut world, "BYE sip:phone@10.0.0.5:5062");
    caller.ignore_all(&mut world);
    world.assert_nothing_left();
}

fn each_leg_keeps_the_route_of_its_own_proxies_in_order() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.extra = "Record-Route: <sip:198.51.100.1;lr>, <sip:198.51.100.9;lr>\r\n".into();
    callee.extra = "Record-Route: <sip:203.0.113.9;lr>\r\nRecord-Route: <sip:203.0.113.1;lr>\r\n".into();
    let sdp = [caller.sdp("sendrecv"), callee.sdp("sendrecv")];
    caller.call(&mut world, NUMBER, Some(&sdp[0]));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    assert_eq!(invite.header(HeaderName::RecordRoute), None, "the caller's proxies stay on its leg");
    callee.respond(&mut world, &invite, 200, Some(&sdp[1]));
    let ack = callee.expect(&mut world, "ACK");
    let routes: Vec<_> = ack.values(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:203.0.113.1;lr>", "<sip:203.0.113.9;lr>"], "reversed toward the callee");
    let ok = caller.expect(&mut world, "200");
    let recorded: Vec<_> = ok.values(HeaderName::RecordRoute).collect();
    assert_eq!(recorded, ["<sip:198.51.100.1;lr>", "<sip:198.51.100.9;lr>"]);
    caller.ack(&mut world, None);
    callee.say(&mut world, "BYE");
    callee.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut caller);
    let routes: Vec<_> = bye.values(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:198.51.100.1;lr>", "<sip:198.51.100.9;lr>"], "in order toward the caller");
    world.assert_nothing_left();
}

fn a_call_runs_by_ipv6_on_both_legs() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER_V6), world.phone(PBX_V6));
    for phone in [&mut caller, &mut callee] {
        phone.exchange = EXCHANGE_V6.parse().unwrap();
    }
    let sdp = [caller.sdp("sendrecv"), callee.sdp("sendrecv")];
    connected(&mut world, &mut caller, &mut callee, NUMBER_V6, [&sdp[0], &sdp[1]]);
    hang_up(&mut world, &mut callee, &mut caller);
    world.assert_nothing_left();
}

fn a_call_from_ipv6_reaches_an_ipv4_pbx_from_our_ipv4_address() {
    let mut world = World::default();
    let (mut caller, mut callee) = (world.phone(CARRIER_V6), world.phone(PBX));
    caller.exchange = EXCHANGE_V6.parse().unwrap();
    let sdp = [caller.sdp("sendrecv"), callee.sdp("sendrecv")];
    caller.call(&mut world, NUMBER, Some(&sdp[0]));
    caller.expect(&mut world, "100");
    let invite = callee.expect(&mut world, "INVITE");
    assert!(invite.header(HeaderName::Via).unwrap().contains("192.0.2.1:5060"));
    assert!(!String::from_utf8_lossy(invite.bytes()).contains("2001:db8"), "nothing of the caller's network shows");
    callee.respond(&mut world, &invite, 200, Some(&sdp[1]));
    callee.expect(&mut world, "ACK");
    caller.expect(&mut world, "200");
    caller.ack(&mut world, None);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn two_lines_from_the_start_get_two_paths_and_a_rejected_one_none() {
    for (rejected, paths) in [(false, 2), (true, 1)] {
        let mut world = World::default();
        let (mut caller, mut callee) = (world.phone(CARRIER), world.phone(PBX));
        let offer = format!("{}m=video 4002 RTP/AVP 96\r\n", caller.sdp("sendrecv"));
        let port = if rejected { 0 } else { 4002 };
        let answer = format!("{}m=video {port} RTP/AVP 96\r\n", callee.sdp("sendrecv"));
        connected(&mut world, &mut caller, &mut callee, NUMBER, [&offer, &answer]);
        assert_eq!(world.media_paths().len(), paths);
        hang_up(&mut world, &mut caller, &mut callee);
        world.assert_nothing_left();
    }
}

fn an_offer_without_usable_lines_is_488() {
    let mut world = World::default();
    let (mut caller, callee) = (world.phone(CARRIER), world.phone(PBX));
    caller.call(&mut world, NUMBER, Some("v=0\r\nnonsense\r\n"));
    caller.expect(&mut world, "100");
    super::refused(&mut world, &mut caller, "488");
    callee.expect_silence(&mut world);
    world.assert_nothing_left();
}

fn an_answer_that_cannot_be_relayed_ends_the_callee_and_the_caller_hears_502() {
    for answer in [None, Some("v=0\r\nnonsense\r\n")] {
        let mut world = World::default();
        let (mut caller, mut callee, invite) = super::ringing(&mut world);
        callee.respond(&mut world, &invite, 200, answer);
        callee.expect(&mut world, "ACK");
        gets_bye(&mut world, &mut callee);
        super::refused(&mut world, &mut caller, "502");
        world.assert_nothing_left();
    }
}

fn what_media_reports_is_written_down() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (path, legs) = world.media_paths()[0];
    let leg = legs[1];
    world.report(&MediaReport::Latched { path, leg, source: "203.0.113.7:9000".parse().unwrap() });
    let lasted = Duration::from_secs(5);
    world.report(&MediaReport::Silent { path, leg, lasted, rtcp_alive: true });
    world.report(&MediaReport::Heard { path, leg });
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    let story = world.watch.story();
    let media: Vec<_> = story.into_iter().filter(|kind| kind.starts_with("Media")).collect();
    let reserved = "MediaReserved";
    assert_eq!(media, [reserved, reserved, "MediaLatched", "MediaFellSilent", "MediaHeard", "MediaMeasured"]);
    let silence = world.watch.events().find_map(|event| match event {
        SessionEvent::MediaFellSilent(silent) => Some((silent.lasted_ms, silent.rtcp_alive)),
        _ => None,
    });
    assert_eq!(silence, Some((5_000, true)));
}

fn a_latched_source_survives_a_change_of_media() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (path, legs) = world.media_paths()[0];
    world.report(&MediaReport::Latched { path, leg: legs[1], source: "203.0.113.7:9000".parse().unwrap() });
    let offer = caller.sdp("sendrecv");
    let answer = callee.sdp("sendrecv");
    let ok = changed(&mut world, &mut caller, &mut callee, [&offer, &answer]);
    assert!(body(&ok).contains("192.0.2.9"));
    assert_eq!(world.latched(), [None, Some("203.0.113.7:9000".parse().unwrap())]);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

fn a_peer_that_moves_its_media_is_pinned_anew() {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    let (path, legs) = world.media_paths()[0];
    let before = ["203.0.113.7:9000", "203.0.113.8:9000"].map(|source| source.parse().unwrap());
    for (leg, source) in legs.into_iter().zip(before) {
        world.report(&MediaReport::Latched { path, leg, source });
    }
    let moved = caller.sdp("sendrecv").replace("m=audio 4000 ", "m=audio 4400 ");
    let address = format!("c=IN IP4 {}", caller.address.ip());
    let held = caller.sdp("sendonly").replace(&address, "c=IN IP4 0.0.0.0");
    for offer in [held, moved] {
        let answer = callee.sdp("sendrecv");
        changed(&mut world, &mut caller, &mut callee, [&offer, &answer]);
    }
    assert_eq!(world.latched(), [None, Some(before[1])], "who stays where it is stays pinned");
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
}

super::scenarios![
    requests_to_a_phone_behind_nat_go_where_it_was_heard_from,
    each_leg_keeps_the_route_of_its_own_proxies_in_order,
    a_call_runs_by_ipv6_on_both_legs,
    a_call_from_ipv6_reaches_an_ipv4_pbx_from_our_ipv4_address,
    two_lines_from_the_start_get_two_paths_and_a_rejected_one_none,
    an_offer_without_usable_lines_is_488,
    an_answer_that_cannot_be_relayed_ends_the_callee_and_the_caller_hears_502,
    what_media_reports_is_written_down,
    a_latched_source_survives_a_change_of_media,
    a_peer_that_moves_its_media_is_pinned_anew,
];
