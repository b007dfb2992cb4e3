//! MESSAGEs outside calls, as the log tells them.

use super::seed::SeedKeys;
use super::{World, autopsy};
use domain::codec::pager;
use domain::log::EventLog;
use domain::pager::PagerEvent;

impl World {
    /// What the log has of MESSAGEs: each event in a word or a status, in order.
    pub fn messages(&self) -> Vec<String> {
        self.message_events().iter().map(told).collect()
    }

    /// Every event of MESSAGEs in the log.
    pub fn message_events(&self) -> Vec<PagerEvent> {
        let all = autopsy::everything(&self.log);
        let of = all.iter().filter(|event| event.stream.category() == PagerEvent::CATEGORY);
        of.map(|event| pager::decode(event, &SeedKeys).unwrap()).collect()
    }

    /// How many streams of MESSAGEs are open.
    pub fn open_messages(&self) -> usize {
        let open = autopsy::now(self.log.open_streams()).unwrap();
        open.iter().filter(|stream| stream.category() == PagerEvent::CATEGORY).count()
    }
}

fn told(event: &PagerEvent) -> String {
    match event {
        PagerEvent::MessageHeard(message) => {
            message.status.map_or("heard".to_owned(), |status| format!("heard {status}"))
        }
        PagerEvent::MessageSent(message) => message.status.map_or("sent".to_owned(), |status| format!("sent {status}")),
        PagerEvent::MessageOffered(_) => "offered".to_owned(),
        PagerEvent::MessageRouted(chosen) => format!("routed by {}", chosen.rule),
        PagerEvent::MessageUnroutable(refused) => format!("unroutable: {}", refused.status),
        PagerEvent::MessageEnded(ended) => format!("ended {}", ended.status),
    }
}
