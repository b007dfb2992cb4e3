//! What a session's decisions ask of the endpoint and of media.

use super::event::SessionEvent;
use crate::ids::{LegId, TransferId, TrunkId};
use crate::media::MediaOrder;
use crate::ports::Mint;
use crate::sip::endpoint::{Body, InvitePlan, RequestPlan, SessionHeaders};
use crate::sip::timer::TransactionId;
use crate::time::Now;
use crate::transfer::{TransferBegun, TransferEnded};

/// An order. It is carried out in the same turn; what it puts on the wire waits until the turn is durable.
#[derive(Debug, Clone)]
pub enum Order {
    /// Respond to the INVITE that waits on a leg.
    Answer {
        /// The leg.
        leg: LegId,
        /// Status.
        status: u16,
        /// Headers that pass.
        headers: SessionHeaders,
        /// SDP.
        body: Option<Body>,
    },
    /// Begin a leg.
    Invite(Box<InvitePlan>),
    /// INVITE within a leg's dialog.
    Reinvite {
        /// The leg.
        leg: LegId,
        /// SDP; none asks the peer for an offer.
        body: Option<Body>,
    },
    /// Refresh a leg's session by UPDATE without SDP.
    Refresh {
        /// The leg.
        leg: LegId,
    },
    /// Send a request within a leg's dialog, for another leg's.
    Request(Box<RequestPlan>),
    /// Respond to a request other than INVITE that waits.
    Respond {
        /// Which.
        transaction: TransactionId,
        /// Status.
        status: u16,
        /// Headers that pass.
        headers: SessionHeaders,
        /// SDP.
        body: Option<Body>,
    },
    /// From here on a leg's peer hears what comes of its REFER.
    Watch {
        /// The leg.
        leg: LegId,
        /// CSeq of the REFER.
        id: u32,
    },
    /// Tell a leg's peer what comes of its REFER, if it still wants to hear.
    Notify {
        /// The leg.
        leg: LegId,
        /// The status so far.
        status: u16,
    },
    /// Say when an INVITE within a leg's dialog may be tried again that met one of its peer (RFC 3261 §14.1).
    Retry {
        /// The leg.
        leg: LegId,
    },
    /// ACK the 2xx of a leg's INVITE.
    Acknowledge {
        /// The leg.
        leg: LegId,
        /// The answer to a late offer.
        body: Option<Body>,
    },
    /// PRACK an offer that came in a reliable provisional response.
    Prack {
        /// The leg.
        leg: LegId,
        /// The To tag of the response.
        tag: Box<str>,
        /// The answer.
        body: Option<Body>,
    },
    /// Cancel a leg's INVITE.
    Cancel {
        /// The leg.
        leg: LegId,
    },
    /// End a leg's dialog.
    Bye {
        /// The leg.
        leg: LegId,
    },
    /// Two sessions are to be joined.
    BeginTransfer(TransferId, TransferBegun),
    /// That is done, or came to nothing.
    EndTransfer(TransferId, TransferEnded),
    /// Change media.
    Media(MediaOrder),
}

/// One thing a decision did, in order.
#[derive(Debug, Clone)]
pub enum Step {
    /// Record this.
    Record(SessionEvent),
    /// Carry this out.
    Order(Order),
}

/// What every decision is given, and where it writes.
pub struct Context<'a> {
    /// The one "now" of this turn.
    pub now: Now,
    /// Randomness, ids, ports.
    pub mint: &'a mut dyn Mint,
    /// Trunks of targets that take no call more now.
    pub full: Vec<TrunkId>,
    /// What was decided so far.
    pub steps: Vec<Step>,
}

impl<'a> Context<'a> {
    /// A context without steps.
    pub fn new(now: Now, mint: &'a mut dyn Mint) -> Self {
        Self::with_full(now, mint, Vec::new())
    }

    /// A context without steps in which these trunks take no call more.
    pub fn with_full(now: Now, mint: &'a mut dyn Mint, full: Vec<TrunkId>) -> Self {
        Self { now, mint, full, steps: Vec::new() }
    }

    /// Adds an order.
    pub fn order(&mut self, order: Order) {
        self.steps.push(Step::Order(order));
    }
}
