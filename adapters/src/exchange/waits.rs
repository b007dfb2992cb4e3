//! How long messages and appends wait: what overload is judged by.

use super::clock::since_stamped;
use domain::exchange::{Overloaded, Waits};
use domain::log::{AppendError, Outcome};
use domain::time::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// A log that has refused nothing for so long is there again.
const SURELY: Duration = Duration::from_secs(1);

/// Measures the turns of the SIP thread.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// When sockets were looked at before: nothing that is read now can have waited for longer, unless it was left there.
    looked: Moment,
    /// Since when sockets have not been read to the end; they are behind since then.
    behind_since: Option<Moment>,
    /// Nothing was there when this turn began to wait.
    rested: bool,
    /// The longest wait of this turn.
    longest: Duration,
    /// Something was left in a socket in this turn.
    left: bool,
    /// When appends were submitted that are not answered yet, and how many.
    in_flight: VecDeque<(Moment, usize)>,
    /// Since when the log refuses appends, and when it last did.
    refused: Option<(Moment, Moment)>,
    /// What was told of overload last.
    told: Option<Moment>,
}

impl Stopwatch {
    /// Datagrams were read, the first of which the kernel stamped so; how long it waited.
    pub fn read(&mut self, now: Moment, stamp: Duration) -> Waits {
        let most = now.since(self.behind_since.unwrap_or(self.looked));
        self.took(now, since_stamped(stamp).min(most))
    }

    /// Connections are read, which the kernel does not stamp: what they bring may have come right after the last look.
    pub fn read_unstamped(&mut self, now: Moment) -> Waits {
        self.took(now, if self.rested { Duration::ZERO } else { now.since(self.looked) })
    }

    fn took(&mut self, now: Moment, wait: Duration) -> Waits {
        self.longest = self.longest.max(wait);
        Waits { sockets: wait, log: self.log(now) }
    }

    /// How long the oldest append has waited for its answer.
    fn log(&self, now: Moment) -> Duration {
        self.in_flight.front().map_or(Duration::ZERO, |(at, _)| now.since(*at))
    }

    /// A socket was not read to its end.
    pub const fn left_some(&mut self) {
        self.left = true;
    }

    /// Whether something was left in this turn, so that the next one should not wait.
    pub const fn has_left(&self) -> bool {
        self.left
    }

    /// Nothing is there: the thread begins to wait.
    pub const fn rests(&mut self, now: Moment) {
        self.looked = now;
        self.rested = true;
    }

    /// Appends were submitted.
    pub fn submitted(&mut self, now: Moment, appends: usize) {
        self.in_flight.push_back((now, appends));
    }

    /// The log answered. Says where it does not take appends for want of a disk or a store, and where it does again.
    pub fn answered(&mut self, now: Moment, outcomes: &[Outcome]) {
        self.took_back(outcomes.len());
        let refusal = outcomes.iter().find_map(|outcome| match &outcome.result {
            Err(AppendError::Unavailable(why)) => Some(why),
            Ok(_) | Err(_) => None,
        });
        match (refusal, self.refused) {
            (Some(why), before) => {
                if before.is_none() {
                    tracing::error!(%why, "the log takes nothing: calls that run wait for it, new ones get 503");
                }
                self.refused = Some((before.map_or(now, |(since, _)| since), now));
            }
            (None, Some((since, last))) if now.since(last) >= SURELY => {
                tracing::info!(lasted_ms = millis(now.since(since)), "the log takes appends again: calls go on");
                self.refused = None;
            }
            (None, _) => {}
        }
    }

    /// So many appends were answered: the oldest, for a log answers in its order.
    fn took_back(&mut self, mut appends: usize) {
        while appends > 0
            && let Some((_, left)) = self.in_flight.front_mut()
        {
            let these = appends.min(*left);
            (*left, appends) = (*left - these, appends - these);
            if *left == 0 {
                self.in_flight.pop_front();
            }
        }
    }

    /// A turn that looked at the sockets is over; what waited in it.
    pub fn turned(&mut self, began: Moment, now: Moment) -> Waits {
        let waits = Waits { sockets: std::mem::take(&mut self.longest), log: self.log(now) };
        self.behind_since = if std::mem::take(&mut self.left) { self.behind_since.or(Some(self.looked)) } else { None };
        (self.looked, self.rested) = (began, false);
        waits
    }

    /// Says where overload begins and where it is over.
    pub fn tell(&mut self, now: Moment, stands: Overloaded, limit: Duration) {
        match (self.told, stands.since) {
            (None, Some(_)) => tracing::warn!(
                wait_ms = millis(stands.wait),
                limit_ms = millis(limit),
                "overload: messages or the log wait too long, so that new calls get 503 until it is better; calls that run go \
                 on. If it lasts, the machine or its disk is too small for the load"
            ),
            (Some(since), None) => tracing::info!(
                lasted_ms = millis(now.since(since)),
                refused_total = stands.refused,
                "overload is over: all new calls are taken again"
            ),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.told = stands.since;
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1_000)
    }

    fn came_before(span: Duration) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - span
    }

    #[test]
    fn a_datagram_waits_from_the_kernels_stamp_on() {
        let mut watch = Stopwatch::default();
        watch.rests(at(1_000));
        watch.read(at(9_000), came_before(Duration::from_millis(3_000)));
        let waited = watch.turned(at(9_000), at(9_001)).sockets;
        assert!(waited >= Duration::from_millis(3_000) && waited < Duration::from_millis(8_000), "{waited:?}");
    }

    #[test]
    fn a_clock_that_was_set_forward_makes_no_wait_longer_than_it_can_have_been() {
        let mut watch = Stopwatch::default();
        watch.rests(at(1_000));
        watch.read(at(1_020), came_before(Duration::from_secs(3_600)));
        assert_eq!(watch.turned(at(1_020), at(1_025)).sockets, Duration::from_millis(20));
    }

    #[test]
    fn what_connections_brought_may_have_come_right_after_the_last_look_unless_nothing_was_there() {
        let mut watch = Stopwatch::default();
        watch.turned(at(1_000), at(1_300));
        watch.read_unstamped(at(1_300));
        assert_eq!(watch.turned(at(1_300), at(1_310)).sockets, Duration::from_millis(300));
        watch.rests(at(1_310));
        watch.read_unstamped(at(2_000));
        assert_eq!(watch.turned(at(2_000), at(2_001)).sockets, Duration::ZERO);
    }

    #[test]
    fn what_was_left_in_a_socket_may_have_waited_since_before() {
        let mut watch = Stopwatch::default();
        watch.rests(at(1_000));
        watch.read(at(1_020), came_before(Duration::from_secs(3_600)));
        watch.left_some();
        watch.turned(at(1_020), at(1_100));
        watch.read(at(1_100), came_before(Duration::from_secs(3_600)));
        assert_eq!(watch.turned(at(1_100), at(1_200)).sockets, Duration::from_millis(100));
    }

    #[test]
    fn the_logs_wait_is_that_of_the_oldest_append_that_is_not_answered() {
        let mut watch = Stopwatch::default();
        watch.submitted(at(10), 2);
        watch.submitted(at(20), 3);
        assert_eq!(watch.turned(at(30), at(30)).log, Duration::from_millis(20));
        watch.took_back(3);
        assert_eq!(watch.turned(at(50), at(50)).log, Duration::from_millis(30));
        watch.took_back(2);
        assert_eq!(watch.turned(at(60), at(60)).log, Duration::ZERO);
    }
}
