//! The registrar of a shard: who may register, what becomes of a REGISTER, and which bindings calls find.
//! [G1, G5; RFC 3261 §10.3]
//!
//! A REGISTER that nobody vouches for is answered statelessly. One with valid credentials is the business of its
//! address's stream: the message, what it changes and the answer are one append. [`Bindings`], which routing asks, change
//! when that append is durable and before the answer leaves, so an INVITE right after the 200 finds the binding.

use super::Exchange;
use super::addresses::{Live, Pending, Resting, Unread};
use super::answered::Answered;
use super::bindings::wake_by;
use super::held::Effect;
use crate::address::{EdgeRole, Flow};
use crate::codec::Desk;
use crate::codec::personal::Personal;
use crate::id_map::IdMap;
use crate::ids::{AccountId, BindingId, EventId, LegId, RegistrationId};
use crate::log::StreamName;
use crate::ports::Mint;
use crate::registration::{
    Aor, Bindings, Home, RegisterAnswered, RegisterReceived, RegisterRequest, RegistrationEvent, Rejection, Terms,
};
use crate::routing::{DomainEntry, Registrant};
use crate::session::event::Wire;
use crate::sip::digest::{Asker, Challenger, DigestSecret, Presented, Reaction, Realm, Verdict};
use crate::sip::endpoint::{Incoming, Outgoing, Output, SessionHeaders, Stateless};
use crate::sip::timer::TransactionId;
use crate::sip::wire::Message;
use crate::time::{Now, WallTime};
use std::collections::BTreeSet;

