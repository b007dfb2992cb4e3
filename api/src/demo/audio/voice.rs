//! Speech-like sound without a recording: syllables of a gliding pitch with vowel-like formants, and pauses between.
//! The same seed always speaks the same, and two seeds never alike: that is what makes a recording comparable.

use super::{FRAME, RATE};
use std::f64::consts::TAU;

/// First two formants of five vowels, Hz.
const VOWELS: [[f64; 2]; 5] = [[730.0, 1090.0], [530.0, 1840.0], [270.0, 2290.0], [570.0, 840.0], [300.0, 870.0]];
/// Steps of a pentatonic scale as factors of the base pitch: pleasant in any order.
const SCALE: [f64; 6] = [1.0, 9.0 / 8.0, 5.0 / 4.0, 3.0 / 2.0, 5.0 / 3.0, 2.0];
const HARMONICS: u32 = 10;
const LOUDNESS: f64 = 6000.0;

/// An endless source of samples.
#[derive(Debug, Clone)]
pub struct Voice {
    base_hz: f64,
    syllable_ms: u32,
    random: u64,
    phase: f64,
    pitch: f64,
    syllable: Syllable,
}

#[derive(Debug, Clone, Default)]
struct Syllable {
    at: u32,
    sounding: u32,
    length: u32,
    from_hz: f64,
    to_hz: f64,
    formants: [f64; 2],
}

impl Voice {
    /// A voice at `base_hz` (80 to 400 sounds human) whose syllables take about `syllable_ms`, told by `seed`.
    pub fn new(seed: u64, base_hz: f64, syllable_ms: u32) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { base_hz, syllable_ms, random, phase: 0.0, pitch: base_hz, syllable: Syllable::default() }
    }

    /// What one hears from the carrier's side: low and brisk.
    pub fn of_carrier() -> Self {
        Self::new(1, 110.0, 220)
    }

    /// What one hears from the PBX: higher.
    pub fn of_pbx() -> Self {
        Self::new(2, 190.0, 260)
    }

    /// What one hears from the desk phone: between the two.
    pub fn of_desk() -> Self {
        Self::new(4, 150.0, 240)
    }

    /// What a held party hears: slow and high.
    pub fn of_hold() -> Self {
        Self::new(3, 330.0, 480)
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> [i16; FRAME] {
        std::array::from_fn(|_| self.sample())
    }

    fn sample(&mut self) -> i16 {
        if self.syllable.at >= self.syllable.length {
            self.syllable = self.next_syllable();
        }
        let Syllable { at, sounding, from_hz, to_hz, formants, .. } = self.syllable;
        self.syllable.at += 1;
        if at >= sounding {
            return 0;
        }
        let progress = f64::from(at) / f64::from(sounding);
        self.pitch = from_hz + (to_hz - from_hz) * progress;
        self.phase = (self.phase + self.pitch / f64::from(RATE)).fract();
        let sound: f64 = (1..=HARMONICS).map(|n| self.harmonic(n, formants)).sum();
        let envelope = (TAU / 2.0 * progress).sin().sqrt();
        (sound * envelope * LOUDNESS).clamp(-32_000.0, 32_000.0) as i16
    }

    fn harmonic(&self, n: u32, formants: [f64; 2]) -> f64 {
        let hz = self.pitch * f64::from(n);
        let near = formants.map(|formant| 1.0 / (1.0 + ((hz - formant) / 150.0).powi(2)));
        (0.15 / f64::from(n) + near[0] + 0.5 * near[1]) * (TAU * f64::from(n) * self.phase).sin()
    }

    fn next_syllable(&mut self) -> Syllable {
        let note = SCALE[self.below(SCALE.len() as u64) as usize] * self.base_hz;
        let length = self.syllable_ms * (RATE / 1000) * (70 + self.below(60) as u32) / 100;
        let pause = if self.below(5) == 0 { length / 3 } else { length / 10 };
        let formants = VOWELS[self.below(VOWELS.len() as u64) as usize];
        let glide = 0.9 + 0.02 * self.below(10) as f64;
        Syllable { at: 0, sounding: length - pause, length, from_hz: note, to_hz: note * glide, formants }
    }

    /// A number below `limit`; xorshift, since all that matters here is that it repeats.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::audio::correlation::best_match;

    fn spoken(mut voice: Voice, frames: usize) -> Vec<i16> {
        (0..frames).flat_map(|_| voice.frame()).collect()
    }

    #[test]
    fn a_voice_is_loud_enough_to_compare_and_never_clips() {
        for voice in [Voice::of_carrier(), Voice::of_pbx(), Voice::of_hold()] {
            let sound = spoken(voice, 200);
            let loudest = sound.iter().map(|s| i32::from(*s).abs()).max();
            assert!(loudest.is_some_and(|peak| (8_000..30_000).contains(&peak)), "the peak is {loudest:?}");
        }
    }

    #[test]
    fn the_same_seed_speaks_the_same_and_others_do_not() {
        let carrier = spoken(Voice::of_carrier(), 200);
        assert_eq!(carrier, spoken(Voice::of_carrier(), 200));
        for other in [Voice::of_pbx(), Voice::of_hold()] {
            let likeness = best_match(&carrier, &spoken(other, 200)).coefficient;
            assert!(likeness < 0.3, "two voices are alike by {likeness}");
        }
    }
}
