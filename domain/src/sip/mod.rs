//! SIP: the wire form and, on top of it, transactions, dialogs and the exchange's own rules.

pub mod wire;
