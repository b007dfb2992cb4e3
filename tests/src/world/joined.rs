//! What must be true of transfers that join two sessions, whenever the process ends: no step is in the log before the one
//! that it follows from, and none is there twice.

use domain::codec::transfer::decode;
use domain::ids::{LegId, SessionId, TransferId};
use domain::log::{Recorded, StreamName};
use domain::session::event::{ReleaseCause, SessionEvent};
use domain::transfer::{TransferBegun, TransferEnded, TransferEvent};
use std::collections::{BTreeMap, BTreeSet};

type Stories = BTreeMap<StreamName, Vec<SessionEvent>>;

/// What the log says of one transfer.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    begun: Option<TransferBegun>,
    ended: Option<TransferEnded>,
}

/// See the module.
#[track_caller]
pub(super) fn check(streams: &BTreeMap<StreamName, Vec<Recorded>>, stories: &Stories, frozen: &BTreeSet<StreamName>) {
    let mut transfers: BTreeMap<TransferId, Told> = BTreeMap::new();
    for (stream, events) in streams.iter().filter(|(stream, _)| stream.category() == TransferEvent::CATEGORY) {
        let id = TransferId::from_bits(events[0].correlation.as_u128());
        assert_eq!(*stream, StreamName::new(TransferEvent::CATEGORY, id.uuid()));
        let told = transfers.entry(id).or_default();
        for event in events {
            match decode(event).unwrap() {
                TransferEvent::TransferBegun(begun) => assert_eq!(told.begun.replace(begun), None, "{id} began twice"),
                TransferEvent::TransferEnded(ended) => assert_eq!(told.ended.replace(ended), None, "{id} ended twice"),
            }
        }
        check_own(id, *told, stories, frozen);
    }
    for (stream, story) in stories {
        story.iter().for_each(|event| check_step(stream, event, (&transfers, frozen), stories));
    }
}

fn story(stories: &Stories, session: SessionId) -> &[SessionEvent] {
    stories.get(&stream_of_session(session)).map_or(&[], Vec::as_slice)
}

fn stream_of_session(session: SessionId) -> StreamName {
    StreamName::new("session", session.uuid())
}

/// The transfer's own stream follows from the taking session's.
#[track_caller]
fn check_own(id: TransferId, told: Told, stories: &Stories, frozen: &BTreeSet<StreamName>) {
    let begun = told.begun.unwrap_or_else(|| panic!("{id} ended and never began"));
    let of = |wanted: &dyn Fn(&SessionEvent) -> bool| story(stories, begun.taking).iter().any(wanted);
    let linked = |event: &SessionEvent| matches!(event, SessionEvent::TransferLinked(linked) if linked.transfer == id);
    assert!(of(&linked), "{id} began before it was asked for");
    let Some(ended) = told.ended else { return };
    let over = |event: &SessionEvent| match ended.completed {
        true => matches!(event, SessionEvent::TransferCompleted(_)),
        false => matches!(event, SessionEvent::TransferFailed(_)),
    };
    match ended.frozen {
        Some(_) => assert!(frozen.contains(&stream_of_session(begun.taking)), "{id} says that a stream is frozen"),
        None => assert!(of(&over), "{id} ended before its session said so"),
    }
}

/// What the log tells of transfers, and which streams it did not take everything of.
type Known<'k> = (&'k BTreeMap<TransferId, Told>, &'k BTreeSet<StreamName>);

#[track_caller]
fn check_step(stream: &StreamName, event: &SessionEvent, known: Known<'_>, stories: &Stories) {
    let (transfers, frozen) = known;
    // A transfer whose own stream was frozen goes on all the same, and nobody knows.
    let is_untold = |id: TransferId| frozen.contains(&StreamName::new(TransferEvent::CATEGORY, id.uuid()));
    let ended = |leg: LegId| {
        let told = |told: &Told| told.begun.is_some_and(|begun| begun.moved == leg) && told.ended.is_some();
        let given = stories[stream].iter().find_map(|event| match event {
            SessionEvent::LegGivenAway(given) if given.leg == leg => Some(given.transfer),
            _ => None,
        });
        transfers.values().any(told) || given.is_some_and(is_untold)
    };
    match event {
        SessionEvent::LegGivenAway(given) => {
            let begun = transfers.contains_key(&given.transfer) || is_untold(given.transfer);
            assert!(begun, "{stream} gave a leg to a transfer that had not begun");
        }
        SessionEvent::LegTaken(taken) => {
            let given = |event: &SessionEvent| matches!(event, SessionEvent::LegGivenAway(given) if given.transfer == taken.transfer);
            assert!(story(stories, taken.from).iter().any(given), "{stream} took a leg that was not given");
        }
        SessionEvent::LegRegained(regained) => {
            assert!(ended(regained.leg), "{stream} had its leg back before the transfer ended");
        }
        SessionEvent::LegReleased(released) if released.cause == ReleaseCause::Moved => {
            assert!(ended(released.leg), "{stream} let its leg go before the transfer ended");
        }
        _ => {}
    }
}
