//! Between the exchange and the log: what is to be submitted, and what may leave once it is durable.

use super::Exchange;
use super::held::Effect;
use super::outbox::{Landed, Outbox};
use crate::ids::{MessageId, RegistrationId, SessionId, TransferId, UplinkId};
use crate::log::{Append, AppendError, Durable, Outcome, StreamName};
use crate::pager::PagerEvent;
use crate::ports::Mint;
use crate::registration::Aor;
use crate::sip::timer::Timer;
use crate::time::{Moment, Now};
use crate::transfer::TransferEvent;
use crate::uplink::UplinkEvent;
use std::time::Duration;
use uuid::Uuid;

/// An append that the log could not take is tried again after this long.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Whose stream an outcome is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Edge,
    Session(SessionId),
    Transfer(TransferId),
    Registration(RegistrationId),
    Uplink(UplinkId),
    Message(MessageId),
}

impl Exchange {
    /// What is to be submitted to the log now. At most one append per stream is out at a time.
    pub fn appends(&mut self, now: Now, mint: &mut dyn Mint) -> Vec<Append> {
        self.proceed(now, mint);
        let mut appends = self.take_resubmissions(now.moment);
        for id in std::mem::take(&mut self.touched) {
            let Some(live) = self.sessions.get_mut(&id) else {
                appends.extend(self.cut_off.session(id).and_then(Outbox::take));
                continue;
            };
            if live.outbox.is_ready() && live.has_repeats() {
                live.write_repeats(&mut self.desk, mint, now.wall);
                self.endpoint.timers().stop(Timer::NoteRepeats(id));
            }
            appends.extend(live.outbox.take());
        }
        for id in std::mem::take(&mut self.registrar.touched) {
            appends.extend(self.registrar.outbox(id).and_then(Outbox::take));
            self.registrar.let_rest(id);
        }
        for id in std::mem::take(&mut self.transfers.touched) {
            appends.extend(self.transfers.outbox(id).and_then(Outbox::take));
        }
        for id in std::mem::take(&mut self.messages.touched) {
            let outbox = self.messages.outbox(id).or_else(|| self.cut_off.message(id));
            appends.extend(outbox.and_then(Outbox::take));
        }
        for id in std::mem::take(&mut self.uplinks.touched) {
            let outbox = self.uplinks.outbox(id).or_else(|| self.cut_off.uplink(id));
            appends.extend(outbox.and_then(Outbox::take));
        }
        appends.extend(self.edge_outbox.take());
        // What has become durable since may expire before anything that is waited for.
        self.wake_for_expiry(now);
        appends
    }

    /// Whether appends wait for a log that is away.
    pub const fn waits_for_log(&self) -> bool {
        !self.resubmit.is_empty()
    }

    fn take_resubmissions(&mut self, now: Moment) -> Vec<Append> {
        match self.resubmit_at {
            _ if self.resubmit.is_empty() => Vec::new(),
            None => {
                self.stage.log_hesitates(now);
                self.resubmit_at = Some(now + RETRY_AFTER);
                Vec::new()
            }
            Some(at) if at > now => Vec::new(),
            Some(_) => {
                self.resubmit_at = None;
                std::mem::take(&mut self.resubmit)
            }
        }
    }

    /// The log's word on an append. Effects that may leave are to be taken by [`Exchange::effects`].
    ///
    /// # Errors
    /// The stream is frozen. A registration's is taken up again as soon as it was read
    /// ([`Exchange::take_unread`]), which is no error where it was only supposed to be new; a session's stays so.
    pub fn landed(&mut self, outcome: Outcome) -> Result<(), AppendError> {
        let Outcome { stream, result } = outcome;
        let writer = self.writer_of(&stream);
        let Some(writer) = writer else { return Ok(()) };
        let landed = self.land(writer, stream, result);
        self.said(writer);
        landed
    }

