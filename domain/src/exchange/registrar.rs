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
use crate::codec::Desk;
use crate::codec::personal::Personal;
use crate::codec::registration::encode;
use crate::codec::seal::{KeyRef, SealKey};
use crate::ids::{AccountId, BindingId, EventId, LegId, RegistrationId};
use crate::log::{Life, Revision, StreamName};
use crate::ports::Mint;
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
const EXPIRE_AT_ONCE: usize = 256;

/// Bindings that have expired are looked for again after this long: those that were just ended are found until that is
/// durable.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// So many REGISTERs of an address wait while its stream is read; more are refused with 503.
pub(super) const MOST_WAITING: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Registrar {
    /// Names streams without naming anybody.
    hash_key: [u8; 32],
    pub(super) node: u16,
    pub(super) challenger: Challenger,
    /// What calls find: durable bindings alone.
    pub(super) bindings: Bindings,
    pub(super) live: HashMap<RegistrationId, Box<Live>>,
    /// Streams that are being read, and the REGISTERs that are taken in when that is done; `None` where what is in them
    /// cannot be understood.
    pub(super) unread: HashMap<RegistrationId, Option<Vec<Pending>>>,
    /// Where streams are that do not say whose they are: nothing but refusals, or the keys were erased.
    pub(super) nameless: HashMap<RegistrationId, Outbox>,
    /// The registration that a REGISTER belongs to, by the leg that its transaction is known by.
    pub(super) asked: HashMap<LegId, (RegistrationId, TransactionId)>,
    pub(super) touched: Vec<RegistrationId>,
}

/// One address's stream. It stays in memory when its last binding is gone: its next event needs the hash of its last.
#[derive(Debug)]
pub(super) struct Live {
    aor: Aor,
    account: AccountId,
    /// As decided; durable or about to be.
    registration: Registration,
    pub(super) outbox: Outbox,
    key: Option<(KeyRef, SealKey)>,
    cause: Option<EventId>,
    /// Why the REGISTER at hand is refused.
    reason: Option<Box<str>>,
    /// The REGISTERs whose append is not durable yet: should the log say that the stream is elsewhere, they are taken in
    /// again.
    pub(super) pending: Vec<Pending>,
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

/// Whether a request may go on, and as whom.
pub(super) enum Admission {
    /// Its source is known, or its password was right.
    Admitted {
        /// The user, where a password proved it.
        user: Option<String>,
    },
    /// It gets this answer, and leaves no trace but a count.
    Answered {
        /// The status.
        status: u16,
        /// A challenge.
        headers: SessionHeaders,
        /// It showed a password that is wrong.
        failed: bool,
    },
}

impl Admission {
    fn refused(status: u16) -> Self {
        Self::Answered { status, headers: SessionHeaders::default(), failed: false }
    }

    /// Whether a password was right or wrong; nothing where none was shown, or none was needed.
    pub(super) const fn login(&self) -> Option<bool> {
        match self {
            Self::Admitted { user: Some(_) } => Some(true),
            Self::Answered { failed: true, .. } => Some(false),
            Self::Admitted { user: None } | Self::Answered { failed: false, .. } => None,
        }
    }
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
            unread: HashMap::new(),
            nameless: HashMap::new(),
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
        match domain.settings.auth.asks_password(domain.settings.knows(flow.remote)) {
            None => Admission::refused(403),
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
        let Ok(realm) = Realm::new(realm) else { return Admission::refused(500) };
        let verdict = self.challenger.verify(now.moment, &realm, &Presented::by(request, asker), lookup);
        let failed = verdict.is_failed_login();
        match (verdict.reaction(), verdict) {
            (Reaction::Admit, Verdict::Accepted { username, .. }) => Admission::Admitted { user: Some(username) },
            (Reaction::Challenge { stale }, _) => {
                let name = asker.challenge().canonical().unwrap_or_default();
                let lines = self.challenger.challenges(now.moment, mint.bits(), &realm, stale);
                let headers = lines.into_iter().map(|line| (name.into(), line.into())).collect();
                Admission::Answered { status: asker.status(), headers: SessionHeaders(headers), failed }
            }
            (Reaction::Refuse | Reaction::Admit, _) => Admission::refused(400),
        }
    }

    /// The address's stream in memory, made where there is none yet; `Err` while it is being read.
    fn live_of(&mut self, aor: &Aor, domain: &DomainEntry) -> Result<(RegistrationId, &mut Live), RegistrationId> {
        let Self { hash_key, node, live, nameless, unread, .. } = self;
        let id = aor.id(hash_key, domain.id);
        if unread.contains_key(&id) {
            return Err(id);
        }
        let live = live.entry(id).or_insert_with(|| {
            let anew = || Outbox::new(aor.stream(hash_key, domain.id), id.uuid(), *node);
            let outbox = nameless.remove(&id).unwrap_or_else(anew);
            Box::new(Live::new(aor.clone(), domain.account, Registration::default(), outbox))
        });
        Ok((id, live))
    }

    /// Forgets a stream that never had an event: nothing came of what was asked.
    fn forget_blank(&mut self, id: RegistrationId) {
        if self.live.get(&id).is_some_and(|live| live.outbox.last().is_none()) {
            self.live.remove(&id);
        }
    }

    /// The outbox of a stream, to take appends and outcomes.
    pub(super) fn outbox(&mut self, id: RegistrationId) -> Option<&mut Outbox> {
        self.live.get_mut(&id).map(|live| &mut live.outbox)
    }

    /// An append of a stream is durable.
    pub(super) fn landed(&mut self, id: RegistrationId) {
        if let Some(live) = self.live.get_mut(&id).filter(|live| live.outbox.is_idle()) {
            live.pending = Vec::new();
        }
        self.touched.push(id);
    }

