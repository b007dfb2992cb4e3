//! Timers of a session that its events tell of.

use domain::id_map::IdMap;
use domain::ids::LegId;
use domain::session::Session;
use domain::session::event::{SessionEvent, SipMessage};
use domain::sip::session_timer::Terms;
use domain::time::WallTime;
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Clocks {
    /// When a leg that rings is given up.
    no_answer: IdMap<LegId, WallTime>,
    /// A leg's session timer, and the 2xx that began its interval.
    sessions: IdMap<LegId, (Terms, WallTime)>,
}

impl Clocks {
    /// The next event, which the session has not folded yet.
    pub fn take(&mut self, session: &Session, at: WallTime, event: &SessionEvent) {
        if let SessionEvent::LegInvited(invited) = event
            && let Some(target) = session.targets.get(usize::from(invited.target))
        {
            self.no_answer.insert(invited.leg, at + Duration::from_secs(u64::from(target.ring_timeout)));
        }
        if let SessionEvent::SessionTimerSet(set) = event {
            match set.timer {
                Some(terms) => drop(self.sessions.insert(set.leg, (terms, at))),
                None => drop(self.sessions.remove(&set.leg)),
            }
        }
        if let SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) = event
            && begins_interval(message)
            && let Some((_, since)) = self.sessions.get_mut(&message.leg)
        {
            *since = at;
        }
        let over = match event {
            SessionEvent::LegReleased(released) => Some(released.leg),
            SessionEvent::LegRefused(refused) => Some(refused.leg),
            SessionEvent::LegGivenAway(given) => Some(given.leg),
            _ => None,
        };
        if let Some(leg) = over {
            self.no_answer.remove(&leg);
            self.sessions.remove(&leg);
        }
    }

    /// What runs: name, leg and end, in the order of their ends.
    pub fn running(&self, session: &Session) -> Vec<(&'static str, LegId, WallTime)> {
        let rings = |leg: &LegId| session.leg(*leg).is_some_and(|leg| leg.is_early());
        let ringing = self.no_answer.iter().filter(|(leg, _)| rings(leg));
        let mut running: Vec<_> = ringing.map(|(leg, ends)| ("no-answer", *leg, *ends)).collect();
        for (leg, (terms, since)) in &self.sessions {
            running.extend(terms.refresh_after().map(|after| ("refresh", *leg, *since + after)));
            running.extend(terms.over_after().map(|after| ("expires", *leg, *since + after)));
        }
        running.sort_by_key(|(name, leg, ends)| (*ends, *leg, *name));
        running
    }
}

/// Whether a message begins the interval of a session timer anew: a 2xx to INVITE or UPDATE (RFC 4028 §7.2).
fn begins_interval(message: &SipMessage) -> bool {
    message.status.is_some_and(|status| (200..=299).contains(&status))
        && matches!(&*message.method, "INVITE" | "UPDATE")
}
