//! Rows as readers get them.

use domain::ids::UplinkId;
use domain::log::Position;
use domain::time::WallTime;
use domain::uplink::{UplinkEndCause, UplinkEvent};

/// What happened to a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Its settings ask that we register there or look after it, from here on.
    Begun,
    /// Its registrar knows us from here on.
    Registered,
    /// It knows us for longer, after an attempt that was refused.
    Refreshed,
    /// It said no, or nothing.
    Refused,
    /// It no longer knows us.
    Lost,
    /// Calls to the trunk have no chance.
    Down,
    /// They have one again.
    Up,
    /// We do nothing there any more.
    Ended,
}

impl Happening {
    const ALL: [Self; 8] =
        [Self::Begun, Self::Registered, Self::Refreshed, Self::Refused, Self::Lost, Self::Down, Self::Up, Self::Ended];

    /// As rows and clients have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Registered => "registered",
            Self::Refreshed => "refreshed",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Down => "down",
            Self::Up => "up",
            Self::Ended => "ended",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// One thing that happened to a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Position of the event: the cursor of pages.
    pub position: Position,
    /// The uplink: from a start or a change of settings to the next.
    pub uplink: UplinkId,
    /// When.
    pub at: WallTime,
    /// What.
    pub told: Told,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub what: Happening,
    /// Why, in words.
    pub reason: Option<String>,
    /// The status that said so; `None` where nothing came, or it says nothing.
    pub status: Option<u16>,
    /// How long the registration holds, in seconds.
    pub expires: Option<u32>,
    /// Until when.
    pub until: Option<WallTime>,
    /// When it is tried again.
    pub again: Option<WallTime>,
}

impl Told {
    const fn bare(what: Happening) -> Self {
        Self { what, reason: None, status: None, expires: None, until: None, again: None }
    }

    fn because(what: Happening, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::bare(what) }
    }

    /// What an event says; nothing of messages on the wire.
    pub(super) fn by(event: &UplinkEvent) -> Option<Self> {
        let told = match event {
            UplinkEvent::UplinkBegun(begun) => {
                let what = if begun.registers { "registers there" } else { "looks after its health" };
                Self::because(Happening::Begun, &format!("the exchange {what}, as its settings ask"))
            }
            UplinkEvent::UplinkRegistered(registered) => Self {
                reason: registered.back.then(|| "it was lost before".to_owned()),
                expires: Some(registered.expires),
                until: Some(registered.until),
                ..Self::bare(Happening::Registered)
            },
            UplinkEvent::UplinkRefreshed(refreshed) => Self {
                expires: Some(refreshed.expires),
                until: Some(refreshed.until),
                ..Self::bare(Happening::Refreshed)
            },
            UplinkEvent::UplinkRefused(refused) => Self {
                status: refused.status,
                again: Some(refused.again),
                ..Self::because(Happening::Refused, &refused.reason)
            },
            UplinkEvent::UplinkLost(lost) => Self::because(Happening::Lost, &lost.reason),
            UplinkEvent::TrunkDown(down) => {
                Self { status: down.status, again: Some(down.again), ..Self::because(Happening::Down, &down.reason) }
            }
            UplinkEvent::TrunkUp(up) => {
                let reason = if up.answered { "it answered" } else { "its time is over: the next call tries it" };
                Self::because(Happening::Up, reason)
            }
            UplinkEvent::UplinkEnded(ended) => {
                let known = if ended.unregistered { "; its registrar was told" } else { "" };
                Self::because(Happening::Ended, &format!("{}{known}", ended_by(ended.cause)))
            }
            UplinkEvent::UplinkSent(_) | UplinkEvent::UplinkHeard(_) => return None,
        };
        Some(told)
    }
}

const fn ended_by(cause: UplinkEndCause) -> &'static str {
    match cause {
        UplinkEndCause::Removed => "the trunk was removed or switched off, or its account closed",
        UplinkEndCause::Changed => "its settings changed",
        UplinkEndCause::Drained => "the exchange was drained",
        UplinkEndCause::ProcessEnded => "the process ended before it was over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_happening_is_found_by_its_name() {
        for what in Happening::ALL {
            assert_eq!(Happening::of(what.name()), Some(what));
        }
        assert_eq!(Happening::of("sent"), None);
    }
}
