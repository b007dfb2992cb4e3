//! Carriers that ask who we are: a request goes again with credentials, once it is known what for.

use super::{answer, answered, called_out, cancelled, gets_bye, hang_up, pass, refused};
use domain::session::event::{EndCause, SessionEvent};
use domain::sip::digest::{self, Asker, Challenge, Credentials, Secret};
use domain::sip::wire::{HeaderName, Message};
use tests::world::{OUT_LOGIN, Phone, World};

const PROXY: HeaderName = HeaderName::ProxyAuthorization;
const SERVER: HeaderName = HeaderName::Authorization;

/// A challenge's value for a realm and nonce.
fn digest(realm: &str, nonce: &str, more: &str) -> String {
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"{more}")
}

/// The peer asks with 407, and gets the ACK where it asked an INVITE.
#[track_caller]
fn asks(world: &mut World, peer: &mut Phone, request: &Message, challenge: &str) {
    peer.respond_saying(world, request, 407, &format!("Proxy-Authenticate: {challenge}"));
    if request.method().is_some_and(|method| method.as_str() == "INVITE") {
        peer.expect(world, "ACK");
    }
}

/// What a request carries answers this challenge, for the nth time.
#[track_caller]
fn assert_proven(request: &Message, name: HeaderName, challenge: &str, nth: u32) {
    let asker = if name == PROXY { Asker::Proxy } else { Asker::Server };
    let challenge = Challenge::parse(asker, challenge).unwrap();
    let shown = request.headers().filter(|header| header.name == name);
    let own = shown.filter(|header| Credentials::parse(header.value).unwrap().realm == challenge.realm);
    let values: Vec<&str> = own.map(|header| header.value).collect();
    let [value] = values[..] else { panic!("{} credentials for the realm: {request:?}", values.len()) };
    let credentials = Credentials::parse(value).unwrap();
    let cnonce = u64::from_str_radix(credentials.cnonce.as_deref().unwrap(), 16).unwrap();
    let login = digest::Login { username: OUT_LOGIN.0, secret: Secret::Password(OUT_LOGIN.1) };
    let (method, uri) = (request.method().unwrap().as_str(), request.request_uri().unwrap());
    let expected = digest::answer(&[challenge], &login, method, uri, cnonce, nth).unwrap();
    assert_eq!((name, value), (expected.0, &*expected.1));
}

fn number(request: &Message) -> u32 {
    request.cseq().unwrap().number
}

fn same(one: &Message, other: &Message, names: &[HeaderName]) -> bool {
    names.iter().all(|name| one.header(*name) == other.header(*name))
}

/// What the log says of challenges: status, whether stale, whether the request went again.
fn challenges(world: &World) -> Vec<(u16, bool, bool)> {
    let challenged = world.watch.events().filter_map(|event| match event {
        SessionEvent::LegChallenged(challenged) => {
            Some((challenged.status, challenged.stale, challenged.gave_up.is_none()))
        }
        _ => None,
    });
    challenged.collect()
}

/// A call out whose carrier has asked once and been answered: its INVITE with credentials.
#[track_caller]
fn proven(world: &mut World) -> (Phone, [Phone; 2], Message) {
    let (pbx, [mut first, second], invite) = called_out(world);
    asks(world, &mut first, &invite, &digest("carrier", "n1", ""));
    let invite = first.expect(world, "INVITE");
    assert_proven(&invite, PROXY, &digest("carrier", "n1", ""), 1);
    (pbx, [first, second], invite)
}

fn a_challenged_invite_goes_again_with_credentials() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, second], invite) = called_out(&mut world);
    assert!(!invite.has(PROXY));
    asks(&mut world, &mut first, &invite, &digest("carrier", "n1", ", opaque=\"o\""));
    let again = first.expect(&mut world, "INVITE sip:+12025550199@198.51.100.11:5060");
    assert_proven(&again, PROXY, &digest("carrier", "n1", ", opaque=\"o\""), 1);
    assert_eq!(number(&again), number(&invite) + 1);
    let kept = [HeaderName::CallId, HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::MaxForwards];
    assert!(same(&invite, &again, &kept) && invite.body() == again.body(), "{again:?}");
    assert_ne!(invite.header(HeaderName::Via), again.header(HeaderName::Via));
    pbx.expect_silence(&mut world);
    first.respond(&mut world, &again, 180, None);
    pbx.expect(&mut world, "180");
    let sdp = first.sdp("sendrecv");
    first.respond(&mut world, &again, 200, Some(&sdp));
    let ack = first.expect(&mut world, "ACK");
    assert!(same(&ack, &again, &[PROXY]), "the ACK carries what its INVITE did: {ack:?}");
    assert_eq!(number(&ack), number(&again));
    pbx.expect(&mut world, "200 (");
    pbx.ack(&mut world, None);
    hang_up(&mut world, &mut pbx, &mut first);
    second.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), [(407, false, true)]);
    assert_eq!(world.ended().cause, EndCause::Completed);
    insta::assert_snapshot!("a_challenged_invite_goes_again_with_credentials", world.ladder);
}

