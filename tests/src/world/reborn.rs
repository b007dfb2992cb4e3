//! Calls taken up from the log, beside the exchange that runs them.

use super::World;
use super::autopsy::everything;
use super::seed::SeedKeys;
use domain::exchange::needs;
use domain::log::{Recorded, StreamName};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// The streams of sessions that the exchange knows, as the log has them, with all others that these need.
    pub(super) fn histories(&self) -> Vec<Vec<Recorded>> {
        let mut all: BTreeMap<StreamName, Vec<Recorded>> = BTreeMap::new();
        for event in everything(&self.log) {
            all.entry(event.stream.clone()).or_default().push(event);
        }
        let known = self.exchange.sessions().map(|(session, _)| StreamName::new("session", session.id.uuid()));
        let mut wanted: Vec<StreamName> = known.collect();
        let (mut taken, mut histories) = (BTreeSet::new(), vec![]);
        while let Some(stream) = wanted.pop() {
            if let Some(events) = all.get(&stream).filter(|_| taken.insert(stream.clone())) {
                wanted.extend(needs(events));
                histories.push(events.clone());
            }
        }
        histories
    }

    /// Another exchange takes up what the log tells, and stands where this one stands.
    #[track_caller]
    pub(super) fn assert_taken_up(&mut self) {
        let histories = self.histories();
        let taken = self.exchange.taken_up(self.now, &mut self.mint, &SeedKeys, &histories);
        let other = taken.unwrap_or_else(|unlike| panic!("{unlike:#?}\n{}", self.ladder));
        let (live, other) = (self.exchange.shown(), other.shown());
        let names: BTreeSet<&String> = live.keys().chain(other.keys()).collect();
        for name in names {
            let [here, there] = [&live, &other].map(|shown| shown.get(name).map_or("nothing", String::as_str));
            assert!(here == there, "{name} is taken up otherwise:\n{}\n{}", difference(here, there), self.ladder);
        }
    }
}

/// The lines that differ.
fn difference(live: &str, taken: &str) -> String {
    let mut text = String::new();
    let (mut left, mut right) = (live.lines(), taken.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return text,
            (one, other) if one == other => {}
            (one, other) => {
                text.push_str(&format!("  live: {}\n  then: {}\n", one.unwrap_or("-"), other.unwrap_or("-")));
            }
        }
    }
}
