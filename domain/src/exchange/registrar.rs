//! The registrar of a shard: who may register, what becomes of a REGISTER, and which bindings calls find.
//! [G1, G5; RFC 3261 §10.3]
//!
//! A REGISTER that nobody vouches for is answered statelessly. One with valid credentials is the business of its
//! address's stream: the message, what it changes and the answer are one append. [`Bindings`], which routing asks, change
//! when that append is durable and before the answer leaves, so an INVITE right after the 200 finds the binding.

use super::Exchange;
use super::held::{Bound, Effect};
use super::outbox::Outbox;
use crate::address::{EdgeRole, Flow};
use crate::codec::personal::Personal;
use crate::codec::registration::{decode, encode};
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{DecodeError, Desk};
use crate::ids::{AccountId, BindingId, EventId, LegId, RegistrationId};
use crate::log::{Life, Recorded, Revision, StreamName};
use crate::ports::{Keyring, Mint};
use crate::registration::{
    Aor, Bindings, CommandRejection, RegisterAnswered, RegisterReceived, RegisterRequest, Registration,
    RegistrationCommand, RegistrationEvent, Terms,
};
use crate::routing::DomainEntry;
use crate::session::event::Wire;
use crate::sip::digest::{Asker, Challenger, DigestSecret, Presented, Reaction, Realm, Verdict};
use crate::sip::endpoint::{Incoming, Outgoing, Output, SessionHeaders};
use crate::sip::timer::TransactionId;
use crate::sip::wire::Message;
use crate::time::{Moment, Now, WallTime};
use std::collections::HashMap;
use std::time::Duration;

/// Addresses whose bindings are ended in one turn: the rest comes next.
const EXPIRE_AT_ONCE: usize = 64;

/// Bindings that have expired are looked for again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Registrar {
    /// Names streams without naming anybody.
    hash_key: [u8; 32],
    node: u16,
    pub(super) challenger: Challenger,
    /// What calls find: durable bindings alone.
    pub(super) bindings: Bindings,
    live: HashMap<RegistrationId, Box<Live>>,
    /// The registration that a REGISTER belongs to, by the leg that its transaction is known by.
    asked: HashMap<LegId, (RegistrationId, TransactionId)>,
    pub(super) touched: Vec<RegistrationId>,
}

/// One address's stream. It stays in memory when its last binding is gone: its next event needs the hash of its last.
#[derive(Debug)]
struct Live {
    aor: Aor,
    account: AccountId,
    /// As decided; durable or about to be.
    registration: Registration,
    outbox: Outbox,
    key: Option<(KeyRef, SealKey)>,
    cause: Option<EventId>,
    /// Why the REGISTER at hand is refused.
    reason: Option<Box<str>>,
}

/// Whether a request may go on, and as whom.
pub(super) enum Admission {
    /// Its source is known, or its password was right.
    Admitted {
        /// The user, where a password proved it.
        user: Option<String>,
    },
    /// It gets this answer, and leaves no trace but a count.
    Answered(u16, SessionHeaders),
}

/// What a command of the API led to; done when the stream is durable up to that revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The binding made or removed.
    pub binding: BindingId,
    /// The stream.
    pub stream: StreamName,
    /// The revision of the newest event that followed.
    pub revision: Revision,
}

impl Registrar {
    pub(super) fn new(hash_key: [u8; 32], node: u16, challenger: Challenger) -> Self {
        Self {
            hash_key,
            node,
            challenger,
            bindings: Bindings::default(),
            live: HashMap::new(),
            asked: HashMap::new(),
            touched: Vec::new(),
        }
    }

    /// Judges who sends a request to a domain's users or as one of them.
    pub(super) fn admit(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        tables: &crate::routing::Tables,
        (flow, request): (Flow, &Message),
        (domain, asker): (&DomainEntry, Asker),
    ) -> Admission {
        let refused = |status| Admission::Answered(status, SessionHeaders::default());
        match domain.settings.auth.asks_password(domain.settings.knows(flow.remote)) {
            None => refused(403),
            Some(false) => Admission::Admitted { user: None },
            Some(true) => {
                let lookup =
                    |user: &str| tables.credential(domain.name.as_str(), user).and_then(|known| known.secret.clone());
                self.ask(now, mint, request, (domain.name.as_str(), asker), lookup)
            }
        }
    }