    fn writer_of(&self, stream: &StreamName) -> Option<Writer> {
        if *stream == self.settings.edge_stream {
            return Some(Writer::Edge);
        }
        let id = Uuid::parse_str(stream.id()).ok()?.as_u128();
        Some(match stream.category() {
            Aor::CATEGORY => Writer::Registration(RegistrationId::from_bits(id)),
            TransferEvent::CATEGORY => Writer::Transfer(TransferId::from_bits(id)),
            PagerEvent::CATEGORY => Writer::Message(MessageId::from_bits(id)),
            UplinkEvent::CATEGORY => Writer::Uplink(UplinkId::from_bits(id)),
            _ => Writer::Session(SessionId::from_bits(id)),
        })
    }

    fn outbox_of(&mut self, writer: Writer) -> Option<&mut Outbox> {
        match writer {
            Writer::Edge => Some(&mut self.edge_outbox),
            Writer::Session(id) => {
                self.sessions.get_mut(&id).map(|live| &mut live.outbox).or_else(|| self.cut_off.session(id))
            }
            Writer::Registration(id) => self.registrar.outbox(id),
            Writer::Transfer(id) => self.transfers.outbox(id),
            Writer::Uplink(id) => self.uplinks.outbox(id).or_else(|| self.cut_off.uplink(id)),
            Writer::Message(id) => self.messages.outbox(id).or_else(|| self.cut_off.message(id)),
        }
    }

    fn land(
        &mut self,
        writer: Writer,
        stream: StreamName,
        result: Result<Durable, AppendError>,
    ) -> Result<(), AppendError> {
        let Some(outbox) = self.outbox_of(writer) else { return Ok(()) };
        match outbox.landed(result) {
            Landed::Effects(effects) => {
                self.stage.log_answers();
                self.release(effects);
                self.cut_off.tidy();
                match writer {
                    Writer::Edge => {}
                    Writer::Session(id) => {
                        self.touched.push(id);
                        self.forget_if_over(id);
                    }
                    Writer::Registration(id) => self.registrar.landed(id),
                    Writer::Transfer(id) => self.transfers.touched.push(id),
                    Writer::Message(id) => {
                        self.messages.touched.push(id);
                        self.messages.forget_if_over(id);
                    }
                    Writer::Uplink(id) => {
                        self.uplinks.touched.push(id);
                        self.uplinks.forget_if_over(id);
                    }
                }
                Ok(())
            }
            Landed::Retry(append) => {
                self.resubmit.push(append);
                Ok(())
            }
            Landed::Frozen(error) => {
                self.cut_off.tidy();
                match writer {
                    Writer::Edge => self.frozen += 1,
                    Writer::Transfer(id) => {
                        self.frozen += 1;
                        self.transfers.stream_frozen(id);
                    }
                    Writer::Session(id) => {
                        self.frozen += 1;
                        self.recount(id);
                        self.transfers.frozen(id);
                        self.forget_if_over(id);
                    }
                    Writer::Message(id) => {
                        self.frozen += 1;
                        self.messages.forget_if_over(id);
                    }
                    Writer::Uplink(id) => self.uplinks.frozen(id),
                    Writer::Registration(id) => {
                        let supposed = self.registrar.supposes(id);
                        for transaction in self.registrar.forget(id, stream) {
                            self.endpoint.abandon(transaction);
                        }
                        if supposed && matches!(error, AppendError::WrongRevision { .. }) {
                            return Ok(());
                        }
                    }
                }
                Err(error)
            }
        }
    }

    /// What is durable now: bindings change first, so that calls find them when the answer arrives.
    fn release(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Bind(bound) => {
                    self.registrar.bindings.apply((&bound.aor, bound.stream), bound.at, &bound.event);
                }
                Effect::Stand(stood) => {
                    let down = self.uplinks.stand(&stood);
                    self.tables.set_down(stood.trunk, down);
                }
                Effect::Proceed(id, step) => self.transfers.due.push((id, step)),
                Effect::Transmit { .. } | Effect::Media(_) => self.effects.push(effect),
            }
        }
    }

    /// What may leave now.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Streams of registrations that are not in memory, or not where we thought: they are to be read, at least from their
    /// last event on that tells all bindings, and given to [`Exchange::restore_registration`], also where they
    /// are empty. Until then REGISTERs for them wait, or are answered with 503.
    pub fn take_unread(&mut self) -> Vec<StreamName> {
        std::mem::take(&mut self.registrar.to_read)
    }
}
