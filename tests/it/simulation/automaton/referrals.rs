//! What a phone asked for by REFER, within a call or outside any, and what it heard of it.

use domain::sip::wire::{EventType, HeaderName, Message};
use std::collections::{BTreeMap, BTreeSet};

/// See the module. Each goes by the CSeq number of its REFER.
#[derive(Debug, Default)]
pub(in super::super) struct Referrals {
    /// Those of which word was promised.
    accepted: BTreeSet<u32>,
    /// The last words on each.
    last: BTreeMap<u32, Vec<u16>>,
}

impl Referrals {
    /// A REFER was answered. Answers whether for the first time by a 202, after which it is told what becomes of it.
    pub(super) fn answered(&mut self, number: u32, status: u16) -> bool {
        status == 202 && self.accepted.insert(number)
    }

    /// A NOTIFY came that did not come before.
    pub(super) fn notified(&mut self, notify: &Message) {
        let number = EventType::of(notify).and_then(|event| event.id?.parse().ok()).unwrap();
        if notify.header(HeaderName::SubscriptionState).unwrap().starts_with("terminated") {
            let line = std::str::from_utf8(notify.body()).unwrap();
            let status = line.split(' ').nth(1).unwrap().parse().unwrap();
            self.last.entry(number).or_default().push(status);
        }
    }

    /// What is wrong with what it was told by the end: it hears the last word on each, once.
    pub(in super::super) fn objection(&self) -> Option<String> {
        let untold = self.accepted.iter().find(|number| !self.last.contains_key(number));
        let untold = untold.map(|number| format!("nobody said what became of REFER {number}"));
        let twice = self.last.iter().find(|(_, last)| last.len() > 1);
        untold.or_else(|| twice.map(|(number, last)| format!("REFER {number} ended as each of {last:?}")))
    }

    /// How many came about.
    pub(in super::super) fn connected(&self) -> usize {
        self.last.values().flatten().filter(|status| **status == 200).count()
    }
}
