//! What happens to a session. Past tense, subject first; each variant is a stable type name in the log.

mod connection;
mod join;
mod media;
mod message;
mod refer;
mod replace;
mod timer;
mod transfer;

pub use connection::ConnectionLost;
pub use join::{Carried, LegGivenAway, LegRegained, LegReturned, LegTaken, TransferLinked};
pub use media::{LegMeasure, MediaFellSilent, MediaHeard, MediaLatched, MediaMeasured};
pub use message::{SipMessage, SipMessageRepeated, Way, Wire};
pub use refer::SessionReferred;
pub use replace::{ReplacementAsked, ReplacementRefused};
pub use timer::SessionTimerSet;
pub use transfer::{LegReplaced, TransferAsked, TransferCompleted, TransferFailed, TransferRefused};

use super::mode::Mode;
use crate::address::{EdgeRole, Transport};
use crate::codec::personal::Personal;
use crate::ids::{AccountId, BindingId, CredentialId, DomainId, LegId, NumberId, TrunkId};
use crate::media::{MediaSource, PortPair};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// One event of a session's stream.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// A SIP message arrived and was taken in.
    SipMessageReceived(SipMessage),
    /// A SIP message will leave now that this is durable.
    SipMessageCommitted(SipMessage),
    /// Bytes that are in the log already came or went again (retransmissions).
    SipMessageRepeated(SipMessageRepeated),
    /// A connection that messages of the session came or went by is gone, or none came about.
    ConnectionLost(ConnectionLost),
    /// An INVITE from a known peer asks for a session.
    SessionOffered(SessionOffered),
    /// A REFER outside any dialog asks for a session between its sender and another.
    SessionReferred(SessionReferred),
    /// Where the session goes, and why.
    RouteChosen(RouteChosen),
    /// No way leads to what was asked for, and why.
    RouteRefused(RouteRefused),
    /// A leg toward a target was begun.
    LegInvited(LegInvited),
    /// The far end rings or sends early media.
    LegAlerted(LegAlerted),
    /// The far end asked who we are, with a 401 or 407 to a request of ours.
    LegChallenged(LegChallenged),
    /// The leg was answered with a 2xx.
    LegAnswered(LegAnswered),
    /// The ACK to our 2xx arrived: the caller's side is complete.
    LegConfirmed(LegConfirmed),
    /// The far end said no, or nothing.
    LegRefused(LegRefused),
    /// Two legs hear each other.
    LegsBridged(LegsBridged),
    /// The session runs in this mode from here on; metering counts these.
    ModeEntered(ModeEntered),
    /// Ports of ours were set aside for a leg.
    MediaReserved(MediaReserved),
    /// A re-INVITE (or its late offer) asks to change the media.
    OfferMade(OfferMade),
    /// The change is agreed.
    OfferAccepted(OfferAccepted),
    /// The change was refused; the old media stays.
    OfferRefused(OfferRefused),
    /// A leg's session is over unless it is refreshed in time; by whom, or no more.
    SessionTimerSet(SessionTimerSet),
    /// A peer asks by REFER that the other party be connected elsewhere.
    TransferAsked(TransferAsked),
    /// It is not done, and why; its REFER is refused.
    TransferRefused(TransferRefused),
    /// An INVITE with Replaces asks for a party's place in the call.
    ReplacementAsked(ReplacementAsked),
    /// It does not get it, and why.
    ReplacementRefused(ReplacementRefused),
    /// The transfer joins this session with another, and is one of its own stream.
    TransferLinked(TransferLinked),
    /// This session gives a leg to another, for a transfer.
    LegGivenAway(LegGivenAway),
    /// A leg that another session gave away is this one's from here on, its messages too.
    LegTaken(LegTaken),
    /// A leg that was taken goes back: the transfer came to nothing.
    LegReturned(LegReturned),
    /// A leg that was given away is this session's again.
    LegRegained(LegRegained),
    /// A leg takes another's place in the call.
    LegReplaced(LegReplaced),
    /// The other party hears whom it was to be connected with.
    TransferCompleted(TransferCompleted),
    /// It came to nothing; the call is as it was, if its parties still are there.
    TransferFailed(TransferFailed),
    /// A latch pinned the source of a leg's media.
    MediaLatched(MediaLatched),
    /// Nothing more is heard from a leg that should send.
    MediaFellSilent(MediaFellSilent),
    /// The leg is heard again.
    MediaHeard(MediaHeard),
    /// What was counted on a media stream, at its end.
    MediaMeasured(MediaMeasured),
    /// The leg is over; our BYE, CANCEL or final response, or the peer's, said so.
    LegReleased(LegReleased),
    /// Every leg is over.
    SessionEnded(SessionEnded),
}

