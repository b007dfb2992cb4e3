//! Where in a message's body the session description lies (RFC 2046 §5.1, RFC 5621).

use memchr::memmem;
use std::ops::Range;

/// Parts of one multipart body that are looked at.
const MAX_PARTS: usize = 64;
/// Header lines of one part that are looked at.
const MAX_HEADERS: usize = 64;
/// Multiparts within multiparts.
const MAX_DEPTH: u8 = 4;

/// The first `application/sdp` in a body whose Content-Type is given: the whole body, or a part of a multipart, also
/// a nested one. `None` when there is none, when the part is encoded (base64, quoted-printable), or when its
/// Content-Disposition is not `session`.
pub fn find(content_type: &str, body: &[u8]) -> Option<Range<usize>> {
    find_at(content_type, body, 0, MAX_DEPTH)
}

fn find_at(content_type: &str, body: &[u8], offset: usize, depth: u8) -> Option<Range<usize>> {
    let mut sections = content_type.split(';');
    let (kind, subtype) = sections.next()?.split_once('/')?;
    let (kind, subtype) = (kind.trim(), subtype.trim());
    if kind.eq_ignore_ascii_case("application") && subtype.eq_ignore_ascii_case("sdp") {
        return Some(offset..offset + body.len());
    }
    if !kind.eq_ignore_ascii_case("multipart") || depth == 0 {
        return None;
    }
    let boundary = boundary(content_type)?;
    let parts = parts(body, boundary.as_bytes());
    parts.into_iter().find_map(|part| {
        let (content_type, content) = open(&body[part.clone()])?;
        find_at(content_type, content, offset + part.end - content.len(), depth - 1)
    })
}

/// The boundary parameter, quoted or not; at most 70 characters.
fn boundary(content_type: &str) -> Option<&str> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end(), &after[end..])
            }
        };
        if name.eq_ignore_ascii_case("boundary") {
            return Some(value).filter(|value| matches!(value.len(), 1..=70));
        }
        rest = next;
    }
}

/// The parts between delimiter lines, each without the line end that belongs to the delimiter after it. A missing
/// closing delimiter is forgiven.
fn parts(body: &[u8], boundary: &[u8]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = None;
    let finder = memmem::Finder::new(boundary);
    let mut from = 0;
    while let Some(found) = finder.find(&body[from..]) {
        let (at, after) = (from + found, from + found + boundary.len());
        from = after;
        let begins_line = at >= 2 && &body[at - 2..at] == b"--" && (at == 2 || body[at - 3] == b'\n');
        let line_end = memchr::memchr(b'\n', &body[after..]).map_or(body.len(), |end| after + end + 1);
        let tail = body[after..line_end].trim_ascii();
        // Another boundary may begin with this one: then this is no delimiter.
        if !begins_line || !(tail.is_empty() || tail == b"--") {
            continue;
        }
        if let Some(start) = start.take() {
            parts.push(start..without_line_end(body, start, at - 2));
        }
        if tail == b"--" || parts.len() == MAX_PARTS {
            return parts;
        }
        start = Some(line_end);
        from = line_end;
    }
    parts.extend(start.map(|start| start..body.len()));
    parts
}

fn without_line_end(body: &[u8], start: usize, end: usize) -> usize {
    let content = &body[start..end.max(start)];
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    start + content.strip_suffix(b"\r").unwrap_or(content).len()
}

