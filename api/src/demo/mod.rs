//! `strowger demo`: a real exchange on loopback, two phones that talk through it, and the call's history read back.

pub mod audio;
pub mod phone;
