//! What events say of a MESSAGE: for its row, and for who reads its stream.

use super::row::MessageRow;
use crate::names::name_of;
use domain::ids::{MessageId, NumberId};
use domain::log::{Position, Recorded};
use domain::pager::{MessageEnded, MessageOffered, PagerEvent};
use domain::time::WallTime;

/// A MESSAGE, as far as some of its events tell.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Of the newest of these events.
    pub position: Position,
    pub offered: Option<(Position, WallTime, MessageOffered)>,
    pub routed: Option<Routed>,
    pub ended: Option<(WallTime, MessageEnded)>,
}

/// Where it goes, or why nowhere.
#[derive(Debug)]
pub(super) struct Routed {
    pub rule: String,
    pub reason: String,
    pub number: Option<NumberId>,
}

impl Known {
    /// Takes in the next event.
    pub(super) fn apply(&mut self, recorded: &Recorded, event: &PagerEvent) {
        self.position = recorded.position;
        match event {
            PagerEvent::MessageOffered(offered) => {
                self.offered = Some((recorded.position, recorded.at, offered.clone()));
            }
            PagerEvent::MessageRouted(chosen) => {
                let (rule, reason) = (chosen.rule.to_string(), chosen.reason.to_string());
                self.routed = Some(Routed { rule, reason, number: chosen.number });
            }
            PagerEvent::MessageUnroutable(refused) => {
                let (rule, reason) = (refused.rule.to_string(), refused.reason.to_string());
                self.routed = Some(Routed { rule, reason, number: None });
            }
            PagerEvent::MessageEnded(ended) => self.ended = Some((recorded.at, *ended)),
            PagerEvent::MessageHeard(_) | PagerEvent::MessageSent(_) => {}
        }
    }

    /// The row; `None` where these events do not tell of its beginning.
    pub(super) fn row(&self, id: MessageId) -> Option<MessageRow> {
        let (offered, started_at, MessageOffered { account, edge, trunk, user, domain, parties, .. }) =
            self.offered.as_ref()?;
        let parties = parties.known();
        let ended = self.ended.as_ref();
        Some(MessageRow {
            id,
            account: *account,
            sender: parties.map(|parties| parties.caller.clone()),
            recipient: parties.map(|parties| parties.called.clone()),
            call_id: parties.map(|parties| parties.call_id.clone()),
            edge: name_of(edge),
            trunk: *trunk,
            user: *user,
            domain: *domain,
            number: self.routed.as_ref().and_then(|routed| routed.number),
            rule: self.routed.as_ref().map(|routed| routed.rule.clone()),
            reason: self.routed.as_ref().map(|routed| routed.reason.clone()),
            started_at: *started_at,
            ended_at: ended.map(|(at, _)| *at),
            status: ended.map(|(_, ended)| ended.status),
            target: ended.and_then(|(_, ended)| ended.target),
            offered: *offered,
            position: self.position,
        })
    }
}
