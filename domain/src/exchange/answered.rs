//! REGISTERs that the start before this one answered in its last moments: the answer may not have left. Transactions of
//! registrars are not taken up from the log; while somebody may still repeat himself (RFC 3261 §17.2.2, Timer J), he is answered
//! again from his stream, in the same words. Whoever was answered before that has a nonce of another start, and is asked anew.

use super::Exchange;
use super::held::Effect;
use crate::address::Flow;
use crate::session::event::Wire;
use crate::sip::endpoint::Stateless;
use crate::sip::wire::Message;
use crate::time::{Moment, Now};
use bytes::Bytes;
use std::collections::HashMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Answers by what came, without what proves who sent it. Who has these bytes may have the answer: it goes to where
    /// it went before.
    by_request: HashMap<Bytes, Wire>,
    /// When nobody repeats any of them any more.
    until: Option<Moment>,
}

impl Answered {
    /// Remembers what was answered, until then.
    pub(super) fn remember(&mut self, until: Moment, answers: Vec<(Bytes, Wire)>) {
        if !answers.is_empty() {
            self.by_request.extend(answers);
            self.until = Some(until);
        }
    }

    /// What this REGISTER was answered then.
    fn answer_to(&mut self, now: Moment, request: &Message) -> Option<Wire> {
        if self.until? <= now {
            *self = Self::default();
            return None;
        }
        self.by_request.get(&request.without_credentials()).cloned()
    }
}

impl Exchange {
    /// Whether this REGISTER was answered before this start began; then it is answered again.
    pub(super) fn answers_again(&mut self, now: Now, flow: Flow, request: &Message) -> bool {
        let Some(Wire { flow: way, bytes }) = self.registrar.answered.answer_to(now.moment, request) else {
            return false;
        };
        self.endpoint.drop_silently(flow, Stateless::RegisterRepeat);
        // By a connection it would go to one that is gone.
        let flow = if way.transport.is_reliable() { flow } else { way };
        self.effects.push(Effect::Transmit { flow, bytes });
        true
    }
}
