//! INVITE server transaction: RFC 3261 §17.2.1 as corrected by RFC 6026 §8.7.

use super::{Action, Class};

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No final response yet.
    Proceeding,
    /// A final response of 300 to 699 was sent; its ACK has not come.
    Completed,
    /// Its ACK came.
    Confirmed,
    /// A 2xx was sent; its repeats and its ACK are the leg's business.
    Accepted,
    /// Gone.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The INVITE came again.
    Repeat,
    /// We respond.
    Respond(Class),
    /// The ACK to a final response of 300 to 699.
    Ack,
    /// Timer G.
    Retransmit,
    /// Timer H.
    Timeout,
    /// Timer I or L.
    Linger,
}

/// The next state and what to do, in order. An input without a meaning in its state changes nothing. Timer G is for
/// transports that may lose a response.
pub const fn step(state: State, input: Input, reliable: bool) -> (State, &'static [Action]) {
    use Action::{Resend, StartLinger, StartRetransmit, StartTimeout, StopRetransmit, StopTimeout, Terminate};
    use Class::{Failure, Provisional, Success};
    use Input::{Ack, Linger, Repeat, Respond, Retransmit, Timeout};
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    match (state, input) {
        (Proceeding, Repeat) => (Proceeding, &[Resend]),
        (Proceeding, Respond(Provisional)) => (Proceeding, &[]),
        (Proceeding, Respond(Success)) => (Accepted, &[StartLinger]),
        (Proceeding, Respond(Failure)) if reliable => (Completed, &[StartTimeout]),
        (Proceeding, Respond(Failure)) => (Completed, &[StartRetransmit, StartTimeout]),
        (Completed, Repeat) => (Completed, &[Resend]),
        (Completed, Retransmit) => (Completed, &[Resend, StartRetransmit]),
        (Completed, Ack) => (Confirmed, &[StopRetransmit, StopTimeout, StartLinger]),
        (Completed, Timeout) => (Terminated, &[StopRetransmit, Terminate]),
        (Confirmed | Accepted, Linger) => (Terminated, &[Terminate]),
        (
            Proceeding | Completed | Confirmed | Accepted | Terminated,
            Repeat | Respond(_) | Ack | Retransmit | Timeout | Linger,
        ) => (state, &[]),
    }
}
