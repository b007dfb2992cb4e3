//! Sans-IO SIP: wire, transactions, dialogs and the endpoint that joins them. No clock, no sockets, no randomness.

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod session_timer;
pub mod stun;
pub mod timer;
pub mod transaction;
pub mod wire;
