//! A carrier at which the exchange keeps itself registered: it asks for a password, and now and then says no, or nothing.

use bytes::Bytes;
use domain::sip::digest::{Asker, Challenger, ChallengerSettings, DigestSecret, Presented, Realm, Verdict};
use domain::sip::wire::{HeaderName, Message};
use domain::time::Moment;
use std::collections::HashMap;
use tests::world::{Chance, OUT, OUT_LOGIN, Packet, Phone, World};

/// What stands in its challenges.
const REALM: &str = "carrier";

/// See the module.
pub(super) struct Registrar {
    phone: Phone,
    challenger: Challenger,
    realm: Realm,
    chance: Chance,
    /// Until then it does as it likes.
    pub(super) moody_until: Moment,
    /// It takes nobody's word: for sabotage.
    pub(super) refuses: bool,
    /// What it said to each request, by its branch; nothing where it kept silent.
    answers: HashMap<String, Option<Bytes>>,
    /// Where the exchange wants to be reached: the same for ever.
    contact: Option<String>,
    /// How often it granted what was asked.
    pub(super) granted: usize,
}

impl Registrar {
    pub(super) fn new(chance: Chance, moody_until: Moment) -> Self {
        Self {
            phone: Phone::new(OUT[0].parse().unwrap()),
            challenger: Challenger::new(ChallengerSettings::new([3; 32], 1)),
            realm: Realm::new(REALM).unwrap(),
            chance,
            moody_until,
            refuses: false,
            answers: HashMap::new(),
            contact: None,
            granted: 0,
        }
    }

    /// Whether it answers this.
    pub(super) fn is_for(&self, message: &Message) -> bool {
        message.method().is_some_and(|method| method.as_str() == "REGISTER")
    }

    /// A request came.
    pub(super) fn hear(&mut self, world: &mut World, request: &Message) {
        let branch = request.top_via().unwrap().branch().unwrap().to_owned();
        if let Some(known) = self.answers.get(&branch) {
            let answer =
                known.clone().map(|bytes| Packet { local: self.phone.exchange, from: self.phone.from(), bytes });
            return answer.into_iter().for_each(|packet| world.send_to(packet.local, packet.from, packet.bytes));
        }
        let said = self.judge(world.now().moment, request).map(|(status, line)| {
            self.phone.respond_saying(world, request, status, &line);
            world.network.as_ref().unwrap().last().unwrap().bytes.clone()
        });
        self.answers.insert(branch, said);
    }

    /// What it says to a REGISTER; nothing where it keeps silent.
    fn judge(&mut self, now: Moment, request: &Message) -> Option<(u16, String)> {
        let contact = request.header(HeaderName::Contact).unwrap().split(";expires").next().unwrap().to_owned();
        let known = self.contact.get_or_insert_with(|| contact.clone());
        assert_eq!(*known, contact, "the exchange wants to be reached elsewhere than before");
        if self.refuses {
            return Some((403, "Reason: none".to_owned()));
        }
        if now < self.moody_until {
            match self.chance.below(16) {
                0 => return Some((503, "Retry-After: 5".to_owned())),
                1 => return Some((403, "Reason: a mood".to_owned())),
                2 => return Some((423, "Min-Expires: 700".to_owned())),
                3 => return None,
                4 => return Some((401, self.challenge(now, true))),
                _ => {}
            }
        }
        let secret = |user: &str| (user == OUT_LOGIN.0).then(|| DigestSecret::from_password(user, REALM, OUT_LOGIN.1));
        match self.challenger.verify(now, &self.realm, &Presented::by(request, Asker::Server), secret) {
            Verdict::Accepted { .. } => {
                self.granted += 1;
                Some((200, format!("Expires: {}", 60 + self.chance.below(60))))
            }
            Verdict::NoCredentials => Some((401, self.challenge(now, false))),
            Verdict::Stale => Some((401, self.challenge(now, true))),
            wrong => panic!("{wrong:?}:\n{}", String::from_utf8_lossy(request.bytes())),
        }
    }

    /// The header lines of a challenge.
    fn challenge(&mut self, now: Moment, stale: bool) -> String {
        let lines = self.challenger.challenges(now, self.chance.draw(), &self.realm, stale);
        lines.iter().map(|line| format!("WWW-Authenticate: {line}")).collect::<Vec<_>>().join("\r\n")
    }
}
