//! Streams that an earlier start left open and that nothing takes up: the next start ends them. Uplinks begin anew at each
//! start, in streams of their own; of a call or MESSAGE whose key is gone nobody can tell what became of it.

use super::Exchange;
use super::outbox::Outbox;
use crate::codec::seal::{KeyRef, SealKey};
use crate::codec::{Desk, Encoded, pager, session, uplink};
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
            let outbox = self.last_word(now, mint, last, &event, uplink::encode);
            self.cut_off.uplinks.insert(id, outbox);
            self.uplinks.touched.push(id);
        }
    }

    /// Ends the stream of a call that could not even begin again: who is in it is unknown.
    pub(super) fn end_lost_session(&mut self, now: Now, mint: &mut dyn Mint, id: SessionId, last: &Recorded) {
        let event = SessionEvent::SessionEnded(SessionEnded { cause: EndCause::Lost, status: None, by: None });
        let outbox = self.last_word(now, mint, last, &event, session::encode);
        self.cut_off.sessions.insert(id, outbox);
        self.touched.push(id);
    }

    /// Ends the stream of a MESSAGE that could not even begin again.
    pub(super) fn end_lost_message(&mut self, now: Now, mint: &mut dyn Mint, id: MessageId, last: &Recorded) {
        let event = PagerEvent::MessageEnded(MessageEnded { status: FATE_UNKNOWN, target: None });
        let outbox = self.last_word(now, mint, last, &event, pager::encode);
        self.cut_off.messages.insert(id, outbox);
        self.messages.touched.push(id);
    }

    /// The stream's last event, on its way to the log.
    fn last_word<E>(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        last: &Recorded,
        event: &E,
        encode: impl FnOnce(&mut Desk, &E, EventId, KeyRef, &SealKey) -> Encoded,
    ) -> Box<Outbox> {
        mint.begin_turn();
        let id = mint.event_id();
        // Nothing of these events is sealed.
        let encoded = encode(&mut self.desk, event, id, KeyRef(0), &SealKey::from_bytes([0; 32]));
        let mut outbox = Outbox::restored(last, self.settings.node);
        outbox.record(&mut self.desk, id, now.wall, None, encoded);
        outbox.close();
        Box::new(outbox)
    }
}
