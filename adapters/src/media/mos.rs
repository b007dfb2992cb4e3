//! How good a call sounded, estimated: the E-model of ITU-T G.107 reduced to what a relay can see.

/// Fewer packets than a second of speech tell nothing.
const TOO_FEW: u64 = 50;

/// R without any impairment, all defaults of G.107.
const R_BEST: f64 = 93.2;

/// Robustness of G.711 with packet loss concealment against random loss (Bpl of G.113 Appendix I); its own
/// impairment (Ie) is 0. Other codecs sound somewhat worse than the estimate.
const LOSS_ROBUSTNESS: f64 = 25.1;

/// Packetisation, ms.
const PACKET_MS: f64 = 20.0;

/// Mean opinion score in hundredths (100 to 450) of a stream of which `received` packets came and `lost` did not;
/// 0 where too few came to tell.
///
/// R = 93.2 − Id − Ie,eff with Ie,eff = 95 · loss% / (loss% + Bpl), and Id = 0.024·d + 0.11·(d − 177.3 where positive)
/// for the delay d that the receiver adds: one packet and a jitter buffer of twice the jitter. The network's own delay
/// is unknown to a relay and left out, so the score is an upper bound. MOS = 1 + 0.035 R + R (R − 60)(100 − R) · 7e−6.
pub(super) fn estimate(received: u64, lost: u64, jitter_us: u32) -> u16 {
    if received < TOO_FEW {
        return 0;
    }
    let loss_percent = 100.0 * lost as f64 / (received + lost) as f64;
    let loss_impairment = 95.0 * loss_percent / (loss_percent + LOSS_ROBUSTNESS);
    let delay_ms = PACKET_MS + 2.0 * f64::from(jitter_us) / 1000.0;
    let delay_impairment = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let r = (R_BEST - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    (mos.clamp(1.0, 4.5) * 100.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_stream_scores_as_g_711_does() {
        assert_eq!(estimate(1000, 0, 0), 440);
    }

    #[test]
    fn loss_and_jitter_each_lower_the_score_down_to_one() {
        let scores = [0, 10, 50, 200, 5_000, 1_000_000].map(|lost| estimate(1000, lost, 0));
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        let scores = [0, 20_000, 100_000, 300_000, 900_000].map(|jitter| estimate(1000, 0, jitter));
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        assert_eq!(estimate(1000, u64::from(u32::MAX), u32::MAX), 100);
    }

    #[test]
    fn five_percent_of_loss_is_still_fair() {
        assert_eq!(estimate(950, 50, 1_000), 390);
    }

    #[test]
    fn less_than_a_second_of_packets_gives_no_score() {
        assert_eq!(estimate(49, 0, 0), 0);
    }
}
