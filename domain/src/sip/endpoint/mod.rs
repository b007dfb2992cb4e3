//! The endpoint: transactions and dialogs of all legs of a shard, as one state machine without I/O. Messages, timers and
//! orders go in; [`Output`]s come out in the order in which they happened.
//!
//! It decides nothing about calls. It keeps the protocol's promises (retransmission, matching, CSeq, ACK, CANCEL and BYE
//! rules) and tells the session what it learned as [`Fact`]s.

mod content;
mod flows;
mod forks;
mod large;
mod login;
mod message;
mod notify;
mod options;
mod orders;
mod outside;
mod prack;
mod refer;
mod relay;
mod reliable;
mod replay;
mod request;
mod response;
mod session_timer;
mod shown;
mod stateless;
mod timers;
mod update;

pub use content::content_refusal;
pub use login::{Login, Proof};
pub use message::{ALLOW, Body, BuildError, SessionHeaders};
pub use notify::Subscription;
pub use options::RELIABLE;
pub use orders::InvitePlan;
pub use outside::{Outcome, OutsidePlan};
pub use relay::{MAX_PASSED_BODY, RequestPlan};
pub use session_timer::TimersThen;
pub use stateless::{Dropped, Stateless, is_stateless_tag};

use super::dialog::{Dialog, DialogState, Sent};
use super::session_timer::{SessionIntervals, Terms};
use super::timer::{LegTimer, Timer, TimerValues, Timers, TransactionId, TransactionTimer};
use super::transaction::{client_invite, client_other, server_invite, server_other};
use super::wire::{Message, Method};
use crate::address::Flow;
use crate::id_map::IdMap;
use crate::ids::{EventId, LegId};
use crate::ports::Mint;
use crate::time::Moment;
use bytes::Bytes;
use flows::{FlowUser, FlowUsers};
use prack::Heard;
use reliable::Provisionals;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// What an endpoint is told once.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// Timer values.
    pub timers: TimerValues,
    /// The Server and User-Agent value.
    pub software: Box<str>,
    /// Makes tags of stateless answers the same for a repeated request and unguessable otherwise.
    pub tag_secret: u64,
    /// What we want of session timers.
    pub intervals: SessionIntervals,
}

/// What the endpoint learned about a leg. The session decides what follows.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A provisional response above 100 to our INVITE.
    Progressed(Message),
    /// A 2xx to our INVITE.
    Accepted(Message),
    /// A final response of 300 to 699 to our INVITE; its ACK is on its way.
    Refused(Message),
    /// The peer asked who we are (401, 407) with a request of ours; the request goes again, or is refused.
    Challenged(Proof),
    /// Nothing came to our INVITE, or no final response to our CANCEL.
    Unanswered,
    /// The far end has rung long enough.
    NoAnswer,
    /// The peer cancelled its INVITE; it awaits our 487.
    Cancelled,
    /// The peer cancelled an INVITE within the dialog; it awaits our 487, and the dialog goes on.
    ReinviteCancelled,
    /// The ACK to our 2xx.
    Acknowledged(Message),
    /// No ACK came within 64·T1.
    AckMissing,
    /// The peer sent BYE; it has its 200.
    HungUp,
    /// The peer sent INVITE within the dialog.
    Reinvited(Message),
    /// The peer sent a request within the dialog that we answer with what the other leg says: order its response by
    /// the transaction.
    Requested(TransactionId, Message),
    /// What came of a request that was sent for another leg's: of which, and its final response; none where nothing came.
    Responded(TransactionId, Option<Message>),
    /// The PRACK to a provisional response of ours.
    Pracked {
        /// Offer and answer have been exchanged reliably.
        settled: bool,
        /// SDP in it answers the offer that we made reliably.
        answers: bool,
        /// The PRACK.
        request: Message,
    },
    /// No PRACK came within 64·T1: the INVITE is to be refused.
    PrackMissing,
    /// Our PRACK was refused with this status; 408 where nothing came to it.
    PrackRefused(u16),
    /// The peer sent REFER within the dialog: order its response by the transaction.
    Referred(TransactionId, Message),
    /// The peer hears nothing more of its REFER.
    Unwatched,
    /// An INVITE within the dialog may be tried again.
    MayRetry,
    /// A 2xx changed the session's timer; none runs any more where there is nothing.
    TimerSet(Option<Terms>),
    /// The session is to be refreshed: told again where nothing comes of it.
    RefreshDue,
    /// Our [`Endpoint::refresh`] was refused with this status; 408 where nothing came to it.
    RefreshRefused(u16),
    /// Nobody refreshed the session in time.
    Expired,
    /// Our BYE was answered, or was not within 64·T1: the leg is over on the wire.
    ByeDone,
    /// What came of a request outside any dialog ([`Endpoint::ask`]).
    Concluded(Box<Outcome>),
    /// The leg's last transaction ended: nothing about it remains.
    Forgotten,
}

