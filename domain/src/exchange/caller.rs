//! Who sends an INVITE: a trunk by its address, a trunk by its password, or a user of a domain. [E1, O1, T1]
//!
//! On the public edge a source that is no trunk is asked for a password by 407 (RFC 3261 §22.3): at the realm of the
//! domain that its From names, where that is one of ours, and else at the exchange's own, where trunks log in. All of it
//! is stateless: who has no valid credentials leaves nothing but a count.

use super::Exchange;
use super::registrar::Admission;
use crate::address::{EdgeRole, Flow};
use crate::domain_name::DomainName;
use crate::ids::{CredentialId, DomainId, LegId, TrunkId};
use crate::ports::Mint;
use crate::routing::{Caller, DomainEntry, TrunkRow};
use crate::sip::digest::{Asker, DigestSecret, Realm};
use crate::sip::endpoint::{Login, SessionHeaders};
use crate::sip::wire::{Host, Message};
use crate::time::Now;

/// A caller that may call.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) caller: Caller,
    /// The user's credential, where a user calls that has one.
    pub(super) user: Option<CredentialId>,
    /// The user's domain.
    pub(super) domain: Option<(DomainId, Box<str>)>,
}

/// The status and headers of a stateless answer.
type Refusal = (u16, SessionHeaders);

impl Exchange {
    /// Who sends an INVITE; `Err` is what a caller gets that may not call, or has to say who it is first.
    pub(super) fn identify(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        role: EdgeRole,
        flow: Flow,
        request: &Message,
    ) -> Result<Identified, Refusal> {
        let by_address = self.tables.identify(flow.remote, role);
        let asks = by_address.and_then(|trunk| trunk.settings.auth.asks_password(true)).unwrap_or(false);
        let known = by_address.map(|trunk| trunk.id);
        if known.is_none()
            && let Some(trunk) = self.trunk_of_contact(flow, request)
        {
            return Ok(Identified { caller: Caller::Trunk(trunk), user: None, domain: None });
        }
        // Whoever names the network that others' users sit in as its trunk's does not speak for them.
        if let (EdgeRole::Public, Some(trunk), Some(domain)) = (role, by_address, self.domain_of_caller(request))
            && !self.tables.is_held_by(domain.account, trunk.account)
        {
            return self.identify_user(now, mint, flow, request, &domain);
        }
        match (role, known) {
            // Switched-off ones are known too: routing refuses them.
            (EdgeRole::Carrier | EdgeRole::Public, Some(_)) if !asks => {
                Ok(Identified { caller: Caller::Source, user: None, domain: None })
            }
            (EdgeRole::Carrier, None) => refuse(403),
            (EdgeRole::Carrier, Some(_)) => self.identify_trunk(now, mint, flow, request, known),
            (EdgeRole::Public, _) => match self.domain_of_caller(request) {
                Some(domain) => self.identify_user(now, mint, flow, request, &domain),
                None => match self.trunk_on(flow).filter(|id| known.is_none_or(|known| known == *id)) {
                    Some(id) => Ok(Identified { caller: Caller::Trunk(id), user: None, domain: None }),
                    None => self.identify_trunk(now, mint, flow, request, known),
                },
            },
        }
    }

    /// The PBX that registered by this connection: it proved itself when it did. A datagram proves no such thing, for its
    /// source may be forged.
    fn trunk_on(&self, flow: Flow) -> Option<TrunkId> {
        let registered = self.registrar.bindings.on_flow(&flow).iter().filter(|_| flow.transport.is_reliable());
        let own = self.settings.domain.as_deref();
        let mut trunks = registered.filter_map(|aor| self.tables.registrant(aor, own)?.home.trunk());
        let may = |id: &TrunkId| {
            self.tables.trunk(*id).is_some_and(|trunk| {
                let here = trunk.settings.addresses.iter().any(|address| address.covers(flow.remote));
                trunk.settings.auth.asks_password(here).is_some()
            })
        };
        trunks.find(may)
    }

    /// Whether a trunk may register: it proves itself as for a call.
    pub(super) fn admit_trunk(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        (flow, request): (Flow, &Message),
        id: TrunkId,
    ) -> Admission {
        let realm = self.domain(flow);
        let Self { registrar, tables, .. } = self;
        let Some(trunk) = tables.trunk(id).filter(|trunk| trunk.settings.enabled) else {
            return Admission::refused(403);
        };
        let here = trunk.settings.addresses.iter().any(|address| address.covers(flow.remote));
        match trunk.settings.auth.asks_password(here) {
            None => Admission::refused(403),
            Some(false) => Admission::Admitted { user: None },
            Some(true) => {
                let secret =
                    |username: &str| tables.trunk_of_login(username).and_then(|trunk| secret_of(trunk, &realm));
                let Ok(asked) = Realm::new(&realm) else { return Admission::refused(500) };
                registrar.ask(now, mint, request, (&asked, Asker::Server), secret)
            }
        }
    }

