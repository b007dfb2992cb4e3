//! RTP packets as far as a phone with one payload type goes (RFC 3550 §5.1).

/// Bytes before the payload of what we send.
pub const HEADER: usize = 12;
/// Payload type of PCMU (RFC 3551 §6).
pub const PCMU: u8 = 0;

/// A packet that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Time of the first sample, in samples, from a random start.
    pub timestamp: u32,
    /// Who sent it.
    pub ssrc: u32,
    /// The audio.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` where it is no RTP of version 2 or its lengths do not fit.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (head, _) = datagram.split_first_chunk::<HEADER>()?;
        if head[0] >> 6 != 2 {
            return None;
        }
        let mut start = HEADER + 4 * usize::from(head[0] & 0x0f);
        if head[0] & 0x10 != 0 {
            let extension = datagram.get(start..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        let padding = if head[0] & 0x20 != 0 { usize::from(*datagram.last()?) } else { 0 };
        let payload = datagram.get(start..datagram.len().checked_sub(padding)?)?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some(Self { payload_type: head[1] & 0x7f, timestamp: word(4), ssrc: word(8), payload })
    }
}

/// What a sender counts.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Number of the next packet.
    pub sequence: u16,
    /// Time of the next frame, in samples. It goes on while nothing is sent.
    pub timestamp: u32,
    /// Our identity.
    pub ssrc: u32,
    /// Whether the next packet is the first after silence.
    pub after_silence: bool,
}

impl Sender {
    /// A PCMU packet with `payload`; the caller moves `timestamp` on with its own clock.
    pub fn packet(&mut self, payload: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let marker = u8::from(std::mem::take(&mut self.after_silence)) << 7;
        let mut packet = vec![0x80, marker | PCMU];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_reads_back_and_only_the_first_after_silence_is_marked() {
        let mut sender = Sender { sequence: 0xffff, timestamp: 960, ssrc: 5, after_silence: true };
        let first = sender.packet([1, 2, 3]);
        let second = sender.packet([4]);
        let expected = Packet { payload_type: PCMU, timestamp: 960, ssrc: 5, payload: &[1, 2, 3] };
        assert_eq!(Packet::parse(&first), Some(expected));
        assert_eq!((&first[1..4], &second[1..4]), ([0x80, 0xff, 0xff].as_slice(), [0, 0, 0].as_slice()));
    }

    #[test]
    fn sources_extension_and_padding_are_skipped() {
        let mut datagram = vec![0xb1, 8, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7];
        datagram.extend([0, 0, 0, 1, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 50, 51, 0, 2]);
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!((packet.payload_type, packet.payload), (8, [50, 51].as_slice()));
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        let rtp = |first: u8, tail: &[u8]| [&[first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], tail].concat();
        for datagram in [rtp(0x40, &[]), rtp(0x8f, &[1]), rtp(0x90, &[0, 0, 0xff, 0xff]), rtp(0xa0, &[200]), vec![0x80]]
        {
            assert_eq!(Packet::parse(&datagram), None, "{datagram:?}");
        }
    }
}
