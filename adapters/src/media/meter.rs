//! The account of one side of a path: what its peer sent, what was lost on the way, and whether it fell silent.
//! Pure: time comes in as microseconds since some fixed moment and must not run backwards.

use super::mos;
use super::packet::RtpHeader;
use domain::media::SideStatistics;
use std::time::Duration;

/// A gap up to this is loss, a larger one a restart of the sender (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// A packet this late is out of order, a later one a restart of the sender (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;
/// A step of the timeline that cannot be jitter: the sender changed its clock.
const MAX_STEP_US: i64 = 10_000_000;

/// Counts one peer's packets. Fixed size; no method allocates.
#[derive(Debug, Clone)]
pub(super) struct SideMeter {
    counts: SideStatistics,
    run: Option<Run>,
    /// Received and lost in runs that are over.
    received_before: u64,
    lost_before: u64,
    /// Jitter in 1/16 µs, as A.8 keeps it.
    jitter_q4: u64,
    expected_since_us: Option<u64>,
    last_rtp_us: Option<u64>,
    last_rtcp_us: Option<u64>,
    silent: bool,
}

/// Packets of one SSRC with one continuous sequence.
#[derive(Debug, Clone, Copy)]
struct Run {
    ssrc: u32,
    base: u64,
    highest: u64,
    received: u64,
    /// The sequence number that would prove a restart: the one after a packet that did not fit.
    restart_at: Option<u16>,
    last: Arrival,
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    at_us: u64,
    timestamp: u32,
    clock_rate: u32,
}

/// A peer that is expected to send and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub lasted: Duration,
    /// Whether its RTCP came within the same time.
    pub rtcp_alive: bool,
}

impl SideMeter {
    /// Nothing has come yet and nothing is expected.
    pub fn new() -> Self {
        Self {
            counts: SideStatistics::default(),
            run: None,
            received_before: 0,
            lost_before: 0,
            jitter_q4: 0,
            expected_since_us: None,
            last_rtp_us: None,
            last_rtcp_us: None,
            silent: false,
        }
    }

    /// Whether the peer is expected to send from now on. Silence is measured from the moment it begins to be.
    pub fn expect(&mut self, expects: bool, now_us: u64) {
        match (expects, self.expected_since_us) {
            (true, None) => self.expected_since_us = Some(now_us),
            (true, Some(_)) => {}
            (false, _) => {
                self.expected_since_us = None;
                self.silent = false;
            }
        }
    }

    /// The SSRC the peer sends now.
    pub fn ssrc(&self) -> Option<u32> {
        self.run.map(|run| run.ssrc)
    }

    /// An RTP packet of the peer came, comfort noise included. True when it ends a reported silence.
    pub fn rtp(&mut self, now_us: u64, header: &RtpHeader, clock_rate: u32) -> bool {
        let arrival = Arrival { at_us: now_us, timestamp: header.timestamp, clock_rate: clock_rate.max(1) };
        let continued = self.run.as_mut().filter(|run| run.ssrc == header.ssrc);
        if let Some(last) = continued.and_then(|run| run.fits(header.sequence).then_some(&mut run.last)) {
            // Packets of one timestamp (a telephone event, a video frame) leave at different times by design: the
            // first of them stands for all.
            if last.timestamp != arrival.timestamp {
                self.jitter_q4 = last.jitter(arrival, self.jitter_q4);
                *last = arrival;
            }
        } else if let Some(ended) = self.run.replace(Run::begin(header, arrival)) {
            self.received_before += ended.received;
            self.lost_before += ended.lost();
        }
        self.last_rtp_us = Some(now_us);
        std::mem::take(&mut self.silent)
    }

    /// An RTP packet of the peer went on to the other side.
    pub fn relayed(&mut self, bytes: usize) {
        self.counts.packets += 1;
        self.counts.bytes += bytes as u64;
    }

    /// A packet was from elsewhere, malformed, or had nowhere to go.
    pub fn dropped(&mut self) {
        self.counts.dropped += 1;
    }

    /// An RTCP packet of the peer came.
    pub fn rtcp(&mut self, now_us: u64) {
        self.last_rtcp_us = Some(now_us);
    }

    /// An RTCP packet of the peer went on to the other side.
    pub fn rtcp_relayed(&mut self) {
        self.counts.rtcp_packets += 1;
    }

    /// The peer reports this loss of what it received, in 1/256.
    pub fn reported_loss(&mut self, fraction: u8) {
        let permille = u16::from(fraction) * 125 / 32;
        self.counts.reported_loss_permille = self.counts.reported_loss_permille.max(permille);
    }

    /// The silence to report, once for each time that the peer falls silent.
    pub fn silence(&mut self, now_us: u64, after: Duration) -> Option<Silence> {
        let since = self.last_rtp_us.max(self.expected_since_us).filter(|_| self.expected_since_us.is_some())?;
        let limit_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let lasted_us = now_us.saturating_sub(since);
        if self.silent || lasted_us < limit_us {
            return None;
        }
        self.silent = true;
        let rtcp_alive = self.last_rtcp_us.is_some_and(|at| now_us.saturating_sub(at) < limit_us);
        Some(Silence { lasted: Duration::from_micros(lasted_us), rtcp_alive })
    }

