//! Registration events to and from the log.

use super::stream::stream_codec;
use super::upcast::NONE;
use crate::registration::RegistrationEvent;

stream_codec! { RegistrationEvent through NONE {
    RegisterReceived(wire),
    RegisterAnswered(wire),
    BindingAdded(device),
    BindingRefreshed(device),
    BindingRemoved,
    BindingReachChanged,
    BindingsStated(table),
} }

#[cfg(test)]
mod tests;
