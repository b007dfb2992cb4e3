//! Devices behind NAT are asked now and then whether they are there, by OPTIONS (RFC 3261 §11): it keeps their way open, and
//! one that has answered before and answers no more is not called until it does. [G1, E2]
//!
//! A ping is no event, nor is its answer; what changes by it is one ([`RegistrationEvent::BindingReachChanged`]).

use super::Exchange;
use crate::address::Flow;
use crate::id_map::IdMap;
use crate::ids::{BindingId, LegId};
use crate::ports::Mint;
use crate::registration::{Aor, Binding, BindingReachChanged, Reach, Registration, RegistrationEvent, Restored};
use crate::sip::endpoint::{Fact, Outcome, OutsidePlan, SessionHeaders};
use crate::sip::wire::Method;
use crate::time::{Moment, Now};
use std::collections::BTreeSet;
use std::time::Duration;

/// So many pings in a row without an answer, each with all its repeats, and a device is not there.
const MISSED: u8 = 3;

/// Pings of one turn: the rest comes next.
const AT_ONCE: usize = 64;

/// The rest comes after this long.
const NEXT: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// Time between two pings of a device; none are sent without it.
    every: Option<Duration>,
    known: IdMap<BindingId, Pinged>,
    due: BTreeSet<(Moment, BindingId)>,
    /// Whose bindings of before the start are to be pinged from then on.
    of_before: Vec<Aor>,
    /// What our requests are about, by the leg that their transaction is known by.
    asked: IdMap<LegId, BindingId>,
}

/// A binding that is pinged.
#[derive(Debug)]
struct Pinged {
    aor: Aor,
    /// Whether it has answered ever: some devices answer no OPTIONS at all.
    answers: bool,
    missed: u8,
}

impl Pings {
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self { every, ..Self::default() }
    }

    /// Bindings of an address are there from before the start, which has yet to come.
    pub(super) fn were_there(&mut self, restored: &Restored) {
        let whose = restored.whose().filter(|_| self.every.is_some() && restored.is_behind_nat);
        self.of_before.extend(whose.map(|(aor, _)| aor));
    }

    /// All that were there before the start, in an order that is the same each time.
    pub(super) fn of_before(&mut self) -> Vec<Aor> {
        self.of_before.sort_unstable();
        std::mem::take(&mut self.of_before)
    }

    /// Bindings of an address that are new are pinged from now on, the first time at random within the interval; those
    /// that are known have just shown that they are there.
    pub(super) fn watch(&mut self, now: Moment, mint: &mut dyn Mint, aor: &Aor, registration: &Registration) {
        let Some(every) = self.every else { return };
        for binding in registration.all().iter().filter(|binding| binding.is_behind_nat()) {
            match self.known.get_mut(&binding.id) {
                Some(pinged) => pinged.missed = 0,
                None => {
                    self.known.insert(binding.id, Pinged { aor: aor.clone(), answers: false, missed: 0 });
                    let wait = mint.bits() % u64::try_from(every.as_micros()).unwrap_or(u64::MAX).max(1);
                    self.due.insert((now + Duration::from_micros(wait), binding.id));
                }
            }
        }
    }

    /// Whether a leg is a ping's.
    pub(super) fn is_one(&self, leg: LegId) -> bool {
        self.asked.contains_key(&leg)
    }

    /// A ping's leg is remembered no longer; `false` where it is none.
    pub(super) fn forget(&mut self, leg: LegId) -> bool {
        self.asked.remove(&leg).is_some()
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What became of a ping: whose it was, and whether there is a way to the device, where that is known now.
    fn heard(&mut self, now: Moment, id: BindingId, answered: bool) -> Option<(Aor, Option<Reach>)> {
        let every = self.every?;
        let pinged = self.known.get_mut(&id)?;
        self.due.insert((now + every, id));
        pinged.answers |= answered;
        pinged.missed = if answered { 0 } else { pinged.missed.saturating_add(1) };
        let gone = pinged.answers && pinged.missed >= MISSED;
        let reach = if answered { Some(Reach::Flow) } else { gone.then_some(Reach::Nowhere) };
        Some((pinged.aor.clone(), reach))
    }
}

