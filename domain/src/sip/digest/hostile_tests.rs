//! Header values that nobody sane would send. Seeded: a failure repeats.

use super::*;
use crate::time::Moment;

const SAMPLES: [&str; 5] = [
    "Digest username=\"bob\", realm=\"a.example\", nonce=\"n\", uri=\"sip:a.example\", response=\"00ff\", \
     algorithm=SHA-256, qop=auth, cnonce=\"c\", nc=00000001, opaque=\"o\"",
    "Digest realm=\"a.example\", nonce=\"n\", opaque=\"o\", algorithm=SHA-512-256, qop=\"auth,auth-int\", stale=true",
    "Digest username=\"\\\"b, \\\\ob\\\"\",realm=a,nonce=b,uri=\"sip:%62@[2001:db8::1]:5060;x?y=z\",response=0",
    "digest realm = \"\" , nonce=\t\"\" ,, qop = \"\"",
    "Basic realm=\"a\"",
];

/// Pieces that grammars stumble over.
const PIECES: [&str; 18] = [
    "\"",
    "\\",
    ",",
    "=",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\u{7f}",
    "é",
    "Digest ",
    "nc=ffffffff",
    "nc=0",
    "realm=",
    "🦀",
    ";",
    "qop=\"auth-int\"",
    "uri=\"sip:\"",
];

struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn mutated(&mut self, sample: &str) -> String {
        let mut text = sample.to_owned();
        for _ in 0..=self.below(3) {
            let boundaries: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = self.below(boundaries.len());
            // Mostly little is touched, now and then everything from here on.
            let reach = if self.below(8) == 0 { boundaries.len() } else { self.below(6) };
            let (start, end) = (boundaries[at], boundaries[(at + reach).min(boundaries.len() - 1)]);
            match self.below(5) {
                0 => text.insert_str(start, PIECES[self.below(PIECES.len())]),
                1 => text.replace_range(start..end, ""),
                2 => text.replace_range(start..end, PIECES[self.below(PIECES.len())]),
                3 => text.insert_str(end, &text.clone()[start..end]),
                _ => text.insert(start, char::from(u8::try_from(self.below(128)).unwrap())),
            }
        }
        text
    }
}

#[test]
fn no_value_ends_in_panic_or_is_let_in() {
    let mut lots = Lots(42);
    let realm = Realm::new("a.example").unwrap();
    let mut challenger =
        Challenger::new(ChallengerSettings { without_qop: true, ..ChallengerSettings::new([1; 32], 1) });
    let login = Login { username: "bob", secret: Secret::Password("x") };
    let (mut read, mut answers) = (0, 0);
    for round in 0..40_000 {
        let value = lots.mutated(SAMPLES[round % SAMPLES.len()]);
        let presented = Presented { method: "REGISTER", uri: "sip:a.example", credentials: vec![&value] };
        let verdict = challenger.verify(Moment::from_micros(5), &realm, &presented, |_| None::<DigestSecret>);
        assert!(!matches!(verdict, Verdict::Accepted { .. } | Verdict::Stale | Verdict::Replayed), "{value}");
        read += usize::from(Credentials::parse(&value).is_ok());
        if let Ok(challenge) = Challenge::parse(Asker::Proxy, &value)
            && let Some((_, written)) = answer(std::slice::from_ref(&challenge), &login, "INVITE", "sip:b", 1, 1)
        {
            let back = Credentials::parse(&written).unwrap();
            assert_eq!((back.realm, back.nonce), (challenge.realm, challenge.nonce), "what is echoed is the same");
            answers += 1;
        }
    }
    assert!(read > 2_000 && answers > 4_000, "most mutations are too wild to test anything: {read}, {answers}");
    assert_eq!(challenger.remembered(), 0);
}

#[test]
fn whatever_is_changed_in_right_credentials_they_are_right_or_not_let_in() {
    let mut lots = Lots(7);
    let realm = Realm::new("a.example").unwrap();
    let secret = DigestSecret::from_password("bob", "a.example", "zanzibar");
    let mut challenger = Challenger::new(ChallengerSettings::new([1; 32], 1));
    let now = Moment::from_micros(5);
    let challenges: Vec<_> = challenger
        .challenges(now, 9, &realm, false)
        .iter()
        .map(|line| Challenge::parse(Asker::Server, line).unwrap())
        .collect();
    let login = Login { username: "bob", secret: Secret::Stored(&secret) };
    let (_, right) = answer(&challenges, &login, "REGISTER", "sip:a.example", 1, 1).unwrap();
    let original = Credentials::parse(&right).unwrap();
    for _ in 0..20_000 {
        let value = lots.mutated(&right);
        let presented = Presented { method: "REGISTER", uri: "sip:a.example", credentials: vec![&value] };
        if let Verdict::Accepted { .. } = challenger.verify(now, &realm, &presented, |_| Some(&secret)) {
            let given = Credentials::parse(&value).unwrap();
            let of = |one: &Credentials| (one.nonce.clone(), one.uri.clone(), one.nc.clone(), one.cnonce.clone());
            assert_eq!(of(&given), of(&original), "{value}");
        }
    }
    assert!(challenger.remembered() <= 1);
}
