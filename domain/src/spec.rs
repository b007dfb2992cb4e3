//! given / when / then: every decider's tests read as one sentence.

use crate::decider::{Aggregate, StoredEvent};
use std::fmt::Debug;

/// What happened before.
pub struct Given<A>(A);

/// What came of it.
pub struct Then<A: Aggregate>(Result<Vec<A::Event>, A::Rejection>);

/// A history, which is also written and read back on the way, as the log would.
#[track_caller]
pub fn given<A: Aggregate>(history: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given(history.into_iter().fold(A::default(), |state, event| state.evolve(&through_the_log(&event))))
}

#[track_caller]
fn through_the_log<E: StoredEvent>(event: &E) -> E {
    let data = event.encode().expect("every event can be written");
    let read = E::decode(event.kind(), event.version(), &data).expect("every written event can be read");
    assert_eq!(&read, event, "what was read is not what was written");
    read
}

impl<A: Aggregate> Given<A> {
    /// The command under test.
    pub fn when(&self, command: A::Command) -> Then<A> {
        Then(self.0.decide(command))
    }

    /// The state itself, for questions that are no command.
    pub fn state(&self) -> &A {
        &self.0
    }
}

impl<A: Aggregate> Then<A>
where
    A::Event: Debug,
    A::Rejection: Debug,
{
    /// These events, in this order.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        expected.iter().for_each(|event| drop(through_the_log(event)));
        assert_eq!(self.0, Ok(expected));
    }

    /// Accepted, and nothing to change.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// Refused, for this reason.
    #[track_caller]
    pub fn then_rejected(self, rejection: A::Rejection) {
        assert_eq!(self.0, Err(rejection));
    }
}

/// Golden text: the event is written exactly so, and so it is read. A change here needs a new version.
#[track_caller]
pub fn stored_as<E: StoredEvent>(event: &E, kind: &str, json: &str) {
    assert_eq!((event.kind(), event.version()), (kind, 1));
    let data = event.encode().expect("every event can be written");
    assert_eq!(std::str::from_utf8(&data).expect("JSON is UTF-8"), json);
    assert_eq!(&E::decode(kind, 1, json.as_bytes()).expect("golden text can be read"), event);
    assert!(E::decode(kind, 2, json.as_bytes()).is_err(), "a version of the future was read as if it were known");
}
