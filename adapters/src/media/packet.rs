//! What a relay has to read of RTP and RTCP: fixed headers and report blocks, never the payload. RFC 3550 §5.1, §6.4
//! and A.2, RFC 5761 §4. Input is hostile; nothing here can read past the packet.

/// The fields of an RTP header that accounting needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RtpHeader {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

/// One report block: what the sender of the RTCP packet received of `ssrc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the report before, in 1/256.
    pub fraction_lost: u8,
}

const VERSION: u8 = 2;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// The header of an RTP packet of version 2 whose header, CSRC list and extension fit into it. Padding is not
/// checked: under SRTP its length is encrypted.
pub(super) fn rtp(packet: &[u8]) -> Option<RtpHeader> {
    let fixed: &[u8; 12] = packet.first_chunk()?;
    if fixed[0] >> 6 != VERSION {
        return None;
    }
    let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        let extension: &[u8; 4] = packet.get(length..)?.first_chunk()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
    }
    (length <= packet.len()).then(|| RtpHeader {
        payload_type: fixed[1] & 0x7f,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    })
}

/// Whether a packet is RTCP by version, length and packet type; this also tells it from RTP on a shared port
/// (RFC 5761 §4: second byte 192 to 223).
pub(super) fn is_rtcp(packet: &[u8]) -> bool {
    match packet.first_chunk::<8>() {
        Some(head) => head[0] >> 6 == VERSION && (192..=223).contains(&head[1]),
        None => false,
    }
}

/// Calls `each` with every report block of a compound packet. Nothing is read of a compound whose parts do not fill
/// it exactly (RFC 3550 A.2): so encrypted reports (SRTCP) are relayed but never misread.
pub(super) fn report_blocks(packet: &[u8], mut each: impl FnMut(ReportBlock)) {
    if !is_whole_compound(packet) {
        return;
    }
    let mut rest = packet;
    while let Some((part, after)) = split(rest) {
        let sender_info = match part[1] {
            SENDER_REPORT => 28,
            RECEIVER_REPORT => 8,
            _ => part.len(),
        };
        let count = usize::from(part[0] & 0x1f);
        let blocks = part.get(sender_info..).unwrap_or_default();
        for block in blocks.as_chunks::<24>().0.iter().take(count) {
            let ssrc = u32::from_be_bytes([block[0], block[1], block[2], block[3]]);
            each(ReportBlock { ssrc, fraction_lost: block[4] });
        }
        rest = after;
    }
}

fn is_whole_compound(packet: &[u8]) -> bool {
    let mut rest = packet;
    while let Some((_, after)) = split(rest) {
        rest = after;
    }
    rest.is_empty() && !packet.is_empty()
}

/// The first part of a compound and what follows; `None` where no valid part begins.
fn split(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let head: &[u8; 4] = packet.first_chunk()?;
    if head[0] >> 6 != VERSION || !(192..=223).contains(&head[1]) {
        return None;
    }
    packet.split_at_checked(4 * (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(first: u8, second: u8) -> Vec<u8> {
        vec![first, second, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef]
    }

    fn receiver_report(blocks: &[(u32, u8)]) -> Vec<u8> {
        let mut packet = vec![0x80 | blocks.len() as u8, RECEIVER_REPORT, 0, (1 + 6 * blocks.len()) as u8, 0, 0, 0, 9];
        for (ssrc, fraction) in blocks {
            packet.extend(ssrc.to_be_bytes());
            packet.push(*fraction);
            packet.extend([0; 19]);
        }
        packet
    }

    fn read(packet: &[u8]) -> Vec<(u32, u8)> {
        let mut read = Vec::new();
        report_blocks(packet, |block| read.push((block.ssrc, block.fraction_lost)));
        read
    }

    #[test]
    fn a_plain_header_is_read() {
        let expected = RtpHeader { payload_type: 8, sequence: 0x1234, timestamp: 160, ssrc: 0xdead_beef };
        assert_eq!(rtp(&header(0x80, 0x88)), Some(expected));
    }

    #[test]
    fn other_versions_short_packets_and_headers_that_overrun_are_refused() {
        assert_eq!(rtp(&header(0x00, 0)), None, "STUN");
        assert_eq!(rtp(&header(0x16, 0)), None, "DTLS");
        assert_eq!(rtp(&header(0x80, 0)[..11]), None);
        assert_eq!(rtp(&header(0x81, 0)), None, "one CSRC announced, none there");
        assert_eq!(rtp(&header(0x90, 0)), None, "extension announced, none there");
        let extended = [header(0x90, 0), vec![0xbe, 0xde, 0, 2, 1, 2, 3, 4]].concat();
        assert_eq!(rtp(&extended), None, "extension of two words, one there");
        assert!(rtp(&[extended, vec![0; 4]].concat()).is_some());
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_second_byte() {
        for (second, expected) in [(191, false), (192, true), (200, true), (223, true), (224, false), (0, false)] {
            assert_eq!(is_rtcp(&header(0x80, second)), expected, "{second}");
        }
        assert!(!is_rtcp(&header(0x80, 200)[..7]));
    }

    #[test]
    fn report_blocks_of_sender_and_receiver_reports_are_read() {
        let mut sender = vec![0x81, SENDER_REPORT, 0, 12];
        sender.extend([0; 24]);
        sender.extend([0, 0, 0, 5, 77]);
        sender.extend([0; 19]);
        let compound = [sender, vec![0x81, 202, 0, 1, 0, 0, 0, 9], receiver_report(&[(1, 2), (3, 4)])].concat();
        assert_eq!(read(&compound), [(5, 77), (1, 2), (3, 4)]);
    }

    #[test]
    fn a_compound_that_does_not_add_up_is_not_read() {
        let report = receiver_report(&[(1, 255)]);
        assert_eq!(read(&report), [(1, 255)]);
        assert_eq!(read(&report[..report.len() - 1]), []);
        let encrypted = [report, vec![0x80, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]].concat();
        assert_eq!(read(&encrypted), [], "an SRTCP trailer");
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn more_blocks_announced_than_there_are_reads_those_that_are_there() {
        let mut report = receiver_report(&[(1, 2)]);
        report[0] = 0x9f;
        assert_eq!(read(&report), [(1, 2)]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut blocks = 0;
        for round in 0..200_000_u32 {
            let mut packet: Vec<u8> = (0..next() % 96).map(|_| next() as u8).collect();
            if round % 2 == 0
                && let Some(head) = packet.first_chunk_mut::<4>()
            {
                *head = [0x80 | head[0] & 0x3f, 200 + head[1] % 8, 0, head[3] % 24];
            }
            report_blocks(&packet, |_| blocks += 1);
            let _ = (rtp(&packet), is_rtcp(&packet));
        }
        assert!(blocks > 100, "the generator reaches the blocks: {blocks}");
    }
}