impl SessionEvent {
    /// The type name of the event that ends a session.
    pub const ENDED: &'static str = "SessionEnded";
}

/// Who talks to whom, in clear only to those with the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    /// The caller: number or SIP URI.
    pub caller: String,
    /// The called number or SIP URI as dialled.
    pub called: String,
    /// Call-ID of the caller's leg.
    pub call_id: String,
}

/// See [`SessionEvent::SessionOffered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionOffered {
    /// The caller's leg.
    pub leg: LegId,
    /// Whose session it is.
    pub account: AccountId,
    /// The edge it came in on.
    pub edge: EdgeRole,
    /// The trunk it came from; `None` where a user of a domain calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
    /// The user who calls; `None` for a trunk, or one that only a source address vouches for and that has no credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CredentialId>,
    /// The domain whose user calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
    /// How the caller's media is recognised.
    pub media_source: MediaSource,
    /// Whether the INVITE came without SDP: the answer will carry the offer.
    pub late_offer: bool,
    /// Max-Forwards as received.
    pub max_forwards: u8,
    /// Who.
    #[serde(skip)]
    pub parties: Personal<Parties>,
}

/// A target to try, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Request URI.
    pub uri: String,
    /// To URI.
    pub to: String,
    /// Our address that it leaves from.
    pub local: SocketAddr,
    /// Where the request is sent.
    pub destination: SocketAddr,
    /// By which transport.
    #[serde(default)]
    pub transport: Transport,
    /// Our address that requests leave from which are too long for a datagram; where there is none they go in fragments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_by_tcp: Option<SocketAddr>,
    /// Targets of one group ring at once, groups one after the other in rising order.
    #[serde(default)]
    pub group: u16,
    /// Another way to the device of the target before it: tried only where that way has failed (RFC 5626 §7).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare: bool,
    /// Route set of the request: the Path of a registered device (RFC 3327 §5.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// The trunk it leaves by; `None` for a number's own SIP target.
    pub trunk: Option<TrunkId>,
    /// The binding of the registered device that it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingId>,
    /// How its media is recognised.
    pub media_source: MediaSource,
    /// Seconds of ringing before the next target is tried.
    pub ring_timeout: u16,
}

/// See [`SessionEvent::RouteChosen`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteChosen {
    /// The rule that decided, e.g. `number-target`, `carrier-by-prefix`.
    pub rule: Box<str>,
    /// Version of the rule: revision of the configuration it was read from.
    pub rule_version: u64,
    /// The number that was called, where it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberId>,
    /// Why, in one sentence without personal data.
    pub reason: Box<str>,
    /// The leg whose peer asked for it by REFER; `None` for the call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<LegId>,
    /// What else was considered and why not, without personal data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// The targets in order.
    #[serde(skip)]
    pub targets: Personal<Vec<Target>>,
}

/// An alternative that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// The trunk.
    pub trunk: TrunkId,
    /// Why not.
    pub reason: Box<str>,
}

/// See [`SessionEvent::RouteRefused`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteRefused {
    /// The status that the caller gets.
    pub status: u16,
    /// The rule that decided.
    pub rule: Box<str>,
    /// Why, in one sentence without personal data.
    pub reason: Box<str>,
    /// Where a limit is reached: seconds after which the caller may try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// See [`SessionEvent::LegInvited`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegInvited {
    /// The new leg.
    pub leg: LegId,
    /// Which of [`RouteChosen::targets`], from 0.
    pub target: u8,
    /// The trunk it leaves by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
}

/// See [`SessionEvent::LegAlerted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegAlerted {
    /// The leg that rings.
    pub leg: LegId,
    /// 101 to 199.
    pub status: u16,
    /// Whether it came with SDP.
    pub early_media: bool,
}

/// See [`SessionEvent::LegChallenged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegChallenged {
    /// The leg.
    pub leg: LegId,
    /// The method of the request.
    pub method: Box<str>,
    /// 401 or 407.
    pub status: u16,
    /// The far end said that only the nonce was too old.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Why it gets no answer; nothing where the request goes again with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<Box<str>>,
}

