//! Sans-IO SIP: wire, transactions, dialogs and the endpoint that joins them. No clock, no sockets, no randomness.

pub mod timer;
pub mod transaction;
