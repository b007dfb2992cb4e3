//! What becomes of a REGISTER (RFC 3261 §10.3, RFC 5626 §6).

use super::{
    Binding, BindingAdded, BindingRefreshed, BindingRemoved, Contacts, Device, Origin, RegisterContact,
    RegisterRequest, Registration, RegistrationEvent, Rejection, RemovalCause, Terms,
};
use crate::ids::BindingId;
use crate::sip::wire::Uri;
use crate::time::WallTime;
use std::time::Duration;

/// The shortest registration that is never too brief (RFC 3261 §10.3 step 7).
const AN_HOUR: u32 = 3_600;

/// A contact with what it was granted; 0 ends its binding.
struct Asked<'r> {
    contact: &'r RegisterContact,
    granted: u32,
    /// Device and flow, where its binding is known by them.
    key: Option<(&'r str, u32)>,
}

impl Registration {
    /// Decides on a REGISTER: all of it, or nothing. First come removals of what has expired. `id` gives fresh ids.
    ///
    /// # Errors
    /// A rule says no; nothing changes.
    pub fn register(
        &self,
        request: &RegisterRequest,
        terms: &Terms<'_>,
        now: WallTime,
        id: &mut dyn FnMut() -> BindingId,
    ) -> Result<Vec<RegistrationEvent>, Rejection> {
        let mut events = self.expire(now);
        match &request.contacts {
            Contacts::Fetch => {}
            Contacts::All => {
                for binding in self.registered(now) {
                    in_order(binding, request)?;
                    events.push(removed(binding, terms, RemovalCause::Unregistered));
                }
            }
            Contacts::Some(contacts) => {
                let asked = granted(contacts, request, terms)?;
                let before = self.bindings(now).count();
                let (changes, growth) = self.changes(&asked, request, terms, now, id)?;
                let most = usize::from(terms.settings.max_bindings);
                if growth > 0 && before.saturating_add_signed(growth) > most {
                    return Err(Rejection::TooMany { most: terms.settings.max_bindings });
                }
                if terms.room.is_some_and(|room| growth > isize::try_from(room).unwrap_or(isize::MAX)) && growth > 0 {
                    return Err(Rejection::AccountFull);
                }
                events.extend(changes);
            }
        }
        Ok(events)
    }

    /// Bindings that REGISTER made and may change.
    fn registered(&self, now: WallTime) -> impl Iterator<Item = &Binding> {
        self.bindings(now).filter(|binding| binding.origin == Origin::Register)
    }

