//! What connections bring beside messages: streams that can be read no further, and their end.

use super::Exchange;
use crate::address::Flow;
use crate::ports::Mint;
use crate::sip::endpoint::Stateless;
use crate::sip::wire::{Message, StreamFault};
use crate::time::Now;

impl Exchange {
    /// A stream can be framed no further and will be closed; where its last headers are a request's, it is answered.
    pub fn receive_broken(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, fault: &StreamFault) {
        let scanned = Message::scan(fault.head.clone());
        let request = match &scanned {
            Ok(message) => Some(message).filter(|message| message.is_answerable()),
            Err(unreadable) => unreadable.answerable(),
        };
        match request {
            Some(request) if !self.hears(now, flow, request) => {}
            Some(request) => self.endpoint.answer_statelessly(flow, request, fault.status()),
            None => self.count(now, flow, Stateless::Unreadable),
        }
        self.settle(now, mint);
    }

    /// A connection is gone, or none came about: what was sent on it may not have arrived. Requests that wait for their
    /// final response count as unanswered (RFC 3261 §8.1.3.1), unless there is another way to their peer. Calls stay;
    /// bindings that came by it end, or are reached by their contacts.
    pub fn flow_failed(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow) {
        self.endpoint.flow_failed(now.moment, mint, flow);
        self.settle(now, mint);
        self.lose_flow(now, mint, flow);
    }
}
