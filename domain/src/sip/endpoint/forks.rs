//! Forks that answer after another one has: each 2xx is acknowledged, and its dialog ended (RFC 3261 §13.2.2.4).

use super::message::RequestParts;
use super::{Endpoint, Output, SessionHeaders, Stateless};
use crate::address::Flow;
use crate::ids::{EventId, LegId};
use crate::ports::Mint;
use crate::sip::dialog::{Dialog, DialogState, LostFork, MAX_FORKS};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Message, Method};
use crate::time::Moment;

impl Endpoint {
    /// In Accepted: the same 2xx again gets the same ACK (§13.2.2.4); another fork's gets ACK and BYE, once.
    pub(super) fn receive_further_success(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        id: TransactionId,
        flow: Flow,
        response: Message,
    ) {
        let Some(leg) = self.clients.get(&id).map(|client| client.key.leg) else { return };
        let Some(dialog) = self.dialogs.get(&leg) else { return };
        let tag = response.to().ok().and_then(|to| to.tag().map(str::to_owned));
        if tag.as_deref() == dialog.remote_tag.as_deref() {
            let acked = response.cseq().ok().and_then(|cseq| dialog.ack_of(cseq.number)).cloned();
            self.absorb_final(id);
            return acked.into_iter().for_each(|sent| self.repeat(leg, sent));
        }
        if let Some(lost) = dialog.lost.iter().find(|lost| tag.as_deref() == Some(&*lost.tag)).cloned() {
            self.outputs.push_back(Output::Absorbed { leg, event: lost.event });
            return self.repeat(leg, lost.ack);
        }
        if dialog.lost.len() >= MAX_FORKS {
            return self.drop_silently(flow, Stateless::StrayResponse);
        }
        let event = self.record(mint, leg, flow, response.clone());
        self.release_fork(now, mint, leg, flow, &response, event);
    }

    /// A 2xx of a fork that lost: ACK and BYE in a dialog of its own tag (RFC 3261 §13.2.2.4). `event` holds the 2xx.
    fn release_fork(
        &mut self,
        now: Moment,
        mint: &mut dyn Mint,
        leg: LegId,
        flow: Flow,
        response: &Message,
        event: EventId,
    ) {
        let Some(mut kept) = self.dialogs.get(&leg).cloned() else { return };
        let mut fork = kept.clone();
        fork.state = DialogState::Early;
        fork.learn_from_response(response, flow);
        fork.state = DialogState::Confirmed;
        fork.answer = None;
        fork.invite_cseq = response.cseq().map_or(fork.invite_cseq, |cseq| cseq.number);
        fork.acked = Vec::new();
        self.dialogs.insert(leg, fork);
        self.acknowledge(mint, leg, None);
        self.bye_fork(now, mint, leg);
        if let Some(fork) = self.dialogs.get_mut(&leg) {
            let (cseq, branches, transactions) = (fork.local_cseq, fork.branches, fork.transactions);
            if let (Some(tag), Some((_, ack))) = (fork.remote_tag.take(), fork.acked.pop()) {
                kept.lost.push(LostFork { tag, event, ack });
            }
            // Counts of nonces go on as numbers do.
            let login = fork.login.take();
            **fork = Dialog { local_cseq: cseq, branches, transactions, login, ..*kept };
        }
    }

    fn bye_fork(&mut self, now: Moment, mint: &mut dyn Mint, leg: LegId) {
        let Some(dialog) = self.dialogs.get_mut(&leg) else { return };
        dialog.local_cseq += 1;
        let (cseq, branch) = (dialog.local_cseq, dialog.next_branch());
        let headers = SessionHeaders::default();
        let parts = RequestParts { method: Method::Bye, branch, cseq, max_forwards: 70, headers: &headers, body: None };
        if let Some(id) = self.begin_client(now, mint, leg, &parts)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.fork = true;
        }
    }
}
