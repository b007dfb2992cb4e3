//! Calls to users of our domains: their registered devices ring. [R4, G5, T1]

use super::choose::{Inbound, destinations, refuse};
use super::{
    Attempt, Decision, Destination, DomainEntry, Reason, Refusal, Refused, Registered, Rewrite, Rule, Subject, Tables,
    Way,
};
use crate::address::Transport;
use crate::ids::{AccountId, NumberId};
use crate::media::MediaSource;
use crate::number::{Host, SipTarget};
use crate::registration::{Aor, Binding, Callee, Registration, instance_of_gruu};
use crate::sip::wire::{Host as UriHost, Uri, escape_user};
use crate::trunk::{LargeRequests, RingTimeout};
use std::net::SocketAddr;

/// The most devices that one call rings.
pub const MAX_DEVICES: usize = 20;

/// Whose devices are to ring, and by what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Callees<'t> {
    pub(super) domain: &'t DomainEntry,
    pub(super) rule: Rule,
    pub(super) subject: Subject,
    pub(super) number: Option<NumberId>,
}

/// A call to a request URI at one of our domains; `None` where that is no such domain, or is one at which a number was
/// dialled: phones write their own domain behind it.
pub(super) fn called(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    uri: &Uri<'_>,
    is_number: bool,
) -> Option<Result<Decision, Box<Refused>>> {
    let Some(UriHost::Name(name)) = uri.host() else { return None };
    let domain = tables.domain(name)?;
    if domain.account != inbound.account {
        // Nothing is said about other accounts' domains and users.
        return Some(refuse(inbound, Refusal::NoSuchUser, Rule::User, None, vec![]));
    }
    let subject = Subject::Domain { id: domain.id, revision: domain.revision.0 };
    let aor = Aor::of(uri).ok().filter(|aor| is_known(tables, registered, domain, aor));
    let instance = instance_of_gruu(uri);
    let rule = if instance.is_some() { Rule::Gruu } else { Rule::User };
    let callees = Callees { domain, rule, subject, number: None };
    match (aor, instance) {
        (Some(aor), None) => Some(ring(tables, registered, inbound, inbound.account, &aor, &callees)),
        (Some(aor), Some(_)) => {
            let device = registration_of(registered, domain, &aor)
                .and_then(|_| registered.bindings.of_gruu(uri, registered.now));
            let groups = vec![device.into_iter().collect()];
            Some(decide(tables, inbound, inbound.account, &aor, &callees, groups))
        }
        (None, None) if is_number => None,
        (None, _) => Some(refuse(inbound, Refusal::NoSuchUser, rule, Some(subject), vec![])),
    }
}

/// A call to a user of a domain, on behalf of an account.
pub(super) fn to_user(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    account: AccountId,
    user: &str,
    callees: &Callees<'_>,
) -> Result<Decision, Box<Refused>> {
    let aor = format!("sip:{user}@{}", callees.domain.name);
    let aor = Uri::parse(&aor).ok().and_then(|uri| Aor::of(&uri).ok());
    match aor.filter(|aor| callees.domain.account == account && is_known(tables, registered, callees.domain, aor)) {
        Some(aor) => ring(tables, registered, inbound, account, &aor, callees),
        None => refuse(inbound, Refusal::NoSuchUser, callees.rule, Some(callees.subject), vec![]),
    }
}

/// Whether there is such a user: somebody has its password, or is registered by it.
fn is_known(tables: &Tables, registered: &Registered<'_>, domain: &DomainEntry, aor: &Aor) -> bool {
    tables.credential(aor.domain(), aor.user()).is_some() || registration_of(registered, domain, aor).is_some()
}

/// A user's bindings, if they are of the account that has the domain now: those of a former owner's users ring nobody.
/// [T1]
fn registration_of<'r>(registered: &Registered<'r>, domain: &DomainEntry, aor: &Aor) -> Option<&'r Registration> {
    registered.bindings.get(aor).filter(|registration| registration.account() == Some(domain.account))
}

