//! The four transaction machines of RFC 3261 §17 with RFC 6026: pure tables from state and input to state and actions.
//! What they act on (bytes, timers, legs) belongs to the endpoint.

pub mod client_invite;
pub mod client_other;
pub mod server_invite;
pub mod server_other;

#[cfg(test)]
mod grid;

/// What a transaction asks of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the last message again, same bytes.
    Resend,
    /// Send the ACK to a final response of 300 to 699.
    Acknowledge,
    /// Tell the user of the transaction.
    Inform,
    /// Tell the user that nothing came.
    InformTimeout,
    /// Arm retransmission: T1, doubling at each turn, at most T2 where the RFC bounds it.
    StartRetransmit,
    /// Disarm it.
    StopRetransmit,
    /// Arm the 64·T1 time-out.
    StartTimeout,
    /// Disarm it.
    StopTimeout,
    /// Stay for repeats: D, I, J, K, L or M. Of these D, I, J and K are zero where the transport is reliable.
    StartLinger,
    /// Forget the transaction.
    Terminate,
}

/// Class of a response, as transactions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Failure,
}

impl Class {
    /// The class of a status.
    pub const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            300.. => Self::Failure,
        }
    }
}
