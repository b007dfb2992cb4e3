//! From the fold to what a reader sees.

use super::Replay;
use super::agreement::{Agreement, Offer};
use super::state::{ChangeAt, EventAt, LegAt, OfferAt, SessionAt, StreamAt, TimerAt, TransferAt};
use crate::names::name_of;
use crate::timelines::legs::role;
use domain::ids::LegId;
use domain::sdp::{self, Description, Direction, StreamDescription, StreamKind};
use domain::session::event::Way;
use domain::session::leg::{Leg, LegRole, LegStatus};

impl Replay {
    pub(super) fn shown(&self, last_event: EventAt) -> SessionAt {
        let (session, parties) = (&self.session, self.parties.as_ref());
        let who = |leg: LegId| role(&self.legs, leg);
        let timer = |(timer, leg, ends): (&'static str, LegId, _)| TimerAt {
            timer,
            leg,
            role: who(leg),
            ends_at: format!("{ends}"),
        };
        SessionAt {
            session: session.id,
            account: self.begun.then_some(session.account),
            status: self.status(),
            mode: session.mode.map(|mode| name_of(&mode)),
            ended: self.ended.clone(),
            caller: parties.map(|parties| parties.caller.clone()),
            called: parties.map(|parties| parties.called.clone()),
            call_id: parties.map(|parties| parties.call_id.clone()),
            route_rule: self.rule.clone(),
            legs: session.legs.iter().map(|leg| self.leg(leg)).collect(),
            change: self.change.map(|(leg, change)| ChangeAt { leg, role: who(leg), change: name_of(&change) }),
            transfer: session.transfer.map(|transfer| TransferAt {
                by: transfer.by,
                remaining: transfer.remaining,
                joins: session.joins,
            }),
            timers: self.clocks.running(session).into_iter().map(timer).collect(),
            last_event,
            next_at: self.next_at.map(|at| at.to_string()),
        }
    }

    fn status(&self) -> &'static str {
        match (self.session.ended, self.session.mode) {
            (true, _) => "ended",
            (false, Some(_)) => "answered",
            (false, None) if self.rang => "ringing",
            (false, None) => "offered",
        }
    }

    fn leg(&self, leg: &Leg) -> LegAt {
        let line = self.legs.iter().find(|line| line.leg == leg.id);
        let agreement = self.agreements.get(&leg.id);
        LegAt {
            leg: leg.id,
            role: role(&self.legs, leg.id),
            direction: match leg.role {
                LegRole::Caller => "incoming",
                LegRole::Callee => "outgoing",
            },
            status: status_name(leg.status),
            trunk: leg.far.trunk,
            talks_with: self.talks_with(leg),
            refused: leg.refused.map(|(status, cause)| format!("{} {status}", name_of(&cause))),
            released: line.and_then(|line| line.released.clone()),
            media: agreement.filter(|_| leg.is_live()).map(|agreed| self.media(leg, agreed)).unwrap_or_default(),
            offer: agreement.and_then(|agreement| agreement.offer.as_ref()).filter(|_| leg.is_live()).map(offer),
        }
    }

    /// Two talk while both are answered.
    fn talks_with(&self, leg: &Leg) -> Option<LegId> {
        let answered = |leg: &LegId| self.session.leg(*leg).is_some_and(Leg::is_answered);
        self.session.peer_of(leg.id).filter(answered).filter(|_| leg.is_answered())
    }

    fn media(&self, leg: &Leg, agreed: &Agreement) -> Vec<StreamAt> {
        let described = |sdp: &Option<bytes::Bytes>| sdp.as_ref().and_then(|sdp| sdp::describe(sdp).ok());
        let Some(peer) = described(&agreed.peer) else { return Vec::new() };
        let told: Option<Description> = described(&agreed.ours);
        let line = |(index, stream): (usize, &StreamDescription)| {
            let number = u8::try_from(index).ok()?;
            let told = told.as_ref().and_then(|told| told.streams.get(index));
            Some(StreamAt {
                stream: number,
                kind: kind_name(stream.kind),
                says: direction_name(stream),
                told: told.map(direction_name),
                wants_at: stream.rtp.map(|address| address.to_string()),
                port: leg.ports.get(index).copied().flatten().map(|ports| ports.rtp()),
                latched: leg.latched.get(index).copied().flatten().map(|source| source.to_string()),
                payload_types: stream.clock_rates.iter().map(|(payload_type, _)| *payload_type).collect(),
                silent: self.silent.contains(&(leg.id, number)),
            })
        };
        peer.streams.iter().enumerate().filter_map(line).collect()
    }
}

fn offer(offer: &Offer) -> OfferAt {
    let says = sdp::describe(&offer.sdp).map(|offered| offered.streams.iter().map(direction_name).collect());
    OfferAt {
        by: match offer.by {
            Way::Received => "peer",
            Way::Sent => "exchange",
        },
        since: offer.since.to_string(),
        says: says.unwrap_or_default(),
    }
}

const fn status_name(status: LegStatus) -> &'static str {
    match status {
        LegStatus::Inviting => "inviting",
        LegStatus::Alerting => "alerting",
        LegStatus::Answered => "answered",
        LegStatus::Confirmed => "confirmed",
        LegStatus::Releasing => "releasing",
        LegStatus::Away => "away",
        LegStatus::Gone => "gone",
    }
}

const fn kind_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Audio => "audio",
        StreamKind::Video => "video",
        StreamKind::Image => "image",
        StreamKind::Other => "other",
    }
}

fn direction_name(stream: &StreamDescription) -> &'static str {
    match stream.direction {
        _ if stream.port == 0 => "rejected",
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}
