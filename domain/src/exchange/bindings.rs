//! What becomes of bindings without a REGISTER: they expire, their connections break, and the API makes and removes them.
//! [G1, G6]

use super::Exchange;
use crate::address::Flow;
use crate::ids::{AccountId, BindingId, RegistrationId};
use crate::log::{Revision, StreamName};
use crate::ports::Mint;
use crate::registration::{Aor, CommandRejection, Registration, RegistrationCommand, RegistrationEvent, Terms};
use crate::time::{Moment, Now, WallTime};
use std::time::Duration;

/// Addresses whose bindings are ended in one turn: the rest comes next.
const EXPIRE_AT_ONCE: usize = 256;

/// Bindings that have expired are looked for again after this long: those that were just ended are found until that is
/// durable.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a command of the API led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commanded {
    /// It is carried out once the log has it.
    Decided(Decided),
    /// The address's stream is being read, or its first append is on its way: the command is to be given again when that
    /// is done.
    Reading,
    /// It cannot be carried out now.
    Away,
}

/// A command that is carried out; done when the stream is durable up to that revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The binding made or removed.
    pub binding: BindingId,
    /// The stream.
    pub stream: StreamName,
    /// The revision of the newest event that followed.
    pub revision: Revision,
}

impl Exchange {
    /// Bindings that nobody refreshed end.
    pub(super) fn expire_bindings(&mut self, now: Now, mint: &mut dyn Mint) {
        let Self { registrar, desk, expire_at, .. } = self;
        for aor in registrar.bindings.overdue(now.wall, EXPIRE_AT_ONCE + registrar.unread.len()) {
            let Some((id, live)) = registrar.live_bound(&aor) else { continue };
            if live.outbox.is_frozen() || !live.has_key(mint) {
                continue;
            }
            let events = live.registration.expire(now.wall);
            if !events.is_empty() {
                live.state_if_due(desk, mint, now.wall);
                live.cause = None;
                live.change(desk, mint, now.wall, events);
                registrar.touched.push(id);
            }
        }
        *expire_at = None;
        self.wake_for_expiry(now);
    }

    /// The connection that bindings came by is gone: they end, or are reached by their contacts (RFC 5626 §5.3).
    pub(super) fn lose_flow(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow) {
        if !self.registrar.bindings.on_flow(&flow).is_empty() {
            self.registrar.lost.insert(flow);
            self.end_lost_flows(now, mint);
        }
    }

    /// Ends bindings of flows that are gone; what cannot be ended yet is looked at again a little later.
    pub(super) fn end_lost_flows(&mut self, now: Now, mint: &mut dyn Mint) {
        let mut left = std::mem::take(&mut self.registrar.lost);
        let now_lost: Vec<Flow> = left.iter().copied().take(EXPIRE_AT_ONCE).collect();
        for flow in now_lost {
            let aors = self.registrar.bindings.on_flow(&flow).to_vec();
            let mut all = true;
            for aor in &aors {
                all &= self.flow_lost_of(now, mint, flow, aor);
            }
            if all {
                left.remove(&flow);
            }
        }
        self.lost_at = (!left.is_empty()).then(|| now.moment + LOOK_AGAIN);
        self.registrar.lost = left;
    }