fn ring(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    account: AccountId,
    aor: &Aor,
    callees: &Callees<'_>,
) -> Result<Decision, Box<Refused>> {
    let registration = registration_of(registered, callees.domain, aor);
    let hunt = callees.domain.settings.hunt;
    let groups = registration.map(|registration| registration.targets(hunt, registered.now)).unwrap_or_default();
    decide(tables, inbound, account, aor, callees, groups)
}

fn decide(
    tables: &Tables,
    inbound: &Inbound,
    account: AccountId,
    aor: &Aor,
    callees: &Callees<'_>,
    groups: Vec<Vec<Callee<'_>>>,
) -> Result<Decision, Box<Refused>> {
    let Callees { rule, subject, number, .. } = *callees;
    let of_group = |(group, callees): (u16, Vec<Callee<'_>>)| {
        let one = |callee: Callee<'_>| {
            let ways = callee.ways.into_iter().enumerate();
            ways.map(|(nth, way)| attempt(tables, aor, way, (group, nth > 0))).collect::<Vec<_>>()
        };
        callees.into_iter().flat_map(one).collect::<Vec<_>>()
    };
    let attempts: Vec<Attempt> = (0..).zip(groups).flat_map(of_group).take(MAX_DEVICES).collect();
    if attempts.is_empty() {
        return refuse(inbound, Refusal::NotRegistered, rule, Some(subject), vec![]);
    }
    let reason = Reason { rule, subject: Some(subject), considered: vec![] };
    Ok(Decision { account, inbound: inbound.trunk, number, attempts, reason })
}

/// How a device is invited: its own contact is the target, To keeps the address of record, and the request goes by the
/// flow that it registered by, whatever the contact says (RFC 5626 §5.3, RFC 3327 §5.3). [R5]
fn attempt(tables: &Tables, aor: &Aor, way: &Binding, (group, spare): (u16, bool)) -> Attempt {
    let contact = way.device.contact.as_uri();
    let headers = contact.headers().map_or(0, |headers| headers.len() + 1);
    let target = contact.as_str();
    let (destination, transport, local) = way_to(tables, way);
    let routes = way.device.path.iter().map(|element| element.to_string()).collect();
    Attempt {
        target: target.get(..target.len() - headers).unwrap_or(target).to_owned(),
        to: format!("sip:{}@{}", escape_user(aor.user()), aor.domain()),
        destination,
        transport,
        large_requests: LargeRequests::Udp,
        trunk: None,
        ring_timeout: RingTimeout::default().seconds(),
        // Phones sit behind NAT more often than not.
        media_source: MediaSource::Latch,
        rewrite: Rewrite::Contact,
        device: Some(Box::new(Way { binding: way.id, local, routes, group, spare })),
    }
}

/// Where a request to a binding is sent, by which transport, and from which address of ours, where that counts.
pub(super) fn way_to(tables: &Tables, way: &Binding) -> (Destination, Transport, Option<SocketAddr>) {
    match way.flow() {
        Some(flow) => (Destination::Address(flow.remote), flow.transport, Some(flow.local)),
        None => {
            let (destination, transport) = named(tables, &way.next_hop());
            (destination, transport, None)
        }
    }
}

/// Where a next hop without a flow is: what its URI names, as for a trunk.
fn named(tables: &Tables, contact: &Uri<'_>) -> (Destination, Transport) {
    let transport = contact.param("transport").and_then(Transport::from_param).unwrap_or_default();
    let host = match contact.host() {
        Some(UriHost::Name(name)) => Host::Name(name.to_ascii_lowercase().into()),
        Some(UriHost::V4(ip)) => Host::Ip(ip.into()),
        Some(UriHost::V6(ip)) => Host::Ip(ip.into()),
        None => return (Destination::Unresolved { host: String::new() }, transport),
    };
    let unresolved = Destination::Unresolved { host: host.to_string() };
    let target = SipTarget { user: None, host, port: contact.port(), transport };
    let first = destinations(tables, &target).next();
    (first.unwrap_or(unresolved), transport)
}

#[cfg(test)]
mod tests;
