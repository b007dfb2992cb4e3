//! A phone that keeps the protocol's promises by itself: it retransmits, acknowledges, answers and hangs up.

use bytes::Bytes;
use domain::sip::wire::{HeaderName, Message};
use domain::time::Moment;
use std::collections::HashMap;
use std::time::Duration;
use tests::world::{Chance, NUMBER, Packet, Phone, World};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// What a reliable provisional response repeats under.
const PROVISIONAL: &str = "provisional";
/// What asks for a session timer, in an INVITE and in its 2xx.
const TIMER: &str = "Supported: timer\r\nSession-Expires: 90;refresher=uas";

/// What a phone does of its own accord.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Call,
    Answer(Message, u16),
    HangUp,
    Cancel,
    Change,
}

/// A message that goes again until something stops it.
struct Repeat {
    key: String,
    packet: Packet,
    next: Moment,
    interval: Duration,
    until: Moment,
}

/// See the module.
pub(super) struct Automaton {
    pub(super) phone: Phone,
    chance: Chance,
    repeats: Vec<Repeat>,
    answers: HashMap<String, Bytes>,
    acks: HashMap<u32, Bytes>,
    /// The newest reliable provisional response that it acknowledged.
    rseq: u32,
    wants_cancel: bool,
    proceeding: bool,
    answered: bool,
    over: bool,
    /// For how many milliseconds it talks at least.
    talks: u64,
    /// What it will do, and in how many milliseconds from when it was decided.
    pub(super) plans: Vec<(u64, Act)>,
}

impl Automaton {
    /// It talks for `talks` milliseconds at least. Some ask for a session timer of the shortest
    /// interval, which the exchange refreshes; some of them take UPDATE.
    pub(super) fn new(mut phone: Phone, seed: u64, talks: u64) -> Self {
        let mut chance = Chance::new(seed);
        phone.extra = match chance.below(4) {
            0 => format!("{TIMER}\r\n"),
            1 => format!("{TIMER}\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n"),
            _ => String::new(),
        };
        Self {
            phone,
            chance,
            talks,
            repeats: Vec::new(),
            answers: HashMap::new(),
            acks: HashMap::new(),
            rseq: 0,
            wants_cancel: false,
            proceeding: false,
            answered: false,
            over: false,
            plans: Vec::new(),
        }
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.repeats.iter().map(|repeat| repeat.next).min()
    }

    /// Sends again what is due.
    pub(super) fn wake(&mut self, world: &mut World) {
        let now = world.now().moment;
        self.repeats.retain(|repeat| repeat.until > now);
        for repeat in self.repeats.iter_mut().filter(|repeat| repeat.next <= now) {
            send(world, repeat.packet.clone());
            repeat.interval = (repeat.interval * 2).min(T2);
            repeat.next = now + repeat.interval;
        }
    }

    /// The last message sent goes again until this key stops it.
    fn repeat_last(&mut self, world: &World, key: String) {
        let now = world.now().moment;
        let packet = world.network.as_ref().unwrap().last().unwrap().clone();
        self.repeats.push(Repeat { key, packet, next: now + T1, interval: T1, until: now + 64 * T1 });
    }

    fn stop(&mut self, key: &str) {
        self.repeats.retain(|repeat| repeat.key != key);
    }

    /// In a request of its own, or in a response, it says that the exchange refreshes.
    fn leaves_refreshes(&mut self, in_request: bool) {
        let (role, other) = if in_request { ("uas", "uac") } else { ("uac", "uas") };
        self.phone.extra = self.phone.extra.replace(&format!("={other}"), &format!("={role}"));
    }

    /// Begins a request of its own.
    fn ask(&mut self, world: &mut World, what: impl FnOnce(&mut Phone, &mut World)) {
        self.leaves_refreshes(true);
        what(&mut self.phone, world);
        let bytes = world.network.as_ref().unwrap().last().unwrap().bytes.clone();
        let cseq = Message::scan(bytes).unwrap();
        let cseq = cseq.cseq().unwrap();
        self.repeat_last(world, format!("{} {}", cseq.number, cseq.method));
    }

    pub(super) fn act(&mut self, world: &mut World, act: Act) {
        let sdp = self.phone.sdp("sendrecv");
        match act {
            Act::Call => {
                let says = ["", "Supported: 100rel\r\n", "Require: 100rel\r\n"][self.chance.below(3) as usize];
                let headers = format!("Max-Forwards: 70\r\n{says}");
                self.ask(world, |phone, world| phone.call_with(world, NUMBER, Some(&sdp), &headers));
            }
            Act::Cancel if self.over || self.answered => {}
            Act::Cancel if self.proceeding => self.ask(world, |phone, world| phone.cancel(world)),
            Act::Cancel => self.wants_cancel = true,
            Act::HangUp => self.ask(world, |phone, world| drop(phone.say(world, "BYE"))),
            Act::Change => self.ask(world, |phone, world| phone.reinvite(world, Some(&sdp))),
            Act::Answer(request, status) => self.answer(world, &request, status),
        }
    }