    /// Judges the password that a request shows at a realm.
    pub(super) fn ask(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        request: &Message,
        (realm, asker): (&str, Asker),
        lookup: impl FnOnce(&str) -> Option<DigestSecret>,
    ) -> Admission {
        let refused = |status| Admission::Answered(status, SessionHeaders::default());
        let Ok(realm) = Realm::new(realm) else { return refused(500) };
        let verdict = self.challenger.verify(now.moment, &realm, &Presented::by(request, asker), lookup);
        match (verdict.reaction(), verdict) {
            (Reaction::Admit, Verdict::Accepted { username, .. }) => Admission::Admitted { user: Some(username) },
            (Reaction::Challenge { stale }, _) => {
                let name = asker.challenge().canonical().unwrap_or_default();
                let lines = self.challenger.challenges(now.moment, mint.bits(), &realm, stale);
                let headers = lines.into_iter().map(|line| (name.into(), line.into())).collect();
                Admission::Answered(asker.status(), SessionHeaders(headers))
            }
            (Reaction::Refuse | Reaction::Admit, _) => refused(400),
        }
    }

    /// The address's stream in memory, made where there is none yet.
    fn live_of(&mut self, aor: &Aor, domain: &DomainEntry) -> (RegistrationId, &mut Live) {
        let Self { hash_key, node, live, .. } = self;
        let id = aor.id(hash_key, domain.id);
        let live = live.entry(id).or_insert_with(|| {
            Box::new(Live {
                aor: aor.clone(),
                account: domain.account,
                registration: Registration::default(),
                outbox: Outbox::new(aor.stream(hash_key, domain.id), id.uuid(), *node),
                key: None,
                cause: None,
                reason: None,
            })
        });
        (id, live)
    }

    /// The outbox of a stream, to take appends and outcomes.
    pub(super) fn outbox(&mut self, id: RegistrationId) -> Option<&mut Outbox> {
        self.live.get_mut(&id).map(|live| &mut live.outbox)
    }

    /// A stream whose place in the log is not known: it is read before anything more is written to it. The REGISTERs
    /// that wait for it are given back, so that their retransmissions are taken as new ones.
    pub(super) fn forget(&mut self, id: RegistrationId) -> Vec<TransactionId> {
        self.live.remove(&id);
        self.asked.values().filter(|(of, _)| *of == id).map(|(_, transaction)| *transaction).collect()
    }

    /// Whether the leg is a REGISTER's, and its message if so recorded.
    pub(super) fn received(&mut self, desk: &mut Desk, at: WallTime, incoming: Incoming) {
        let Some(live) = self.asked.get(&incoming.leg).and_then(|(id, _)| self.live.get_mut(id)) else { return };
        let wire = Personal::Known(Wire { flow: incoming.flow, bytes: incoming.message.without_credentials() });
        let received = RegisterReceived { account: live.account, cseq: incoming.cseq, wire };
        live.cause = None;
        live.write_as(desk, incoming.event, at, &RegistrationEvent::RegisterReceived(received));
        live.cause = Some(incoming.event);
    }

    pub(super) fn commit(&mut self, desk: &mut Desk, at: WallTime, outgoing: Outgoing) {
        let Some((id, _)) = self.asked.get(&outgoing.leg).copied() else { return };
        let Some(live) = self.live.get_mut(&id) else { return };
        let Outgoing { event, flow, bytes, status, cseq, .. } = outgoing;
        let wire = Personal::Known(Wire { flow, bytes: bytes.clone() });
        let (status, reason) = (status.unwrap_or(0), live.reason.take());
        let answered = RegisterAnswered { account: live.account, cseq, status, reason, wire };
        live.write_as(desk, event, at, &RegistrationEvent::RegisterAnswered(answered));
        live.outbox.hold(Effect::Transmit { flow, bytes });
        self.touched.push(id);
    }

    /// Whether bytes of that event may go again.
    pub(super) fn is_durable(&self, leg: LegId, event: EventId) -> bool {
        self.asked.get(&leg).and_then(|(id, _)| self.live.get(id)).is_some_and(|live| live.outbox.is_durable(event))
    }