    /// The changes, and by how many bindings there are more then.
    fn changes(
        &self,
        asked: &[Asked<'_>],
        request: &RegisterRequest,
        terms: &Terms<'_>,
        now: WallTime,
        id: &mut dyn FnMut() -> BindingId,
    ) -> Result<(Vec<RegistrationEvent>, isize), Rejection> {
        let (mut events, mut growth, mut gone) = (vec![], 0, vec![]);
        for one in asked {
            let uri = one.contact.uri.as_uri();
            let known =
                self.registered(now).find(|binding| is_meant(binding, one, &uri) && !gone.contains(&binding.id));
            if let Some(binding) = known {
                in_order(binding, request)?;
            }
            match (known, one.granted) {
                (None, 0) => {}
                (Some(binding), 0) => {
                    events.push(removed(binding, terms, RemovalCause::Unregistered));
                    gone.push(binding.id);
                    growth -= 1;
                }
                (Some(binding), _) => events.push(refreshed(binding.id, one, request, terms, now)),
                (None, _) => {
                    events.push(added(id(), one, request, terms, now));
                    growth += 1;
                }
            }
            // A device that begins to name its flows leaves a binding behind that was known by its contact.
            let left = |binding: &&Binding| one.key.is_some() && binding.key().is_none() && binding.is_at(&uri);
            for binding in self.registered(now).filter(left).filter(|binding| known.is_none_or(|k| k.id != binding.id))
            {
                if !gone.contains(&binding.id) {
                    events.push(removed(binding, terms, RemovalCause::Replaced));
                    gone.push(binding.id);
                    growth -= 1;
                }
            }
        }
        Ok((events, growth))
    }
}

/// Whether a contact is this binding's: by device and flow where it names them, else by URI. A contact that ends its
/// binding without naming device and flow ends what it is the URI of.
fn is_meant(binding: &Binding, asked: &Asked<'_>, uri: &Uri<'_>) -> bool {
    match (asked.key, binding.key()) {
        (Some(key), Some(known)) => key == known,
        (None, None) => binding.is_at(uri),
        (None, Some(_)) => asked.granted == 0 && binding.is_at(uri),
        (Some(_), None) => false,
    }
}

/// RFC 3261 §10.3 steps 6 and 7: what the same device said before must be older.
fn in_order(binding: &Binding, request: &RegisterRequest) -> Result<(), Rejection> {
    let same = binding.device.call_id == request.call_id;
    if same && request.cseq <= binding.cseq { Err(Rejection::OutOfOrder) } else { Ok(()) }
}

/// What each contact is granted, if all of them may be.
fn granted<'r>(
    contacts: &'r [RegisterContact],
    request: &RegisterRequest,
    terms: &Terms<'_>,
) -> Result<Vec<Asked<'r>>, Rejection> {
    let named = contacts.iter().any(|contact| contact.reg_id.is_some());
    if named && request.supported.outbound && !request.keeps_flows {
        return Err(Rejection::FirstHopLacksOutbound);
    }
    let mut asked: Vec<Asked<'r>> = Vec::with_capacity(contacts.len());
    for contact in contacts {
        let uri = contact.uri.as_uri();
        if is_itself(&uri, terms) {
            return Err(Rejection::Loop);
        }
        let wanted = contact.expires.or(request.expires).unwrap_or(terms.settings.default_expires);
        let min = terms.settings.min_expires;
        if wanted > 0 && wanted < min && wanted < AN_HOUR {
            return Err(Rejection::TooBrief { min });
        }
        // Without an instance, or across a proxy that keeps no flows, reg-id says nothing (RFC 5626 §6).
        let key = contact.instance.as_deref().zip(contact.reg_id).filter(|_| request.keeps_flows);
        let one = Asked { contact, granted: wanted.min(terms.settings.max_expires), key };
        let twice = |other: &Asked<'_>| match (other.key, key) {
            (Some(theirs), Some(ours)) => theirs == ours,
            (None, None) => other.contact.uri.as_uri().same(&uri),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if asked.iter().any(twice) {
            return Err(Rejection::Malformed("Contact: the same one stands twice".into()));
        }
        asked.push(one);
    }
    if named && asked.iter().filter(|one| one.granted > 0).count() > 1 {
        return Err(Rejection::Malformed("Contact: with reg-id there is one".into()));
    }
    Ok(asked)
}

/// Whether calls to that contact would come back to the same address of record.
fn is_itself(uri: &Uri<'_>, terms: &Terms<'_>) -> bool {
    super::Aor::of(uri).is_ok_and(|aor| aor == *terms.aor)
}

fn device(one: &Asked<'_>, request: &RegisterRequest, terms: &Terms<'_>) -> Device {
    Device {
        aor: terms.aor.clone(),
        contact: one.contact.uri.clone(),
        params: one.contact.params.clone(),
        call_id: request.call_id.clone(),
        instance: one.contact.instance.clone(),
        user_agent: request.user_agent.clone(),
        path: request.path.clone(),
        flow: Some(request.flow),
    }
}

fn added(
    binding: BindingId,
    one: &Asked<'_>,
    request: &RegisterRequest,
    terms: &Terms<'_>,
    now: WallTime,
) -> RegistrationEvent {
    RegistrationEvent::BindingAdded(BindingAdded {
        binding,
        account: terms.account,
        domain: terms.home.domain(),
        trunk: terms.home.trunk(),
        cseq: request.cseq,
        q: one.contact.q,
        reg_id: one.key.map(|(_, reg_id)| reg_id),
        transport: Some(request.flow.transport),
        expires: Some(one.granted),
        until: Some(now + Duration::from_secs(one.granted.into())),
        api: false,
        by: None,
        sole: false,
        device: device(one, request, terms).into(),
    })
}

fn refreshed(
    binding: BindingId,
    one: &Asked<'_>,
    request: &RegisterRequest,
    terms: &Terms<'_>,
    now: WallTime,
) -> RegistrationEvent {
    RegistrationEvent::BindingRefreshed(BindingRefreshed {
        binding,
        account: terms.account,
        cseq: request.cseq,
        q: one.contact.q,
        reg_id: one.key.map(|(_, reg_id)| reg_id),
        transport: Some(request.flow.transport),
        expires: one.granted,
        until: now + Duration::from_secs(one.granted.into()),
        sole_since: None,
        device: device(one, request, terms).into(),
    })
}

fn removed(binding: &Binding, terms: &Terms<'_>, cause: RemovalCause) -> RegistrationEvent {
    RegistrationEvent::BindingRemoved(BindingRemoved { binding: binding.id, account: terms.account, cause, by: None })
}