fn later_requests_count_the_nonce_up() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = proven(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    let offer = pbx.sdp("sendonly");
    pbx.reinvite(&mut world, Some(&offer));
    pbx.expect(&mut world, "100");
    let reinvite = first.expect(&mut world, "INVITE");
    assert_proven(&reinvite, PROXY, &digest("carrier", "n1", ""), 2);
    let sdp = first.sdp("recvonly");
    first.respond(&mut world, &reinvite, 200, Some(&sdp));
    let ack = first.expect(&mut world, "ACK");
    assert!(same(&ack, &reinvite, &[PROXY]));
    pbx.expect(&mut world, "200 (");
    pbx.ack(&mut world, None);
    pbx.say_with(&mut world, "INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=1\r\n");
    let info = first.expect(&mut world, "INFO");
    assert_proven(&info, PROXY, &digest("carrier", "n1", ""), 3);
    first.respond(&mut world, &info, 200, None);
    pbx.expect(&mut world, "200");
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut first);
    assert_proven(&bye, PROXY, &digest("carrier", "n1", ""), 4);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), [(407, false, true)]);
}

fn a_stale_nonce_is_replaced_by_the_new_one() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = proven(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    let bye = first.expect(&mut world, "BYE");
    assert_proven(&bye, PROXY, &digest("carrier", "n1", ""), 2);
    let renewed = digest("carrier", "n2", ", stale=true");
    asks(&mut world, &mut first, &bye, &renewed);
    let bye = gets_bye(&mut world, &mut first);
    assert_proven(&bye, PROXY, &renewed, 1);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), [(407, false, true), (407, true, true)]);
}

fn a_password_that_is_refused_leads_to_the_next_carrier() {
    for answered in [1, 2] {
        let mut world = World::with_logins();
        let (mut pbx, [mut first, mut second], mut invite) = called_out(&mut world);
        // With a nonce of its own each time, or with the one that was just answered.
        for asked in 0..=answered {
            let nonce = if answered == 1 { "n".to_owned() } else { format!("n{asked}") };
            asks(&mut world, &mut first, &invite, &digest("carrier", &nonce, ""));
            if asked < answered {
                invite = first.expect(&mut world, "INVITE");
            }
        }
        let invite = second.expect(&mut world, "INVITE");
        first.expect_silence(&mut world);
        pbx.expect_silence(&mut world);
        assert!(!invite.has(PROXY), "what one carrier asked is not told to another");
        answer(&mut world, &mut pbx, &mut second, &invite);
        hang_up(&mut world, &mut second, &mut pbx);
        world.assert_nothing_left();
        let mut expected = vec![(407, false, true); answered];
        expected.push((407, false, false));
        assert_eq!(challenges(&world), expected);
    }
}

fn a_caller_never_hears_the_challenge_of_a_carrier() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    let unknown = digest("carrier", "n", ", algorithm=SHA3-256");
    asks(&mut world, &mut first, &invite, &unknown);
    let invite = second.expect(&mut world, "INVITE");
    second.respond_saying(&mut world, &invite, 401, "WWW-Authenticate: Basic realm=\"x\"");
    second.expect(&mut world, "ACK");
    let refusal = refused(&mut world, &mut pbx, "403");
    assert!(!refusal.has(HeaderName::ProxyAuthenticate) && !refusal.has(HeaderName::WwwAuthenticate));
    world.assert_nothing_left();
    assert_eq!(challenges(&world), [(407, false, false), (401, false, false)]);
}

fn a_carrier_without_a_login_that_asks_is_followed_by_the_next() {
    let mut world = World::default();
    let (mut pbx, [mut first, mut second], invite) = called_out(&mut world);
    asks(&mut world, &mut first, &invite, &digest("carrier", "n", ""));
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), []);
}

fn a_call_that_is_cancelled_before_the_challenge_is_not_asked_again() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, second], invite) = called_out(&mut world);
    first.respond(&mut world, &invite, 100, None);
    pbx.cancel(&mut world);
    pbx.expect(&mut world, "200 (");
    refused(&mut world, &mut pbx, "487");
    let cancel = first.expect(&mut world, "CANCEL");
    asks(&mut world, &mut first, &invite, &digest("carrier", "n", ""));
    first.respond(&mut world, &cancel, 481, None);
    first.expect_silence(&mut world);
    second.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), []);
}