    /// Everything counted up to now.
    pub fn statistics(&self) -> SideStatistics {
        let (received, lost) = self.run.map_or((0, 0), |run| (run.received, run.lost()));
        let lost = self.lost_before + lost;
        let jitter_us = u32::try_from(self.jitter_q4 >> 4).unwrap_or(u32::MAX);
        let mos_centi = mos::estimate(self.received_before + received, lost, jitter_us);
        SideStatistics { lost, jitter_us, mos_centi, ..self.counts }
    }
}

impl Run {
    fn begin(header: &RtpHeader, arrival: Arrival) -> Self {
        // One cycle up, so that packets from before the first one have room below it.
        let base = (1 << 16) + u64::from(header.sequence);
        Self { ssrc: header.ssrc, base, highest: base, received: 1, restart_at: None, last: arrival }
    }

    /// Takes a packet into the sequence (RFC 3550 A.1 without probation: the source is known by its address). False
    /// where the sender restarted: two packets in a row that are far from all before.
    fn fits(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let late = (self.highest as u16).wrapping_sub(sequence);
        if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
        } else if late > MAX_MISORDER {
            if self.restart_at == Some(sequence) {
                return false;
            }
            self.restart_at = Some(sequence.wrapping_add(1));
            return true;
        } else {
            // The first packets of a stream may be overtaken by later ones.
            self.base = self.base.min(self.highest.saturating_sub(u64::from(late)));
        }
        self.restart_at = None;
        self.received += 1;
        true
    }

    /// RFC 3550 A.3; duplicates never make it negative.
    fn lost(&self) -> u64 {
        (self.highest - self.base + 1).saturating_sub(self.received)
    }
}

