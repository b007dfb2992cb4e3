//! One decision a file. Each is a method `Session::on_…(context, …)` that records events and gives orders; none looks
//! anything up, reads a clock or draws by itself.

mod answer;
mod cancel;
mod early;
mod glare;
mod hunt;
mod join;
mod measure;
mod modify;
pub mod offer;
mod pass;
mod pickup;
mod referred;
mod refresh;
mod refuse;
mod release;
mod replace;
pub mod transfer;
mod update;

pub(crate) use hunt::{best_of, flow_failed, group_of};
pub(crate) use join::{ENDED_WITHOUT, NOT_GIVEN};
pub(crate) use refuse::{fails_over, mapped};

use super::order::Context;
use super::state::Session;
use crate::ids::LegId;
use crate::sip::endpoint::Fact;

impl Session {
    /// What follows from something that the endpoint learned about a leg.
    pub fn observe(&mut self, context: &mut Context<'_>, leg: LegId, fact: &Fact) {
        match fact {
            Fact::Progressed(response) => self.on_progress(context, leg, response),
            Fact::Accepted(response) => self.on_accepted(context, leg, response),
            Fact::Refused(response) => self.on_refused(context, leg, response.status().unwrap_or(500)),
            Fact::Challenged(proof) => self.on_challenged(context, leg, proof),
            Fact::Unanswered => self.on_unanswered(context, leg),
            Fact::NoAnswer => self.on_no_answer(context, leg),
            Fact::Cancelled => self.on_cancelled(context, leg),
            Fact::ReinviteCancelled => self.on_reinvite_cancelled(context, leg),
            Fact::Acknowledged(request) => self.on_acknowledged(context, leg, request),
            Fact::AckMissing => self.on_ack_missing(context, leg),
            Fact::HungUp => self.on_hung_up(context, leg),
            Fact::Reinvited(request) => self.on_reinvited(context, leg, request),
            Fact::Requested(transaction, request) => self.on_requested(context, leg, *transaction, request),
            Fact::Responded(asked_by, response) => self.on_responded(context, leg, *asked_by, response.as_ref()),
            Fact::Pracked { settled, answers, request } => {
                self.on_pracked(context, leg, *settled, answers.then_some(request));
            }
            Fact::PrackMissing => self.on_prack_missing(context, leg),
            Fact::PrackRefused(status) => self.on_prack_refused(context, leg, *status),
            Fact::ByeDone => self.on_gone(context, leg),
            Fact::Unwatched => self.on_unwatched(context, leg),
            Fact::MayRetry => self.on_retry(context, leg),
            Fact::TimerSet(terms) => self.on_timer_set(context, leg, *terms),
            Fact::RefreshDue => self.on_refresh_due(context, leg),
            Fact::RefreshRefused(status) => self.on_refresh_refused(context, leg, *status),
            Fact::Expired => self.on_expired(context, leg),
            // Taken to `on_referred`, with what the tables say; what is asked outside any dialog is no session's.
            Fact::Referred(..) | Fact::Concluded(_) | Fact::Forgotten => {}
        }
        self.connect_transfer(context);
        self.refresh_waiting(context);
    }
}