    /// The domain in From, where it is one of ours.
    fn domain_of_caller(&self, request: &Message) -> Option<DomainEntry> {
        let from = request.from().ok()?;
        let Some(Host::Name(name)) = from.uri.host() else { return None };
        self.tables.domain(name).cloned()
    }

    /// The name of the domain whose user sent a request that is played again; of one that is no more, as From has it.
    pub(super) fn domain_named(&self, id: DomainId, request: &Message) -> Option<Box<str>> {
        if let Some(domain) = self.tables.domain_of(id) {
            return Some(domain.name.as_str().into());
        }
        match request.from().ok()?.uri.host()? {
            Host::Name(name) => Some(name.parse::<DomainName>().ok()?.as_str().into()),
            Host::V4(_) | Host::V6(_) => None,
        }
    }

    fn identify_user(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        domain: &DomainEntry,
    ) -> Result<Identified, Refusal> {
        if self.tables.is_closed(domain.account) {
            return refuse(403);
        }
        let from = request.from().ok().and_then(|from| from.uri.user_text());
        let admission = self.registrar.admit(now, mint, &self.tables, (flow, request), (domain, Asker::Proxy));
        if let Some(right) = admission.login() {
            self.note_login(now, flow, right);
        }
        match admission {
            Admission::Answered { status, headers, .. } => Err((status, headers)),
            // Nobody calls under another's name.
            Admission::Admitted { user: Some(user) } if from.as_ref() != Some(&user) => refuse(403),
            Admission::Admitted { .. } => {
                let credential = from.and_then(|user| self.tables.credential(domain.name.as_str(), &user));
                Ok(Identified {
                    caller: Caller::User(domain.account),
                    user: credential.map(|credential| credential.id),
                    domain: Some((domain.id, domain.name.as_str().into())),
                })
            }
        }
    }

    /// A trunk by its password; the one that its address names, where it names one.
    fn identify_trunk(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        flow: Flow,
        request: &Message,
        known: Option<TrunkId>,
    ) -> Result<Identified, Refusal> {
        let realm = self.domain(flow);
        let Self { registrar, tables, .. } = self;
        let secret = |username: &str| tables.trunk_of_login(username).and_then(|trunk| secret_of(trunk, &realm));
        let Ok(asked) = Realm::new(&realm) else { return refuse(500) };
        let admission = registrar.ask(now, mint, request, (&asked, Asker::Proxy), secret);
        if let Some(right) = admission.login() {
            self.note_login(now, flow, right);
        }
        match admission {
            Admission::Answered { status, headers, .. } => Err((status, headers)),
            Admission::Admitted { user } => {
                let tables = &self.tables;
                let trunk = user.and_then(|user| tables.trunk_of_login(&user));
                let may = |trunk: &&TrunkRow| {
                    let here = trunk.settings.addresses.iter().any(|address| address.covers(flow.remote));
                    let own = known.is_none_or(|known| known == trunk.id);
                    own && trunk.settings.auth.asks_password(here).is_some()
                };
                let Some(trunk) = trunk.filter(may) else { return refuse(403) };
                Ok(Identified { caller: Caller::Trunk(trunk.id), user: None, domain: None })
            }
        }
    }

    /// What we answer with where the peer of a leg asks who we are. While calls are taken up it is known whether there was
    /// something, whatever the trunk is set to since: without it a call would be decided otherwise, and ended.
    pub(super) fn login_for(&self, leg: LegId, trunk: Option<TrunkId>) -> Option<Login> {
        let login = trunk.and_then(|trunk| self.login_of(trunk));
        match self.replaying.as_ref().and_then(|playing| playing.had_login(leg)) {
            Some(true) => Some(login.unwrap_or_else(Login::forgotten)),
            Some(false) => None,
            None => login,
        }
    }

    /// What we answer with where a trunk asks who we are.
    pub(super) fn login_of(&self, trunk: TrunkId) -> Option<Login> {
        let login = self.tables.trunk(trunk)?.settings.login.as_ref()?;
        Some(Login::new(login.username.as_str(), login.password.known()?.as_str()))
    }

    /// The platform's domain: in From toward callees, and the realm at which trunks log in.
    pub(super) fn domain(&self, flow: Flow) -> Box<str> {
        self.settings.domain.clone().unwrap_or_else(|| flow.local.to_string().into())
    }
}

fn refuse(status: u16) -> Result<Identified, Refusal> {
    Err((status, SessionHeaders::default()))
}

/// What a trunk's answers are checked by at a realm.
fn secret_of(trunk: &TrunkRow, realm: &str) -> Option<DigestSecret> {
    let login = trunk.settings.login.as_ref()?;
    let password = login.password.known()?;
    Some(DigestSecret::from_password(login.username.as_str(), realm, password.as_str()))
}
