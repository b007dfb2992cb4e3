//! The choice itself.

use super::tables::{AccountIndex, NumberRow};
use super::{
    Attempt, Considered, Decision, Destination, Dialled, Reason, Refusal, Refused, Request, Rewrite, Rule, Subject,
    Tables, TrunkRow, Verdict,
};
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

/// Chooses what to try for a call, or why it is refused.
pub fn choose(tables: &Tables, request: &Request<'_>) -> Result<Decision, Box<Refused>> {
    let Some(inbound) = tables.identify(request.source, request.role) else {
        let reason = Reason { rule: Rule::Source, subject: None, considered: vec![] };
        return Err(Box::new(Refused { refusal: Refusal::UnknownSource, account: None, inbound: None, reason }));
    };
    if !inbound.settings.enabled {
        return refuse(inbound, Refusal::TrunkDisabled, Rule::Source, Some(of_trunk(inbound)), vec![]);
    }
    if let Some(closed) = tables.closed(inbound.owner) {
        let subject = Subject::Account { id: closed.id, revision: closed.revision };
        return refuse(inbound, Refusal::AccountClosed, Rule::Account, Some(subject), vec![]);
    }
    let dialled = Dialled::read(request.called);
    match inbound.settings.kind {
        TrunkKind::Carrier => from_carrier(tables, inbound, dialled.as_ref()),
        TrunkKind::Pbx => from_pbx(tables, inbound, dialled.as_ref()),
    }
}

fn refuse(
    inbound: &TrunkRow,
    refusal: Refusal,
    rule: Rule,
    subject: Option<Subject>,
    considered: Vec<Considered>,
) -> Result<Decision, Box<Refused>> {
    let reason = Reason { rule, subject, considered };
    Err(Box::new(Refused { refusal, account: Some(inbound.account), inbound: Some(inbound.id), reason }))
}

/// A carrier's call goes to a number of its trunk's account or of one below that.
fn from_carrier(tables: &Tables, inbound: &TrunkRow, dialled: Option<&Dialled>) -> Result<Decision, Box<Refused>> {
    let reachable = |account| tables.is_within(account, inbound.owner);
    let Some(number) = dialled.and_then(|dialled| find_number(tables, dialled, reachable)) else {
        return refuse(inbound, Refusal::NoSuchNumber, Rule::Number, None, vec![]);
    };
    if let Some(closed) = tables.closed(number.0.account) {
        let subject = Subject::Account { id: closed.id, revision: closed.revision };
        return refuse(inbound, Refusal::AccountClosed, Rule::Account, Some(subject), vec![]);
    }
    to_number(tables, inbound, number, Rule::Number)
}

/// A PBX's call stays inside where its own account has the number, and goes to the carriers otherwise.
fn from_pbx(tables: &Tables, inbound: &TrunkRow, dialled: Option<&Dialled>) -> Result<Decision, Box<Refused>> {
    let Some(dialled) = dialled else {
        return refuse(inbound, Refusal::NoSuchNumber, Rule::Carriers, None, vec![]);
    };
    match find_number(tables, dialled, |account| account == inbound.owner) {
        Some(number) => to_number(tables, inbound, number, Rule::Inside),
        None => to_carriers(tables, inbound, dialled),
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
    inbound: &TrunkRow,
    (row, number): (&NumberRow, crate::number::PhoneNumber),
    rule: Rule,
) -> Result<Decision, Box<Refused>> {
    let subject = Subject::Number { id: row.id(), revision: row.revision() };
    let Some(Target::Sip(target)) = tables.target(row) else {
        return refuse(inbound, Refusal::NoSuchNumber, rule, Some(subject), vec![]);
    };
    let called = number.to_string();
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
    let account = tables.account(row.account).id;
    Ok(Decision { account, inbound: inbound.id, number: Some(row.id()), attempts, reason })
}

/// A carrier that takes the number, and in which spelling.
struct Candidate<'t> {
    trunk: &'t TrunkRow,
    destination: &'t SipTarget,
    prefix: &'t Prefix,
    user: &'t str,
    rewrite: Rewrite,
}

fn to_carriers(tables: &Tables, inbound: &TrunkRow, dialled: &Dialled) -> Result<Decision, Box<Refused>> {
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
            Ok(Decision { account: inbound.account, inbound: inbound.id, number: None, attempts, reason })
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
fn destinations<'t>(tables: &'t Tables, target: &'t SipTarget) -> impl Iterator<Item = Destination> + 't {
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
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
