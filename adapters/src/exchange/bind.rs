//! Commands of the API on bindings, between the shard that decides them and the log that makes them durable.

use super::inbox::BindCommand;
use domain::exchange::Exchange;
use domain::ids::BindingId;
use domain::log::{Outcome, Revision, StreamName};
use domain::ports::Mint;
use domain::registration::{CommandRejection, Done};
use domain::time::Now;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Who waits for which stream to be durable up to where.
#[derive(Default)]
pub(super) struct Waiting(HashMap<StreamName, Vec<(Revision, BindingId, Reply)>>);

type Reply = oneshot::Sender<Result<Done, CommandRejection>>;

impl Waiting {
    /// Has a command decided; what was not refused waits.
    pub(super) fn decide(&mut self, exchange: &mut Exchange, now: Now, mint: &mut dyn Mint, command: BindCommand) {
        let BindCommand { account, aor, command, reply } = command;
        match exchange.command_binding(now, mint, account, &aor, &command) {
            // Who asked may have gone: its answer then goes nowhere, here and below.
            Err(rejection) => drop(reply.send(Err(rejection))),
            Ok(Some(decided)) => {
                let waiting = self.0.entry(decided.stream).or_default();
                waiting.push((decided.revision, decided.binding, reply));
            }
            // Not now: who asked learns it as the reply goes.
            Ok(None) => {}
        }
    }

    /// Answers those whose command an outcome makes durable; those whose stream failed are let go.
    pub(super) fn answer(&mut self, outcome: &Outcome) {
        let Some(waiting) = self.0.remove(&outcome.stream) else { return };
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
            self.0.insert(outcome.stream.clone(), later);
        }
    }
}
