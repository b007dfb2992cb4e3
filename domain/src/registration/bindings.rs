//! All live bindings, for routing: by address of record, by GRUU, by flow and by the time they expire.

use super::{Aor, Callee, Registration, RegistrationEvent, instance_of_gruu};
use crate::address::Flow;
use crate::domain_name::Hunt;
use crate::ids::{AccountId, RegistrationId};
use crate::sip::wire::Uri;
use crate::time::WallTime;
use std::collections::{BTreeSet, HashMap};

/// Live bindings in memory: some 900 bytes each. Looking one up costs one probe of a hash table.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    registrations: HashMap<Aor, Bound>,
    /// When the next binding of an address expires; each address once.
    due: BTreeSet<(WallTime, Aor)>,
    /// Addresses with bindings that came by a flow.
    flows: HashMap<Flow, Vec<Aor>>,
    /// How many bindings an account's users have.
    accounts: HashMap<AccountId, usize>,
    bindings: usize,
}

/// The bindings of an address, and the stream that they stand in: that of the domain or trunk which it had as its home when
/// they were made.
#[derive(Debug, Clone)]
struct Bound {
    stream: RegistrationId,
    registration: Registration,
}

impl Bindings {
    /// Takes the next event of an address's stream, which happened at that time.
    pub fn apply(&mut self, (aor, stream): (&Aor, RegistrationId), at: WallTime, event: &RegistrationEvent) {
        self.change((aor, stream), |registration| registration.apply(at, event));
    }

    /// Makes room for so many addresses more.
    pub fn reserve(&mut self, addresses: usize) {
        self.registrations.reserve(addresses);
        self.flows.reserve(addresses);
    }

    /// Sets the bindings of an address to what its whole stream says.
    pub fn put(&mut self, (aor, stream): (&Aor, RegistrationId), whole: Registration) {
        self.change((aor, stream), |registration| *registration = whole);
    }

    fn change(&mut self, (aor, stream): (&Aor, RegistrationId), change: impl FnOnce(&mut Registration)) {
        let new = || Bound { stream, registration: Registration::default() };
        let bound = self.registrations.entry(aor.clone()).or_insert_with(new);
        let registration = &mut bound.registration;
        if let Some(due) = registration.next_expiry() {
            self.due.remove(&(due, aor.clone()));
        }
        let (count, flows) = (registration.bindings.len(), flows_of(registration));
        let before = registration.account().map(|account| (account, count));
        if bound.stream == stream {
            change(registration);
        } else {
            // Bindings of two streams never mix: those that are made take the place of what was there.
            let mut other = Registration::default();
            change(&mut other);
            if !other.is_empty() {
                (bound.stream, *registration) = (stream, other);
            }
        }
        let after = registration.account().map(|account| (account, registration.bindings.len()));
        self.bindings = self.bindings + registration.bindings.len() - count;
        if let Some(due) = registration.next_expiry() {
            self.due.insert((due, aor.clone()));
        }
        let flows_now = flows_of(registration);
        if registration.is_empty() {
            self.registrations.remove(aor);
        }
        if before != after {
            self.recount(before, after);
        }
        for gone in flows.iter().filter(|flow| !flows_now.contains(flow)) {
            self.leave(gone, aor);
        }
        for new in flows_now.iter().filter(|flow| !flows.contains(flow)) {
            let aors = self.flows.entry(*new).or_default();
            aors.reserve_exact(1);
            aors.push(aor.clone());
        }
    }

    /// Bindings of one account become another's, or more, or fewer.
    fn recount(&mut self, before: Option<(AccountId, usize)>, after: Option<(AccountId, usize)>) {
        if let Some((account, count)) = after {
            *self.accounts.entry(account).or_default() += count;
        }
        if let Some((account, count)) = before
            && let Some(all) = self.accounts.get_mut(&account)
        {
            *all = all.saturating_sub(count);
        }
        let accounts = &mut self.accounts;
        for (account, _) in before.into_iter().chain(after) {
            if accounts.get(&account) == Some(&0) {
                accounts.remove(&account);
            }
        }
    }

