//! What a phone asks outside any call: MESSAGE, and REFER for a call between itself and another.

use super::{Act, Automaton, Errand, Stage};
use domain::sip::wire::Message;
use tests::world::{NUMBER, World};

/// Where who has no login says that it can be called.
fn own_number() -> String {
    format!("{NUMBER}@pbx.example")
}

/// The header line that names whom a REFER asks for.
fn refers_to(target: &str) -> String {
    format!("Refer-To: <{target}>\r\n")
}

impl Automaton {
    /// Asks for the first time, or wants to hear no more of what it asked for.
    pub(super) fn ask_outside(&mut self, world: &mut World, act: &Act) {
        let Errand { to, user } = self.errand;
        let contact = self.phone.contact.clone();
        self.ask(world, |phone, world| match act {
            Act::Refer => match user {
                Some((user, _)) => phone.refer(world, user, "sip:pbx.example", &refers_to(to)),
                None => phone.refer(world, &own_number(), "sip:192.0.2.1", &refers_to(to)),
            },
            Act::Unsubscribe => {
                let headers = format!("Event: refer\r\nExpires: 0\r\nContact: {contact}\r\n");
                phone.say_with(world, "SUBSCRIBE", &headers, "");
            }
            _ => phone.text(world, user.map_or("nobody", |(user, _)| user), to, ("", "hello")),
        });
    }

    /// It was challenged.
    pub(super) fn asks_again(&mut self, world: &mut World, challenge: &Message, method: &str) {
        let (number, Errand { to, user }) = (challenge.cseq().unwrap().number, self.errand);
        if let (Some((_, login)), true) = (user, self.challenged < number && number < 4) {
            self.challenged = number;
            self.ask(world, |phone, world| match method {
                "REFER" => phone.refer_proven(world, challenge, login, &refers_to(to)),
                _ => drop(phone.text_proven(world, challenge, login, "hello")),
            });
        }
    }

    /// A REFER has its answer. Who asked outside any call now and then does not want to hear what becomes of it.
    pub(super) fn hear_of_refer(&mut self, response: &Message, status: u16) {
        let first = self.referrals.answered(response.cseq().unwrap().number, status);
        if first && self.stage == Stage::SetUp {
            self.phone.hear(response);
            if self.chance.percent(10) {
                self.plans.push((self.chance.below(20_000), Act::Unsubscribe));
            }
        }
    }
}
