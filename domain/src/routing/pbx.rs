//! Numbers whose target is a PBX that registers: its bindings ring, with the called number in the Request-URI. [O10, R5;
//! RFC 6140]

use super::choose::{Inbound, refuse};
use super::users::way_to;
use super::{Attempt, Decision, Reason, Refusal, Refused, Registered, Rewrite, Rule, Subject, Tables, TrunkRow, Way};
use crate::domain_name::{DomainSettings, Hunt};
use crate::ids::{AccountId, NumberId};
use crate::number::{Host, SipTarget};
use crate::registration::{Aor, Binding, Home};
use crate::sip::wire::{Uri, escape_user};
use crate::trunk::TrunkKind;

/// Who may register an address of record, and under what terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrant {
    /// Whose it is.
    pub account: AccountId,
    /// The domain that the user is of, or the trunk.
    pub home: Home,
    /// What holds for its bindings: the domain's settings; for a trunk those that a domain has by default.
    pub settings: DomainSettings,
}

/// A number that leads to a PBX trunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'t> {
    pub(super) trunk: &'t TrunkRow,
    pub(super) number: NumberId,
    /// In E.164, or the short code.
    pub(super) digits: &'t str,
    pub(super) account: AccountId,
    pub(super) rule: Rule,
    pub(super) subject: Subject,
}

impl Tables {
    /// Who may register an address: a user of a domain, or, at the exchange's own domain, a PBX trunk under its user name.
    /// A domain of that name has its own users first.
    pub fn registrant(&self, aor: &Aor, own: Option<&str>) -> Option<Registrant> {
        if let Some(trunk) = self.pbx_at(aor.domain(), aor.user(), own) {
            let (account, home) = (trunk.account, Home::Trunk(trunk.id));
            return Some(Registrant { account, home, settings: DomainSettings::default() });
        }
        let domain = self.domain(aor.domain())?;
        let (account, home) = (domain.account, Home::Domain(domain.id));
        Some(Registrant { account, home, settings: domain.settings.clone() })
    }

    /// The PBX trunk that an address at the exchange's own domain names.
    fn pbx_at(&self, domain: &str, user: &str, own: Option<&str>) -> Option<&TrunkRow> {
        let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(domain));
        if !is_own || self.credential(domain, user).is_some() {
            return None;
        }
        self.trunk_of_login(user).filter(|trunk| trunk.settings.kind == TrunkKind::Pbx)
    }

    /// The PBX trunk whose address of record a number's target is.
    pub(super) fn pbx_of(&self, target: &SipTarget, own: Option<&str>) -> Option<&TrunkRow> {
        match &target.host {
            Host::Name(name) => self.pbx_at(name, target.user.as_deref()?, own),
            Host::Ip(_) => None,
        }
    }
}

/// Rings a trunk's bindings one after the other, by priority, then the newest first: two halves of a PBX are not to ring
/// the same phone twice.
pub(super) fn ring(
    tables: &Tables,
    registered: &Registered<'_>,
    inbound: &Inbound,
    called: &Called<'_>,
) -> Result<Decision, Box<Refused>> {
    let Called { trunk, number, account, rule, subject, .. } = *called;
    // Nothing is said about other accounts' trunks. [T1]
    if trunk.account != account {
        return refuse(inbound, Refusal::NoSuchUser, rule, Some(subject), vec![]);
    }
    let own = registered.own.unwrap_or_default();
    let user = trunk.settings.proves_as().map_or("", |username| username.as_str());
    let aor: Option<Aor> = format!("{user}@{own}").parse().ok().filter(|_| trunk.settings.enabled);
    let registration = aor.and_then(|aor| registered.bindings.get(&aor));
    let registration = registration.filter(|registration| registration.account() == Some(trunk.account));
    let groups = registration.map(|known| known.targets(Hunt::Sequential, registered.now)).unwrap_or_default();
    let of_group = |(group, callees): (u16, Vec<crate::registration::Callee<'_>>)| {
        let one = |callee: crate::registration::Callee<'_>| {
            let ways = callee.ways.into_iter().enumerate();
            ways.map(|(nth, way)| attempt(tables, called, way, (group, nth > 0), own)).collect::<Vec<_>>()
        };
        callees.into_iter().flat_map(one).collect::<Vec<_>>()
    };
    let attempts: Vec<Attempt> = (0..).zip(groups).flat_map(of_group).take(super::MAX_ATTEMPTS).collect();
    if attempts.is_empty() {
        return refuse(inbound, Refusal::NotRegistered, rule, Some(subject), vec![]);
    }
    let reason = Reason { rule, subject: Some(subject), considered: vec![] };
    Ok(Decision { account, inbound: inbound.trunk, number: Some(number), attempts, reason })
}

fn attempt(tables: &Tables, called: &Called<'_>, way: &Binding, (group, spare): (u16, bool), own: &str) -> Attempt {
    let settings = &called.trunk.settings;
    let (destination, transport, local) = way_to(tables, way);
    let user = escape_user(called.digits);
    Attempt {
        target: with_user(&way.device.contact.as_uri(), &user),
        to: format!("sip:{user}@{own}"),
        destination,
        transport,
        large_requests: settings.large_requests,
        trunk: Some(called.trunk.id),
        ring_timeout: settings.ring_timeout.seconds(),
        media_source: settings.media_source,
        rewrite: Rewrite::CalledNumber,
        device: Some(Box::new(Way {
            binding: way.id,
            local,
            routes: way.device.path.iter().map(|element| element.to_string()).collect(),
            group,
            spare,
        })),
    }
}

/// A contact with the called number as its user: its host, port and parameters but for `bnc` (RFC 6140 §5.2).
fn with_user(contact: &Uri<'_>, user: &str) -> String {
    let text = contact.as_str();
    let headers = contact.headers().map_or(0, |headers| headers.len() + 1);
    let text = text.get(..text.len() - headers).unwrap_or(text);
    let (scheme, rest) = text.split_once(':').unwrap_or(("sip", text));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let mut parts = place.split(';');
    let host = parts.next().unwrap_or_default();
    let kept = parts.filter(|param| !param.eq_ignore_ascii_case("bnc"));
    kept.fold(format!("{scheme}:{user}@{host}"), |uri, param| format!("{uri};{param}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_takes_the_number_and_loses_only_bnc() {
        for (contact, target) in [
            ("sip:198.51.100.3:5060;bnc", "sip:+15550001111@198.51.100.3:5060"),
            ("sip:198.51.100.3;bnc;transport=tcp;x=1", "sip:+15550001111@198.51.100.3;transport=tcp;x=1"),
            ("sips:[2001:db8::3]:5061;BNC", "sips:+15550001111@[2001:db8::3]:5061"),
            ("sip:acme@10.0.0.1;ob?X=y", "sip:+15550001111@10.0.0.1;ob"),
            ("sip:acme:pw@10.0.0.1;bncx", "sip:+15550001111@10.0.0.1;bncx"),
        ] {
            assert_eq!(with_user(&Uri::parse(contact).unwrap(), "+15550001111"), target, "{contact}");
        }
    }
}
