//! Commands of the API on bindings, between the shard that decides them and the log that makes them durable.

use super::inbox::BindCommand;
use domain::exchange::{Commanded, Exchange};
use domain::ids::BindingId;
use domain::log::{Outcome, Revision, StreamName};
use domain::ports::Mint;
use domain::registration::{CommandRejection, Done};
use domain::time::Now;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Commands that wait for their streams to be read, at most; more are answered that it is not possible now.
const MOST_READING: usize = 256;

/// Who waits for what.
#[derive(Default)]
pub(super) struct Waiting {
    /// For which stream to be durable up to where.
    durable: HashMap<StreamName, Vec<(Revision, BindingId, Reply)>>,
    /// For a stream to be read.
    reading: Vec<BindCommand>,
}

type Reply = oneshot::Sender<Result<Done, CommandRejection>>;

impl Waiting {
    /// Has a command decided; what was not refused waits.
    pub(super) fn decide(&mut self, exchange: &mut Exchange, now: Now, mint: &mut dyn Mint, command: BindCommand) {
        match exchange.command_binding(now, mint, command.account, &command.aor, &command.command) {
            // Who asked may have gone: its answer then goes nowhere, here and below.
            Err(rejection) => drop(command.reply.send(Err(rejection))),
            Ok(Commanded::Decided(decided)) => {
                let waiting = self.durable.entry(decided.stream).or_default();
                waiting.push((decided.revision, decided.binding, command.reply));
            }
            Ok(Commanded::Reading) if self.reading.len() < MOST_READING => self.reading.push(command),
            // Not now: who asked learns it as the reply goes.
            Ok(Commanded::Reading | Commanded::Away) => {}
        }
    }

    /// Has those decided that waited for a stream to be read, one of which was.
    pub(super) fn decide_again(&mut self, exchange: &mut Exchange, now: Now, mint: &mut dyn Mint) {
        for command in std::mem::take(&mut self.reading) {
            self.decide(exchange, now, mint, command);
        }
    }

    /// Answers those whose command an outcome makes durable; those whose stream failed are let go.
    pub(super) fn answer(&mut self, outcome: &Outcome) {
        let Some(waiting) = self.durable.remove(&outcome.stream) else { return };
        let Ok(durable) = &outcome.result else { return };
        let mut later = Vec::new();
        for (revision, binding, reply) in waiting {
            if revision <= durable.last() {
                let _ = reply.send(Ok(Done { binding, position: durable.position() }));
            } else {
                later.push((revision, binding, reply));
            }
        }
        if !later.is_empty() {
            self.durable.insert(outcome.stream.clone(), later);
        }
    }
}
