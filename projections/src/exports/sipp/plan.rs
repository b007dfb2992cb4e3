//! The steps of a scenario, from the messages of the caller's leg.

use super::said::{Place, Speaker};
use domain::address::Flow;
use domain::session::event::Way;
use domain::sip::wire::{HeaderName, Message};
use domain::time::WallTime;
use std::collections::{HashMap, HashSet};

/// Shorter waits than this are what the exchange and the network took, milliseconds.
const SHORTEST_PAUSE: u128 = 20;

/// A message of the caller's leg.
#[derive(Debug)]
pub(super) struct Heard {
    pub at: WallTime,
    /// Received by the exchange: what SIPp sends.
    pub way: Way,
    pub flow: Flow,
    pub message: Message,
}

/// What SIPp does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits, milliseconds.
    Pause(u128),
    /// It sends this.
    Send {
        text: String,
        /// Again and again, until it is answered.
        repeats: bool,
        /// The request that it answers.
        answers: Option<(u32, String)>,
    },
    /// It is sent this.
    Expect(Expected),
}

/// A message that SIPp is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    status: Option<u16>,
    method: String,
    cseq: u32,
    /// It may stay away.
    optional: bool,
    /// It tells where requests within the dialog go.
    routes: bool,
    /// The variable that is to hold its RSeq.
    rseq: Option<String>,
}

impl Expected {
    pub fn xml(&self) -> String {
        let what = match self.status {
            Some(status) => format!("response=\"{status}\""),
            None => format!("request=\"{}\"", self.method),
        };
        let optional = if self.optional { " optional=\"true\"" } else { "" };
        let routes = if self.routes { " rrs=\"true\"" } else { "" };
        let proof = if matches!(self.status, Some(401 | 407)) { " auth=\"true\"" } else { "" };
        match &self.rseq {
            None => format!("<recv {what}{optional}{routes}{proof}></recv>"),
            Some(variable) => format!(
                "<recv {what}{optional}{routes}{proof}><action><ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"RSeq:\" \
                 assign_to=\"{variable}\"/></action></recv>"
            ),
        }
    }
}

/// The steps, in order. An answer follows the request that it answers, for SIPp knows the last message alone; and where
/// SIPp is to do something, it must have been sent what came before.
pub(super) fn steps(heard: &[Heard]) -> Vec<Step> {
    let Some(first) = heard.first() else { return Vec::new() };
    let mut planner = Planner {
        speaker: Speaker::new(first.flow),
        acknowledged: heard.iter().filter_map(rack_of).collect(),
        finals: HashMap::new(),
        challenged: HashSet::new(),
        steps: Vec::new(),
    };
    planner.prove(first);
    let mut before = first.at;
    for heard in heard {
        match heard.way {
            Way::Received => planner.send(heard, heard.at.since(before).as_millis()),
            Way::Sent => planner.expect(&heard.message),
        }
        before = heard.at;
    }
    let mut steps = planner.steps;
    for index in 0..steps.len() {
        let goes_on = matches!(steps.get(index + 1), Some(Step::Expect(_)));
        if let Some(Step::Expect(expected)) = steps.get_mut(index) {
            let provisional = expected.status.is_some_and(|status| status < 200);
            expected.optional = provisional && goes_on && expected.rseq.is_none();
        }
    }
    steps
}

fn rack_of(heard: &Heard) -> Option<u32> {
    heard.message.rack().ok().filter(|_| heard.way == Way::Received).map(|rack| rack.rseq)
}

struct Planner {
    speaker: Speaker,
    /// RSeq of everything that the caller acknowledges by PRACK.
    acknowledged: HashSet<u32>,
    /// Final status by CSeq of the caller's INVITEs.
    finals: HashMap<u32, u16>,
    /// Methods that were challenged and not asked again since.
    challenged: HashSet<String>,
    steps: Vec<Step>,
}

