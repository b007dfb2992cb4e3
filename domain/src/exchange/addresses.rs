//! The streams of addresses of record in memory: those with bindings, and those that something is about to become of.
//!
//! An address that is not in memory may have a stream all the same. A REGISTER supposes that it has none: should the log
//! say otherwise, it is read, for its next event needs the hash of its last, and the REGISTER is taken in again. Nothing of
//! it has left by then. Who cannot be taken in again has it read first.

use super::held::{Bound, Effect};
use super::outbox::Outbox;
use super::registrar::Registrar;
use crate::address::Flow;
use crate::codec::Desk;
use crate::codec::registration::encode;
use crate::codec::seal::{KeyRef, SealKey};
use crate::ids::{AccountId, EventId, LegId, RegistrationId};
use crate::log::{Life, StreamEnd, StreamName};
use crate::ports::Mint;
use crate::registration::{Aor, Registration, RegistrationEvent, STATE_EVERY};
use crate::routing::Registrant;
use crate::session::event::Wire;
use crate::sip::timer::TransactionId;
use crate::sip::wire::Message;
use crate::time::WallTime;

/// One address's stream.
#[derive(Debug)]
pub(super) struct Live {
    id: RegistrationId,
    pub(super) aor: Aor,
    pub(super) account: AccountId,
    /// As decided; durable or about to be.
    pub(super) registration: Registration,
    pub(super) outbox: Outbox,
    /// Whether it is only supposed that the log has no such stream.
    supposed: bool,
    key: Option<(KeyRef, SealKey)>,
    pub(super) cause: Option<EventId>,
    /// Why the REGISTER at hand is refused.
    pub(super) reason: Option<Box<str>>,
    /// The REGISTERs whose append is not durable yet: should the log say that the stream is elsewhere, they are taken in
    /// again.
    pub(super) pending: Vec<Pending>,
    /// The REGISTERs whose transactions absorb repeats, by their legs.
    pub(super) legs: Vec<LegId>,
    /// Events since the last one that told all bindings.
    since_stated: usize,
}

/// A stream with bindings of which nothing is on its way: all that was decided is durable, and its bindings are those that
/// calls find. Most addresses are so most of the time.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) end: StreamEnd,
    /// See [`Live`].
    pub(super) since_stated: usize,
    pub(super) key: Option<(KeyRef, SealKey)>,
}

/// A REGISTER that somebody may send, not answered yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// Absorbs what comes of it again; none where it was not taken in yet.
    pub(super) transaction: Option<TransactionId>,
    pub(super) flow: Flow,
    pub(super) request: Message,
    /// Its answer, where the log turned out to have it.
    pub(super) answer: Option<Wire>,
}

/// A stream that is being read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) aor: Aor,
    pub(super) account: AccountId,
    /// REGISTERs that are taken in when that is done.
    pub(super) pending: Vec<Pending>,
}

impl Unread {
    fn of(aor: &Aor, registrant: &Registrant) -> Self {
        Self { aor: aor.clone(), account: registrant.account, pending: Vec::new() }
    }
}

impl Live {
    /// A stream whose last event that told all bindings is so many events ago.
    pub(super) fn new(
        (id, aor, account): (RegistrationId, Aor, AccountId),
        registration: Registration,
        outbox: Outbox,
        since_stated: usize,
    ) -> Self {
        Self {
            id,
            aor,
            account,
            registration,
            outbox,
            supposed: false,
            key: None,
            cause: None,
            reason: None,
            pending: Vec::new(),
            legs: Vec::new(),
            since_stated,
        }
    }

    pub(super) fn write_as(&mut self, desk: &mut Desk, id: EventId, at: WallTime, event: &RegistrationEvent) {
        // Without a key nothing is decided: see `Live::has_key`.
        let Some((reference, secret)) = &self.key else { return };
        let encoded = encode(desk, event, id, *reference, secret);
        self.outbox.record(desk, id, at, self.cause, encoded);
        self.since_stated = if event.tells_all() { 0 } else { self.since_stated + 1 };
    }

