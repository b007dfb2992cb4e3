//! What is recorded is decided again, from its events alone: beside nobody, without the bindings that there are, by an
//! exchange that knows nothing but the configuration.

use super::autopsy::everything;
use super::seed::SeedKeys;
use super::{World, settings, tables};
use domain::exchange::{Again, Exchange, ExchangeSettings, Verdict};
use domain::log::{Recorded, StreamName};
use domain::ports::{Keyring, Mint};
use std::collections::BTreeSet;

impl World {
    /// Every session in the log, with all that it shares legs with, as a start would read them.
    pub fn calls(&self) -> Vec<Vec<Vec<Recorded>>> {
        let (mut groups, mut known) = (vec![], BTreeSet::new());
        for event in everything(&self.log) {
            if event.stream.category() == "session" && !known.contains(&event.stream) {
                let group = self.with_needed(vec![event.stream]);
                known.extend(group.iter().filter_map(|stream| stream.first()).map(|event| event.stream.clone()));
                groups.push(group);
            }
        }
        groups
    }

    /// An exchange of this configuration that decides the past again.
    pub fn decider(&self) -> Exchange {
        self.exchange.anew(u32::MAX, true)
    }

    /// One of another build: it is set otherwise than the one that runs.
    pub fn decider_of_another_build(change: impl FnOnce(&mut ExchangeSettings)) -> Exchange {
        let mut settings = settings(1);
        change(&mut settings);
        Exchange::new(settings, tables())
    }

    /// What becomes of streams that are decided again, by this exchange and these keys.
    pub fn decide_again(&mut self, by: &mut Exchange, keys: &dyn Keyring, streams: &[Vec<Recorded>]) -> Vec<Again> {
        by.decide_again(self.mint.draws(), keys, streams)
    }

    /// All calls in the log would be decided again as they were, however they ended.
    #[track_caller]
    pub(super) fn assert_decided_alike(&mut self) {
        let mut decider = self.decider();
        for streams in self.calls() {
            for again in self.decide_again(&mut decider, &SeedKeys, &streams) {
                let stream: &StreamName = &again.stream;
                assert!(matches!(again.verdict, Verdict::Alike), "{stream}: {:#?}\n{}", again.verdict, self.ladder);
                assert_eq!(again.rewritten, 0, "{stream} is written otherwise\n{}", self.ladder);
            }
        }
    }
}
