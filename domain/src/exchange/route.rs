//! From an INVITE and the routing tables to what a session is told.

use crate::address::{EdgeRole, Flow, Transport};
use crate::codec::personal::Personal;
use crate::ids::{AccountId, TrunkId};
use crate::media::MediaSource;
use crate::routing::{
    Attempt, Caller, Considered, Decision, Destination, Reason, Refused, Registered, Request, Rule, Subject, Tables,
    Verdict, Way, choose,
};
use crate::session::event::{Parties, PassedOver, RouteChosen, RouteRefused, Target};
use crate::sip::wire::{Message, NameAddr, Uri};
use crate::trunk::LargeRequests;
use std::net::SocketAddr;

/// A listener of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The address that peers know.
    pub address: SocketAddr,
    /// Its role.
    pub role: EdgeRole,
    /// Its transport.
    pub transport: Transport,
}

impl Listener {
    fn fits(&self, transport: Transport, destination: SocketAddr) -> bool {
        self.transport == transport && self.address.is_ipv4() == destination.is_ipv4()
    }
}

/// Our address toward a destination for what nobody's call asks for: a listener of this role, or any that fits.
pub(super) fn listener_for(
    listeners: &[Listener],
    role: EdgeRole,
    transport: Transport,
    destination: SocketAddr,
) -> Option<SocketAddr> {
    let fitting = listeners.iter().filter(|listener| listener.fits(transport, destination));
    fitting.min_by_key(|listener| listener.role != role).map(|listener| listener.address)
}

/// An INVITE that some account answers for, and where it goes.
#[derive(Debug)]
pub(super) struct Routed {
    pub account: AccountId,
    pub trunk: Option<TrunkId>,
    pub media_source: MediaSource,
    /// Whether it goes to registered devices: they call back by their own domain.
    pub to_devices: bool,
    pub route: Result<RouteChosen, RouteRefused>,
}

/// Routes an INVITE. `Err` is the status of a stateless refusal: nobody answers for the caller.
pub(super) fn route(
    tables: &Tables,
    registered: &Registered<'_>,
    listeners: &[Listener],
    flow: Flow,
    request: &Request<'_>,
) -> Result<Routed, u16> {
    let trunk = match request.caller {
        Caller::Source => tables.identify(flow.remote, request.role),
        Caller::Trunk(id) => tables.trunk(id),
        Caller::User(_) => None,
    };
    // Phones sit behind NAT more often than not.
    let media_source = trunk.map_or(MediaSource::Latch, |trunk| trunk.settings.media_source);
    match choose(tables, registered, request) {
        Ok(decision) => {
            let (account, trunk) = (decision.account, decision.inbound);
            let to_devices =
                decision.attempts.iter().all(|attempt| attempt.device.is_some() && attempt.trunk.is_none());
            let route = chosen(decision, listeners, flow);
            Ok(Routed { account, trunk, media_source, to_devices, route })
        }
        Err(refused) => match refused.account {
            Some(account) if !refused.refusal.is_stateless() => {
                let route = Err(refusal(&refused));
                Ok(Routed { account, trunk: refused.inbound, media_source, to_devices: false, route })
            }
            Some(_) | None => Err(refused.refusal.status()),
        },
    }
}

pub(super) fn chosen(decision: Decision, listeners: &[Listener], flow: Flow) -> Result<RouteChosen, RouteRefused> {
    let rule = rule_name(decision.reason.rule);
    let mut targets: Vec<Target> = reachable(decision.attempts, listeners, flow);
    // Trunks and addresses are tried one after the other; devices have groups of their own.
    for (group, target) in (0..).zip(&mut targets).filter(|(_, target)| target.binding.is_none()) {
        target.group = group;
    }
    if targets.is_empty() {
        let reason =
            "no target can be reached: its host name does not resolve, or no listener has its transport".into();
        return Err(RouteRefused { status: 502, rule, reason, retry_after: None });
    }
    Ok(RouteChosen {
        rule,
        rule_version: decision.reason.subject.map_or(0, revision),
        number: decision.number,
        reason: sentence(decision.reason.rule).into(),
        asked_by: None,
        passed_over: passed_over(&decision.reason),
        targets: Personal::Known(targets),
    })
}

