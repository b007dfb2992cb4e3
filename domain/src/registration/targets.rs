//! Whom to ring, in what order.

use super::{Binding, Origin, Q, Reach, Registration};
use crate::domain_name::Hunt;
use crate::time::WallTime;
use std::cmp::Reverse;

/// One device to ring. Only one of its ways is used at a time; the next one after 408 or 430, or when a flow is gone,
/// and none after any other answer (RFC 5626 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callee<'a> {
    /// Its bindings, the one refreshed last first; at least one.
    pub ways: Vec<&'a Binding>,
}

impl Callee<'_> {
    /// The highest priority of its ways.
    fn priority(&self) -> Q {
        self.ways.iter().map(|way| way.priority()).max().unwrap_or(Q::HIGHEST)
    }

    /// When it came first.
    fn since(&self) -> Option<WallTime> {
        self.ways.iter().map(|way| way.since).max()
    }
}

impl Registration {
    /// Groups of devices, to be rung one group after the other, all of a group at once: by falling priority (`q`),
    /// devices of the same priority together or, where they hunt in sequence, each by itself, the newest first.
    pub fn targets(&self, hunt: Hunt, now: WallTime) -> Vec<Vec<Callee<'_>>> {
        let mut callees = self.callees(now);
        callees.sort_by_key(|callee| Reverse((callee.priority(), callee.since())));
        match hunt {
            Hunt::Sequential => callees.into_iter().map(|callee| vec![callee]).collect(),
            Hunt::Parallel => {
                let mut groups: Vec<Vec<Callee<'_>>> = vec![];
                for callee in callees {
                    match groups.last_mut() {
                        Some(group) if group.first().is_some_and(|first| first.priority() == callee.priority()) => {
                            group.push(callee);
                        }
                        Some(_) | None => groups.push(vec![callee]),
                    }
                }
                groups
            }
        }
    }

    /// The device of that instance id (RFC 5627 §5.3: a call to a GRUU goes to that device alone).
    pub fn device(&self, instance: &str, now: WallTime) -> Option<Callee<'_>> {
        self.callees(now)
            .into_iter()
            .find(|callee| callee.ways.first().is_some_and(|way| way.device.instance.as_deref() == Some(instance)))
    }

    fn callees(&self, now: WallTime) -> Vec<Callee<'_>> {
        let mut callees: Vec<Callee<'_>> = vec![];
        for binding in self.bindings(now).filter(|binding| binding.reach != Reach::Nowhere) {
            let mut known = callees.iter_mut();
            let same = |callee: &&mut Callee<'_>| callee.ways.iter().any(|way| is_one_device(way, binding));
            match known.find(same) {
                Some(callee) => callee.ways.push(binding),
                None => callees.push(Callee { ways: vec![binding] }),
            }
        }
        for callee in &mut callees {
            callee.ways.sort_by_key(|way| Reverse(way.refreshed));
        }
        callees
    }
}

/// The same instance, or a contact made by API that the device itself registered too.
fn is_one_device(one: &Binding, other: &Binding) -> bool {
    let instances = one.device.instance.is_some() && one.device.instance == other.device.instance;
    let made = one.origin != other.origin && matches!((one.origin, other.origin), (Origin::Api, _) | (_, Origin::Api));
    instances || made && one.is_at(&other.device.contact.as_uri())
}
