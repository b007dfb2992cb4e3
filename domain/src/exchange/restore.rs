//! Registrations that are taken up again from the log: after a start, and where a stream is elsewhere than we thought.

use super::Exchange;
use super::addresses::{Live, Pending, Resting, Unread};
use super::held::Effect;
use super::outbox::Outbox;
use super::registrar::{MOST_WAITING, Registrar};
use crate::codec::DecodeError;
use crate::ids::RegistrationId;
use crate::log::{Recorded, StreamName};
use crate::ports::{Keyring, Mint};
use crate::registration::{Aor, Home, RegisterRequest, Restored};
use crate::session::event::Wire;
use crate::sip::timer::TransactionId;
use crate::sip::wire::Message;
use crate::time::{Now, WallTime};
use uuid::Uuid;

impl Registrar {
    /// A stream whose place in the log is not known is read before anything more is written to it. The REGISTERs whose
    /// append failed wait for that. Transactions of those that cannot are given back.
    pub(super) fn forget(&mut self, id: RegistrationId, stream: StreamName) -> Vec<TransactionId> {
        let Some(live) = self.live.remove(&id) else { return Vec::new() };
        let Live { aor, account, mut pending, .. } = *live;
        let too_many = pending.split_off(pending.len().min(MOST_WAITING));
        self.unread.insert(id, Some(Unread { aor, account, pending }));
        self.to_read.push(stream);
        too_many.into_iter().filter_map(|pending| pending.transaction).collect()
    }

    /// Whether a stream was read and could not be understood.
    pub(super) fn is_unreadable(&self, id: RegistrationId) -> bool {
        matches!(self.unread.get(&id), Some(None))
    }

    /// Whether this very REGISTER waits for its address's stream to be read.
    pub(super) fn waits(&self, aor: &Aor, home: Home, request: &Message) -> bool {
        let reading = self.unread.get(&aor.id(&self.hash_key, home)).into_iter().flatten();
        reading.flat_map(|unread| &unread.pending).any(|known| known.request.bytes() == request.bytes())
    }

    /// Keeps a REGISTER until its stream was read; gives it back where that cannot be, or too many wait.
    pub(super) fn wait_for(&mut self, id: RegistrationId, pending: Pending) -> Option<Pending> {
        let Some(Some(Unread { pending: waiting, .. })) = self.unread.get_mut(&id) else { return Some(pending) };
        if waiting.len() >= MOST_WAITING {
            return Some(pending);
        }
        waiting.push(pending);
        None
    }

    /// Takes up an address's stream as the log has it. Where it does not say whose it is, because it has nothing but
    /// refusals or its keys were erased, it is for those alone who asked for it.
    fn restore(&mut self, (id, stream): (RegistrationId, &StreamName), restored: Restored, unread: Option<&Unread>) {
        let asked = || unread.map(|unread| (unread.aor.clone(), unread.account));
        let Some(whose) = restored.whose().or_else(asked) else { return };
        let Restored { registration, end, since_stated, .. } = restored;
        if let Some(end) = end.filter(|_| !registration.is_empty()) {
            self.bindings.put((&whose.0, id), registration);
            self.resting.insert(id, Resting { end, since_stated, key: None });
            return;
        }
        let new = Outbox::new(stream.clone(), id.uuid(), self.node);
        let outbox = match end {
            Some(end) => new.after(end),
            None => new,
        };
        // It has no bindings.
        self.bindings.put((&whose.0, id), registration.clone());
        self.live.insert(id, Box::new(Live::new((id, whose.0, whose.1), registration, outbox, since_stated)));
        self.touched.push(id);
    }

    /// The same, or, where the stream could not be understood, whoever asks for it is refused.
    fn restore_or_refuse(
        &mut self,
        (id, stream): (RegistrationId, &StreamName),
        restored: Result<Restored, DecodeError>,
        unread: Option<&Unread>,
    ) -> Result<(), DecodeError> {
        match restored {
            Ok(restored) => {
                self.restore((id, stream), restored, unread);
                Ok(())
            }
            Err(error) => {
                self.unread.insert(id, None);
                Err(error)
            }
        }
    }
}

