//! What the guard lets through, in virtual time.

use super::*;
use bytes::Bytes;

const ADDRESS: &str = "198.51.100.9";

fn source() -> Source {
    Source::of(ADDRESS.parse().unwrap())
}

fn at(ms: u64) -> Moment {
    Moment::from_micros(ms * 1_000)
}

/// How many of so many requests at a moment are answered.
fn answered(guard: &mut Guard, now: Moment, requests: u32) -> u32 {
    (0..requests)
        .filter(|_| {
            let heard = guard.refuses(now, source(), false).is_none();
            if heard {
                guard.answered(now, source());
            }
            heard
        })
        .count()
        .try_into()
        .unwrap()
}

fn guard() -> Guard {
    Guard::new(GuardSettings::default())
}

#[test]
fn a_stranger_is_answered_a_burst_and_then_a_rate() {
    let mut guard = guard();
    assert_eq!(answered(&mut guard, at(1_000), 100), 60);
    assert_eq!(answered(&mut guard, at(1_049), 100), 0);
    assert_eq!(answered(&mut guard, at(1_050), 100), 1);
    assert_eq!(answered(&mut guard, at(2_050), 100), 20);
    assert_eq!(answered(&mut guard, at(3_600_000), 100), 60);
    assert_eq!(guard.refuses(at(3_600_000), source(), false), Some(Dropped::Flood));
}

#[test]
fn two_hundred_phones_behind_a_known_address_come_back_at_once() {
    let mut guard = guard();
    guard.answered(at(0), source());
    guard.proved(at(10), source());
    assert_eq!(answered(&mut guard, at(3_600_000), 400), 400);
    assert_eq!(answered(&mut guard, at(3_600_000), 2_000), 600);
    assert_eq!(answered(&mut guard, at(3_601_000), 2_000), 100);
    let forgotten = at(10) + KNOWN_FOR;
    assert_eq!(answered(&mut guard, forgotten, 2_000), 60);
}

#[test]
fn who_fails_too_often_is_not_heard_for_a_while_and_then_forgiven() {
    let mut guard = guard();
    for n in 0..20 {
        assert_ne!(guard.refuses(at(n), source(), false), Some(Dropped::Banned), "{n}");
        guard.failed(at(n), source());
    }
    assert_eq!(guard.refuses(at(20), source(), false), Some(Dropped::Banned));
    assert_eq!(guard.refuses(at(300_018), source(), false), Some(Dropped::Banned));
    assert_eq!(guard.refuses(at(300_019), source(), false), None);
    guard.failed(at(300_019), source());
    assert_eq!(guard.refuses(at(300_020), source(), false), None, "what went before is forgiven");
    assert_eq!(guard.figures().bans, 1);
}

#[test]
fn a_phone_with_a_wrong_password_that_tries_every_half_minute_is_never_banned() {
    let mut guard = guard();
    for n in 0..2_000 {
        guard.failed(at(n * 30_000), source());
    }
    assert_eq!(guard.figures().bans, 0);
}

#[test]
fn one_wrong_phone_does_not_get_its_office_banned_and_a_guesser_does() {
    let mut guard = guard();
    guard.answered(at(0), source());
    guard.proved(at(0), source());
    for n in 0..199 {
        guard.failed(at(n), source());
    }
    assert_eq!(guard.figures().bans, 0);
    (0..3).for_each(|n| guard.failed(at(200 + n), source()));
    assert_eq!(guard.refuses(at(210), source(), false), Some(Dropped::Banned));
    // A registered phone goes on in its own name by its own flow.
    assert_eq!(guard.refuses(at(60_000), source(), true), None);
}

#[test]
fn a_failed_login_takes_more_of_what_may_be_asked_than_none() {
    let mut guard = Guard::new(GuardSettings { failures: 10_000, ..GuardSettings::default() });
    let heard = (0..100).take_while(|_| {
        let heard = guard.refuses(at(0), source(), false).is_none();
        guard.failed(at(0), source());
        guard.answered(at(0), source());
        heard
    });
    assert_eq!(heard.count(), 12);
}

#[test]
fn nobody_is_known_by_proving_himself_where_he_was_never_asked() {
    let mut guard = guard();
    guard.proved(at(0), source());
    assert_eq!(guard.figures().sources, 0);
}

#[test]
fn a_summary_has_the_worst_sources_in_order_and_each_once() {
    let mut guard = guard();
    for host in 1..=20u8 {
        let source = Source::of([192, 0, 2, host].into());
        (0..host).for_each(|_| guard.dropped(source));
    }
    let (bans, worst) = guard.take_summary(at(0));
    let told: Vec<_> = worst.iter().map(|one| (one.source.to_string(), one.dropped)).collect();
    let expected = [20, 19, 18, 17, 16].map(|host| (format!("192.0.2.{host}"), host));
    assert_eq!((bans, told), (0, expected.to_vec()));
    assert_eq!(guard.take_summary(at(0)), (0, vec![]));
    assert_eq!(guard.figures().dropped, 210);
}

#[test]
fn scanners_are_known_by_what_they_call_themselves() {
    let guard = guard();
    let silent = Guard::new(GuardSettings { scanners: false, ..GuardSettings::default() });
    for (user_agent, from, scan) in [
        ("friendly-scanner", "<sip:100@1.1.1.1>;tag=1", true),
        ("Sipcli/v1.8", "<sip:100@1.1.1.1>;tag=1", true),
        ("Phone 1", "\"sipvicious\"<sip:100@1.1.1.1>;tag=1", true),
        ("Phone 1", "sipvicious <sip:100@1.1.1.1>;tag=1", true),
        ("Phone 1", "\"Anna\" <sip:sipvicious@a.example>;tag=1", false),
        ("My friendly-scanner", "<sip:100@1.1.1.1>;tag=1", false),
        ("s", "<sip:100@1.1.1.1>;tag=1", false),
    ] {
        let text = format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nFrom: {from}\r\nTo: <sip:a@b>\r\n\
             Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {user_agent}\r\nContent-Length: 0\r\n\r\n"
        );
        let request = Message::scan(Bytes::from(text)).unwrap();
        assert_eq!(guard.is_scan(&request), scan, "{user_agent} {from}");
        assert!(!silent.is_scan(&request));
    }
}

#[test]
fn exempt_sources_are_left_alone_and_so_is_everybody_where_it_is_switched_off() {
    let exempt = vec!["192.0.2.0/24".parse().unwrap()];
    let guard = Guard::new(GuardSettings { exempt, ..GuardSettings::default() });
    let of = |guard: &Guard, text: &str| guard.exempts(text.parse().unwrap());
    assert!(of(&guard, "192.0.2.9:5060") && !of(&guard, "192.0.3.9:5060"));
    let off = Guard::new(GuardSettings { enabled: false, ..GuardSettings::default() });
    assert!(of(&off, "192.0.3.9:5060"));
}
