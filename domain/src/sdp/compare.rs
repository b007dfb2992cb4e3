//! Two session descriptions side by side: offer and answer, before and after (RFC 3264).

use super::scan::split_line;
use super::{Description, SdpFault};

/// What an offer within a dialog changes, from the view of the side that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stops listening on every stream (RFC 3264 §8.4).
    Hold,
    /// It listens again.
    Resume,
    /// Codecs, addresses or streams.
    Other,
    /// Nothing but, at most, the `o=` line: a refresh of the session (RFC 4028).
    Refresh,
}

/// What changed from one description to the next of the same side.
pub fn change(before: &Description, after: &Description) -> Change {
    if before.media_hash == after.media_hash {
        return Change::Refresh;
    }
    match (listens(before), listens(after)) {
        (Some(true), Some(false)) => Change::Hold,
        (Some(false), Some(true)) => Change::Resume,
        (Some(true), Some(true)) | (Some(false), Some(false)) | (None, _) | (_, None) => Change::Other,
    }
}

/// Whether any stream is wanted; `None` when there is none.
fn listens(description: &Description) -> Option<bool> {
    let mut active = description.streams.iter().filter(|stream| stream.port != 0).peekable();
    active.peek()?;
    Some(active.any(|stream| stream.direction.receives()))
}

/// Whether an answer has the form that its offer asks for: the same m-lines in the same order, and none that the
/// offer had switched off (RFC 3264 §6).
pub fn answers(offer: &Description, answer: &Description) -> Result<(), SdpFault> {
    let (offered, answered) = (offer.streams.len(), answer.streams.len());
    if offered != answered {
        return Err(SdpFault::StreamCount { offered, answered });
    }
    for (stream, (asked, given)) in (0..).zip(offer.streams.iter().zip(&answer.streams)) {
        if asked.kind != given.kind {
            return Err(SdpFault::StreamKind { stream });
        }
        if asked.port == 0 && given.port != 0 {
            return Err(SdpFault::NotOffered { stream });
        }
    }
    Ok(())
}

/// Whether two bodies are equal but for the `o=` line and line ends: then the version of what we send must not step
/// (RFC 3264 §8).
pub fn same_media(a: &[u8], b: &[u8]) -> bool {
    a == b || media_lines(a).eq(media_lines(b))
}

fn media_lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            rest = after;
            if !line.is_empty() && !line.starts_with(b"o=") {
                return Some(line);
            }
        }
        None
    })
}
