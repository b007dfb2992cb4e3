//! Strowger's rules. Everything here is deterministic: time, ids, randomness and look-ups are arguments.

pub mod address;
pub mod codec;
pub mod ids;
pub mod log;
pub mod media;
pub mod ports;
pub mod sip;
pub mod time;