    /// How many bindings an account's users have, expired ones that were not removed yet among them.
    pub fn of_account(&self, account: AccountId) -> usize {
        self.accounts.get(&account).copied().unwrap_or(0)
    }

    fn leave(&mut self, flow: &Flow, aor: &Aor) {
        let Some(aors) = self.flows.get_mut(flow) else { return };
        aors.retain(|known| known != aor);
        if aors.is_empty() {
            self.flows.remove(flow);
        }
    }

    /// The bindings of an address of record; `None` where there are none.
    pub fn get(&self, aor: &Aor) -> Option<&Registration> {
        self.registrations.get(aor).map(|bound| &bound.registration)
    }

    /// The stream that an address's bindings stand in.
    pub fn stream_of(&self, aor: &Aor) -> Option<RegistrationId> {
        self.registrations.get(aor).map(|bound| bound.stream)
    }

    /// Whom a call to an address rings ([`Registration::targets`]).
    pub fn targets(&self, aor: &Aor, hunt: Hunt, now: WallTime) -> Vec<Vec<Callee<'_>>> {
        self.get(aor).map(|registration| registration.targets(hunt, now)).unwrap_or_default()
    }

    /// The one device that a GRUU of ours names; `None` for any other URI.
    pub fn of_gruu(&self, uri: &Uri<'_>, now: WallTime) -> Option<Callee<'_>> {
        let instance = instance_of_gruu(uri)?;
        self.get(&Aor::of(uri).ok()?)?.device(&instance, now)
    }

    /// Addresses with bindings that came by this flow: when it is gone, so are they ([`Registration::flow_lost`]).
    pub fn on_flow(&self, flow: &Flow) -> &[Aor] {
        self.flows.get(flow).map_or(&[], Vec::as_slice)
    }

    /// All bindings by address.
    pub fn iter(&self) -> impl Iterator<Item = (&Aor, &Registration)> {
        self.registrations.iter().map(|(aor, bound)| (aor, &bound.registration))
    }

    /// The flows by datagrams that their devices promised to keep alive.
    pub fn promised(&self) -> impl Iterator<Item = Flow> {
        let bindings = self.registrations.values().flat_map(|bound| &bound.registration.bindings);
        let named = bindings.filter(|binding| binding.reg_id.is_some() && binding.device.path.is_empty());
        named.filter_map(super::Binding::flow).filter(|flow| !flow.transport.is_reliable())
    }

    /// The connections that bindings came by: none of them outlives the process.
    pub fn connections(&self) -> impl Iterator<Item = Flow> {
        self.flows.keys().copied().filter(|flow| flow.transport.is_reliable())
    }

    /// When the next binding expires.
    pub fn next_expiry(&self) -> Option<WallTime> {
        self.due.first().map(|(due, _)| *due)
    }

    /// At most `most` addresses with bindings that have expired, the longest overdue first
    /// ([`Registration::expire`]).
    pub fn overdue(&self, now: WallTime, most: usize) -> Vec<Aor> {
        self.due.iter().take_while(|(due, _)| *due <= now).take(most).map(|(_, aor)| aor.clone()).collect()
    }

    /// How many bindings there are, expired ones that were not removed yet among them.
    pub const fn len(&self) -> usize {
        self.bindings
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.bindings == 0
    }

    /// How many addresses have bindings.
    pub fn aor_count(&self) -> usize {
        self.registrations.len()
    }
}

