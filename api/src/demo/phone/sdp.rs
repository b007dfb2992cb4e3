//! The little SDP a phone with one audio stream of PCMU needs (RFC 4566 lines, RFC 3264 directions).

use std::net::{IpAddr, SocketAddr};

/// Which way audio may flow, seen from the one who says it (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only from the speaker of this word.
    SendOnly,
    /// Only towards it.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// Whether its speaker sends audio.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether its speaker wants to hear audio.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same agreement seen from the other end.
    pub fn mirrored(self) -> Self {
        Self::from_flags(self.receives(), self.sends())
    }

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self::from_flags(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The SDP attribute's name.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn from_flags(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// Our half of a session: written into every offer and answer.
#[derive(Debug, Clone)]
pub struct Local {
    /// Where we hear audio.
    pub rtp: SocketAddr,
    /// Numeric session id of `o=`.
    pub session: u32,
    /// Version of `o=`: one more with every offer or answer that we write after the first.
    pub version: u32,
}

impl Local {
    /// An offer: one audio stream, PCMU, 20 ms.
    pub fn offer(&mut self, direction: Direction) -> String {
        let audio = self.audio(direction);
        self.body(&audio)
    }

    /// An answer to `offer`: its first audio stream with PCMU is taken, all others are refused with port 0.
    pub fn answer(&mut self, offer: &Remote, direction: Direction) -> String {
        let audio = self.audio(direction);
        let media = offer.media.iter().enumerate().map(|(index, line)| match index == offer.audio {
            true => audio.clone(),
            false => refused(line),
        });
        let media: String = media.collect();
        self.body(&media)
    }

    fn audio(&self, direction: Direction) -> String {
        let (port, direction) = (self.rtp.port(), direction.attribute());
        format!("m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={direction}\r\n")
    }

    fn body(&mut self, media: &str) -> String {
        self.version += 1;
        let family = if self.rtp.is_ipv4() { "IP4" } else { "IP6" };
        let (session, version, ip) = (self.session, self.version, self.rtp.ip());
        format!("v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{media}")
    }
}

fn refused(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if let Some(port) = words.get_mut(1) {
        *port = "0";
    }
    format!("m={}\r\n", words.join(" "))
}

/// What the other end's SDP says about audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it hears audio; `None` where it wants none (port 0 or the address 0.0.0.0).
    pub rtp: Option<SocketAddr>,
    /// Its direction, from its own point of view.
    pub direction: Direction,
    /// What follows `m=` in each media line.
    media: Vec<String>,
    /// Which of them is the audio stream we use.
    audio: usize,
}

impl Remote {
    /// Reads SDP; `None` where it has no audio stream with PCMU (payload type 0) or no address for it.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let media: Vec<String> = text.lines().filter_map(|line| Some(line.strip_prefix("m=")?.to_owned())).collect();
        let audio = media.iter().position(|line| is_pcmu_audio(line))?;
        let mut sections = text.split("\nm=");
        let session = sections.next()?;
        let section = sections.nth(audio)?;
        let port: u16 = media.get(audio)?.split(' ').nth(1)?.split('/').next()?.parse().ok()?;
        let ip = address(section).or_else(|| address(session))?;
        let direction = direction(section).or_else(|| direction(session)).unwrap_or(Direction::SendRecv);
        let rtp = (port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, port));
        Some(Self { rtp, direction, media, audio })
    }
}

/// Lines without their ends; a section's last one may still have half of its own.
fn lines(section: &str) -> impl Iterator<Item = &str> {
    section.lines().map(str::trim_end)
}

fn is_pcmu_audio(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next() == Some("audio") && words.skip(2).any(|payload| payload == "0")
}

fn address(section: &str) -> Option<IpAddr> {
    let line = lines(section).find_map(|line| line.strip_prefix("c=IN IP"))?;
    line.split(' ').nth(1)?.split('/').next()?.parse().ok()
}

fn direction(section: &str) -> Option<Direction> {
    let attributes = lines(section).filter_map(|line| line.strip_prefix("a="));
    attributes.filter_map(|name| Direction::ALL.into_iter().find(|one| one.attribute() == name)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Local {
        Local { rtp: SocketAddr::from(([127, 0, 0, 1], 4000)), session: 7, version: 0 }
    }

    #[test]
    fn an_offer_reads_back_and_its_version_steps() {
        let mut local = local();
        let first = local.offer(Direction::SendRecv);
        let second = local.offer(Direction::SendOnly);
        assert!(first.contains("o=- 7 1 IN IP4 127.0.0.1\r\n") && second.contains("o=- 7 2 IN IP4"));
        let read = Remote::parse(second.as_bytes()).unwrap();
        assert_eq!((read.rtp, read.direction), (Some(local.rtp), Direction::SendOnly));
    }

    #[test]
    fn an_answer_refuses_every_stream_but_the_first_audio_with_pcmu() {
        let offer = "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\na=sendonly\r\nm=video 4 RTP/AVP 96\r\n\
                     m=audio 6 RTP/AVP 8\r\nm=audio 8 RTP/AVP 8 0\r\nc=IN IP4 192.0.2.1\r\na=recvonly\r\n";
        let offer = Remote::parse(offer.as_bytes()).unwrap();
        assert_eq!((offer.rtp, offer.direction), ("192.0.2.1:8".parse().ok(), Direction::RecvOnly));
        let answer = local().answer(&offer, Direction::SendOnly);
        let media: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(media, ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 8", "m=audio 4000 RTP/AVP 0"]);
    }

    #[test]
    fn session_level_address_and_direction_hold_where_the_stream_says_nothing() {
        let sdp = "v=0\r\nc=IN IP4 192.0.2.9\r\na=inactive\r\nm=audio 40 RTP/AVP 0\r\na=ptime:20\r\n";
        let read = Remote::parse(sdp.as_bytes()).unwrap();
        assert_eq!((read.rtp, read.direction), ("192.0.2.9:40".parse().ok(), Direction::Inactive));
    }

    #[test]
    fn port_zero_and_the_null_address_want_no_audio() {
        for sdp in ["c=IN IP4 192.0.2.9\r\nm=audio 0 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\n"] {
            assert_eq!(Remote::parse(sdp.as_bytes()).unwrap().rtp, None);
        }
        assert_eq!(Remote::parse(b"c=IN IP4 192.0.2.9\r\nm=video 9 RTP/AVP 0\r\n"), None);
        assert_eq!(Remote::parse(b"\xff"), None);
    }

    #[test]
    fn directions_mirror_and_meet() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        assert_eq!(
            [SendRecv, SendOnly, RecvOnly, Inactive].map(Direction::mirrored),
            [SendRecv, RecvOnly, SendOnly, Inactive]
        );
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
    }
}
