//! Session descriptions in a scenario: media comes from and goes to SIPp.

use super::template::Template;

/// Writes a description with SIPp's addresses and ports. An address that says "send nothing" (RFC 3264 §8.4) stays, so does
/// a port of 0. ICE candidates are left out: they are the caller's.
pub(super) fn write(text: &mut Template, body: &[u8]) {
    let lines = String::from_utf8_lossy(body);
    let (mut streams, mut begun) = (0, false);
    for line in lines.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty()) {
        if line.starts_with("a=candidate:") || line.starts_with("a=remote-candidates:") {
            continue;
        }
        if std::mem::replace(&mut begun, true) {
            text.end();
        }
        if !(origin(text, line)
            || connection(text, line)
            || media(text, line, &mut streams)
            || rtcp(text, line, streams))
        {
            text.literal(line.as_bytes());
        }
    }
    if body.ends_with(b"\n") {
        text.last_end();
    }
}

/// `o=name id version IN IP4 address`
fn origin(text: &mut Template, line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    match fields[..] {
        [name, id, version, "IN", _, _] if name.starts_with("o=") => {
            text.literal(format!("{name} {id} {version} IN IP").as_bytes()).keyword("[media_ip_type] [media_ip]");
            true
        }
        _ => false,
    }
}

/// `c=IN IP4 address`
fn connection(text: &mut Template, line: &str) -> bool {
    let Some(address) = line.strip_prefix("c=IN IP4 ").or_else(|| line.strip_prefix("c=IN IP6 ")) else { return false };
    if matches!(address.trim(), "0.0.0.0" | "::") {
        return false;
    }
    text.keyword("c=IN IP[media_ip_type] [media_ip]");
    true
}

/// `m=audio port proto formats`
fn media(text: &mut Template, line: &str, streams: &mut usize) -> bool {
    let Some((kind, rest)) = line.strip_prefix("m=").and_then(|media| media.split_once(' ')) else { return false };
    let Some((port, rest)) = rest.split_once(' ') else { return false };
    *streams += 1;
    if port == "0" {
        return false;
    }
    text.literal(format!("m={kind} ").as_bytes())
        .keyword(&port_of(*streams - 1, 0))
        .keyword(" ")
        .literal(rest.as_bytes());
    true
}

/// `a=rtcp:port …`
fn rtcp(text: &mut Template, line: &str, streams: usize) -> bool {
    if !line.starts_with("a=rtcp:") || streams == 0 {
        return false;
    }
    text.keyword("a=rtcp:").keyword(&port_of(streams - 1, 1));
    true
}

/// SIPp's media port for an m-line: a pair each.
fn port_of(stream: usize, above: usize) -> String {
    match stream * 2 + above {
        0 => "[media_port]".to_owned(),
        above => format!("[media_port+{above}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_sipps_and_the_rest_is_as_recorded() {
        let body = "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 [x]\r\n\
                    a=rtcp:4001 IN IP4 192.0.2.1\r\na=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\na=sendonly\r\n\
                    m=video 0 RTP/AVP 31\r\nm=video 5000 RTP/AVP 31\r\nc=IN IP4 0.0.0.0\r\n";
        let mut text = Template::default();
        write(&mut text, body.as_bytes());
        let expected = "v=0\no=- 7 1 IN IP[media_ip_type] [media_ip]\ns=-\nc=IN IP[media_ip_type] [media_ip]\nt=0 0\n\
                        m=audio [media_port] RTP/AVP 0 \\x5Bx\\x5D\na=rtcp:[media_port+1]\na=sendonly\n\
                        m=video 0 RTP/AVP 31\nm=video [media_port+4] RTP/AVP 31\nc=IN IP4 0.0.0.0\n";
        assert_eq!(text.finish(), expected);
    }
}