    fn answer(&mut self, world: &mut World, request: &Message, status: u16) {
        let key = server_key(request);
        if self.answers.contains_key(&format!("final {key}")) {
            return;
        }
        if status == 200 && self.repeats.iter().any(|repeat| repeat.key == PROVISIONAL) {
            // RFC 3262 §3: not before the PRACK.
            return self.plans.push((300, Act::Answer(request.clone(), status)));
        }
        self.stop(PROVISIONAL);
        self.leaves_refreshes(false);
        let sdp = self.phone.sdp("sendrecv");
        self.phone.respond(world, request, status, (status == 200).then_some(&sdp));
        let last = world.network.as_ref().unwrap().last().unwrap().bytes.clone();
        self.answers.insert(format!("final {key}"), last.clone());
        self.answers.insert(key, last);
        self.repeat_last(world, format!("final {}", request.cseq().unwrap().number));
        if status == 200 && self.chance.percent(50) {
            self.plans.push((self.talks + self.chance.below(20_000), Act::HangUp));
        }
    }

    /// A message came.
    pub(super) fn hear(&mut self, world: &mut World, bytes: Bytes) {
        let message = Message::scan(bytes).unwrap();
        match message.status() {
            Some(status) => self.hear_response(world, &message, status),
            None => self.hear_request(world, &message),
        }
    }

    fn hear_request(&mut self, world: &mut World, request: &Message) {
        let (number, method) = (request.cseq().unwrap().number, request.cseq().unwrap().method.to_owned());
        let key = server_key(request);
        if method == "ACK" {
            return self.stop(&format!("final {number}"));
        }
        if let Some(answer) = self.answers.get(&key) {
            let packet = Packet { local: self.phone.exchange, from: self.phone.address, bytes: answer.clone() };
            return send(world, packet);
        }
        let first = request.to().unwrap().tag().is_none();
        self.phone.hear(request);
        self.leaves_refreshes(false);
        match method.as_str() {
            "INVITE" if first => {
                self.ring(world, request);
                let status = [200, 200, 200, 486, 503][self.chance.below(5) as usize];
                self.plans.push((self.chance.below(25_000), Act::Answer(request.clone(), status)));
            }
            "INVITE" => return self.answer(world, request, 200),
            "CANCEL" => {
                self.phone.respond(world, request, 200, None);
                self.plans.push((0, Act::Answer(invite_of(request), 487)));
            }
            "PRACK" => {
                self.stop(PROVISIONAL);
                self.phone.respond(world, request, 200, None);
            }
            _ => self.phone.respond(world, request, 200, None),
        }
        let last = world.network.as_ref().unwrap().last().unwrap().bytes.clone();
        self.answers.insert(key, last);
    }

    /// 180, or early media, reliably now and then.
    fn ring(&mut self, world: &mut World, request: &Message) {
        let sdp = self.phone.sdp("sendrecv");
        let early = self.chance.percent(50).then_some(&*sdp);
        let status = if early.is_some() { 183 } else { 180 };
        if request.lists_option(HeaderName::Supported, "100rel") && self.chance.percent(60) {
            self.phone.respond_reliably(world, request, status, early, 1);
            self.repeat_last(world, PROVISIONAL.to_owned());
        } else {
            self.phone.respond(world, request, status, early);
        }
    }

    fn hear_response(&mut self, world: &mut World, response: &Message, status: u16) {
        let (number, method) = (response.cseq().unwrap().number, response.cseq().unwrap().method.to_owned());
        self.stop(&format!("{number} {method}"));
        if method != "INVITE" {
            return;
        }
        self.proceeding |= status < 200;
        match status {
            100..=199 if self.wants_cancel => {
                self.wants_cancel = false;
                self.ask(world, |phone, world| phone.cancel(world));
            }
            100..=199 => {
                self.phone.hear(response);
                if let Ok(Some(rseq)) = response.rseq()
                    && rseq > self.rseq
                {
                    self.rseq = rseq;
                    self.ask(world, |phone, world| phone.prack(world, response, None));
                }
            }
            200..=299 => self.hear_answer(world, response, number),
            _ => {
                self.over = true;
                self.phone.ack_refusal(world, response);
            }
        }
    }

    fn hear_answer(&mut self, world: &mut World, response: &Message, number: u32) {
        self.phone.hear(response);
        if let Some(ack) = self.acks.get(&number) {
            let packet = Packet { local: self.phone.exchange, from: self.phone.address, bytes: ack.clone() };
            return send(world, packet);
        }
        self.phone.ack(world, None);
        let ack = world.network.as_ref().unwrap().last().unwrap().bytes.clone();
        self.acks.insert(number, ack);
        if !std::mem::replace(&mut self.answered, true) {
            if self.chance.percent(50) {
                self.plans.push((500 + self.chance.below(2_000), Act::Change));
            }
            self.plans.push((self.talks + self.chance.below(20_000), Act::HangUp));
        }
    }
}

/// The INVITE that a CANCEL names: the same headers under another method.
fn invite_of(cancel: &Message) -> Message {
    let text = String::from_utf8(cancel.bytes().to_vec()).unwrap();
    Message::scan(Bytes::from(text.replace("CANCEL", "INVITE"))).unwrap()
}

fn server_key(request: &Message) -> String {
    format!("{} {}", request.top_via().unwrap().branch().unwrap(), request.cseq().unwrap().method)
}

fn send(world: &mut World, Packet { local, from, bytes }: Packet) {
    world.send_to(local, from, bytes);
}
