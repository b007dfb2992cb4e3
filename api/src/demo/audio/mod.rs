//! The demo's sound: voices made in code, G.711, WAV files, and the measure of how well one sound matches another.
//! Everything is 16-bit linear at 8 kHz, one channel.

pub mod correlation;
pub mod g711;
pub mod voice;
pub mod wav;

/// Samples per second of everything here.
pub const RATE: u32 = 8000;

/// Samples of one packet: 20 ms at 8 kHz.
pub const FRAME: usize = 160;

/// Seconds that `samples` take.
pub fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(RATE)
}