/// Attempts that can be made. Where a device's first way is none, the next takes its place.
fn reachable(attempts: Vec<Attempt>, listeners: &[Listener], flow: Flow) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::with_capacity(attempts.len());
    let mut has_way = false;
    for attempt in attempts {
        let spare = attempt.device.as_ref().is_some_and(|way| way.spare);
        has_way &= spare;
        if let Some(target) = target(attempt, listeners, flow) {
            targets.push(Target { spare: spare && has_way, ..target });
            has_way = true;
        }
    }
    targets
}

pub(super) fn refusal(refused: &Refused) -> RouteRefused {
    RouteRefused {
        status: refused.refusal.status(),
        rule: rule_name(refused.reason.rule),
        reason: refused.refusal.to_string().into(),
        retry_after: None,
    }
}

fn target(attempt: Attempt, listeners: &[Listener], flow: Flow) -> Option<Target> {
    let Destination::Address(destination) = attempt.destination else { return None };
    let from = |transport| local_address(listeners, flow, transport, destination);
    let (binding, group, routes, by) = match attempt.device.map(|way| *way) {
        Some(Way { binding, local, routes, group, spare: _ }) => (Some(binding), group, routes, local),
        None => (None, 0, vec![], None),
    };
    // The listener that a device registered at may be gone.
    let is_ours = |local: &SocketAddr| {
        listeners.iter().any(|listener| listener.address == *local && listener.transport == attempt.transport)
    };
    let large = attempt.transport == Transport::Udp && attempt.large_requests == LargeRequests::Tcp;
    Some(Target {
        uri: attempt.target,
        to: attempt.to,
        local: by.filter(is_ours).or_else(|| from(attempt.transport))?,
        destination,
        transport: attempt.transport,
        large_by_tcp: large.then(|| from(Transport::Tcp)).flatten(),
        trunk: attempt.trunk,
        media_source: attempt.media_source,
        ring_timeout: attempt.ring_timeout,
        group,
        spare: false,
        routes,
        binding,
    })
}

/// Our address toward a destination: where the call came in, or, if nothing listens there with that transport and family,
/// a listener of the same role, or any. Nothing where none has them.
fn local_address(
    listeners: &[Listener],
    flow: Flow,
    transport: Transport,
    destination: SocketAddr,
) -> Option<SocketAddr> {
    let role = role_of(listeners, flow);
    let fitting = |listener: &&Listener| listener.fits(transport, destination);
    let rank = |listener: &&Listener| match (listener.address == flow.local, listener.role == role) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    listeners.iter().filter(fitting).min_by_key(rank).map(|listener| listener.address)
}

/// Role of the listener that a flow belongs to; the less trusted one where it belongs to none.
pub(super) fn role_of(listeners: &[Listener], flow: Flow) -> EdgeRole {
    let ours = |listener: &&Listener| listener.address == flow.local && listener.transport == flow.transport;
    listeners.iter().find(ours).map_or(EdgeRole::Public, |listener| listener.role)
}

fn passed_over(reason: &Reason) -> Vec<PassedOver> {
    let trunk = |considered: &Considered| match considered.subject {
        Subject::Trunk { id, .. } => Some(id),
        Subject::Account { .. } | Subject::Number { .. } | Subject::Domain { .. } => None,
    };
    let not_taken = reason.considered.iter().filter_map(|considered| {
        let why: Box<str> = match &considered.verdict {
            Verdict::Chosen { .. } => return None,
            Verdict::Unresolved { host } => format!("its host {host} has no address").into(),
            Verdict::Disabled => "it is switched off".into(),
            Verdict::NoDestination => "it has no destination".into(),
            Verdict::NoPrefix => "no prefix of it matches".into(),
            Verdict::Down => "it is down".into(),
            Verdict::BeyondLimit => "enough others stand before it".into(),
        };
        Some(PassedOver { trunk: trunk(considered)?, reason: why })
    });
    not_taken.collect()
}

fn revision(subject: Subject) -> u64 {
    match subject {
        Subject::Account { revision, .. }
        | Subject::Number { revision, .. }
        | Subject::Domain { revision, .. }
        | Subject::Trunk { revision, .. } => revision,
    }
}

