//! A client and what it remembers.

use super::*;
use crate::sip::wire::{HeaderName, Message};

const LOGIN: Login<'static> = Login { username: "bob", secret: Secret::Password("zanzibar") };

fn challenge(nonce: &str, more: &str) -> Challenge {
    Challenge::parse(Asker::Proxy, &format!("Digest realm=\"a\", nonce=\"{nonce}\", qop=\"auth\"{more}")).unwrap()
}

fn challenged(session: &mut Session, challenges: &[Challenge]) -> Result<Credentials, GaveUp> {
    let (header, value) = session.challenged(challenges, &LOGIN, "INVITE", "sip:b", 7)?;
    assert_eq!(header, HeaderName::ProxyAuthorization);
    Ok(Credentials::parse(&value).unwrap())
}

fn begun(session: &mut Session) -> Option<Credentials> {
    session.begin(&LOGIN, "INVITE", "sip:b", 7).map(|(_, value)| Credentials::parse(&value).unwrap())
}

#[test]
fn a_nonce_serves_later_requests_with_rising_counts() {
    let mut session = Session::default();
    assert_eq!(begun(&mut session), None);
    let first = challenged(&mut session, &[challenge("n1", "")]).unwrap();
    assert_eq!((first.nonce.as_str(), first.nc.as_deref()), ("n1", Some("00000001")));
    for nc in 2..300 {
        assert_eq!(begun(&mut session).unwrap().count(), Some(nc));
    }
    let renewed = challenged(&mut session, &[challenge("n2", ", stale=true")]).unwrap();
    assert_eq!((renewed.nonce.as_str(), renewed.nc.as_deref()), ("n2", Some("00000001")));
    session.forget();
    assert_eq!(begun(&mut session), None);
}

#[test]
fn the_very_nonce_that_was_just_answered_is_not_answered_again() {
    for more in ["", ", stale=true"] {
        let mut session = Session::default();
        challenged(&mut session, &[challenge("n1", "")]).unwrap();
        assert_eq!(challenged(&mut session, &[challenge("n1", more)]), Err(GaveUp::Refused));
        assert_eq!(begun(&mut session), None, "what was refused is not offered with the next request");
    }
}

#[test]
fn new_nonces_without_stale_are_answered_twice() {
    let mut session = Session::default();
    for nonce in ["n1", "n2", "n3"] {
        assert!(challenged(&mut session, &[challenge(nonce, "")]).is_ok(), "{nonce}");
    }
    assert_eq!(challenged(&mut session, &[challenge("n4", "")]), Err(GaveUp::TooOften));
    assert_eq!(begun(&mut session), None);
    assert!(challenged(&mut session, &[challenge("n5", "")]).is_ok(), "the next request begins anew");
}

#[test]
fn stale_nonces_do_not_count_but_do_not_go_on_for_ever() {
    let mut session = Session::default();
    challenged(&mut session, &[challenge("n0", "")]).unwrap();
    for round in 1..=6 {
        assert!(challenged(&mut session, &[challenge(&format!("n{round}"), ", stale=true")]).is_ok(), "{round}");
    }
    assert!(challenged(&mut session, &[challenge("m1", "")]).is_ok(), "not counted as a wrong password");
    assert_eq!(challenged(&mut session, &[challenge("m2", ", stale=true")]), Err(GaveUp::TooOften));
}

#[test]
fn the_first_challenge_that_we_know_is_answered() {
    let answer_to = |challenges: &[Challenge]| challenged(&mut Session::default(), challenges);
    let unknown = challenge("n1", ", algorithm=SHA3-256");
    let sha = challenge("n2", ", algorithm=SHA-256");
    let md5 = challenge("n3", ", algorithm=MD5");
    let first = answer_to(&[unknown.clone(), md5.clone(), sha.clone()]).unwrap();
    assert_eq!((first.nonce.as_str(), first.algorithm), ("n3", Some(Algorithm::Md5)));
    assert_eq!(answer_to(&[sha, md5]).unwrap().algorithm, Some(Algorithm::Sha256));
    let int_only = Challenge { qop: Qop::Others, ..challenge("n4", "") };
    assert_eq!(answer_to(&[unknown, int_only]), Err(GaveUp::NothingKnown));
    assert_eq!(answer_to(&[]), Err(GaveUp::NothingKnown));
}

#[test]
fn an_answer_names_what_the_challenge_named() {
    let bare = Challenge::parse(Asker::Server, "Digest realm=\"a \\\"b\\\"\", nonce=\"n\"").unwrap();
    let (header, value) = answer(&[bare], &LOGIN, "REGISTER", "sip:b", 7, 1).unwrap();
    assert_eq!(header, HeaderName::Authorization);
    let response = value.split("response=").nth(1).unwrap();
    assert_eq!(response.len(), 34, "neither algorithm, nor qop, nor opaque: {value}");
    assert!(value.contains("realm=\"a \\\"b\\\"\""), "{value}");
}

#[test]
fn what_is_stored_of_a_password_answers_as_the_password_does() {
    let stored = DigestSecret::from_password("bob", "a", "zanzibar");
    let by_stored = Login { username: "bob", secret: Secret::Stored(&stored) };
    let challenges = [challenge("n", ", algorithm=SHA-512-256")];
    let both = [LOGIN, by_stored].map(|login| answer(&challenges, &login, "INVITE", "sip:b", 7, 0xffff_ffff));
    assert_eq!(both[0], both[1]);
    assert!(both[0].as_ref().unwrap().1.contains("nc=ffffffff"));
    assert_eq!(format!("{by_stored:?}"), "Login(…)");
}

#[test]
fn the_challenges_of_a_response_are_read_in_order() {
    let text = "SIP/2.0 407 x\r\nProxy-Authenticate: Digest realm=a,nonce=1,algorithm=SHA-256\r\n\
                WWW-Authenticate: Digest realm=a,nonce=2\r\nProxy-Authenticate: Basic realm=a\r\n\
                proxy-authenticate: Digest realm=a,nonce=3\r\n\r\n";
    let nonces = |text: &str| {
        let challenges = Challenge::of(&Message::scan(text.to_owned().into()).unwrap());
        challenges.into_iter().map(|challenge| challenge.nonce).collect::<Vec<_>>()
    };
    assert_eq!(nonces(text), ["1", "3"]);
    assert_eq!(nonces(&text.replace("407", "401")), ["2"]);
    assert!(nonces(&text.replace("407", "403")).is_empty());
    let many = format!("SIP/2.0 401 x\r\n{}\r\n", "WWW-Authenticate: Digest realm=a,nonce=1\r\n".repeat(100));
    assert_eq!(nonces(&many).len(), 16);
}
