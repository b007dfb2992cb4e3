//! A MESSAGE as it is asked about.

use crate::cursor::Cursor;
use domain::ids::{AccountId, CredentialId, DomainId, MessageId, NumberId, TrunkId};
use domain::log::Position;
use domain::time::WallTime;
use std::str::FromStr;
use std::time::Duration;

/// What became of a MESSAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Its sender has no answer yet; nor will it, where the process ended meanwhile.
    UnderWay,
    /// Its sender was told a 2xx: a target took it.
    Accepted,
    /// Its sender was told no.
    Refused,
}

impl State {
    const ALL: [Self; 3] = [Self::UnderWay, Self::Accepted, Self::Refused];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for State {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or("expected under-way, accepted or refused")
    }
}

/// One MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// Number or user name of who sent it; `None` once erased.
    pub sender: Option<String>,
    /// Number or user name that it was for; `None` once erased.
    pub recipient: Option<String>,
    /// Its SIP Call-ID; `None` once erased.
    pub call_id: Option<String>,
    /// The edge it came in on: `carrier` or `public`.
    pub edge: String,
    /// The trunk it came from; `None` where a user sent it.
    pub trunk: Option<TrunkId>,
    /// The user who sent it; `None` for a trunk, or a user without a credential.
    pub user: Option<CredentialId>,
    /// The domain of that user.
    pub domain: Option<DomainId>,
    /// The number that it was for, where it is one of ours.
    pub number: Option<NumberId>,
    /// The routing rule that decided.
    pub rule: Option<String>,
    /// Why it went where it went, or nowhere.
    pub reason: Option<String>,
    /// When it was offered.
    pub started_at: WallTime,
    /// When its sender was answered.
    pub ended_at: Option<WallTime>,
    /// What its sender was told.
    pub status: Option<u16>,
    /// Which of the targets took it, from 0.
    pub target: Option<u8>,
    /// Position of the event that offered it.
    pub offered: Position,
    /// Position of the newest event that the row shows.
    pub position: Position,
}

impl MessageRow {
    /// Whether what was personal in it was erased.
    pub const fn is_erased(&self) -> bool {
        self.sender.is_none() && self.recipient.is_none() && self.call_id.is_none()
    }

    /// What became of it.
    pub const fn state(&self) -> State {
        match self.status {
            None => State::UnderWay,
            Some(200..=299) => State::Accepted,
            Some(_) => State::Refused,
        }
    }

    /// From its arrival to its answer; `None` while it is under way.
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
        assert!("delivered".parse::<State>().is_err());
    }
}
