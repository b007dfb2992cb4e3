//! Reads, and what is read when the client connects.

use super::connection::{Connection, Trouble};
use super::event::{position_of, recorded};
use super::live::{self, Live};
use super::unreadable;
use domain::log::{Direction, EventHash, Filter, Life, Position, ReadError, Recorded, Revision, StreamName};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream as streams};
use kurrentdb::{ReadAllOptions, ReadStreamOptions, StreamPosition, SubscriptionFilter};

/// Events of the live list read at a time.
const PAGE: usize = 512;
/// Streams that are looked at at once when the client connects.
const AT_ONCE: usize = 32;
/// Names of streams that are not the store's own.
const NOT_THE_STORES: &str = r"^[^\$]";
/// Type names are put into an expression only where they are plain.
const PLAIN: fn(u8) -> bool = |byte| byte.is_ascii_alphanumeric();

/// What the store has of us.
pub struct Opened {
    /// Streams that are live.
    pub live: Live,
    /// The newest event of ours.
    pub head: Position,
    /// Whether this node has never written there.
    pub new_node: bool,
}

/// Reads what is needed before the first append.
pub async fn open(connection: &Connection, node: u16) -> Result<Opened, Trouble> {
    let (events, end) = match live_list(connection, node).await {
        Err(Trouble::Deleted) => {
            let name = Live::stream_of(node);
            return Err(Trouble::Refused(format!("{name} was deleted for good: this node needs another number")));
        }
        list => list?,
    };
    let mut live = Live::read(node, &events);
    if let Some(end) = end {
        live.overtaken(end, None);
    }
    let mut checks = streams::iter(live.streams().into_iter().map(|name| is_live(connection, name))).buffered(AT_ONCE);
    while let Some((name, check)) = checks.next().await {
        match check {
            Ok(true) => {}
            Ok(false) => live.close(&name),
            Err(trouble @ (Trouble::Away(_) | Trouble::NotLeader(_) | Trouble::NotFound)) => return Err(trouble),
            Err(trouble @ (Trouble::Damaged(..) | Trouble::Refused(_) | Trouble::Deleted)) => {
                tracing::error!(stream = %name, %trouble, "a call in the event store cannot be read: it is left alone");
                live.unreadable(&name);
            }
        }
    }
    drop(checks);
    Ok(Opened { live, head: newest(connection).await?, new_node: end.is_none() })
}

/// Where the newest event of ours stands.
pub async fn newest(connection: &Connection) -> Result<Position, Trouble> {
    let newest = all_of(connection, Position(u64::MAX), Direction::Backwards, &Filter::default(), 1).await?;
    Ok(newest.first().map_or(Position(0), |event| event.position))
}

/// Whether a stream that is listed as live is, by its last event.
fn is_live(connection: &Connection, name: StreamName) -> BoxFuture<'_, (StreamName, Result<bool, Trouble>)> {
    Box::pin(async move {
        let last = last(connection, &name).await;
        (name, last.map(|last| last.is_some_and(|event| event.life == Life::Open)))
    })
}

/// The live list from its last statement on, oldest first, and where it ends. What a stranger wrote into it is passed over.
async fn live_list(connection: &Connection, node: u16) -> Result<(Vec<Recorded>, Option<Revision>), Trouble> {
    let name = Live::stream_of(node);
    let (mut all, mut from, mut end) = (Vec::new(), u64::MAX, None);
    loop {
        let stored = stored(connection, &name, from, Direction::Backwards, PAGE).await?;
        end = end.or_else(|| stored.first().map(|event| Revision(event.revision)));
        let (count, first) = (stored.len(), stored.last().map_or(0, |event| event.revision));
        let page: Vec<Recorded> = stored.iter().filter_map(recorded).collect();
        if page.len() < count {
            tracing::error!(stream = %name, "somebody else writes to the list of live streams: it is passed over");
        }
        let begins = page.iter().position(Live::begins_statement);
        all.extend(page.into_iter().take(begins.map_or(PAGE, |at| at + 1)));
        if begins.is_some() || count < PAGE || first == 0 {
            break;
        }
        from = first - 1;
    }
    all.reverse();
    Ok((all, end))
}

/// Where a stream ends, and the hash of the last event there that an exchange wrote.
pub async fn end_of(
    connection: &Connection,
    stream: &StreamName,
) -> Result<Option<(Revision, Option<EventHash>)>, Trouble> {
    let stored = stored(connection, stream, u64::MAX, Direction::Backwards, PAGE).await?;
    let hash = stored.iter().find_map(recorded).map(|event| event.hash());
    Ok(stored.first().map(|event| (Revision(event.revision), hash)))
}

/// A stream's last event.
pub async fn last(connection: &Connection, stream: &StreamName) -> Result<Option<Recorded>, Trouble> {
    Ok(stream_of(connection, stream, u64::MAX, Direction::Backwards, 1).await?.pop())
}