    /// Writes a summary where one is due. It is the first event of its append: whoever looks for what became of an append
    /// finds all of it after the last summary.
    pub(super) fn state_if_due(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime) {
        if self.since_stated < STATE_EVERY || !self.outbox.begins_append() {
            return;
        }
        self.cause = None;
        let stated = self.registration.stated(&self.aor, self.account);
        self.write_as(desk, mint.event_id(), at, &stated);
    }

    /// Records what changes, and what calls shall find once that is durable.
    pub(super) fn change(
        &mut self,
        desk: &mut Desk,
        mint: &mut dyn Mint,
        at: WallTime,
        events: Vec<RegistrationEvent>,
    ) {
        for event in events {
            let event = self.registration.written(event);
            self.registration.apply(at, &event);
            self.write_as(desk, mint.event_id(), at, &event);
            let (aor, stream) = (self.aor.clone(), self.id);
            self.outbox.hold(Effect::Bind(Box::new(Bound { aor, stream, at, event })));
        }
        self.outbox.set_life(if self.registration.is_empty() { Life::Closed } else { Life::Open });
    }

    /// Whether events can be sealed: a key is there, or the keyring gave one. An address that has no bindings begins with
    /// a new one: what was sealed before may have been erased meanwhile, key and all.
    pub(super) fn has_key(&mut self, mint: &mut dyn Mint) -> bool {
        if self.registration.is_empty() {
            self.key = None;
        }
        if self.key.is_none() {
            self.key = mint.seal_key(self.account);
        }
        self.key.is_some()
    }

    /// Whether nothing would be lost with it.
    fn is_over(&self) -> bool {
        self.registration.is_empty() && self.legs.is_empty() && self.outbox.is_idle()
    }

    /// The same at rest, where nothing is on its way.
    fn rested(&self) -> Option<Resting> {
        let rests = !self.registration.is_empty() && self.legs.is_empty() && !self.supposed;
        let end = self.outbox.end().filter(|_| rests)?;
        Some(Resting { end, since_stated: self.since_stated, key: self.key.clone() })
    }
}

impl Registrar {
    /// The address's stream in memory, for a REGISTER; `Err` while it is being read, or waits for the end of bindings in
    /// another.
    pub(super) fn live_to_register(
        &mut self,
        aor: &Aor,
        registrant: &Registrant,
    ) -> Result<(RegistrationId, &mut Live), RegistrationId> {
        let id = aor.id(&self.hash_key, registrant.home);
        if self.unread.contains_key(&id) || self.waits_for_former(id, aor, registrant) {
            return Err(id);
        }
        self.wake(id, aor, registrant.account);
        let new = || {
            let outbox = Outbox::new(aor.stream(&self.hash_key, registrant.home), id.uuid(), self.node);
            let live = Live::new((id, aor.clone(), registrant.account), Registration::default(), outbox, 0);
            Box::new(Live { supposed: true, ..live })
        };
        Ok((id, self.live.entry(id).or_insert_with(new)))
    }

    /// The address's stream in memory; `Err` while it is being read, which begins here where it has to, and while the log
    /// has not said that it was right to suppose that there is none.
    pub(super) fn live_of(
        &mut self,
        aor: &Aor,
        registrant: &Registrant,
    ) -> Result<(RegistrationId, &mut Live), RegistrationId> {
        let id = aor.id(&self.hash_key, registrant.home);
        if self.waits_for_former(id, aor, registrant) {
            return Err(id);
        }
        self.wake(id, aor, registrant.account);
        if !self.live.contains_key(&id) && !self.unread.contains_key(&id) {
            self.unread.insert(id, Some(Unread::of(aor, registrant)));
            self.to_read.push(aor.stream(&self.hash_key, registrant.home));
        }
        self.live.get_mut(&id).filter(|live| !live.supposed).map(|live| (id, &mut **live)).ok_or(id)
    }