/// So many REGISTERs of an address wait while its stream is read; more are refused with 503.
pub(super) const MOST_WAITING: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Registrar {
    /// Names streams without naming anybody.
    pub(super) hash_key: [u8; 32],
    pub(super) node: u16,
    pub(super) challenger: Challenger,
    /// What calls find: durable bindings alone.
    pub(super) bindings: Bindings,
    pub(super) live: IdMap<RegistrationId, Box<Live>>,
    pub(super) resting: IdMap<RegistrationId, Resting>,
    /// Streams that are being read; `None` where what is in them cannot be understood.
    pub(super) unread: IdMap<RegistrationId, Option<Unread>>,
    /// Those of them whose reading has not begun.
    pub(super) to_read: Vec<StreamName>,
    /// Those that are read once bindings of the same address in another stream have ended.
    pub(super) after_former: Vec<(RegistrationId, Aor)>,
    /// Flows that are gone and whose bindings are to be ended.
    pub(super) lost: BTreeSet<Flow>,
    /// The registration that a REGISTER belongs to, by the leg that its transaction is known by.
    pub(super) asked: IdMap<LegId, (RegistrationId, TransactionId)>,
    pub(super) touched: Vec<RegistrationId>,
    /// What the start before answered.
    pub(super) answered: Answered,
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
    pub(super) fn refused(status: u16) -> Self {
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

impl Registrar {
    pub(super) fn new(hash_key: [u8; 32], node: u16, challenger: Challenger) -> Self {
        Self {
            hash_key,
            node,
            challenger,
            bindings: Bindings::default(),
            live: IdMap::default(),
            resting: IdMap::default(),
            unread: IdMap::default(),
            to_read: Vec::new(),
            after_former: Vec::new(),
            lost: BTreeSet::new(),
            asked: IdMap::default(),
            touched: Vec::new(),
            answered: Answered::default(),
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
                let Ok(realm) = Realm::new(domain.name.as_str()) else { return Admission::refused(500) };
                let realm = realm.asking(domain.settings.digest.clone().unwrap_or_default());
                self.ask(now, mint, request, (&realm, asker), lookup)
            }
        }
    }

    /// Judges the password that a request shows at a realm.
    pub(super) fn ask(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        request: &Message,
        (realm, asker): (&Realm, Asker),
        lookup: impl FnOnce(&str) -> Option<DigestSecret>,
    ) -> Admission {
        let verdict = self.challenger.verify(now.moment, realm, &Presented::by(request, asker), lookup);
        let failed = verdict.is_failed_login();
        match (verdict.reaction(), verdict) {
            (Reaction::Admit, Verdict::Accepted { username, .. }) => Admission::Admitted { user: Some(username) },
            (Reaction::Challenge { stale }, _) => {
                let name = asker.challenge().canonical().unwrap_or_default();
                let lines = self.challenger.challenges(now.moment, mint.bits(), realm, stale);
                let headers = lines.into_iter().map(|line| (name.into(), line.into())).collect();
                Admission::Answered { status: asker.status(), headers: SessionHeaders(headers), failed }
            }
            (Reaction::Refuse | Reaction::Admit, _) => Admission::refused(400),
        }
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
        let Some((id, _)) = self.asked.get(&leg) else { return false };
        let rests = || self.resting.get(id).is_some_and(|resting| event <= resting.end.last);
        self.live.get(id).map_or_else(rests, |live| live.outbox.is_durable(event))
    }
}

impl Exchange {
    /// A REGISTER outside any dialog.
    pub(super) fn register(&mut self, now: Now, mint: &mut dyn Mint, flow: Flow, request: Message) {
        let refuse = |this: &mut Self, status| this.endpoint.answer_statelessly(flow, &request, status);
        if self.role_of(flow) != EdgeRole::Public {
            return refuse(self, 405);
        }
        if !self.stage.is_loaded() || self.stage.waits_for_log(now.moment) {
            return self.turn_away(flow, &request);
        }
        if self.answers_again(now, flow, &request) {
            return;
        }
        let read = match RegisterRequest::read(&request, flow) {
            Ok(read) => read,
            Err(rejection) => {
                return self.endpoint.answer_statelessly_with(flow, &request, rejection.status(), &rejection.headers());
            }
        };
        let registrant = self.tables.registrant(&read.aor, self.settings.domain.as_deref());
        let Some(registrant) = registrant else { return refuse(self, 404) };
        if self.tables.is_closed(registrant.account) {
            return refuse(self, 403);
        }
        // Its credentials, which serve once, were judged already.
        if self.registrar.waits(&read.aor, registrant.home, &request) {
            return self.endpoint.drop_silently(flow, Stateless::RegisterRepeat);
        }
        let admission = self.admit_registrant(now, mint, (flow, &request), &read, registrant.home);
        if let Some(right) = admission.login() {
            self.note_login(now, flow, right);
        }
        match admission {
            Admission::Answered { status, headers, .. } => {
                self.endpoint.answer_statelessly_with(flow, &request, status, &headers);
            }
            Admission::Admitted { user: Some(user) } if user != read.aor.user() => refuse(self, 403),
            Admission::Admitted { .. } => self.take_register(now, mint, flow, request, &read, &registrant),
        }
    }

    /// Whether somebody may register: a user of a domain, or a trunk (RFC 6140 §5.2: bulk registrations are trunks' alone).
    fn admit_registrant(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        (flow, request): (Flow, &Message),
        read: &RegisterRequest,
        home: Home,
    ) -> Admission {
        let refused = |rejection: &Rejection| Admission::Answered {
            status: rejection.status(),
            headers: rejection.headers(),
            failed: false,
        };
        match home {
            Home::Trunk(id) => self.admit_trunk(now, mint, (flow, request), id),
            Home::Domain(_) if read.bulk => refused(&Rejection::BadExtension("gin".into())),
            Home::Domain(id) => match self.tables.domain_of(id).cloned() {
                Some(domain) => {
                    let asked = (&domain, Asker::Server);
                    self.registrar.admit(now, mint, &self.tables, (flow, request), asked)
                }
                None => refused(&Rejection::NotFound),
            },
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
        registrant: &Registrant,
    ) {
        let room = self.room_of(registrant.account);
        let Self { registrar, endpoint, desk, expire_at, kept, pings, .. } = self;
        let (id, live) = match registrar.live_to_register(&read.aor, registrant) {
            Ok(found) => found,
            Err(id) => {
                let refused = registrar.wait_for(id, Pending { transaction: None, flow, request, answer: None });
                refused.into_iter().for_each(|it| endpoint.answer_statelessly(it.flow, &it.request, 503));
                return self.end_former_bindings(now, mint, &read.aor, id);
            }
        };
        if live.outbox.is_frozen() || !live.has_key(mint) {
            registrar.touched.push(id);
            return endpoint.answer_statelessly(flow, &request, 503);
        }
        live.state_if_due(desk, mint, now.wall);
        let leg = LegId::from_bits(mint.bits());
        let Ok(transaction) = endpoint.accept_request(mint, leg, flow, request.clone()) else {
            registrar.touched.push(id);
            return endpoint.answer_statelessly(flow, &request, 400);
        };
        live.pending.push(Pending { transaction: Some(transaction), flow, request, answer: None });
        live.legs.push(leg);
        registrar.asked.insert(leg, (id, transaction));
        if let Some(Output::Received(incoming)) = endpoint.poll() {
            registrar.received(desk, now.wall, incoming);
        }
        let Some(live) = registrar.live.get_mut(&id) else { return };
        let terms = Terms::of(&read.aor, registrant, room);
        let decided =
            live.registration.register(read, &terms, now.wall, &mut || BindingId::from_bits(mint.wide_bits()));
        let (status, headers) = match decided {
            Ok(events) => {
                live.change(desk, mint, now.wall, events);
                wake_by(expire_at, live.registration.next_expiry(), now);
                pings.watch(now.moment, mint, &read.aor, &live.registration);
                let answer = live.registration.answer(read, &terms, now.wall);
                if answer.flow_timer.is_some() {
                    kept.promise(now.moment, flow);
                }
                (200, answer.headers())
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
    pub(super) fn room_of(&self, account: AccountId) -> Option<usize> {
        let most = usize::try_from(self.tables.account_limits(account).max_registrations?.get()).unwrap_or(usize::MAX);
        Some(most.saturating_sub(self.registrar.bindings.of_account(account)))
    }
}
