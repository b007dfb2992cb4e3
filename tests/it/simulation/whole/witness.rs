//! What who sees every packet of the exchange can tell: whether it says anything twice in different words, and whether its
//! dialogs count.

use bytes::Bytes;
use domain::address::{Flow, Transport};
use domain::ids::LegId;
use domain::sip::wire::{Message, Method};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// A transaction: the peer's host, its branch, method and Call-ID.
type Transaction = (IpAddr, String, String, String);

/// See the module.
#[derive(Default)]
pub(super) struct Witness {
    /// Requests of the exchange.
    requests: HashMap<Transaction, Bytes>,
    /// Its final responses.
    answers: HashMap<Transaction, Bytes>,
    /// The newest CSeq number of each of its dialogs, by Call-ID and its own tag.
    newest: HashMap<(String, String), u32>,
    /// The newest REGISTER to each registrar, by Call-ID and CSeq.
    registers: HashMap<SocketAddr, (String, u32)>,
    /// Call-IDs of registrations that were begun anew.
    left: HashSet<String>,
    /// How much it has seen.
    seen: usize,
}

impl Witness {
    /// Goes through what left since; `ladder` tells of it where something is wrong. Where something was `forgotten`, for a
    /// stream was frozen or nobody was there for longer than transactions last, who repeats himself hears that.
    #[track_caller]
    pub(super) fn see(&mut self, sent: &[(Flow, Bytes)], forgotten: bool, ladder: &str) {
        for (flow, bytes) in &sent[self.seen..] {
            if let Some(wrong) = self.objects(*flow, bytes, forgotten) {
                panic!("{wrong}\n{}\n{ladder}", String::from_utf8_lossy(bytes));
            }
        }
        self.seen = sent.len();
    }

    /// What is wrong with a message, after all those before.
    fn objects(&mut self, flow: Flow, bytes: &Bytes, forgotten: bool) -> Option<String> {
        let message = Message::scan(bytes.clone()).ok()?;
        match message.status() {
            None => self.request(flow.remote, &message),
            // Who asks for a password remembers nothing: each challenge has a nonce of its own.
            Some(401 | 407 | ..200) => None,
            // What a connection delivers is not repeated, and not remembered.
            Some(_) if flow.transport == Transport::Tcp => None,
            Some(_) => self.answer(flow.remote, &message, forgotten),
        }
    }

    fn request(&mut self, to: SocketAddr, request: &Message) -> Option<String> {
        let transaction = transaction(to, request)?;
        if let Some(known) = self.requests.get(&transaction) {
            let same = known == request.bytes();
            return (!same)
                .then(|| format!("a request is repeated in other words:\n{}", String::from_utf8_lossy(known)));
        }
        self.requests.insert(transaction, request.bytes().clone());
        if matches!(request.method(), Some(Method::Ack | Method::Cancel)) {
            return None;
        }
        let number = request.cseq().ok()?.number;
        if matches!(request.method(), Some(Method::Register)) {
            return self.register(to, request.call_id().ok()?, number);
        }
        let tag = request.from().ok()?.tag()?.to_owned();
        let dialog = (request.call_id().ok()?.to_owned(), tag);
        match self.newest.insert(dialog, number) {
            Some(before) if before >= number => Some(format!("CSeq {number} comes after {before}")),
            _ => None,
        }
    }

    /// RFC 3261 §10.2: one Call-ID as long as the exchange remembers, and its numbers grow.
    fn register(&mut self, to: SocketAddr, call: &str, number: u32) -> Option<String> {
        let before = self.registers.insert(to, (call.to_owned(), number));
        match before {
            Some((known, before)) if known == call && before >= number => {
                return Some(format!("CSeq {number} comes after {before} in a registration"));
            }
            Some((known, _)) if known != call => drop(self.left.insert(known)),
            Some(_) | None => {}
        }
        self.left.contains(call).then(|| "a registration goes on that was begun anew since".to_owned())
    }

