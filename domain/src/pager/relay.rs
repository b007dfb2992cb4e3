//! Which targets a MESSAGE goes to, and what its sender hears: those of a group at once, groups one after the other, as for
//! calls (RFC 3261 §16.7).

use crate::session::decide::{best_of, fails_over, flow_failed, group_of, mapped};
use crate::session::event::Target;

/// See the module.
#[derive(Debug)]
pub struct Relay {
    targets: Vec<Target>,
    next: usize,
    waiting: usize,
    /// What targets said no with; 504 where nothing came.
    refused: Vec<u16>,
    /// Every failure of the group at hand lets the next be asked.
    goes_on: bool,
    over: bool,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Others are still to answer, or the sender has its answer.
    Wait,
    /// These are asked now.
    Ask(Vec<usize>),
    /// The sender is told this.
    Tell(u16),
}

impl Relay {
    /// A MESSAGE for these.
    pub const fn new(targets: Vec<Target>) -> Self {
        Self { targets, next: 0, waiting: 0, refused: Vec::new(), goes_on: true, over: false }
    }

    /// A target.
    pub fn target(&self, index: usize) -> Option<&Target> {
        self.targets.get(index)
    }

    /// Begins: the first group is asked.
    pub fn begin(&mut self) -> Next {
        self.next_group()
    }

    fn next_group(&mut self) -> Next {
        let group = group_of(&self.targets, self.next);
        let Some(last) = group.last() else {
            self.over = true;
            let heard = best_of(&self.refused);
            // Nobody sends 408 to anything but an INVITE (RFC 4320 §4.2).
            return Next::Tell(if heard == 408 { 480 } else { mapped(heard) });
        };
        (self.next, self.waiting, self.goes_on) = (last + 1, group.len(), true);
        Next::Ask(group)
    }

    /// A target said this, or nothing.
    pub fn answered(&mut self, index: usize, status: Option<u16>) -> Next {
        self.waiting = self.waiting.saturating_sub(1);
        if self.over {
            return Next::Wait;
        }
        if status.is_none_or(flow_failed) && self.targets.get(index + 1).is_some_and(|target| target.spare) {
            self.waiting += 1;
            return Next::Ask(vec![index + 1]);
        }
        let status = status.unwrap_or(504);
        if (200..300).contains(&status) || status >= 600 {
            self.over = true;
            return Next::Tell(status);
        }
        self.goes_on &= fails_over(status, self.targets.get(index));
        self.refused.push(status);
        match (self.waiting, self.goes_on) {
            (0, true) => self.next_group(),
            (0, false) => {
                self.next = self.targets.len();
                self.next_group()
            }
            (_, _) => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(group: u16, device: bool) -> Target {
        let binding = if device { r#""RB00000000000000000000000000000001""# } else { "null" };
        let json = format!(
            r#"{{"uri":"sip:a@b","to":"sip:a@b","local":"192.0.2.1:5060","destination":"192.0.2.2:5060","group":{group},
            "trunk":null,"binding":{binding},"media_source":"latch","ring_timeout":60}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn devices_are_asked_at_once_and_the_first_yes_counts() {
        let mut relay = Relay::new(vec![target(0, true), target(0, true)]);
        assert_eq!(relay.begin(), Next::Ask(vec![0, 1]));
        assert_eq!(relay.answered(1, Some(486)), Next::Wait);
        assert_eq!(relay.answered(0, Some(202)), Next::Tell(202));
        let mut relay = Relay::new(vec![target(0, true), target(0, true)]);
        relay.begin();
        assert_eq!(relay.answered(0, Some(200)), Next::Tell(200));
        assert_eq!(relay.answered(1, Some(200)), Next::Wait, "it was told once");
    }

    #[test]
    fn the_next_group_is_asked_where_every_failure_lets_it() {
        let mut relay = Relay::new(vec![target(0, false), target(1, false)]);
        assert_eq!(relay.begin(), Next::Ask(vec![0]));
        assert_eq!(relay.answered(0, Some(503)), Next::Ask(vec![1]));
        assert_eq!(relay.answered(1, Some(404)), Next::Tell(404));
        let mut relay = Relay::new(vec![target(0, false), target(1, false)]);
        relay.begin();
        assert_eq!(relay.answered(0, Some(404)), Next::Tell(404), "another carrier would not know either");
        let mut relay = Relay::new(vec![target(0, true), target(1, true)]);
        relay.begin();
        assert_eq!(relay.answered(0, Some(603)), Next::Tell(603));
    }

    #[test]
    fn silence_is_no_408_and_a_503_from_below_no_503() {
        for (status, told) in [(None, 504), (Some(408), 480), (Some(503), 500), (Some(407), 403), (Some(302), 480)] {
            let mut relay = Relay::new(vec![target(0, false)]);
            relay.begin();
            assert_eq!(relay.answered(0, status), Next::Tell(told), "{status:?}");
        }
    }

    #[test]
    fn a_device_whose_flow_has_failed_is_asked_by_its_other_way() {
        let spare = Target { spare: true, ..target(0, true) };
        let both = || Relay::new(vec![target(0, true), spare.clone(), target(1, true)]);
        for lost in [None, Some(430), Some(408)] {
            let mut relay = both();
            assert_eq!(relay.begin(), Next::Ask(vec![0]));
            assert_eq!(relay.answered(0, lost), Next::Ask(vec![1]));
            assert_eq!(relay.answered(1, Some(200)), Next::Tell(200));
        }
        let mut relay = both();
        relay.begin();
        assert_eq!(relay.answered(0, Some(486)), Next::Ask(vec![2]), "it was reached");
    }

    #[test]
    fn a_large_group_is_asked_in_turns() {
        let mut relay = Relay::new((0..13).map(|_| target(0, true)).collect());
        assert_eq!(relay.begin(), Next::Ask((0..10).collect()));
        for index in 0..9 {
            assert_eq!(relay.answered(index, Some(480)), Next::Wait);
        }
        assert_eq!(relay.answered(9, Some(480)), Next::Ask(vec![10, 11, 12]));
    }
}