    /// Whether all that was to be said of an address's bindings by that flow has been.
    fn flow_lost_of(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, aor: &Aor) -> bool {
        let Self { registrar, desk, .. } = self;
        let Some((id, live)) = registrar.live_bound(aor) else { return false };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            return false;
        }
        let events = live.registration.flow_lost(&flow);
        if !events.is_empty() {
            live.state_if_due(desk, mint, now.wall);
            live.cause = None;
            live.change(desk, mint, now.wall, events);
        }
        registrar.touched.push(id);
        true
    }

    /// An address has another home now than when its bindings were made, because a domain or trunk is no more: they end, and
    /// whoever asks for its stream waits until that is durable.
    pub(super) fn end_former_bindings(&mut self, now: Now, mint: &mut dyn Mint, aor: &Aor, id: RegistrationId) {
        let Self { registrar, desk, .. } = self;
        let elsewhere = registrar.stands_elsewhere(id, aor);
        let Some((former, live)) = elsewhere.then(|| registrar.live_bound(aor)).flatten() else { return };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            return;
        }
        let events = live.registration.leave();
        if !events.is_empty() {
            live.state_if_due(desk, mint, now.wall);
            live.cause = None;
            live.change(desk, mint, now.wall, events);
        }
        registrar.touched.push(former);
    }

    /// Makes sure that the bindings which calls find are looked at when the next one expires. What has expired already
    /// is being ended, or cannot be yet: it is looked at again a little later.
    pub(super) fn wake_for_expiry(&mut self, now: Now) {
        if let Some(next) = self.registrar.bindings.next_expiry()
            && (next > now.wall || self.expire_at.is_none())
        {
            wake_by(&mut self.expire_at, Some(next.max(now.wall + LOOK_AGAIN)), now);
        }
    }

    /// Carries out a command of the API on an address of one of an account's domains or trunks.
    ///
    /// # Errors
    /// A rule says no.
    pub fn command_binding(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        account: AccountId,
        aor: &Aor,
        command: &RegistrationCommand,
    ) -> Result<Commanded, CommandRejection> {
        let room = self.room_of(account);
        let Self { registrar, tables, desk, expire_at, settings, .. } = self;
        let registrant = tables.registrant(aor, settings.domain.as_deref());
        let registrant = registrant.filter(|known| known.account == account).ok_or(CommandRejection::NoDomain)?;
        let id = match registrar.live_of(aor, &registrant) {
            Ok((id, _)) => id,
            Err(id) => {
                let commanded = if registrar.is_unreadable(id) { Commanded::Away } else { Commanded::Reading };
                self.end_former_bindings(now, mint, aor, id);
                return Ok(commanded);
            }
        };
        // Whatever comes of it: see `Registrar::let_rest`.
        registrar.touched.push(id);
        let Some(live) = registrar.live.get_mut(&id) else { return Ok(Commanded::Away) };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            return Ok(Commanded::Away);
        }
        let terms = Terms::of(aor, &registrant, room);
        let decided =
            live.registration.decide(command, &terms, now.wall, &mut || BindingId::from_bits(mint.wide_bits()));
        let events = decided?;
        // The command's own event comes last.
        let binding = events.last().and_then(RegistrationEvent::binding);
        live.state_if_due(desk, mint, now.wall);
        live.cause = None;
        live.change(desk, mint, now.wall, events);
        wake_by(expire_at, live.registration.next_expiry(), now);
        let last = live.outbox.last().map(|(stream, revision)| (stream.clone(), revision));
        let decided = binding.zip(last).map(|(binding, (stream, revision))| Decided { binding, stream, revision });
        Ok(decided.map_or(Commanded::Away, Commanded::Decided))
    }

    /// The bindings of an address that calls can find now.
    pub fn bindings_of(&self, aor: &Aor) -> Option<&Registration> {
        self.registrar.bindings.get(aor)
    }

    /// How many addresses of record are in memory: those with bindings, and those that something is about to become of.
    pub fn address_count(&self) -> usize {
        self.registrar.live.len() + self.registrar.resting.len() + self.registrar.unread.len()
    }

    /// How many bindings calls can find.
    pub const fn binding_count(&self) -> usize {
        self.registrar.bindings.len()
    }
}

/// Makes sure that bindings are looked at when the next one expires.
pub(super) fn wake_by(expire_at: &mut Option<Moment>, next: Option<WallTime>, now: Now) {
    if let Some(next) = next {
        let at = now.moment + next.since(now.wall);
        *expire_at = Some(expire_at.map_or(at, |known| known.min(at)));
    }
}
