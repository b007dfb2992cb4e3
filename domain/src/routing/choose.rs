//! The choice itself.

use super::tables::{AccountIndex, NumberRow};
use super::users::{self, Callees};
use super::{
    Attempt, Caller, Considered, Decision, Destination, Dialled, Reason, Refusal, Refused, Registered, Request,
    Rewrite, Rule, Subject, Tables, TrunkRow, Verdict,
};
use crate::ids::{AccountId, TrunkId};
use crate::media::MediaSource;
use crate::number::{Host, SipTarget, Target};
use crate::trunk::{LargeRequests, Prefix, RingTimeout, TrunkKind};
use std::net::SocketAddr;

/// The most attempts for one call.
pub const MAX_ATTEMPTS: usize = 8;

/// The most addresses of one host that are tried.
const MAX_ADDRESSES: usize = 4;

/// SIP's port where nothing names one (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// On whose behalf a call is routed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inbound {
    /// The trunk; none for a user.
    pub(super) trunk: Option<TrunkId>,
    pub(super) account: AccountId,
    owner: AccountIndex,
}

/// Chooses what to try for a call, or why it is refused.
pub fn choose(tables: &Tables, registered: &Registered<'_>, request: &Request<'_>) -> Result<Decision, Box<Refused>> {
    let trunk = match request.caller {
        Caller::Source => tables.identify(request.source, request.role),
        Caller::Trunk(id) => tables.trunk(id),
        Caller::User(account) => return from_user(tables, registered, account, request),
    };
    let Some(trunk) = trunk else { return Err(unknown()) };
    let inbound = Inbound { trunk: Some(trunk.id), account: trunk.account, owner: trunk.owner };
    if !trunk.settings.enabled {
        return refuse(&inbound, Refusal::TrunkDisabled, Rule::Source, Some(of_trunk(trunk)), vec![]);
    }
    if let Some(refused) = closed(tables, &inbound, trunk.owner) {
        return refused;
    }
    match trunk.settings.kind {
        TrunkKind::Carrier => from_carrier(tables, registered, &inbound, request),
        TrunkKind::Pbx => from_inside(tables, registered, &inbound, request),
    }
}

fn unknown() -> Box<Refused> {
    let reason = Reason { rule: Rule::Source, subject: None, considered: vec![] };
    Box::new(Refused { refusal: Refusal::UnknownSource, account: None, inbound: None, reason })
}

fn closed(tables: &Tables, inbound: &Inbound, account: AccountIndex) -> Option<Result<Decision, Box<Refused>>> {
    let closed = tables.closed(account)?;
    let subject = Subject::Account { id: closed.id, revision: closed.revision };
    Some(refuse(inbound, Refusal::AccountClosed, Rule::Account, Some(subject), vec![]))
}

pub(super) fn refuse(
    inbound: &Inbound,
    refusal: Refusal,
    rule: Rule,
    subject: Option<Subject>,
    considered: Vec<Considered>,
) -> Result<Decision, Box<Refused>> {
    let reason = Reason { rule, subject, considered };
    Err(Box::new(Refused { refusal, account: Some(inbound.account), inbound: inbound.trunk, reason }))
}

/// A carrier's call goes to a number of its trunk's account or of one below that.
fn from_carrier(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    request: &Request<'_>,
) -> Result<Decision, Box<Refused>> {
    let reachable = |account| tables.is_within(account, inbound.owner);
    let dialled = Dialled::read(request.called);
    let Some(number) = dialled.and_then(|dialled| find_number(tables, &dialled, reachable)) else {
        return refuse(inbound, Refusal::NoSuchNumber, Rule::Number, None, vec![]);
    };
    if let Some(refused) = closed(tables, inbound, number.0.account) {
        return refused;
    }
    to_number(tables, registered, inbound, number, Rule::Number)
}

/// A user calls as a PBX of its account does.
fn from_user(
    tables: &Tables,
    registered: &Registered<'_>,
    account: AccountId,
    request: &Request<'_>,
) -> Result<Decision, Box<Refused>> {
    let Some(owner) = tables.index(account) else { return Err(unknown()) };
    let inbound = Inbound { trunk: None, account, owner };
    match closed(tables, &inbound, owner) {
        Some(refused) => refused,
        None => from_inside(tables, registered, &inbound, request),
    }
}

