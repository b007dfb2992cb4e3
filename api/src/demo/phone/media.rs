//! A call's audio: one RTP socket, a packet every 20 ms while we may speak, and a tape of both directions.

use super::rtp::{self, Packet, Sender};
use crate::demo::audio::{FRAME, RATE, g711, voice::Voice};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Most samples that a tape keeps of each direction: two minutes. What comes later is counted only.
const LONGEST: usize = 120 * RATE as usize;

/// Most datagrams read in one step of the audio clock, so that a flood cannot stop it.
const AT_ONCE: usize = 64;

/// What a call speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Nothing: not connected, or the other end has us on hold.
    Silence,
    /// The phone's own voice.
    Voice,
    /// Hold music, for the one we put on hold.
    HoldMusic,
}

/// What the signalling decides about the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where the other end listens.
    pub remote: Option<SocketAddr>,
    /// What we say.
    pub speech: Speech,
}

/// Counters since the call began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Steps of 20 ms of this phone's own audio clock, whether it spoke or not.
    pub frames: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets with PCMU heard.
    pub heard: u64,
    /// Datagrams that were no RTP or had another payload type.
    pub strange: u64,
}

/// What passed between two looks at the tape.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// What was heard, placed by RTP time stamps: lost packets are silence.
    pub heard: Vec<i16>,
    /// What was said; silence where nothing was sent.
    pub said: Vec<i16>,
    /// Packets heard.
    pub packets_heard: u64,
    /// Packets sent.
    pub packets_sent: u64,
}

#[derive(Debug, Default)]
struct Tape {
    segment: Segment,
    /// SSRC and time stamp of the first sample in `segment.heard`.
    origin: Option<(u32, u32)>,
}

impl Tape {
    fn say(&mut self, frame: &[i16; FRAME]) {
        if self.segment.said.len() < LONGEST {
            self.segment.said.extend_from_slice(frame);
        }
    }

    fn hear(&mut self, packet: Packet<'_>) {
        self.segment.packets_heard += 1;
        let now_at = self.segment.heard.len() as u32;
        let origin = match self.origin {
            Some((ssrc, first)) if ssrc == packet.ssrc => first,
            // Another source continues the tape where the last one ended.
            Some(_) | None => packet.timestamp.wrapping_sub(now_at),
        };
        self.origin = Some((packet.ssrc, origin));
        let start = packet.timestamp.wrapping_sub(origin) as usize;
        let end = start.saturating_add(packet.payload.len());
        // A packet from before this segment has wrapped to an enormous start and is left out as well.
        if end > LONGEST {
            return;
        }
        let heard = &mut self.segment.heard;
        heard.resize(heard.len().max(end), 0);
        for (sample, byte) in heard[start..end].iter_mut().zip(packet.payload) {
            *sample = g711::decode(*byte);
        }
    }
}

/// A call's audio. Dropping it ends the audio.
#[derive(Debug)]
pub struct Media {
    address: SocketAddr,
    route: watch::Sender<Route>,
    counters: watch::Receiver<Counters>,
    tape: Arc<Mutex<Tape>>,
    task: JoinHandle<()>,
}

impl Media {
    /// Opens an RTP port on `ip` (even, where the system offers one soon) and listens; nothing is said yet.
    pub async fn open(ip: IpAddr, voice: Voice) -> std::io::Result<Self> {
        let mut socket = UdpSocket::bind((ip, 0)).await?;
        for _ in 0..8 {
            if socket.local_addr()?.port() % 2 == 0 {
                break;
            }
            socket = UdpSocket::bind((ip, 0)).await?;
        }
        let address = socket.local_addr()?;
        let (route, routes) = watch::channel(Route { remote: None, speech: Speech::Silence });
        let (counted, counters) = watch::channel(Counters::default());
        let tape = Arc::new(Mutex::new(Tape::default()));
        // Unlike the tape's content these need only differ from call to call, which the port does.
        let random = u32::from(address.port()).wrapping_mul(0x9e37_79b9);
        let sender = Sender { sequence: random as u16, timestamp: random, ssrc: !random, after_silence: true };
        let line = Line {
            socket,
            routes,
            counted,
            tape: Arc::clone(&tape),
            sender,
            voice,
            hold: Voice::of_hold(),
            connected: false,
        };
        let task = tokio::spawn(line.run());
        Ok(Self { address, route, counters, tape, task })
    }

    /// Where we listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The end through which the signalling routes the audio.
    pub fn route(&self) -> watch::Sender<Route> {
        self.route.clone()
    }

