//! Calls at the start of an exchange: what the log has of those that run, and of those that ended a moment ago and may still
//! be asked about; MESSAGEs outside calls alike. What nothing takes up is ended.

use super::StartError;
use crate::config::Config;
use adapters::exchange::{Inbox, Notice, machine_time};
use adapters::keyring::Keyring;
use domain::exchange::{Histories, TakenUp, Unlike, needs};
use domain::log::{Direction, EventLog, Filter, Part, Position, ReadError, Recorded, Revision, StreamName, read_whole};
use domain::pager::PagerEvent;
use domain::session::event::SessionEvent;
use domain::time::WallTime;
use domain::transfer::TransferEvent;
use domain::uplink::UplinkEvent;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// Events of a reading.
const PAGE: usize = 1_000;
/// How far back the first look for what happened lately goes, positions; each one goes twice as far as the one before.
const FIRST_STEP: u64 = 4_096;
/// Events that a look judges by.
const LOOK: usize = 16;

/// What [`reading`] finds.
pub(super) struct Read {
    /// None where there are no streams of any.
    histories: Option<Box<Histories>>,
    /// The last events of uplinks of the starts before.
    cut_off: Vec<Recorded>,
}

/// Reads what the streams that are open, but for those of users, have of calls, and what ended a moment ago.
pub(super) fn reading(
    log: &Arc<dyn EventLog>,
    keyring: &Arc<Keyring>,
    open: Vec<StreamName>,
    since: WallTime,
) -> JoinHandle<Result<Read, ReadError>> {
    let (log, keyring) = (Arc::clone(log), Arc::clone(keyring));
    tokio::spawn(async move {
        let cut_off = read_cut_off(&log, &open).await?;
        let streams = read_calls(&log, open, since).await?;
        let read = move || (!streams.is_empty()).then(|| Box::new(Histories::read(&streams, &*keyring)));
        let histories = tokio::task::spawn_blocking(read).await.or_else(broken_off)?;
        Ok(Read { histories, cut_off })
    })
}

fn broken_off<T>(_: JoinError) -> Result<T, ReadError> {
    Err(ReadError::Unavailable("reading calls was broken off".into()))
}

/// Calls that ran when the process before ended run on. Its uplinks are over: each start begins its own.
pub(super) async fn take_up(
    keyring: &Keyring,
    inbox: &Inbox,
    reading: JoinHandle<Result<Read, ReadError>>,
) -> Result<(), StartError> {
    let Read { histories, cut_off } = reading.await.unwrap_or_else(broken_off)?;
    if let Some(histories) = histories {
        go_on(keyring, inbox, histories).await?;
    }
    if !cut_off.is_empty() {
        inbox.tell(Notice::EndCutOff(cut_off));
    }
    Ok(())
}

async fn go_on(keyring: &Keyring, inbox: &Inbox, histories: Box<Histories>) -> Result<(), StartError> {
    let (reply, taken) = oneshot::channel();
    inbox.tell(Notice::TakeUp(histories, reply));
    // A shard that has stopped takes nothing up.
    let TakenUp { sessions, messages, accounts, unlike } = taken.await.unwrap_or_default();
    keyring.expect_calls(&accounts)?;
    tracing::info!(calls = sessions, messages, "calls were taken up from the log");
    for Unlike { stream, why } in unlike {
        tracing::error!(%stream, why, "a call or MESSAGE cannot be taken up as it was: what is known of it is ended");
    }
    Ok(())
}

/// The streams of calls that run, and of those that ended after `since`; with all that these need.
async fn read_calls(
    log: &Arc<dyn EventLog>,
    open: Vec<StreamName>,
    since: WallTime,
) -> Result<Vec<Vec<Recorded>>, ReadError> {
    let of_calls =
        |stream: &StreamName| matches!(stream.category(), "session" | TransferEvent::CATEGORY | PagerEvent::CATEGORY);
    let mut wanted: Vec<StreamName> = open.into_iter().filter(of_calls).collect();
    wanted.extend(ended_since(log, since).await?);
    let (mut known, mut streams) = (BTreeSet::new(), vec![]);
    let whole = Part { from: Revision(0), direction: Direction::Forwards, limit: PAGE };
    while !wanted.is_empty() {
        wanted.retain(|stream| known.insert(stream.clone()));
        let mut reading = log.read_together(std::mem::take(&mut wanted), whole);
        loop {
            let together = reading.next().await?;
            if together.is_empty() {
                break;
            }
            for (stream, events) in together {
                let events = if events.len() < PAGE { events } else { read_whole(&**log, &stream).await? };
                wanted.extend(needs(&events));
                streams.push(events);
            }
        }
    }
    Ok(streams)
}

async fn read_cut_off(log: &Arc<dyn EventLog>, open: &[StreamName]) -> Result<Vec<Recorded>, ReadError> {
    let mut lasts = vec![];
    for stream in open.iter().filter(|stream| stream.category() == UplinkEvent::CATEGORY) {
        lasts.extend(log.read_stream(stream, Revision(u64::MAX), Direction::Backwards, 1).await?);
    }
    Ok(lasts)
}

async fn ended_since(log: &Arc<dyn EventLog>, since: WallTime) -> Result<Vec<StreamName>, ReadError> {
    let categories = vec!["session".into(), PagerEvent::CATEGORY.into()];
    let filter = Filter { categories, kinds: vec![SessionEvent::ENDED.into(), PagerEvent::ENDED.into()] };
    let (mut from, mut ended) = (before(log, since).await?, vec![]);
    loop {
        let page = log.read_all(from, Direction::Forwards, &filter, PAGE).await?;
        let Some(last) = page.last() else { return Ok(ended) };
        from = last.position;
        let full = page.len() == PAGE;
        ended.extend(page.into_iter().filter(|event| event.at >= since).map(|event| event.stream));
        if !full {
            return Ok(ended);
        }
    }
}

/// A position before everything that happened since then, though not long before. A look for ends of calls from the end
/// backwards would go through the whole log where no call ended for long.
async fn before(log: &Arc<dyn EventLog>, since: WallTime) -> Result<Position, ReadError> {
    let mut back = FIRST_STEP;
    loop {
        let Some(at) = log.head().0.checked_sub(back) else { return Ok(Position(0)) };
        // A store may know no position but those of events.
        let Ok(events) = log.read_all(Position(at), Direction::Forwards, &Filter::default(), LOOK).await else {
            return Ok(Position(0));
        };
        // Times rise in the log but for what was tried again, so one event alone says too little.
        if !events.is_empty() && events.iter().all(|event| event.at < since) {
            return Ok(Position(at));
        }
        back *= 2;
    }
}

/// Calls that ended since then may still be asked about: for 64·T1, and a little for the clocks.
pub(super) fn remembered_since(config: &Config) -> WallTime {
    let t1 = Duration::from_millis(config.sip.t1_ms);
    machine_time() - t1.saturating_mul(64).saturating_add(Duration::from_secs(2))
}
