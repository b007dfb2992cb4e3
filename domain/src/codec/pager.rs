//! Events of MESSAGEs to and from the log.

use super::stream::stream_codec;
use super::upcast::NONE;
use crate::pager::PagerEvent;

stream_codec! { PagerEvent through NONE {
    MessageHeard(wire),
    MessageSent(wire),
    MessageOffered(parties),
    MessageRouted(targets),
    MessageUnroutable,
    MessageEnded,
} }

#[cfg(test)]
mod tests;
