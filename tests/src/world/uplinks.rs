//! What the exchange does at trunks of its own accord, as the log and the exchange tell it.

use super::seed::SeedKeys;
use super::{World, autopsy};
use domain::codec::{session, uplink};
use domain::ids::TrunkId;
use domain::log::{EventLog, StreamName};
use domain::session::event::{RouteChosen, SessionEvent};
use domain::time::WallTime;
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

    /// Every route in the log that a call was given: since when it may have been decided, and when it was recorded. Where a
    /// REFER outside any call asks for one, the target's is looked up at once, and taken when the sender has answered.
    pub fn routes(&self) -> Vec<([WallTime; 2], RouteChosen)> {
        let (mut referred, mut routes) = (BTreeMap::new(), vec![]);
        for event in autopsy::everything(&self.log) {
            if !matches!(&*event.kind, "SessionReferred" | "RouteChosen") {
                continue;
            }
            match session::decode(&event, &SeedKeys).unwrap() {
                SessionEvent::SessionReferred(_) => drop(referred.insert(event.stream, event.at)),
                SessionEvent::RouteChosen(route) => {
                    let asked = referred.get(&event.stream).filter(|_| route.asked_by.is_some());
                    routes.push(([*asked.unwrap_or(&event.at), event.at], route));
                }
                _ => {}
            }
        }
        routes
    }

    /// Trunks stand as the log tells it of the uplinks of this start, as far as the exchange was told that it does.
    #[track_caller]
    pub fn assert_standings(&self) {
        let mut told: BTreeMap<TrunkId, (StreamName, Standing)> = BTreeMap::new();
        for event in autopsy::everything(&self.log) {
            let durable = self.watch.last_durable(&event.stream).is_some_and(|last| event.revision <= last);
            let ours = event.id.parts().1 == self.epoch;
            if event.stream.category() != UplinkEvent::CATEGORY || !durable || !ours {
                continue;
            }
            let uplink = uplink::decode(&event, &SeedKeys).unwrap();
            if let UplinkEvent::UplinkBegun(begun) = &uplink {
                told.insert(begun.trunk, (event.stream.clone(), Standing::default()));
            }
            for (_, standing) in told.values_mut().filter(|(stream, _)| *stream == event.stream) {
                standing.apply(event.at, &uplink);
            }
        }
        for (trunk, (stream, standing)) in told {
            let known = self.exchange.standing(trunk).cloned().unwrap_or_default();
            assert_eq!(known, standing, "{trunk} stands otherwise than {stream} tells\n{}", self.ladder);
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