/// Where the store ends, whoever wrote there last.
pub async fn end(connection: &Connection) -> Result<Position, Trouble> {
    let options = ReadAllOptions::default().position(StreamPosition::End).backwards().max_count(1);
    let mut reading = connection.read_all(options).await?;
    Ok(reading.next().await?.map_or(Position(0), |event| position_of(&event)))
}

/// Events of one stream.
pub async fn stream(
    connection: &Connection,
    name: &StreamName,
    from: Revision,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    stream_of(connection, name, from.0, direction, limit).await.map_err(unreadable)
}

/// As [`stream`]. An event that is not ours in a stream of ours ends it: whoever needs what follows notices by its hash.
pub async fn stream_of(
    connection: &Connection,
    name: &StreamName,
    from: u64,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, Trouble> {
    let ours = |event: &kurrentdb::RecordedEvent| {
        let what = || format!("{name} holds an event that no exchange wrote");
        recorded(event).ok_or_else(|| Trouble::Damaged(position_of(event), what()))
    };
    stored(connection, name, from, direction, limit).await?.iter().map(ours).collect()
}

/// What stands in a stream, whoever wrote it.
async fn stored(
    connection: &Connection,
    name: &StreamName,
    from: u64,
    direction: Direction,
    limit: usize,
) -> Result<Vec<kurrentdb::RecordedEvent>, Trouble> {
    let mut found = Vec::new();
    // Revisions are signed in the store.
    let beyond = i64::try_from(from).is_err();
    // A name that no log takes is that of no stream.
    if limit == 0 || StreamName::parse(name.as_str()).is_none() || (beyond && direction == Direction::Forwards) {
        return Ok(found);
    }
    let position = if beyond { StreamPosition::End } else { StreamPosition::Position(from) };
    let options = ReadStreamOptions::default().position(position).max_count(limit);
    let options = match direction {
        Direction::Forwards => options.forwards(),
        Direction::Backwards => options.backwards(),
    };
    let mut reading = match connection.read_stream(name.as_str(), options).await {
        Err(Trouble::NotFound) => return Ok(found),
        other => other?,
    };
    loop {
        match reading.next().await {
            Ok(Some(event)) => found.push(event),
            Ok(None) | Err(Trouble::NotFound) => return Ok(found),
            Err(trouble) => return Err(trouble),
        }
    }
}

/// Events of the whole store that are ours.
pub async fn all(
    connection: &Connection,
    from: Position,
    direction: Direction,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    all_of(connection, from, direction, filter, limit).await.map_err(unreadable)
}

async fn all_of(
    connection: &Connection,
    from: Position,
    direction: Direction,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Recorded>, Trouble> {
    let mut found = Vec::new();
    // Nothing is before the first event, nothing after the last that there can be.
    let nothing = match direction {
        Direction::Forwards => i64::try_from(from.0).is_err(),
        Direction::Backwards => from == Position(0),
    };
    if limit == 0 || nothing {
        return Ok(found);
    }
    let position = match direction {
        Direction::Forwards => start_after(from),
        Direction::Backwards if i64::try_from(from.0).is_err() => StreamPosition::End,
        Direction::Backwards => StreamPosition::Position(kurrentdb::Position { commit: from.0, prepare: from.0 }),
    };
    let options = ReadAllOptions::default().position(position).filter(at_the_store(filter));
    let options = match direction {
        Direction::Forwards => options.forwards(),
        Direction::Backwards => options.backwards(),
    };
    let mut reading = connection.read_all(options).await?;
    while found.len() < limit
        && let Some(event) = reading.next().await?
    {
        let position = position_of(&event);
        let inside = match direction {
            // Stores begin with the event at that position, and we after it.
            Direction::Forwards => position > from,
            Direction::Backwards => position < from,
        };
        found.extend(recorded(&event).filter(|event| inside && wanted(filter, event)));
    }
    Ok(found)
}

/// Where a read or a subscription begins that has seen everything up to here.
pub const fn start_after(after: Position) -> StreamPosition<kurrentdb::Position> {
    match after {
        Position(0) => StreamPosition::Start,
        Position(at) => StreamPosition::Position(kurrentdb::Position { commit: at, prepare: at }),
    }
}

/// What the store itself can leave out: by categories, else by types, else its own streams.
pub fn at_the_store(filter: &Filter) -> SubscriptionFilter {
    if !filter.categories.is_empty() {
        let by_name = SubscriptionFilter::on_stream_name();
        return filter.categories.iter().fold(by_name, |filter, category| filter.add_prefix(format!("{category}-")));
    }
    if !filter.kinds.is_empty() && filter.kinds.iter().all(|kind| kind.bytes().all(PLAIN)) {
        return SubscriptionFilter::on_event_type().regex(format!("^({})$", filter.kinds.join("|")));
    }
    SubscriptionFilter::on_stream_name().regex(NOT_THE_STORES)
}

/// What is left to be looked at here. The live list is this client's own business, unless somebody asks for it.
pub fn wanted(filter: &Filter, event: &Recorded) -> bool {
    let asked = || filter.categories.iter().any(|category| category == live::CATEGORY);
    (event.stream.category() != live::CATEGORY || asked()) && filter.admits(&event.stream, &event.kind)
}