fn a_call_that_is_cancelled_after_the_challenge_cancels_the_invite_that_went_again() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, second], again) = proven(&mut world);
    pbx.cancel(&mut world);
    pbx.expect(&mut world, "200 (");
    refused(&mut world, &mut pbx, "487");
    first.expect_silence(&mut world);
    first.respond(&mut world, &again, 100, None);
    cancelled(&mut world, &mut first, &again);
    second.expect_silence(&mut world);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Cancelled);
}

fn a_challenge_that_comes_again_gets_its_ack_again() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    let challenge = digest("carrier", "n1", "");
    first.respond_saying(&mut world, &invite, 407, &format!("Proxy-Authenticate: {challenge}"));
    let ack = first.expect(&mut world, "ACK");
    let again = first.expect(&mut world, "INVITE");
    first.respond_saying(&mut world, &invite, 407, &format!("Proxy-Authenticate: {challenge}"));
    assert_eq!(first.expect(&mut world, "ACK").bytes(), ack.bytes());
    first.expect_silence(&mut world);
    answer(&mut world, &mut pbx, &mut first, &again);
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
}

fn an_invite_that_went_again_is_repeated_and_given_up_as_any() {
    let mut world = World::with_logins();
    let (mut pbx, [first, mut second], _) = proven(&mut world);
    pass(&mut world, 1_600);
    let repeats = std::iter::from_fn(|| world.next_for(first.address)).count();
    assert_eq!(repeats, 2, "{}", world.ladder);
    // The time to ring counts from the first INVITE on.
    pass(&mut world, 18_400);
    first.ignore_all(&mut world);
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}

fn a_re_invite_that_is_challenged_first_goes_again() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    let offer = pbx.sdp("sendonly");
    pbx.reinvite(&mut world, Some(&offer));
    pbx.expect(&mut world, "100");
    let asked = first.expect(&mut world, "INVITE");
    asks(&mut world, &mut first, &asked, &digest("carrier", "n1", ""));
    let again = first.expect(&mut world, "INVITE");
    assert_proven(&again, PROXY, &digest("carrier", "n1", ""), 1);
    assert_eq!((number(&again), again.body()), (number(&asked) + 1, asked.body()));
    pbx.expect_silence(&mut world);
    let sdp = first.sdp("recvonly");
    first.respond(&mut world, &again, 200, Some(&sdp));
    let ack = first.expect(&mut world, "ACK");
    assert!(same(&ack, &again, &[PROXY]) && number(&ack) == number(&again));
    pbx.expect(&mut world, "200 (");
    pbx.ack(&mut world, None);
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
}

fn a_re_invite_whose_credentials_are_refused_leaves_the_call_as_it_was() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    let offer = pbx.sdp("sendonly");
    pbx.reinvite(&mut world, Some(&offer));
    pbx.expect(&mut world, "100");
    for _ in 0..2 {
        let asked = first.expect(&mut world, "INVITE");
        asks(&mut world, &mut first, &asked, &digest("carrier", "n1", ""));
    }
    refused(&mut world, &mut pbx, "403");
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
    assert_eq!(world.ended().cause, EndCause::Completed);
}

fn a_challenged_bye_goes_again_and_ends_the_call_whatever_becomes_of_it() {
    for accepted in [true, false] {
        let mut world = World::with_logins();
        let (mut pbx, [mut first, _], invite) = called_out(&mut world);
        answer(&mut world, &mut pbx, &mut first, &invite);
        pbx.say(&mut world, "BYE");
        pbx.expect(&mut world, "200");
        let bye = first.expect(&mut world, "BYE");
        asks(&mut world, &mut first, &bye, &digest("carrier", "n1", ""));
        let again = first.expect(&mut world, "BYE");
        assert_proven(&again, PROXY, &digest("carrier", "n1", ""), 1);
        assert_eq!(number(&again), number(&bye) + 1);
        match accepted {
            true => first.respond(&mut world, &again, 200, None),
            false => asks(&mut world, &mut first, &again, &digest("carrier", "n1", "")),
        }
        first.expect_silence(&mut world);
        world.assert_nothing_left();
        assert_eq!(world.ended().cause, EndCause::Completed);
    }
}

fn a_pbx_that_called_us_may_ask_too() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    answer(&mut world, &mut pbx, &mut first, &invite);
    first.say(&mut world, "BYE");
    first.expect(&mut world, "200");
    let bye = pbx.expect(&mut world, "BYE");
    let challenge = digest("pbx", "n1", ", algorithm=SHA-256");
    pbx.respond_saying(&mut world, &bye, 401, &format!("WWW-Authenticate: {challenge}"));
    let again = gets_bye(&mut world, &mut pbx);
    assert_proven(&again, SERVER, &challenge, 1);
    world.assert_nothing_left();
}

