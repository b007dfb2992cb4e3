//! What the exchange does at trunks of its own accord, as the log and the exchange tell it.

use super::seed::SeedKeys;
use super::{World, autopsy};
use domain::codec::uplink;
use domain::ids::TrunkId;
use domain::log::{EventLog, StreamName};
use domain::uplink::{Standing, UplinkEvent};
use std::collections::BTreeMap;

impl World {
    /// How a trunk stands.
    pub fn standing(&self, trunk: u128) -> Standing {
        self.exchange.standing(TrunkId::from_bits(trunk)).cloned().unwrap_or_default()
    }

    /// What the log has of uplinks: each event in a word, in order, but for messages.
    pub fn uplinks(&self) -> Vec<&'static str> {
        self.uplink_events().iter().filter_map(told).collect()
    }

    /// Every event of uplinks in the log.
    pub fn uplink_events(&self) -> Vec<UplinkEvent> {
        let all = autopsy::everything(&self.log);
        let of = all.iter().filter(|event| event.stream.category() == UplinkEvent::CATEGORY);
        of.map(|event| uplink::decode(event, &SeedKeys).unwrap()).collect()
    }

    /// Each uplink in the log began, and ended once; but for messages it said nothing afterwards.
    #[track_caller]
    pub fn assert_uplinks_ended(&self) {
        let mut stories: BTreeMap<StreamName, Vec<&'static str>> = BTreeMap::new();
        for event in autopsy::everything(&self.log) {
            if event.stream.category() == UplinkEvent::CATEGORY {
                let story = stories.entry(event.stream.clone()).or_default();
                story.extend(told(&uplink::decode(&event, &SeedKeys).unwrap()));
            }
        }
        for (stream, story) in stories {
            let is_end = |word: &&&str| matches!(**word, "unregistered" | "ended");
            let whole = story.first() == Some(&"begun") && story.last().is_some_and(|last| is_end(&last));
            assert!(whole && story.iter().filter(is_end).count() == 1, "{stream}: {story:?}\n{}", self.ladder);
        }
    }

    /// How many streams of uplinks are open.
    pub fn open_uplinks(&self) -> usize {
        let open = autopsy::now(self.log.open_streams()).unwrap();
        open.iter().filter(|stream| stream.category() == UplinkEvent::CATEGORY).count()
    }
}

const fn told(event: &UplinkEvent) -> Option<&'static str> {
    Some(match event {
        UplinkEvent::UplinkSent(_) | UplinkEvent::UplinkHeard(_) => return None,
        UplinkEvent::UplinkBegun(_) => "begun",
        UplinkEvent::UplinkRegistered(registered) if registered.back => "back",
        UplinkEvent::UplinkRegistered(_) => "registered",
        UplinkEvent::UplinkRefreshed(_) => "refreshed",
        UplinkEvent::UplinkRefused(_) => "refused",
        UplinkEvent::UplinkLost(_) => "lost",
        UplinkEvent::TrunkDown(_) => "down",
        UplinkEvent::TrunkUp(up) if up.answered => "up",
        UplinkEvent::TrunkUp(_) => "tried again",
        UplinkEvent::UplinkEnded(ended) if ended.unregistered => "unregistered",
        UplinkEvent::UplinkEnded(_) => "ended",
    })
}
