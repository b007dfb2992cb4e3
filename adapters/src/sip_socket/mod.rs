//! Sockets that SIP comes and goes on, and the names they are found by.

pub mod resolve;
pub mod tcp;
pub mod udp;
