//! Non-INVITE server transaction: RFC 3261 §17.2.2.

use super::{Action, Class};

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No final response yet.
    Trying,
    /// A final response was sent; repeats of the request get it again.
    Completed,
    /// Gone.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The request came again.
    Repeat,
    /// We respond.
    Respond(Class),
    /// Timer J.
    Linger,
}

/// The next state and what to do, in order. An input without a meaning in its state changes nothing.
pub const fn step(state: State, input: Input) -> (State, &'static [Action]) {
    use Action::{Resend, StartLinger, Terminate};
    use Class::{Failure, Provisional, Success};
    use Input::{Linger, Repeat, Respond};
    use State::{Completed, Terminated, Trying};
    match (state, input) {
        (Trying, Respond(Success | Failure)) => (Completed, &[StartLinger]),
        (Completed, Repeat) => (Completed, &[Resend]),
        (Completed, Linger) => (Terminated, &[Terminate]),
        (Trying, Respond(Provisional) | Repeat | Linger)
        | (Completed | Terminated, Respond(_))
        | (Terminated, Repeat | Linger) => (state, &[]),
    }
}