/// The flows that an address's bindings are reached by, each once; there are few.
fn flows_of(registration: &Registration) -> Vec<Flow> {
    let mut flows: Vec<Flow> = vec![];
    for flow in registration.bindings.iter().filter_map(super::Binding::flow) {
        if !flows.contains(&flow) {
            flows.push(flow);
        }
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::tests::{ALICE, Device, at, flow, keep};

    const STREAM: RegistrationId = RegistrationId::from_bits(1);

    fn register(bindings: &mut Bindings, aor: &str, device: &Device, time: WallTime) {
        let aor: Aor = aor.parse().unwrap();
        let mut registration = bindings.get(&aor).cloned().unwrap_or_default();
        for event in keep(&mut registration, &aor, device, time) {
            bindings.apply((&aor, STREAM), time, &event);
        }
        assert_eq!(bindings.get(&aor), Some(&registration).filter(|registration| !registration.is_empty()));
    }

    #[test]
    fn an_address_is_found_while_it_has_bindings() {
        let mut bindings = Bindings::default();
        let aor: Aor = ALICE.parse().unwrap();
        assert!(bindings.targets(&aor, Hunt::Parallel, at(0)).is_empty());
        register(&mut bindings, ALICE, &Device::at("sip:alice@192.0.2.1"), at(0));
        register(&mut bindings, ALICE, &Device::at("sip:alice@192.0.2.2").call_id("b"), at(0));
        assert_eq!((bindings.len(), bindings.aor_count()), (2, 1));
        let account = bindings.get(&aor).and_then(Registration::account).unwrap();
        assert_eq!((bindings.of_account(account), bindings.of_account(AccountId::from_bits(77))), (2, 0));
        assert_eq!(bindings.targets(&aor, Hunt::Parallel, at(1)).len(), 1);
        register(&mut bindings, ALICE, &Device::at("sip:alice@192.0.2.1").cseq(2).expires(0), at(1));
        register(&mut bindings, ALICE, &Device::at("sip:alice@192.0.2.2").call_id("b").cseq(2).expires(0), at(1));
        assert!(bindings.is_empty() && bindings.get(&aor).is_none());
        assert_eq!((bindings.next_expiry(), bindings.flows.len(), bindings.due.len()), (None, 0, 0));
        assert!(bindings.accounts.is_empty());
    }

    #[test]
    fn what_is_overdue_is_found_in_order_and_expires() {
        let mut bindings = Bindings::default();
        for (user, expires) in [("a", 300), ("b", 100), ("c", 200)] {
            let device = Device::at("sip:x@192.0.2.1").expires(expires);
            register(&mut bindings, &format!("{user}@a.example"), &device, at(0));
        }
        assert_eq!(bindings.next_expiry(), Some(at(100)));
        assert_eq!(bindings.overdue(at(99), 10), []);
        let late = bindings.overdue(at(200), 10);
        assert_eq!(late.iter().map(Aor::user).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(bindings.overdue(at(200), 1).len(), 1);
        for aor in late {
            for event in bindings.get(&aor).unwrap().expire(at(200)) {
                bindings.apply((&aor, STREAM), at(200), &event);
            }
        }
        assert_eq!((bindings.len(), bindings.next_expiry()), (1, Some(at(300))));
        // A refresh moves it.
        register(&mut bindings, "a@a.example", &Device::at("sip:x@192.0.2.1").cseq(2).expires(300), at(250));
        assert_eq!(bindings.next_expiry(), Some(at(550)));
    }

    #[test]
    fn bindings_of_an_address_in_two_streams_do_not_mix() {
        let (aor, other): (Aor, _) = (ALICE.parse().unwrap(), RegistrationId::from_bits(2));
        let mut bindings = Bindings::default();
        register(&mut bindings, ALICE, &Device::at("sip:alice@192.0.2.1"), at(0));
        let former = bindings.get(&aor).cloned().unwrap();
        let mut new = Registration::default();
        for event in keep(&mut new, &aor, &Device::at("sip:alice@192.0.2.2"), at(1)) {
            bindings.apply((&aor, other), at(1), &event);
        }
        assert_eq!((bindings.get(&aor), bindings.stream_of(&aor), bindings.len()), (Some(&new), Some(other), 1));
        for event in former.leave() {
            bindings.apply((&aor, STREAM), at(2), &event);
        }
        bindings.put((&aor, STREAM), Registration::default());
        assert_eq!((bindings.get(&aor), bindings.stream_of(&aor), bindings.len()), (Some(&new), Some(other), 1));
    }

    #[test]
    fn a_flow_that_is_gone_takes_its_bindings_along_and_no_others() {
        let mut bindings = Bindings::default();
        for (user, port) in [("a", 1), ("b", 1), ("c", 2)] {
            register(&mut bindings, &format!("{user}@a.example"), &Device::at("sip:x@192.0.2.1").from(port), at(0));
        }
        let on = bindings.on_flow(&flow(1)).to_vec();
        assert_eq!(on.iter().map(Aor::user).collect::<Vec<_>>(), ["a", "b"]);
        for aor in on {
            for event in bindings.get(&aor).unwrap().flow_lost(&flow(1)) {
                bindings.apply((&aor, STREAM), at(1), &event);
            }
        }
        assert_eq!((bindings.len(), bindings.on_flow(&flow(1)).len()), (1, 0));
        // A device that moves to another flow leaves the old one.
        register(&mut bindings, "c@a.example", &Device::at("sip:x@192.0.2.1").from(3).cseq(2), at(1));
        assert_eq!((bindings.on_flow(&flow(2)).len(), bindings.on_flow(&flow(3)).len()), (0, 1));
    }

    #[test]
    fn a_gruu_finds_its_device_alone() {
        let mut bindings = Bindings::default();
        for (instance, contact) in [("urn:uuid:1", "sip:alice@192.0.2.1"), ("urn:uuid:2", "sip:alice@192.0.2.2")] {
            register(&mut bindings, ALICE, &Device::at(contact).instance(instance).call_id(instance), at(0));
        }
        let found = |text: &str| {
            let uri = crate::sip::wire::UriBuf::parse(text).unwrap();
            bindings.of_gruu(&uri.as_uri(), at(1)).map(|callee| callee.ways[0].device.contact.to_string())
        };
        assert_eq!(found("sip:alice@A.example;gr=urn:uuid:2").as_deref(), Some("sip:alice@192.0.2.2"));
        assert_eq!(found("sip:alice@a.example;gr=urn:uuid:3"), None);
        assert_eq!(found("sip:alice@a.example"), None);
        assert_eq!(found("sip:bob@a.example;gr=urn:uuid:2"), None);
    }

    /// What the allocator gives for so many bytes.
    fn block(bytes: usize) -> usize {
        bytes.next_multiple_of(16)
    }

    /// Bytes of the tables and of everything that hangs on them.
    fn weight(bindings: &Bindings) -> usize {
        let table = |slots: usize, row: usize| slots * (row + 1) * 8 / 7;
        let texts = |binding: &crate::registration::Binding| {
            let device = &binding.device;
            let optional = [&device.instance, &device.user_agent].into_iter().flatten().map(|text| block(text.len()));
            let path = device.path.iter().map(|element| block(16 + element.len()));
            let own = [device.contact.as_str(), &*device.params, &*device.call_id].map(|text| block(text.len()));
            own.into_iter().chain(optional).chain(path).sum::<usize>()
        };
        let registrations = bindings.iter().map(|(aor, registration)| {
            let rows = registration.bindings.capacity() * size_of::<crate::registration::Binding>();
            let name = block(16 + aor.as_str().len());
            name + block(rows) + registration.bindings.iter().map(texts).sum::<usize>()
        });
        let flows = bindings.flows.values().map(|aors| block(aors.capacity() * size_of::<Aor>()));
        table(bindings.registrations.capacity(), size_of::<(Aor, Bound)>())
            + registrations.sum::<usize>()
            + bindings.due.len() * size_of::<(WallTime, Aor)>() * 3 / 2
            + table(bindings.flows.capacity(), size_of::<(Flow, Vec<Aor>)>())
            + flows.sum::<usize>()
    }

    #[test]
    fn a_binding_costs_less_than_a_kilobyte() {
        let mut bindings = Bindings::default();
        // Just beyond a table's doubling: the worst of its slack.
        for n in 0..15_000u16 {
            let contact = format!("sip:u{n:05}@192.168.100.{}:5060;transport=udp;ob", n % 250);
            let call_id = format!("{n:032x}@192.168.100.1");
            let device =
                Device::at(&contact).instance("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6").call_id(&call_id);
            let device = device.agent("Grandstream GXP2170 1.0.11.16 00:0b:82:aa:bb:cc").from(1_024 + n);
            register(&mut bindings, &format!("u{n:05}@customer.pbx.example"), &device, at(i64::from(n)));
        }
        assert_eq!(bindings.len(), 15_000);
        let each = weight(&bindings) / bindings.len();
        assert!((400..=1_000).contains(&each), "{each} bytes a binding");
    }
}