impl Exchange {
    /// Pings the devices whose time has come.
    pub(super) fn ping_devices(&mut self, now: Now, mint: &mut dyn Mint) {
        for _ in 0..AT_ONCE {
            let Some((at, id)) = self.pings.due.first().copied().filter(|(at, _)| *at <= now.moment) else { return };
            self.pings.due.remove(&(at, id));
            let Some(pinged) = self.pings.known.get(&id) else { continue };
            let bound = self.registrar.bindings.get(&pinged.aor);
            let binding = bound.and_then(|registration| registration.binding(id));
            let way =
                binding.filter(|binding| binding.is_behind_nat()).and_then(|binding| Some((binding, binding.flow()?)));
            match way.map(|(binding, flow)| self.ping_of(mint, &pinged.aor, binding, flow)) {
                None => drop(self.pings.known.remove(&id)),
                Some(plan) => {
                    self.pings.asked.insert(plan.leg, id);
                    self.endpoint.ask(now.moment, mint, plan);
                    self.settle(now, mint);
                }
            }
        }
        if let Some((at, id)) = self.pings.due.first().copied().filter(|(at, _)| *at <= now.moment) {
            self.pings.due.remove(&(at, id));
            self.pings.due.insert((now.moment + NEXT, id));
        }
    }

    fn ping_of(&self, mint: &mut dyn Mint, aor: &Aor, binding: &Binding, flow: Flow) -> OutsidePlan {
        let domain = self.domain(flow);
        let contact = binding.device.contact.as_uri();
        let headers = contact.headers().map_or(0, |headers| headers.len() + 1);
        let target = contact.as_str();
        OutsidePlan {
            leg: LegId::from_bits(mint.bits()),
            method: Method::Options,
            uri: target.get(..target.len() - headers).unwrap_or(target).into(),
            from: format!("<sip:{domain}>").into(),
            to: format!("<sip:{aor}>").into(),
            call_id: format!("{:032x}", mint.wide_bits()).into(),
            cseq: 1,
            flow,
            routes: binding.device.path.clone(),
            max_forwards: 70,
            headers: SessionHeaders(vec![("Accept".into(), "application/sdp".into())]),
            body: None,
            login: None,
        }
    }

    /// What the endpoint learned about a ping of a device. Any final response shows that somebody is there.
    pub(super) fn learn_of_ping(&mut self, now: Now, mint: &mut dyn Mint, leg: LegId, fact: &Fact) {
        let (Fact::Concluded(outcome), Some(id)) = (fact, self.pings.asked.get(&leg).copied()) else { return };
        let Outcome { response, .. } = &**outcome;
        if let Some((aor, Some(reach))) = self.pings.heard(now.moment, id, response.is_some()) {
            self.reach_changes(now, mint, &aor, id, reach);
        }
    }

    /// A binding is reached in another way than before, if it is. Where that cannot be written down now, the next ping
    /// finds out again.
    fn reach_changes(&mut self, now: Now, mint: &mut dyn Mint, aor: &Aor, id: BindingId, reach: Reach) {
        let Self { registrar, desk, .. } = self;
        let Some((stream, live)) = registrar.live_bound(aor) else { return };
        let differs = |binding: &Binding| binding.reach != reach && binding.reach != Reach::Contact;
        if live.outbox.is_frozen() || !live.registration.binding(id).is_some_and(differs) || !live.has_key(mint) {
            return;
        }
        live.state_if_due(desk, mint, now.wall);
        live.cause = None;
        let changed = BindingReachChanged { binding: id, account: live.account, reach };
        live.change(desk, mint, now.wall, vec![RegistrationEvent::BindingReachChanged(changed)]);
        registrar.touched.push(stream);
    }
}
