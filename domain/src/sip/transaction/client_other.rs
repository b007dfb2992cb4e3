//! Non-INVITE client transaction: RFC 3261 §17.1.2.

use super::{Action, Class};

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Sent, nothing came yet.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came; repeats are absorbed.
    Completed,
    /// Gone.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A response.
    Response(Class),
    /// Timer E.
    Retransmit,
    /// Timer F.
    Timeout,
    /// Timer K.
    Linger,
    /// The transport cannot deliver.
    TransportError,
}

/// What to do when the request is first sent: timer E is for transports that may lose it.
pub const fn start(reliable: bool) -> &'static [Action] {
    if reliable { &[Action::StartTimeout] } else { &[Action::StartRetransmit, Action::StartTimeout] }
}

/// The next state and what to do, in order. An input without a meaning in its state changes nothing.
pub const fn step(state: State, input: Input) -> (State, &'static [Action]) {
    use Action::{Inform, InformTimeout, Resend, StartLinger, StartRetransmit, StopRetransmit, StopTimeout, Terminate};
    use Class::{Failure, Provisional, Success};
    use Input::{Linger, Response, Retransmit, Timeout, TransportError};
    use State::{Completed, Proceeding, Terminated, Trying};
    match (state, input) {
        (Trying | Proceeding, Response(Provisional)) => (Proceeding, &[Inform]),
        (Trying | Proceeding, Response(Success | Failure)) => {
            (Completed, &[StopRetransmit, StopTimeout, StartLinger, Inform])
        }
        (Trying | Proceeding, Retransmit) => (state, &[Resend, StartRetransmit]),
        (Trying | Proceeding, Timeout) => (Terminated, &[StopRetransmit, InformTimeout, Terminate]),
        (Trying | Proceeding, TransportError) => (Terminated, &[StopRetransmit, StopTimeout, InformTimeout, Terminate]),
        (Completed, Linger) => (Terminated, &[Terminate]),
        (
            Trying | Proceeding | Completed | Terminated,
            Response(_) | Retransmit | Timeout | Linger | TransportError,
        ) => (state, &[]),
    }
}