    pub(super) fn forget_leg(&mut self, leg: LegId) {
        self.asked.remove(&leg);
    }

    /// Takes up an address's stream as the log has it.
    pub(super) fn restore(&mut self, events: &[Recorded], keyring: &dyn Keyring) -> Result<(), DecodeError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut registration = Registration::default();
        let mut aor = None;
        for recorded in events {
            let event = decode(recorded, keyring)?;
            if let Some(device) = event.device() {
                aor = Some(device.aor.clone());
            }
            registration.apply(recorded.at, &event);
            if let Some(aor) = &aor {
                self.bindings.apply(aor, recorded.at, &event);
            }
        }
        // Nobody's any more: its keys were erased, or it never had a binding.
        let (Some(aor), Some(account)) = (aor, registration.account()) else { return Ok(()) };
        let id = RegistrationId::from_bits(last.correlation.as_u128());
        let outbox = Outbox::restored(last, self.node);
        let live = Live { aor, account, registration, outbox, key: None, cause: None, reason: None };
        self.live.insert(id, Box::new(live));
        Ok(())
    }
}

impl Live {
    fn write_as(&mut self, desk: &mut Desk, id: EventId, at: WallTime, event: &RegistrationEvent) {
        // Without a key nothing is decided: see `Live::has_key`.
        let Some((reference, secret)) = &self.key else { return };
        let encoded = encode(desk, event, id, *reference, secret);
        self.outbox.record(desk, id, at, self.cause, encoded);
    }

    /// Records what changes, and what calls shall find once that is durable.
    fn change(&mut self, desk: &mut Desk, mint: &mut dyn Mint, at: WallTime, events: Vec<RegistrationEvent>) {
        for event in events {
            self.registration.apply(at, &event);
            self.write_as(desk, mint.event_id(), at, &event);
            self.outbox.hold(Effect::Bind(Box::new(Bound { aor: self.aor.clone(), at, event })));
        }
        self.outbox.set_life(if self.registration.is_empty() { Life::Closed } else { Life::Open });
    }

    /// Whether events can be sealed: a key is there, or the keyring gave one.
    fn has_key(&mut self, mint: &mut dyn Mint) -> bool {
        if self.key.is_none() {
            self.key = mint.seal_key(self.account);
        }
        self.key.is_some()
    }
}

impl Exchange {
    /// A REGISTER outside any dialog.
    pub(super) fn register(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: Message) {
        let refuse = |this: &mut Self, status| this.endpoint.answer_statelessly(flow, &request, status);
        if self.role_of(flow) != EdgeRole::Public {
            return refuse(self, 405);
        }
        let read = match RegisterRequest::read(&request, flow) {
            Ok(read) => read,
            Err(rejection) => {
                return self.endpoint.answer_statelessly_with(flow, &request, rejection.status(), &rejection.headers());
            }
        };
        let Some(domain) = self.tables.domain(read.aor.domain()).cloned() else { return refuse(self, 404) };
        if self.tables.is_closed(domain.account) {
            return refuse(self, 403);
        }
        let asked = (&domain, Asker::Server);
        match self.registrar.admit(now, mint, &self.tables, (flow, &request), asked) {
            Admission::Answered(status, headers) => {
                self.endpoint.answer_statelessly_with(flow, &request, status, &headers);
            }
            Admission::Admitted { user: Some(user) } if user != read.aor.user() => refuse(self, 403),
            Admission::Admitted { .. } => self.take_register(now, mint, flow, request, &read, &domain),
        }
    }