fn two_realms_that_ask_one_after_the_other_are_both_answered() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = proven(&mut world);
    let inner = digest("inner", "m1", "");
    first.respond_saying(&mut world, &invite, 401, &format!("WWW-Authenticate: {inner}"));
    first.expect(&mut world, "ACK");
    let again = first.expect(&mut world, "INVITE");
    assert_proven(&again, PROXY, &digest("carrier", "n1", ""), 2);
    assert_proven(&again, SERVER, &inner, 1);
    answer(&mut world, &mut pbx, &mut first, &again);
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
    assert_eq!(challenges(&world), [(407, false, true), (401, false, true)]);
}

fn two_realms_that_ask_at_once_are_both_answered() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    let (one, two) = (digest("one", "n1", ""), digest("two", "m1", ", algorithm=SHA-256"));
    let lines = format!("Proxy-Authenticate: {one}\r\nWWW-Authenticate: {two}");
    first.respond_saying(&mut world, &invite, 407, &lines);
    first.expect(&mut world, "ACK");
    let again = first.expect(&mut world, "INVITE");
    assert_proven(&again, PROXY, &one, 1);
    assert_proven(&again, SERVER, &two, 1);
    answer(&mut world, &mut pbx, &mut first, &again);
    pbx.say(&mut world, "BYE");
    pbx.expect(&mut world, "200");
    let bye = gets_bye(&mut world, &mut first);
    assert_proven(&bye, PROXY, &one, 2);
    assert_proven(&bye, SERVER, &two, 2);
    world.assert_nothing_left();
}

fn realms_without_end_are_not_answered_for_ever() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, mut second], mut invite) = called_out(&mut world);
    for realm in ["one", "two", "three"] {
        asks(&mut world, &mut first, &invite, &digest(realm, "n", ""));
        if realm != "three" {
            invite = first.expect(&mut world, "INVITE");
        }
    }
    let invite = second.expect(&mut world, "INVITE");
    answer(&mut world, &mut pbx, &mut second, &invite);
    hang_up(&mut world, &mut pbx, &mut second);
    world.assert_nothing_left();
}

fn a_challenge_after_ringing_begins_the_dialog_anew() {
    let mut world = World::with_logins();
    let (mut pbx, [mut first, _], invite) = called_out(&mut world);
    first.respond_tagged(&mut world, &invite, 180, None, "early");
    pbx.expect(&mut world, "180");
    asks(&mut world, &mut first, &invite, &digest("carrier", "n1", ""));
    let again = first.expect(&mut world, "INVITE sip:+12025550199@198.51.100.11:5060");
    assert!(same(&invite, &again, &[HeaderName::To]), "{again:?}");
    answer(&mut world, &mut pbx, &mut first, &again);
    hang_up(&mut world, &mut pbx, &mut first);
    world.assert_nothing_left();
}

fn a_call_between_trunks_without_challenges_shows_nobody_credentials() {
    let mut world = World::with_logins();
    let (mut caller, mut callee) = answered(&mut world);
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    let shown = world.sent().iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("uthorization"));
    assert!(!shown);
}

super::scenarios![
    a_challenged_invite_goes_again_with_credentials,
    later_requests_count_the_nonce_up,
    a_stale_nonce_is_replaced_by_the_new_one,
    a_password_that_is_refused_leads_to_the_next_carrier,
    a_caller_never_hears_the_challenge_of_a_carrier,
    a_carrier_without_a_login_that_asks_is_followed_by_the_next,
    a_call_that_is_cancelled_before_the_challenge_is_not_asked_again,
    a_call_that_is_cancelled_after_the_challenge_cancels_the_invite_that_went_again,
    a_challenge_that_comes_again_gets_its_ack_again,
    an_invite_that_went_again_is_repeated_and_given_up_as_any,
    a_re_invite_that_is_challenged_first_goes_again,
    a_re_invite_whose_credentials_are_refused_leaves_the_call_as_it_was,
    a_challenged_bye_goes_again_and_ends_the_call_whatever_becomes_of_it,
    a_pbx_that_called_us_may_ask_too,
    two_realms_that_ask_one_after_the_other_are_both_answered,
    two_realms_that_ask_at_once_are_both_answered,
    realms_without_end_are_not_answered_for_ever,
    a_challenge_after_ringing_begins_the_dialog_anew,
    a_call_between_trunks_without_challenges_shows_nobody_credentials,
];