impl Exchange {
    /// So many addresses follow by [`Exchange::restore_bindings`]: tables that grow as they come are copied again and again.
    pub fn expect_addresses(&mut self, addresses: usize) {
        self.registrar.resting.reserve(addresses);
        self.registrar.bindings.reserve(addresses);
    }

    /// So many numbers follow by [`Exchange::provision`].
    pub fn expect_numbers(&mut self, numbers: usize) {
        self.tables.expect_numbers(numbers);
    }

    /// Takes up the bindings of an address that were read at the start, before anybody is served: nobody waits for them.
    ///
    /// # Errors
    /// They could not be read: REGISTERs of that user are refused.
    pub fn restore_bindings(
        &mut self,
        now: Now,
        stream: &StreamName,
        mut restored: Result<Restored, DecodeError>,
    ) -> Result<(), DecodeError> {
        let Some(id) = registration_of(stream).filter(|id| self.may_restore(*id)) else { return Ok(()) };
        self.note_before_start(&restored);
        if let Ok(restored) = &mut restored {
            let until = now.moment + self.settings.endpoint.timers.timeout();
            self.registrar.answered.remember(until, std::mem::take(&mut restored.answered));
        }
        let restored = self.registrar.restore_or_refuse((id, stream), restored, None);
        self.wake_for_expiry(now);
        restored
    }

    /// Bindings that are there when the start serves are pinged from then on.
    fn note_before_start(&mut self, restored: &Result<Restored, DecodeError>) {
        if let Ok(restored) = restored
            && !self.stage.is_loaded()
        {
            self.pings.were_there(restored);
        }
    }

    /// Whether what the log has of an address is news.
    fn may_restore(&self, id: RegistrationId) -> bool {
        let asked = matches!(self.registrar.unread.get(&id), Some(Some(_)));
        !self.registrar.is_known(id) && (asked || !self.stage.is_loaded())
    }

    /// Takes up the bindings of an address as the log has them: all events of its stream, or the newest, from one on that
    /// tells all bindings, oldest first. REGISTERs that waited for that are taken in. What was not asked for
    /// ([`Exchange::take_unread`]) is taken up before [`Exchange::serve`] alone: later it may be older than what is known.
    ///
    /// # Errors
    /// An event cannot be read: REGISTERs of that user are refused.
    pub fn restore_registration(
        &mut self,
        now: Now,
        mint: &mut dyn Mint,
        (stream, recorded): (&StreamName, &[Recorded]),
        keyring: &dyn Keyring,
    ) -> Result<(), DecodeError> {
        let Some(id) = registration_of(stream) else { return Ok(()) };
        if !self.may_restore(id) {
            return Ok(());
        }
        let mut unread = self.registrar.unread.remove(&id).flatten();
        let restored = Restored::read(recorded, keyring, WallTime::default());
        for pending in unread.iter_mut().flat_map(|unread| &mut unread.pending) {
            // An append of which nobody knew whether it was durable may be so after all.
            pending.answer = restored.as_ref().ok().and_then(|restored| restored.answer_to(&pending.request));
            // Its end comes before the stream is there again: it would let go of one that nothing else holds.
            if let Some(transaction) = pending.transaction.take().filter(|_| pending.answer.is_none()) {
                self.endpoint.abandon(transaction);
                self.settle(now, mint);
            }
        }
        self.note_before_start(&restored);
        let restored = self.registrar.restore_or_refuse((id, stream), restored, unread.as_ref());
        for Pending { flow, request, answer, .. } in unread.map(|unread| unread.pending).unwrap_or_default() {
            if let Some(Wire { flow, bytes }) = answer {
                self.effects.push(Effect::Transmit { flow, bytes });
                continue;
            }
            // It was judged when it came: its credentials, which serve once, are not asked for again.
            if let Ok(read) = RegisterRequest::read(&request, flow)
                && let Some(registrant) = self.tables.registrant(&read.aor, self.settings.domain.as_deref())
            {
                self.take_register(now, mint, flow, request, &read, &registrant);
                self.settle(now, mint);
            }
        }
        self.wake_for_expiry(now);
        restored
    }
}

/// Whose stream it is.
fn registration_of(stream: &StreamName) -> Option<RegistrationId> {
    Uuid::parse_str(stream.id()).ok().map(|id| RegistrationId::from_bits(id.as_u128()))
}
