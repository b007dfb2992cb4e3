//! A transfer on its way: a party of the call asked by REFER that the other one be connected elsewhere.

use super::event::{RouteChosen, RouteRefused};
use crate::ids::{LegId, SessionId, TransferId};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{ReferFault, ReferTo};
use crate::trunk::ReferRule;

/// What became of it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The leg whose peer asked.
    pub by: LegId,
    /// The leg of the other party, which is to be connected elsewhere.
    pub remaining: LegId,
    /// The last status that the asker was told.
    pub told: u16,
    /// How far it is.
    pub phase: Phase,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Targets ring.
    Hunting,
    /// Another session is to give its leg.
    Awaiting,
    /// This leg answered; the other party has to hear of its media first. How often it was asked in vain.
    Answered(LegId, u8),
    /// The other party is asked to take the media of this leg.
    Connecting(LegId, u8),
    /// The other party agreed; this leg, taken from another session, is asked in turn.
    Joining(LegId, u8),
    /// Its own re-INVITE met ours: it is asked again later.
    BackingOff(LegId, u8),
}

impl Phase {
    /// How often a party was asked in vain.
    pub const fn tries(self) -> u8 {
        match self {
            Self::Hunting | Self::Awaiting => 0,
            Self::Answered(_, tries)
            | Self::Connecting(_, tries)
            | Self::Joining(_, tries)
            | Self::BackingOff(_, tries) => tries,
        }
    }

    /// The target's leg, once one has answered.
    pub const fn answered(self) -> Option<LegId> {
        match self {
            Self::Hunting | Self::Awaiting => None,
            Self::Answered(leg, _) | Self::Connecting(leg, _) | Self::Joining(leg, _) | Self::BackingOff(leg, _) => {
                Some(leg)
            }
        }
    }
}

/// A REFER, and all that is to be known from outside the session to decide about it.
#[derive(Debug, Clone)]
pub struct Referral {
    /// The request that waits.
    pub transaction: TransactionId,
    /// Its CSeq: what names the subscription (RFC 3515 §2.4.6).
    pub id: u32,
    /// Whether its sender wants to hear what comes of it.
    pub notified: bool,
    /// Whither it points.
    pub target: Result<ReferTo, ReferFault>,
    /// What its sender is allowed to ask for.
    pub rule: ReferRule,
    /// Where the new leg would go; nothing where the target cannot be called.
    pub route: Option<Result<RouteChosen, RouteRefused>>,
    /// What the new call is to take the place of.
    pub joins: Joins,
    /// Whether that stays within the account.
    pub inside: bool,
    /// What is dialled.
    pub dialled: Box<str>,
    /// From value toward the target: the other party.
    pub identity: Box<str>,
    /// That it was refused, and why, where its past is played: what was looked up then may be gone.
    pub refused: Option<(u16, Box<str>)>,
}

/// What a Replaces in a Refer-To names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joins {
    /// There is none.
    Nothing,
    /// A call of the same account: its other party is joined with this call's.
    Ours(Joined),
    /// Nothing that we know: the target gets it, as this header value (RFC 5589 §7.3).
    Elsewhere(Box<str>),
    /// It cannot be, and why.
    Never(u16, &'static str),
}

/// The call that is to be joined with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The transfer.
    pub transfer: TransferId,
    /// Its session.
    pub session: SessionId,
    /// Its leg that the REFER names.
    pub replaced: LegId,
    /// Its other leg.
    pub moved: LegId,
}
