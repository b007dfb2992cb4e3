//! How the events of one append are laid out in one row, the same in every engine on a disk. Numbers are big endian.
//!
//! ```text
//! format:u8 = 1 · flags:u8 (1 = the append closed its stream) · node:u16 · correlation:[16], then for each event
//! id:[16] · version:u16 · at:i64 · has_cause:u8 · cause:[16] if 1 · previous:[32] · kind_len:u8 · kind · data_len:u32 · data
//! ```

use domain::ids::EventId;
use domain::log::{Append, Draft, EventHash, Life};
use domain::time::WallTime;
use std::ops::Range;
use uuid::Uuid;

const FORMAT: u8 = 1;
const CLOSES: u8 = 1;

/// Adds an append, whose limits were checked, to a buffer.
pub(super) fn encode(append: &Append, row: &mut Vec<u8>) {
    let flags = match append.life {
        Life::Open => 0,
        Life::Closed => CLOSES,
    };
    row.extend_from_slice(&[FORMAT, flags]);
    row.extend_from_slice(&append.node.to_be_bytes());
    row.extend_from_slice(append.correlation.as_bytes());
    for event in &append.events {
        encode_event(event, row);
    }
}

/// How many bytes [`encode`] will write.
pub(super) fn size(append: &Append) -> usize {
    let event = |event: &Draft| {
        let cause = if event.cause.is_some() { 16 } else { 0 };
        16 + 2 + 8 + 1 + cause + 32 + 1 + event.kind.len() + 4 + event.data.len()
    };
    2 + 2 + 16 + append.events.iter().map(event).sum::<usize>()
}

fn encode_event(event: &Draft, row: &mut Vec<u8>) {
    row.extend_from_slice(event.id.uuid().as_bytes());
    row.extend_from_slice(&event.version.to_be_bytes());
    row.extend_from_slice(&event.at.micros().to_be_bytes());
    row.push(u8::from(event.cause.is_some()));
    if let Some(cause) = event.cause {
        row.extend_from_slice(cause.uuid().as_bytes());
    }
    row.extend_from_slice(&event.previous.0);
    // Both lengths fit: `check` refused longer ones.
    row.push(event.kind.len() as u8);
    row.extend_from_slice(event.kind.as_bytes());
    row.extend_from_slice(&(event.data.len() as u32).to_be_bytes());
    row.extend_from_slice(&event.data);
}

/// A row, read event by event.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub node: u16,
    pub correlation: Uuid,
    /// What the append did to its stream.
    pub life: Life,
    bytes: &'a [u8],
    at: usize,
}

/// One event of a row; `data` says where its JSON stands in the row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub id: EventId,
    pub version: u16,
    pub at: WallTime,
    pub cause: Option<EventId>,
    pub previous: EventHash,
    pub kind: &'a str,
    pub data: Range<usize>,
}

impl<'a> Row<'a> {
    /// Reads what stands before the events; an error says what is wrong with the row.
    pub fn open(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut row = Self { node: 0, correlation: Uuid::nil(), life: Life::Open, bytes, at: 0 };
        match row.array::<2>()? {
            [FORMAT, 0] => {}
            [FORMAT, CLOSES] => row.life = Life::Closed,
            [FORMAT, _] => return Err("its flags are unknown"),
            _ => return Err("its format is unknown"),
        }
        row.node = u16::from_be_bytes(row.array()?);
        row.correlation = Uuid::from_bytes(row.array()?);
        Ok(row)
    }

    fn event(&mut self) -> Result<Event<'a>, &'static str> {
        let id = EventId::from_uuid(Uuid::from_bytes(self.array()?));
        let version = u16::from_be_bytes(self.array()?);
        let at = WallTime::from_micros(i64::from_be_bytes(self.array()?));
        let cause = match self.array()? {
            [0] => None,
            [1] => Some(EventId::from_uuid(Uuid::from_bytes(self.array()?))),
            [_] => return Err("a cause is neither there nor absent"),
        };
        let previous = EventHash(self.array()?);
        let [kind_len] = self.array()?;
        let kind = self.take(usize::from(kind_len))?;
        let kind = std::str::from_utf8(&self.bytes[kind]).map_err(|_| "a type name is not UTF-8")?;
        let data_len = u32::from_be_bytes(self.array()?);
        let data = self.take(data_len as usize)?;
        Ok(Event { id, version, at, cause, previous, kind, data })
    }

    fn take(&mut self, count: usize) -> Result<Range<usize>, &'static str> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or("it is cut short")?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let range = self.take(N)?;
        self.bytes[range].try_into().map_err(|_| "it is cut short")
    }
}

impl<'a> Iterator for Row<'a> {
    type Item = Result<Event<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let event = self.event();
        if event.is_err() {
            self.at = self.bytes.len();
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use domain::log::{Expected, StreamName};

    fn append() -> Append {
        let event = |counter, cause| Draft {
            id: EventId::minted(1, 2, 3, counter),
            kind: "SessionOffered".into(),
            version: 3,
            at: WallTime::from_micros(-5),
            cause,
            previous: EventHash([counter as u8; 32]),
            data: Bytes::from(format!("{{\"n\":{counter}}}")),
        };
        Append {
            stream: StreamName::new("session", 1),
            expected: Expected::NoStream,
            life: Life::Closed,
            correlation: Uuid::from_u128(9),
            node: 7,
            events: vec![event(1, None), event(2, Some(EventId::minted(1, 2, 3, 1)))],
        }
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&append(), &mut bytes);
        bytes
    }

    #[test]
    fn a_row_gives_back_what_was_written() {
        let bytes = encoded();
        let row = Row::open(&bytes).unwrap();
        assert_eq!((row.node, row.correlation, row.life), (7, Uuid::from_u128(9), Life::Closed));
        assert_eq!(bytes.len(), size(&append()));
        let events: Vec<_> = row.map(Result::unwrap).collect();
        assert_eq!(events.len(), 2);
        for (event, draft) in events.iter().zip(append().events) {
            assert_eq!((event.id, event.kind, event.version), (draft.id, &*draft.kind, draft.version));
            assert_eq!((event.at, event.cause, event.previous), (draft.at, draft.cause, draft.previous));
            assert_eq!(bytes[event.data.clone()], draft.data[..]);
        }
    }

    #[test]
    fn a_row_cut_anywhere_is_noticed_or_ends_between_two_events() {
        let bytes = encoded();
        let events =
            |bytes: &[u8]| Row::open(bytes).and_then(|row| row.collect::<Result<Vec<_>, _>>().map(|e| e.len()));
        let whole: Vec<_> = (0..=bytes.len()).filter_map(|cut| events(&bytes[..cut]).ok()).collect();
        assert_eq!(whole, [0, 1, 2], "only three cuts read at all, and the row's count column tells them apart");
    }

    #[test]
    fn another_format_is_refused() {
        let mut bytes = encoded();
        bytes[0] = 2;
        assert_eq!(Row::open(&bytes).unwrap_err(), "its format is unknown");
    }
}