fn rule_name(rule: Rule) -> Box<str> {
    rule.name().into()
}

const fn sentence(rule: Rule) -> &'static str {
    match rule {
        Rule::Source => "the source identifies the trunk",
        Rule::Account => "the account decides",
        Rule::Number => "the called number is one of the account's: its target is tried",
        Rule::Inside => "the dialled number is one of the account's own: the call stays inside",
        Rule::Carriers => {
            "the dialled number is not the account's: carriers are tried by longest prefix, then priority"
        }
        Rule::User => "a user of the account's domain is called: the user's devices ring by priority",
        Rule::Gruu => "one device of a user is called by its GRUU: it alone rings",
    }
}

/// Who talks to whom.
pub(super) fn parties(request: &Message) -> Option<Parties> {
    let from = request.from().ok()?;
    Some(Parties { caller: shown(&from.uri), called: called(request)?, call_id: request.call_id().ok()?.to_owned() })
}

/// The called number: user part of the request URI, or the number of a `tel:` URI.
pub(super) fn called(request: &Message) -> Option<String> {
    let uri = Uri::parse(request.request_uri()?).ok()?;
    Some(shown(&uri))
}

/// A user part without escapes where there is one, else the URI.
pub(super) fn shown(uri: &Uri<'_>) -> String {
    let text = uri.as_str();
    uri.user_text().unwrap_or_else(|| text.split_once(':').map_or(text, |(_, rest)| rest).to_owned())
}

/// The From value toward a callee: the caller's display name and user at our domain, so that the callee can call back
/// through us (R5). An anonymous caller stays so (RFC 3323 §4.1.1.3).
pub(super) fn identity(request: &Message, domain: &str) -> Option<Box<str>> {
    request.from().ok().map(|from| identity_of(&from, domain))
}

/// The same for a caller that this address names.
pub(super) fn identity_of(from: &NameAddr<'_>, domain: &str) -> Box<str> {
    let host = from.uri.host().map(|host| host.to_string()).unwrap_or_default();
    let address = match from.uri.user() {
        _ if host.eq_ignore_ascii_case("anonymous.invalid") => "sip:anonymous@anonymous.invalid".to_owned(),
        Some(user) => format!("sip:{user}@{domain}"),
        None if from.uri.as_str().starts_with("tel:") => format!("sip:{}@{domain}", shown(&from.uri)),
        None => format!("sip:{domain}"),
    };
    match from.display {
        Some(display) => format!("\"{display}\" <{address}>").into(),
        None => format!("<{address}>").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, role: EdgeRole, transport: Transport) -> Listener {
        Listener { address: address.parse().unwrap(), role, transport }
    }

    #[test]
    fn a_call_leaves_from_where_it_came_in_if_that_has_the_transport_else_from_a_listener_of_its_role() {
        let listeners = [
            listener("192.0.2.1:5070", EdgeRole::Public, Transport::Udp),
            listener("192.0.2.1:5070", EdgeRole::Public, Transport::Tcp),
            listener("[2001:db8::1]:5060", EdgeRole::Carrier, Transport::Tcp),
            listener("192.0.2.2:5060", EdgeRole::Carrier, Transport::Tcp),
            listener("192.0.2.1:5060", EdgeRole::Carrier, Transport::Udp),
        ];
        let from = |local: &str, transport, to: &str| {
            let flow =
                Flow { transport: Transport::Udp, local: local.parse().unwrap(), remote: "9.9.9.9:9".parse().unwrap() };
            local_address(&listeners, flow, transport, to.parse().unwrap()).map(|address| address.to_string())
        };
        let is = |address: &str| Some(address.to_owned());
        assert_eq!(from("192.0.2.1:5070", Transport::Tcp, "10.0.0.1:5060"), is("192.0.2.1:5070"));
        assert_eq!(from("192.0.2.1:5060", Transport::Tcp, "10.0.0.1:5060"), is("192.0.2.2:5060"));
        assert_eq!(from("192.0.2.1:5070", Transport::Tcp, "[::9]:5060"), is("[2001:db8::1]:5060"));
        assert_eq!(from("192.0.2.1:5060", Transport::Udp, "[::9]:5060"), None);
    }
}