    /// Counters since the call began.
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    /// Waits until `reached` is true of the counters. `false` where the audio ended before.
    pub async fn until(&self, reached: impl FnMut(&Counters) -> bool) -> bool {
        self.counters.clone().wait_for(reached).await.is_ok()
    }

    /// Takes what is on the tape since the last call of this.
    pub fn take_segment(&self) -> Segment {
        let mut tape = lock(&self.tape);
        tape.origin = None;
        std::mem::take(&mut tape.segment)
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task's side.
struct Line {
    socket: UdpSocket,
    routes: watch::Receiver<Route>,
    counted: watch::Sender<Counters>,
    tape: Arc<Mutex<Tape>>,
    sender: Sender,
    voice: Voice,
    hold: Voice,
    /// Whether there has ever been someone to speak to: the tape begins then.
    connected: bool,
}

impl Line {
    async fn run(mut self) {
        let mut clock = interval(Duration::from_millis(20));
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut datagram = [0; 2048];
        loop {
            tokio::select! {
                _ = clock.tick() => {
                    // What has arrived belongs before this step of the clock.
                    for _ in 0..AT_ONCE {
                        let Ok((length, _)) = self.socket.try_recv_from(&mut datagram) else { break };
                        self.hear(&datagram[..length]);
                    }
                    self.speak().await;
                }
                received = self.socket.recv_from(&mut datagram) => match received {
                    Ok((length, _)) => self.hear(&datagram[..length]),
                    // An ICMP error for an earlier packet: the other end may only have closed its port.
                    Err(_) => self.counted.send_modify(|counters| counters.strange += 1),
                },
            }
        }
    }

    async fn speak(&mut self) {
        let Route { remote, speech } = *self.routes.borrow();
        let frame = match speech {
            Speech::Silence => None,
            Speech::Voice => Some(self.voice.frame()),
            Speech::HoldMusic => Some(self.hold.frame()),
        };
        let sent = match (frame, remote) {
            (Some(frame), Some(remote)) => {
                let packet = self.sender.packet(frame.map(g711::encode));
                self.socket.send_to(&packet, remote).await.is_ok()
            }
            (Some(_), None) | (None, _) => false,
        };
        self.sender.after_silence |= !sent;
        self.sender.timestamp = self.sender.timestamp.wrapping_add(FRAME as u32);
        self.connected |= remote.is_some();
        if self.connected {
            let mut tape = lock(&self.tape);
            tape.say(&frame.filter(|_| sent).unwrap_or([0; FRAME]));
            tape.segment.packets_sent += u64::from(sent);
        }
        self.counted.send_modify(|counters| {
            counters.frames += 1;
            counters.sent += u64::from(sent);
        });
    }

    fn hear(&self, datagram: &[u8]) {
        let packet = Packet::parse(datagram).filter(|packet| packet.payload_type == rtp::PCMU);
        if let Some(packet) = packet {
            lock(&self.tape).hear(packet);
        }
        self.counted.send_modify(|counters| match packet {
            Some(_) => counters.heard += 1,
            None => counters.strange += 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(tape: &mut Tape, ssrc: u32, timestamp: u32, value: i16) {
        let payload = [g711::encode(value); 2];
        tape.hear(Packet { payload_type: 0, timestamp, ssrc, payload: &payload });
    }

    #[test]
    fn the_tape_places_packets_by_their_time_stamps() {
        let mut tape = Tape::default();
        for (timestamp, value) in [(u32::MAX - 1, 8), (4, 40), (0, 24), (2, 0)] {
            hear(&mut tape, 1, timestamp, value);
        }
        assert_eq!(tape.segment.heard, [8, 8, 24, 24, 0, 0, 40, 40]);
        assert_eq!(tape.segment.packets_heard, 4);
    }

    #[test]
    fn another_source_continues_where_the_last_one_ended() {
        let mut tape = Tape::default();
        hear(&mut tape, 1, 1_000, 8);
        hear(&mut tape, 2, 77, 24);
        assert_eq!(tape.segment.heard, [8, 8, 24, 24]);
    }

    #[test]
    fn time_stamps_from_before_the_segment_or_far_ahead_cost_no_memory() {
        let mut tape = Tape::default();
        hear(&mut tape, 1, 1_000, 8);
        hear(&mut tape, 1, 998, 24);
        hear(&mut tape, 1, 1_000 + LONGEST as u32, 24);
        assert_eq!((tape.segment.heard.len(), tape.segment.packets_heard), (2, 3));
    }
}
