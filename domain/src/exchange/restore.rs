//! Registrations that are taken up again from the log: after a start, and where a stream is elsewhere than we thought.

use super::Exchange;
use super::held::Effect;
use super::outbox::Outbox;
use super::registrar::{Live, MOST_WAITING, Pending, Registrar};
use crate::codec::DecodeError;
use crate::codec::registration::decode;
use crate::ids::RegistrationId;
use crate::log::Recorded;
use crate::ports::{Keyring, Mint};
use crate::registration::{RegisterRequest, Registration, RegistrationEvent};
use crate::session::event::Wire;
use crate::sip::timer::TransactionId;
use crate::time::Now;

impl Registrar {
    /// A stream whose place in the log is not known is read before anything more is written to it. The REGISTERs whose
    /// append failed wait for that. Transactions of those that cannot are given back.
    pub(super) fn forget(&mut self, id: RegistrationId) -> Vec<TransactionId> {
        let mut pending = self.live.remove(&id).map(|live| live.pending).unwrap_or_default();
        let too_many = pending.split_off(pending.len().min(MOST_WAITING));
        self.unread.insert(id, Some(pending));
        too_many.into_iter().filter_map(|pending| pending.transaction).collect()
    }

    /// Keeps a REGISTER until its stream was read; gives it back where that cannot be, or too many wait. One that came
    /// again waits once.
    pub(super) fn wait_for(&mut self, id: RegistrationId, pending: Pending) -> Option<Pending> {
        let Some(Some(waiting)) = self.unread.get_mut(&id) else { return Some(pending) };
        if waiting.iter().any(|known| known.request.bytes() == pending.request.bytes()) {
            return None;
        }
        if waiting.len() >= MOST_WAITING {
            return Some(pending);
        }
        waiting.push(pending);
        None
    }

    /// An append of which nobody knew whether it was durable may be so after all: REGISTERs of it are not taken in again,
    /// they get the answer that stands in the log.
    fn find_answers(&mut self, id: RegistrationId, events: &[RegistrationEvent]) {
        let waiting = self.unread.get_mut(&id).into_iter().flatten().flatten();
        for pending in waiting {
            // The log holds what came without what proves who sent it.
            let came = pending.request.without_credentials();
            let is_it = |event: &RegistrationEvent| match event {
                RegistrationEvent::RegisterReceived(received) => {
                    received.wire.known().is_some_and(|wire| wire.bytes == came)
                }
                RegistrationEvent::RegisterAnswered(_)
                | RegistrationEvent::BindingAdded(_)
                | RegistrationEvent::BindingRefreshed(_)
                | RegistrationEvent::BindingRemoved(_) => false,
            };
            let after = events.iter().rposition(is_it).and_then(|at| events.get(at..)).unwrap_or_default();
            pending.answer = after.iter().find_map(|event| match event {
                RegistrationEvent::RegisterAnswered(answered) => answered.wire.known().cloned(),
                RegistrationEvent::RegisterReceived(_)
                | RegistrationEvent::BindingAdded(_)
                | RegistrationEvent::BindingRefreshed(_)
                | RegistrationEvent::BindingRemoved(_) => None,
            });
        }
    }

    /// Takes up an address's stream as the log has it.
    fn restore(
        &mut self,
        id: RegistrationId,
        events: &[Recorded],
        last: &Recorded,
        keyring: &dyn Keyring,
    ) -> Result<(), DecodeError> {
        let mut registration = Registration::default();
        let (mut aor, mut decoded) = (None, Vec::with_capacity(events.len()));
        for recorded in events {
            let event = decode(recorded, keyring)?;
            if let Some(device) = event.device() {
                aor = Some(device.aor.clone());
            }
            registration.apply(recorded.at, &event);
            decoded.push(event);
        }
        self.find_answers(id, &decoded);
        let outbox = Outbox::restored(last, self.node);
        match aor.zip(registration.account()) {
            Some((aor, account)) => {
                self.bindings.put(&aor, registration.clone());
                self.live.insert(id, Box::new(Live::new(aor, account, registration, outbox)));
            }
            None => {
                self.nameless.insert(id, outbox);
            }
        }
        Ok(())
    }
}

impl Exchange {
    /// Takes up the bindings of an address as the log has them: all events of its stream, oldest first. REGISTERs that
    /// waited for that are taken in.
    ///
    /// # Errors
    /// An event cannot be read: REGISTERs of that user are refused.
    pub fn restore_registration(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        events: &[Recorded],
        keyring: &dyn Keyring,
    ) -> Result<(), DecodeError> {
        let Some(last) = events.last() else { return Ok(()) };
        let id = RegistrationId::from_bits(last.correlation.as_u128());
        // Somebody registered before we were told what there is: the log will say that the stream is elsewhere.
        if self.registrar.live.contains_key(&id) {
            return Ok(());
        }
        let restored = self.registrar.restore(id, events, last, keyring);
        let waiting = self.registrar.unread.remove(&id).flatten().unwrap_or_default();
        if restored.is_err() {
            self.registrar.unread.insert(id, None);
        }
        for Pending { transaction, flow, request, answer } in waiting {
            if let Some(Wire { flow, bytes }) = answer {
                self.effects.push(Effect::Transmit { flow, bytes });
                continue;
            }
            if let Some(transaction) = transaction {
                self.endpoint.abandon(transaction);
                self.settle(now, mint);
            }
            // It was judged when it came: its credentials, which serve once, are not asked for again.
            if let Ok(read) = RegisterRequest::read(&request, flow)
                && let Some(domain) = self.tables.domain(read.aor.domain()).cloned()
            {
                self.take_register(now, mint, flow, request, &read, &domain);
                self.settle(now, mint);
            }
        }
        self.wake_for_expiry(now);
        restored
    }
}
