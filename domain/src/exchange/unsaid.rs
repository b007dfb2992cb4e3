//! Answers that wait for the log. A request by a connection is forgotten with its final response (RFC 3261 §17.2.2: Timer J is
//! zero), an INVITE soon after its ACK, which somebody may send before there is anything to acknowledge; but none before the
//! response has left: who asks again meanwhile, by another connection too, is told the same, and not that nobody knows of what
//! he asks, which no event would hold.

use super::Exchange;
use super::log::Writer;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::timer::Timer;
use crate::time::{Moment, Now};
use std::collections::HashMap;

/// Timers that forget what was asked, by whose stream is to be durable first.
#[derive(Debug, Default)]
pub(super) struct Unsaid(HashMap<Writer, Vec<(Moment, Timer)>>);

impl Exchange {
    /// A request has its final response: it is forgotten, or is once that is durable.
    pub(super) fn forget_answered(&mut self, now: Now, mint: &mut dyn Mint, timer: Timer) {
        match self.endpoint.leg_of_timer(timer).and_then(|leg| self.waits_to_say(leg)) {
            Some(writer) => self.unsaid.0.entry(writer).or_default().push((now.moment, timer)),
            None => self.endpoint.fire(now.moment, mint, timer),
        }
    }

    /// Whose stream is to be durable before all that was decided about a leg has left.
    fn waits_to_say(&self, leg: LegId) -> Option<Writer> {
        let (writer, outbox) = match (self.legs.get(&leg), self.messages.owner(leg)) {
            (Some(id), _) => (Writer::Session(*id), &self.sessions.get(id)?.outbox),
            (None, Some((id, outbox))) => (Writer::Message(id), outbox),
            (None, None) => return None,
        };
        Some(writer).filter(|_| !outbox.is_idle())
    }

    /// The log said what becomes of an append of this stream's: what waited for it to be said is due, unless it waits on.
    pub(super) fn said(&mut self, writer: Writer) {
        if let Some(waiting) = self.unsaid.0.remove(&writer) {
            waiting.into_iter().for_each(|(at, timer)| self.endpoint.timers().set(timer, at));
        }
    }
}
