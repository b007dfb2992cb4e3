//! What choosing takes and gives. All of it goes into events as it stands.

use crate::address::{EdgeRole, Transport};
use crate::ids::{AccountId, BindingId, DomainId, NumberId, TrunkId};
use crate::media::MediaSource;
use crate::registration::Bindings;
use crate::sip::wire::Uri;
use crate::time::WallTime;
use crate::trunk::LargeRequests;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// A call that wants a way.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Role of the listener it came to.
    pub role: EdgeRole,
    /// Whence it came.
    pub source: SocketAddr,
    /// Who calls, as far as the edge found out.
    pub caller: Caller,
    /// User part of the request URI, as it came.
    pub called: &'a str,
    /// The request URI; without it only numbers can be called.
    pub uri: Option<Uri<'a>>,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever its source address is.
    Source,
    /// A trunk that proved itself by password.
    Trunk(TrunkId),
    /// A user of a domain of that account.
    User(AccountId),
}

/// Devices that can be rung now.
#[derive(Debug, Clone, Copy)]
pub struct Registered<'a> {
    /// All durable bindings.
    pub bindings: &'a Bindings,
    /// Now: older bindings have expired.
    pub now: WallTime,
    /// The exchange's own domain, at which PBX trunks register.
    pub own: Option<&'a str>,
}

/// Where a call goes, first choice first, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whose call it is.
    pub account: AccountId,
    /// The trunk it came from; none where a user calls.
    pub inbound: Option<TrunkId>,
    /// The called number, where it is one of ours.
    pub number: Option<NumberId>,
    /// What to try, in order; at least one.
    pub attempts: Vec<Attempt>,
    /// Why.
    pub reason: Reason,
}

/// One way to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Request URI to send. [R5]
    pub target: String,
    /// URI for the To header: the same user at the same host. [R5]
    pub to: String,
    /// Where to send it.
    pub destination: Destination,
    /// By which transport.
    #[serde(default)]
    pub transport: Transport,
    /// How a request goes there that is too long for a datagram.
    #[serde(default)]
    pub large_requests: LargeRequests,
    /// The trunk that it leaves by, where it is one of ours.
    pub trunk: Option<TrunkId>,
    /// How long to let ring before the next attempt, in seconds.
    pub ring_timeout: u16,
    /// Which media packets are taken for the peer's.
    pub media_source: MediaSource,
    /// What became of the user part.
    pub rewrite: Rewrite,
    /// How a registered device is reached; none for trunks and SIP targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<Way>>,
}

/// How a registered device is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Its binding.
    pub binding: BindingId,
    /// Our address that it registered at; none for a binding by API.
    pub local: Option<SocketAddr>,
    /// Its Path, the topmost first (RFC 3327 §5.3).
    pub routes: Vec<String>,
    /// Devices of one group ring at once, groups one after the other in rising order. [G5]
    pub group: u16,
    /// Another way to the device of the attempt before it: tried only where that way has failed (RFC 5626 §7).
    #[serde(default)]
    pub spare: bool,
}

/// Where an attempt is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// There.
    Address(SocketAddr),
    /// Nowhere: this host name has no address yet. The attempt counts as unreachable.
    Unresolved {
        /// The name.
        host: String,
    },
}

/// What became of the called user part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rewrite {
    /// The target names its own user.
    TargetUser,
    /// The called number: in E.164, or the short code.
    CalledNumber,
    /// The digits as dialled, since a prefix without `+` took them.
    AsDialled,
    /// The contact that the device registered.
    Contact,
}

/// Why a decision or refusal is as it is. Holds no number or address of a caller, so it needs no sealing, and names
/// nothing of accounts other than the call's and those above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule that decided.
    pub rule: Rule,
    /// What the rule was read from, and its version; `None` where nothing matched.
    pub subject: Option<Subject>,
    /// Alternatives in the order they were weighed; at most [`Reason::MAX_CONSIDERED`].
    pub considered: Vec<Considered>,
}

impl Reason {
    /// More alternatives than this are not listed.
    pub const MAX_CONSIDERED: usize = 32;
}