impl Planner {
    /// A caller that came with credentials had been challenged before. No session has that: it belonged to nobody yet.
    fn prove(&mut self, first: &Heard) {
        let message = &first.message;
        let status = match () {
            () if message.has(HeaderName::ProxyAuthorization) => 407,
            () if message.has(HeaderName::Authorization) => 401,
            () => return,
        };
        let place = Place { in_dialog: false, proves: false, is_first_try: true, rseq: None };
        let text = self.speaker.request(message, place);
        self.steps.push(Step::Send { text, repeats: true, answers: None });
        let (method, cseq) = ("INVITE".to_owned(), 0);
        let expected = Expected { status: Some(status), method, cseq, optional: false, routes: false, rseq: None };
        self.steps.push(Step::Expect(expected));
        let text = self.speaker.acknowledgement(message);
        self.steps.push(Step::Send { text, repeats: false, answers: None });
        self.challenged.insert("INVITE".to_owned());
    }

    fn send(&mut self, heard: &Heard, waited: u128) {
        let message = &heard.message;
        let Ok(cseq) = message.cseq() else { return };
        let (number, method) = (cseq.number, cseq.method.to_owned());
        if let Some(status) = message.status() {
            let text = self.speaker.response(message);
            let repeats = method == "INVITE" && (200..300).contains(&status);
            return self.answer(Step::Send { text, repeats, answers: Some((number, method)) }, waited);
        }
        let failed = method == "ACK" && self.finals.get(&number).is_some_and(|status| *status >= 300);
        let inside = message.to().is_ok_and(|to| to.tag().is_some());
        let rseq = message.rack().ok().map(|rack| variable(rack.rseq));
        let place = Place {
            in_dialog: inside && !failed,
            proves: method != "ACK" && method != "CANCEL" && self.challenged.remove(&method),
            is_first_try: false,
            rseq: rseq.as_deref(),
        };
        let text = self.speaker.request(message, place);
        self.pause(waited);
        self.steps.push(Step::Send { text, repeats: method != "ACK", answers: None });
    }

    fn pause(&mut self, waited: u128) {
        if waited >= SHORTEST_PAUSE && !self.steps.is_empty() {
            self.steps.push(Step::Pause(waited));
        }
    }

    /// An answer, right after its request where something else has come since.
    fn answer(&mut self, answer: Step, waited: u128) {
        let Step::Send { answers: Some((number, method)), .. } = &answer else { return };
        let asks = |step: &Step| matches!(step, Step::Expect(Expected { status: None, method: asked, cseq, .. }) if cseq == number && asked == method);
        let Some(asked) = self.steps.iter().rposition(asks) else { return };
        match self.steps.iter().skip(asked + 1).position(|step| matches!(step, Step::Expect(_))) {
            Some(next) => self.steps.insert(asked + 1 + next, answer),
            None => {
                self.pause(waited);
                self.steps.push(answer);
            }
        }
    }

    fn expect(&mut self, message: &Message) {
        let Ok(cseq) = message.cseq() else { return };
        let status = message.status();
        if let Some(status) = status.filter(|status| *status >= 200)
            && cseq.method == "INVITE"
        {
            self.finals.insert(cseq.number, status);
        }
        if matches!(status, Some(401 | 407)) {
            self.challenged.insert(cseq.method.to_owned());
        }
        let tagged = message.to().is_ok_and(|to| to.tag().is_some());
        let makes_dialog = matches!(status, Some(101..=299)) && tagged && message.has(HeaderName::Contact);
        let rseq = message.rseq().ok().flatten().filter(|rseq| self.acknowledged.contains(rseq)).map(variable);
        self.steps.push(Step::Expect(Expected {
            status,
            method: cseq.method.to_owned(),
            cseq: cseq.number,
            optional: false,
            routes: cseq.method == "INVITE" && makes_dialog,
            rseq,
        }));
    }
}

/// The name of the variable for an RSeq.
fn variable(rseq: u32) -> String {
    format!("rseq_{rseq}")
}

#[cfg(test)]
mod tests;
