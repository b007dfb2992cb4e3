//! Descriptions of another call's number of m-lines: within a dialog an m-line never goes away, and an answer has as many as
//! its offer (RFC 3264 §6, §8).

use super::media_line::Media;
use super::scan::split_line;
use std::borrow::Cow;

/// The description with further m-lines, rejected, where `told` has more than it: those of `told`.
pub fn extend<'a>(body: &'a [u8], told: &[u8]) -> Cow<'a, [u8]> {
    let lacking: Vec<&[u8]> = media_lines(told).skip(media_lines(body).count()).collect();
    if lacking.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut out = body.to_vec();
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    for media in lacking.into_iter().filter_map(Media::read) {
        out.extend_from_slice(&[b"m=", media.kind, b" 0 ", media.rest, b"\r\n"].concat());
    }
    Cow::Owned(out)
}

/// The description without what follows its first m-lines.
pub fn cut(body: &[u8], lines: usize) -> &[u8] {
    let mut rest = body;
    let mut found = 0;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        found += usize::from(line.starts_with(b"m="));
        if found > lines {
            return &body[..body.len() - rest.len()];
        }
        rest = after;
    }
    body
}

fn media_lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            rest = after;
            if let Some(value) = line.strip_prefix(b"m=") {
                return Some(value);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv";
    const TWO: &[u8] = b"v=0\r\nm=audio 20 RTP/AVP 8\r\nm=video 22 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\n";

    #[test]
    fn lines_that_were_told_before_are_rejected_and_stay() {
        let extended = extend(ONE, TWO);
        let wanted = [ONE, b"\r\nm=video 0 RTP/AVP 96 97\r\n"].concat();
        assert_eq!(*extended, *wanted);
        assert!(matches!(extend(TWO, ONE), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_that_were_not_offered_are_cut_off_with_what_belongs_to_them() {
        assert_eq!(cut(TWO, 1), b"v=0\r\nm=audio 20 RTP/AVP 8\r\n");
        assert_eq!([cut(TWO, 2), cut(TWO, 3)], [TWO, TWO]);
        assert_eq!(cut(TWO, 0), b"v=0\r\n");
    }
}
