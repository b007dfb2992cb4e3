//! Trunks whose health is looked after: by OPTIONS (RFC 3261 §11), and by what calls meet there. What follows is decided in
//! `uplink/health.rs`; routing passes over trunks that are down as long as there are others.

use super::Exchange;
use super::uplinks::Ask;
use crate::ids::{LegId, SessionId, TrunkId, UplinkId};
use crate::ports::Mint;
use crate::session::leg::{LegRole, LegStatus};
use crate::sip::endpoint::{Fact, Outcome, OutsidePlan, SessionHeaders};
use crate::sip::wire::Method;
use crate::time::Now;
use crate::trunk::{HealthRule, TrunkHealth};
use crate::uplink::{Health, Heard, TrunkUp, UplinkEvent};

impl Exchange {
    /// The settings say how a trunk is looked after.
    pub(super) fn set_health(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, settings: TrunkHealth) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id) else { return };
        let off = settings.rule == HealthRule::Off;
        match &mut live.health {
            Some(health) if off => {
                let was_down = health.is_down();
                (live.health, live.health_at) = (None, None);
                if was_down {
                    live.record(desk, mint, now.wall, UplinkEvent::TrunkUp(TrunkUp { answered: false }));
                    uplinks.touched.push(id);
                }
            }
            Some(health) => {
                health.set(settings);
                let due = health.pings_every().map(|every| now.moment + every);
                live.health_at = match (live.health_at, due) {
                    (Some(at), Some(due)) => Some(at.min(due)),
                    (at, due) => at.or(due),
                };
            }
            None if off => {}
            None => {
                let health = Health::new(settings);
                live.health_at = health.pings_every().map(|_| now.moment);
                live.health = Some(health);
            }
        }
    }

    /// Pings a trunk where it is time to, or gives it another chance.
    pub(super) fn look_after_if_due(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId) {
        let Some(live) = self.uplinks.live.get_mut(&id).filter(|live| live.ending.is_none() && !live.pinging) else {
            return;
        };
        let Some(health) = live.health.as_mut().filter(|_| live.health_at.is_some_and(|at| at <= now.moment)) else {
            return;
        };
        live.health_at = None;
        if health.pings_every().is_some() {
            return self.ping(now, mint, id);
        }
        if let Some(event) = health.time_is_over() {
            live.record(&mut self.desk, mint, now.wall, event);
            self.uplinks.touched.push(id);
        }
    }

    fn ping(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId) {
        let Some(trunk) = self.uplinks.live.get(&id).map(|live| live.trunk) else { return };
        let row = self.tables.trunk(trunk);
        let way = row.and_then(|row| {
            let destination = row.settings.destination.as_ref()?;
            Some((self.way_to(destination, row.settings.kind, 0)?, destination.to_string()))
        });
        let login = self.login_of(trunk).map(Box::new);
        let Some((flow, uri)) = way else { return self.trunk_heard(now, mint, id, Heard::Nothing, true) };
        let leg = LegId::from_bits(mint.bits());
        let domain = self.domain(flow);
        let plan = OutsidePlan {
            leg,
            method: Method::Options,
            from: format!("<sip:{domain}>").into(),
            to: format!("<{uri}>").into(),
            uri: uri.into(),
            call_id: format!("{:032x}", mint.wide_bits()).into(),
            cseq: 1,
            flow,
            routes: Vec::new(),
            max_forwards: 70,
            headers: SessionHeaders(vec![("Accept".into(), "application/sdp".into())]),
            body: None,
            login,
        };
        if let Some(live) = self.uplinks.live.get_mut(&id) {
            live.pinging = true;
        }
        self.asks_for(leg, id, Ask::Ping);
        self.endpoint.ask(now.moment, mint, plan);
    }

    pub(super) fn ping_answered(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, outcome: &Outcome) {
        if let Some(live) = self.uplinks.live.get_mut(&id) {
            live.pinging = false;
        }
        self.trunk_heard(now, mint, id, Heard::of(outcome.response.as_ref()), true);
    }

    /// A call met this at a trunk.
    pub(super) fn call_met(&mut self, session: SessionId, leg: LegId, fact: &Fact) {
        if self.uplinks.live.is_empty() {
            return;
        }
        let heard = match fact {
            Fact::Progressed(_) | Fact::Accepted(_) => Heard::Answer,
            Fact::Refused(response) => Heard::of(Some(response)),
            Fact::Unanswered => Heard::Nothing,
            Fact::NoAnswer if self.endpoint.heard_nothing(leg) => Heard::Nothing,
            _ => return,
        };
        let leg = self.sessions.get(&session).and_then(|live| live.session.leg(leg));
        // What was given up already said what it had to say.
        let early = leg.filter(|leg| {
            leg.role == LegRole::Callee && matches!(leg.status, LegStatus::Inviting | LegStatus::Alerting)
        });
        let Some(trunk) = early.and_then(|leg| leg.far.trunk) else { return };
        let Some(id) = self.uplinks.of_trunk(trunk) else { return };
        self.met.push((id, heard));
    }

    /// What calls met at trunks is taken in once their turn is over: their events are theirs alone.
    pub(super) fn heed_calls(&mut self, now: Now, mint: &mut dyn Mint) {
        for (id, heard) in std::mem::take(&mut self.met) {
            mint.begin_turn();
            self.trunk_heard(now, mint, id, heard, false);
            self.uplinks.reschedule(now, id);
        }
    }

    fn trunk_heard(&mut self, now: Now, mint: &mut dyn Mint, id: UplinkId, heard: Heard, ping: bool) {
        let Self { uplinks, desk, .. } = self;
        let Some(live) = uplinks.live.get_mut(&id).filter(|live| live.ending.is_none()) else { return };
        let Some(health) = live.health.as_mut() else { return };
        let (event, wait) = health.heard(now, heard, ping, mint.bits());
        live.health_at = wait.map(|wait| now.moment + wait).or(live.health_at);
        if let Some(event) = event {
            live.record(desk, mint, now.wall, event);
            uplinks.touched.push(id);
        }
    }

    /// Whether routing passes over a trunk, as far as that is durable.
    pub fn is_down(&self, trunk: TrunkId) -> bool {
        self.standing(trunk).is_some_and(|standing| standing.reach.down_since.is_some())
    }
}
