//! How much of one sound is in another: normalised cross-correlation at the best shift.

use super::{FRAME, RATE};

/// Furthest shift looked at, in samples either way: half a second.
const FURTHEST: i64 = RATE as i64 / 2;
/// Length of the piece by which the shift is found: an eighth of a second.
const PROBE: usize = RATE as usize / 8;
/// A likeness that cannot be chance.
const GOOD: f64 = 0.95;

/// The best place of one sound in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// 1 for the same sound at any loudness, about 0 for unrelated sounds or silence, -1 for the inverse.
    pub coefficient: f64,
    /// `heard[i]` belongs to `played[i + shift]`.
    pub shift: i64,
    /// Samples the two have in common at that shift.
    pub compared: usize,
}

/// Compares `heard` with `played`, which may have begun up to half a second earlier or later.
pub fn best_match(heard: &[i16], played: &[i16]) -> Match {
    // The loudest piece finds the shift; the whole overlap then gives the verdict.
    let length = PROBE.min(heard.len());
    let starts = (0..=heard.len() - length).step_by((length / 2).max(1));
    let start = starts.max_by_key(|start| energy(&heard[*start..start + length])).unwrap_or(0);
    let probe = &heard[start..start + length];
    let likeness = |shift: i64| {
        let from = usize::try_from(start as i64 + shift).ok();
        let piece = from.and_then(|from| played.get(from..from + length));
        piece.map_or(-1.0, |piece| coefficient(probe, piece))
    };
    let search = |step: usize| {
        let tried = (-FURTHEST..=FURTHEST).step_by(step).map(|shift| (likeness(shift), shift));
        tried.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((-1.0, 0))
    };
    // Both tapes usually begin with a whole packet, so whole packets are tried first.
    let whole = search(FRAME);
    let (_, shift) = if whole.0 > GOOD { whole } else { search(1) };
    let (skip_heard, skip_played) = ((-shift).max(0) as usize, shift.max(0) as usize);
    let heard = heard.get(skip_heard..).unwrap_or_default();
    let played = played.get(skip_played..).unwrap_or_default();
    let compared = heard.len().min(played.len());
    Match { coefficient: coefficient(&heard[..compared], &played[..compared]), shift, compared }
}

fn energy(samples: &[i16]) -> i64 {
    samples.iter().map(|s| i64::from(*s) * i64::from(*s)).sum()
}

fn coefficient(a: &[i16], b: &[i16]) -> f64 {
    let common: i64 = a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
    let scale = (energy(a) as f64 * energy(b) as f64).sqrt();
    if scale == 0.0 { 0.0 } else { common as f64 / scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::audio::voice::Voice;

    fn spoken(mut voice: Voice) -> Vec<i16> {
        (0..100).flat_map(|_| voice.frame()).collect()
    }

    #[test]
    fn a_shifted_quieter_copy_is_found_where_it_is() {
        let played = spoken(Voice::of_pbx());
        for shift in [0_usize, 160, 2_345] {
            let heard: Vec<i16> = played[shift..].iter().map(|s| s / 3).collect();
            let found = best_match(&heard, &played);
            assert_eq!((found.shift, found.compared), (shift as i64, heard.len()));
            assert!(found.coefficient > 0.999, "{found:?}");
        }
    }

    #[test]
    fn a_copy_that_begins_with_silence_is_found_too() {
        let played = spoken(Voice::of_pbx());
        let heard: Vec<i16> = std::iter::repeat_n(0, 800).chain(played.iter().copied()).collect();
        assert_eq!(best_match(&heard, &played).shift, -800);
    }

    #[test]
    fn half_a_recording_missing_shows() {
        let played = spoken(Voice::of_pbx());
        let mut heard = played.clone();
        heard[4_000..12_000].fill(0);
        let found = best_match(&heard, &played).coefficient;
        assert!((0.5..0.85).contains(&found), "{found}");
    }

    #[test]
    fn another_voice_silence_and_nothing_match_nothing() {
        let played = spoken(Voice::of_pbx());
        assert!(best_match(&spoken(Voice::of_carrier()), &played).coefficient < 0.3);
        assert_eq!(best_match(&[0; 8_000], &played).coefficient, 0.0);
        assert_eq!(best_match(&[], &played).compared, 0);
        assert_eq!(best_match(&played, &[]).coefficient, 0.0);
    }
}