/// A part's Content-Type and its content; `None` when it has no type, or is not for us to read as it is.
fn open(part: &[u8]) -> Option<(&str, &[u8])> {
    let mut content_type = None;
    let mut rest = part;
    for _ in 0..MAX_HEADERS {
        let (line, after) = super::scan::split_line(rest);
        rest = after;
        if line.is_empty() {
            return content_type.map(|content_type| (content_type, rest));
        }
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let token = value.split(';').next().unwrap_or(value).trim();
        if name.eq_ignore_ascii_case("Content-Type") {
            content_type = Some(value);
        } else if name.eq_ignore_ascii_case("Content-Transfer-Encoding") {
            ["7bit", "8bit", "binary"].iter().find(|plain| plain.eq_ignore_ascii_case(token))?;
        } else if name.eq_ignore_ascii_case("Content-Disposition") && !token.eq_ignore_ascii_case("session") {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISUP: &str = "preamble\r\n--unique-1\r\nContent-Type: application/isup; version=x\r\n\r\nbytes\r\n--unique-1\r\n\
         Content-Type: application/SDP; charset=\"utf-8\"\r\nContent-Disposition: session; handling=required\r\n\r\n\
         v=0\r\ns=-\r\n\r\n--unique-1--\r\nepilogue v=0";

    fn text<'a>(content_type: &str, body: &'a str) -> Option<&'a str> {
        find(content_type, body.as_bytes()).map(|range| &body[range])
    }

    #[test]
    fn a_body_of_type_sdp_is_taken_whole_whatever_the_case_and_parameters() {
        for content_type in ["application/sdp", "Application/SDP; charset=utf-8", " application / sdp ;x=\"a;b\""] {
            assert_eq!(text(content_type, "v=0\r\n"), Some("v=0\r\n"));
        }
        for content_type in ["application/sdp-x", "text/plain", "sdp", "", "application/json;x=application/sdp"] {
            assert_eq!(text(content_type, "v=0\r\n"), None);
        }
    }

    #[test]
    fn the_sdp_part_of_a_multipart_is_found_without_the_delimiters_line_end() {
        for content_type in [
            "multipart/mixed;boundary=unique-1",
            "Multipart/Mixed; type=\"a;boundary=no\"; Boundary=\"unique-1\"",
            "multipart/mixed; boundary = unique-1 ; x=y",
        ] {
            assert_eq!(text(content_type, ISUP), Some("v=0\r\ns=-\r\n"), "{content_type}");
        }
    }

    #[test]
    fn a_multipart_with_bare_line_feeds_or_without_its_end_is_read() {
        let body = "--b\nContent-Type: application/sdp\n\nv=0\ns=-\n";
        assert_eq!(text("multipart/mixed;boundary=b", body), Some("v=0\ns=-\n"));
    }

    #[test]
    fn a_nested_multipart_is_read_and_a_deep_one_is_not() {
        let nest = |depth: usize| {
            let mut body = String::from("v=0");
            let mut content_type = String::from("application/sdp");
            for level in 0..depth {
                body = format!("--b{level}x\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--b{level}x--\r\n");
                content_type = format!("multipart/alternative;boundary=b{level}x");
            }
            find(&content_type, body.as_bytes()).map(|range| body[range].to_owned())
        };
        assert_eq!(nest(2).as_deref(), Some("v=0"));
        assert_eq!(nest(5), None);
    }

    #[test]
    fn a_boundary_within_a_line_or_a_longer_one_is_no_delimiter() {
        let body = "--b\r\nContent-Type: application/sdp\r\n\r\ns=x --b\r\na=--bb\r\n--bb\r\n\r\n--b--";
        assert_eq!(text("multipart/mixed;boundary=b", body), Some("s=x --b\r\na=--bb\r\n--bb\r\n"));
    }

    #[test]
    fn encoded_parts_and_early_sessions_are_passed_over() {
        for header in ["Content-Transfer-Encoding: base64", "Content-Disposition: early-session"] {
            let body = format!("--b\r\nContent-Type: application/sdp\r\n{header}\r\n\r\nv=0\r\n--b--");
            assert_eq!(text("multipart/mixed;boundary=b", &body), None);
        }
    }

    #[test]
    fn a_multipart_without_boundary_or_sdp_has_none() {
        assert_eq!(text("multipart/mixed", ISUP), None);
        assert_eq!(text("multipart/mixed;boundary=\"\"", ISUP), None);
        assert_eq!(text("multipart/mixed;boundary=\"unique", ISUP), None);
        assert_eq!(text("multipart/mixed;boundary=other", ISUP), None);
        assert_eq!(text("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--b--"), None);
    }
}
