//! Streams that an earlier start left open and that nothing takes up: the next start ends them. Uplinks begin anew at each
//! start, in streams of their own; of a call or MESSAGE whose key is gone nobody can tell what became of it.

use super::Exchange;
use super::outbox::Outbox;
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{Encoded, pager, session, uplink};
use crate::id_map::IdMap;
use crate::ids::{EventId, MessageId, SessionId, UplinkId};
use crate::log::Recorded;
use crate::pager::{MessageEnded, PagerEvent};
use crate::ports::Mint;
use crate::session::event::{EndCause, SessionEnded, SessionEvent};
use crate::time::Now;
use crate::uplink::{UplinkEndCause, UplinkEnded, UplinkEvent};
use uuid::Uuid;

/// What the stream of a MESSAGE ends with of which nobody knows what became.
pub(super) const FATE_UNKNOWN: u16 = 500;

/// Streams that are being ended.
#[derive(Debug, Default)]
pub(super) struct CutOff {
    sessions: IdMap<SessionId, Box<Outbox>>,
    uplinks: IdMap<UplinkId, Box<Outbox>>,
    messages: IdMap<MessageId, Box<Outbox>>,
}

impl CutOff {
    pub(super) fn session(&mut self, id: SessionId) -> Option<&mut Outbox> {
        self.sessions.get_mut(&id).map(|outbox| &mut **outbox)
    }

    pub(super) fn uplink(&mut self, id: UplinkId) -> Option<&mut Outbox> {
        self.uplinks.get_mut(&id).map(|outbox| &mut **outbox)
    }

    pub(super) fn message(&mut self, id: MessageId) -> Option<&mut Outbox> {
        self.messages.get_mut(&id).map(|outbox| &mut **outbox)
    }

    /// Forgets those that are written, or will never be.
    pub(super) fn tidy(&mut self) {
        let lasts = |outbox: &Outbox| !outbox.is_idle() && !outbox.is_frozen();
        self.sessions.retain(|_, outbox| lasts(outbox));
        self.uplinks.retain(|_, outbox| lasts(outbox));
        self.messages.retain(|_, outbox| lasts(outbox));
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.uplinks.len() + self.messages.len()
    }
}

impl Exchange {
    /// Ends uplinks of earlier starts, each given by the last event of its stream. What goes to the log is to be had by
    /// [`Exchange::appends`].
    pub fn end_cut_off(&mut self, now: Now, mint: &mut dyn Mint, lasts: &[Recorded]) {
        for last in lasts.iter().filter(|last| last.stream.category() == UplinkEvent::CATEGORY) {
            let Ok(id) = Uuid::parse_str(last.stream.id()) else { continue };
            let id = UplinkId::from_bits(id.as_u128());
            let cause = UplinkEndCause::ProcessEnded;
            let event = UplinkEvent::UplinkEnded(UplinkEnded { cause, unregistered: false });
            mint.begin_turn();
            let event_id = mint.event_id();
            let (key, secret) = no_key();
            let encoded = uplink::encode(&mut self.desk, &event, event_id, key, &secret);
            let outbox = self.last_word(now, last, event_id, encoded);
            self.cut_off.uplinks.insert(id, Box::new(outbox));
            self.uplinks.touched.push(id);
        }
    }

    /// Ends the stream of a call that could not even begin again: who is in it is unknown.
    pub(super) fn end_lost_session(&mut self, now: Now, mint: &mut dyn Mint, id: SessionId, last: &Recorded) {
        let event = SessionEvent::SessionEnded(SessionEnded { cause: EndCause::Lost, status: None, by: None });
        mint.begin_turn();
        let event_id = mint.event_id();
        let (key, secret) = no_key();
        let encoded = session::encode(&mut self.desk, &event, event_id, key, &secret);
        let outbox = self.last_word(now, last, event_id, encoded);
        self.cut_off.sessions.insert(id, Box::new(outbox));
        self.touched.push(id);
    }

    /// Ends the stream of a MESSAGE that could not even begin again.
    pub(super) fn end_lost_message(&mut self, now: Now, mint: &mut dyn Mint, id: MessageId, last: &Recorded) {
        let event = PagerEvent::MessageEnded(MessageEnded { status: FATE_UNKNOWN, target: None });
        mint.begin_turn();
        let event_id = mint.event_id();
        let (key, secret) = no_key();
        let encoded = pager::encode(&mut self.desk, &event, event_id, key, &secret);
        let outbox = self.last_word(now, last, event_id, encoded);
        self.cut_off.messages.insert(id, Box::new(outbox));
        self.messages.touched.push(id);
    }

    fn last_word(&mut self, now: Now, last: &Recorded, id: EventId, event: Encoded) -> Outbox {
        let mut outbox = Outbox::restored(last, self.settings.node);
        outbox.record(&mut self.desk, id, now.wall, None, event);
        outbox.close();
        outbox
    }
}

/// Nothing of these events is sealed.
fn no_key() -> (KeyRef, SealKey) {
    (KeyRef(0), SealKey::from_bytes([0; 32]))
}
