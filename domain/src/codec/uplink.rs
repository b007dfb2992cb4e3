//! Uplink events to and from the log.

use super::stream::stream_codec;
use super::upcast::NONE;
use crate::uplink::UplinkEvent;

stream_codec! { UplinkEvent through NONE {
    UplinkBegun,
    UplinkSent(wire),
    UplinkHeard(wire),
    UplinkRegistered,
    UplinkRefreshed,
    UplinkRefused,
    UplinkLost,
    TrunkDown,
    TrunkUp,
    UplinkEnded,
} }

#[cfg(test)]
mod tests;