    /// A REGISTER came: its message without the credentials; nothing happens where the leg is none of a REGISTER's.
    pub(super) fn received(&mut self, desk: &mut Desk, at: WallTime, incoming: Incoming) {
        let Some(live) = self.asked.get(&incoming.leg).and_then(|(id, _)| self.live.get_mut(id)) else { return };
        let wire = Personal::Known(Wire { flow: incoming.flow, bytes: incoming.message.without_credentials() });
        let received = RegisterReceived { account: live.account, cseq: incoming.cseq, wire };
        live.cause = None;
        live.write_as(desk, incoming.event, at, &RegistrationEvent::RegisterReceived(received));
        live.cause = Some(incoming.event);
    }

    /// The answer to a REGISTER will leave once it is durable.
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
}

impl Live {
    pub(super) const fn new(aor: Aor, account: AccountId, registration: Registration, outbox: Outbox) -> Self {
        Self { aor, account, registration, outbox, key: None, cause: None, reason: None, pending: Vec::new() }
    }

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
        let admission = self.registrar.admit(now, mint, &self.tables, (flow, &request), asked);
        if let Some(right) = admission.login() {
            self.note_login(now, flow, right);
        }
        match admission {
            Admission::Answered { status, headers, .. } => {
                self.endpoint.answer_statelessly_with(flow, &request, status, &headers);
            }
            Admission::Admitted { user: Some(user) } if user != read.aor.user() => refuse(self, 403),
            Admission::Admitted { .. } => self.take_register(now, mint, flow, request, &read, &domain),
        }
    }

    /// A REGISTER of somebody who may: one append with the message, what it changes and the answer.
    pub(super) fn take_register(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: Message,
        read: &RegisterRequest,
        domain: &DomainEntry,
    ) {
        let room = self.room_of(domain.account);
        let Self { registrar, endpoint, desk, expire_at, .. } = self;
        let (id, live) = match registrar.live_of(&read.aor, domain) {
            Ok(found) => found,
            Err(id) => {
                let refused = registrar.wait_for(id, Pending { transaction: None, flow, request, answer: None });
                return refused
                    .into_iter()
                    .for_each(|refused| endpoint.answer_statelessly(refused.flow, &refused.request, 503));
            }
        };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            registrar.forget_blank(id);
            return endpoint.answer_statelessly(flow, &request, 503);
        }
        let leg = LegId::from_bits(mint.bits());
        let Ok(transaction) = endpoint.accept_request(mint, leg, flow, request.clone()) else {
            registrar.forget_blank(id);
            return endpoint.answer_statelessly(flow, &request, 400);
        };
        live.pending.push(Pending { transaction: Some(transaction), flow, request, answer: None });
        registrar.asked.insert(leg, (id, transaction));
        if let Some(Output::Received(incoming)) = endpoint.poll() {
            registrar.received(desk, now.wall, incoming);
        }
        let Some(live) = registrar.live.get_mut(&id) else { return };
        let terms = Terms::of(&read.aor, domain, room);
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
        endpoint.respond_to(now.moment, mint, transaction, status, &headers, None);
        registrar.touched.push(id);
    }

    /// How many bindings more an account may have: those that calls find are counted.
    fn room_of(&self, account: AccountId) -> Option<usize> {
        let most = usize::try_from(self.tables.account_limits(account).max_registrations?.get()).unwrap_or(usize::MAX);
        Some(most.saturating_sub(self.registrar.bindings.of_account(account)))
    }

    /// Bindings that nobody refreshed end.
    pub(super) fn expire_bindings(&mut self, now: Now, mint: &mut dyn Mint) {
        let Self { registrar, tables, desk, expire_at, .. } = self;
        for aor in registrar.bindings.overdue(now.wall, EXPIRE_AT_ONCE + registrar.unread.len()) {
            let Some(domain) = tables.domain(aor.domain()) else {
                // Nobody calls users of a domain that is no more, and their bindings must not hold up others'.
                registrar.bindings.put(&aor, Registration::default());
                continue;
            };
            let Ok((id, live)) = registrar.live_of(&aor, domain) else { continue };
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
        self.wake_for_expiry(now);
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
        let room = self.room_of(account);
        let Self { registrar, tables, desk, expire_at, .. } = self;
        let domain = tables.domain(aor.domain()).filter(|domain| domain.account == account);
        let domain = domain.ok_or(CommandRejection::NoDomain)?;
        let Ok((id, live)) = registrar.live_of(aor, domain) else { return Ok(None) };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            registrar.forget_blank(id);
            return Ok(None);
        }
        let terms = Terms::of(aor, domain, room);
        let decided =
            live.registration.decide(command, &terms, now.wall, &mut || BindingId::from_bits(mint.wide_bits()));
        let events = match decided {
            Ok(events) => events,
            Err(rejection) => {
                registrar.forget_blank(id);
                return Err(rejection);
            }
        };
        // The command's own event comes last.
        let binding = events.last().and_then(RegistrationEvent::binding);
        live.cause = None;
        live.change(desk, mint, now.wall, events);
        wake_by(expire_at, live.registration.next_expiry(), now);
        let last = live.outbox.last().map(|(stream, revision)| (stream.clone(), revision));
        registrar.touched.push(id);
        Ok(binding.zip(last).map(|(binding, (stream, revision))| Decided { binding, stream, revision }))
    }

    /// The bindings of an address that calls can find now.
    pub fn bindings_of(&self, aor: &Aor) -> Option<&Registration> {
        self.registrar.bindings.get(aor)
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
