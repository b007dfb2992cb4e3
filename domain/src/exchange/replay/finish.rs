//! All is played: from here on sessions write and order again.

use super::Unlike;
use super::history::Last;
use crate::address::Flow;
use crate::exchange::outbox::Outbox;
use crate::exchange::streams::Death;
use crate::exchange::{Effect, Exchange};
use crate::ids::{MessageId, SessionId};
use crate::media::{MediaOrder, MediaReport, PathId, Side, SideStatistics};
use crate::ports::Mint;
use crate::session::Session;
use crate::time::Now;
use std::collections::BTreeMap;

/// Media paths of a session, and whether they are being closed.
type Paths = BTreeMap<PathId, (Box<[Side; 2]>, bool)>;

impl Exchange {
    pub(super) fn finish(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        (lasts, messages): (BTreeMap<SessionId, Last>, BTreeMap<MessageId, Last>),
        death: &Death,
    ) -> Vec<Unlike> {
        let (mut unlike, mut ends, mut closed) = (vec![], vec![], vec![]);
        for (id, last) in lasts {
            let stream = last.recorded.stream.clone();
            let Some(live) = self.sessions.get_mut(&id) else {
                if !last.ended {
                    self.end_lost_session(now, mint, id, &last.recorded);
                    unlike.push(Unlike { stream, why: "it could not begin again".into() });
                }
                continue;
            };
            live.outbox = Outbox::restored(&last.recorded, self.settings.node);
            live.outbox.knows(last.newest);
            if live.session.ended {
                live.outbox.close();
            }
            let expectation = live.expects.take().unwrap_or_default();
            if let Some(why) = expectation.unlike() {
                unlike.push(Unlike { stream, why: why.to_owned() });
                ends.push(id);
            }
            expectation.ports.iter().for_each(|ports| mint.ports().claim(*ports));
            let (orders, closing) = media(&live.session, expectation.paths);
            self.effects.extend(orders);
            closed.extend(closing);
            self.touched.push(id);
        }
        let lost = self.restore_messages(now, mint, messages, &mut unlike);
        self.tell_missed(now, mint);
        let mut connections: Vec<Flow> = self.endpoint.connections().collect();
        connections.sort_unstable_by_key(|flow| (flow.local, flow.remote));
        self.endpoint.outlive_streams(now.moment, |_| true, &death.last);
        self.settle(now, mint);
        connections.into_iter().for_each(|flow| self.connection_lost_by_all(now, mint, flow, Some(death)));
        self.endpoint.repeat_soon(now.moment, &death.last);
        self.settle(now, mint);
        for id in ends {
            mint.begin_turn();
            self.release_session(now, mint, id);
        }
        for id in lost {
            mint.begin_turn();
            self.give_message_up(now, mint, id);
        }
        closed.iter().for_each(|report| self.report(now, mint, report));
        unlike
    }
}

impl Exchange {
    /// MESSAGEs write again; those of which nobody can tell what becomes are to be given up.
    fn restore_messages(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        lasts: BTreeMap<MessageId, Last>,
        unlike: &mut Vec<Unlike>,
    ) -> Vec<MessageId> {
        let mut lost = vec![];
        for (id, last) in lasts {
            let Some(live) = self.messages.live.get_mut(&id) else {
                if !last.ended {
                    self.end_lost_message(now, mint, id, &last.recorded);
                    unlike.push(Unlike { stream: last.recorded.stream, why: "it could not begin again".into() });
                }
                continue;
            };
            live.outbox = Outbox::restored(&last.recorded, self.settings.node);
            live.outbox.knows(last.newest);
            if live.ended {
                live.outbox.close();
            }
            if let Some(why) = live.expects.take().and_then(|recounted| recounted.unlike) {
                unlike.push(Unlike { stream: last.recorded.stream, why });
                // What is recorded of its end counts.
                live.ended |= last.ended;
                lost.push(id);
            }
            self.messages.touched.push(id);
        }
        lost
    }
}

/// Paths as they were ordered last, with the sources that were pinned since; and reports of those whose end nobody will tell
/// any more. What was counted on them is gone.
fn media(session: &Session, paths: Paths) -> (Vec<Effect>, Vec<MediaReport>) {
    let (mut orders, mut closed) = (vec![], vec![]);
    for (path, (mut sides, closing)) in paths {
        let stream = usize::from(path.stream);
        if session.paths.get(stream).copied().flatten().is_none() {
            continue;
        }
        if closing {
            let sides = sides.map(|side| (side.leg, SideStatistics::default()));
            closed.push(MediaReport::Closed { path, sides });
            continue;
        }
        for side in sides.iter_mut() {
            if let Some(leg) = session.leg(side.leg) {
                side.latched = leg.latched.get(stream).copied().flatten();
            }
        }
        orders.push(Effect::Media(MediaOrder::Relay { path, sides }));
    }
    (orders, closed)
}