    /// The stream that an address's bindings stand in, in memory, whatever the address's home is now; nothing where it is
    /// being read.
    pub(super) fn live_bound(&mut self, aor: &Aor) -> Option<(RegistrationId, &mut Live)> {
        let id = self.bindings.stream_of(aor)?;
        let account = self.bindings.get(aor)?.account()?;
        self.wake(id, aor, account);
        self.live.get_mut(&id).filter(|live| !live.supposed).map(|live| (id, &mut **live))
    }

    /// Whether an address has bindings in another stream than this: another domain or trunk was its home when they were made.
    pub(super) fn stands_elsewhere(&self, id: RegistrationId, aor: &Aor) -> bool {
        self.bindings.stream_of(aor).is_some_and(|known| known != id)
    }

    /// The same; where it is so this stream is read once they have ended.
    fn waits_for_former(&mut self, id: RegistrationId, aor: &Aor, registrant: &Registrant) -> bool {
        let waits = self.stands_elsewhere(id, aor);
        if waits && !self.unread.contains_key(&id) {
            self.let_rest(id);
            self.unread.insert(id, Some(Unread::of(aor, registrant)));
            self.after_former.push((id, aor.clone()));
        }
        waits
    }

    /// An address that rests is about to be written to. One whose bindings were dropped, because nobody could call it any
    /// more, is as one that is not known.
    fn wake(&mut self, id: RegistrationId, aor: &Aor, account: AccountId) {
        let Some(Resting { end, since_stated, key }) = self.resting.remove(&id) else { return };
        if self.stands_elsewhere(id, aor) {
            return;
        }
        let Some(registration) = self.bindings.get(aor).cloned() else { return };
        let account = registration.account().unwrap_or(account);
        let outbox = Outbox::new(StreamName::new(Aor::CATEGORY, id.uuid()), id.uuid(), self.node).after(end);
        let live = Live::new((id, aor.clone(), account), registration, outbox, since_stated);
        self.live.insert(id, Box::new(Live { key, ..live }));
    }

    /// Whether an address's stream is in memory.
    pub(super) fn is_known(&self, id: RegistrationId) -> bool {
        self.live.contains_key(&id) || self.resting.contains_key(&id)
    }

    /// Whether it is only supposed that the log has no such stream.
    pub(super) fn supposes(&self, id: RegistrationId) -> bool {
        self.live.get(&id).is_some_and(|live| live.supposed)
    }

    /// The outbox of a stream, to take appends and outcomes.
    pub(super) fn outbox(&mut self, id: RegistrationId) -> Option<&mut Outbox> {
        self.live.get_mut(&id).map(|live| &mut live.outbox)
    }

    /// An append of a stream is durable.
    pub(super) fn landed(&mut self, id: RegistrationId) {
        if let Some(live) = self.live.get_mut(&id) {
            live.supposed = false;
            if live.outbox.is_idle() {
                live.pending = Vec::new();
            }
        }
        let waiting = std::mem::take(&mut self.after_former);
        let (wait, go): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(id, aor)| self.stands_elsewhere(*id, aor));
        self.after_former = wait;
        self.to_read.extend(go.into_iter().map(|(id, _)| StreamName::new(Aor::CATEGORY, id.uuid())));
        self.touched.push(id);
    }

    /// Forgets a stream that nothing is left of, or ever came of: the log has what it was. One of which nothing is on its
    /// way goes to rest.
    pub(super) fn let_rest(&mut self, id: RegistrationId) {
        let Some(live) = self.live.get(&id) else { return };
        let rested = live.rested();
        if live.is_over() || rested.is_some() {
            self.live.remove(&id);
            self.resting.extend(rested.map(|rested| (id, rested)));
        }
    }

    /// The transaction of a REGISTER absorbs no more repeats.
    pub(super) fn forget_leg(&mut self, leg: LegId) {
        let Some((id, _)) = self.asked.remove(&leg) else { return };
        if let Some(live) = self.live.get_mut(&id) {
            live.legs.retain(|known| *known != leg);
        }
        self.let_rest(id);
    }
}
