//! Messages made worse: byte by byte, and by what a message is made of.

use super::Sample;
use tests::world::Chance;

/// Bytes that grammars stumble over.
const PIECES: [&[u8]; 22] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"%",
    b"%00",
    b" ",
    b"\t",
    b"\xff",
    b"\xc3",
    b"\r\n ",
    b"\r\n\r\n",
    b"@",
    b"=",
    b"[::1]",
];

/// Values that headers stumble over.
const VALUES: [&str; 26] = [
    "",
    "0",
    "-1",
    "4294967295",
    "4294967296",
    "99999999999999999999999",
    "*",
    ";;,,",
    "\"",
    "<>",
    "<sip:>",
    "<sip:a@b>",
    "<sips:a@b:65535;lr>;tag=x",
    "sip:a",
    "tel:+1",
    "<sip:%00@[::]>;tag=y",
    "SIP/2.0/UDP a;branch=z9hG4bK",
    "SIP/2.0/TCP [::1]:1;branch=z9hG4bKq;rport=0;received=",
    "1 INVITE",
    "1 BYE",
    "2147483648 ACK",
    "application/sdp",
    "multipart/mixed;boundary=x",
    "replaces, 100rel",
    "Digest username=\"a\",realm=\"b\",nonce=\"c\",uri=\"d\",response=\"e\"",
    "gzip",
];

/// Header names that something reads.
const NAMES: [&str; 28] = [
    "Via",
    "v",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Contact",
    "Route",
    "Record-Route",
    "Content-Length",
    "Content-Type",
    "Content-Disposition",
    "Content-Encoding",
    "Require",
    "Supported",
    "Accept",
    "Expires",
    "Subject",
    "Priority",
    "User-to-User",
    "Replaces",
    "Refer-To",
    "Session-Expires",
    "RSeq",
    "RAck",
    "Authorization",
    "Proxy-Authenticate",
];

/// First lines.
const STARTS: [&str; 14] = [
    "INVITE sip:+15550001111@192.0.2.1 SIP/2.0",
    "INVITE tel:+15550001111 SIP/2.0",
    "INVITE sip: SIP/2.0",
    "ACK sip:a@b SIP/2.0",
    "BYE sip:a@b SIP/2.0",
    "CANCEL sip:a@b SIP/2.0",
    "REGISTER sip:b SIP/2.0",
    "UPDATE sip:a@b SIP/2.0",
    "NEWER sip:a@b SIP/2.0",
    "SIP/2.0 100 ",
    "SIP/2.0 180 Ringing",
    "SIP/2.0 200 OK",
    "SIP/2.0 407 Who",
    "SIP/2.0 699 No",
];

fn index(chance: &mut Chance, length: usize) -> usize {
    usize::try_from(chance.below(length.max(1) as u64)).unwrap()
}

fn one<'a, T: ?Sized>(chance: &mut Chance, list: &[&'a T]) -> &'a T {
    list[index(chance, list.len())]
}

/// A sample changed once to four times.
pub(super) fn mutated(chance: &mut Chance, samples: &[Sample], sample: &Sample) -> Vec<u8> {
    let mut bytes = sample.bytes.to_vec();
    // Nothing has heard of every third: what would be a repeat begins something.
    let (times, fresh) = if chance.percent(35) { (chance.below(3), true) } else { (1 + chance.below(4), false) };
    if fresh {
        freshen(chance, &mut bytes);
    }
    for _ in 0..times {
        if chance.percent(50) {
            change_bytes(chance, &mut bytes);
        } else {
            bytes = change_parts(chance, samples, &bytes);
        }
    }
    bytes.truncate(66_000);
    bytes
}

/// Gives a message a branch and a Call-ID that no other has.
fn freshen(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let (mut lines, body) = split(bytes);
    for line in &mut lines {
        if line.starts_with(b"Call-ID:") {
            *line = format!("Call-ID: {:x}", chance.draw()).into_bytes();
        }
        if let Some(at) = line.windows(7).position(|window| window == b"z9hG4bK") {
            line.splice(at + 7..at + 7, format!("{:x}", chance.draw()).into_bytes());
        }
    }
    *bytes = joined(&lines, &body);
}

fn joined(lines: &[Vec<u8>], body: &[u8]) -> Vec<u8> {
    [&lines.join(b"\r\n".as_slice()), b"\r\n\r\n".as_slice(), body].concat()
}

fn change_bytes(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = index(chance, bytes.len());
    let end = (at + index(chance, 40)).min(bytes.len());
    match chance.below(6) {
        _ if bytes.is_empty() => bytes.push(b'\n'),
        0 => bytes[at] = chance.draw().to_le_bytes()[0],
        1 => bytes[at] ^= 1 << chance.below(8),
        2 => drop(bytes.drain(at..end)),
        3 => drop(bytes.splice(at..at, one(chance, &PIECES).iter().copied())),
        4 => {
            let copied = bytes[at..end].to_vec();
            let to = index(chance, bytes.len());
            drop(bytes.splice(to..to, copied));
        }
        _ if chance.percent(30) => bytes.truncate(at),
        _ => bytes[at] = one(chance, &PIECES)[0],
    }
}

/// First line, header lines and body; whatever the message has become by now.
fn split(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
    let lines = bytes[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec());
    (lines.collect(), body)
}

fn change_parts(chance: &mut Chance, samples: &[Sample], bytes: &[u8]) -> Vec<u8> {
    let (mut lines, mut body) = split(bytes);
    let (donor_lines, donor_body) = split(&samples[index(chance, samples.len())].bytes);
    let line = 1 + index(chance, lines.len().saturating_sub(1));
    let line = line.min(lines.len() - 1);
    match chance.below(10) {
        0 => drop(lines.remove(line)),
        1 => lines.insert(line, lines[line].clone()),
        2 => {
            let other = index(chance, lines.len());
            lines.swap(line, other);
        }
        3 => lines[line] = donor_lines[index(chance, donor_lines.len())].clone(),
        4 => lines.insert(line, donor_lines[index(chance, donor_lines.len())].clone()),
        5 => lines.insert(line, format!("{}: {}", one(chance, &NAMES), one(chance, &VALUES)).into_bytes()),
        6 => {
            let name: Vec<u8> = lines[line].iter().copied().take_while(|byte| *byte != b':').collect();
            lines[line] = [&name, b": ".as_slice(), one(chance, &VALUES).as_bytes()].concat();
        }
        7 => lines[0] = one(chance, &STARTS).as_bytes().to_vec(),
        8 => body = donor_body,
        _ => {
            let many = 1 + index(chance, 300);
            let repeated = lines[line].clone();
            lines.splice(line..line, std::iter::repeat_n(repeated, many));
        }
    }
    // Else nearly every message would be refused for its length alone.
    if chance.percent(70) {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with(b"content-length"));
        lines.push(format!("Content-Length: {}", body.len()).into_bytes());
    }
    joined(&lines, &body)
}
