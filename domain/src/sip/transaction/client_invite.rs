//! INVITE client transaction: RFC 3261 §17.1.1 as corrected by RFC 6026 §8.4.

use super::{Action, Class};

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Sent, nothing came yet.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A final response of 300 to 699 came and was acknowledged.
    Completed,
    /// A 2xx came; repeats of it, and 2xx of other forks, go to the leg.
    Accepted,
    /// Gone.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A response.
    Response(Class),
    /// Timer A.
    Retransmit,
    /// Timer B.
    Timeout,
    /// Timer D or M.
    Linger,
    /// The transport cannot deliver.
    TransportError,
}

/// What to do when the request is first sent: timer A is for transports that may lose it.
pub const fn start(reliable: bool) -> &'static [Action] {
    if reliable { &[Action::StartTimeout] } else { &[Action::StartRetransmit, Action::StartTimeout] }
}

/// The next state and what to do, in order. An input without a meaning in its state changes nothing.
pub const fn step(state: State, input: Input) -> (State, &'static [Action]) {
    use Action::{
        Acknowledge, Inform, InformTimeout, Resend, StartLinger, StartRetransmit, StopRetransmit, StopTimeout,
        Terminate,
    };
    use Class::{Failure, Provisional, Success};
    use Input::{Linger, Response, Retransmit, Timeout, TransportError};
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};
    match (state, input) {
        (Calling, Response(Provisional)) => (Proceeding, &[StopRetransmit, StopTimeout, Inform]),
        (Calling, Response(Success)) => (Accepted, &[StopRetransmit, StopTimeout, StartLinger, Inform]),
        (Calling, Response(Failure)) => (Completed, &[StopRetransmit, StopTimeout, Acknowledge, StartLinger, Inform]),
        (Calling, Retransmit) => (Calling, &[Resend, StartRetransmit]),
        (Calling, Timeout) => (Terminated, &[StopRetransmit, InformTimeout, Terminate]),
        (Calling | Proceeding, TransportError) => {
            (Terminated, &[StopRetransmit, StopTimeout, InformTimeout, Terminate])
        }
        (Proceeding, Response(Provisional)) => (Proceeding, &[Inform]),
        (Proceeding, Response(Success)) => (Accepted, &[StartLinger, Inform]),
        (Proceeding, Response(Failure)) => (Completed, &[Acknowledge, StartLinger, Inform]),
        (Completed, Response(Failure)) => (Completed, &[Resend]),
        (Accepted, Response(Success)) => (Accepted, &[Inform]),
        (Completed | Accepted, Linger) => (Terminated, &[Terminate]),
        (
            Calling | Proceeding | Completed | Accepted | Terminated,
            Response(_) | Retransmit | Timeout | Linger | TransportError,
        ) => (state, &[]),
    }
}
