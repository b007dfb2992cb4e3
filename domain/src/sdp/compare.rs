//! Two session descriptions side by side: offer and answer, before and after (RFC 3264).

use super::scan::{attribute, fields, number, split_line};
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

/// Whether a description that was given as the answer still stands when `now` is what the far end says, both rewritten for
/// the same receiver: the same streams, each with the same first format and direction, no format that is not in `now`, and
/// nothing else that differs but what is said of other formats. Keys and fingerprints are each end's own, so with
/// encryption it stands only for the end that gave it.
pub fn stands_for(given: &[u8], now: &[u8]) -> bool {
    given == now || (formats_within(given, now) && essence(given) == essence(now))
}

/// The formats of each m-line.
fn formats(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let lines = media_lines(body).filter(|line| line.starts_with(b"m="));
    lines.map(|line| if is_rejected(line) { Vec::new() } else { fields(line).skip(3).collect() }).collect()
}

fn formats_within(given: &[u8], now: &[u8]) -> bool {
    let (given, now) = (formats(given), formats(now));
    let within = |(given, now): (&Vec<&[u8]>, &Vec<&[u8]>)| given.iter().all(|format| now.contains(format));
    given.len() == now.len() && given.iter().zip(&now).all(within)
}

/// What counts of a description: lines of the session and of each stream in any order, without names and figures, each
/// stream with the first of its formats alone.
fn essence(body: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut sections = vec![Vec::new()];
    let (mut first, mut rejected): (&[u8], bool) = (b"", false);
    for line in media_lines(body) {
        let kept = match line {
            [b'm', b'=', ..] => {
                rejected = is_rejected(line);
                let words: Vec<&[u8]> = fields(line).take(if rejected { 2 } else { 4 }).collect();
                first = words.get(3).copied().unwrap_or_default();
                sections.push(Vec::new());
                Some(words.join(&b' '))
            }
            // Of a stream that there is not nothing counts.
            _ if rejected => None,
            [b's' | b't' | b'b' | b'i' | b'v', b'=', ..] => None,
            [b'a', b'=', value @ ..] => is_essential(value, first).then(|| line.to_vec()),
            _ => Some(line.to_vec()),
        };
        if let (Some(kept), Some(section)) = (kept, sections.last_mut()) {
            section.push(kept);
        }
    }
    sections.iter_mut().for_each(|section| section.sort_unstable());
    sections
}

/// Whether an m-line has port 0.
fn is_rejected(line: &[u8]) -> bool {
    fields(line).nth(1) == Some(b"0")
}

/// An offer as it stands once its answer has rejected streams of it.
pub fn less_rejected(offer: &[u8], answer: &[u8]) -> Vec<u8> {
    let mut answered = media_lines(answer).filter(|line| line.starts_with(b"m="));
    let mut out = Vec::with_capacity(offer.len());
    let mut rest = offer;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let whole = &rest[..rest.len() - after.len()];
        rest = after;
        let rejected = line.starts_with(b"m=") && answered.next().is_some_and(is_rejected);
        match (rejected, fields(line).next()) {
            (true, Some(kind)) => {
                let format: Vec<&[u8]> = fields(line).skip(2).collect();
                out.extend_from_slice(&[kind, b"0", &format.join(&b' ')].join(&b' '));
                out.extend_from_slice(b"\r\n");
            }
            (true, None) | (false, _) => out.extend_from_slice(whole),
        }
    }
    out
}

/// Whether an attribute says how media is to be sent to its end, in the format that is used.
fn is_essential(value: &[u8], first: &[u8]) -> bool {
    let (name, rest) = attribute(value);
    match name {
        b"sendrecv" | b"ptime" | b"maxptime" | b"ssrc" | b"msid" | b"cname" | b"label" | b"rtcp" => false,
        // Formats below 96 mean the same without it (RFC 3551 §6).
        b"rtpmap" => fields(rest).next() == Some(first) && number::<u8>(first).is_none_or(|format| format >= 96),
        b"fmtp" | b"rtcp-fb" => fields(rest).next() == Some(first),
        _ => true,
    }
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
