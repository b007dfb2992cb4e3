//! Who is let in, and what those hear who are not.

use super::*;
use crate::time::Moment;
use std::cell::RefCell;
use std::time::Duration;

const USER: &str = "bob";
const URI: &str = "sip:a.example";

fn realm() -> Realm {
    Realm::new("a.example").unwrap()
}

fn seconds(seconds: u64) -> Moment {
    Moment::from_micros(1_000_000 * seconds)
}

fn settings() -> ChallengerSettings {
    ChallengerSettings { algorithms: Algorithm::ALL.to_vec(), ..ChallengerSettings::new([3; 32], 8) }
}

fn secret_of(username: &str) -> Option<DigestSecret> {
    (username == USER).then(|| DigestSecret::from_password(USER, "a.example", "zanzibar"))
}

fn challenges_of(challenger: &Challenger, now: Moment) -> Vec<Challenge> {
    let lines = challenger.challenges(now, 99, &realm(), false);
    lines.iter().map(|line| Challenge::parse(Asker::Server, line).unwrap()).collect()
}

fn answered(challenges: &[Challenge], username: &str, password: &str, nc: u32) -> String {
    let login = Login { username, secret: Secret::Password(password) };
    answer(challenges, &login, "REGISTER", URI, 5, nc).unwrap().1
}

fn verify(challenger: &mut Challenger, now: Moment, value: &str) -> Verdict {
    let presented = Presented { method: "REGISTER", uri: URI, credentials: vec![value] };
    challenger.verify(now, &realm(), &presented, secret_of)
}

fn accepted(algorithm: Algorithm) -> Verdict {
    Verdict::Accepted { username: USER.to_owned(), algorithm }
}

#[test]
fn a_challenge_has_a_line_for_each_algorithm_in_order_and_one_nonce() {
    let challenger = Challenger::new(settings());
    let lines = challenger.challenges(seconds(1), 99, &realm(), true);
    let read: Vec<_> = lines.iter().map(|line| Challenge::parse(Asker::Server, line).unwrap()).collect();
    let algorithms: Vec<_> = read.iter().filter_map(|challenge| challenge.algorithm).collect();
    assert_eq!(algorithms, Algorithm::ALL);
    assert!(read.iter().all(|one| one.nonce == read[0].nonce && one.opaque == read[0].opaque && one.stale));
    assert!(lines.iter().all(|line| line.contains("qop=\"auth\"") && line.ends_with("stale=true")));
    let next = Challenge::parse(Asker::Server, &challenger.challenges(seconds(1), 98, &realm(), false)[0]).unwrap();
    assert_ne!(next.nonce, read[0].nonce);
    assert!(!next.stale);
    let mut twice = settings();
    twice.algorithms = vec![Algorithm::Md5, Algorithm::Md5];
    assert_eq!(Challenger::new(twice).challenges(seconds(1), 99, &realm(), false).len(), 1);
}

#[test]
fn the_right_answer_under_any_offered_algorithm_is_let_in() {
    for (index, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let mut challenger = Challenger::new(settings());
        let challenges = challenges_of(&challenger, seconds(1));
        let value = answered(&challenges[index..], USER, "zanzibar", 1);
        let verdict = verify(&mut challenger, seconds(2), &value);
        assert_eq!((verdict.reaction(), &verdict), (Reaction::Admit, &accepted(algorithm)));
        let bare = value.replace(&format!(", algorithm={}", algorithm.token()), "");
        let without_name = verify(&mut challenger, seconds(2), &bare.replace("00000001", "00000002"));
        assert_eq!(without_name, Verdict::WrongPassword, "the count is part of what is hashed");
    }
}