impl Arrival {
    /// RFC 3550 A.8 in microseconds, so that a change of payload type needs no conversion.
    fn jitter(self, next: Arrival, jitter_q4: u64) -> u64 {
        let ticks = i64::from(next.timestamp.wrapping_sub(self.timestamp) as i32);
        if next.clock_rate != self.clock_rate {
            return jitter_q4;
        }
        let between_us = i64::try_from(next.at_us.saturating_sub(self.at_us)).unwrap_or(i64::MAX);
        let difference = between_us.saturating_sub(ticks * 1_000_000 / i64::from(next.clock_rate)).abs();
        if difference > MAX_STEP_US {
            return jitter_q4;
        }
        (jitter_q4 + difference.unsigned_abs()).saturating_sub((jitter_q4 + 8) >> 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const LIMIT: Duration = Duration::from_secs(20);

    fn packet(sequence: u16) -> RtpHeader {
        RtpHeader { payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc: 1 }
    }

    /// Every packet arrives 20 ms after the one before.
    fn after(sequences: impl IntoIterator<Item = u16>) -> SideStatistics {
        metered(sequences.into_iter().map(packet)).statistics()
    }

    fn metered(packets: impl IntoIterator<Item = RtpHeader>) -> SideMeter {
        let mut meter = SideMeter::new();
        for (index, header) in packets.into_iter().enumerate() {
            meter.rtp(index as u64 * 20_000, &header, 8000);
        }
        meter
    }

    #[test]
    fn a_complete_sequence_loses_nothing_also_across_the_wrap() {
        assert_eq!(after(0..500).lost, 0);
        assert_eq!(after((0..500_u16).map(|n| n.wrapping_add(65_300))).lost, 0);
        assert_eq!(after((0..200_000_u32).map(|n| n as u16)).lost, 0);
    }

    #[test]
    fn gaps_are_lost_also_across_the_wrap() {
        assert_eq!(after((0..100).filter(|n| n % 10 != 5)).lost, 10);
        assert_eq!(after([65_533, 65_534, 2, 3]).lost, 3);
    }

    #[test]
    fn reordered_and_late_packets_are_not_lost() {
        assert_eq!(after([10, 12, 11, 13, 16, 15, 14, 17]).lost, 0);
        assert_eq!(after([2, 65_535, 0, 1, 3]).lost, 0, "the first four arrive in disorder, across the wrap");
        assert_eq!(after([2, 1, 4]).lost, 1, "an overtaken first packet hides no loss");
    }

    #[test]
    fn duplicates_hide_loss_but_never_make_it_negative() {
        assert_eq!(after([1, 1, 1, 1, 2]).lost, 0);
    }

    #[test]
    fn another_ssrc_begins_a_new_sequence_and_keeps_what_was_lost() {
        let other = |sequence| RtpHeader { ssrc: 2, ..packet(sequence) };
        let meter = metered([packet(1), packet(3), other(40_000), other(40_003)]);
        assert_eq!((meter.statistics().lost, meter.ssrc()), (3, Some(2)));
    }

    #[test]
    fn a_sender_that_restarts_its_sequence_loses_nothing() {
        assert_eq!(after([1, 2, 3, 30_000, 30_001, 30_002]).lost, 0);
    }

    #[test]
    fn a_single_stray_sequence_number_restarts_nothing() {
        assert_eq!(after([1, 2, 30_000, 3, 4, 40_000, 5, 7]).lost, 1);
    }

    #[test]
    fn even_packets_have_no_jitter_and_uneven_ones_have_theirs() {
        assert_eq!(after(0..100).jitter_us, 0);
        let mut meter = SideMeter::new();
        for n in 0..1000_u16 {
            let late = if n % 2 == 0 { 0 } else { 4_000 };
            meter.rtp(u64::from(n) * 20_000 + late, &packet(n), 8000);
        }
        let jitter = meter.statistics().jitter_us;
        assert!((3_900..=4_000).contains(&jitter), "{jitter}");
    }

    #[test]
    fn the_payload_types_clock_rate_counts() {
        let mut meter = SideMeter::new();
        for n in 0..100_u16 {
            let header = RtpHeader { timestamp: u32::from(n) * 960, ..packet(n) };
            meter.rtp(u64::from(n) * 20_000, &header, 48_000);
        }
        assert_eq!(meter.statistics().jitter_us, 0);
    }

    #[test]
    fn packets_of_one_telephone_event_are_not_jitter() {
        let event = |n: u16| RtpHeader { payload_type: 101, timestamp: 160 * 50, ..packet(n) };
        let packets = (0..50).map(packet).chain((50..60).map(event)).chain((60..100).map(packet));
        assert_eq!(metered(packets).statistics().jitter_us, 0);
    }

    #[test]
    fn a_new_timeline_and_a_clock_rate_of_zero_are_survived() {
        let mut meter = metered([packet(1)]);
        meter.rtp(40_000, &RtpHeader { timestamp: 0x8000_0000, ..packet(2) }, 8000);
        assert_eq!(meter.statistics().jitter_us, 0);
        meter.rtp(60_000, &packet(3), 0);
        meter.rtp(u64::MAX, &packet(4), 0);
    }

    #[test]
    fn silence_is_reported_once_and_ends_with_a_packet() {
        let mut meter = SideMeter::new();
        meter.expect(true, 0);
        assert_eq!(meter.silence(20 * SECOND - 1, LIMIT), None);
        let silence = Silence { lasted: Duration::from_secs(21), rtcp_alive: false };
        assert_eq!(meter.silence(21 * SECOND, LIMIT), Some(silence));
        assert_eq!(meter.silence(60 * SECOND, LIMIT), None);
        assert!(meter.rtp(61 * SECOND, &packet(1), 8000), "heard again");
        assert!(!meter.rtp(62 * SECOND, &packet(2), 8000));
        assert_eq!(meter.silence(81 * SECOND, LIMIT), None);
        assert!(meter.silence(82 * SECOND, LIMIT).is_some());
    }

    #[test]
    fn comfort_noise_is_life() {
        let mut meter = SideMeter::new();
        meter.expect(true, 0);
        meter.rtp(15 * SECOND, &RtpHeader { payload_type: 13, ..packet(1) }, 8000);
        assert_eq!(meter.silence(34 * SECOND, LIMIT), None);
    }

    #[test]
    fn rtcp_within_the_same_time_means_alive_and_quiet() {
        let mut meter = SideMeter::new();
        meter.expect(true, 0);
        meter.rtcp(5 * SECOND);
        assert_eq!(meter.silence(24 * SECOND, LIMIT).map(|s| s.rtcp_alive), Some(true));
        let mut meter = SideMeter::new();
        meter.expect(true, 0);
        meter.rtcp(5 * SECOND);
        assert_eq!(meter.silence(25 * SECOND, LIMIT).map(|s| s.rtcp_alive), Some(false));
    }

    #[test]
    fn a_side_that_need_not_send_is_never_silent_and_begins_anew_when_it_must() {
        let mut meter = SideMeter::new();
        assert_eq!(meter.silence(99 * SECOND, LIMIT), None);
        meter.expect(true, 100 * SECOND);
        meter.expect(true, 110 * SECOND);
        assert!(meter.silence(120 * SECOND, LIMIT).is_some(), "told twice, measured from the first time");
        meter.expect(false, 121 * SECOND);
        assert!(!meter.rtp(122 * SECOND, &packet(1), 8000), "a hold ended the silence");
        assert_eq!(meter.silence(500 * SECOND, LIMIT), None);
        meter.expect(true, 500 * SECOND);
        assert_eq!(meter.silence(519 * SECOND, LIMIT), None);
        assert!(meter.silence(520 * SECOND, LIMIT).is_some());
    }

    #[test]
    fn the_largest_reported_loss_is_kept_in_per_mille() {
        let mut meter = SideMeter::new();
        for fraction in [0, 64, 255, 128] {
            meter.reported_loss(fraction);
        }
        assert_eq!(meter.statistics().reported_loss_permille, 996);
    }

    #[test]
    fn counters_and_score_come_out_together() {
        let mut meter = metered((0..200).map(packet));
        meter.relayed(172);
        meter.relayed(172);
        meter.dropped();
        meter.rtcp_relayed();
        let counted = meter.statistics();
        assert_eq!((counted.packets, counted.bytes, counted.dropped, counted.rtcp_packets), (2, 344, 1, 1));
        assert_eq!(counted.mos_centi, 440);
    }
}