/// A call of a PBX or user rings a user of its account's domains, stays inside where its own account has the number, and
/// goes to the carriers otherwise.
fn from_inside(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    request: &Request<'_>,
) -> Result<Decision, Box<Refused>> {
    let dialled = Dialled::read(request.called);
    if let Some(uri) = &request.uri
        && let Some(decided) = users::called(tables, registered, inbound, uri, dialled.is_some())
    {
        return decided;
    }
    let Some(dialled) = dialled else {
        return refuse(inbound, Refusal::NoSuchNumber, Rule::Carriers, None, vec![]);
    };
    match find_number(tables, &dialled, |account| account == inbound.owner) {
        Some(number) => to_number(tables, registered, inbound, number, Rule::Inside),
        None => to_carriers(tables, inbound, &dialled),
    }
}

/// The row of a dialled number, and the number in its own spelling.
fn find_number<'t>(
    tables: &'t Tables,
    dialled: &Dialled,
    reachable: impl Fn(AccountIndex) -> bool,
) -> Option<(&'t NumberRow, crate::number::PhoneNumber)> {
    [dialled.short_code(), dialled.number()]
        .into_iter()
        .flatten()
        .find_map(|number| tables.number(number).filter(|row| reachable(row.account)).map(|row| (row, number)))
}

fn to_number(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    (row, number): (&NumberRow, crate::number::PhoneNumber),
    rule: Rule,
) -> Result<Decision, Box<Refused>> {
    let subject = Subject::Number { id: row.id(), revision: row.revision() };
    let Some(Target::Sip(target)) = tables.target(row) else {
        return refuse(inbound, Refusal::NoSuchNumber, rule, Some(subject), vec![]);
    };
    let called = number.to_string();
    let account = tables.account(row.account).id;
    if let Host::Name(name) = &target.host
        && let Some(domain) = tables.domain(name)
    {
        let callee = Callees { domain, rule, subject, number: Some(row.id()) };
        return users::to_user(
            tables,
            registered,
            inbound,
            account,
            target.user.as_deref().unwrap_or(&called),
            &callee,
        );
    }
    let (user, rewrite) = match target.user.as_deref() {
        Some(user) => (user, Rewrite::TargetUser),
        None => (called.as_str(), Rewrite::CalledNumber),
    };
    let peer = |address: SocketAddr| {
        let trunk = tables.identify(address, crate::address::EdgeRole::Public)?;
        (trunk.owner == row.account && trunk.settings.enabled).then_some(trunk)
    };
    let attempts: Vec<Attempt> = destinations(tables, target)
        .map(|destination| {
            let trunk = match destination {
                Destination::Address(address) => peer(address),
                Destination::Unresolved { .. } => None,
            };
            attempt(target, user, rewrite, destination, trunk)
        })
        .collect();
    let verdict = verdict(&attempts, Verdict::Chosen { prefix: None, priority: 0 });
    let reason = Reason { rule, subject: Some(subject), considered: vec![Considered { subject, verdict }] };
    Ok(Decision { account, inbound: inbound.trunk, number: Some(row.id()), attempts, reason })
}

/// A carrier that takes the number, and in which spelling.
struct Candidate<'t> {
    trunk: &'t TrunkRow,
    destination: &'t SipTarget,
    prefix: &'t Prefix,
    user: &'t str,
    rewrite: Rewrite,
}

fn to_carriers(tables: &Tables, inbound: &Inbound, dialled: &Dialled) -> Result<Decision, Box<Refused>> {
    let mut passed_over = vec![];
    let mut candidates: Vec<Candidate<'_>> = tables
        .carriers(inbound.owner)
        .filter_map(|trunk| match candidate(trunk, dialled) {
            Ok(candidate) => Some(candidate),
            Err(verdict) => {
                if passed_over.len() < Reason::MAX_CONSIDERED {
                    passed_over.push(Considered { subject: of_trunk(trunk), verdict });
                }
                None
            }
        })
        .collect();
    // One that is down is tried where there is no other.
    if candidates.iter().any(|candidate| !tables.is_down(candidate.trunk.id)) {
        let room = Reason::MAX_CONSIDERED.saturating_sub(passed_over.len());
        let down = candidates.iter().filter(|candidate| tables.is_down(candidate.trunk.id)).take(room);
        passed_over.extend(down.map(|c| Considered { subject: of_trunk(c.trunk), verdict: Verdict::Down }));
        candidates.retain(|candidate| !tables.is_down(candidate.trunk.id));
    }
    candidates.sort_by_key(|c| (std::cmp::Reverse(digits(c.prefix)), c.trunk.settings.priority, c.trunk.id));

    let (mut attempts, mut considered) = (vec![], vec![]);
    for candidate in &candidates {
        let Candidate { trunk, destination, user, rewrite, .. } = *candidate;
        let room = MAX_ATTEMPTS - attempts.len();
        let ways = destinations(tables, destination).take(room);
        let tries: Vec<Attempt> = ways.map(|way| attempt(destination, user, rewrite, way, Some(trunk))).collect();
        let prefix = Some(candidate.prefix.to_string());
        let verdict = verdict(&tries, Verdict::Chosen { prefix, priority: trunk.settings.priority });
        considered.push(Considered { subject: of_trunk(trunk), verdict });
        attempts.extend(tries);
    }
    considered.extend(passed_over);
    considered.truncate(Reason::MAX_CONSIDERED);
    match candidates.first() {
        None => refuse(inbound, Refusal::NoCarrier, Rule::Carriers, None, considered),
        Some(first) => {
            let reason = Reason { rule: Rule::Carriers, subject: Some(of_trunk(first.trunk)), considered };
            Ok(Decision { account: inbound.account, inbound: inbound.trunk, number: None, attempts, reason })
        }
    }
}

