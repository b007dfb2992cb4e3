//! How sessions begin: by an INVITE, or by a REFER outside any dialog.

use domain::codec::personal::Personal;
use domain::ids::{AccountId, CredentialId, TrunkId};
use domain::session::event::{Parties, SessionEvent, SessionOffered, SessionReferred};

/// The events that begin a session; what comes later can be folded onto them.
const FIRST: [&str; 2] = ["SessionOffered", "SessionReferred"];

/// Whether events of this type begin sessions.
pub(crate) fn begins(kind: &str) -> bool {
    FIRST.contains(&kind)
}

/// What a session's first event says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning<'a> {
    pub account: AccountId,
    pub trunk: Option<TrunkId>,
    pub user: Option<CredentialId>,
    pub parties: &'a Personal<Parties>,
}

impl<'a> Beginning<'a> {
    pub(crate) fn of(event: &'a SessionEvent) -> Option<Self> {
        if let SessionEvent::SessionOffered(SessionOffered { account, trunk, user, parties, .. }) = event {
            return Some(Self { account: *account, trunk: *trunk, user: *user, parties });
        }
        if let SessionEvent::SessionReferred(SessionReferred { account, trunk, user, parties, .. }) = event {
            return Some(Self { account: *account, trunk: *trunk, user: *user, parties });
        }
        None
    }
}