    fn answer(&mut self, to: SocketAddr, answer: &Message, forgotten: bool) -> Option<String> {
        let transaction = transaction(to, answer)?;
        // What no stream holds is decided anew each time, by how things are then.
        let stateless = answer.to().ok()?.tag().is_none_or(|tag| LegId::from_tag(tag).is_none());
        let known = match stateless {
            true => self.answers.get(&transaction).filter(|_| !forgotten).cloned(),
            false => self.answers.insert(transaction, answer.bytes().clone()).filter(|_| !forgotten),
        };
        match known {
            Some(known) if known != answer.bytes() => {
                Some(format!("a request is answered twice, first so:\n{}", String::from_utf8_lossy(&known)))
            }
            _ => None,
        }
    }
}

fn transaction(peer: SocketAddr, message: &Message) -> Option<Transaction> {
    let via = message.top_via().ok()?;
    let method = message.cseq().ok()?.method.to_owned();
    Some((peer.ip(), via.branch()?.to_owned(), method, message.call_id().ok()?.to_owned()))
}

/// What a witness says to the last of these, which leave for one address.
fn said_of(messages: &[String]) -> Option<String> {
    let address = "192.0.2.1:5060".parse().unwrap();
    let flow = Flow { transport: Transport::Udp, local: address, remote: address };
    let mut witness = Witness::default();
    messages.iter().map(|text| witness.objects(flow, &Bytes::from(text.clone()), false)).last().flatten()
}

/// A message of the leg `00000000000000aa`: its first line, branch, CSeq and one more header line.
fn message(first: &str, branch: u8, cseq: &str, more: &str) -> String {
    let leg = "00000000000000aa";
    let (from, to) = if first.starts_with("SIP") { ("b", leg) } else { (leg, "b") };
    format!(
        "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\nFrom: <sip:a@x>;tag={from}\r\n\
         To: <sip:b@x>;tag={to}\r\nCall-ID: c\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn what_is_repeated_in_the_same_words_is_right() {
    let invite = message("INVITE sip:b@x SIP/2.0", 1, "1 INVITE", "");
    let answer = message("SIP/2.0 200 OK", 2, "1 BYE", "");
    let bye = message("BYE sip:b@x SIP/2.0", 3, "2 BYE", "");
    assert_eq!(said_of(&[invite.clone(), answer.clone(), invite, answer, bye]), None);
}

#[test]
fn a_request_in_other_words_is_noticed() {
    let [one, other] = ["", "Subject: x\r\n"].map(|more| message("INVITE sip:b@x SIP/2.0", 1, "1 INVITE", more));
    assert!(said_of(&[one, other]).unwrap().starts_with("a request is repeated in other words"));
}

#[test]
fn a_second_answer_is_noticed() {
    let [one, other] = ["SIP/2.0 200 OK", "SIP/2.0 500 No"].map(|first| message(first, 2, "1 BYE", ""));
    assert!(said_of(&[one, other]).unwrap().starts_with("a request is answered twice"));
}

#[test]
fn who_does_not_count_is_noticed() {
    let [one, other] = [1, 2].map(|branch| message("BYE sip:b@x SIP/2.0", branch, "3 BYE", ""));
    assert_eq!(said_of(&[one, other]).unwrap(), "CSeq 3 comes after 3");
}

#[test]
fn a_registration_that_does_not_count_or_comes_back_is_noticed() {
    let register = |branch, call: &str, cseq: &str| {
        message("REGISTER sip:x SIP/2.0", branch, cseq, "").replace("Call-ID: c\r", &format!("Call-ID: {call}\r"))
    };
    let [one, two] = [1, 2].map(|branch| register(branch, "c", &format!("{branch} REGISTER")));
    assert_eq!(said_of(&[one.clone(), two.clone(), register(3, "d", "1 REGISTER")]), None);
    assert!(said_of(&[two.clone(), one.clone()]).unwrap().starts_with("CSeq 1 comes after 2"));
    assert!(said_of(&[one, register(3, "d", "1 REGISTER"), two]).unwrap().starts_with("a registration goes on"));
}
