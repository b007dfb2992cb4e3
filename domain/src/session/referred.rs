//! A session that a REFER outside any dialog asks for: its sender is called first, then whom it named.

use super::event::{RouteChosen, RouteRefused};
use super::transfer::Referral;
use crate::ids::LegId;

/// What became of it so far.
#[derive(Debug, Clone)]
pub struct Referred {
    /// The dialog of the REFER. Until the target is there it stands in the target's place beside the sender.
    pub by: LegId,
    /// What follows when the sender has answered.
    pub onward: Option<Box<(Referral, RouteChosen)>>,
    /// The two are not connected yet, and it has not come to nothing.
    pub open: bool,
}

impl Referred {
    /// A REFER of which nothing has come yet.
    pub const fn new(by: LegId) -> Self {
        Self { by, onward: None, open: true }
    }

    /// Whether it is still open, and this its dialog.
    pub fn is_by(&self, leg: LegId) -> bool {
        self.open && self.by == leg
    }
}

/// The sender of a REFER as one that is to be called.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Where it is.
    pub route: Result<RouteChosen, RouteRefused>,
    /// From value toward it: who will be called.
    pub identity: Box<str>,
    /// What was recorded of all that, where its past is played.
    pub recorded: Option<Result<RouteChosen, RouteRefused>>,
}
