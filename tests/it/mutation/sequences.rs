//! Whole messages in any order: phones that answer what they were not asked, cancel what is over, acknowledge nothing,
//! repeat what was, and hang up in between. What the exchange says stays in order, and nothing of it is left.

use super::mutations;
use bytes::Bytes;
use domain::sip::wire::Message;
use serde_json::json;
use std::time::Duration;
use tests::world::{CARRIER, Chance, NUMBER, OUT, PBX, Packet, Phone, World};

/// Acts of one sequence.
const ACTS: u64 = 60;

const STATUSES: [u16; 16] = [100, 180, 183, 200, 200, 202, 302, 401, 404, 408, 481, 486, 487, 491, 503, 603];

const METHODS: [&str; 11] =
    ["BYE", "INFO", "MESSAGE", "UPDATE", "PRACK", "REFER", "SUBSCRIBE", "NOTIFY", "OPTIONS", "ACK", "NEWER"];

const HEADERS: [&str; 9] = [
    "",
    "RAck: 1 1 INVITE\r\n",
    "RAck: 2 1 INVITE\r\n",
    "Refer-To: <sip:+12025550199@exchange.example>\r\n",
    "Refer-To: <sip:+15550001111@exchange.example>\r\n",
    "Event: refer\r\nSubscription-State: active\r\n",
    "Event: refer\r\nExpires: 0\r\n",
    "Require: 100rel\r\n",
    "Supported: 100rel, replaces\r\nAllow: UPDATE, PRACK\r\n",
];

/// A phone without manners.
struct Rude {
    phone: Phone,
    heard: Vec<Message>,
    said: Vec<Bytes>,
}

impl Rude {
    fn new(address: &str) -> Self {
        Self { phone: Phone::new(address.parse().unwrap()), heard: vec![], said: vec![] }
    }

    /// What came, and what it said itself.
    fn listen(&mut self, world: &mut World) {
        while let Some(bytes) = world.next_for(self.phone.from()) {
            let message = Message::scan(bytes).unwrap();
            self.phone.hear(&message);
            self.heard.push(message);
        }
        let own = world.received().iter().skip(self.said.len()).filter(|packet| packet.from == self.phone.from());
        self.said.extend(own.map(|packet| packet.bytes.clone()));
    }

    fn act(&mut self, world: &mut World, chance: &mut Chance) {
        self.listen(world);
        let sdp = self.phone.sdp(["sendrecv", "sendonly", "inactive"][at(chance, 3)]);
        let body = chance.percent(60).then_some(sdp.as_str());
        let requests: Vec<&Message> = self.heard.iter().filter(|message| message.is_request()).collect();
        match chance.below(14) {
            0..=4 if !requests.is_empty() => {
                let request = requests[requests.len() - 1 - at(chance, requests.len().min(3))];
                let (status, tag) =
                    (STATUSES[at(chance, STATUSES.len())], ["t", "fork"][usize::from(chance.percent(10))]);
                let tag = format!("{tag}{}", self.phone.address.port());
                let body = body.filter(|_| request.method().is_some_and(|method| method.as_str() == "INVITE"));
                if status < 200 && status > 100 && chance.percent(30) {
                    let rseq = 1 + u32::try_from(chance.below(2)).unwrap();
                    let request = request.clone();
                    return self.phone.respond_reliably(world, &request, status, body, rseq);
                }
                self.phone.respond_tagged(world, request, status, body, &tag);
            }
            5 => self.phone.cancel(world),
            6 | 7 => self.phone.ack(world, body.filter(|_| chance.percent(30))),
            8 => self.phone.reinvite(world, body),
            9 if !self.said.is_empty() => {
                let bytes = self.said[at(chance, self.said.len())].clone();
                world.deliver(Packet { local: self.phone.exchange, from: self.phone.from(), bytes });
            }
            _ => {
                let (method, headers) = (METHODS[at(chance, METHODS.len())], HEADERS[at(chance, HEADERS.len())]);
                let headers = format!("{headers}Contact: {}\r\n", self.phone.contact);
                drop(self.phone.say_with(world, method, &headers, body.unwrap_or_default()));
            }
        }
    }
}

fn at(chance: &mut Chance, length: usize) -> usize {
    usize::try_from(chance.below(length as u64)).unwrap()
}

/// Everybody may transfer anything anywhere.
fn permissive(world: &mut World) {
    for (id, name, kind, address) in [(1, "carrier", "carrier", CARRIER), (2, "pbx", "pbx", PBX)] {
        let limits = json!({ "name": name, "kind": kind, "addresses": [address], "refer": "any", "max_calls": 3 });
        world.set_trunk(id, limits);
    }
}

fn sequence(seed: u64) -> (usize, usize) {
    let mut chance = Chance::new(seed ^ 0x5e90_0000_0000);
    let mut world = World::new(seed);
    permissive(&mut world);
    let mut phones = [CARRIER, PBX, OUT[0]].map(Rude::new);
    let offer = phones[0].phone.sdp("sendrecv");
    phones[0].phone.call(&mut world, NUMBER, chance.percent(80).then_some(offer.as_str()));
    for _ in 0..ACTS {
        let who = [0, 0, 1, 1, 1, 2][at(&mut chance, 6)];
        phones[who].act(&mut world, &mut chance);
        if chance.percent(20) {
            world.pass(Duration::from_millis(chance.below(3_000)));
        }
    }
    world.examine();
    let events = world.watch.events().count();
    let said = world.sent().len();
    world.release_all();
    world.assert_nothing_left();
    (events, said)
}

#[test]
fn whatever_order_things_are_said_in_nothing_of_it_is_left() {
    let (mut events, mut said) = (0, 0);
    let sequences = mutations() / 100;
    for seed in 0..sequences {
        let culprit = super::Culprit(seed, b"a sequence");
        let (more, sent) = sequence(seed);
        (events, said) = (events + more, said + sent);
        drop(culprit);
    }
    let each = usize::try_from(sequences.max(1)).unwrap();
    assert!(events / each > 20 && said / each > 20, "{events} events and {said} messages in {sequences} sequences");
}
