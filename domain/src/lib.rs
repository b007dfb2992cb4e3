//! Strowger's rules. Everything here is deterministic: time, ids, randomness and look-ups are arguments.

pub mod account;
pub mod address;
pub mod codec;
pub mod credential;
pub mod decider;
pub mod domain_name;
pub mod draws;
pub mod exchange;
mod hex;
pub mod id_map;
pub mod ids;
pub mod limits;
pub mod log;
pub mod media;
pub mod number;
pub mod pager;
pub mod ports;
pub mod registration;
pub mod routing;
pub mod sdp;
pub mod session;
pub mod sip;
#[cfg(test)]
pub mod spec;
pub mod time;
pub mod transfer;
pub mod trunk;
pub mod uplink;
