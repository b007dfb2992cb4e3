//! JSON lines: an event a line, with all that its hash covers, so that a reader can prove the chain by itself.

use crate::events::EventView;
use domain::ids::AccountId;
use domain::log::Recorded;
use domain::session::event::SessionEvent;
use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub account: AccountId,
}

/// What a line has beside the event as `/v1/events` shows it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: EventView,
    stream: &'a str,
    node: u16,
    correlation: String,
    /// The event as it is stored, sealed parts sealed: what the hash is taken of.
    stored: String,
    /// Hash of its predecessor.
    previous: String,
    hash: String,
}

impl Lines {
    pub fn take(self, out: &mut Vec<u8>, recorded: &Recorded, event: &SessionEvent) {
        let line = Line {
            event: EventView::of(recorded, event, self.account, true),
            stream: recorded.stream.as_str(),
            node: recorded.node,
            correlation: recorded.correlation.to_string(),
            stored: String::from_utf8_lossy(&recorded.data).into_owned(),
            previous: recorded.previous.to_string(),
            hash: recorded.hash().to_string(),
        };
        // Texts and numbers alone: they always have a form in JSON.
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            out.append(&mut text);
        }
    }
}
