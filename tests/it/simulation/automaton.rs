//! A phone that keeps the protocol's promises by itself: it retransmits, acknowledges, answers and hangs up.

mod outside;
mod referrals;

use bytes::Bytes;
use domain::sip::wire::{HeaderName, Message};
use domain::time::Moment;
use referrals::Referrals;
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
    /// A MESSAGE outside any call.
    Text,
    /// A REFER outside any call.
    Refer,
    /// It wants to hear no more of that.
    Unsubscribe,
    /// Any other request within the call, with further header lines.
    Say(&'static str, String),
}

/// Whom a phone calls, and as whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand {
    /// A number, or as a user a URI.
    pub(super) to: &'static str,
    /// `user@domain`, and what logs in there.
    pub(super) user: Option<(&'static str, (&'static str, &'static str))>,
}

/// How a phone keeps the protocol's promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// All of them.
    Good,
    /// It never acknowledges a 2xx.
    NeverAcknowledges,
    /// It answers no request within a call.
    NeverAnswers,
    /// Once it rang or called, nobody hears of it any more.
    Vanishes,
    /// It acknowledges an offer, and does not answer it.
    AnswersNoOffer,
}

/// How far its call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was agreed.
    SetUp,
    /// Both sides know that the call is answered.
    Up,
    /// It was refused or hung up, by whomever.
    Over,
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
    /// Nothing that it says is lost.
    pub(super) by_connection: bool,
    answers: HashMap<String, Bytes>,
    acks: HashMap<u32, Bytes>,
    /// The newest reliable provisional response that it acknowledged.
    rseq: u32,
    /// The newest of its requests outside any call that was challenged.
    challenged: u32,
    pub(super) referrals: Referrals,
    wants_cancel: bool,
    proceeding: bool,
    pub(super) stage: Stage,
    /// It hung up in a call that both sides knew to be answered.
    pub(super) ends_a_call: bool,
    /// It was hung up on, and heard of it.
    pub(super) heard_bye: bool,
    /// It hung up, and heard that there is no such call.
    pub(super) hung_up_on_nobody: bool,
    pub(super) manners: Manners,
    pub(super) errand: Errand,
    /// Whose place it asks for when it calls: a dialog as a Replaces names it.
    pub(super) replaces: Option<String>,
    /// It calls without an offer, and answers the other's.
    pub(super) late_offer: bool,
    /// It had that.
    had_offer: bool,
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
            by_connection: false,
            answers: HashMap::new(),
            acks: HashMap::new(),
            rseq: 0,
            challenged: 0,
            referrals: Referrals::default(),
            wants_cancel: false,
            proceeding: false,
            stage: Stage::SetUp,
            ends_a_call: false,
            heard_bye: false,
            hung_up_on_nobody: false,
            manners: Manners::Good,
            errand: Errand { to: NUMBER, user: None },
            replaces: None,
            late_offer: false,
            had_offer: false,
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
            let once = self.by_connection && is_request(&repeat.key);
            repeat.next = if once { repeat.until } else { now + repeat.interval };
        }
    }

    /// The last message sent goes again until this key stops it. By a connection only answers to INVITEs do, which may
    /// be lost beyond it.
    fn repeat_last(&mut self, world: &World, key: String) {
        let now = world.now().moment;
        let packet = world.network.as_ref().unwrap().last().unwrap().clone();
        let until = now + 64 * T1;
        let next = if self.by_connection && is_request(&key) { until } else { now + T1 };
        self.repeats.push(Repeat { key, packet, next, interval: T1, until });
    }

    /// It has another connection: what nobody answered goes again by that.
    pub(super) fn reconnected(&mut self, now: Moment) {
        for repeat in &mut self.repeats {
            (repeat.packet.from, repeat.next) = (self.phone.from(), now);
        }
    }

    fn stop(&mut self, key: &str) {
        self.repeats.retain(|repeat| repeat.key != key);
    }

    /// In a request of its own, or in a response, it says that the exchange refreshes.
    fn leaves_refreshes(&mut self, in_request: bool) {
        let (role, other) = if in_request { ("uas", "uac") } else { ("uac", "uas") };
        self.phone.extra = self.phone.extra.replace(&format!("={other}"), &format!("={role}"));
    }

    /// Whether another may name its call, which is answered or rings.
    pub(super) const fn has_dialog(&self) -> bool {
        matches!(self.stage, Stage::Up) || matches!(self.stage, Stage::SetUp) && self.proceeding
    }

    /// The header line of an INVITE that asks for another's place.
    fn asks(&self) -> String {
        self.replaces.as_ref().map_or_else(String::new, |named| format!("Replaces: {named}\r\n"))
    }

    /// What its INVITE offers.
    fn own_offer(&self) -> Option<String> {
        (!self.late_offer).then(|| self.phone.sdp("sendrecv"))
    }

    /// Its answer, where this has the offer that its INVITE had not.
    fn answer_to(&mut self, response: &Message) -> Option<String> {
        let offers = self.late_offer && !self.had_offer && !response.body().is_empty();
        self.had_offer |= offers;
        (offers && self.manners != Manners::AnswersNoOffer).then(|| self.phone.sdp("sendrecv"))
    }

    /// Begins a request of its own.
    fn ask(&mut self, world: &mut World, what: impl FnOnce(&mut Phone, &mut World)) {
        self.leaves_refreshes(true);
        what(&mut self.phone, world);
        let bytes = last_sent(world);
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
                self.phone.extra.push_str(&self.asks());
                let (Errand { to, user }, offer) = (self.errand, self.own_offer());
                match user {
                    None => self.ask(world, |phone, world| phone.call_with(world, to, offer.as_deref(), &headers)),
                    Some((user, _)) => {
                        self.ask(world, |phone, world| phone.call_as(world, user, to, offer.as_deref()));
                    }
                }
            }
            Act::Text | Act::Refer | Act::Unsubscribe => self.ask_outside(world, &act),
            _ if self.has_vanished() => {}
            Act::Cancel if self.stage != Stage::SetUp => {}
            Act::Cancel if self.proceeding => self.ask(world, |phone, world| phone.cancel(world)),
            Act::Cancel => self.wants_cancel = true,
            Act::HangUp if self.stage == Stage::Over => {}
            Act::HangUp => {
                self.ends_a_call = self.stage == Stage::Up;
                self.stage = Stage::Over;
                self.ask(world, |phone, world| drop(phone.say(world, "BYE")));
            }
            Act::Say(method, headers) if self.stage == Stage::Up => {
                self.ask(world, |phone, world| drop(phone.say_with(world, method, &headers, "")));
            }
            Act::Change if self.stage == Stage::Over => {}
            Act::Say(..) => {}
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
        let last = last_sent(world);
        self.answers.insert(format!("final {key}"), last.clone());
        self.answers.insert(key, last);
        self.repeat_last(world, format!("final {}", request.cseq().unwrap().number));
        if status == 200 {
            // Who called mostly hangs up before; a call that was transferred may have nobody left who called.
            let waits = if self.chance.percent(50) { 60_000 } else { 0 };
            self.plans.push((self.talks + waits + self.chance.below(20_000), Act::HangUp));
        }
    }

    const fn has_vanished(&self) -> bool {
        matches!(self.manners, Manners::Vanishes) && self.proceeding
    }

    /// A message came.
    pub(super) fn hear(&mut self, world: &mut World, bytes: Bytes) {
        if self.has_vanished() {
            return self.repeats.clear();
        }
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
            self.answered_to(number);
            return self.stop(&format!("final {number}"));
        }
        let first = request.to().unwrap().tag().is_none();
        if self.manners == Manners::NeverAnswers && !first {
            return;
        }
        if let Some(answer) = self.answers.get(&key) {
            let packet = Packet { local: self.phone.exchange, from: self.phone.from(), bytes: answer.clone() };
            return send(world, packet);
        }
        self.phone.hear(request);
        self.leaves_refreshes(false);
        match method.as_str() {
            "INVITE" if first => {
                self.ring(world, request);
                self.proceeding = true;
                let status = [200, 200, 200, 486, 503][self.chance.below(5) as usize];
                self.plans.push((self.chance.below(25_000), Act::Answer(request.clone(), status)));
            }
            "INVITE" if self.stage != Stage::Over => return self.answer(world, request, 200),
            "CANCEL" => {
                self.phone.respond(world, request, 200, None);
                self.plans.push((0, Act::Answer(invite_of(request), 487)));
            }
            "PRACK" => {
                self.stop(PROVISIONAL);
                self.phone.respond(world, request, 200, None);
            }
            "BYE" => {
                self.heard_bye = true;
                self.stage = Stage::Over;
                self.phone.respond(world, request, 200, None);
            }
            "INVITE" | "UPDATE" if self.stage == Stage::Over => self.phone.respond(world, request, 481, None),
            "NOTIFY" => {
                self.referrals.notified(request);
                self.phone.respond(world, request, 200, None);
            }
            _ => self.phone.respond(world, request, 200, None),
        }
        let last = last_sent(world);
        self.answers.insert(key, last);
    }

    /// An ACK came: of a 2xx it says that both sides know of the call.
    fn answered_to(&mut self, number: u32) {
        let accepted = self.answers.iter().any(|(key, answer)| {
            key.starts_with("final ") && answer.starts_with(b"SIP/2.0 2") && cseq_of(answer) == number
        });
        if accepted && self.stage == Stage::SetUp {
            self.stage = Stage::Up;
        }
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
        self.hung_up_on_nobody |= method == "BYE" && status == 481 && self.ends_a_call && !self.heard_bye;
        match (&*method, status) {
            ("MESSAGE" | "REFER", 407) => return self.asks_again(world, response, &method),
            ("REFER", _) => return self.hear_of_refer(response, status),
            _ => {}
        }
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
                    let answer = self.answer_to(response);
                    self.ask(world, |phone, world| phone.prack(world, response, answer.as_deref()));
                }
            }
            200..=299 => self.hear_answer(world, response, number),
            _ => self.hear_refusal(world, response, status),
        }
    }

    /// A refusal, or a challenge that it knows an answer to. One comes again until it is acknowledged.
    fn hear_refusal(&mut self, world: &mut World, response: &Message, status: u16) {
        let number = response.cseq().unwrap().number;
        if let Some(ack) = self.acks.get(&number) {
            let packet = Packet { local: self.phone.exchange, from: self.phone.from(), bytes: ack.clone() };
            return send(world, packet);
        }
        self.phone.ack_refusal(world, response);
        self.acks.insert(number, last_sent(world));
        match self.errand.user {
            Some((_, login)) if status == 407 && self.stage == Stage::SetUp && self.acks.len() < 4 => {
                let offer = self.own_offer();
                self.ask(world, |phone, world| phone.prove(world, response, login, offer.as_deref()));
            }
            _ if self.stage == Stage::SetUp => self.stage = Stage::Over,
            _ => {}
        }
    }

    fn hear_answer(&mut self, world: &mut World, response: &Message, number: u32) {
        self.phone.hear(response);
        self.phone.extra = self.phone.extra.replace(&self.asks(), "");
        if self.manners == Manners::NeverAcknowledges {
            return;
        }
        if let Some(ack) = self.acks.get(&number) {
            let packet = Packet { local: self.phone.exchange, from: self.phone.from(), bytes: ack.clone() };
            return send(world, packet);
        }
        let answer = self.answer_to(response);
        self.phone.ack(world, answer.as_deref());
        let ack = last_sent(world);
        self.acks.insert(number, ack);
        if self.stage == Stage::SetUp {
            (self.stage, self.proceeding) = (Stage::Up, true);
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

fn is_request(key: &str) -> bool {
    !key.starts_with("final") && key != PROVISIONAL
}

fn cseq_of(bytes: &Bytes) -> u32 {
    Message::scan(bytes.clone()).unwrap().cseq().unwrap().number
}

fn server_key(request: &Message) -> String {
    format!("{} {}", request.top_via().unwrap().branch().unwrap(), request.cseq().unwrap().method)
}

fn last_sent(world: &World) -> Bytes {
    world.network.as_ref().unwrap().last().unwrap().bytes.clone()
}

fn send(world: &mut World, Packet { local, from, bytes }: Packet) {
    world.send_to(local, from, bytes);
}
