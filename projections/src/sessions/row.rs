//! A session as it is asked about.

use crate::cursor::Cursor;
use domain::ids::{AccountId, CredentialId, NumberId, SessionId, TrunkId};
use domain::log::Position;
use domain::time::WallTime;
use std::str::FromStr;
use std::time::Duration;

/// How far a session has come; it only moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// An INVITE came, or a REFER that asks for a call.
    Offered,
    /// A far end rings.
    Ringing,
    /// A far end answered.
    Answered,
    /// Every leg is over.
    Ended,
}

impl State {
    const ALL: [Self; 4] = [Self::Offered, Self::Ringing, Self::Answered, Self::Ended];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ended => "ended",
        }
    }
}

impl FromStr for State {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or("expected offered, ringing, answered or ended")
    }
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Number or SIP URI of the caller; `None` once erased.
    pub caller: Option<String>,
    /// Number or SIP URI as dialled; `None` once erased.
    pub called: Option<String>,
    /// SIP Call-ID of the caller's leg; `None` once erased.
    pub call_id: Option<String>,
    /// The trunk it came from; `None` where a user called.
    pub trunk: Option<TrunkId>,
    /// The user who called; `None` for a trunk, or a user without a credential.
    pub user: Option<CredentialId>,
    /// The number called, where it is one of ours.
    pub number: Option<NumberId>,
    /// The routing rule that decided.
    pub rule: Option<String>,
    /// How far it has come.
    pub state: State,
    /// When it was offered.
    pub started_at: WallTime,
    /// When a far end first rang.
    pub ringing_at: Option<WallTime>,
    /// When a far end answered.
    pub answered_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// How it ended, e.g. `no-answer`.
    pub end_cause: Option<String>,
    /// The final status of the caller's INVITE.
    pub final_status: Option<u16>,
    /// The mode it runs in, or ran in at the end.
    pub mode: Option<String>,
    /// Position of its offer.
    pub offered: Position,
    /// Position of the newest event that the row shows.
    pub position: Position,
}

impl SessionRow {
    /// Whether what was personal in it was erased.
    pub const fn is_erased(&self) -> bool {
        self.caller.is_none() && self.called.is_none() && self.call_id.is_none()
    }

    /// From answer to end; `None` while it lasts or where it was never answered.
    pub fn talked(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.answered_at?))
    }

    /// From offer to end; `None` while it lasts.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.started_at))
    }

    /// Where the page that ends with this row goes on.
    pub const fn cursor(&self) -> Cursor {
        Cursor { started_at: self.started_at, offered: self.offered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert!("held".parse::<State>().is_err());
    }
}