    /// A REGISTER of somebody who may: one append with the message, what it changes and the answer.
    fn take_register(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: Message,
        read: &RegisterRequest,
        domain: &DomainEntry,
    ) {
        let Self { registrar, endpoint, desk, expire_at, .. } = self;
        let (id, live) = registrar.live_of(&read.aor, domain);
        if live.outbox.is_frozen() || !live.has_key(mint) {
            return endpoint.answer_statelessly(flow, &request, 503);
        }
        let leg = LegId::from_bits(mint.bits());
        let Ok(transaction) = endpoint.accept_request(mint, leg, flow, request.clone()) else {
            return endpoint.answer_statelessly(flow, &request, 400);
        };
        registrar.asked.insert(leg, (id, transaction));
        if let Some(Output::Received(incoming)) = endpoint.poll() {
            registrar.received(desk, now.wall, incoming);
        }
        let Some(live) = registrar.live.get_mut(&id) else { return };
        let terms = Terms::of(&read.aor, domain);
        let decided =
            live.registration.register(read, &terms, now.wall, &mut || BindingId::from_bits(mint.wide_bits()));
        let (status, headers) = match decided {
            Ok(events) => {
                live.change(desk, mint, now.wall, events);
                wake_by(expire_at, live.registration.next_expiry(), now);
                (200, live.registration.answer(read, &terms, now.wall).headers())
            }
            Err(rejection) => {
                live.reason = Some(rejection.to_string().into());
                (rejection.status(), rejection.headers())
            }
        };
        endpoint.answer_request(now.moment, mint, transaction, status, &headers);
        registrar.touched.push(id);
    }

    /// Bindings that nobody refreshed end.
    pub(super) fn expire_bindings(&mut self, now: Now, mint: &mut dyn Mint) {
        let Self { registrar, tables, desk, expire_at, .. } = self;
        for aor in registrar.bindings.overdue(now.wall, EXPIRE_AT_ONCE) {
            let Some(domain) = tables.domain(aor.domain()) else { continue };
            let (id, live) = registrar.live_of(&aor, domain);
            if live.outbox.is_frozen() || !live.has_key(mint) {
                continue;
            }
            let events = live.registration.expire(now.wall);
            if !events.is_empty() {
                live.cause = None;
                live.change(desk, mint, now.wall, events);
                registrar.touched.push(id);
            }
        }
        *expire_at = None;
        // Those that were just ended are still there until that is durable: they are looked at again a little later.
        let next = registrar.bindings.next_expiry().map(|at| at.max(now.wall + LOOK_AGAIN));
        wake_by(expire_at, next, now);
    }

    /// Carries out a command of the API on an address of one of an account's domains.
    ///
    /// `None`: not now, for the stream is not readable or there is no key.
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
    ) -> Result<Option<Decided>, CommandRejection> {
        let Self { registrar, tables, desk, expire_at, .. } = self;
        let domain = tables.domain(aor.domain()).filter(|domain| domain.account == account);
        let domain = domain.ok_or(CommandRejection::NoDomain)?;
        let (id, live) = registrar.live_of(aor, domain);
        if live.outbox.is_frozen() || !live.has_key(mint) {
            return Ok(None);
        }
        let terms = Terms::of(aor, domain);
        let events =
            live.registration.decide(command, &terms, now.wall, &mut || BindingId::from_bits(mint.wide_bits()))?;
        // The command's own event comes last.
        let binding = events.last().and_then(RegistrationEvent::binding);
        live.cause = None;
        live.change(desk, mint, now.wall, events);
        wake_by(expire_at, live.registration.next_expiry(), now);
        let last = live.outbox.last().map(|(stream, revision)| (stream.clone(), revision));
        registrar.touched.push(id);
        Ok(binding.zip(last).map(|(binding, (stream, revision))| Decided { binding, stream, revision }))
    }

    /// Takes up the bindings of an address as the log has them: all events of its stream, oldest first.
    ///
    /// # Errors
    /// An event cannot be read.
    pub fn restore_registration(
        &mut self,
        now: Now,
        events: &[Recorded],
        keyring: &dyn Keyring,
    ) -> Result<(), DecodeError> {
        self.registrar.restore(events, keyring)?;
        wake_by(&mut self.expire_at, self.registrar.bindings.next_expiry(), now);
        Ok(())
    }

    /// How many bindings calls can find.
    pub const fn binding_count(&self) -> usize {
        self.registrar.bindings.len()
    }
}

/// Makes sure that bindings are looked at when the next one expires.
fn wake_by(expire_at: &mut Option<Moment>, next: Option<WallTime>, now: Now) {
    if let Some(next) = next {
        let at = now.moment + next.since(now.wall);
        *expire_at = Some(expire_at.map_or(at, |known| known.min(at)));
    }
}
