//! Calls at the start of an exchange: what the log has of those that run, and of those that ended a moment ago and may still
//! be asked about; MESSAGEs outside calls alike. What nothing takes up is ended.

use super::StartError;
use adapters::exchange::{Inbox, Notice};
use adapters::keyring::Keyring;
use domain::exchange::{TakenUp, Unlike, needs};
use domain::log::{Direction, EventLog, Filter, Position, ReadError, Recorded, Revision, StreamName, read_whole};
use domain::pager::PagerEvent;
use domain::session::event::SessionEvent;
use domain::time::WallTime;
use domain::transfer::TransferEvent;
use domain::uplink::UplinkEvent;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Events of a reading.
const PAGE: usize = 1_000;

/// Calls that ran when the process before ended run on.
pub(super) async fn take_up(
    log: &Arc<dyn EventLog>,
    keyring: &Keyring,
    inbox: &Inbox,
    since: WallTime,
) -> Result<(), StartError> {
    let streams = read_calls(log, since).await?;
    if streams.is_empty() {
        return Ok(());
    }
    let (reply, taken) = oneshot::channel();
    inbox.tell(Notice::TakeUp(streams, reply));
    // A shard that has stopped takes nothing up.
    let TakenUp { sessions, messages, accounts, unlike } = taken.await.unwrap_or_default();
    for (account, calls) in accounts {
        keyring.expect_calls(account, calls)?;
    }
    tracing::info!(calls = sessions, messages, "calls were taken up from the log");
    for Unlike { stream, why } in unlike {
        tracing::error!(%stream, why, "a call or MESSAGE cannot be taken up as it was: what is known of it is ended");
    }
    Ok(())
}

/// The streams of calls that run, and of those that ended after `since`; with all that these need.
async fn read_calls(log: &Arc<dyn EventLog>, since: WallTime) -> Result<Vec<Vec<Recorded>>, StartError> {
    let of_calls =
        |stream: &StreamName| matches!(stream.category(), "session" | TransferEvent::CATEGORY | PagerEvent::CATEGORY);
    let mut wanted: Vec<StreamName> = log.open_streams().await?.into_iter().filter(of_calls).collect();
    wanted.extend(ended_since(log, since).await?);
    let (mut known, mut streams) = (BTreeSet::new(), vec![]);
    while let Some(stream) = wanted.pop() {
        if !known.insert(stream.clone()) {
            continue;
        }
        let events = read_whole(&**log, &stream).await?;
        wanted.extend(needs(&events));
        streams.push(events);
    }
    Ok(streams)
}

/// Uplinks of the starts before are over: each start begins its own.
pub(super) async fn end_cut_off(log: &Arc<dyn EventLog>, inbox: &Inbox) -> Result<(), StartError> {
    let mut lasts = vec![];
    for stream in log.open_streams().await? {
        if stream.category() == UplinkEvent::CATEGORY {
            lasts.extend(log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await?);
        }
    }
    if !lasts.is_empty() {
        inbox.tell(Notice::EndCutOff(lasts));
    }
    Ok(())
}

async fn ended_since(log: &Arc<dyn EventLog>, since: WallTime) -> Result<Vec<StreamName>, ReadError> {
    let categories = vec!["session".into(), PagerEvent::CATEGORY.into()];
    let filter = Filter { categories, kinds: vec![SessionEvent::ENDED.into(), PagerEvent::ENDED.into()] };
    let (mut from, mut ended) = (Position(u64::MAX), vec![]);
    loop {
        let page = log.read_all(from, Direction::Backwards, &filter, PAGE).await?;
        let Some(last) = page.last() else { return Ok(ended) };
        from = last.position;
        let before = page.len();
        let recent: Vec<StreamName> =
            page.iter().take_while(|event| event.at >= since).map(|event| event.stream.clone()).collect();
        let all = recent.len() == before;
        ended.extend(recent);
        if !all || before < PAGE {
            return Ok(ended);
        }
    }
}

/// How long after its end a call may still be asked about: 64·T1, and a little for the clocks.
pub(super) const fn remembered(t1: Duration) -> Duration {
    t1.saturating_mul(64).saturating_add(Duration::from_secs(2))
}
