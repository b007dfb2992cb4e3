//! Attended transfers into a log, as the exchange would append them.

use domain::codec::transfer::encode;
use domain::ids::{EventId, TransferId};
use domain::log::{Append, Draft, EventHash, Expected, Life, Revision, StreamName};
use domain::time::WallTime;
use domain::transfer::TransferEvent;

/// One append an event, a second apart from `at`, in microseconds since 1970.
pub fn transfer(id: TransferId, at: i64, events: &[TransferEvent]) -> Vec<Append> {
    let mut previous = EventHash::NONE;
    let append = |(index, event): (usize, &TransferEvent)| {
        let (n, encoded) = (index as u64, encode(event));
        let ended = matches!(event, TransferEvent::TransferEnded(_));
        let mut append = Append {
            stream: StreamName::new(TransferEvent::CATEGORY, id.uuid()),
            expected: n.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last))),
            life: if ended { Life::Closed } else { Life::Open },
            correlation: id.uuid(),
            node: 1,
            events: Vec::new(),
        };
        append.events.push(Draft {
            id: EventId::minted(1, 1 << 16, 0, (id.bits() as u64) << 8 | n),
            kind: encoded.kind.into(),
            version: encoded.version,
            at: WallTime::from_micros(at + index as i64 * 1_000_000),
            cause: None,
            previous,
            data: encoded.data,
        });
        previous = append.hash_of(0).unwrap();
        append
    };
    events.iter().enumerate().map(append).collect()
}