fn candidate<'t>(trunk: &'t TrunkRow, dialled: &'t Dialled) -> Result<Candidate<'t>, Verdict> {
    if !trunk.settings.enabled {
        return Err(Verdict::Disabled);
    }
    let destination = trunk.settings.destination.as_ref().ok_or(Verdict::NoDestination)?;
    let by = |spelling: Option<&'t str>, rewrite| {
        spelling.and_then(|user| trunk.longest_prefix(user).map(|prefix| (prefix, user, rewrite)))
    };
    // Digits go out as dialled unless a longer prefix knows them as an international number.
    let exact = by(dialled.exact(), Rewrite::AsDialled);
    let e164 = by(dialled.e164(), Rewrite::CalledNumber);
    let (prefix, user, rewrite) = match (exact, e164) {
        (Some(exact), Some(e164)) if digits(e164.0) > digits(exact.0) => e164,
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => return Err(Verdict::NoPrefix),
    };
    Ok(Candidate { trunk, destination, prefix, user, rewrite })
}

fn digits(prefix: &Prefix) -> usize {
    prefix.as_str().trim_start_matches('+').len()
}

fn of_trunk(trunk: &TrunkRow) -> Subject {
    Subject::Trunk { id: trunk.id, revision: trunk.revision.0 }
}

fn verdict(tries: &[Attempt], chosen: Verdict) -> Verdict {
    match tries.first().map(|first| &first.destination) {
        None => Verdict::BeyondLimit,
        Some(Destination::Unresolved { host }) => Verdict::Unresolved { host: host.clone() },
        Some(Destination::Address(_)) => chosen,
    }
}

/// Addresses of a target in the order to try, or the one fact that there is none.
pub(super) fn destinations<'t>(tables: &'t Tables, target: &'t SipTarget) -> impl Iterator<Item = Destination> + 't {
    let (literal, resolved) = match &target.host {
        Host::Ip(ip) => (Some(SocketAddr::new(*ip, target.port.unwrap_or(SIP_PORT))), &[][..]),
        Host::Name(name) => (None, tables.resolved(name, target.port)),
    };
    let nothing = literal.is_none() && resolved.is_empty();
    let unresolved = nothing.then(|| Destination::Unresolved { host: target.host.to_string() });
    let addresses = literal.into_iter().chain(resolved.iter().copied().take(MAX_ADDRESSES));
    addresses.map(Destination::Address).chain(unresolved)
}

fn attempt(
    target: &SipTarget,
    user: &str,
    rewrite: Rewrite,
    destination: Destination,
    trunk: Option<&TrunkRow>,
) -> Attempt {
    let host = &target.host;
    let ring_timeout = trunk.map_or_else(RingTimeout::default, |trunk| trunk.settings.ring_timeout);
    let port = target.port.map_or_else(String::new, |port| format!(":{port}"));
    Attempt {
        target: format!("sip:{user}@{host}{port}{}", target.transport.uri_suffix()),
        to: format!("sip:{user}@{host}"),
        destination,
        transport: target.transport,
        large_requests: trunk.map_or(LargeRequests::Udp, |trunk| trunk.settings.large_requests),
        trunk: trunk.map(|trunk| trunk.id),
        ring_timeout: ring_timeout.seconds(),
        media_source: trunk.map_or(MediaSource::Sdp, |trunk| trunk.settings.media_source),
        rewrite,
        device: None,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
