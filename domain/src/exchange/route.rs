//! From an INVITE and the routing tables to what a session is told.

use crate::address::{EdgeRole, Flow};
use crate::codec::personal::Personal;
use crate::ids::{AccountId, NumberId, TrunkId};
use crate::media::MediaSource;
use crate::routing::{
    Attempt, Considered, Decision, Destination, Reason, Refused, Request, Rule, Subject, Tables, Verdict, choose,
};
use crate::session::event::{Parties, PassedOver, RouteChosen, RouteRefused, Target};
use crate::sip::wire::{Message, NameAddr, Uri};
use std::net::SocketAddr;

/// A listener of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The address that peers know.
    pub address: SocketAddr,
    /// Its role.
    pub role: EdgeRole,
}

/// An INVITE that some account answers for, and where it goes.
#[derive(Debug)]
pub(super) struct Routed {
    pub account: AccountId,
    pub trunk: TrunkId,
    pub media_source: MediaSource,
    pub route: Result<RouteChosen, RouteRefused>,
}

/// Routes an INVITE. `Err` is the status of a stateless refusal: nobody answers for the caller.
pub(super) fn route(
    tables: &Tables,
    listeners: &[Listener],
    role: EdgeRole,
    flow: Flow,
    called: &str,
) -> Result<Routed, u16> {
    let request = Request { role, source: flow.remote, called };
    let source = tables.identify(flow.remote, role).map(|trunk| trunk.settings.media_source).unwrap_or_default();
    match choose(tables, &request) {
        Ok(decision) => {
            let (account, trunk) = (decision.account, decision.inbound);
            let route = chosen(decision, listeners, flow);
            Ok(Routed { account, trunk, media_source: source, route })
        }
        Err(refused) => match (refused.account, refused.inbound) {
            (Some(account), Some(trunk)) if !refused.refusal.is_stateless() => {
                Ok(Routed { account, trunk, media_source: source, route: Err(refusal(&refused)) })
            }
            _ => Err(refused.refusal.status()),
        },
    }
}

fn chosen(decision: Decision, listeners: &[Listener], flow: Flow) -> Result<RouteChosen, RouteRefused> {
    let rule = rule_name(decision.reason.rule);
    let targets: Vec<Target> =
        decision.attempts.into_iter().filter_map(|attempt| target(attempt, listeners, flow)).collect();
    if targets.is_empty() {
        let reason = "no target has an address: its host name does not resolve".into();
        return Err(RouteRefused { status: 502, rule, reason });
    }
    let number = match decision.reason.subject {
        Some(Subject::Number { id, .. }) => Some(id),
        Some(Subject::Account { .. } | Subject::Trunk { .. }) | None => None::<NumberId>,
    };
    Ok(RouteChosen {
        rule,
        rule_version: decision.reason.subject.map_or(0, revision),
        number,
        reason: sentence(decision.reason.rule).into(),
        passed_over: passed_over(&decision.reason),
        targets: Personal::Known(targets),
    })
}

fn refusal(refused: &Refused) -> RouteRefused {
    RouteRefused {
        status: refused.refusal.status(),
        rule: rule_name(refused.reason.rule),
        reason: refused.refusal.to_string().into(),
    }
}

fn target(attempt: Attempt, listeners: &[Listener], flow: Flow) -> Option<Target> {
    let Destination::Address(destination) = attempt.destination else { return None };
    Some(Target {
        uri: attempt.target,
        to: attempt.to,
        local: local_address(listeners, flow, destination),
        destination,
        trunk: attempt.trunk,
        media_source: attempt.media_source,
        ring_timeout: attempt.ring_timeout,
    })
}

/// Our address toward a destination: the listener that the call came in on, unless its family cannot reach it.
fn local_address(listeners: &[Listener], flow: Flow, destination: SocketAddr) -> SocketAddr {
    let reaches = |address: SocketAddr| address.is_ipv4() == destination.is_ipv4();
    if reaches(flow.local) {
        return flow.local;
    }
    listeners.iter().map(|listener| listener.address).find(|address| reaches(*address)).unwrap_or(flow.local)
}

fn passed_over(reason: &Reason) -> Vec<PassedOver> {
    let trunk = |considered: &Considered| match considered.subject {
        Subject::Trunk { id, .. } => Some(id),
        Subject::Account { .. } | Subject::Number { .. } => None,
    };
    let not_taken = reason.considered.iter().filter_map(|considered| {
        let why: Box<str> = match &considered.verdict {
            Verdict::Chosen { .. } => return None,
            Verdict::Unresolved { host } => format!("its host {host} has no address").into(),
            Verdict::Disabled => "it is switched off".into(),
            Verdict::NoDestination => "it has no destination".into(),
            Verdict::NoPrefix => "no prefix of it matches".into(),
            Verdict::BeyondLimit => "enough others stand before it".into(),
        };
        Some(PassedOver { trunk: trunk(considered)?, reason: why })
    });
    not_taken.collect()
}

fn revision(subject: Subject) -> u64 {
    match subject {
        Subject::Account { revision, .. } | Subject::Number { revision, .. } | Subject::Trunk { revision, .. } => {
            revision
        }
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
fn shown(uri: &Uri<'_>) -> String {
    let text = uri.as_str();
    uri.user_text().unwrap_or_else(|| text.split_once(':').map_or(text, |(_, rest)| rest).to_owned())
}

/// The From value toward a callee: the caller's display name and user at our domain, so that the callee can call back
/// through us (R5). An anonymous caller stays so (RFC 3323 §4.1.1.3).
pub(super) fn identity(request: &Message, domain: &str) -> Option<Box<str>> {
    let from: NameAddr<'_> = request.from().ok()?;
    let host = from.uri.host().map(|host| host.to_string()).unwrap_or_default();
    let address = match from.uri.user() {
        _ if host.eq_ignore_ascii_case("anonymous.invalid") => "sip:anonymous@anonymous.invalid".to_owned(),
        Some(user) => format!("sip:{user}@{domain}"),
        None if from.uri.as_str().starts_with("tel:") => format!("sip:{}@{domain}", shown(&from.uri)),
        None => format!("sip:{domain}"),
    };
    Some(match from.display {
        Some(display) => format!("\"{display}\" <{address}>").into(),
        None => format!("<{address}>").into(),
    })
}