/// A message that will leave for the first time.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The event that will hold it.
    pub event: EventId,
    /// The leg.
    pub leg: LegId,
    /// Where to.
    pub flow: Flow,
    /// The bytes.
    pub bytes: Bytes,
    /// Method of the request, or of the response's CSeq.
    pub method: Box<str>,
    /// Status of a response.
    pub status: Option<u16>,
    /// CSeq number.
    pub cseq: u32,
}

/// A message that came for the first time and belongs to a leg.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The event that will hold it.
    pub event: EventId,
    /// The leg.
    pub leg: LegId,
    /// Whence.
    pub flow: Flow,
    /// The message.
    pub message: Message,
    /// Method of the request, or of the response's CSeq.
    pub method: Box<str>,
    /// CSeq number.
    pub cseq: u32,
}

/// What came out of the endpoint.
#[derive(Debug)]
pub enum Output {
    /// Record, and send once durable.
    Send(Outgoing),
    /// Bytes of an event go again.
    Repeat {
        /// The leg.
        leg: LegId,
        /// Event and bytes.
        sent: Sent,
    },
    /// Record.
    Received(Incoming),
    /// A message of an event came again.
    Absorbed {
        /// The leg.
        leg: LegId,
        /// The event.
        event: EventId,
    },
    /// The leg's session decides.
    Learned(LegId, Fact),
    /// An INVITE outside any dialog: route it, then call [`Endpoint::accept`] or [`Endpoint::refuse`].
    Offered {
        /// Whence.
        flow: Flow,
        /// The INVITE.
        request: Message,
    },
    /// A REGISTER outside any dialog: judge it, then call [`Endpoint::accept_request`] or answer statelessly.
    Registering {
        /// Whence.
        flow: Flow,
        /// The REGISTER.
        request: Message,
    },
    /// A MESSAGE outside any dialog: judge it as a REGISTER.
    Messaged {
        /// Whence.
        flow: Flow,
        /// The MESSAGE.
        request: Message,
    },
    /// A REFER outside any dialog: judge it, then call [`Endpoint::accept_refer`] or answer statelessly.
    Referring {
        /// Whence.
        flow: Flow,
        /// The REFER.
        request: Message,
    },
    /// An answer without a stream.
    Stateless {
        /// Where to.
        flow: Flow,
        /// The answer; nothing where none is owed.
        bytes: Option<Bytes>,
        /// For the edge's summary.
        why: Stateless,
    },
    /// Our own code could not build a message: recorded and counted, nothing is sent.
    Unbuildable {
        /// The leg.
        leg: LegId,
        /// Why.
        why: BuildError,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerMachine {
    Invite(server_invite::State),
    Other(server_other::State),
}

#[derive(Debug)]
struct ServerTransaction {
    key: Box<str>,
    leg: LegId,
    flow: Flow,
    machine: ServerMachine,
    /// Kept until the final response: responses are built from it.
    request: Option<Message>,
    request_event: EventId,
    cseq: u32,
    last: Option<Sent>,
    interval: Duration,
    /// What a first INVITE without a final response is known by in `pending_invites`.
    merge: Option<Box<str>>,
    /// It was answered by a connection that ended with us: it is remembered as if it had come by datagrams.
    outlived: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientMachine {
    Invite(client_invite::State),
    Other(client_other::State),
}

/// Identifies a client transaction: the leg, the branch's counter, and whether it is the CANCEL that shares the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ClientKey {
    leg: LegId,
    branch: u32,
    cancel: bool,
}

#[derive(Debug)]
struct ClientTransaction {
    key: ClientKey,
    method: Method,
    machine: ClientMachine,
    cseq: u32,
    /// The request; after a final response of 300 to 699 its ACK.
    last: Sent,
    /// The final response's event, for repeats of it.
    final_event: Option<EventId>,
    interval: Duration,
    /// The BYE to a fork that lost: its end is not the leg's.
    fork: bool,
    /// An UPDATE that refreshes the session.
    refresh: bool,
    /// The request of another leg that this one was sent for.
    asked_by: Option<TransactionId>,
    /// How often the request was sent again with credentials.
    proofs: u8,
    /// It was sent again with credentials: its end is nobody's.
    superseded: bool,
    /// It belongs to no dialog: what comes of it is told as [`Fact::Concluded`].
    outside: bool,
}

impl ClientTransaction {
    /// After a final response that needs no ACK of this transaction its request is never sent again: what is left only
    /// absorbs repeats.
    fn forget_request(&mut self) {
        self.last.bytes = Bytes::new();
    }

    /// Whether nothing more can come to the INVITE that it carries.
    fn ends_invite(&self) -> bool {
        self.method == Method::Invite && !self.superseded
    }
}

/// See the module.
#[derive(Debug)]
pub struct Endpoint {
    settings: EndpointSettings,
    timers: Timers,
    dialogs: IdMap<LegId, Box<Dialog>>,
    servers: IdMap<TransactionId, Box<ServerTransaction>>,
    server_keys: HashMap<Box<str>, TransactionId>,
    clients: IdMap<TransactionId, Box<ClientTransaction>>,
    client_keys: HashMap<ClientKey, TransactionId>,
    /// First INVITEs without a final response yet, by what identifies them on any way (merged requests).
    pending_invites: HashSet<Box<str>>,
    /// Of INVITEs without a final response: what we said reliably, and what we heard so.
    provisionals: IdMap<LegId, Box<Provisionals>>,
    heard: IdMap<LegId, Vec<Heard>>,
    transactions: u64,
    flows: FlowUsers,
    outputs: VecDeque<Output>,
    /// While calls are taken up: what the turn at hand was like.
    then: Option<TimersThen>,
}

impl Endpoint {
    /// An endpoint that knows nothing yet.
    pub fn new(settings: EndpointSettings) -> Self {
        Self {
            settings,
            timers: Timers::default(),
            dialogs: IdMap::default(),
            servers: IdMap::default(),
            server_keys: HashMap::new(),
            clients: IdMap::default(),
            client_keys: HashMap::new(),
            pending_invites: HashSet::new(),
            provisionals: IdMap::default(),
            heard: IdMap::default(),
            transactions: 0,
            flows: FlowUsers::default(),
            outputs: VecDeque::new(),
            then: None,
        }
    }

    /// A message arrived. Outputs are to be taken by [`Endpoint::poll`].
    pub fn receive(&mut self, now: Moment, mint: &mut dyn Mint, flow: Flow, message: Message) {
        match message.is_request() {
            true => self.receive_request(now, mint, flow, message),
            false => self.receive_response(now, mint, flow, message),
        }
    }

    /// The next thing that happened.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::wake`] is due.
    pub fn next_wake(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// The timer queue, shared with the sessions' own timers.
    pub const fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }

    /// How many timers are armed.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// How many transactions are remembered, finished ones included.
    pub fn transaction_count(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// How many dialogs are remembered, finished ones included.
    pub fn dialog_count(&self) -> usize {
        self.dialogs.len()
    }

    /// The dialog of a leg.
    pub fn dialog(&self, leg: LegId) -> Option<&Dialog> {
        self.dialogs.get(&leg).map(|dialog| &**dialog)
    }

    fn new_transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        TransactionId(self.transactions)
    }

    fn learned(&mut self, leg: LegId, fact: Fact) {
        self.outputs.push_back(Output::Learned(leg, fact));
    }

    fn repeat(&mut self, leg: LegId, sent: Sent) {
        self.outputs.push_back(Output::Repeat { leg, sent });
    }

    fn stop_transaction_timers(&mut self, id: TransactionId) {
        for timer in [TransactionTimer::Retransmit, TransactionTimer::Timeout, TransactionTimer::Linger] {
            self.timers.stop(Timer::Transaction(id, timer));
        }
    }

    fn end_server(&mut self, id: TransactionId) {
        self.stop_transaction_timers(id);
        self.forget_pending_invite(id);
        if let Some(transaction) = self.servers.remove(&id) {
            self.server_keys.remove(&transaction.key);
            self.flows.leave(transaction.flow, FlowUser::Server(id));
            if !self.dialogs.contains_key(&transaction.leg) {
                // A request of its own: its leg was this transaction.
                self.learned(transaction.leg, Fact::Forgotten);
            }
            self.transaction_left(transaction.leg);
        }
    }

    fn end_client(&mut self, id: TransactionId) {
        self.stop_transaction_timers(id);
        if let Some(transaction) = self.clients.remove(&id) {
            self.client_keys.remove(&transaction.key);
            self.flows.leave(transaction.last.flow, FlowUser::Client(id));
            if let Some(dialog) = self.dialogs.get_mut(&transaction.key.leg).filter(|_| transaction.ends_invite()) {
                // Without it no fork's 2xx is matched any more.
                dialog.lost = Vec::new();
            }
            self.transaction_left(transaction.key.leg);
        }
    }

    fn forget_pending_invite(&mut self, id: TransactionId) {
        if let Some(identity) = self.servers.get_mut(&id).and_then(|server| server.merge.take()) {
            self.pending_invites.remove(&identity);
        }
    }

    fn transaction_left(&mut self, leg: LegId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.transactions = dialog.transactions.saturating_sub(1);
        }
        self.forget_if_over(leg);
    }

    fn forget_if_over(&mut self, leg: LegId) {
        if self.dialogs.get(&leg).is_some_and(|dialog| dialog.is_forgettable()) {
            if let Some(dialog) = self.dialogs.remove(&leg) {
                self.flows.leave(dialog.flow, FlowUser::Leg(leg));
            }
            self.provisionals.remove(&leg);
            self.heard.remove(&leg);
            LegTimer::ALL.iter().for_each(|timer| self.timers.stop(Timer::Leg(leg, *timer)));
            self.learned(leg, Fact::Forgotten);
        }
    }

    fn end_dialog(&mut self, leg: LegId) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.state = DialogState::Over;
            dialog.slim_if_done();
        }
        self.timers.stop(Timer::Leg(leg, LegTimer::NoAnswer));
        self.timers.stop(Timer::Leg(leg, LegTimer::Retry));
        self.timer_over(leg);
        self.provisionals_over(leg);
        self.heard.remove(&leg);
        self.forget_if_over(leg);
    }
}