/// See [`SessionEvent::LegAnswered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegAnswered {
    /// The leg.
    pub leg: LegId,
}

/// See [`SessionEvent::LegConfirmed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegConfirmed {
    /// The leg.
    pub leg: LegId,
}

/// Why a leg did not come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCause {
    /// A final response of 300 to 699.
    Response,
    /// No response at all within 64·T1.
    TimedOut,
    /// It rang until the ring time-out.
    NoAnswer,
    /// We gave it up: the caller hung up, or another target answered.
    Cancelled,
    /// Its trunk may have no more calls at a time, or in a second: no INVITE went.
    AtLimit,
    /// No media ports are free.
    NoPorts,
    /// Its SDP cannot be relayed.
    BadSdp,
    /// What it said reliably before an answer could not be acknowledged: it refused our PRACK, or its offer has no answer.
    Unacknowledged,
}

/// See [`SessionEvent::LegRefused`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegRefused {
    /// The leg.
    pub leg: LegId,
    /// The status it ended with; 408 where none came.
    pub status: u16,
    /// Why.
    pub cause: RefusalCause,
}

/// See [`SessionEvent::LegsBridged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegsBridged {
    /// The caller's leg.
    pub caller: LegId,
    /// The leg that answered.
    pub callee: LegId,
}

/// See [`SessionEvent::ModeEntered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModeEntered {
    /// The mode.
    pub mode: Mode,
    /// Why: `answer`, later `refer`, `api` …
    pub cause: Box<str>,
    /// The leg that caused it.
    pub by: LegId,
}

/// See [`SessionEvent::MediaReserved`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaReserved {
    /// The leg that is told these ports.
    pub leg: LegId,
    /// The address SDP names.
    pub address: IpAddr,
    /// Index of the first m-line they are for.
    pub first: u8,
    /// A pair per m-line; `None` where the line is rejected.
    pub ports: Vec<Option<PortPair>>,
}

/// What an offer changes, as a reader of the timeline would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferChange {
    /// The offerer stops listening.
    Hold,
    /// The offerer listens again.
    Resume,
    /// Nothing but a refresh.
    Refresh,
    /// Codec, address or lines.
    Media,
    /// No SDP came: the other side is asked for an offer.
    Late,
}

/// See [`SessionEvent::OfferMade`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferMade {
    /// The leg whose peer asks.
    pub leg: LegId,
    /// What for.
    pub change: OfferChange,
}

/// See [`SessionEvent::OfferAccepted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferAccepted {
    /// The leg whose peer had asked.
    pub leg: LegId,
}

/// See [`SessionEvent::OfferRefused`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferRefused {
    /// The leg whose peer had asked.
    pub leg: LegId,
    /// What it is told.
    pub status: u16,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseCause {
    /// The peer sent BYE.
    Bye,
    /// The caller sent CANCEL.
    Cancel,
    /// The caller was given a final response of 300 to 699.
    Refused,
    /// The other leg ended, so this one does.
    OtherLeg,
    /// Our 2xx was never acknowledged.
    AckMissing,
    /// The dialog is gone at the peer (481 or 408 to a request in it).
    DialogGone,
    /// Its answer came too late or could not be used.
    Unusable,
    /// Its session was not refreshed in time (RFC 4028).
    Expired,
    /// Its peer had the other party transferred, which succeeded.
    Transferred,
    /// Another session has it: joined with a party there, or ended there.
    Moved,
    /// Another took its place in the call.
    Replaced,
    /// The exchange ends it: shutdown or an operator.
    Operator,
}

/// See [`SessionEvent::LegReleased`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegReleased {
    /// The leg.
    pub leg: LegId,
    /// Why.
    pub cause: ReleaseCause,
}

/// How a session ended, as a bill or a statistic counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// Answered, then ended by a BYE.
    Completed,
    /// The caller gave up before an answer.
    Cancelled,
    /// 486 or 600.
    Busy,
    /// It rang, nobody answered.
    NoAnswer,
    /// Any other failure.
    Failed,
    /// Answered, then its party joined with that of another session: see there.
    Transferred,
    /// An answered leg was lost; or, after a death, nobody can tell what became of the call.
    Lost,
}

/// See [`SessionEvent::SessionEnded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// How.
    pub cause: EndCause,
    /// The final status given to the caller's INVITE, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The leg whose peer ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<LegId>,
}