#[test]
fn credentials_without_an_algorithm_are_md5() {
    let mut challenger = Challenger::new(settings());
    let challenges = challenges_of(&challenger, seconds(1));
    let value = answered(&challenges[2..], USER, "zanzibar", 1).replace(", algorithm=MD5", "");
    assert_eq!(verify(&mut challenger, seconds(2), &value), accepted(Algorithm::Md5));
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same_from_outside() {
    let mut challenger = Challenger::new(settings());
    let challenges = challenges_of(&challenger, seconds(1));
    let wrong = verify(&mut challenger, seconds(2), &answered(&challenges, USER, "zanzibaR", 1));
    let unknown = verify(&mut challenger, seconds(2), &answered(&challenges, "eve", "zanzibar", 1));
    assert_eq!((&wrong, &unknown), (&Verdict::WrongPassword, &Verdict::UnknownUser));
    assert_eq!(wrong.reaction(), unknown.reaction());
    assert_eq!(wrong.reaction(), Reaction::Challenge { stale: false });
    assert!(wrong.is_failed_login() && unknown.is_failed_login());
    assert_eq!(challenger.remembered(), 0, "who guesses leaves no trace");
}

#[test]
fn the_stand_in_for_an_unknown_user_opens_nothing() {
    let mut challenger = Challenger::new(settings());
    let challenges = challenges_of(&challenger, seconds(1));
    let value = answered(&challenges, "", "", 1).replace("username=\"\"", "username=\"x\"");
    assert_eq!(verify(&mut challenger, seconds(2), &value), Verdict::UnknownUser);
}

#[test]
fn an_answer_serves_once_and_overtaking_does_no_harm() {
    let mut challenger = Challenger::new(settings());
    let challenges = challenges_of(&challenger, seconds(1));
    for nc in [1, 3, 2, 4] {
        let value = answered(&challenges, USER, "zanzibar", nc);
        assert_eq!(verify(&mut challenger, seconds(2), &value), accepted(Algorithm::Sha512_256), "{nc}");
        let again = verify(&mut challenger, seconds(2), &value);
        assert_eq!(again, Verdict::Replayed);
        assert_eq!(again.reaction(), Reaction::Challenge { stale: true });
        assert!(!again.is_failed_login());
    }
    let far = verify(&mut challenger, seconds(2), &answered(&challenges, USER, "zanzibar", 100));
    let behind = verify(&mut challenger, seconds(2), &answered(&challenges, USER, "zanzibar", 36));
    assert_eq!((far, behind), (accepted(Algorithm::Sha512_256), Verdict::Replayed));
}

#[test]
fn an_old_nonce_is_stale_only_with_the_right_password() {
    let mut challenger = Challenger::new(settings());
    let challenges = challenges_of(&challenger, seconds(1));
    let (right, wrong) = (answered(&challenges, USER, "zanzibar", 1), answered(&challenges, USER, "x", 1));
    assert_eq!(verify(&mut challenger, seconds(302), &right), Verdict::Stale);
    assert_eq!(verify(&mut challenger, seconds(302), &wrong), Verdict::WrongPassword);
    assert_eq!(verify(&mut challenger, seconds(301), &right), accepted(Algorithm::Sha512_256));
    assert_eq!(verify(&mut challenger, seconds(0), &answered(&challenges, USER, "zanzibar", 2)), Verdict::Stale);
}

#[test]
fn a_nonce_of_another_start_is_stale_and_of_another_secret_or_realm_is_none() {
    let challenges = challenges_of(&Challenger::new(settings()), seconds(1));
    let value = answered(&challenges, USER, "zanzibar", 1);
    let mut restarted = Challenger::new(ChallengerSettings { epoch: 9, ..settings() });
    assert_eq!(verify(&mut restarted, seconds(2), &value), Verdict::Stale);
    let mut other = Challenger::new(ChallengerSettings { secret: [4; 32].into(), ..settings() });
    let verdict = verify(&mut other, seconds(2), &value);
    assert_eq!((verdict.reaction(), verdict), (Reaction::Challenge { stale: false }, Verdict::BadNonce));
    let mut same = Challenger::new(settings());
    let foreign = same.challenges(seconds(1), 99, &Realm::new("b.example").unwrap(), false);
    let foreign = Challenge::parse(Asker::Server, &foreign[0]).unwrap();
    let moved = Challenge { realm: "a.example".to_owned(), ..foreign };
    assert_eq!(verify(&mut same, seconds(2), &answered(&[moved], USER, "zanzibar", 1)), Verdict::BadNonce);
}

#[test]
fn a_forgotten_nonce_is_stale() {
    let counts = CountSettings { most_nonces: 1 };
    let mut challenger = Challenger::new(ChallengerSettings { counts, ..settings() });
    let first = challenges_of(&challenger, seconds(1));
    let second = challenges_of(&challenger, seconds(2));
    let answer_to = |challenges, nc| answered(challenges, USER, "zanzibar", nc);
    assert_eq!(verify(&mut challenger, seconds(3), &answer_to(&first, 1)), accepted(Algorithm::Sha512_256));
    assert_eq!(verify(&mut challenger, seconds(3), &answer_to(&second, 1)), accepted(Algorithm::Sha512_256));
    assert_eq!(verify(&mut challenger, seconds(3), &answer_to(&first, 1)), Verdict::Stale, "not let in again");
    assert_eq!(challenger.remembered(), 1);
}

#[test]
fn what_was_not_offered_is_not_taken() {
    let md5_less = ChallengerSettings { algorithms: vec![Algorithm::Sha256], ..settings() };
    let mut challenger = Challenger::new(md5_less);
    let challenges = challenges_of(&Challenger::new(settings()), seconds(1));
    let md5 = answered(&challenges[2..], USER, "zanzibar", 1);
    let sha = answered(&challenges[1..], USER, "zanzibar", 1);
    for value in [
        md5.clone(),
        md5.replace("MD5", "MD5-sess"),
        sha.replace("qop=auth", "qop=auth-int"),
        sha.replace("qop=auth, ", "").replace("nc=00000001", "x=1"),
    ] {
        let verdict = verify(&mut challenger, seconds(2), &value);
        assert_eq!(
            (verdict.reaction(), verdict),
            (Reaction::Challenge { stale: false }, Verdict::Unsupported),
            "{value}"
        );
    }
    assert_eq!(verify(&mut challenger, seconds(2), &sha), accepted(Algorithm::Sha256));
}

#[test]
fn answers_without_qop_are_taken_where_the_settings_say_so() {
    let mut challenger = Challenger::new(ChallengerSettings { without_qop: true, ..settings() });
    let mut challenges = challenges_of(&challenger, seconds(1));
    challenges.iter_mut().for_each(|challenge| challenge.qop = Qop::Absent);
    let value = answered(&challenges, USER, "zanzibar", 1);
    assert!(!value.contains("qop") && !value.contains("nc="));
    assert_eq!(verify(&mut challenger, seconds(2), &value), accepted(Algorithm::Sha512_256));
    assert_eq!(verify(&mut Challenger::new(settings()), seconds(2), &value), Verdict::Unsupported);
}

#[test]
fn broken_credentials_and_those_for_another_target_are_refused() {
    let mut challenger = Challenger::new(settings());
    let value = answered(&challenges_of(&challenger, seconds(1)), USER, "zanzibar", 1);
    for (value, wrong) in [
        ("Digest broken".to_owned(), Wrong::Grammar),
        (value.replace(", nc=00000001", ""), Wrong::Missing("nc")),
        (value.replace("cnonce=", "x="), Wrong::Missing("cnonce")),
        (value.replace("sip:a.example", "sip:b.example"), Wrong::OtherTarget),
    ] {
        let verdict = verify(&mut challenger, seconds(2), &value);
        assert_eq!((verdict.reaction(), verdict), (Reaction::Refuse, Verdict::Malformed(wrong)));
    }
}

#[test]
fn credentials_for_other_realms_and_schemes_are_none() {
    let mut challenger = Challenger::new(settings());
    let value = answered(&challenges_of(&challenger, seconds(1)), USER, "zanzibar", 1);
    for other in [value.replace("realm=\"a.", "realm=\"A."), "Basic Ym9i".to_owned()] {
        assert_eq!(verify(&mut challenger, seconds(2), &other), Verdict::NoCredentials, "{other}");
    }
    let none = Presented { method: "REGISTER", uri: URI, credentials: vec![] };
    assert_eq!(challenger.verify(seconds(2), &realm(), &none, secret_of), Verdict::NoCredentials);
}

#[test]
fn the_user_is_looked_up_once_and_only_for_a_nonce_of_ours() {
    let asked = RefCell::new(Vec::new());
    let mut challenger = Challenger::new(settings());
    let value = answered(&challenges_of(&challenger, seconds(1)), USER, "zanzibar", 1);
    for value in [value.replace("nonce=\"", "nonce=\"x"), value] {
        let presented = Presented { method: "REGISTER", uri: URI, credentials: vec![&value] };
        challenger.verify(seconds(2), &realm(), &presented, |user| {
            asked.borrow_mut().push(user.to_owned());
            secret_of(user)
        });
    }
    assert_eq!(*asked.borrow(), [USER]);
}

#[test]
fn a_request_shows_the_lines_of_its_asker() {
    let text = "REGISTER sip:a.example SIP/2.0\r\nAuthorization: Digest a=b\r\nProxy-Authorization: Digest c=d\r\n\
                authorization: Digest e=f\r\n\r\n";
    let request = crate::sip::wire::Message::scan(text.into()).unwrap();
    let presented = Presented::by(&request, Asker::Server);
    assert_eq!((presented.method, presented.uri), ("REGISTER", "sip:a.example"));
    assert_eq!(presented.credentials, ["Digest a=b", "Digest e=f"]);
    assert_eq!(Presented::by(&request, Asker::Proxy).credentials, ["Digest c=d"]);
    assert!(!format!("{presented:?}").contains("a=b"));
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let challenger = Challenger::new(ChallengerSettings { lifetime: Duration::from_secs(7), ..settings() });
    let shown = format!("{challenger:?}");
    assert!(shown.contains("lifetime: 7s") && !shown.contains("secret") && !shown.contains("3, 3"), "{shown}");
}