/// A rule of routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The source identifies the trunk.
    Source,
    /// The account must be open.
    Account,
    /// A carrier's call goes to the called number's target.
    Number,
    /// A PBX's call to a number of its own account stays inside.
    Inside,
    /// A PBX's call goes to the carriers by prefix, then priority.
    Carriers,
    /// A call to a user of a domain rings the user's registered devices.
    User,
    /// A call to a GRUU rings that device alone.
    Gruu,
}

impl Rule {
    /// Its name in histories.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Account => "account",
            Self::Number => "number-target",
            Self::Inside => "inside",
            Self::Carriers => "carrier-by-prefix",
            Self::User => "user",
            Self::Gruu => "gruu",
        }
    }
}

/// A configured thing and the revision of its stream: the version of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An account.
    Account {
        /// Its id.
        id: AccountId,
        /// Revision of its last event.
        revision: u64,
    },
    /// A number.
    Number {
        /// Its id.
        id: NumberId,
        /// Revision of its last event.
        revision: u64,
    },
    /// A domain.
    Domain {
        /// Its id.
        id: DomainId,
        /// Revision of its last event.
        revision: u64,
    },
    /// A trunk.
    Trunk {
        /// Its id.
        id: TrunkId,
        /// Revision of its last event.
        revision: u64,
    },
}

/// An alternative, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// What.
    pub subject: Subject,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of an alternative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is among the attempts.
    Chosen {
        /// The prefix that matched; `None` for a number's target.
        prefix: Option<String>,
        /// Its priority.
        priority: u16,
    },
    /// It is among the attempts, but its host has no address.
    Unresolved {
        /// The name.
        host: String,
    },
    /// It is switched off.
    Disabled,
    /// No call can be sent to it.
    NoDestination,
    /// None of its prefixes begins the called number.
    NoPrefix,
    /// It does not answer, or says that it cannot take calls now, and others are there.
    Down,
    /// Enough attempts stand before it.
    BeyondLimit,
}

/// Half a sentence for people who read a history.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen { prefix: None, .. } => f.write_str("chosen: it is the number's target"),
            Self::Chosen { prefix: Some(prefix), priority } => {
                write!(f, "chosen: prefix {prefix:?} begins the number, priority {priority}")
            }
            Self::Unresolved { host } => write!(f, "unreachable: {host} has no address"),
            Self::Disabled => f.write_str("switched off"),
            Self::NoDestination => f.write_str("it has no destination"),
            Self::NoPrefix => f.write_str("none of its prefixes begins the number"),
            Self::Down => f.write_str("it is down"),
            Self::BeyondLimit => f.write_str("enough attempts stand before it"),
        }
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The source identifies no trunk for this edge.
    #[error("the source is no trunk of this edge")]
    UnknownSource,
    /// The trunk is switched off.
    #[error("the trunk is switched off")]
    TrunkDisabled,
    /// The account, or one above it, is closed.
    #[error("the account is closed")]
    AccountClosed,
    /// Nobody reachable from this trunk has that number.
    #[error("no such number")]
    NoSuchNumber,
    /// No carrier of the account takes that number.
    #[error("no carrier takes this number")]
    NoCarrier,
    /// No domain of the account has that user.
    #[error("no such user")]
    NoSuchUser,
    /// The user, or the device that a GRUU names, has no binding now.
    #[error("the user has no device registered now")]
    NotRegistered,
}

impl Refusal {
    /// The SIP status to answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::UnknownSource | Self::TrunkDisabled | Self::AccountClosed => 403,
            Self::NoSuchNumber | Self::NoCarrier | Self::NoSuchUser => 404,
            Self::NotRegistered => 480,
        }
    }

    /// Whether it is answered statelessly: no account answers for the caller, so no session's stream may be opened.
    pub const fn is_stateless(self) -> bool {
        match self {
            Self::UnknownSource | Self::TrunkDisabled => true,
            Self::AccountClosed | Self::NoSuchNumber | Self::NoCarrier | Self::NoSuchUser | Self::NotRegistered => {
                false
            }
        }
    }
}

/// A refusal, for whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What to answer.
    pub refusal: Refusal,
    /// The account of the trunk it came from.
    pub account: Option<AccountId>,
    /// The trunk it came from.
    pub inbound: Option<TrunkId>,
    /// Why.
    pub reason: Reason,
}
