//! What is sent again until it is answered, and what is kept to answer repeats (RFC 3261 §17, over UDP).

use super::message::Key;
use rsip::Request;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes on their way to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where they go.
    pub to: SocketAddr,
    /// One SIP message.
    pub bytes: Vec<u8>,
}

/// Round-trip estimate from which all other times follow: T2 is 8·T1, patience 64·T1.
#[derive(Debug, Clone, Copy)]
pub struct T1(pub Duration);

impl Default for T1 {
    /// 500 ms (RFC 3261 §17.1.1.1).
    fn default() -> Self {
        Self(Duration::from_millis(500))
    }
}

impl T1 {
    /// 64·T1: timers B, F and H.
    pub fn patience(self) -> Duration {
        self.0 * 64
    }

    /// 8·T1: the longest interval between repeats of all but an INVITE.
    fn t2(self) -> Duration {
        self.0 * 8
    }
}

/// A series of repeats with doubling intervals.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    next: Instant,
    interval: Duration,
    longest: Duration,
    give_up: Instant,
}

/// What is to be done about something that repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send it again.
    Again,
    /// Nobody answers.
    GiveUp,
}

impl Repeat {
    /// Of an INVITE: the intervals double without limit (timers A and B).
    pub fn of_invite(now: Instant, t1: T1) -> Self {
        Self { next: now + t1.0, interval: t1.0, longest: t1.patience(), give_up: now + t1.patience() }
    }

    /// Of other requests (timers E and F) and of final responses to INVITE (timers G and H).
    pub fn of_others(now: Instant, t1: T1) -> Self {
        Self { longest: t1.t2(), ..Self::of_invite(now, t1) }
    }

    /// No repeats, only the end of patience: an INVITE that has been cancelled (RFC 3261 §9.1).
    pub fn patience_only(now: Instant, t1: T1) -> Self {
        Self { next: now + t1.patience(), ..Self::of_invite(now, t1) }
    }

    /// When [`Repeat::due`] is to be asked again.
    pub fn wake_at(&self) -> Instant {
        self.next.min(self.give_up)
    }

    /// What is to be done at `now`. Moves on to the next repeat.
    pub fn due(&mut self, now: Instant) -> Due {
        if now >= self.give_up {
            return Due::GiveUp;
        }
        if now < self.next {
            return Due::Nothing;
        }
        self.interval = (self.interval * 2).min(self.longest);
        self.next = now + self.interval;
        Due::Again
    }
}

/// A request of ours without a final response.
#[derive(Debug)]
pub struct Client {
    /// Its transaction.
    pub key: Key,
    /// Its CSeq number.
    pub sequence: u32,
    /// As it was sent; CANCEL and ACK are made from it.
    pub request: Request,
    /// The same in bytes.
    pub datagram: Datagram,
    /// `None` once a provisional response ended the repeats of an INVITE.
    pub repeat: Option<Repeat>,
}

/// A request of the other end, with our last response to it.
#[derive(Debug)]
pub struct Server {
    /// Its transaction.
    pub key: Key,
    /// Its CSeq number.
    pub sequence: u32,
    /// What a repeat of the request is answered with.
    pub datagram: Datagram,
    /// Whether that is a final response.
    pub is_final: bool,
    /// Repeats of a final response to INVITE until its ACK.
    pub repeat: Option<Repeat>,
    /// Whether our silence after all repeats ends the call: a 2xx without ACK (RFC 3261 §13.3.1.4).
    pub must_be_acknowledged: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(mut repeat: Repeat, start: Instant) -> Vec<u128> {
        let mut at = Vec::new();
        loop {
            let now = repeat.wake_at();
            match repeat.due(now) {
                Due::Again => at.push((now - start).as_millis()),
                Due::GiveUp => return at.into_iter().chain([(now - start).as_millis()]).collect(),
                Due::Nothing => panic!("woken for nothing"),
            }
        }
    }

    #[test]
    fn repeats_come_when_the_rfc_says() {
        let (now, t1) = (Instant::now(), T1::default());
        assert_eq!(repeats(Repeat::of_invite(now, t1), now), [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]);
        let others = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000];
        assert_eq!(repeats(Repeat::of_others(now, t1), now), others);
        assert_eq!(repeats(Repeat::patience_only(now, t1), now), [32_000]);
    }
}
