//! Sockets that SIP comes and goes on.

pub mod udp;
